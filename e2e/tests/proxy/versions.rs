//! HTTP/2 by prior knowledge, and gRPC through it.

use bytes::Bytes;
use e2e::bodies::{Body, count, empty, full, pieces, read};
use e2e::clock::await_condition;
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use http::{Request, Version};
use http_body_util::BodyExt;
use hyper::body::Frame;

use super::harness::{Proxy, get};

fn call(path: &str, body: Body) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

/// A message of gRPC.
fn message(text: &str) -> Bytes {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(text.as_bytes());
    framed.into()
}

#[tokio::test]
async fn a_client_of_http_2_reaches_an_upstream_of_either() {
    let upstream = Upstream::start().await;
    for (protocol, version) in
        [("Auto", Version::HTTP_11), ("HTTP1", Version::HTTP_11), ("HTTP2", Version::HTTP_2)]
    {
        let spec = format!("upstream: {{url: \"http://{}\", protocol: {protocol}}}", upstream.at());
        let mut proxy = Proxy::before(upstream.at(), &[&spec]).await;
        for mut client in [Speaker::two(proxy.at).await, Speaker::one(proxy.at).await] {
            let request = Request::post("/echo?a=%20b").header("x-two", "a").header("x-two", "b");
            let answer = client.send(request.body(full("body")).unwrap()).await.unwrap();
            assert_eq!(read(answer.into_body()).await.unwrap().0, "body");
            let seen = upstream.seen().pop().unwrap();
            assert_eq!(
                (seen.version, seen.uri.path_and_query().unwrap().as_str()),
                (version, "/echo?a=%20b")
            );
            assert_eq!((seen.all("x-two"), seen.all("x-forwarded-for")), (vec!["a", "b"], vec!["127.0.0.1"]));
            let host = proxy.at.to_string();
            match version {
                Version::HTTP_2 => assert_eq!(seen.uri.authority().unwrap().as_str(), host),
                _ => assert_eq!(seen.all("host"), [host.as_str()]),
            }
            assert_eq!(seen.all("x-forwarded-host"), [host.as_str()]);
        }
        proxy.is_at_rest().await;
    }
}

#[tokio::test]
async fn streams_of_one_connection_do_not_wait_for_each_other() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(60, upstream.at(), &[]).await;
    let client = Speaker::two(proxy.at).await;
    let mut held: Vec<_> = Vec::new();
    for _ in 0..50 {
        let mut client = client.beside();
        held.push(tokio::spawn(async move { client.send(get("/hold")).await }));
    }
    proxy.flies(50).await;
    assert_eq!(client.beside().send(get("/")).await.unwrap().status(), 200);
    upstream.release();
    for held in held {
        assert_eq!(read(held.await.unwrap().unwrap().into_body()).await.unwrap().0, "held");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_call_and_its_trailers_go_through() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut client = Speaker::two(proxy.at).await;
    let answer = client.send(call("/grpc.Echo/Call", full(message("hi")))).await.unwrap();
    assert_eq!(answer.status(), 200);
    let (body, trailers) = read(answer.into_body()).await.unwrap();
    let trailers = trailers.expect("trailers");
    assert_eq!(body, message("hi"));
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(
        (&trailers["grpc-message"], &trailers["x-last"]),
        (&"all %C3%A4".parse().unwrap(), &"1".parse().unwrap())
    );
    let seen = upstream.only();
    assert_eq!((seen.version, seen.all("te")), (Version::HTTP_2, vec!["trailers"]));
    let answer = client.send(call("/grpc.Fail/Call", full(message("hi")))).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_stream_of_calls_goes_both_ways_at_once() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut client = Speaker::two(proxy.at).await;
    let (sender, body) = pieces();
    let mut answers = client.send(call("/grpc.Echo/Call", body)).await.unwrap().into_body();
    for nth in 0..100 {
        let sent = message(&format!("message {nth}"));
        sender.send(Ok(Frame::data(sent.clone()))).await.unwrap();
        assert_eq!(answers.frame().await.unwrap().unwrap().into_data().unwrap(), sent);
    }
    assert_eq!(proxy.in_flight().await, 1, "a call has its place until its last message");
    drop(sender);
    let last = answers.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(last["grpc-status"], "0");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_refused_call_is_told_in_grpcs_way() {
    let upstream = Upstream::start().await;
    let routes = "routes: [{match: {path: {value: /grpc.Admin/}}, action: Deny}]";
    let mut proxy = Proxy::with_window(1, upstream.at(), &[routes]).await;
    let held = proxy.held().await;
    let mut client = Speaker::two(proxy.at).await;
    let answer = client.send(call("/grpc.Echo/Call", full(message("hi")))).await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(answer.status(), 200);
    assert_eq!(header("content-type"), Some("application/grpc"));
    assert_eq!((header("grpc-status"), header("grpc-retry-pushback-ms")), (Some("8"), Some("1000")));
    assert_eq!(header("grpc-message"), Some("congestion window closed, backoff from backpressure"));
    assert_eq!(header("x-wicketgate-reason"), Some("WindowClosed"));
    assert_eq!(read(answer.into_body()).await.unwrap().0, "");
    let answer = client.send(call("/grpc.Admin/Call", empty())).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"7".parse().unwrap()));
    assert_eq!(answer.headers().get("grpc-retry-pushback-ms"), None);
    drop(held);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_call_whose_upstream_is_gone_is_unavailable() {
    let mut proxy = Proxy::before(e2e::ports::lasting(), &[]).await;
    let mut client = Speaker::two(proxy.at).await;
    let answer = client.send(call("/grpc.Echo/Call", full(message("hi")))).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
    proxy.is_at_rest().await;
}

/// Whoever does not read holds up the upstream, and not our memory.
#[tokio::test]
async fn an_answer_that_is_not_read_is_not_gathered() {
    const LENGTH: u64 = 256 << 20;
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for mut client in [Speaker::one(proxy.at).await, Speaker::two(proxy.at).await] {
        assert_eq!(client.send(get("/")).await.unwrap().status(), 200);
        let (before, _) = proxy.daemon.memory();
        let mut body = client.send(get(&format!("/zeros/{LENGTH}"))).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        // Nobody reads, until all that may be on its way is on its way.
        let (mut last, mut equal) = (0, 0);
        await_condition("memory comes to rest", async || {
            let now = proxy.daemon.memory().0;
            equal = if std::mem::replace(&mut last, now) == now { equal + 1 } else { 0 };
            equal == 20
        })
        .await;
        assert!(last < before + (24 << 20), "{} KiB more are held", (last - before) >> 10);
        assert_eq!(proxy.in_flight().await, 1);
        let left = count(body).await.expect("a whole answer");
        assert!(left > LENGTH - (1 << 20));
        let (_, most) = proxy.daemon.memory();
        assert!(most < before + (48 << 20), "{} KiB more were held", (most - before) >> 10);
    }
    proxy.is_at_rest().await;
}

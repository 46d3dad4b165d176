//! Bodies of every framing, trailers, and `Expect: 100-continue`.

use std::time::Duration;

use e2e::bodies::{count, full, pieces, read, with_trailers};
use e2e::speak::Speaker;
use e2e::upstream::{Recorder, Upstream};
use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Frame;

use super::harness::{CLOSED, Proxy, get};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn chunks_go_both_ways_as_they_come() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("POST /echo HTTP/1.1\r\nhost: test\r\nTransfer-Encoding: CHUNKED\r\n\r\n").await;
    let head = wire.head().await.expect("an answer before the request is over");
    assert_eq!((head.status(), head.get("transfer-encoding")), (200, Some("chunked")));
    for (sent, came) in [("5\r\nfirst\r\n", "5\r\nfirst\r\n"), ("006;ext=1\r\nsecond\r\n", "6\r\nsecond\r\n")]
    {
        wire.send(sent).await;
        assert_eq!(wire.exactly(came.len()).await.unwrap(), came.as_bytes(), "each piece comes at once");
    }
    assert_eq!(proxy.in_flight().await, 1, "it has its place as long as it lasts");
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.exactly(5).await.unwrap(), b"0\r\n\r\n");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn trailers_go_both_ways_over_http_1() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let answer = proxy
        .ask("POST /echo HTTP/1.1\r\nhost: test\r\nte: trailers\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n")
        .await;
    assert_eq!(answer.body, b"abc");
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "6".to_owned())]);
    let seen = upstream.only();
    assert_eq!((seen.all("te"), seen.all("trailer")), (vec!["trailers"], vec!["x-sum"]));
    let answer = proxy.get("/trailers", &["te: trailers"]).await;
    assert_eq!(
        (answer.body, answer.trailers),
        (b"body".to_vec(), vec![("x-sum".to_owned(), "42".to_owned())])
    );
    let answer = proxy.get("/trailers", &[]).await;
    assert_eq!(
        (answer.body, answer.trailers),
        (b"body".to_vec(), vec![]),
        "who did not ask for them has none"
    );
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn trailers_go_both_ways_over_http_2() {
    let upstream = Upstream::start().await;
    for protocol in ["HTTP1", "HTTP2"] {
        let spec = format!("upstream: {{url: \"http://{}\", protocol: {protocol}}}", upstream.at());
        let mut proxy = Proxy::before(upstream.at(), &[&spec]).await;
        let mut client = Speaker::two(proxy.at).await;
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("6"))]);
        let request = Request::post("/echo")
            .header("te", "trailers")
            .header("trailer", "x-sum")
            .body(with_trailers("abc", trailers))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        let (body, trailers) = read(answer.into_body()).await.unwrap();
        assert_eq!(body, "abc", "{protocol}");
        assert_eq!(trailers.expect("trailers")["x-sum"], "6", "{protocol}");
        proxy.is_at_rest().await;
    }
}

#[tokio::test]
async fn a_body_is_asked_for_once_the_request_is_let_in() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("POST /count HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    assert_eq!(wire.head().await.unwrap().line, "HTTP/1.1 100 Continue");
    wire.send("body").await;
    let answer = wire.answer("POST").await.unwrap();
    assert_eq!((answer.head.status(), answer.body), (200, b"4".to_vec()));
    assert_eq!(upstream.only().all("expect"), [""; 0], "our upstream is asked by us");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_refusal_comes_before_the_body_is_sent() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(1, upstream.at(), &[]).await;
    let held = proxy.held().await;
    for expect in ["expect: 100-continue\r\n", ""] {
        let mut wire = proxy.wire().await;
        wire.send(format!("POST /count HTTP/1.1\r\nhost: test\r\n{expect}content-length: 1000000\r\n\r\n"))
            .await;
        let head = wire.head().await.unwrap();
        assert_eq!(head.status(), 429, "nobody says 100 before it: {head:?}");
        assert_eq!(wire.exactly(CLOSED.len()).await.unwrap(), CLOSED.as_bytes());
        // The body was not read, so what follows on this connection could only be that.
        wire.closes().await;
    }
    assert_eq!(upstream.seen().len(), 1, "only the one that is held is known there");
    drop(held);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_an_upstream_says_before_its_answer_is_not_taken_for_it() {
    let upstream = Recorder::answering(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let answer = proxy.get("/", &[]).await;
    assert_eq!((answer.head.status(), answer.body), (200, b"ok".to_vec()));
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_answer_before_the_request_is_over_reaches_the_client() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\nbeginning").await;
    let answer = wire.answer("POST").await.unwrap();
    assert_eq!((answer.head.status(), answer.body), (200, b"ok".to_vec()));
    drop(wire);
    proxy.is_at_rest().await;
    // Half a request is on the upstream's connection: no other may follow it there.
    proxy.get("/other", &[]).await;
    assert!(
        upstream
            .kept()
            .iter()
            .filter(|kept| kept.contains("/other"))
            .all(|kept| kept.starts_with("GET /other"))
    );
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_is_whole() {
    let upstream = Recorder::answering(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 300ms}"]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let head = wire.head().await.unwrap();
    assert_eq!(head.get("transfer-encoding"), Some("chunked"));
    // The recorder never closes, so the answer never ends: that is no clean end either.
    assert_eq!(wire.exactly(18).await.unwrap(), b"D\r\nuntil the end\r\n");
    assert!(!String::from_utf8_lossy(&wire.rest().await.unwrap_or_default()).contains("0\r\n\r\n"));
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn bodies_of_every_length_go_through_whole() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let (mut one, mut two) = (Speaker::one(proxy.at).await, Speaker::two(proxy.at).await);
    for length in [0, 1, 16_383, 16_384, 65_535, 65_536, 300_000, 3_000_000] {
        let bytes: Vec<u8> = (0..length).map(|nth: u32| (nth % 251) as u8).collect();
        for client in [&mut one, &mut two] {
            let request = Request::post("/echo").body(full(bytes.clone())).unwrap();
            let answer = client.send(request).await.unwrap();
            assert_eq!(read(answer.into_body()).await.unwrap().0, bytes, "{length} bytes");
            let answer = client.send(get(&format!("/zeros/{length}"))).await.unwrap();
            assert_eq!(count(answer.into_body()).await, Ok(length.into()));
        }
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn pieces_are_passed_on_without_waiting_for_the_next() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for mut client in [Speaker::one(proxy.at).await, Speaker::two(proxy.at).await] {
        let (sender, body) = pieces();
        let mut answer = client.send(Request::post("/echo").body(body).unwrap()).await.unwrap().into_body();
        for nth in 0..20 {
            let piece = format!("piece {nth}");
            sender.send(Ok(Frame::data(piece.clone().into()))).await.unwrap();
            let frame = http_body_util::BodyExt::frame(&mut answer);
            let frame = tokio::time::timeout(Duration::from_secs(20), frame).await.expect("it comes at once");
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), piece);
        }
        drop(sender);
        assert_eq!(count(answer).await, Ok(0));
    }
    proxy.is_at_rest().await;
}

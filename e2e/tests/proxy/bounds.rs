//! Bounds of size and time, and upstreams that are not there or break off.

use std::time::Duration;

use e2e::bodies::{Body, count, full, read, zeros};
use e2e::speak::Speaker;
use e2e::upstream::{Recorder, Upstream};
use e2e::wire::Answer;
use http::{Request, StatusCode};
use tokio::net::TcpListener;

use super::harness::{Proxy, get};

/// A fault in JSON, whose text says this.
fn says(answer: &Answer, text: &str) {
    assert_eq!(answer.head.get("content-type"), Some("application/json; charset=utf-8"), "{answer:?}");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(body["error"].as_str().unwrap().contains(text), "{body} says {text:?}");
}

#[tokio::test]
async fn a_head_beyond_64_kib_is_refused() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let value = "v".repeat(60 << 10);
    assert_eq!(proxy.get("/", &[&format!("x-long: {value}")]).await.head.status(), 200, "60 KiB are fine");
    for request in [
        format!("GET / HTTP/1.1\r\nhost: test\r\nx-long: {value}{value}\r\n\r\n"),
        format!("GET /{value}{value} HTTP/1.1\r\nhost: test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: test\r\n{}\r\n", "x-many: 1\r\n".repeat(1000)),
        format!("GET / HTTP/1.1\r\nhost: test\r\nx-endless: {}", "v".repeat(200 << 10)),
    ] {
        let mut wire = proxy.wire().await;
        wire.send(request).await;
        // What was not read resets the connection, perhaps before the answer is.
        let came = String::from_utf8_lossy(&wire.rest().await.unwrap_or_default()).into_owned();
        let status = came.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "" | "400" | "414" | "431"), "{came}");
    }
    let mut two = Speaker::two(proxy.at).await;
    let request = Request::get("/").header("x-long", format!("{value}{value}")).body(full("")).unwrap();
    let answer = two.send(request).await;
    assert!(answer.as_ref().is_ok_and(|answer| answer.status() == 431) || answer.is_err(), "{answer:?}");
    assert_eq!(upstream.seen().len(), 1);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["maxRequestBodyBytes: 1000"]).await;
    let told = |length: usize, sent: &str| {
        format!("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{sent}")
    };
    let chunked = |sent: &str| {
        let chunk = format!("{:x}\r\n{sent}\r\n0\r\n\r\n", sent.len());
        format!("POST /count HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")
    };
    let (fits, long) = ("x".repeat(1000), "x".repeat(1001));
    for request in [told(1000, &fits), chunked(&fits)] {
        assert_eq!(proxy.ask(&request).await.body, b"1000");
    }
    for request in [told(1001, &long), told(1_000_000_000_000, ""), chunked(&long)] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.head.status(), 413, "{:?}", request.get(..80));
        says(&answer, "1000 bytes");
    }
    for body in [full(long.clone()), zeros(1001)] {
        let mut two = Speaker::two(proxy.at).await;
        let answer = two.send(Request::post("/count").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_before_its_answer() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 200ms}"]).await;
    let answer = proxy.get("/hold", &[]).await;
    assert_eq!(answer.head.status(), 504);
    says(&answer, "longer than is allowed");
    let mut two = Speaker::two(proxy.at).await;
    assert_eq!(two.send(get("/hold")).await.unwrap().status(), 504);
    // So is one whose body does not come.
    let answer = proxy.ask("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nbegin").await;
    assert_eq!(answer.head.status(), 504);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_has_no_clean_end() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 300ms}"]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /early HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let broken = wire.answer("GET").await.expect_err("no whole answer");
    assert!(broken.contains("broken off"), "{broken}");
    let mut two = Speaker::two(proxy.at).await;
    let answer = two.send(get("/early")).await.unwrap();
    assert_eq!(read(answer.into_body()).await.expect_err("no whole answer"), "first");
    assert_eq!(two.send(get("/")).await.unwrap().status(), 200, "the connection is as good as before");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_bad_gateway() {
    let mut proxy = Proxy::before(e2e::ports::lasting(), &[]).await;
    for _ in 0..3 {
        let answer = proxy.get("/", &[]).await;
        assert_eq!(answer.head.status(), 502);
        says(&answer, "the upstream cannot be connected to");
    }
    // Where it is and what is wrong is for the log, now and then.
    let log = proxy.daemon.log();
    assert_eq!(log.matches("cannot connect to 127.0.0.1:").count(), 1, "{log}");
    proxy.metric("wicketgate_proxy_upstream_errors_total{kind=\"connect\",policy=\"test/web\"}", 3.0).await;
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_upstream_that_takes_no_connection_is_given_up() {
    // Nobody accepts, and the queue of those who wait to be is full: connecting takes for ever.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(at)).await
    {
        queue.push(stream);
    }
    let mut proxy = Proxy::before(at, &["timeouts: {connect: 200ms}"]).await;
    let answer = proxy.get("/", &[]).await;
    assert_eq!(answer.head.status(), 502);
    says(&answer, "the upstream did not take a connection in time");
    proxy.is_at_rest().await;
    drop((queue, listener));
}

#[tokio::test]
async fn an_upstream_that_comes_back_is_used_again() {
    let at = e2e::ports::lasting();
    let mut proxy = Proxy::before(at, &[]).await;
    assert_eq!(proxy.get("/", &[]).await.head.status(), 502);
    let listener = TcpListener::bind(at).await.unwrap();
    let answering = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut wire = e2e::wire::Wire::of(stream);
            wire.head().await;
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
        }
    });
    e2e::clock::await_condition("it is used", async || proxy.get("/", &[]).await.head.status() == 200).await;
    proxy.still_forwards().await;
    answering.abort();
}

#[tokio::test]
async fn an_upstream_that_breaks_off_leaves_the_client_no_clean_end() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for path in ["/break", "/break-chunked"] {
        let mut wire = proxy.wire().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        let broken = wire.answer("GET").await.expect_err("no whole answer");
        assert!(broken.contains("broken off"), "{path}: {broken}");
        let mut two = Speaker::two(proxy.at).await;
        let answer = two.send(get(path)).await.unwrap();
        assert_eq!(count(answer.into_body()).await, Err(10), "{path}");
    }
    let spec = format!("upstream: {{url: \"http://{}\", protocol: HTTP2}}", upstream.at());
    let mut behind = Proxy::before(upstream.at(), &[&spec]).await;
    let mut wire = behind.wire().await;
    wire.send("GET /break-chunked HTTP/1.1\r\nhost: test\r\n\r\n").await;
    wire.answer("GET").await.expect_err("no whole answer");
    behind.still_forwards().await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn an_upstream_that_says_nonsense_is_a_bad_gateway() {
    for nonsense in [
        &b"nonsense\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
    ] {
        let upstream = Recorder::answering(nonsense).await;
        let mut proxy = Proxy::before(upstream.at(), &[]).await;
        let answer = proxy.get("/", &[]).await;
        assert_eq!(answer.head.status(), 502, "{:?}", String::from_utf8_lossy(nonsense));
        proxy.is_at_rest().await;
    }
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_not_sent_twice() {
    // It reads a request and closes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (sender, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let closing = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut wire = e2e::wire::Wire::of(stream);
            sender.send(wire.head().await).unwrap();
        }
    });
    let mut proxy = Proxy::before(at, &[]).await;
    let request: Request<Body> = Request::post("/pay").body(full("1")).unwrap();
    assert_eq!(Speaker::one(proxy.at).await.send(request).await.unwrap().status(), 502);
    assert!(heads.recv().await.unwrap().is_some());
    proxy.is_at_rest().await;
    assert!(heads.try_recv().is_err(), "it came twice");
    closing.abort();
}

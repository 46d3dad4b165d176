//! Clients that leave in the middle: their place is free at once, and nobody is given what they left.

use e2e::bodies::{pieces, read};
use e2e::clock::await_condition;
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Frame;

use super::harness::{Proxy, get};

/// The upstream's connections that were left in the middle are closed, and others are used.
async fn are_closed(proxy: &mut Proxy, upstream: &Upstream) {
    proxy.flies(0).await;
    await_condition("what was left in the middle is closed", async || upstream.open() == 0).await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_its_answer() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(2, upstream.at(), &[]).await;
    for _ in 0..5 {
        let held = [proxy.held().await, proxy.held().await];
        drop(held);
        proxy.flies(0).await;
    }
    are_closed(&mut proxy, &upstream).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for framing in ["content-length: 1000000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n10\r\n"] {
        let before = upstream.broken();
        let mut wire = proxy.wire().await;
        wire.send(format!("POST /count HTTP/1.1\r\nhost: test\r\n{framing}begin")).await;
        proxy.flies(1).await;
        await_condition("it is there", async || !upstream.seen().is_empty()).await;
        drop(wire);
        await_condition("the upstream sees no whole body", async || upstream.broken() == before + 1).await;
        proxy.flies(0).await;
    }
    are_closed(&mut proxy, &upstream).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_answer() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for path in ["/early", "/zeros/1000000000"] {
        let mut wire = proxy.wire().await;
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!(wire.head().await.unwrap().status(), 200);
        wire.exactly(5).await.unwrap();
        assert_eq!(proxy.in_flight().await, 1);
        drop(wire);
        proxy.flies(0).await;
    }
    are_closed(&mut proxy, &upstream).await;
}

#[tokio::test]
async fn streams_of_http_2_that_are_given_up() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let client = Speaker::two(proxy.at).await;
    // While it waits for the head.
    let mut waiting = client.beside();
    let waiting = tokio::spawn(async move { waiting.send(get("/hold")).await });
    proxy.flies(1).await;
    waiting.abort();
    proxy.flies(0).await;
    // In the middle of the answer.
    let mut answer = client.beside().send(get("/early")).await.unwrap().into_body();
    answer.frame().await.unwrap().unwrap();
    proxy.flies(1).await;
    drop(answer);
    proxy.flies(0).await;
    // In the middle of the body.
    let broken = upstream.broken();
    let (sender, body) = pieces();
    let mut sending = client.beside();
    let sending =
        tokio::spawn(async move { sending.send(Request::post("/count").body(body).unwrap()).await });
    sender.send(Ok(Frame::data("begin".into()))).await.unwrap();
    proxy.flies(1).await;
    sender.send(Err("on purpose".into())).await.unwrap();
    assert!(sending.await.unwrap().is_err());
    await_condition("the upstream sees no whole body", async || upstream.broken() == broken + 1).await;
    proxy.flies(0).await;
    // The client's connection is as good as before.
    let answer = client.beside().send(get("/")).await.unwrap();
    assert_eq!(read(answer.into_body()).await.unwrap().0, "hello");
    drop(client);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_stream_that_is_given_up_leaves_an_upstream_of_http_2_its_connection() {
    let upstream = Upstream::start().await;
    let spec = format!("upstream: {{url: \"http://{}\", protocol: HTTP2}}", upstream.at());
    let mut proxy = Proxy::before(upstream.at(), &[&spec]).await;
    let client = Speaker::two(proxy.at).await;
    for _ in 0..20 {
        let mut answer = client.beside().send(get("/early")).await.unwrap().into_body();
        answer.frame().await.unwrap().unwrap();
        drop(answer);
        proxy.flies(0).await;
    }
    let answer = client.beside().send(get("/")).await.unwrap();
    assert_eq!(read(answer.into_body()).await.unwrap().0, "hello");
    assert_eq!(upstream.connections(), 1);
    drop(client);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn many_who_leave_at_once_leave_nothing() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(200, upstream.at(), &[]).await;
    for _ in 0..3 {
        let mut wires = Vec::new();
        for nth in 0..100 {
            let mut wire = proxy.wire().await;
            let path = if nth % 2 == 0 { "/hold" } else { "/early" };
            wire.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
            wires.push(wire);
        }
        proxy.flies(100).await;
        drop(wires);
        proxy.flies(0).await;
    }
    are_closed(&mut proxy, &upstream).await;
}

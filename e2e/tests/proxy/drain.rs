//! The end of the process: what is in flight ends well.

use std::time::Duration;

use e2e::clock::await_condition;
use e2e::process::Signal;
use e2e::upstream::Upstream;
use e2e::wire::Wire;

use super::harness::Proxy;

const UPGRADE: &str =
    "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

async fn stops_listening(proxy: &Proxy) {
    proxy.daemon.signal(Signal::Term);
    await_condition("nobody is let in any more", async || Wire::try_to(proxy.at).await.is_err()).await;
}

#[tokio::test]
async fn what_is_in_flight_ends_well() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut idle = proxy.wire().await;
    idle.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    idle.answer("GET").await.unwrap();
    let mut silent = proxy.wire().await;
    let mut held = proxy.held().await;
    let mut early = proxy.wire().await;
    early.send("GET /early HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(early.head().await.unwrap().status(), 200);
    let mut socket = proxy.wire().await;
    socket.send(UPGRADE).await;
    assert_eq!(socket.head().await.unwrap().status(), 101);
    proxy.flies(3).await;

    stops_listening(&proxy).await;
    idle.closes().await;
    silent.closes().await;
    assert!(proxy.daemon.runs(), "it waits for what is in flight");
    socket.send("still here").await;
    assert_eq!(socket.exactly(10).await.unwrap(), b"still here");
    upstream.release();
    let answer = held.answer("GET").await.unwrap();
    assert_eq!((answer.head.get("connection"), answer.body.as_slice()), (Some("close"), b"held".as_slice()));
    assert_eq!(
        early.exactly(b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n".len()).await.unwrap(),
        b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n"
    );
    socket.finish().await;
    assert_eq!(socket.rest().await.unwrap(), b"");
    let (status, took) = proxy.daemon.ended_after().await;
    assert_eq!(status.code(), Some(0), "{}", proxy.daemon.log());
    assert!(took < Duration::from_secs(8), "it does not wait for its grace of 10 s to end: {took:?}");
    assert!(!proxy.daemon.log().contains("panicked"), "{}", proxy.daemon.log());
}

#[tokio::test]
async fn streams_of_http_2_end_well() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let client = e2e::speak::Speaker::two(proxy.at).await;
    let mut waiting = client.beside();
    let held = tokio::spawn(async move { waiting.send(super::harness::get("/hold")).await });
    proxy.flies(1).await;
    stops_listening(&proxy).await;
    upstream.release();
    let answer = held.await.unwrap().unwrap();
    assert_eq!(e2e::bodies::read(answer.into_body()).await.unwrap().0, "held");
    assert_eq!(proxy.daemon.ended().await.code(), Some(0), "{}", proxy.daemon.log());
}

#[tokio::test]
async fn what_does_not_end_is_cut_off_after_the_grace() {
    let upstream = Upstream::start().await;
    let at = e2e::ports::lasting();
    let manifests = crate::manifests::Manifests::cluster(
        1,
        &["drain: {timeout: 1s}"],
        &[&super::harness::policy(at, 9, upstream.at(), &[])],
    );
    let mut proxy = Proxy { daemon: manifests.standalone(1).start().await, manifests, at };
    let mut held = proxy.held().await;
    let mut socket = proxy.wire().await;
    socket.send(UPGRADE).await;
    assert_eq!(socket.head().await.unwrap().status(), 101);
    stops_listening(&proxy).await;
    assert_eq!(proxy.daemon.ended().await.code(), Some(0), "{}", proxy.daemon.log());
    held.answer("GET").await.expect_err("it was cut off");
    socket.closes().await;
}

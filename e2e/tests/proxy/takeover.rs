//! Connections that go over to another protocol: WebSocket and CONNECT.

use e2e::upstream::{Recorder, Upstream};
use e2e::wire::Wire;

use super::harness::Proxy;

const UPGRADE: &str = "GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Whatever is sent comes back.
async fn echoes(wire: &mut Wire) {
    for piece in [&b"\x81\x05hello"[..], b"\0\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[0xff; 70_000]] {
        wire.send(piece).await;
        assert_eq!(wire.exactly(piece.len()).await.unwrap(), piece);
    }
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways_and_has_its_place_while_it_is_open() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(1, upstream.at(), &["timeouts: {idle: 1s}"]).await;
    let mut wire = proxy.wire().await;
    wire.send(UPGRADE).await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status(), head.get("upgrade")), (101, Some("websocket")), "{head:?}");
    assert_eq!(head.get("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    echoes(&mut wire).await;
    let seen = upstream.only();
    assert_eq!((seen.all("upgrade"), seen.all("connection")), (vec!["websocket"], vec!["upgrade"]));
    assert_eq!(seen.all("sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    assert_eq!(proxy.in_flight().await, 1);
    assert_eq!(proxy.get("/", &[]).await.head.status(), 429, "the window is full");
    // One side says that it is done; what is on its way still comes.
    wire.send("the last").await;
    wire.finish().await;
    assert_eq!(wire.rest().await.unwrap(), b"the last");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_websocket_that_is_left_gives_its_place_back() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for _ in 0..5 {
        let mut wire = proxy.wire().await;
        wire.send(UPGRADE).await;
        assert_eq!(wire.head().await.unwrap().status(), 101);
        drop(wire);
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn what_a_client_sends_ahead_of_the_answer_belongs_to_the_new_protocol() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send(format!("{UPGRADE}ahead")).await;
    assert_eq!(wire.head().await.unwrap().status(), 101);
    assert_eq!(wire.exactly(5).await.unwrap(), b"ahead");
    echoes(&mut wire).await;
    drop(wire);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_an_upstream_sends_with_its_answer_is_not_lost() {
    let upstream = Recorder::answering(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst",
    )
    .await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send(UPGRADE).await;
    assert_eq!(wire.head().await.unwrap().status(), 101);
    assert_eq!(wire.exactly(5).await.unwrap(), b"first");
    drop(wire);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_upgrade_that_is_not_granted_is_answered_as_any_request() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    for (path, status, body) in [("/", 200, "hello"), ("/status/426", 426, "")] {
        wire.send(UPGRADE.replace("/upgrade", path)).await;
        let answer = wire.answer("GET").await.unwrap();
        assert_eq!((answer.head.status(), answer.body.as_slice()), (status, body.as_bytes()));
        assert_eq!(answer.head.get("upgrade"), None);
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_not_passed_on() {
    let upstream =
        Recorder::answering(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 2s}"]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = wire.head().await;
    assert_eq!(head.expect("an answer").status(), 502);
    drop(wire);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn http_2_is_not_spoken_through_a_tunnel() {
    let upstream = Recorder::answering(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    )
    .await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for upgrade in ["h2c", "websocket, H2C"] {
        let headers = [
            "connection: upgrade, http2-settings",
            "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA",
            &format!("upgrade: {upgrade}"),
        ];
        assert_eq!(proxy.get("/", &headers).await.head.status(), 502, "even where the upstream would");
    }
    for kept in upstream.kept() {
        assert!(!kept.contains("upgrade") && !kept.contains("http2-settings"), "{kept:?}");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn connect_is_a_tunnel_through_the_upstream() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(1, upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n\r\n").await;
    let head = wire.head().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!((head.get("content-length"), head.get("transfer-encoding")), (None, None), "{head:?}");
    echoes(&mut wire).await;
    assert_eq!(upstream.only().uri, "far.example:443");
    assert_eq!(proxy.in_flight().await, 1);
    wire.finish().await;
    assert_eq!(wire.rest().await.unwrap(), b"");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn connect_over_http_2_is_a_bad_request() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut client = e2e::speak::Speaker::two(proxy.at).await;
    let request = http::Request::connect("far.example:443").body(e2e::bodies::empty()).unwrap();
    let answer = client.send(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("connection")), (400, None));
    assert_eq!(client.send(super::harness::get("/")).await.unwrap().status(), 200);
    drop(client);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_upgrade_to_a_full_window_is_refused() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(1, upstream.at(), &[]).await;
    let held = proxy.held().await;
    assert_eq!(proxy.ask(UPGRADE).await.head.status(), 429);
    assert_eq!(proxy.ask("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").await.head.status(), 429);
    drop(held);
    proxy.is_at_rest().await;
}

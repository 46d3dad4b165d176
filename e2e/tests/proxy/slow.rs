//! Clients that are slow, or say nothing at all.

use e2e::bodies::count;
use e2e::clock::await_condition;
use e2e::frames::{Frame, Frames, flag, headers, kind, request};
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use e2e::wire::Wire;
use tokio::io::AsyncReadExt;

use super::harness::{Proxy, get, policy};

const IDLE: &[&str] = &["timeouts: {idle: 500ms}"];

/// Clients' connections, as the daemon counts them.
async fn are_gone(proxy: &Proxy) {
    proxy.metric("wicketgate_proxy_connections{policy=\"test/web\"}", 0.0).await;
}

#[tokio::test]
async fn who_says_nothing_is_shown_the_door() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), IDLE).await;
    let mut wires = Vec::new();
    for opening in
        ["", "G", "GET / HTTP/1.1\r\nhost:", "GET / HTTP/1.1\r\nhost: test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"]
    {
        let mut wire = proxy.wire().await;
        wire.send(opening).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        wire.closes().await;
    }
    are_gone(&proxy).await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_speaks_http_2_and_asks_nothing_is_shown_the_door() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), IDLE).await;
    let begin = headers(&request("GET", "/"));
    let never_ends = Frame::new(kind::HEADERS, flag::END_STREAM, 1, &begin[..10]);
    let whole = Frame::new(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, begin);
    let mut all = Vec::new();
    for first in [None, Some(never_ends), Some(whole)] {
        let mut frames = Frames::to(proxy.at, &[]).await;
        frames.send(first.as_slice()).await;
        all.push(frames);
    }
    for frames in &mut all {
        // It says goodbye first, and does not wait for an answer that never comes.
        assert!(frames.next_of(&[kind::GOAWAY], 0).await.is_some());
        while frames.next().await.is_some() {}
    }
    are_gone(&proxy).await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_request_that_takes_its_time_is_not_idle() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 200ms}"]).await;
    let (mut one, mut two) = (Speaker::one(proxy.at).await, Speaker::two(proxy.at).await);
    for path in ["/hold", "/early"] {
        upstream.hold();
        let others = async {
            // Each of these is shown the door for being idle.
            for _ in 0..4 {
                proxy.wire().await.closes().await;
            }
            upstream.release();
        };
        let (first, second, ()) = tokio::join!(one.send(get(path)), two.send(get(path)), others);
        for answer in [first, second] {
            assert!(count(answer.unwrap().into_body()).await.is_ok(), "{path}");
        }
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_head_that_comes_by_the_byte_is_cut() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), IDLE).await;
    let mut wires = Vec::new();
    for _ in 0..50 {
        let mut wire = proxy.wire().await;
        wire.send("GET / HTTP/1.1\r\nhost: test\r\n").await;
        wires.push(wire);
    }
    // A header now and then would go on for ever.
    await_condition("all are cut, however much they say", async || {
        let mut open = 0;
        for wire in &mut wires {
            let more = wire.send("x-more: 1\r\n").await;
            open += usize::from(more);
        }
        open == 0
    })
    .await;
    are_gone(&proxy).await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_body_that_comes_by_the_byte_keeps_its_place_and_no_others() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(60, upstream.at(), &["timeouts: {idle: 5s}"]).await;
    let mut wires = Vec::new();
    for _ in 0..50 {
        let mut wire = proxy.wire().await;
        wire.send("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\n").await;
        wires.push(wire);
    }
    proxy.flies(50).await;
    for byte in "slow".chars() {
        for wire in &mut wires {
            wire.send(byte.to_string()).await;
        }
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    }
    for wire in &mut wires {
        wire.send("!").await;
        assert_eq!(wire.answer("POST").await.unwrap().body, b"5");
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_body_that_stops_is_cut_by_the_requests_bound() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 400ms}"]).await;
    let mut wires = Vec::new();
    for _ in 0..9 {
        let mut wire = proxy.wire().await;
        wire.send("POST /count HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nslow").await;
        wires.push(wire);
    }
    for wire in &mut wires {
        assert_eq!(wire.answer("POST").await.unwrap().head.status(), 504);
        wire.closes().await;
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn an_answer_that_is_read_by_the_byte_holds_up_nobody() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(60, upstream.at(), &[]).await;
    let (before, _) = proxy.daemon.memory();
    let mut wires = Vec::new();
    for _ in 0..40 {
        let mut wire = proxy.wire().await;
        wire.send("GET /zeros/10000000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
        wires.push(wire);
    }
    proxy.flies(40).await;
    for _ in 0..20 {
        for wire in &mut wires {
            wire.stream().read_u8().await.unwrap();
        }
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    }
    let (_, most) = proxy.daemon.memory();
    assert!(most < before + (40 << 20), "{} KiB more are held for 40 slow readers", (most - before) >> 10);
    drop(wires);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_has_said_all_is_still_answered() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /hold HTTP/1.1\r\nhost: test\r\n\r\n").await;
    proxy.flies(1).await;
    wire.finish().await;
    // It may be taken for one that has left; whatever it is taken for, nothing of it stays.
    upstream.release();
    let _answered_or_not = wire.rest().await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn connections_that_come_and_go_leave_nothing() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let (before, _) = proxy.daemon.memory();
    for _ in 0..20 {
        let opened = (0..50).map(|_| Wire::try_to(proxy.at));
        let wires: Vec<_> = futures_util::future::join_all(opened).await;
        assert!(wires.iter().all(Result::is_ok));
    }
    are_gone(&proxy).await;
    let (now, _) = proxy.daemon.memory();
    assert!(now < before + (16 << 20), "{} KiB stayed", (now - before) >> 10);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn who_stops_reading_holds_no_place_beyond_the_time_of_a_request() {
    let upstream = Upstream::start().await;
    let spec = &["timeouts: {request: 300ms}"];
    let mut proxy = Proxy::before(upstream.at(), spec).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /zeros/100000000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut speaker = Speaker::two(proxy.at).await;
    let answer = speaker.send(get("/zeros/100000000")).await.unwrap();
    // Nobody reads either of them.
    proxy.flies(0).await;
    await_condition("the upstream is let go", async || upstream.open() == 0).await;
    assert!(count(answer.into_body()).await.is_err(), "its stream has no clean end");
    wire.closes().await;
    proxy.change(&[&policy(proxy.at, 10, upstream.at(), &[])]);
    proxy.still_forwards().await;
}

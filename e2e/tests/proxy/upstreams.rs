//! What no upstream can do to us or to clients, and what none has to bear.

use e2e::bodies::count;
use e2e::clock::await_condition;
use e2e::speak::Speaker;
use e2e::upstream::{Recorder, Upstream};
use e2e::wire::Wire;
use tokio::net::TcpListener;

use super::harness::{CLOSED, Proxy, get, policy};

#[tokio::test]
async fn never_more_than_the_window_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(8, upstream.at(), &[]).await;
    let clients = (0..40).map(async |nth| {
        let mut client = if nth % 2 == 0 { Speaker::one(proxy.at).await } else { Speaker::two(proxy.at).await };
        let (mut passed, mut refused) = (0, 0);
        for _ in 0..25 {
            let answer = client.send(get("/brief/3")).await.unwrap();
            match answer.status().as_u16() {
                200 => passed += 1,
                429 => refused += 1,
                other => panic!("{other}"),
            }
            assert!(matches!(count(answer.into_body()).await, Ok(length) if length == 5 || length == CLOSED.len() as u64));
        }
        (passed, refused)
    });
    let all = futures_util::future::join_all(clients).await;
    let passed: usize = all.iter().map(|(passed, _)| passed).sum();
    let refused: usize = all.iter().map(|(_, refused)| refused).sum();
    assert_eq!(passed + refused, 1000);
    assert_eq!(upstream.seen().len(), passed, "each that passed came once");
    assert!(upstream.most() <= 8, "{} at once", upstream.most());
    assert!(passed > 8 && refused > 0, "{passed} passed, {refused} were refused");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn traffic_goes_on_through_many_changes() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let mut proxy = Proxy::with_window(50, first.at(), &[]).await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let clients = (0..16).map(async |nth| {
        let mut client =
            if nth % 2 == 0 { Speaker::one(proxy.at).await } else { Speaker::two(proxy.at).await };
        let mut answers = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let answer = client.send(get("/brief/1")).await.unwrap();
            assert_eq!(answer.status(), 200, "no client notices");
            assert_eq!(count(answer.into_body()).await, Ok(5));
            answers += 1;
        }
        answers
    });
    let changes = async {
        for nth in 0..12_u32 {
            let upstream = if nth % 2 == 0 { &second } else { &first };
            let name = format!("routes: [{{name: route-{nth}, match: {{path: {{value: /x}}}}}}]");
            proxy.change(&[&policy(proxy.at, 51 + nth, upstream.at(), &[&name])]);
            await_condition("it is in force", async || proxy.report().await["window"] == 51 + nth).await;
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(clients), changes);
    assert_eq!(first.seen().len() + second.seen().len(), answers.iter().sum::<usize>());
    let metrics = proxy.daemon.node().http().get("/metrics").await.text();
    assert!(
        !metrics.contains("route-10") && metrics.contains("route-11"),
        "routes that are gone are not counted"
    );
    proxy.still_forwards().await;
}

#[tokio::test]
async fn connections_to_the_upstream_are_bounded() {
    let upstream = Upstream::start().await;
    let spec = format!("upstream: {{url: \"http://{}\", maxConnections: 2}}", upstream.at());
    let mut proxy = Proxy::before(upstream.at(), &[&spec, "timeouts: {connect: 300ms}"]).await;
    let mut held = [proxy.held().await, proxy.held().await];
    let answer = proxy.get("/", &[]).await;
    assert_eq!(answer.head.status(), 503);
    assert!(String::from_utf8_lossy(&answer.body).contains("all connections to the upstream are busy"));
    assert!(proxy.daemon.log().contains("raise spec.upstream.maxConnections"), "the log says what to do");
    upstream.release();
    for wire in &mut held {
        assert_eq!(wire.answer("GET").await.unwrap().body, b"held");
    }
    // More than there are connections wait for each other, on every thread.
    let many =
        futures_util::future::join_all((0..20).map(|_| proxy.get("/brief/1", &["connection: close"]))).await;
    let well = many.iter().filter(|answer| answer.head.status() == 200).count();
    assert!(well >= 10, "of 20 at once, a window of 10 lets in as many: {well}");
    assert!(many.iter().all(|answer| matches!(answer.head.status(), 200 | 429)), "{many:?}");
    assert!(upstream.open() <= 2, "{}", upstream.open());
    proxy.still_forwards().await;
}

#[tokio::test]
async fn what_follows_an_answer_is_not_taken_for_the_next() {
    let upstream = Recorder::answering(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    )
    .await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {request: 5s}"]).await;
    let mut wire = proxy.wire().await;
    for _ in 0..10 {
        wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let answer = wire.answer("GET").await.unwrap();
        assert_ne!(answer.body, b"evil");
        assert!(matches!(answer.head.status(), 200 | 502), "{answer:?}");
    }
    proxy.is_at_rest().await;
}

/// Speaks to whoever connects, whatever is asked.
async fn talking(piece: &'static str) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut wire = Wire::of(stream);
            wire.head().await;
            wire.send("HTTP/1.1 ").await;
            let pieces = piece.repeat(1000);
            for _ in 0..(2 << 20) / pieces.len() {
                if !wire.send(&pieces).await {
                    break;
                }
            }
        }
    });
    (at, task)
}

#[tokio::test]
async fn an_upstream_that_never_comes_to_the_point_costs_no_memory() {
    for piece in [
        "200 OK\r\nx-endless: vvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\nx-more: v",
        "103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 ",
    ] {
        let (at, task) = talking(piece).await;
        let mut proxy = Proxy::before(at, &[]).await;
        let (before, _) = proxy.daemon.memory();
        let answer = proxy.get("/", &[]).await;
        assert_eq!(answer.head.status(), 502, "{answer:?}");
        let (_, most) = proxy.daemon.memory();
        assert!(most < before + (16 << 20), "{} KiB more were held", (most - before) >> 10);
        proxy.is_at_rest().await;
        task.abort();
    }
}

#[tokio::test]
async fn who_leaves_while_held_back_is_not_forwarded() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["jitter: {max: 10m, when: Always}"]).await;
    let mut wires = Vec::new();
    for _ in 0..5 {
        let mut wire = proxy.wire().await;
        wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        wires.push(wire);
    }
    proxy.metric("proxymw_active_requests{policy=\"test/web\"}", 5.0).await;
    assert_eq!(proxy.in_flight().await, 0, "waiting takes no place");
    drop(wires);
    proxy.metric("proxymw_active_requests{policy=\"test/web\"}", 0.0).await;
    assert_eq!(upstream.seen().len(), 0);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_path_of_the_upstreams_own_stands_before_the_requests() {
    let upstream = Upstream::start().await;
    let spec = format!("upstream: {{url: \"http://{}/base/\"}}", upstream.at());
    let mut proxy = Proxy::before(upstream.at(), &[&spec]).await;
    for (path, expected) in [("/x?y=1", "/base/x?y=1"), ("/", "/base/"), ("/../x", "/base/../x")] {
        assert_eq!(proxy.get(path, &[]).await.head.status(), 200);
        assert_eq!(upstream.seen().pop().unwrap().uri, expected);
    }
    proxy.is_at_rest().await;
}

//! Much at once: a gigabyte each way, and thousands of connections. What is measured is printed behind `e2e:`.

use std::time::Instant;

use e2e::bodies::{count, zeros};
use e2e::clock::await_some_within;
use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use e2e::wire::Wire;
use http::Request;

use super::harness::{Proxy, get};

const GIB: u64 = 1 << 30;
/// What streams may cost beside what the daemon has anyway.
const ROOM: u64 = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_goes_up_and_down_at_once_in_constant_memory() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    proxy.get("/", &[]).await;
    let (before, _) = proxy.daemon.memory();
    let began = Instant::now();
    let (mut up, mut down) = (Speaker::one(proxy.at).await, Speaker::one(proxy.at).await);
    let upload = async {
        let answer = up.send(Request::post("/count").body(zeros(GIB)).unwrap()).await.unwrap();
        e2e::bodies::read(answer.into_body()).await.unwrap().0
    };
    let download = async {
        let answer = down.send(get(&format!("/zeros/{GIB}"))).await.unwrap();
        count(answer.into_body()).await
    };
    let (sent, came) = tokio::join!(upload, download);
    assert_eq!((sent, came), (GIB.to_string().into(), Ok(GIB)));
    let took = began.elapsed();
    let (_, most) = proxy.daemon.memory();
    println!(
        "e2e: 1 GiB up and 1 GiB down in {:.1} s, with {} KiB more than at rest",
        took.as_secs_f64(),
        most.saturating_sub(before) >> 10
    );
    assert!(most < before + ROOM, "{} KiB more were held", (most - before) >> 10);
    assert!(took.as_secs() < 120, "{took:?}");
    proxy.still_forwards().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_comes_back_over_http_2_in_constant_memory() {
    const LENGTH: u64 = 64 << 20;
    let upstream = Upstream::start().await;
    let spec = format!("upstream: {{url: \"http://{}\", protocol: HTTP2}}", upstream.at());
    let mut proxy = Proxy::before(upstream.at(), &[&spec]).await;
    proxy.get("/", &[]).await;
    let (before, _) = proxy.daemon.memory();
    let mut client = Speaker::two(proxy.at).await;
    let answer = client.send(Request::post("/echo").body(zeros(LENGTH)).unwrap()).await.unwrap();
    assert_eq!(count(answer.into_body()).await, Ok(LENGTH));
    let (_, most) = proxy.daemon.memory();
    assert!(most < before + ROOM, "{} KiB more were held", (most - before) >> 10);
    drop(client);
    proxy.still_forwards().await;
}

/// How many files this process may have open.
fn files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

#[tokio::test]
async fn ten_thousand_idle_connections_harm_nobody() {
    // Both sides have as many files, and other tests want some.
    let wanted = 10_000.min(files().saturating_sub(2_000));
    if wanted < 10_000 {
        println!("e2e: with {} open files allowed there are {wanted} connections, not 10000", files());
    }
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 5m}"]).await;
    proxy.get("/", &[]).await;
    for (kind, opening) in [("silent", ""), ("answered", "GET / HTTP/1.1\r\nhost: test\r\n\r\n")] {
        let series = "wicketgate_proxy_connections{policy=\"test/web\"}";
        let (before, _) = proxy.daemon.memory();
        let mut wires = Vec::with_capacity(wanted);
        while wires.len() < wanted {
            let opened = (0..500.min(wanted - wires.len())).map(async |_| {
                let mut wire = Wire::to(proxy.at).await;
                if !opening.is_empty() {
                    wire.send(opening).await;
                    let status = wire.answer("GET").await.unwrap().head.status();
                    assert!(matches!(status, 200 | 429), "{status}");
                }
                wire
            });
            wires.extend(futures_util::future::join_all(opened).await);
            // So many wait to be accepted, and no more: the system forgets those who wait in vain.
            proxy.metric(series, wires.len() as f64).await;
        }
        let (now, _) = proxy.daemon.memory();
        println!(
            "e2e: {wanted} {kind} connections cost {} bytes each",
            now.saturating_sub(before) / wanted as u64
        );
        assert_eq!(proxy.get("/", &[]).await.body, b"hello", "the daemon answers with {wanted} {kind} ones");
        drop(wires);
        let http = proxy.daemon.node().http();
        let gone = async || (http.metric(series).await == Some(0.0)).then_some(());
        await_some_within(std::time::Duration::from_secs(40), "all are gone", gone).await;
    }
    proxy.still_forwards().await;
}

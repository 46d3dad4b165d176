//! Mixed traffic for a while, through changes: nothing may be left behind. `make test` runs some seconds of
//! it, `make soak` as long as `SOAK_SECONDS` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::upstream::Upstream;
use e2e::wire::Wire;
use tokio::task::JoinSet;

use super::harness::{Proxy, policy};

/// How long it lasts where nobody says.
const SECONDS: u64 = 4;
/// How often the manifest changes, and how often progress is told.
const CHANGES: Duration = Duration::from_millis(250);
const TOLD: Duration = Duration::from_secs(10);
/// What memory may grow by once traffic has been steady: what an allocator keeps, and no more.
const MAY_GROW: u64 = 48 << 20;

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
}

impl Counts {
    fn take(&self, status: u16) {
        match status {
            200 => self.answered.fetch_add(1, Ordering::Relaxed),
            429 => self.refused.fetch_add(1, Ordering::Relaxed),
            other => panic!("a request was answered with {other}"),
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_traffic_leaves_nothing_behind() {
    let length = std::env::var("SOAK_SECONDS").ok().map_or(SECONDS, |told| told.parse().unwrap());
    let (begun, length) = (Instant::now(), Duration::from_secs(length));
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(8, upstream.at(), &[]).await;
    let (counts, until) = (Arc::new(Counts::default()), begun + length);
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        callers.spawn(asks(proxy.at, Arc::clone(&counts), until));
    }
    for _ in 0..2 {
        callers.spawn(uploads(proxy.at, Arc::clone(&counts), until));
        callers.spawn(leaves(proxy.at, Arc::clone(&counts), until));
    }
    let (mut steady, mut told) = (None, begun);
    for width in (2..=12).chain((3..12).rev()).cycle() {
        if Instant::now() >= until {
            break;
        }
        proxy.change(&[&policy(proxy.at, width, upstream.at(), &[])]);
        tokio::time::sleep(CHANGES).await;
        if steady.is_none() && begun.elapsed() >= length / 5 {
            steady = Some(proxy.daemon.memory().0);
        }
        if told.elapsed() >= TOLD {
            told = Instant::now();
            tell(begun, length, &counts, proxy.daemon.memory().0);
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    tell(begun, length, &counts, proxy.daemon.memory().0);
    for (what, count) in
        [("answered", &counts.answered), ("refused", &counts.refused), ("left", &counts.left)]
    {
        assert!(count.load(Ordering::Relaxed) > 0, "nobody was {what}");
    }
    let (steady, now) = (steady.unwrap_or_default(), proxy.daemon.memory().0);
    assert!(now < steady + MAY_GROW, "memory grew from {steady} to {now} bytes");
    proxy.still_forwards().await;
}

fn tell(begun: Instant, length: Duration, counts: &Counts, memory: u64) {
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "e2e: soak: {} of {} s, {} answered, {} refused, {} left early, {} MiB",
        begun.elapsed().as_secs(),
        length.as_secs(),
        of(&counts.answered),
        of(&counts.refused),
        of(&counts.left),
        memory >> 20
    );
}

/// Asks again and again over one connection.
async fn asks(at: std::net::SocketAddr, counts: Arc<Counts>, until: Instant) {
    let mut wire = Wire::to(at).await;
    while Instant::now() < until {
        wire.send("GET /zeros/2000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
        counts.take(wire.answer("GET").await.unwrap().head.status());
    }
}

/// Sends bodies in chunks, each over a connection of its own: a refusal may close it under the body.
async fn uploads(at: std::net::SocketAddr, counts: Arc<Counts>, until: Instant) {
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    while Instant::now() < until {
        let mut wire = Wire::to(at).await;
        wire.send("POST /count HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
        for _ in 0..8 {
            if !wire.send(&chunk).await {
                break;
            }
        }
        wire.send("0\r\n\r\n").await;
        // Where the refusal's connection was reset before it was read, there is no answer.
        match wire.answer("POST").await {
            Ok(answer) => counts.take(answer.head.status()),
            Err(_) => counts.take(429),
        }
    }
}

/// Leaves while the answer is still to come.
async fn leaves(at: std::net::SocketAddr, counts: Arc<Counts>, until: Instant) {
    while Instant::now() < until {
        let mut wire = Wire::to(at).await;
        wire.send("GET /zeros/100000000 HTTP/1.1\r\nhost: test\r\n\r\n").await;
        match wire.head().await {
            Some(head) if head.status() == 429 => counts.take(429),
            _ => {
                counts.left.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

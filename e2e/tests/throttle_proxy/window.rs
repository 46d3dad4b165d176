//! The window, and what passes by it.

use http::Method;

use super::proxy::{Proxy, await_seen, window};
use super::upstream::{Prometheus, Upstream};

#[tokio::test]
async fn idle_traffic_does_not_open_the_window() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 100), "")).await;
    for _ in 0..10 {
        assert_eq!(proxy.get("/t/x").await.status, 200);
    }
    // One at a time is half of two.
    proxy.await_metric("proxymw_bp_watermark", 3.0).await;
}

#[tokio::test]
async fn failures_do_not_open_the_window() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 100), "")).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/t/fail").await.status, 503);
    }
    proxy.await_metric("proxymw_active_requests", 0.0).await;
    assert_eq!(proxy.metric("proxymw_bp_watermark").await, Some(1.0));
}

#[tokio::test]
async fn a_caller_who_leaves_frees_the_window() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 1), "")).await;
    let held = proxy.hang("/t/hold", "").await;
    await_seen(&upstream, 1).await;
    assert_eq!(proxy.get("/t/x").await.status, 429);
    drop(held);
    e2e::clock::await_condition("there is a place again", async || proxy.get("/t/x").await.status == 200)
        .await;
}

/// A window of one whose place is taken, with the bypass on.
async fn full(upstream: &Upstream, prometheus: &Prometheus) -> (Proxy, tokio::net::TcpStream) {
    let lines = window(prometheus, (1, 1), "    enable_low_cost_bypass: true\n");
    let proxy = Proxy::start(&upstream.url(), &lines).await;
    let held = proxy.hang("/t/hold", "").await;
    await_seen(upstream, 1).await;
    (proxy, held)
}

#[tokio::test]
async fn a_cheap_query_passes_by_the_window_with_its_body_whole() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let (proxy, _held) = full(&upstream, &prometheus).await;
    assert_eq!(proxy.get("/api/v1/query?query=up").await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "query=rate%28up%5B5m%5D%29&timeout=5s";
    assert_eq!(proxy.send(Method::POST, "/api/v1/query", &form, body).await.status, 200);
    let last = upstream.seen().pop().unwrap();
    assert_eq!((last.target.as_str(), &last.body[..]), ("/api/v1/query", body.as_bytes()));
    for costly in ["up+offset+3h", "1%2B1"] {
        let reply = proxy.get(&format!("/api/v1/query?query={costly}")).await;
        assert_eq!(reply.status, 429, "{costly}");
    }
}

#[tokio::test]
async fn with_the_bypass_other_paths_are_as_without() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let (proxy, held) = full(&upstream, &prometheus).await;
    assert_eq!(
        proxy.get("/t/x").await.status,
        429,
        "the window decides, and nothing is a fault of the proxy's"
    );
    drop(held);
    e2e::clock::await_condition("there is a place again", async || proxy.get("/t/x").await.status == 200)
        .await;
}

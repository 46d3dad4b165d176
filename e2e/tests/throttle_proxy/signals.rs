//! What Prometheus is asked, and what its answers do.

use e2e::clock::await_condition;

use super::proxy::{Proxy, window};
use super::upstream::{Prometheus, Upstream};

#[tokio::test]
async fn signals_are_asked_at_the_start() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("30").await);
    // Every 30 s then: what is seen before is the question at the start.
    let proxy = Proxy::start_with(&[], &upstream.url(), &window(&prometheus, (10, 100), "")).await;
    proxy.await_metric("proxymw_bp_query_value{query_name=\"load\"}", 30.0).await;
    proxy.await_metric("proxymw_bp_allowance", 0.411_112_290_507_187_45).await;
    let seen = prometheus.seen();
    assert_eq!(seen[0].method, "GET");
    assert_eq!(seen[0].target, "/api/v1/query?query=sum%28load%29");
}

#[tokio::test]
async fn an_emergency_closes_the_window_and_its_end_opens_it() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 4), "")).await;
    proxy.await_metric("proxymw_bp_query_value{query_name=\"load\"}", 0.0).await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/t/x").await.status, 200);
    }
    proxy.await_metric("proxymw_bp_watermark", 3.0).await;
    prometheus.says("1000");
    proxy.await_metric("proxymw_bp_allowance", 0.0).await;
    proxy.await_metric("proxymw_bp_watermark", 1.0).await;
    prometheus.says("0");
    proxy.await_metric("proxymw_bp_allowance", 1.0).await;
}

#[tokio::test]
async fn a_failed_question_is_counted_and_the_value_held() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("30").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (10, 100), "")).await;
    proxy.await_metric("proxymw_bp_query_value{query_name=\"load\"}", 30.0).await;
    prometheus.fails();
    let errors = "proxymw_bp_query_error_count{query_name=\"load\"}";
    await_condition("failures are counted", async || {
        proxy.metric(errors).await.is_some_and(|count| count >= 2.0)
    })
    .await;
    assert_eq!(proxy.metric("proxymw_bp_query_value{query_name=\"load\"}").await, Some(30.0));
    assert_eq!(proxy.metric("proxymw_bp_allowance").await, Some(0.411_112_290_507_187_45));
    // What is no number is a failure too, where the original closes the window.
    let before = proxy.metric(errors).await;
    prometheus.says("NaN");
    await_condition("NaN is counted", async || proxy.metric(errors).await > before.map(|count| count + 1.0))
        .await;
    assert_eq!(proxy.metric("proxymw_bp_allowance").await, Some(0.411_112_290_507_187_45));
}

//! Names and labels, for whom dashboards were made.

use std::collections::BTreeSet;

use super::proxy::{Proxy, chain, window};
use super::upstream::{Prometheus, Upstream};

/// Between a bucket's bound and the next; the first is 1, and the twelfth 600,000.
const FACTOR: f64 = 3.351_864_681_083_643;

/// Every series whose name begins so, without its value.
fn series(text: &str, prefix: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test]
async fn metrics_have_the_original_s_names_and_labels_and_no_more() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("5").await);
    let lines = window(&prometheus, (2, 8), "").replace(
        "backpressure_queries: [",
        "backpressure_queries: [{query: up, warning_threshold: 10, emergency_threshold: 20}, ",
    );
    let links = "  blocker_config: {enable_blocker: true, block_patterns: [x-a=1]}";
    let proxy = Proxy::start(&upstream.url(), &format!("{lines}{links}")).await;
    proxy.await_metric("proxymw_bp_query_value{query_name=\"load\"}", 5.0).await;
    proxy.await_metric("proxymw_bp_query_value{query_name=\"\"}", 5.0).await;
    for path in ["/t/x", "/t/y?id=1"] {
        assert_eq!(proxy.get(path).await.status, 200);
    }
    assert_eq!(proxy.send(http::Method::GET, "/t/x", &[("x-a", "1")], "").await.status, 429);
    let text = proxy.internal().get("/metrics").await.text();
    let found = series(&text, "proxymw_");
    let (buckets, others): (BTreeSet<_>, BTreeSet<_>) =
        found.into_iter().partition(|series| series.starts_with("proxymw_request_latency_ms_bucket{"));
    let required = [
        "proxymw_active_requests",
        "proxymw_block_count{mw_type=\"blocker\"}",
        "proxymw_bp_allowance",
        "proxymw_bp_cwdn_max",
        "proxymw_bp_cwdn_min",
        "proxymw_bp_query_emergency{query_name=\"load\"}",
        "proxymw_bp_query_value{query_name=\"\"}",
        "proxymw_bp_query_value{query_name=\"load\"}",
        "proxymw_bp_query_warn{query_name=\"load\"}",
        "proxymw_bp_watermark",
        "proxymw_error_count",
        "proxymw_request_count",
        "proxymw_request_latency_ms_count",
        "proxymw_request_latency_ms_sum",
    ];
    // A series that was never counted may show 0 or not be there.
    let allowed = [
        "proxymw_block_count{mw_type=\"backpressure\"}",
        "proxymw_bp_query_error_count{query_name=\"\"}",
        "proxymw_bp_query_error_count{query_name=\"load\"}",
    ];
    for name in required {
        assert!(others.contains(name), "lacks {name}: {others:#?}");
    }
    for name in &others {
        let known = required.contains(&name.as_str()) || allowed.contains(&name.as_str());
        assert!(known, "{name} is not the original's");
    }
    let bound = |series: &String| series.split('"').nth(1).and_then(|bound| bound.parse::<f64>().ok());
    let mut bounds: Vec<f64> = buckets.iter().filter_map(bound).filter(|bound| bound.is_finite()).collect();
    bounds.sort_by(f64::total_cmp);
    assert_eq!((bounds.len(), buckets.len()), (12, 13), "{buckets:#?}");
    for (nth, bound) in (0..).zip(bounds) {
        let expected = FACTOR.powi(nth);
        assert!((bound - expected).abs() < expected * 1e-9, "{bound} is not {expected}");
    }
    for (name, value) in [
        ("proxymw_request_count", 3.0),
        ("proxymw_request_latency_ms_count", 3.0),
        ("proxymw_error_count", 0.0),
        ("proxymw_active_requests", 0.0),
        ("proxymw_bp_cwdn_min", 2.0),
        ("proxymw_bp_cwdn_max", 8.0),
        ("proxymw_bp_allowance", 1.0),
        ("proxymw_bp_query_warn{query_name=\"load\"}", 10.0),
        ("proxymw_bp_query_emergency{query_name=\"load\"}", 100.0),
    ] {
        assert_eq!(proxy.metric(name).await, Some(value), "{name}");
    }
}

#[tokio::test]
async fn without_the_observer_nothing_is_counted() {
    let upstream = Upstream::start().await;
    let lines = chain("").replace("enable_observer: true", "enable_observer: false");
    let proxy = Proxy::start(&upstream.url(), &lines).await;
    assert_eq!(proxy.get("/t/x").await.status, 200);
    assert!(matches!(proxy.metric("proxymw_request_count").await, None | Some(0.0)));
}

#[tokio::test]
async fn the_internal_listener_has_an_index_metrics_and_no_profiles() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    let index = proxy.internal().get("/").await;
    assert_eq!(index.status, 200);
    assert!(index.text().contains("<title>Internal throttle-proxy API</title>"), "{}", index.text());
    assert_eq!(proxy.internal().get("/metrics").await.status, 200);
    assert_eq!(proxy.internal().get("/debug/pprof/heap").await.status, 501);
    assert_eq!(proxy.internal().get("/healthz").await.status, 404);
}

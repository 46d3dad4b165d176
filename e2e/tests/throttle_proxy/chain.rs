//! Blocker, jitter and criticality.

use e2e::clock::await_condition;
use http::Method;

use super::proxy::{Proxy, await_seen, chain};
use super::upstream::Upstream;

#[tokio::test]
async fn every_pattern_of_a_header_blocks_whatever_its_case() {
    let upstream = Upstream::start().await;
    let links = "  blocker_config:
    enable_blocker: true
    block_patterns: ['X-Service=service.*', 'x-service=^a=b$', 'x-lower=<odd>']";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    let blocked = [
        ("X-SERVICE", "my service1", "header X-Service, value my service1 blocked by regex service.*"),
        ("x-service", "a=b", "header x-service, value a=b blocked by regex ^a=b$"),
        ("X-Lower", "<odd>", "header x-lower, value \\u003codd\\u003e blocked by regex \\u003codd\\u003e"),
    ];
    for (name, value, text) in blocked {
        let reply = proxy.send(Method::GET, "/t/x", &[(name, value)], "").await;
        assert_eq!(reply.status, 429, "{name}: {value}");
        let body =
            format!("{{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":\"{text}\"}}\n");
        assert_eq!(reply.text(), body);
    }
    assert_eq!(proxy.send(Method::GET, "/t/x", &[("x-service", "fine")], "").await.status, 200);
    assert_eq!(proxy.metric("proxymw_block_count{mw_type=\"blocker\"}").await, Some(3.0));
    assert_eq!(proxy.metric("proxymw_request_count").await, Some(4.0), "what is blocked is counted too");
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn jitter_holds_a_request_and_ends_when_its_caller_leaves() {
    let upstream = Upstream::start().await;
    let links = "  enable_jitter: true\n  jitter_delay: 100h\n  enable_criticality: true";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    let held = proxy.hang("/t/delayed", "").await;
    proxy.await_metric("proxymw_active_requests", 1.0).await;
    let plus = [("x-request-criticality", "CRITICAL_PLUS")];
    assert_eq!(proxy.send(Method::GET, "/t/plus", &plus, "").await.status, 200, "it is never held");
    let seen: Vec<_> = upstream.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/t/plus"]);
    drop(held);
    proxy.await_metric("proxymw_active_requests", 0.0).await;
}

#[tokio::test]
async fn a_blocked_request_is_not_held_first() {
    let upstream = Upstream::start().await;
    let links = "  enable_jitter: true
  jitter_delay: 100h
  blocker_config: {enable_blocker: true, block_patterns: [x-a=1]}";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    assert_eq!(proxy.send(Method::GET, "/t/x", &[("x-a", "1")], "").await.status, 429);
}

#[tokio::test]
async fn a_request_that_waits_holds_no_place_in_the_window() {
    let (upstream, prometheus) = (Upstream::start().await, super::upstream::Prometheus::start("0").await);
    let links = "  enable_jitter: true\n  jitter_delay: 100h\n  enable_criticality: true";
    let proxy = Proxy::start(&upstream.url(), &super::proxy::window(&prometheus, (1, 1), links)).await;
    let _held = proxy.hang("/t/delayed", "").await;
    proxy.await_metric("proxymw_active_requests", 1.0).await;
    let plus = [("x-request-criticality", "CRITICAL_PLUS")];
    assert_eq!(proxy.send(Method::GET, "/t/plus", &plus, "").await.status, 200);
}

#[tokio::test]
async fn criticality_is_not_looked_at_unless_told_so() {
    let upstream = Upstream::start().await;
    let links = "  enable_jitter: true\n  jitter_delay: 100h";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    let _held = proxy.hang("/t/delayed", "x-request-criticality: CRITICAL_PLUS\r\n").await;
    proxy.await_metric("proxymw_active_requests", 1.0).await;
    assert_eq!(proxy.get("/passed").await.status, 200);
    assert_eq!(upstream.seen().len(), 1, "the request in the chain is still held");
}

#[tokio::test]
async fn a_bad_can_wait_is_the_caller_s_mistake() {
    let upstream = Upstream::start().await;
    let links = "  enable_jitter: true\n  jitter_delay: 1ms";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    for (value, text) in [
        ("invalid", "time: invalid duration \\\"invalid\\\""),
        ("30", "time: missing unit in duration \\\"30\\\""),
    ] {
        let reply = proxy.send(Method::GET, "/t/x", &[("x-can-wait", value)], "").await;
        assert_eq!(reply.status, 400, "{value}");
        assert!(reply.text().contains(text), "{}", reply.text());
    }
    assert_eq!(proxy.send(Method::GET, "/t/x", &[("x-can-wait", "1ms")], "").await.status, 200);
    await_seen(&upstream, 1).await;
    await_condition("mistakes are counted", async || proxy.metric("proxymw_error_count").await == Some(2.0))
        .await;
}

//! What the proxy itself answers, to the byte.

use http::Method;

use super::proxy::{Proxy, await_seen, chain, window};
use super::upstream::{Prometheus, Upstream};

fn refusal(text: &str) -> String {
    format!("{{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":\"{text}\"}}\n")
}

#[tokio::test]
async fn a_refusal_is_the_original_s_to_the_byte() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 1), "")).await;
    let held = proxy.hang("/t/hold", "").await;
    await_seen(&upstream, 1).await;
    let reply = proxy.get("/t/x").await;
    assert_eq!(reply.status, 429);
    assert_eq!(reply.text(), refusal("congestion window closed, backoff from backpressure"));
    assert_eq!(reply.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert_eq!(proxy.metric("proxymw_block_count{mw_type=\"backpressure\"}").await, Some(1.0));
    assert_eq!(upstream.seen().len(), 1, "a refused request does not reach the upstream");
    drop(held);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let proxy = Proxy::start(&upstream.url(), &window(&prometheus, (1, 1), "")).await;
    let _held = proxy.hang("/t/hold", "").await;
    await_seen(&upstream, 1).await;
    let reply = proxy.get("/t/x").await;
    let seconds: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_dead_upstream_is_502_without_a_body() {
    let [nobody] = e2e::ports::free();
    let proxy = Proxy::start(&format!("http://{nobody}"), &chain("")).await;
    for path in ["/t/x", "/passed"] {
        let reply = proxy.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (502, ""), "{path}");
    }
    assert_eq!(proxy.metric("proxymw_error_count").await, Some(0.0), "the chain did its work");
}

#[tokio::test]
async fn the_upstream_s_errors_are_its_own() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    let reply = proxy.get("/t/fail").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (503, "broken"));
    assert_eq!(proxy.metric("proxymw_request_count").await, Some(1.0));
    assert_eq!(proxy.metric("proxymw_error_count").await, Some(0.0));
}

#[tokio::test]
async fn what_passes_through_is_untouched_and_not_counted() {
    let upstream = Upstream::start().await;
    let links = "  blocker_config: {enable_blocker: true, block_patterns: [x-service=.*]}";
    let proxy = Proxy::start(&upstream.url(), &chain(links)).await;
    let headers = [("x-service", "blocked elsewhere"), ("x-can-wait", "nonsense")];
    let reply = proxy.send(Method::POST, "/other?a=%20b&c", &headers, "body").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"));
    let seen = &upstream.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str(), &seen.body[..]),
        ("POST", "/other?a=%20b&c", &b"body"[..])
    );
    assert_eq!(seen.headers["x-service"], "blocked elsewhere");
    assert_eq!(proxy.metric("proxymw_request_count").await, Some(0.0));
}

#[tokio::test]
async fn a_forwarded_request_is_as_go_s_reverse_proxy_sends_it() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&format!("{}/base/", upstream.url()), &chain("")).await;
    let headers = [
        ("host", "shop.example.org"),
        ("x-forwarded-for", "192.0.2.1"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("proxy-authorization", "none of its business"),
        ("x-can-wait", "1ms"),
        ("x-request-criticality", "CRITICAL"),
    ];
    assert_eq!(proxy.send(Method::GET, "/t/a%2Fb?q=1&q=2", &headers, "").await.status, 200);
    let seen = &upstream.seen()[0];
    assert_eq!(seen.target, "/base/t/a%2Fb?q=1&q=2");
    assert_eq!(seen.headers["host"], "shop.example.org");
    assert_eq!(seen.headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
    assert_eq!(seen.headers["x-can-wait"], "1ms");
    assert_eq!(seen.headers["x-request-criticality"], "CRITICAL");
    for gone in ["x-hop", "proxy-authorization"] {
        assert!(!seen.headers.contains_key(gone), "{gone}: {:?}", seen.headers);
    }
}

#[tokio::test]
async fn nothing_is_asked_that_the_caller_did_not_ask() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    assert_eq!(proxy.get("/t/x").await.status, 200);
    let seen = &upstream.seen()[0];
    for header in ["accept-encoding", "user-agent", "accept"] {
        assert!(!seen.headers.contains_key(header), "{header}: {:?}", seen.headers);
    }
}

#[tokio::test]
async fn a_deadline_is_the_original_s_500_and_frees_the_window() {
    let (upstream, prometheus) = (Upstream::start().await, Prometheus::start("0").await);
    let lines = window(&prometheus, (1, 1), "  client_timeout: 100ms");
    let proxy = Proxy::start(&upstream.url(), &lines).await;
    let reply = proxy.get("/t/hold").await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.text(), refusal("proxy error: context deadline exceeded"));
    assert_eq!(proxy.get("/t/x").await.status, 200, "the place in the window is free again");
    proxy.await_metric("proxymw_active_requests", 0.0).await;
    assert_eq!(proxy.metric("proxymw_error_count").await, Some(1.0));
}

#[tokio::test]
async fn a_deadline_after_the_head_cuts_the_answer_off() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("  client_timeout: 100ms")).await;
    let reply = proxy.try_send(Method::GET, "/t/stall", &[], "").await;
    assert!(reply.is_err(), "nothing may be put behind what was sent: {reply:?}");
    proxy.await_metric("proxymw_active_requests", 0.0).await;
}

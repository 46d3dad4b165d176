//! What a client hears whose request is not let in.

use e2e::speak::Speaker;
use e2e::upstream::Upstream;
use e2e::wire::Answer;

use super::harness::{CLOSED, Proxy, get, policy};
use crate::manifests::limit;

/// A refusal: its status, its reason, and when to come back.
fn told(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    let head = &answer.head;
    assert_eq!(head.get("content-type"), Some("application/json; charset=utf-8"), "{head:?}");
    assert_eq!(head.get("x-content-type-options"), Some("nosniff"), "{head:?}");
    (head.status(), head.get("x-wicketgate-reason"), head.get("retry-after"))
}

fn says(answer: &Answer, text: &str) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&body["status"], &body["errorType"]), (&"error".into(), &"throttle-proxy".into()), "{body}");
    assert!(body["error"].as_str().unwrap().contains(text), "{body} says {text:?}");
}

#[tokio::test]
async fn a_full_window_refuses_until_there_is_room() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(2, upstream.at(), &[]).await;
    let mut held = [proxy.held().await, proxy.held().await];
    for path in ["/", "/hold", "/x?y"] {
        let answer = proxy.get(path, &[]).await;
        assert_eq!(told(&answer), (429, Some("WindowClosed"), Some("1")));
        assert_eq!(answer.body, CLOSED.as_bytes());
        assert_eq!(answer.head.get("content-length"), Some(CLOSED.len().to_string().as_str()));
    }
    let mut two = Speaker::two(proxy.at).await;
    assert_eq!(two.send(get("/")).await.unwrap().status(), 429);
    assert_eq!(upstream.seen().len(), 2, "a refused request does not reach the upstream");
    proxy
        .metric("proxymw_block_count{mw_type=\"backpressure\",policy=\"test/web\",route=\"default\"}", 4.0)
        .await;
    upstream.release();
    for wire in &mut held {
        assert_eq!(wire.answer("GET").await.unwrap().body, b"held");
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(1, upstream.at(), &[]).await;
    let mut held = proxy.held().await;
    let mut wire = proxy.wire().await;
    for _ in 0..3 {
        wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(wire.answer("GET").await.unwrap().head.status(), 429);
    }
    upstream.release();
    held.answer("GET").await.unwrap();
    proxy.flies(0).await;
    wire.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(wire.answer("GET").await.unwrap().body, b"hello");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_blocked_header_is_refused_whatever_room_there_is() {
    let upstream = Upstream::start().await;
    let block = "block: [{header: User-Agent, pattern: \"(?i)scraper\"}, {header: X-Any, pattern: \"^$\"}]";
    let mut proxy = Proxy::before(upstream.at(), &[block]).await;
    for headers in
        [&["user-agent: A Web-SCRAPER/1"][..], &["user-agent: fine", "user-agent: scraper"], &["x-any:"]]
    {
        let answer = proxy.get("/", headers).await;
        assert_eq!(told(&answer), (429, Some("Blocked"), None), "{headers:?}");
    }
    assert_eq!(proxy.get("/", &["user-agent: fine", "x-any: 1"]).await.head.status(), 200);
    assert_eq!(upstream.seen().len(), 1);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_may_be_shed_is_refused_first() {
    let upstream = Upstream::start().await;
    let criticality = "criticality: {enabled: true, shares: {SHEDDABLE_PLUS: 75, SHEDDABLE: 25}}";
    let mut proxy = Proxy::with_window(4, upstream.at(), &[criticality]).await;
    let asked =
        async |class: &str| proxy.get("/", &[&format!("x-request-criticality: {class}")]).await.head.status();
    let all = async || {
        let mut statuses = Vec::new();
        for class in ["SHEDDABLE", "SHEDDABLE_PLUS", "CRITICAL", "CRITICAL_PLUS", "nonsense"] {
            statuses.push(asked(class).await);
        }
        statuses
    };
    let mut held = Vec::new();
    for expected in [
        [200, 200, 200, 200, 200],
        [429, 200, 200, 200, 200],
        [429, 200, 200, 200, 200],
        [429, 429, 200, 200, 200],
        [429, 429, 429, 429, 429],
    ] {
        assert_eq!(all().await, expected, "with {} in flight", held.len());
        if held.len() < 4 {
            held.push(proxy.held().await);
        }
    }
    drop(held);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_wait_that_makes_no_sense_is_a_bad_request() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &["jitter: {max: 1ms, when: Always}"]).await;
    for garbage in ["soon", "30", "1e9", "1s 2s"] {
        let answer = proxy.get("/", &[&format!("x-can-wait: {garbage}")]).await;
        assert_eq!(answer.head.status(), 400, "{garbage}");
        says(&answer, "X-Can-Wait");
    }
    for sense in ["10ms", "0s", "-5s"] {
        assert_eq!(proxy.get("/", &[&format!("x-can-wait: {sense}")]).await.head.status(), 200, "{sense}");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_rate_limit_is_asked_before_the_window() {
    let upstream = Upstream::start().await;
    let at = e2e::ports::lasting();
    let policy = policy(at, 1, upstream.at(), &["rateLimits: [{name: calls, key: [{header: X-Account}]}]"]);
    let mut proxy = Proxy::of(at, &[&policy, &limit("calls", &["limit: 3", "duration: 10m"])]).await;
    let mut held = proxy.wire().await;
    held.send("GET /hold HTTP/1.1\r\nhost: test\r\nx-account: other\r\n\r\n").await;
    proxy.flies(1).await;
    // The window is full, and each of these is a hit all the same.
    for nth in 0..5 {
        let answer = proxy.get("/", &["x-account: 7"]).await;
        let (status, reason, come_back) = told(&answer);
        if nth < 3 {
            assert_eq!((status, reason), (429, Some("WindowClosed")), "hit {nth}");
        } else {
            assert_eq!((status, reason), (429, Some("RateLimited")), "hit {nth}");
            let seconds: u32 = come_back.expect("a time to come back").parse().unwrap();
            assert!((1..=600).contains(&seconds), "{seconds}");
            let limit = answer.head.get("ratelimit").expect("a RateLimit header");
            assert!(limit.starts_with("\"calls\";r=0;t="), "{limit}");
            assert_eq!(answer.head.get("ratelimit-policy"), Some("\"calls\";q=3"));
        }
    }
    upstream.release();
    held.answer("GET").await.unwrap();
    proxy.flies(0).await;
    let answer = proxy.get("/", &["x-account: 8"]).await;
    assert_eq!(answer.head.status(), 200);
    assert!(answer.head.get("ratelimit").unwrap().starts_with("\"calls\";r=2;t="), "{:?}", answer.head);
    assert_eq!(proxy.get("/", &["x-account: 7"]).await.head.status(), 429, "the bucket is the account's");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_limit_that_only_audits_refuses_nobody() {
    let upstream = Upstream::start().await;
    let at = e2e::ports::lasting();
    let limits = "rateLimits: [{name: calls, key: [{clientAddress: true}]}, {name: unknown, key: [{clientAddress: true}]}]";
    let policy = policy(at, 9, upstream.at(), &[limits]);
    let audit = limit("calls", &["limit: 1", "duration: 10m", "enforcement: Audit"]);
    let mut proxy = Proxy::of(at, &[&policy, &audit]).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    }
    proxy.metric("wicketgate_proxy_undeclared_limits_total{policy=\"test/web\"}", 5.0).await;
    proxy.is_at_rest().await;
}

//! Which requests meet what: by path in any spelling, method and header.

use e2e::upstream::Upstream;

use super::harness::Proxy;

#[tokio::test]
async fn no_spelling_of_a_path_passes_a_route_by() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(
        upstream.at(),
        &["routes: [{name: admin, match: {path: {value: /admin/}}, action: Deny}]"],
    )
    .await;
    for path in [
        "/admin/",
        "/admin/x",
        "/%61dmin/",
        "/%61%64%6d%69%6e/x?y",
        "//admin/",
        "/x/../admin/",
        "/x/%2e%2e/admin/",
        "/./admin/x",
        "/admin/./x",
        "/admin;v=1/",
        "/admin/../admin/",
        "/x/..//admin/",
        "/\\admin/",
        "http://test/admin/",
        "http://test//%61dmin/",
    ] {
        let answer = proxy.get(path, &[]).await;
        assert_eq!(answer.head.status(), 403, "{path}");
        assert_eq!(answer.head.get("x-wicketgate-reason"), Some("Denied"));
        assert_eq!(answer.head.get("retry-after"), None, "coming again does not help");
    }
    assert_eq!(upstream.seen().len(), 0);
    for path in ["/administration", "/x/admin/", "/admin/../x", "/", "/ADMIN/"] {
        assert_eq!(proxy.get(path, &[]).await.head.status(), 200, "{path}");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_passes_through_does_not_ask_a_full_window() {
    let upstream = Upstream::start().await;
    let routes =
        "routes: [{name: health, match: {path: {type: Exact, value: /healthz}}, action: PassThrough}]";
    let mut proxy = Proxy::with_window(1, upstream.at(), &[routes]).await;
    let held = proxy.held().await;
    assert_eq!(proxy.get("/healthz", &[]).await.body, b"hello");
    for path in ["/", "/healthz/", "/healthzz"] {
        assert_eq!(proxy.get(path, &[]).await.head.status(), 429, "{path}");
    }
    assert_eq!(proxy.in_flight().await, 1);
    drop(held);
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_route_with_a_window_of_its_own_leaves_the_others_alone() {
    let upstream = Upstream::start().await;
    let routes = [
        "routes:",
        "  - name: export",
        "    match:",
        "      path: {value: /hold}",
        "      methods: [POST, PUT]",
        "      headers: [{name: X-Format, type: RegularExpression, value: \"pdf|png\"}]",
        "    window: {min: 1, max: 1}",
    ];
    let mut proxy = Proxy::with_window(2, upstream.at(), &routes).await;
    let export = |method: &str, format: &str| {
        format!("{method} /hold HTTP/1.1\r\nhost: test\r\nx-format: {format}\r\ncontent-length: 0\r\n\r\n")
    };
    let mut first = proxy.wire().await;
    first.send(export("POST", "pdf")).await;
    proxy.flies(1).await;
    assert_eq!(proxy.ask(&export("PUT", "png")).await.head.status(), 429, "its window is full");
    // These are no exports, and fill the policy's own window.
    let mut others = Vec::new();
    for (nth, request) in [export("GET", "pdf"), export("POST", "pdfs")].iter().enumerate() {
        let mut wire = proxy.wire().await;
        wire.send(request).await;
        proxy.flies(2 + nth as i64).await;
        others.push(wire);
    }
    assert_eq!(proxy.get("/", &[]).await.head.status(), 429);
    assert_eq!(proxy.report().await["max"], 3, "both windows together");
    upstream.release();
    for wire in others.iter_mut().chain([&mut first]) {
        assert_eq!(wire.answer("POST").await.unwrap().body, b"held");
    }
    proxy.still_forwards().await;
}

#[tokio::test]
async fn the_first_route_that_matches_counts() {
    let upstream = Upstream::start().await;
    let routes = [
        "routes:",
        "  - {name: mine, match: {headers: [{name: X-Key, value: secret}]}, action: PassThrough}",
        "  - {name: reads, match: {methods: [GET]}}",
        "  - {name: rest, action: Deny}",
    ];
    let mut proxy = Proxy::before(upstream.at(), &routes).await;
    let asked = async |method: &str, header: &str| {
        let answer = proxy
            .ask(&format!("{method} / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n{header}\r\n"))
            .await;
        answer.head.status()
    };
    assert_eq!(asked("DELETE", "").await, 403);
    assert_eq!(asked("BREW", "").await, 403);
    assert_eq!(asked("DELETE", "x-key: secret\r\n").await, 200);
    assert_eq!(asked("DELETE", "x-key: secrets\r\n").await, 403);
    assert_eq!(asked("DELETE", "x-key: no\r\nX-KEY: secret\r\n").await, 200, "one of its values is enough");
    assert_eq!(asked("GET", "").await, 200);
    proxy.metric("proxymw_request_count{policy=\"test/web\",route=\"mine\"}", 2.0).await;
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn cheap_queries_pass_by_a_full_window_with_their_forms_whole() {
    let upstream = Upstream::start().await;
    let mut proxy =
        Proxy::with_window(1, upstream.at(), &["promqlBypass: {enabled: true, horizon: 2h}"]).await;
    let held = proxy.held().await;
    let form = |path: &str, form: &str| {
        let kind = "content-type: application/x-www-form-urlencoded";
        let length = form.len();
        format!("POST {path} HTTP/1.1\r\nhost: test\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{form}")
    };
    assert_eq!(proxy.get("/api/v1/query?query=up", &[]).await.head.status(), 200);
    assert_eq!(proxy.ask(&form("/api/v1/query", "query=rate(up%5B5m%5D)&x=1")).await.head.status(), 200);
    assert_eq!(upstream.seen().pop().unwrap().all("content-length"), ["26"]);
    for dear in ["query=up+offset+3h", "query=(", ""] {
        assert_eq!(proxy.ask(&form("/api/v1/query", dear)).await.head.status(), 429, "{dear}");
    }
    assert_eq!(proxy.get("/api/v1/labels", &[]).await.head.status(), 429);
    drop(held);
    proxy.still_forwards().await;
}

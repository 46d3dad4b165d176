//! Which paths go where.

use http::Method;

use super::proxy::{Proxy, chain};
use super::upstream::Upstream;

#[tokio::test]
async fn healthz_is_the_proxy_s_own_whatever_the_method() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let reply = proxy.send(method.clone(), "/healthz", &[], "").await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "{\"ok\":true}\n"), "{method}");
        assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn other_paths_are_404_where_passthrough_paths_are_named() {
    let upstream = Upstream::start().await;
    let lines = format!("passthrough_paths: [/federate]\n{}", chain(""));
    let proxy = Proxy::start(&upstream.url(), &lines).await;
    let reply = proxy.get("/elsewhere").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (404, "404 page not found\n"));
    assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff");
    assert_eq!(proxy.get("/federate").await.text(), "hello");
    assert_eq!(proxy.get("/federate/x").await.status, 404);
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn other_paths_pass_through_where_none_are_named() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    assert_eq!(proxy.get("/elsewhere").await.text(), "hello");
}

#[tokio::test]
async fn a_missing_slash_and_doubled_slashes_are_redirected() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::start(&upstream.url(), &chain("")).await;
    for (path, location) in
        [("/t", "/t/"), ("/t?a=1", "/t/?a=1"), ("/a//b/../c", "/a/c"), ("//healthz", "/healthz")]
    {
        let reply = proxy.get(path).await;
        assert_eq!(
            (reply.status.as_u16(), reply.headers["location"].to_str().unwrap()),
            (307, location),
            "{path}"
        );
    }
    let reply = proxy.get("/t").await;
    assert_eq!(reply.text(), "<a href=\"/t/\">Temporary Redirect</a>.\n\n");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn methods_and_wildcards_of_go_are_patterns() {
    let upstream = Upstream::start().await;
    let lines = "proxy_paths: ['GET /m', '/users/{id}']\npassthrough_paths: [/users/me]\nproxymw_config: {enable_observer: true}";
    let proxy = Proxy::start(&upstream.url(), lines).await;
    assert_eq!(proxy.get("/m").await.status, 200);
    let reply = proxy.send(Method::POST, "/m", &[], "").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (405, "Method Not Allowed\n"));
    assert_eq!(reply.headers["allow"], "GET, HEAD");
    assert_eq!(proxy.get("/users/7").await.status, 200);
    assert_eq!(proxy.get("/users/me").await.status, 200);
    assert_eq!(proxy.metric("proxymw_request_count").await, Some(2.0), "the more specific passes through");
}

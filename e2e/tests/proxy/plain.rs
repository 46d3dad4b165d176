//! Requests and answers go through as they came, but for what belongs to one hop.

use e2e::bodies::{full, read};
use e2e::speak::Speaker;
use e2e::upstream::{Recorder, Upstream};
use http::Request;

use super::harness::{Proxy, get};

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let upstream = Recorder::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let path = "/a%2Fb/%41%zz//c/./d/../e;v=1?q=%20a+b&&q=?/@:!$'()*,~|^`{}";
    let path = path.replace(['|', '^', '`', '{', '}'], "");
    let answer = proxy
        .ask(&format!("PATCH {path} HTTP/1.1\r\nHost: shop.example:81\r\nX-Two: a\r\nx-two: b\r\nX-Empty:\r\nContent-Length: 4\r\nX-Bytes: \u{e4}\r\n\r\nbody"))
        .await;
    assert_eq!((answer.head.status(), answer.body), (200, b"ok".to_vec()));
    let sent = upstream.kept().remove(0);
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert_eq!(head.lines().next().unwrap(), format!("PATCH {path} HTTP/1.1"));
    assert_eq!(body, "body");
    let lines: Vec<&str> = head.lines().skip(1).collect();
    let expected = [
        "host: shop.example:81",
        "x-two: a",
        "x-two: b",
        "x-empty: ",
        "content-length: 4",
        "x-bytes: \u{e4}",
        "x-forwarded-for: 127.0.0.1",
        "forwarded: for=127.0.0.1;proto=http",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop.example:81",
    ];
    for line in expected {
        assert!(lines.contains(&line), "{line:?} is among {lines:?}");
    }
    assert_eq!(lines.len(), expected.len(), "and nothing else: {lines:?}");
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn what_belongs_to_one_hop_is_not_passed_on() {
    let upstream = Recorder::answering(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Answer-Hop\r\nX-Answer-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nX-Kept: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let answer = proxy
        .get(
            "/",
            &[
                "Connection: X-Mine, keep-alive, Host, Content-Length",
                "X-Mine: secret",
                "Keep-Alive: timeout=9",
                "Proxy-Connection: keep-alive",
                "Proxy-Authorization: Basic abc",
                "TE: deflate",
                "Upgrade: h2c",
                "X-Forwarded-For: 192.0.2.1",
                "X-Forwarded-For: 192.0.2.2",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Host: first.example",
                "Forwarded: for=192.0.2.1",
                "X-Stays: yes",
            ],
        )
        .await;
    let sent = upstream.kept().remove(0).to_lowercase();
    for gone in
        ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "te:", "upgrade", "\nconnection"]
    {
        assert!(!sent.contains(gone), "{gone} is not passed on: {sent}");
    }
    for kept in [
        "host: test\r\n",
        "x-stays: yes\r\n",
        "x-forwarded-for: 192.0.2.1, 192.0.2.2, 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-host: first.example\r\n",
        "forwarded: for=192.0.2.1, for=127.0.0.1;proto=http\r\n",
    ] {
        assert!(sent.contains(kept), "{kept:?} is passed on: {sent}");
    }
    for gone in ["x-answer-hop", "keep-alive", "proxy-authenticate", "connection"] {
        assert_eq!(answer.head.get(gone), None, "{gone} is not passed back");
    }
    assert_eq!(answer.head.get("x-kept"), Some("1"));
    let cookies: Vec<_> =
        answer.head.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    for (request, status) in [
        ("HEAD / HTTP/1.1", 200),
        ("GET /status/204 HTTP/1.1", 204),
        ("GET /status/304 HTTP/1.1", 304),
        ("DELETE /status/404 HTTP/1.1", 404),
    ] {
        wire.send(format!("{request}\r\nhost: test\r\n\r\n")).await;
        // Were there a body, the next answer on the connection would not be one.
        let answer = wire.answer(request.split(' ').next().unwrap()).await.unwrap();
        assert_eq!((answer.head.status(), answer.body.len()), (status, 0), "{request}");
    }
    wire.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert_eq!(
        wire.answer("HEAD").await.unwrap().head.get("content-length"),
        Some("5"),
        "what GET would have"
    );
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn each_form_of_a_target_is_understood() {
    let upstream =
        Recorder::answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for (target, line) in [
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\n"),
        ("GET http://test/a?b=1", "GET /a?b=1 HTTP/1.1\r\n"),
        ("GET http://test", "GET / HTTP/1.1\r\n"),
        ("BREW /pot", "BREW /pot HTTP/1.1\r\n"),
    ] {
        let answer = proxy.ask(&format!("{target} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        assert_eq!(answer.head.status(), 200, "{target}");
        let sent = upstream.kept().pop().unwrap();
        assert!(sent.starts_with(line), "{target}: {sent}");
        assert!(sent.contains("host: test\r\n"), "{target}: {sent}");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_in_its_way() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("GET /zeros/100000 HTTP/1.0\r\n\r\n").await;
    let head = wire.head().await.unwrap();
    assert_eq!((head.status(), head.get("transfer-encoding")), (200, None), "it knows no chunks: {head:?}");
    assert_eq!(wire.rest().await.unwrap().len(), 100_000, "the end of the connection is the body's");
    let mut wire = proxy.wire().await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n").await;
        let answer = wire.answer("GET").await.unwrap();
        assert_eq!((answer.head.status(), answer.body), (200, b"hello".to_vec()));
        assert_eq!(answer.head.get("connection"), Some("keep-alive"));
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn requests_that_are_sent_ahead_are_answered_in_their_order() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    let echo = |body: &str| {
        format!("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let all: String = (0..50).map(|nth| echo(&format!("body {nth}"))).collect();
    wire.send(all).await;
    for nth in 0..50 {
        assert_eq!(wire.answer("POST").await.unwrap().body, format!("body {nth}").into_bytes());
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut client = Speaker::one(proxy.at).await;
    for nth in 0..20 {
        let body = format!("{nth}").repeat(nth * 1000 + 1);
        let request = Request::post("/echo").body(full(body.clone())).unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(read(answer.into_body()).await.unwrap().0, body);
    }
    for _ in 0..20 {
        let answer = client.send(get("/zeros/200000")).await.unwrap();
        assert_eq!(read(answer.into_body()).await.unwrap().0.len(), 200_000);
    }
    assert!(upstream.connections() <= 2, "40 requests came over {} connections", upstream.connections());
    // A connection that the client ends does not end the upstream's.
    let before = upstream.connections();
    for _ in 0..4 {
        proxy.get("/", &["connection: close"]).await;
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    assert!(upstream.connections() <= before + threads, "{} connections", upstream.connections());
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn many_headers_go_through_whole() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let headers: Vec<String> =
        (0..110).map(|nth| format!("x-header-{nth}: {}", "v".repeat(nth * 4))).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    assert_eq!(proxy.get("/", &headers).await.head.status(), 200);
    let seen = upstream.only();
    for nth in 0..110 {
        assert_eq!(seen.all(&format!("x-header-{nth}")), ["v".repeat(nth * 4)]);
    }
    proxy.is_at_rest().await;
}

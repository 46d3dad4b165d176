//! Requests that two servers could read in two ways: none hides another one from us.

use e2e::frames::{Frame, Frames, flag, headers, kind, request};
use e2e::upstream::{Recorder, Upstream};

use super::harness::Proxy;

/// The recorder answers once a connection, so it says that it will not do so again.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
/// What must never be seen by the upstream.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n";

/// What is refused with 400 or by closing the connection, whatever follows it.
const CORPUS: &[(&str, &str)] = &[
    ("a length and chunks", "Host: t\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks and a length", "Host: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("a coding nobody knows", "Host: t\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "a coding nobody knows and a length",
        "Host: t\r\nContent-Length: 0\r\nTransfer-Encoding: xchunked\r\n\r\n",
    ),
    ("chunked twice in a list", "Host: t\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked in two headers",
        "Host: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked and then another",
        "Host: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    ("another behind chunked", "Host: t\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("another before chunked", "Host: t\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in quotes", "Host: t\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("chunked behind a vertical tab", "Host: t\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("a coding of nothing", "Host: t\r\nTransfer-Encoding:\r\n\r\n"),
    ("two different lengths", "Host: t\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n"),
    ("a length with a sign", "Host: t\r\nContent-Length: +0\r\n\r\n"),
    ("a length in a list", "Host: t\r\nContent-Length: 0, 0\r\n\r\n"),
    ("a length below zero", "Host: t\r\nContent-Length: -1\r\n\r\n"),
    ("a length in hexadecimal", "Host: t\r\nContent-Length: 0x0\r\n\r\n"),
    ("a length of nothing", "Host: t\r\nContent-Length:\r\n\r\n"),
    ("a length that is too large", "Host: t\r\nContent-Length: 18446744073709551616\r\n\r\n"),
    ("a folded line", "Host: t\r\nX-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
    ("a folded coding", "Host: t\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("a folded first line", " Host: t\r\n\r\n"),
    ("a space before the colon", "Host: t\r\nContent-Length : 0\r\n\r\n"),
    ("a tab before the colon", "Host: t\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("NUL in a value", "Host: t\r\nX-A: a\0b\r\n\r\n"),
    ("NUL in a name", "Host: t\r\nX\0A: b\r\n\r\n"),
    ("a carriage return in a value", "Host: t\r\nX-A: a\rContent-Length: 36\r\n\r\n"),
    ("no colon", "Host: t\r\nX-A\r\n\r\n"),
    ("no name", "Host: t\r\n: x\r\n\r\n"),
    ("two hosts", "Host: t\r\nHost: u\r\n\r\n"),
    ("two equal hosts", "Host: t\r\nHost: t\r\n\r\n"),
    ("no host", "X-A: 1\r\n\r\n"),
    ("a host with a user", "Host: me@t\r\n\r\n"),
    ("a host with a path", "Host: t/x\r\n\r\n"),
    ("a host in a list", "Host: t, u\r\n\r\n"),
    ("a chunk of 0x", "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
    ("a chunk below zero", "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"),
    ("a chunk with a sign", "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n"),
    ("a chunk without a size", "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n"),
    ("a chunk that is too large", "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n"),
    (
        "a chunk that is longer than it says",
        "Host: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ),
];

/// Sends a head with what follows it, and a request that must not be seen, all at once; returns what came
/// back until the connection was closed.
async fn attempt(proxy: &Proxy, line: &str, rest: &str) -> String {
    let mut wire = proxy.wire().await;
    wire.send(format!("{line}\r\n{rest}{HIDDEN}")).await;
    String::from_utf8_lossy(&wire.rest().await.unwrap_or_default()).into_owned()
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &["timeouts: {idle: 1s}"]).await;
    let mut problems = Vec::new();
    for (what, rest) in CORPUS {
        let came = attempt(&proxy, "POST /first HTTP/1.1", rest).await;
        // Once a body has begun, its connection may be cut instead; what came before was a good request.
        let refused = came.is_empty() || came.starts_with("HTTP/1.1 400 ");
        let answers = came.matches("\r\ndate: ").count();
        if !refused && !what.contains("chunk") || answers > 1 {
            problems.push(format!("{what}: {came:?}"));
        }
    }
    for kept in upstream.kept() {
        if kept.contains("/hidden") {
            problems.push(format!("the hidden request was passed on: {kept:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn chunks_are_no_part_of_http_1_0() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for connection in ["", "Connection: keep-alive\r\n"] {
        let rest = format!("Host: t\r\n{connection}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        let came = attempt(&proxy, "POST /first HTTP/1.0", &rest).await;
        assert!(came.is_empty() || came.contains(" 400 "), "{came:?}");
    }
    assert!(upstream.kept().iter().all(|kept| !kept.contains("/hidden")), "{:?}", upstream.kept());
    proxy.is_at_rest().await;
}

/// What is not refused must reach the upstream in one reading only: with a framing that we wrote anew.
#[tokio::test]
async fn what_is_forgiven_is_written_anew() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    for (what, request) in [
        ("spaces about a length", "POST /first HTTP/1.1\r\nHost: t\r\nContent-Length:  5 \r\n\r\nabcde"),
        (
            "two equal lengths",
            "POST /first HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        ),
        (
            "spaces about a coding",
            "POST /first HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \tchunked \r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        ),
        ("lines that end in a line feed", "POST /first HTTP/1.1\nHost: t\nContent-Length: 5\n\nabcde"),
        (
            "a long extension",
            &format!(
                "POST /first HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;{}\r\nabcde\r\n0\r\n\r\n",
                "x".repeat(3000)
            ),
        ),
        (
            "a chunk with zeros",
            "POST /first HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0000005\r\nabcde\r\n0\r\n\r\n",
        ),
    ] {
        let before = upstream.kept().len();
        let mut wire = proxy.wire().await;
        wire.send(request).await;
        wire.finish().await;
        let came = String::from_utf8_lossy(&wire.rest().await.unwrap_or_default()).into_owned();
        if came.is_empty() || came.starts_with("HTTP/1.1 400 ") {
            continue;
        }
        assert!(came.starts_with("HTTP/1.1 200 "), "{what}: {came:?}");
        let kept = upstream.kept().split_off(before.min(upstream.kept().len().saturating_sub(1)));
        let sent = kept.last().unwrap();
        let framed = sent.contains("content-length: 5\r\n") && sent.contains("\r\n\r\nabcde");
        let chunked =
            sent.contains("transfer-encoding: chunked\r\n") && sent.contains("5\r\nabcde\r\n0\r\n\r\n");
        assert!(framed != chunked, "{what}: {sent:?}");
        assert!(!sent.contains("xxx") && !sent.contains("0000005"), "{what}: {sent:?}");
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_address_counts_before_what_a_header_says_of_it() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let answer = proxy.ask("GET http://a.example:81/first HTTP/1.1\r\nHost: b.example\r\n\r\n").await;
    assert_eq!(answer.head.status(), 200);
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a.example:81"), (":path", "/first")];
    assert_eq!(asked(&proxy, &[&fields[..], &[("host", "b.example")]].concat(), None).await, 200);
    for kept in upstream.kept() {
        assert!(
            kept.starts_with("GET /first HTTP/1.1\r\n") && kept.contains("host: a.example:81\r\n"),
            "{kept}"
        );
        assert!(!kept.contains("b.example"), "{kept}");
    }
    let answer = proxy.ask("GET http://me@a.example/first HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(answer.head.status(), 400);
    assert_ne!(
        asked(
            &proxy,
            &[(":method", "GET"), (":scheme", "http"), (":authority", "me@a"), (":path", "/")],
            None
        )
        .await,
        200
    );
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn an_extension_without_end_is_cut() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let mut wire = proxy.wire().await;
    wire.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;").await;
    let mut taken = 0;
    while taken < 64 && wire.send([b'x'; 64 << 10]).await {
        taken += 1;
    }
    assert!(taken < 64, "4 MiB of an extension were taken");
    proxy.is_at_rest().await;
}

/// The status of a request's answer, or 0 where its stream or connection was ended instead.
async fn asked(proxy: &Proxy, fields: &[(&str, &str)], body: Option<&str>) -> u16 {
    let mut frames = Frames::to(proxy.at, &[]).await;
    let ends = if body.is_some() { flag::NONE } else { flag::END_STREAM };
    let mut all = vec![Frame::new(kind::HEADERS, flag::END_HEADERS | ends, 1, headers(fields))];
    all.extend(body.map(|body| Frame::new(kind::DATA, flag::END_STREAM, 1, body)));
    frames.send(&all).await;
    loop {
        match frames.next().await {
            Some(frame) if frame.kind == kind::HEADERS => {
                // Statuses that every table has.
                return match frame.payload[0] {
                    0x88 => 200,
                    0x8c => 400,
                    other => panic!("the answer begins with {other:#x}"),
                };
            }
            Some(frame) if matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY) => return 0,
            Some(_) => {}
            None => return 0,
        }
    }
}

#[tokio::test]
async fn headers_of_http_1_have_no_place_in_http_2() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let base = request("POST", "/first");
    assert_eq!(asked(&proxy, &base, Some("")).await, 200, "as it should be");
    for more in [
        &[("connection", "close")][..],
        &[("connection", "x-a"), ("x-a", "1")],
        &[("transfer-encoding", "chunked")],
        &[("keep-alive", "timeout=5")],
        &[("proxy-connection", "keep-alive")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[("X-Upper", "1")],
        &[("x-a", "1\r\nx-b: 2")],
        &[("x-a", "1\0")],
        &[("x-a\r\nx-b", "1")],
        &[("x a", "1")],
        &[("content-length", "+5")],
        &[("content-length", "5"), ("content-length", "5")],
        &[("host", "a"), ("host", "b")],
        &[(":path", "/second")],
        &[(":unknown", "x")],
    ] {
        let status = asked(&proxy, &[&base, more].concat(), Some("")).await;
        assert_ne!(status, 200, "{more:?}");
    }
    for path in ["/a b", "/a\r\nx: y", "", "no-slash"] {
        assert_ne!(asked(&proxy, &request("POST", path), Some("")).await, 200, "{path:?}");
    }
    for kept in upstream.kept() {
        assert!(kept.starts_with("POST /first HTTP/1.1\r\n"), "{kept:?}");
        for bad in ["\r\nconnection", "x-b", "keep-alive", "upgrade", "+5", "/second"] {
            assert!(!kept.contains(bad), "{bad:?} is not passed on: {kept:?}");
        }
    }
    proxy.is_at_rest().await;
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_ends_the_stream() {
    let upstream = Recorder::answering(OK).await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let with = |length| [&request("POST", "/first")[..], &[("content-length", length)]].concat();
    assert_eq!(asked(&proxy, &with("5"), Some("abcde")).await, 200);
    assert_eq!(asked(&proxy, &with("5"), Some(&format!("abcde{HIDDEN}"))).await, 0, "longer");
    let shorter = asked(&proxy, &with("50"), Some("abcde")).await;
    assert_ne!(shorter, 200, "shorter");
    assert_eq!(asked(&proxy, &with("5"), None).await, 0, "none at all");
    assert!(upstream.kept().iter().all(|kept| !kept.contains("/hidden")), "{:?}", upstream.kept());
    proxy.is_at_rest().await;
}

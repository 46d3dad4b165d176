//! A request's head as the proxy reads it: over any bytes nothing panics, no spelling of a path keeps a
//! dot or an empty segment, and nothing of one hop is passed on. `daemon/fuzz` includes this file;
//! `corpora.rs` replays its corpus.

use std::net::{IpAddr, Ipv4Addr};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use regex::bytes::Regex;
use wicketgate_daemon::proxy::headers::{self, Client, Known};
use wicketgate_daemon::proxy::policy::Voice;
use wicketgate_daemon::proxy::route::{Action, HeaderRule, PathRule, Route, Routes, ValueRule, plain};

/// The first line is method and target, each further one a header; what is none is left out.
pub(crate) fn proxy_heads(bytes: &[u8]) {
    let Some(mut parts) = head(bytes) else { return };
    walked(parts.uri.path());
    let (index, action) = routes().find(&parts);
    assert!(index < routes().names().count());
    let path = plain(parts.uri.path()).into_owned();
    if path.starts_with("/admin/") {
        assert_eq!(action, Action::Deny, "{path} got past its route");
    }
    // What is refused is not passed on; what is passed on is of the next hop alone.
    let known = Known::of(&parts.headers);
    if headers::check(&parts, known).is_err() {
        return;
    }
    let _ = headers::upgrade(&parts, known);
    let client = Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), false);
    headers::forward_request(&mut parts, known, &client, Voice::Declared);
    of_next_hop(&parts.headers);
    headers::forward_response(&mut parts.headers);
}

fn head(bytes: &[u8]) -> Option<Parts> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let mut first = lines.next()?.splitn(2, |&byte| byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::from_maybe_shared(bytes::Bytes::copy_from_slice(first.next()?)).ok()?;
    let mut request = Request::builder().method(method).uri(uri);
    for line in lines {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let Ok(name) = HeaderName::from_bytes(name) else { continue };
        let Ok(value) = HeaderValue::from_bytes(value[1..].trim_ascii()) else { continue };
        request = request.header(name, value);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn walked(path: &str) {
    let plain = plain(path);
    assert!(plain.starts_with('/'), "{path:?} became {plain:?}");
    let inner = plain[1..].split('/');
    let last = inner.clone().count() - 1;
    for (index, segment) in inner.enumerate() {
        assert!(!matches!(segment, "." | ".."), "{path:?} became {plain:?}");
        assert!(!segment.is_empty() || index == last, "{path:?} became {plain:?}");
    }
}

fn of_next_hop(headers: &HeaderMap) {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "expect"] {
        assert!(!headers.contains_key(name), "{name} was passed on");
    }
    assert!(headers.get("te").is_none_or(|te| te == "trailers"));
    let forwarded = headers["x-forwarded-for"].as_bytes();
    assert!(forwarded.ends_with(b"127.0.0.1"), "the client is not named");
}

fn routes() -> Routes {
    let route = |name: &str, path, headers, action| Route {
        name: name.into(),
        path: Some(path),
        methods: Vec::new(),
        headers,
        action,
    };
    let value = Regex::new("^(?:batch.*)$").expect("it is one");
    let batch = HeaderRule { name: HeaderName::from_static("x-kind"), value: ValueRule::Matches(value) };
    Routes::new(vec![
        route("admin", PathRule::Prefix("/admin/".to_owned()), Vec::new(), Action::Deny),
        route("health", PathRule::Exact("/healthz".to_owned()), Vec::new(), Action::PassThrough),
        route("batch", PathRule::Prefix("/".to_owned()), vec![batch], Action::Protect(1)),
    ])
}

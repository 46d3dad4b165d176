//! What of a message's headers is for the next hop, and what a proxy must not pass on.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version, request};

use super::policy::Voice;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Which headers of concern to a proxy a message has. One look over all of them costs less than a look-up
/// of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(u16);

impl Known {
    const CONNECTION: u16 = 1;
    const KEEP_ALIVE: u16 = 1 << 1;
    const PROXY_CONNECTION: u16 = 1 << 2;
    const TRANSFER_ENCODING: u16 = 1 << 3;
    const UPGRADE: u16 = 1 << 4;
    const TE: u16 = 1 << 5;
    const EXPECT: u16 = 1 << 6;
    const PROXY_AUTHORIZATION: u16 = 1 << 7;
    const PROXY_AUTHENTICATE: u16 = 1 << 8;
    const CONTENT_LENGTH: u16 = 1 << 9;
    const FORWARDED: u16 = 1 << 10;
    const FOR: u16 = 1 << 11;
    const PROTO: u16 = 1 << 12;
    const FORWARDED_HOST: u16 = 1 << 13;
    const COOKIE: u16 = 1 << 14;

    /// Looks over all headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.keys().fold(0, |known, name| known | Self::bit(name.as_str())))
    }

    fn bit(name: &str) -> u16 {
        match name {
            "connection" => Self::CONNECTION,
            "keep-alive" => Self::KEEP_ALIVE,
            "proxy-connection" => Self::PROXY_CONNECTION,
            "transfer-encoding" => Self::TRANSFER_ENCODING,
            "upgrade" => Self::UPGRADE,
            "te" => Self::TE,
            "expect" => Self::EXPECT,
            "proxy-authorization" => Self::PROXY_AUTHORIZATION,
            "proxy-authenticate" => Self::PROXY_AUTHENTICATE,
            "content-length" => Self::CONTENT_LENGTH,
            "forwarded" => Self::FORWARDED,
            "x-forwarded-for" => Self::FOR,
            "x-forwarded-proto" => Self::PROTO,
            "x-forwarded-host" => Self::FORWARDED_HOST,
            "cookie" => Self::COOKIE,
            _ => 0,
        }
    }

    const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// What is said of a client to the upstream; made once a connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    address_text: HeaderValue,
    scheme: HeaderValue,
    forwarded: HeaderValue,
}

impl Client {
    /// A client at `address`, which speaks TLS or not.
    #[must_use]
    pub fn new(address: IpAddr, tls: bool) -> Self {
        // An address of the fourth version that came through a socket of the sixth is still one.
        let address = address.to_canonical();
        let scheme = if tls { "https" } else { "http" };
        let node = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        // Addresses are ASCII.
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            address,
            address_text: value(address.to_string()),
            scheme: HeaderValue::from_static(scheme),
            forwarded: value(format!("for={node};proto={scheme}")),
        }
    }
}

/// Why a request is not passed on.
///
/// # Errors
/// What servers are known to read in two ways, so that one could hide a second request from us; and what
/// is no request of HTTP/1.1.
pub fn check(parts: &request::Parts, known: Known) -> Result<(), &'static str> {
    let headers = &parts.headers;
    if known.has(Known::TRANSFER_ENCODING | Known::CONTENT_LENGTH) {
        check_framing(parts, known)?;
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("a request has one Host");
    }
    if host.is_none() && parts.version == Version::HTTP_11 {
        return Err("a request of HTTP/1.1 has a Host");
    }
    if host.is_some_and(|host| host.as_bytes().iter().any(|byte| b" \t/?#@,\\".contains(byte))) {
        return Err("Host is a name or an address, and perhaps a port");
    }
    if parts.uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("an address has no user");
    }
    Ok(())
}

fn check_framing(parts: &request::Parts, known: Known) -> Result<(), &'static str> {
    let headers = &parts.headers;
    if known.has(Known::TRANSFER_ENCODING) {
        if parts.version < Version::HTTP_11 {
            return Err("Transfer-Encoding is not part of HTTP/1.0");
        }
        if known.has(Known::CONTENT_LENGTH) {
            return Err("a request has either Transfer-Encoding or Content-Length");
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() {
            return Err("Transfer-Encoding may only be chunked");
        }
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if lengths.next().is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err("Content-Length is a number");
    }
    if lengths.next().is_some() {
        return Err("a request has one Content-Length");
    }
    Ok(())
}

/// The protocol that a client asks to go over to; none where it does not.
#[must_use]
pub fn upgrade(parts: &request::Parts, known: Known) -> Option<HeaderValue> {
    let asks = known.has(Known::CONNECTION) && known.has(Known::UPGRADE);
    if !asks || parts.version != Version::HTTP_11 || !lists(&parts.headers, &CONNECTION, b"upgrade") {
        return None;
    }
    // HTTP/2 spoken through a tunnel would pass by all routes and windows.
    if lists(&parts.headers, &UPGRADE, b"h2c") || lists(&parts.headers, &UPGRADE, b"h2") {
        return None;
    }
    parts.headers.get(UPGRADE).cloned()
}

/// Whether a header's list has an entry.
fn lists(headers: &HeaderMap, name: &HeaderName, entry: &[u8]) -> bool {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(entry))
}

/// Makes a request's headers those of the next hop's.
pub fn forward_request(parts: &mut request::Parts, known: Known, client: &Client, voice: Voice) {
    let trailers = known.has(Known::TE) && lists(&parts.headers, &TE, b"trailers");
    let headers = &mut parts.headers;
    // What is named beside what always goes may be any of those below.
    let known = if remove_hop(headers, known) { Known::of(headers) } else { known };
    if known.has(Known::PROXY_AUTHORIZATION) {
        headers.remove(PROXY_AUTHORIZATION);
    }
    if known.has(Known::EXPECT) {
        // The client was told to go on, or will be as soon as its body is asked for.
        headers.remove(EXPECT);
    }
    if known.has(Known::TE) {
        headers.remove(TE);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        // HTTP/2 has it in the address, and HTTP/1.1 may. There it counts before a header, which could say
        // something else.
        headers.insert(HOST, host);
    }
    if known.has(Known::COOKIE) {
        join_cookies(headers);
    }
    append(headers, X_FORWARDED_FOR, known.has(Known::FOR), &client.address_text);
    if voice == Voice::Original {
        return;
    }
    append(headers, FORWARDED, known.has(Known::FORWARDED), &client.forwarded);
    // Who stands before us knows better how the client came to it.
    if !known.has(Known::PROTO) {
        headers.insert(X_FORWARDED_PROTO, client.scheme.clone());
    }
    if !known.has(Known::FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// Makes an answer's headers those of the next hop's.
pub fn forward_response(headers: &mut HeaderMap) {
    let known = Known::of(headers);
    remove_hop(headers, known);
    if known.has(Known::PROXY_AUTHENTICATE) {
        headers.remove(PROXY_AUTHENTICATE);
    }
}

/// Removes what belongs to one connection: what `Connection` names, and what always does. Whether anything
/// was named.
fn remove_hop(headers: &mut HeaderMap, known: Known) -> bool {
    let mut named = false;
    if known.has(Known::CONNECTION) {
        named = remove_named(headers);
        headers.remove(CONNECTION);
    }
    for (bit, name) in [
        (Known::KEEP_ALIVE, KEEP_ALIVE),
        (Known::PROXY_CONNECTION, PROXY_CONNECTION),
        (Known::TRANSFER_ENCODING, TRANSFER_ENCODING),
        (Known::UPGRADE, UPGRADE),
    ] {
        if known.has(bit) {
            headers.remove(name);
        }
    }
    named
}

/// Removes what `Connection` names beside its own words; whether there was any.
fn remove_named(headers: &mut HeaderMap) -> bool {
    let tokens =
        headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let named: Vec<HeaderName> = tokens
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive") && !token.eq_ignore_ascii_case(b"close"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        // What frames or addresses the message is not for a client to take away.
        .filter(|name| name != HOST && name != CONTENT_LENGTH)
        .collect();
    for name in &named {
        headers.remove(name);
    }
    !named.is_empty()
}

/// Makes one of several cookie headers: HTTP/2 lets a client send each cookie by itself, and no server of
/// HTTP/1.1 expects that (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (values.next(), values.next()) else { return };
    let mut all = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        all.extend_from_slice(b"; ");
        all.extend_from_slice(value.as_bytes());
    }
    // All were values of headers.
    if let Ok(all) = HeaderValue::from_maybe_shared(bytes::Bytes::from(all)) {
        headers.insert(COOKIE, all);
    }
}

/// Puts a value at the end of a header's list, where there `is` one.
fn append(headers: &mut HeaderMap, name: HeaderName, is: bool, value: &HeaderValue) {
    if !is {
        headers.insert(name, value.clone());
        return;
    }
    let mut all = Vec::new();
    for known in headers.get_all(&name) {
        all.extend_from_slice(known.as_bytes());
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(value.as_bytes());
    // Both were values of headers.
    if let Ok(all) = HeaderValue::from_maybe_shared(bytes::Bytes::from(all)) {
        headers.insert(name, all);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::get("/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn judge(parts: &request::Parts) -> Result<(), &'static str> {
        check(parts, Known::of(&parts.headers))
    }

    fn listed(headers: &HeaderMap) -> Vec<(String, String)> {
        let mut listed: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        listed.sort();
        listed
    }

    #[test]
    fn what_is_for_one_hop_stays_there() {
        let mut parts = parts(&[
            ("host", "a.example"),
            ("connection", "close, X-Mine, host"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers, deflate"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
        ]);
        let known = Known::of(&parts.headers);
        forward_request(
            &mut parts,
            known,
            &Client::new("::ffff:10.0.0.1".parse().unwrap(), false),
            Voice::Declared,
        );
        let expected = [
            ("accept", "*/*"),
            ("forwarded", "for=10.0.0.1;proto=http"),
            ("host", "a.example"),
            ("te", "trailers"),
            ("x-forwarded-for", "1.2.3.4, 10.0.0.1"),
            ("x-forwarded-host", "a.example"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(listed(&parts.headers), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_read_in_two_ways_is_refused() {
        let faults = |headers: &[(&str, &str)]| judge(&parts(headers)).err().unwrap_or_default().to_owned();
        assert_eq!(faults(&[("host", "a")]), "");
        assert_eq!(faults(&[("host", "a"), ("transfer-encoding", "Chunked")]), "");
        for headers in [
            &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "3")][..],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("host", "a"), ("content-length", "3"), ("content-length", "3")],
            &[("host", "a"), ("content-length", "+3")],
            &[("host", "a"), ("content-length", "3, 3")],
            &[("host", "a"), ("host", "b")],
            &[("host", "a/b")],
            &[("host", "a@b")],
            &[],
        ] {
            assert_ne!(faults(headers), "", "{headers:?}");
        }
    }

    #[test]
    fn an_address_counts_before_a_host() {
        let mut parts = parts(&[("host", "b.example")]);
        parts.uri = "http://a.example:81/x".parse().unwrap();
        assert_eq!(judge(&parts), Ok(()));
        let known = Known::of(&parts.headers);
        forward_request(&mut parts, known, &Client::new("10.0.0.1".parse().unwrap(), false), Voice::Declared);
        assert_eq!(parts.headers["host"], "a.example:81");
        assert_eq!(parts.headers["x-forwarded-host"], "a.example:81");
        parts.uri = "http://me@a.example/".parse().unwrap();
        assert!(judge(&parts).is_err());
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_headers() {
        let asked = |headers: &[(&str, &str)]| {
            let parts = parts(headers);
            upgrade(&parts, Known::of(&parts.headers)).is_some()
        };
        assert!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asked(&[("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "upgrade")]));
        assert!(!asked(&[("connection", "upgrade"), ("upgrade", "websocket, H2C")]));
    }

    #[test]
    fn cookies_that_came_apart_are_one_header() {
        let mut parts = parts(&[("host", "a"), ("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        let known = Known::of(&parts.headers);
        forward_request(&mut parts, known, &Client::new([10, 0, 0, 1].into(), false), Voice::Declared);
        let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn a_client_of_the_sixth_version_is_quoted() {
        let mut parts = parts(&[("host", "a"), ("forwarded", "for=x")]);
        let known = Known::of(&parts.headers);
        forward_request(
            &mut parts,
            known,
            &Client::new("2001:db8::1".parse().unwrap(), true),
            Voice::Declared,
        );
        assert_eq!(parts.headers["forwarded"], "for=x, for=\"[2001:db8::1]\";proto=https");
        assert_eq!(parts.headers["x-forwarded-for"], "2001:db8::1");
    }
}

//! What a client hears whose request is not forwarded.
//!
//! A refusal costs little: its reply is short, made of what is at hand, and nothing of the request's body
//! is read for it.

use bytes::Bytes;
use engine::aimd::Closed;
use engine::block::Blocked;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use super::body::Body;
use super::limits::LimitReply;
use super::policy::Voice;

/// Why a request was refused, for people and programs: one word.
pub const REASON: HeaderName = HeaderName::from_static("x-wicketgate-reason");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// How long a client is asked to wait before it comes back to a closed window.
const COME_BACK_SECONDS: u64 = 1;

/// Why a request is not forwarded.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The window is full.
    Window(Closed),
    /// A header is one of those that are blocked.
    Blocked(Blocked),
    /// A rate limit is used up.
    RateLimited(Box<LimitReply>),
    /// Its route refuses all.
    Denied,
}

/// Why a request failed in our hands, or the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request makes no sense, or is dangerous to pass on.
    BadRequest(String),
    /// Its body is longer than the policy allows.
    TooLarge(u64),
    /// Its body stopped coming.
    Stalled,
    /// It took longer than the policy allows.
    Deadline,
    /// The upstream was not reached, or broke off before it answered.
    Upstream(&'static str),
    /// There is nobody to ask, or no connection to ask with.
    Unavailable(&'static str),
    /// The client asks for another protocol than one that is passed on.
    NotSupported(String),
}

impl Refusal {
    /// The word of [`REASON`].
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Window(_) => "WindowClosed",
            Self::Blocked(_) => "Blocked",
            Self::RateLimited(_) => "RateLimited",
            Self::Denied => "Denied",
        }
    }

    /// What a person is told.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Window(closed) => closed.to_string(),
            Self::Blocked(blocked) => blocked.to_string(),
            Self::RateLimited(reply) => reply.to_string(),
            Self::Denied => "this path is not served here".to_owned(),
        }
    }

    /// When to come back, in milliseconds; none where that would not help.
    #[must_use]
    pub fn come_back_millis(&self) -> Option<u64> {
        match self {
            Self::Window(_) => Some(COME_BACK_SECONDS * 1_000),
            Self::RateLimited(reply) => Some(reply.retry_after_millis),
            Self::Blocked(_) | Self::Denied => None,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Denied => StatusCode::FORBIDDEN,
            _ => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The reply, in gRPC's way for a gRPC request.
    #[must_use]
    pub fn reply(&self, grpc: bool) -> Response<Body> {
        let mut reply = if grpc {
            let code = if matches!(self, Self::Denied) { "7" } else { "8" };
            grpc_error(code, &self.text())
        } else {
            json_error(self.status(), self.body())
        };
        let headers = reply.headers_mut();
        headers.insert(REASON, HeaderValue::from_static(self.reason()));
        if let Some(millis) = self.come_back_millis() {
            if grpc {
                headers.insert(GRPC_PUSHBACK, HeaderValue::from(millis));
            }
            headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000).max(1)));
        }
        if let Self::RateLimited(limit) = self {
            limit.write(headers);
        }
        reply
    }

    fn body(&self) -> Bytes {
        match self {
            // The one that must cost nothing.
            Self::Window(_) => Bytes::from_static(
                b"{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":\"congestion window closed, backoff from backpressure\"}\n",
            ),
            _ => error_body(&self.text()),
        }
    }
}

impl Fault {
    /// The reply, in gRPC's way for a gRPC request.
    #[must_use]
    pub fn reply(&self, grpc: bool, voice: Voice) -> Response<Body> {
        if voice == Voice::Original {
            return self.original();
        }
        let (status, code, text) = match self {
            Self::BadRequest(why) => (StatusCode::BAD_REQUEST, "3", why.clone()),
            Self::TooLarge(bytes) => {
                let text = format!("the request's body is longer than the {bytes} bytes that are allowed");
                (StatusCode::PAYLOAD_TOO_LARGE, "8", text)
            }
            Self::Stalled => {
                let text = "the request's body stopped coming; send all of it without long pauses";
                (StatusCode::REQUEST_TIMEOUT, "4", text.to_owned())
            }
            Self::Deadline => {
                (StatusCode::GATEWAY_TIMEOUT, "4", "the request took longer than is allowed".to_owned())
            }
            Self::Upstream(why) => (StatusCode::BAD_GATEWAY, "14", (*why).to_owned()),
            Self::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, "14", (*why).to_owned()),
            Self::NotSupported(why) => (StatusCode::NOT_IMPLEMENTED, "12", why.clone()),
        };
        if grpc { grpc_error(code, &text) } else { json_error(status, error_body(&text)) }
    }

    /// As throttle-proxy has it: its proxy's errors have no body, its chain's are 500.
    fn original(&self) -> Response<Body> {
        let status = match self {
            Self::BadRequest(why) => return json_error(StatusCode::BAD_REQUEST, error_body(why)),
            Self::Deadline => {
                let text = "proxy error: context deadline exceeded";
                return json_error(StatusCode::INTERNAL_SERVER_ERROR, error_body(text));
            }
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Upstream(_) | Self::Unavailable(_) => StatusCode::BAD_GATEWAY,
            Self::NotSupported(_) => StatusCode::NOT_IMPLEMENTED,
        };
        let mut reply = Response::new(Body::empty());
        *reply.status_mut() = status;
        reply
    }
}

fn json_error(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut reply = Response::new(Body::full(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A reply of headers alone, as gRPC has it where nothing follows.
fn grpc_error(code: &'static str, text: &str) -> Response<Body> {
    let mut reply = Response::new(Body::empty());
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(code));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(text)) {
        headers.insert(GRPC_MESSAGE, message);
    }
    reply
}

/// A 405 that says what is allowed.
#[must_use]
pub fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// gRPC's spelling of a message: what is not printable ASCII, and the percent sign, in hexadecimal.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The original's body: JSON in the order of its fields, with a line's end.
#[must_use]
pub fn error_body(text: &str) -> Bytes {
    // A text always has a form in JSON.
    let text = serde_json::to_string(text).unwrap_or_default();
    let mut body = String::with_capacity(text.len() + 64);
    body.push_str("{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":");
    // As Go writes it: safe to stand in a page.
    for c in text.chars() {
        match c {
            '<' => body.push_str("\\u003c"),
            '>' => body.push_str("\\u003e"),
            '&' => body.push_str("\\u0026"),
            '\u{2028}' => body.push_str("\\u2028"),
            '\u{2029}' => body.push_str("\\u2029"),
            c => body.push(c),
        }
    }
    body.push_str("}\n");
    Bytes::from(body)
}

/// Whether a request speaks gRPC.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

/// Whether a request's body is a stream of gRPC's or Connect's, which may rightly pause for long. Both need
/// HTTP/2 for that, and gRPC-Web sends one message.
#[must_use]
pub fn may_be_silent(version: Version, headers: &HeaderMap) -> bool {
    let is_connect =
        |kind: &HeaderValue| matches!(kind.as_bytes().strip_prefix(b"application/connect+"), Some([_, ..]));
    version == Version::HTTP_2 && (is_grpc(headers) || headers.get(CONTENT_TYPE).is_some_and(is_connect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_window_is_told_to_the_byte() {
        let refusal = Refusal::Window(Closed { in_flight: 1, allowed: 1 });
        let reply = refusal.reply(false);
        assert_eq!(reply.status(), 429);
        assert_eq!(refusal.body(), error_body(&refusal.text()), "what is written down is what is worked out");
        let header = |name: &str| reply.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "application/json; charset=utf-8");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("retry-after"), "1");
        assert_eq!(header("x-wicketgate-reason"), "WindowClosed");
    }

    #[test]
    fn texts_are_safe_in_a_page() {
        let body = error_body("a <b> & \"c\"\u{2028}\n");
        assert_eq!(
            body,
            "{\"status\":\"error\",\"errorType\":\"throttle-proxy\",\"error\":\"a \\u003cb\\u003e \\u0026 \\\"c\\\"\\u2028\\n\"}\n"
        );
    }

    #[test]
    fn grpc_is_told_in_its_own_way() {
        let reply = Refusal::Window(Closed { in_flight: 1, allowed: 1 }).reply(true);
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["grpc-status"], "8");
        assert_eq!(reply.headers()["grpc-retry-pushback-ms"], "1000");
        assert_eq!(reply.headers()["content-type"], "application/grpc");
        let reply = Fault::Upstream("100 % ä").reply(true, Voice::Declared);
        assert_eq!(
            (&reply.headers()["grpc-status"], &reply.headers()["grpc-message"]),
            (&HeaderValue::from_static("14"), &HeaderValue::from_static("100 %25 %C3%A4"))
        );
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for (kind, grpc, silent) in [
            ("application/grpc", true, true),
            ("application/grpc+proto", true, true),
            ("application/grpc;x", true, true),
            ("application/grpc-web", false, false),
            ("application/grpc-web+proto", false, false),
            ("application/grpcx", false, false),
            ("application/connect+json", false, true),
            ("application/connect+", false, false),
            ("application/connect", false, false),
            ("text/plain", false, false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            let may_be_silent = |version| may_be_silent(version, &headers);
            assert_eq!((is_grpc(&headers), may_be_silent(Version::HTTP_2)), (grpc, silent), "{kind}");
            assert!(!may_be_silent(Version::HTTP_11), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}

//! Rate limits that a request is asked for before the window: by the same front desk, ring and table as
//! any client's call.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crds::cluster::HeaderStyle;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message as _;
use proto::gubernator::{GetRateLimitsReq, GetRateLimitsResp, RateLimitReq, RateLimitResp, Status};

use super::policy::{KeyPart, LimitCheck};
use crate::clock;
use crate::limiter::{self, Decided, Service};
use crate::node::Node;

/// How long another node may take to decide; a proxy's caller waits, and nobody else told a bound.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a limit says to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReply {
    /// The limit's name.
    pub name: Arc<str>,
    /// Hits per window.
    pub limit: i64,
    /// Hits that are left of it.
    pub remaining: i64,
    /// Seconds until the window is over.
    pub reset_seconds: i64,
    /// When the same request would pass, if nothing else came.
    pub retry_after_millis: u64,
    /// In which headers it is said.
    pub style: HeaderStyle,
}

impl fmt::Display for LimitReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rate limit {} of {} is used up", self.name, self.limit)
    }
}

impl LimitReply {
    fn of(name: &Arc<str>, reply: &RateLimitResp, style: HeaderStyle) -> Self {
        let left = reply.reset_time.saturating_sub(clock::now().get()).max(0);
        let told = reply.metadata.get("retry_after_ms").and_then(|millis| millis.parse().ok());
        Self {
            name: Arc::clone(name),
            limit: reply.limit,
            remaining: reply.remaining.max(0),
            reset_seconds: left.saturating_add(999) / 1_000,
            retry_after_millis: told.unwrap_or_else(|| u64::try_from(left).unwrap_or(0)),
            style,
        }
    }

    /// Writes the headers of its style.
    pub fn write(&self, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        match self.style {
            HeaderStyle::None => {}
            HeaderStyle::Draft => {
                let name = quoted(&self.name);
                put("ratelimit-policy", format!("{name};q={}", self.limit));
                put("ratelimit", format!("{name};r={};t={}", self.remaining, self.reset_seconds));
            }
            HeaderStyle::Draft03 => {
                put("ratelimit-limit", self.limit.to_string());
                put("ratelimit-remaining", self.remaining.to_string());
                put("ratelimit-reset", self.reset_seconds.to_string());
            }
        }
    }
}

/// A string of the structured fields for HTTP: what it may not hold is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// What the limits say of a request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The one that refuses it.
    pub refusal: Option<Box<LimitReply>>,
    /// The one of which the least is left, where none refuses.
    pub nearest: Option<Box<LimitReply>>,
    /// How many are not declared, and were not asked.
    pub undeclared: u64,
    /// How many could not be asked.
    pub failed: u64,
}

/// Asks the limits of a policy. One that nobody declares is not asked, and one that cannot be asked lets
/// the request pass: a proxy that refuses all traffic since a name is misspelt, or a pod is away, does
/// more harm than it prevents. Both are counted.
pub async fn ask(node: &Arc<Node>, checks: &[LimitCheck], headers: &HeaderMap, client: IpAddr) -> Asked {
    let mut asked = Asked::default();
    let (mut names, mut requests) = (Vec::with_capacity(checks.len()), Vec::with_capacity(checks.len()));
    let style = {
        let limits = node.limits();
        for check in checks {
            if limits.declares(&check.name) {
                names.push(&check.name);
                requests.push(request(check, headers, client));
            } else {
                asked.undeclared += 1;
            }
        }
        limits.headers()
    };
    if requests.is_empty() {
        return asked;
    }
    let message = GetRateLimitsReq { requests }.encode_to_vec();
    let answer = match limiter::decide(node, Service::Clients, &message, Some(PATIENCE), 0) {
        Decided::Now(answer) => answer,
        Decided::Later(answer) => answer.await,
    };
    let replies = answer.ok().and_then(|answer| GetRateLimitsResp::decode(answer.as_slice()).ok());
    let replies = replies.map(|answer| answer.responses).unwrap_or_default();
    asked.failed += names.len().saturating_sub(replies.len()) as u64;
    for (name, reply) in names.into_iter().zip(&replies) {
        if !reply.error.is_empty() {
            asked.failed += 1;
            continue;
        }
        if reply.limit == i64::MAX {
            // Unlimited: there is nothing to tell.
            continue;
        }
        let told = Box::new(LimitReply::of(name, reply, style));
        let slot = match reply.status() {
            Status::OverLimit => &mut asked.refusal,
            Status::UnderLimit => &mut asked.nearest,
        };
        let waits = |told: &LimitReply| (told.retry_after_millis, -told.remaining);
        if slot.as_ref().is_none_or(|known| waits(&told) > waits(known)) {
            *slot = Some(told);
        }
    }
    asked
}

fn request(check: &LimitCheck, headers: &HeaderMap, client: IpAddr) -> RateLimitReq {
    let parts = check.key.iter().map(|part| match part {
        KeyPart::Header(name) => {
            let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        }
        KeyPart::ClientAddress => client.to_string(),
    });
    let mut unique_key = parts.collect::<Vec<_>>().join(":");
    if unique_key.is_empty() {
        // All who do not say who they are share a bucket; no key at all would be an error.
        unique_key.push('-');
    }
    RateLimitReq { name: check.name.to_string(), unique_key, hits: 1, ..RateLimitReq::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(style: HeaderStyle) -> Vec<String> {
        let reply = LimitReply {
            name: "a \"b\"\u{e4}".into(),
            limit: 5,
            remaining: 0,
            reset_seconds: 58,
            retry_after_millis: 57_001,
            style,
        };
        let mut headers = HeaderMap::new();
        reply.write(&mut headers);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_limit_is_told_in_its_clusters_style() {
        assert_eq!(
            reply(HeaderStyle::Draft),
            [r#"ratelimit-policy: "a \"b\"";q=5"#, r#"ratelimit: "a \"b\"";r=0;t=58"#]
        );
        assert_eq!(
            reply(HeaderStyle::Draft03),
            ["ratelimit-limit: 5", "ratelimit-remaining: 0", "ratelimit-reset: 58"]
        );
        assert_eq!(reply(HeaderStyle::None), [""; 0]);
    }

    #[test]
    fn a_key_is_made_of_its_parts() {
        let check = LimitCheck {
            name: "checkout".into(),
            key: vec![KeyPart::Header(HeaderName::from_static("x-account")), KeyPart::ClientAddress],
        };
        let headers = HeaderMap::from_iter([("x-account".parse().unwrap(), "7".parse().unwrap())]);
        let key =
            |check: &LimitCheck, headers| request(check, headers, "10.0.0.1".parse().unwrap()).unique_key;
        assert_eq!(key(&check, &headers), "7:10.0.0.1");
        let check = LimitCheck { key: check.key[..1].to_vec(), ..check };
        assert_eq!(key(&check, &HeaderMap::new()), "-");
    }
}

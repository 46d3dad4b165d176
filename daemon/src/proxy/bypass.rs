//! Cheap PromQL queries pass by the window: those that look at recent samples alone.
//!
//! What cannot be read as a query is simply not cheap; what is wrong with it is for the upstream to say.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engine::promql::Query;
use http::header::CONTENT_TYPE;
use http::{Method, request};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::body::{BodyError, RequestBody};
use super::policy::Policy;
use crate::clock;

/// How much of a form is read: a longer query is not read, and not cheap.
const MAX_FORM: usize = 256 << 10;

/// Whether a request is cheap, and its body with whatever was read of it in front.
///
/// # Errors
/// Where the client broke off or stopped in the middle of its form.
pub async fn look(
    policy: &Policy,
    parts: &request::Parts,
    incoming: Incoming,
) -> Result<(bool, RequestBody), BodyError> {
    let whole = |incoming| RequestBody::new(incoming, policy.max_body);
    let Some(horizon) = policy.promql_horizon else { return Ok((false, whole(incoming))) };
    if !matches!(parts.uri.path(), "/api/v1/query" | "/api/v1/query_range") {
        return Ok((false, whole(incoming)));
    }
    if !is_form(parts) || incoming.is_end_stream() {
        return Ok((is_cheap(parts, b"", horizon), whole(incoming)));
    }
    let (form, rest) = read(incoming, policy.timeouts.stall).await?;
    let cheap = rest.is_none() && is_cheap(parts, &form, horizon);
    Ok((cheap, RequestBody::replayed(form, rest, policy.max_body)))
}

/// Whether a request is cheap by what its address says alone; one that may say otherwise in a form is not.
#[must_use]
pub fn is_cheap_unread(policy: &Policy, parts: &request::Parts) -> bool {
    policy.promql_horizon.is_some_and(|horizon| !is_form(parts) && is_cheap(parts, b"", horizon))
}

fn is_form(parts: &request::Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    matches!(parts.method, Method::POST | Method::PUT | Method::PATCH)
        && kind.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded")
}

/// The form, and the rest of the body where that is longer than a form may be; each piece of it may take as
/// long as a client may be still.
async fn read(
    mut incoming: Incoming,
    stall: Option<Duration>,
) -> Result<(Bytes, Option<Incoming>), BodyError> {
    let mut form = BytesMut::new();
    while form.len() <= MAX_FORM {
        let frame = incoming.frame();
        let frame = match stall {
            Some(stall) => tokio::time::timeout(stall, frame).await.map_err(|_| BodyError::Stalled)?,
            None => frame.await,
        };
        match frame {
            None => return Ok((form.freeze(), None)),
            Some(Err(error)) => return Err(BodyError::Broken(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    form.extend_from_slice(&data);
                }
            }
        }
    }
    Ok((form.freeze(), Some(incoming)))
}

fn is_cheap(parts: &request::Parts, form: &[u8], horizon: i64) -> bool {
    let now = clock::now();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let parameter = |name: &str| parameter(form, name).or_else(|| parameter(query, name));
    let read = Query::read(parts.uri.path(), parameter, now);
    read.is_ok_and(|query| query.is_cheap(now, horizon).unwrap_or(false))
}

/// The first value of a parameter, decoded.
fn parameter(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| Cow::into_owned(value))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const HORIZON: i64 = 7_200_000;

    fn cheap(uri: &str, form: &str) -> bool {
        is_cheap(&Request::post(uri).body(()).unwrap().into_parts().0, form.as_bytes(), HORIZON)
    }

    #[test]
    fn a_recent_query_is_cheap_wherever_it_stands() {
        assert!(cheap("/api/v1/query?query=up", ""));
        assert!(cheap("/api/v1/query", "query=rate%28up%5B5m%5D%29"));
        assert!(cheap("/api/v1/query?query=up+offset+3h", "query=up"), "the body counts before the address");
        assert!(!cheap("/api/v1/query?query=up+offset+3h", ""));
        assert!(!cheap("/api/v1/query?query=1%2B1", ""), "a query without a selector is not cheap");
        assert!(!cheap("/api/v1/query?query=%28", ""));
        assert!(!cheap("/api/v1/query_range?query=up&start=1&end=2&step=15", ""));
        assert!(!cheap("/api/v1/labels", ""));
    }
}

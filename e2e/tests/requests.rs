//! Requests, written short.

use proto::gubernator::{Algorithm, Behavior, RateLimitReq, RateLimitResp, Status};

/// A token bucket request: one key, no behavior.
pub(crate) fn token(key: &str, hits: i64, limit: i64, duration: i64) -> RateLimitReq {
    RateLimitReq {
        name: "e2e".to_owned(),
        unique_key: key.to_owned(),
        hits,
        limit,
        duration,
        ..RateLimitReq::default()
    }
}

/// A leaky bucket request: one key, no behavior.
pub(crate) fn leaky(key: &str, hits: i64, limit: i64, duration: i64) -> RateLimitReq {
    RateLimitReq { algorithm: Algorithm::LeakyBucket.into(), ..token(key, hits, limit, duration) }
}

/// A request that says nothing but what a declared limit leaves to it.
pub(crate) fn bare(name: &str, key: &str, hits: i64) -> RateLimitReq {
    RateLimitReq { name: name.to_owned(), unique_key: key.to_owned(), hits, ..RateLimitReq::default() }
}

/// The same request at an instant of its own, in milliseconds of the epoch.
pub(crate) fn at(created_at: i64, request: RateLimitReq) -> RateLimitReq {
    RateLimitReq { created_at: Some(created_at), ..request }
}

/// The same request with one more behavior.
pub(crate) fn with(behavior: Behavior, mut request: RateLimitReq) -> RateLimitReq {
    request.behavior |= i32::from(behavior);
    request
}

/// What a reply decides: refused or not, and what is left.
///
/// # Panics
/// When the reply is an error, which decides nothing.
pub(crate) fn decision(reply: &RateLimitResp) -> (Status, i64) {
    assert_eq!(reply.error, "", "an item in error");
    (reply.status(), reply.remaining)
}

pub(crate) use Status::{OverLimit as Over, UnderLimit as Under};

//! The HTTP door: Gubernator's JSON routes, metrics, and the two questions that Kubernetes asks.
//!
//! What grpc-gateway does is done here too where a client can see it: paths match to the letter, a
//! wrong method is 501, an error is a JSON body with the gRPC code, `Grpc-Timeout` is a deadline.

mod reply;

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prost::Message;
use proto::gubernator::{GetRateLimitsResp, HealthCheckResp, LiveCheckResp};
use tonic::Status;

use self::reply::{Failure, json};
use super::deadline::{Deadline, http_timeout};
use super::json;

/// Longest encoded GetRateLimitsReq, in bytes: what the gRPC door takes too.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Longest JSON body, in bytes. JSON is the longer notation of the two, and a request that is short
/// enough for gRPC is not to be refused for its spelling.
const LONGEST_BODY: usize = 4 * LONGEST_MESSAGE;

/// What the gateway asks of the daemon behind it.
pub trait Front: Clone + Send + Sync + 'static {
    /// `request` is an encoded GetRateLimitsReq; the answer an encoded GetRateLimitsResp. `timeout`
    /// is what is left of the caller's deadline; the gateway itself gives up when it has passed.
    fn get_rate_limits(
        &self,
        request: Bytes,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Result<Bytes, Status>> + Send;

    /// How this instance and its peers are; UNAVAILABLE while it should not be asked at all.
    fn health_check(&self) -> Result<HealthCheckResp, Status>;

    /// UNAVAILABLE once the instance is shutting down.
    fn live_check(&self) -> Result<(), Status>;

    /// For `/readyz`: whether this instance wants requests; an error says why not.
    fn ready(&self) -> Result<(), String>;

    /// For `/metrics`: all metrics in Prometheus's text format 0.0.4.
    fn metrics(&self) -> String;
}

/// The routes of the HTTP port, answered by `front`.
pub fn router<F: Front>(front: F) -> Router {
    Router::new()
        .route("/v1/GetRateLimits", any(get_rate_limits::<F>))
        .route("/v1/HealthCheck", any(health_check::<F>))
        .route("/v1/LiveCheck", any(live_check::<F>))
        // The original's answers every method; a HEAD is what probes send.
        .route("/metrics", any(metrics::<F>))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz::<F>))
        .fallback(unknown_path)
        .with_state(front)
}

async fn get_rate_limits<F: Front>(State(front): State<F>, request: Request) -> Result<Response, Failure> {
    allow(&Method::POST, request.method(), request.headers())?;
    let deadline = Deadline::new(http_timeout(request.headers())?);
    let body = deadline.bound(read(request.into_body())).await?;
    let message = json::parse_request(&body).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if message.len() > LONGEST_MESSAGE {
        return Err(too_long(message.len()).into());
    }
    // Asked before any hit is taken; a caller who has given up is not charged.
    let left = deadline.left()?;
    let answer = deadline.bound(front.get_rate_limits(message, left)).await?;
    let answer = GetRateLimitsResp::decode(answer)
        .map_err(|error| Status::internal(format!("cannot decode the answer: {error}")))?;
    Ok(json(json::render_rate_limits(&answer)))
}

async fn health_check<F: Front>(
    State(front): State<F>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    allow(&Method::GET, &method, &headers)?;
    Deadline::new(http_timeout(&headers)?).left()?;
    Ok(json(json::render_health(&front.health_check()?)))
}

async fn live_check<F: Front>(
    State(front): State<F>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    allow(&Method::GET, &method, &headers)?;
    Deadline::new(http_timeout(&headers)?).left()?;
    front.live_check()?;
    Ok(json(json::render_live(LiveCheckResp {})))
}

async fn metrics<F: Front>(State(front): State<F>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], front.metrics())
}

/// That it is answered is all: a drain or a lost peer is no reason to restart a process.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz<F: Front>(State(front): State<F>) -> (StatusCode, String) {
    match front.ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn unknown_path() -> Failure {
    Status::not_found("Not Found").into()
}

/// Whether a route of `expected` may be asked with `method`. A form posted to a GET route passes, as
/// grpc-gateway lets callers whose query is too long for a URL do that.
fn allow(expected: &Method, method: &Method, headers: &HeaderMap) -> Result<(), Status> {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";

    let is_form = || headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes() == FORM);
    if method == expected || (expected == Method::GET && method == Method::POST && is_form()) {
        Ok(())
    } else {
        Err(Status::unimplemented("Method Not Allowed"))
    }
}

async fn read(body: Body) -> Result<Bytes, Status> {
    // A length told beforehand is refused before anything has been read.
    let told = usize::try_from(http_body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    if told > LONGEST_BODY {
        return Err(too_long(told));
    }
    match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long(LONGEST_BODY + 1)),
        Err(error) => Err(Status::invalid_argument(format!("cannot read the request body: {error}"))),
    }
}

fn too_long(length: usize) -> Status {
    Status::resource_exhausted(format!(
        "grpc: received message larger than max ({length} vs. {LONGEST_MESSAGE})"
    ))
}

#[cfg(test)]
mod tests;

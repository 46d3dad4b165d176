//! Replies as grpc-gateway dresses them.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use tonic::{Code, Status};

use super::super::json::render_error;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The answer of a call that went well.
pub(super) fn json(body: Bytes) -> Response {
    // What the gateway heard from the gRPC server behind it; clients of the original may look at it.
    const BEHIND: HeaderName = HeaderName::from_static("grpc-metadata-content-type");

    ([(CONTENT_TYPE, JSON), (BEHIND, HeaderValue::from_static("application/grpc"))], body).into_response()
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Failure(Status);

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.0.code();
        (http_status(code), [(CONTENT_TYPE, JSON)], render_error(code.into(), self.0.message()))
            .into_response()
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // Has no constant: the client closed the request.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::REQUEST_TIMEOUT),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

//! What each path answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::State;
use crate::bodies::{Body, empty, full, pieces, with_trailers, zeros};

pub(super) async fn answer(mut request: Request<Incoming>, state: &Arc<State>) -> Response<Body> {
    if request.method() == Method::CONNECT {
        tunnel(hyper::upgrade::on(&mut request));
        return Response::new(empty());
    }
    let path = request.uri().path().to_owned();
    let number = || path.rsplit('/').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    match path.as_str() {
        "/echo" => echo(request, state),
        "/count" => count(request, state).await,
        "/hold" => {
            state.released().await;
            Response::new(full("held"))
        }
        "/early" => early(state),
        "/break" => broken(Some(1000)),
        "/break-chunked" => broken(None),
        "/trailers" => {
            let trailers = HeaderMap::from_iter([header("x-sum", "42")]);
            with("trailer", "x-sum", with_trailers("body", trailers))
        }
        "/upgrade" => {
            tunnel(hyper::upgrade::on(&mut request));
            let mut answer = Response::new(empty());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().extend([header("connection", "upgrade"), header("upgrade", "websocket")]);
            answer
        }
        "/grpc.Echo/Call" => grpc(request),
        "/grpc.Fail/Call" => {
            let mut answer = with("content-type", "application/grpc", empty());
            answer.headers_mut().extend([header("grpc-status", "14"), header("grpc-message", "down")]);
            answer
        }
        path if path.starts_with("/brief/") => {
            tokio::time::sleep(Duration::from_millis(number())).await;
            Response::new(full("hello"))
        }
        path if path.starts_with("/zeros/") => Response::new(zeros(number())),
        path if path.starts_with("/status/") => {
            let status = u16::try_from(number()).ok().and_then(|status| StatusCode::from_u16(status).ok());
            let mut answer = Response::new(empty());
            *answer.status_mut() = status.unwrap_or(StatusCode::BAD_REQUEST);
            answer
        }
        _ => Response::new(full("hello")),
    }
}

fn header(name: &'static str, value: &'static str) -> (http::HeaderName, HeaderValue) {
    (http::HeaderName::from_static(name), HeaderValue::from_static(value))
}

fn with(name: &'static str, value: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().extend([header(name, value)]);
    answer
}

fn echo(request: Request<Incoming>, state: &Arc<State>) -> Response<Body> {
    let trailer = request.headers().get("trailer").cloned();
    let state = Arc::clone(state);
    let body = request.into_body().map_err(move |error| {
        state.broken.fetch_add(1, Ordering::SeqCst);
        error.into()
    });
    let mut answer = Response::new(body.boxed());
    if let Some(trailer) = trailer {
        answer.headers_mut().insert("trailer", trailer);
    }
    answer
}

async fn count(request: Request<Incoming>, state: &Arc<State>) -> Response<Body> {
    let (mut length, mut trailers, mut body) = (0, HeaderMap::new(), request.into_body());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            state.broken.fetch_add(1, Ordering::SeqCst);
            break;
        };
        match frame.into_data() {
            Ok(data) => length += data.len(),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
    }
    let mut answer = Response::new(full(length.to_string()));
    answer.headers_mut().extend(trailers);
    answer
}

fn early(state: &Arc<State>) -> Response<Body> {
    let (sender, body) = pieces();
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let first = sender.send(Ok(Frame::data(Bytes::from_static(b"first")))).await;
        state.released().await;
        if first.is_ok() {
            let _gone = sender.send(Ok(Frame::data(Bytes::from_static(b"last")))).await;
        }
    });
    Response::new(body)
}

fn broken(length: Option<u64>) -> Response<Body> {
    let (sender, body) = pieces();
    tokio::spawn(async move {
        let _gone = sender.send(Ok(Frame::data(Bytes::from_static(b"0123456789")))).await;
        // The first piece goes out before: hyper sends what it has when it must wait.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _gone = sender.send(Err("on purpose".into())).await;
    });
    let mut answer = Response::new(body);
    if let Some(length) = length {
        answer.headers_mut().insert("content-length", length.into());
    }
    answer
}

fn grpc(request: Request<Incoming>) -> Response<Body> {
    if request.version() != Version::HTTP_2 {
        let mut answer = Response::new(empty());
        *answer.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        return answer;
    }
    let (sender, body) = pieces();
    tokio::spawn(async move {
        let mut messages = request.into_body();
        while let Some(Ok(frame)) = messages.frame().await {
            if frame.is_data() && sender.send(Ok(frame)).await.is_err() {
                return;
            }
        }
        let trailers =
            [header("grpc-status", "0"), header("grpc-message", "all %C3%A4"), header("x-last", "1")];
        let _gone = sender.send(Ok(Frame::trailers(HeaderMap::from_iter(trailers)))).await;
    });
    with("content-type", "application/grpc", body)
}

/// Sends back what comes, once the connection has gone over to another protocol.
fn tunnel(upgrade: OnUpgrade) {
    tokio::spawn(async move {
        let Ok(io) = upgrade.await else { return };
        let (mut read, mut write) = tokio::io::split(TokioIo::new(io));
        let _broken_off = tokio::io::copy(&mut read, &mut write).await;
        let _gone = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
    });
}

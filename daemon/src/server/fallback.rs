//! Calls that are not ours by heart (health, reflection, unknown methods) go to tonic.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tower_service::Service;

use super::grpc::Door;

/// How long a stream may go on once the node leaves.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Answers one call through tonic's router.
pub(crate) async fn call(
    door: Arc<Door>,
    head: http::request::Parts,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    drain: CancellationToken,
) {
    // A watch, or a caller who takes nothing, would hold up the shutdown for as long as it likes.
    let mut drained = std::pin::pin!(drained(&drain));
    let request = http::Request::from_parts(head, tonic::body::Body::new(Incoming(body)));
    let mut routes = door.routes();
    let response = tokio::select! {
        // The router is always ready, and cannot fail: what is unknown is answered UNIMPLEMENTED.
        response = routes.call(request) => response.unwrap_or_else(|never| match never {}),
        _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return,
        () = drained.as_mut() => return respond.send_reset(Reason::CANCEL),
    };
    let (head, mut body) = response.into_parts();
    let ended = http_body::Body::is_end_stream(&body);
    let Ok(mut stream) = respond.send_response(http::Response::from_parts(head, ()), ended) else { return };
    if ended {
        return;
    }
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = drained.as_mut() => return drop(stream.send_trailers(leaving())),
            _ = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return,
        };
        let sent = match frame {
            None => return drop(stream.send_data(Bytes::new(), true)),
            Some(Err(_)) => return stream.send_reset(Reason::INTERNAL_ERROR),
            Some(Ok(frame)) => {
                let sent = tokio::select! {
                    sent = send_frame(&mut stream, frame) => Some(sent),
                    () = drained.as_mut() => None,
                };
                match sent {
                    Some(sent) => sent,
                    None => return stream.send_reset(Reason::CANCEL),
                }
            }
        };
        if sent != Some(true) {
            return;
        }
    }
}

/// Waits until the node leaves, and a moment more for what it still has to say.
async fn drained(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

fn leaving() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // The message is plain text, which every header can carry.
    Status::unavailable("server is shutting down").add_header(&mut trailers).ok();
    trailers
}

/// Sends one frame as the caller's window allows. `Some(true)` where more may follow.
async fn send_frame(stream: &mut SendStream<Bytes>, frame: Frame<Bytes>) -> Option<bool> {
    let mut bytes = match frame.into_data() {
        Ok(bytes) => bytes,
        Err(frame) => {
            stream.send_trailers(frame.into_trailers().ok()?).ok()?;
            return Some(false);
        }
    };
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        stream.send_data(bytes.split_to(room.min(bytes.len())), false).ok()?;
    }
    Some(true)
}

/// A request's body for tonic.
struct Incoming(RecvStream);

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(piece) = ready!(self.0.poll_data(cx)) {
            return Poll::Ready(Some(piece.and_then(|bytes| {
                self.0.flow_control().release_capacity(bytes.len())?;
                Ok(Frame::data(bytes))
            })));
        }
        let trailers = ready!(self.0.poll_trailers(cx));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

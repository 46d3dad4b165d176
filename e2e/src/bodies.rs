//! Bodies of messages, for clients and upstreams that tests write themselves.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Why a body ends early.
pub type Fault = Box<dyn Error + Send + Sync>;
/// Any body.
pub type Body = BoxBody<Bytes, Fault>;
/// Where the pieces of a body are put; it ends when this is dropped.
pub type Pieces = mpsc::Sender<Result<Frame<Bytes>, Fault>>;

/// Nothing.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// These bytes, with their length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body of unknown length, piece by piece: few wait to be sent.
pub fn pieces() -> (Pieces, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver)).boxed())
}

/// These bytes in one piece, of unknown length, and these trailers.
pub fn with_trailers(bytes: impl Into<Bytes>, trailers: HeaderMap) -> Body {
    let frames: [Result<_, Fault>; 2] = [Ok(Frame::data(bytes.into())), Ok(Frame::trailers(trailers))];
    StreamBody::new(stream::iter(frames)).boxed()
}

/// So many zeros, in pieces of 64 KiB, of unknown length.
pub fn zeros(count: u64) -> Body {
    Zeros(count).map_err(|never: Infallible| match never {}).boxed()
}

/// How many are left.
struct Zeros(u64);

impl hyper::body::Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static PIECE: [u8; 64 << 10] = [0; 64 << 10];
        let length = self.0.min(PIECE.len() as u64);
        self.0 -= length;
        let piece = Bytes::from_static(&PIECE[..length as usize]);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
    }
}

/// Reads a body to its end, and says whether that was a clean one.
///
/// # Errors
/// What had come when it broke off.
pub async fn read<B>(mut body: B) -> Result<(Bytes, Option<HeaderMap>), Bytes>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let (mut whole, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(whole.into()) };
        match frame.into_data() {
            Ok(data) => whole.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok((whole.into(), trailers))
}

/// Reads a body to its end and keeps nothing of it: how many bytes it had.
///
/// # Errors
/// How many had come when it broke off.
pub async fn count<B>(mut body: B) -> Result<u64, u64>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        match frame.map(|frame| frame.data_ref().map_or(0, Bytes::len)) {
            Ok(more) => length += more as u64,
            Err(_) => return Err(length),
        }
    }
    Ok(length)
}

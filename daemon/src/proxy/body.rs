//! Bodies on their way through: nothing of them is gathered, and the request's place in the window rides
//! with the answer's.

mod course;
mod guarded;
mod request;

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

pub use self::course::Course;
pub use self::guarded::Guarded;
pub use self::request::RequestBody;
use super::upstream::Lease;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The other side of it did.
    #[error("the message broke off: {0}")]
    Broken(#[source] hyper::Error),
    /// It is longer than the policy allows.
    #[error("the body is longer than {0} bytes")]
    TooLarge(u64),
    /// It took longer than the policy allows, or its client took nothing of it for long.
    #[error("the request took longer than is allowed, or its client stopped reading")]
    GivenUp,
    /// Its client stopped sending it.
    #[error("the client stopped sending its body")]
    Stalled,
}

/// What a client is sent.
#[derive(Debug)]
pub enum Body {
    /// Something that is at hand.
    Ready(Option<Bytes>),
    /// What the upstream sends.
    Upstream(Guarded<Leased>),
}

impl Body {
    /// Nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Ready(None)
    }

    /// These bytes.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self::Ready(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Ready(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ready(bytes) => bytes.is_none(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ready(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}

/// An upstream's body, and the connection on which it comes.
#[derive(Debug)]
pub struct Leased {
    incoming: Incoming,
    /// How much of it is given at once, and what is left of what came at once.
    piece: usize,
    rest: Bytes,
    /// Given back when the body is over.
    _lease: Lease,
}

impl Leased {
    /// Ties the two together, for pieces of at most so many bytes.
    #[must_use]
    pub const fn new(incoming: Incoming, piece: NonZeroUsize, lease: Lease) -> Self {
        Self { incoming, piece: piece.get(), rest: Bytes::new(), _lease: lease }
    }
}

impl HttpBody for Leased {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let polled = Pin::new(&mut this.incoming).poll_frame(cx).map_err(BodyError::Broken);
            let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
            match frame.into_data() {
                Ok(data) if data.len() > this.piece => this.rest = data,
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        let next = this.rest.len().min(this.piece);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(next)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        behind(self.rest.len() as u64, self.incoming.size_hint())
    }
}

/// How long it is where so many bytes stand before the rest.
fn behind(first: u64, rest: SizeHint) -> SizeHint {
    let mut hint = SizeHint::new();
    if let Some(upper) = rest.upper() {
        hint.set_upper(upper.saturating_add(first));
    }
    hint.set_lower(rest.lower().saturating_add(first));
    hint
}

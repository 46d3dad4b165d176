//! Bodies on their way through: nothing of them is gathered, and the request's place in the window rides
//! with the answer's.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::flight::Flight;
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
    /// It took longer than the policy allows.
    #[error("the request took longer than is allowed")]
    Deadline,
}

/// What a client is sent.
#[derive(Debug)]
pub enum Body {
    /// Something that is at hand.
    Ready(Option<Bytes>),
    /// What the upstream sends.
    Upstream(Box<Guarded<Leased>>),
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
            Self::Upstream(body) => Pin::new(&mut **body).poll_frame(cx),
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
    /// Given back when the body is over.
    _lease: Lease,
}

impl Leased {
    /// Ties the two together.
    #[must_use]
    pub const fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, _lease: lease }
    }
}

impl HttpBody for Leased {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.incoming).poll_frame(cx).map_err(BodyError::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An answer's body with what must be settled when it ends: the window's place, the metrics, the time.
#[derive(Debug)]
pub struct Guarded<B: HttpBody> {
    body: B,
    /// None once it is settled.
    flight: Option<Flight>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B: HttpBody> Guarded<B> {
    /// Settles `flight` when `body` ends, fails or is dropped; breaks off at the deadline.
    pub fn new(body: B, flight: Flight, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        Self { body, flight: Some(flight), deadline }
    }

    fn settle(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.complete();
        }
    }
}

impl<B> HttpBody for Guarded<B>
where
    B: HttpBody + Unpin,
    B::Error: From<BodyError>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            if let Some(flight) = self.flight.take() {
                flight.fail();
            }
            return Poll::Ready(Some(Err(BodyError::Deadline.into())));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Some(trailers), Some(flight)) = (frame.trailers_ref(), &mut self.flight) {
                    flight.trailers(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                if let Some(flight) = self.flight.take() {
                    flight.fail();
                }
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.settle();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: HttpBody> Drop for Guarded<B> {
    fn drop(&mut self) {
        // Nobody asks a body that has ended for its end. One that is dropped before was given up by the
        // client, which says nothing of the upstream: the flight knows that by itself.
        if self.body.is_end_stream() {
            self.settle();
        }
    }
}

/// What the upstream is sent.
#[derive(Debug)]
pub struct RequestBody {
    /// What was read before, to be sent first.
    first: Option<Bytes>,
    incoming: Option<Incoming>,
    /// How many bytes may still come, and how many might at first.
    left: Option<(u64, u64)>,
}

impl RequestBody {
    /// A client's body, of which at most `max` bytes are taken.
    #[must_use]
    pub fn new(incoming: Incoming, max: Option<u64>) -> Self {
        Self { first: None, incoming: Some(incoming), left: max.map(|max| (max, max)) }
    }

    /// The same with its beginning, which was read already, in front.
    #[must_use]
    pub fn replayed(first: Bytes, rest: Option<Incoming>, max: Option<u64>) -> Self {
        Self { first: Some(first), incoming: rest, left: max.map(|max| (max, max)) }
    }

    fn count(&mut self, length: usize) -> Result<(), BodyError> {
        if let Some((left, max)) = &mut self.left {
            *left = left.checked_sub(length as u64).ok_or(BodyError::TooLarge(*max))?;
        }
        Ok(())
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(self.count(first.len()).map(|()| Frame::data(first))));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                Some(self.count(length).map(|()| frame))
            }
            Some(Err(error)) => Some(Err(BodyError::Broken(error))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, Bytes::len) as u64;
        let Some(incoming) = &self.incoming else { return SizeHint::with_exact(first) };
        let rest = incoming.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(rest.lower().saturating_add(first));
        hint
    }
}

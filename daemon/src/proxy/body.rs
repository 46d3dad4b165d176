//! Bodies on their way through: nothing of them is gathered, and the request's place in the window rides
//! with the answer's.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;

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
///
/// At its deadline body and place are given up whether anybody asks for more or not: a client that has
/// stopped reading is not asked for, and would hold its place for as long as it likes.
#[derive(Debug)]
pub struct Guarded<B: HttpBody> {
    held: Arc<Mutex<Option<Held<B>>>>,
    _deadline: Option<AbortOnDropHandle<()>>,
}

/// What is given up at the deadline.
#[derive(Debug)]
struct Held<B: HttpBody> {
    body: B,
    /// None once it is settled.
    flight: Option<Flight>,
    /// Who waits for the body; nobody where the client has not taken yet what there is.
    waiting: Option<Waker>,
}

impl<B: HttpBody + Send + 'static> Guarded<B> {
    /// Settles `flight` when `body` ends, fails or is dropped. At the deadline the body breaks off, and
    /// `overdue` is called.
    pub fn new(
        body: B,
        flight: Flight,
        deadline: Option<Pin<Box<Sleep>>>,
        overdue: impl FnOnce() + Send + 'static,
    ) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { body, flight: Some(flight), waiting: None })));
        let given_up = Arc::clone(&held);
        let deadline = deadline.map(|deadline| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                deadline.await;
                let held = given_up.lock().unwrap_or_else(PoisonError::into_inner).take();
                give_up(held);
                overdue();
            }))
        });
        Self { held, _deadline: deadline }
    }
}

/// Gives a body up. Whose fault it was is told by who was waited for.
fn give_up<B: HttpBody>(held: Option<Held<B>>) {
    let Some(mut held) = held else { return };
    let (flight, waiting) = (held.flight.take(), held.waiting.take());
    drop(held);
    if let Some(waiting) = waiting {
        if let Some(flight) = flight {
            flight.fail();
        }
        waiting.wake();
    }
    // Where the client did not read, that says nothing of the upstream, and the flight ends by itself.
}

impl<B: HttpBody> Guarded<B> {
    fn lock(&self) -> MutexGuard<'_, Option<Held<B>>> {
        // A body that panicked is polled no more; what it was is dropped whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: HttpBody> Held<B> {
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut slot = self.lock();
        let Some(held) = &mut *slot else { return Poll::Ready(Some(Err(BodyError::Deadline.into()))) };
        let Poll::Ready(frame) = Pin::new(&mut held.body).poll_frame(cx) else {
            if !held.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
                held.waiting = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        held.waiting = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let (Some(trailers), Some(flight)) = (frame.trailers_ref(), &mut held.flight) {
                    flight.trailers(trailers);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                if let Some(flight) = held.flight.take() {
                    flight.fail();
                }
                Some(Err(error))
            }
            None => {
                held.settle();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.lock().as_ref().is_some_and(|held| held.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().as_ref().map(|held| held.body.size_hint()).unwrap_or_default()
    }
}

impl<B: HttpBody> Drop for Held<B> {
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

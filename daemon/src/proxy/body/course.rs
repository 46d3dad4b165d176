//! What a request and its answer have in common with their connection, which looks after both: a client
//! that stops sending the one or reading the other would keep its place in the window for as long as it
//! likes.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http_body::{Body as HttpBody, Frame};

use super::BodyError;
use crate::proxy::flight::Flight;
use crate::proxy::pulse::Watch;

/// A look is half of the time that a client may be still. What was asked for between two looks was so for
/// that time at the third.
const ASKED_FOR_LONG: u8 = 3;
/// What was seen to lie at one look has lain for that time at the second after it.
const LAIN_FOR_LONG: u8 = 2;

/// What a body says when it is asked for more.
type Said<B> = Option<Result<Frame<<B as HttpBody>::Data>, <B as HttpBody>::Error>>;

/// One request's course.
pub struct Course<B: HttpBody>(Mutex<State<B>>);

struct State<B: HttpBody> {
    sending: Sending,
    held: Option<Held<B>>,
}

/// How the client's sending goes.
enum Sending {
    /// It is not waited for: it has sent what it was asked for, or all of it.
    Fine,
    /// It is, and was at so many looks.
    Asked { looks: u8, waiting: Waker },
    /// It was waited for too long.
    Stalled,
    /// The answer has begun, and it may send when it likes.
    Free,
}

/// An answer, and what is given up with it.
pub(super) struct Held<B: HttpBody> {
    body: B,
    /// None once it is settled.
    flight: Option<Flight>,
    /// Who waits for the body; nobody where the client has not taken yet what there is.
    waiting: Option<Waker>,
    ahead: Option<Ahead<B>>,
}

/// What was there for the client when it was looked at, and at how many looks it still lay there.
struct Ahead<B: HttpBody> {
    frame: Said<B>,
    looks: u8,
}

impl<B: HttpBody> fmt::Debug for Course<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Course").finish_non_exhaustive()
    }
}

impl<B: HttpBody> Default for Course<B> {
    fn default() -> Self {
        Self(Mutex::new(State { sending: Sending::Fine, held: None }))
    }
}

impl<B: HttpBody> Course<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        // A body that panicked is polled no more; what it was is dropped whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer has begun.
    pub(super) fn hold(&self, body: B, flight: Flight) {
        let mut state = self.lock();
        state.sending = Sending::Free;
        state.held = Some(Held { body, flight: Some(flight), waiting: None, ahead: None });
    }

    /// Lets go of the answer.
    pub(super) fn release(&self) {
        let held = self.lock().held.take();
        drop(held);
    }

    /// Gives the answer up. Whose fault it was is told by who was waited for.
    pub(super) fn give_up(&self) {
        let held = self.lock().held.take();
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

    /// Does something with the answer, where it is still there.
    pub(super) fn with<T>(&self, what: impl FnOnce(&mut Held<B>) -> T) -> Option<T> {
        self.lock().held.as_mut().map(what)
    }

    /// Whether the client was waited for too long.
    pub fn is_stalled(&self) -> bool {
        matches!(self.lock().sending, Sending::Stalled)
    }

    /// The client was asked for more of its body, and has sent some, or is waited `for`. False where that
    /// concerns nobody any more.
    ///
    /// # Errors
    /// Where it was waited for too long.
    pub(super) fn sends(&self, awaited: Option<&Waker>) -> Result<bool, BodyError> {
        let mut state = self.lock();
        match (&mut state.sending, awaited) {
            (Sending::Stalled, Some(_)) => return Err(BodyError::Stalled),
            (Sending::Free, _) => return Ok(false),
            (Sending::Asked { waiting, .. }, Some(waker)) => waiting.clone_from(waker),
            (Sending::Fine, Some(waker)) => {
                state.sending = Sending::Asked { looks: 0, waiting: waker.clone() };
            }
            (sending, None) => *sending = Sending::Fine,
        }
        Ok(true)
    }
}

impl<B> Watch for Course<B>
where
    B: HttpBody<Data: Send, Error: Send> + Unpin + Send,
{
    fn look(&self, moved: bool) -> bool {
        let mut state = self.lock();
        if let Sending::Asked { looks, .. } = &mut state.sending {
            *looks += 1;
            if *looks >= ASKED_FOR_LONG
                && let Sending::Asked { waiting, .. } =
                    std::mem::replace(&mut state.sending, Sending::Stalled)
            {
                drop(state);
                waiting.wake();
            }
            return false;
        }
        let lies = state.held.as_mut().is_some_and(|held| held.lies(moved));
        drop(state);
        if lies {
            tracing::debug!("a client stopped reading, and its answer is given up");
            self.give_up();
        }
        lies
    }
}

impl<B: HttpBody + Unpin> Held<B> {
    /// What comes next; where nothing has come yet, who asks is woken when it does.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Said<B>> {
        let frame = match self.ahead.take() {
            Some(ahead) => ahead.frame,
            None => match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    if !self.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
                        self.waiting = Some(cx.waker().clone());
                    }
                    return Poll::Pending;
                }
            },
        };
        self.waiting = None;
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(trailers), Some(flight)) = (frame.trailers_ref(), &mut self.flight) {
                    flight.trailers(trailers);
                }
            }
            Some(Err(_)) => {
                if let Some(flight) = self.flight.take() {
                    flight.fail();
                }
            }
            None => self.settle(),
        }
        Poll::Ready(frame)
    }

    /// Whether something has lain there for the client for long. An upstream that says nothing leaves
    /// nothing to lie.
    fn lies(&mut self, moved: bool) -> bool {
        if self.waiting.is_some() {
            return false;
        }
        let Some(ahead) = &mut self.ahead else {
            // Nobody waits for it, so nobody misses this poll's wake-up.
            if let Poll::Ready(frame) =
                Pin::new(&mut self.body).poll_frame(&mut Context::from_waker(Waker::noop()))
            {
                self.ahead = Some(Ahead { frame, looks: 0 });
            }
            return false;
        };
        ahead.looks = if moved { 0 } else { ahead.looks + 1 };
        ahead.looks >= LAIN_FOR_LONG
    }
}

impl<B: HttpBody> Held<B> {
    pub(super) fn is_end_stream(&self) -> bool {
        match &self.ahead {
            Some(ahead) => ahead.frame.is_none(),
            None => self.body.is_end_stream(),
        }
    }

    pub(super) fn body(&self) -> &B {
        &self.body
    }

    /// What of it was taken from the body already, in bytes.
    pub(super) fn ahead(&self) -> u64 {
        use bytes::Buf as _;
        let frame = self.ahead.as_ref().and_then(|ahead| ahead.frame.as_ref()?.as_ref().ok());
        frame.and_then(Frame::data_ref).map_or(0, |data| data.remaining() as u64)
    }

    fn settle(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.complete();
        }
    }
}

impl<B: HttpBody> Drop for Held<B> {
    fn drop(&mut self) {
        // Nobody asks a body that has ended for its end. One that is dropped before was given up by the
        // client, which says nothing of the upstream: the flight knows that by itself.
        if self.is_end_stream() {
            self.settle();
        }
    }
}

#[cfg(test)]
mod tests;

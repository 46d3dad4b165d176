//! What an admitted request holds until it ends.

use std::sync::Arc;

use super::Window;
use crate::Tick;

/// How an admitted request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend answered, and well.
    Success,
    /// The backend failed, shed the request or took too long: a sign of overload.
    Failure,
    /// It says nothing of the backend: the caller left, or we failed.
    Ignored,
}

/// The window is full for this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("congestion window closed, backoff from backpressure")]
pub struct Closed {
    /// Requests in flight when it was refused.
    pub in_flight: u32,
    /// How many may be in flight for a request of its class.
    pub allowed: u32,
}

/// A place in the window. It is given back once, when the permit is finished or dropped.
#[derive(Debug)]
#[must_use = "the place is given back when the permit is dropped"]
pub struct Permit {
    window: Arc<Window>,
    entered: Tick,
    in_flight: u32,
    end: End,
}

/// How a permit's request ended: how long it took in microseconds, where that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) micros: Option<u64>,
}

impl Permit {
    pub(super) const fn new(window: Arc<Window>, entered: Tick, in_flight: u32) -> Self {
        Self { window, entered, in_flight, end: End { outcome: Outcome::Ignored, micros: None } }
    }

    /// Gives the place back and tells how the request ended, at `now` by the clock that it entered
    /// by. A permit that is only dropped ends as [`Outcome::Ignored`].
    pub fn finish(mut self, outcome: Outcome, now: Tick) {
        let micros = now.as_micros().saturating_sub(self.entered.as_micros());
        self.end = End { outcome, micros: Some(micros) };
    }

    /// Requests in flight when this one had entered, itself among them.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }
}

impl Drop for Permit {
    // The only place that leaves the window, so that no path can do so twice or not at all.
    fn drop(&mut self) {
        self.window.leave(self.end, self.in_flight);
    }
}

//! Windows that follow latency: what the backend's answers tell of its queue.
//!
//! The three are those of the field's concurrency-limits library, formula for formula. They work in
//! floating point, as it does: a window is an estimate, and what admits or refuses is the whole number
//! that is cut off from it.

use super::{Algorithm, Bounds};

use self::{aimd::Aimd, gradient2::Gradient2, vegas::Vegas};
pub use self::{aimd::AimdSettings, gradient2::Gradient2Settings, vegas::VegasSettings};

mod aimd;
mod gradient2;
mod vegas;

/// Where a window by latency begins.
const INITIAL: u32 = 20;

/// One request that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// How long it took, in microseconds.
    pub(super) micros: u64,
    /// Requests in flight when it had entered, itself among them.
    pub(super) in_flight: u32,
    /// Whether it failed by overload.
    pub(super) dropped: bool,
}

impl Sample {
    /// How long it took, at least one microsecond, so that it can be divided by.
    fn latency(self) -> f64 {
        self.micros.max(1) as f64
    }
}

/// An algorithm and what it has learnt.
#[derive(Debug)]
pub(super) enum Estimator {
    Aimd(Aimd),
    Vegas(Vegas),
    Gradient2(Gradient2),
}

impl Estimator {
    /// One that has learnt nothing, with the window `initial` or its own; `None` for an algorithm that
    /// does not look at latency.
    pub(super) fn new(algorithm: Algorithm, bounds: Bounds, initial: Option<u32>, seed: u64) -> Option<Self> {
        let initial = bounds.clamp(initial.unwrap_or(INITIAL));
        match algorithm {
            Algorithm::SignalCap | Algorithm::SignalAimd | Algorithm::Fixed => None,
            Algorithm::Aimd(settings) => Some(Self::Aimd(Aimd::new(settings, initial))),
            Algorithm::Vegas(settings) => Some(Self::Vegas(Vegas::new(settings, initial, seed))),
            Algorithm::Gradient2(settings) => Some(Self::Gradient2(Gradient2::new(settings, initial))),
        }
    }

    /// Learns of a request that ended.
    pub(super) fn observe(&mut self, sample: Sample, bounds: Bounds) {
        match self {
            Self::Aimd(aimd) => aimd.observe(sample, bounds),
            Self::Vegas(vegas) => vegas.observe(sample, bounds),
            Self::Gradient2(gradient2) => gradient2.observe(sample, bounds),
        }
    }

    /// Moves into other bounds.
    pub(super) fn confine(&mut self, bounds: Bounds) {
        match self {
            Self::Aimd(aimd) => aimd.window = bounds.clamp(aimd.window),
            Self::Vegas(Vegas { window, .. }) | Self::Gradient2(Gradient2 { window, .. }) => {
                *window = confined(*window, bounds.min(), bounds);
            }
        }
    }

    /// The window that it would have.
    pub(super) fn window(&self) -> u32 {
        match self {
            Self::Aimd(aimd) => aimd.window,
            // A cast cuts off, and saturates.
            Self::Vegas(vegas) => vegas.window as u32,
            Self::Gradient2(gradient2) => gradient2.window as u32,
        }
    }
}

/// The nearest from `floor` to the widest of `bounds`.
fn confined(window: f64, floor: u32, bounds: Bounds) -> f64 {
    // `max` first: it makes the floor of what is not a number.
    window.max(f64::from(floor)).min(f64::from(bounds.max()))
}

/// A setting within what it may be; what is not a number becomes the least.
fn setting(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}

#[cfg(test)]
mod tests;

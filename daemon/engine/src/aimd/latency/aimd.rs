//! Additive increase, multiplicative decrease, on failed and on slow requests.

use super::{Sample, setting};
use crate::aimd::Bounds;

/// How [`Algorithm::Aimd`](crate::aimd::Algorithm::Aimd) moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AimdSettings {
    /// What the window is multiplied by after a failed or slow request: from 0.5 to just below 1.
    pub backoff: f64,
    /// A request that took longer is slow, in microseconds.
    pub timeout_micros: u64,
}

impl Default for AimdSettings {
    fn default() -> Self {
        Self { backoff: 0.9, timeout_micros: 5_000_000 }
    }
}

#[derive(Debug)]
pub(in crate::aimd) struct Aimd {
    settings: AimdSettings,
    pub(super) window: u32,
}

impl Aimd {
    pub(super) fn new(settings: AimdSettings, initial: u32) -> Self {
        let backoff = setting(settings.backoff, 0.5, 1.0_f64.next_down());
        Self { settings: AimdSettings { backoff, ..settings }, window: initial }
    }

    pub(super) fn observe(&mut self, sample: Sample, bounds: Bounds) {
        let moved = if sample.dropped || sample.micros > self.settings.timeout_micros {
            (f64::from(self.window) * self.settings.backoff) as u32
        } else if sample.in_flight.saturating_mul(2) >= self.window {
            self.window.saturating_add(1)
        } else {
            self.window
        };
        self.window = bounds.clamp(moved);
    }
}

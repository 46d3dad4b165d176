//! How latency now compares with latency over long: a window that shrinks while answers get slower,
//! and takes a slow change for the new normal.

use super::{Sample, confined, setting};
use crate::aimd::Bounds;

/// How [`Algorithm::Gradient2`](crate::aimd::Algorithm::Gradient2) moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient2Settings {
    /// How much of each step is taken, from just above 0 to 1.
    pub smoothing: f64,
    /// Requests that may wait, and so how fast the window grows.
    pub queue: u32,
    /// Samples that the long average spans, at least 1.
    pub long_window: u32,
    /// How many times the long average latency may be before the window shrinks, at least 1.
    pub tolerance: f64,
}

impl Default for Gradient2Settings {
    fn default() -> Self {
        Self { smoothing: 0.2, queue: 4, long_window: 600, tolerance: 1.5 }
    }
}

/// Samples whose plain mean an average begins with.
const WARM_UP: u32 = 10;

/// An average in which a sample's weight fades.
#[derive(Debug)]
pub(super) struct Average {
    pub(super) value: f64,
    sum: f64,
    samples: u32,
    factor: f64,
}

impl Average {
    pub(super) fn new(window: u32) -> Self {
        Self { value: 0.0, sum: 0.0, samples: 0, factor: 2.0 / (f64::from(window.max(1)) + 1.0) }
    }

    pub(super) fn add(&mut self, sample: f64) -> f64 {
        if self.samples < WARM_UP {
            self.samples += 1;
            self.sum += sample;
            self.value = self.sum / f64::from(self.samples);
        } else {
            self.value = self.value * (1.0 - self.factor) + sample * self.factor;
        }
        self.value
    }
}

#[derive(Debug)]
pub(in crate::aimd) struct Gradient2 {
    settings: Gradient2Settings,
    pub(super) window: f64,
    long: Average,
}

impl Gradient2 {
    pub(super) fn new(settings: Gradient2Settings, initial: u32) -> Self {
        let smoothing = setting(settings.smoothing, f64::EPSILON, 1.0);
        let tolerance = setting(settings.tolerance, 1.0, f64::MAX);
        Self {
            settings: Gradient2Settings { smoothing, tolerance, ..settings },
            window: f64::from(initial),
            long: Average::new(settings.long_window),
        }
    }

    #[cfg(test)]
    pub(super) const fn long_latency(&self) -> f64 {
        self.long.value
    }

    pub(super) fn observe(&mut self, sample: Sample, bounds: Bounds) {
        let short = sample.latency();
        let long = self.long.add(short);
        // After a slow spell the long average would take too long to come down by itself.
        if long / short > 2.0 {
            self.long.value *= 0.95;
        }
        if f64::from(sample.in_flight) < self.window / 2.0 {
            return;
        }
        let Gradient2Settings { smoothing, queue, tolerance, .. } = self.settings;
        let gradient = (tolerance * long / short).clamp(0.5, 1.0);
        let moved = self.window * gradient + f64::from(queue);
        self.window = confined(self.window * (1.0 - smoothing) + moved * smoothing, bounds.min(), bounds);
    }
}

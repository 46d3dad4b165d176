//! The queue that latency implies: what a request takes beyond the least that any took is time spent
//! waiting, and so tells how many wait.

use super::{Sample, confined, setting};
use crate::aimd::Bounds;

/// How [`Algorithm::Vegas`](crate::aimd::Algorithm::Vegas) moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VegasSettings {
    /// How much of each step is taken, from just above 0 to 1.
    pub smoothing: f64,
    /// The least latency is measured anew after about so many samples for each place in the window.
    pub probe_multiplier: u32,
}

impl Default for VegasSettings {
    fn default() -> Self {
        Self { smoothing: 1.0, probe_multiplier: 30 }
    }
}

#[derive(Debug)]
pub(in crate::aimd) struct Vegas {
    settings: VegasSettings,
    pub(super) window: f64,
    /// The least latency, in microseconds, once there is one.
    no_load: Option<f64>,
    samples: u64,
    /// From 0.5 to 1: windows on many pods should not measure anew at once.
    jitter: f64,
    random: u64,
    decrease: fn(f64) -> f64,
}

/// Order of magnitude, at least 1.
pub(super) fn magnitude(window: f64) -> f64 {
    f64::from((window as u32).checked_ilog10().unwrap_or(0).max(1))
}

impl Vegas {
    pub(super) fn new(settings: VegasSettings, initial: u32, seed: u64) -> Self {
        let smoothing = setting(settings.smoothing, f64::EPSILON, 1.0);
        let mut vegas = Self {
            settings: VegasSettings { smoothing, ..settings },
            window: f64::from(initial),
            no_load: None,
            samples: 0,
            jitter: 1.0,
            random: seed,
            decrease: |window| window - magnitude(window),
        };
        vegas.redraw();
        vegas
    }

    #[cfg(test)]
    pub(super) const fn least_latency(&self) -> Option<f64> {
        self.no_load
    }

    #[cfg(test)]
    pub(super) const fn with_decrease(mut self, decrease: fn(f64) -> f64) -> Self {
        self.decrease = decrease;
        self
    }

    pub(super) fn observe(&mut self, sample: Sample, bounds: Bounds) {
        let latency = sample.latency();
        self.samples = self.samples.saturating_add(1);
        if self.samples as f64 >= self.jitter * f64::from(self.settings.probe_multiplier) * self.window {
            self.redraw();
            self.samples = 0;
            self.no_load = Some(latency);
            return;
        }
        let no_load = match self.no_load {
            Some(no_load) if latency >= no_load => no_load,
            _ => {
                self.no_load = Some(latency);
                return;
            }
        };
        let Some(moved) = self.moved(sample, no_load / latency) else { return };
        let smoothing = self.settings.smoothing;
        let moved = confined(moved, bounds.min(), bounds);
        self.window = confined((1.0 - smoothing) * self.window + smoothing * moved, bounds.min(), bounds);
    }

    /// Where the window should go, if anywhere; `ratio` is the least latency by the sample's.
    fn moved(&self, sample: Sample, ratio: f64) -> Option<f64> {
        let step = magnitude(self.window);
        let (alpha, beta, threshold) = (3.0 * step, 6.0 * step, step);
        if sample.dropped {
            return Some((self.decrease)(self.window));
        }
        if 2.0 * f64::from(sample.in_flight) < self.window {
            return None;
        }
        let queue = (self.window * (1.0 - ratio)).ceil();
        if queue <= threshold {
            Some(self.window + beta)
        } else if queue < alpha {
            Some(self.window + step)
        } else if queue > beta {
            Some((self.decrease)(self.window))
        } else {
            None
        }
    }

    /// Draws the next jitter (SplitMix64; 53 bits make a float in [0, 1)).
    fn redraw(&mut self) {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let unit = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        self.jitter = 0.5 + unit / 2.0;
    }
}

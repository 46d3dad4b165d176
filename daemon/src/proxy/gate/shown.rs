//! What a gate shows of itself: to whoever asks for a report, and to the metrics.

use crds::decimal::Decimal;
use crds::report::{PolicyReport, SignalReport};

use super::Gate;
use crate::metrics::PolicyMetrics;

/// All windows of a policy together.
#[derive(Default)]
struct Sum {
    window: u32,
    min: u32,
    max: u32,
    in_flight: u32,
}

impl Sum {
    fn of(gate: &Gate) -> Self {
        gate.windows.iter().map(|window| window.stats()).fold(Self::default(), |sum, stats| Self {
            window: sum.window.saturating_add(stats.window),
            min: sum.min.saturating_add(stats.bounds.min()),
            max: sum.max.saturating_add(stats.bounds.max()),
            in_flight: sum.in_flight.saturating_add(stats.in_flight),
        })
    }
}

impl Gate {
    /// How the policy is, with what keeps it from being served and what its signals say.
    #[must_use]
    pub fn report(&self, problem: String, signals: Vec<SignalReport>) -> PolicyReport {
        let (sum, pressure) = (Sum::of(self), self.pressure());
        PolicyReport {
            source: self.policy.source.clone(),
            problem,
            outdated: String::new(),
            window: sum.window.into(),
            max: sum.max.into(),
            in_flight: sum.in_flight.into(),
            allowance: Decimal::from_f64(pressure.allowance),
            throttling: pressure.is_throttling(),
            signals,
        }
    }

    /// Brings the gauges of the windows up to date.
    pub fn measure(&self) {
        let Sum { window, min, max, .. } = Sum::of(self);
        let PolicyMetrics { window: shown, window_min, window_max, allowance, .. } = &self.metrics;
        shown.set(window.into());
        window_min.set(min.into());
        window_max.set(max.into());
        allowance.set(self.pressure().allowance);
    }
}

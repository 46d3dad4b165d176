//! One reconcile, measured from its beginning to its end, however it ends.

use prometheus::{Histogram, IntCounterVec, IntGauge};
use tokio::time::Instant;

use super::{Kind, families::Families};
use crate::clock;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything is as it shall be.
    Ok,
    /// The object itself is at fault; nothing is done until it changes.
    Invalid,
    /// Something went wrong; it is tried again.
    Error,
    /// It was given up before its end.
    Dropped,
}

impl Outcome {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Invalid, Self::Error, Self::Dropped];

    /// The word in the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Error => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// A reconcile that runs. Dropped without [`Reconcile::end`], it counts as given up.
#[derive(Debug)]
#[must_use = "it measures until it is ended"]
pub struct Reconcile {
    kind: Kind,
    outcome: Outcome,
    begun: Instant,
    ended: IntCounterVec,
    duration: Histogram,
    in_flight: IntGauge,
}

impl Reconcile {
    pub(super) fn begin(families: &Families, kind: Kind) -> Self {
        let in_flight = families.in_flight.with_label_values(&[kind.as_str()]);
        in_flight.inc();
        Self {
            kind,
            outcome: Outcome::Dropped,
            begun: clock::instant(),
            ended: families.reconciles.clone(),
            duration: families.durations.with_label_values(&[kind.as_str()]),
            in_flight,
        }
    }

    /// It is over.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Reconcile {
    fn drop(&mut self) {
        self.in_flight.dec();
        self.duration.observe(self.begun.elapsed().as_secs_f64());
        self.ended.with_label_values(&[self.kind.as_str(), self.outcome.as_str()]).inc();
    }
}

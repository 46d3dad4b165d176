//! One reconcile, measured from its beginning to its end, however it ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{Histogram, IntCounterVec, IntGauge};
use tokio::time::Instant;

use super::{Kind, families::Families};
use crate::clock;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything is done that there was to do, also where that was to say that an object is invalid.
    Ok,
    /// Something went wrong; it is tried again.
    Error,
    /// It was given up before its end.
    Dropped,
}

impl Outcome {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Error, Self::Dropped];

    /// The word in the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// Reconciles that run, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<Numbered>>);

#[derive(Debug, Default)]
struct Numbered {
    next: u64,
    reconciles: BTreeMap<u64, (Kind, Instant)>,
}

impl Running {
    fn begin(&self, kind: Kind, now: Instant) -> u64 {
        let mut running = self.lock();
        let number = running.next;
        running.next += 1;
        running.reconciles.insert(number, (kind, now));
        number
    }

    fn end(&self, number: u64) {
        self.lock().reconciles.remove(&number);
    }

    pub(super) fn oldest(&self, now: Instant) -> Option<(Kind, Duration)> {
        let (kind, begun) = *self.lock().reconciles.first_key_value()?.1;
        Some((kind, now.saturating_duration_since(begun)))
    }

    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    running: Running,
    number: u64,
}

impl Reconcile {
    pub(super) fn begin(families: &Families, running: &Running, kind: Kind) -> Self {
        let begun = clock::instant();
        let in_flight = families.in_flight.with_label_values(&[kind.as_str()]);
        in_flight.inc();
        Self {
            kind,
            outcome: Outcome::Dropped,
            begun,
            ended: families.reconciles.clone(),
            duration: families.durations.with_label_values(&[kind.as_str()]),
            in_flight,
            number: running.begin(kind, begun),
            running: running.clone(),
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
        self.running.end(self.number);
        self.duration.observe(self.begun.elapsed().as_secs_f64());
        self.ended.with_label_values(&[self.kind.as_str(), self.outcome.as_str()]).inc();
    }
}

//! How fast a load may be.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

/// Gives out instants at which calls may begin, evenly, whoever asks.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// Between two calls; zero for as fast as can be.
    interval: Duration,
    next: AtomicU32,
}

impl Pace {
    pub(super) const fn new(rate: Option<u32>, started: Instant) -> Self {
        let interval = match rate {
            Some(rate) => Duration::from_secs(1).checked_div(rate),
            None => None,
        };
        let interval = match interval {
            Some(interval) => interval,
            None => Duration::ZERO,
        };
        Self { started, interval, next: AtomicU32::new(0) }
    }

    /// When the next call may begin; `None` for at once.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.interval.is_zero() {
            return None;
        }
        let nth = self.next.fetch_add(1, Relaxed);
        self.started.checked_add(self.interval.saturating_mul(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn calls_are_spread_evenly() {
        let started = clock::timer();
        let pace = Pace::new(Some(200), started);
        let all: Vec<_> = (0..3).map(|_| pace.next().unwrap() - started).collect();
        assert_eq!(all, [0, 5, 10].map(Duration::from_millis));
        assert_eq!(Pace::new(None, started).next(), None);
    }
}

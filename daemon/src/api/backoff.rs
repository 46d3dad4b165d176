//! How long to wait before the API server is asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use engine::Tick;

use crate::clock;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// What has gone well for so long is well.
const WELL: Duration = Duration::from_secs(20);

/// Doubles from failure to failure; half of each wait is by chance, so that a cluster's pods do not all
/// come back in the same instant.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Tick>,
}

impl Backoff {
    /// How long to wait after a failure at `now`. A watch that was taken up again in silence gave no
    /// sign of it, so a failure long after the one before is a first one, too.
    pub(super) fn next(&mut self, now: Tick) -> Duration {
        if self.last.is_some_and(|last| clock::between(last, now) > WELL) {
            self.failures = 0;
        }
        self.last = Some(now);
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        // The standard library seeds each `RandomState` anew.
        let chance = RandomState::new().hash_one(0) % 1_000;
        whole / 2 + whole / 2 * u32::try_from(chance).unwrap_or(0) / 1_000
    }

    /// Whether the next failure is the first of its row.
    pub(super) fn is_well(&self, now: Tick) -> bool {
        self.failures == 0 || self.last.is_none_or(|last| clock::between(last, now) > WELL)
    }

    /// Something went well.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_again_when_all_is_well() {
        let mut backoff = Backoff::default();
        let mut now = Tick::from_micros(1);
        for whole in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000] {
            let wait = backoff.next(now);
            let whole = Duration::from_millis(whole);
            assert!((whole / 2..=whole).contains(&wait), "{wait:?} of {whole:?}");
            now = now.saturating_add(5_000_000);
        }
        assert!(!backoff.is_well(now));
        now = now.saturating_add(21_000_000);
        assert!(backoff.is_well(now));
        assert!(backoff.next(now) <= FIRST);
        backoff.next(now);
        backoff.reset();
        assert!(backoff.next(now) <= FIRST);
    }
}

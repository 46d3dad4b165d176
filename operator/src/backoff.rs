//! How long an object that failed waits: exponential, with jitter, each object by itself.
//!
//! Pure: random bits come in as an argument, and time does not come in at all.

use std::{collections::HashMap, hash::Hash, time::Duration};

/// The wait after a first failure.
pub const BASE: Duration = Duration::from_millis(500);
/// The longest wait.
pub const CAP: Duration = Duration::from_secs(60);
/// The most objects remembered. What fails beyond that waits as long as anything does.
const MAX_OBJECTS: usize = 32 * 1024;

/// The failures of objects in a row, by their keys.
#[derive(Debug)]
pub struct Backoff<K> {
    base: Duration,
    cap: Duration,
    max_objects: usize,
    objects: HashMap<K, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    generation: Option<i64>,
    count: u32,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self::new(BASE, CAP)
    }
}

impl<K> Backoff<K> {
    /// Waits from `base` to `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, max_objects: MAX_OBJECTS, objects: HashMap::new() }
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// Counts a failure of `key` at `generation` and says how long to wait: the doubled base, of which
    /// `random` takes away up to a half. Another generation than at the failure before starts anew.
    pub fn failed(&mut self, key: K, generation: Option<i64>, random: u64) -> Duration {
        if self.objects.len() >= self.max_objects && !self.objects.contains_key(&key) {
            return spread(self.cap, random);
        }
        let failures = self.objects.entry(key).or_insert(Failures { generation, count: 0 });
        if failures.generation != generation {
            *failures = Failures { generation, count: 0 };
        }
        let delay = doubled(self.base, self.cap, failures.count);
        failures.count = failures.count.saturating_add(1);
        spread(delay, random)
    }

    /// `key` is well, or gone: its next failure is a first one.
    pub fn forget(&mut self, key: &K) {
        self.objects.remove(key);
    }

    /// How many objects are failing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether none is failing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// `base`, doubled `times` times, at most `cap`.
#[must_use]
pub fn doubled(base: Duration, cap: Duration, times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    base.saturating_mul(factor).min(cap)
}

/// From half of `delay` to all of it, as `random` says.
#[must_use]
pub fn spread(delay: Duration, random: u64) -> Duration {
    let half = delay / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    // The upper half of a product of 64-bit numbers: `nanos`, scaled by `random` of 2^64.
    let scaled = (u128::from(nanos) * u128::from(random)) >> 64;
    half + Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_cap() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> =
            (0..9).map(|_| backoff.failed("a", Some(1), u64::MAX).as_millis().div_ceil(10) * 10).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        for _ in 0..100 {
            assert!(backoff.failed("a", Some(1), u64::MAX) <= CAP);
        }
    }

    #[test]
    fn chance_takes_away_up_to_a_half() {
        assert_eq!(spread(100 * MILLI, 0), 50 * MILLI);
        assert_eq!(spread(100 * MILLI, 1 << 63), 75 * MILLI);
        let most = spread(100 * MILLI, u64::MAX);
        assert!(most > 99 * MILLI && most <= 100 * MILLI, "{most:?}");
        assert_eq!(spread(Duration::ZERO, u64::MAX), Duration::ZERO);
    }

    #[test]
    fn objects_fail_each_by_itself() {
        let mut backoff = Backoff::default();
        backoff.failed("a", Some(1), 0);
        backoff.failed("a", Some(1), 0);
        assert_eq!(backoff.failed("b", Some(1), 0), BASE / 2);
        assert_eq!(backoff.failed("a", Some(1), 0), BASE * 2);
    }

    #[test]
    fn success_and_a_new_generation_start_anew() {
        let mut backoff = Backoff::default();
        backoff.failed("a", Some(1), 0);
        backoff.failed("a", Some(1), 0);
        assert_eq!(backoff.failed("a", Some(2), 0), BASE / 2);
        assert_eq!(backoff.failed("a", Some(2), 0), BASE);
        backoff.forget(&"a");
        assert!(backoff.is_empty());
        assert_eq!(backoff.failed("a", Some(2), 0), BASE / 2);
    }

    #[test]
    fn what_fails_beyond_the_bound_waits_longest_and_is_not_remembered() {
        let mut backoff = Backoff { max_objects: 2, ..Backoff::default() };
        backoff.failed("a", None, 0);
        backoff.failed("b", None, 0);
        assert_eq!(backoff.failed("c", None, 0), CAP / 2);
        assert_eq!(backoff.len(), 2);
        assert_eq!(backoff.failed("a", None, 0), BASE);
    }
}

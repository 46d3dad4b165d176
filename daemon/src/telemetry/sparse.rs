//! What may happen with each request, and is to be read all the same.

use std::sync::atomic::{AtomicU64, Ordering};

use engine::Tick;

/// How long nothing more is said, in microseconds.
const SILENCE: u64 = 10_000_000;

/// Lets one of many lines through, and counts the others.
#[derive(Debug, Default)]
pub struct Sparse {
    /// Until when nothing is said.
    silent_until: AtomicU64,
    unsaid: AtomicU64,
}

impl Sparse {
    /// Whether to say it now, and how often it was not said since the last time.
    pub fn says(&self, now: Tick) -> Option<u64> {
        let until = self.silent_until.load(Ordering::Relaxed);
        let now = now.as_micros();
        let next = now.saturating_add(SILENCE);
        let is_first = now >= until
            && self.silent_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            return Some(self.unsaid.swap(0, Ordering::Relaxed));
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_said() {
        let sparse = Sparse::default();
        let says = |seconds: u64| sparse.says(Tick::from_micros(seconds * 1_000_000));
        assert_eq!([0, 1, 9, 10, 19, 20].map(says), [Some(0), None, None, Some(2), None, Some(1)]);
    }
}

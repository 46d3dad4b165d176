//! How often what pods measure may turn a status. Pure.
//!
//! A turn that comes alone is written at once. One that comes on the heels of others waits, so that a signal
//! that swings costs the API server no more than a bounded number of calls; what holds when the wait is over
//! is written then.

use std::time::Duration;

use tokio::time::Instant;

/// Turns that are written at once after a quiet time.
pub(super) const BURST: u32 = 4;
/// How long it takes until one more may be.
pub(super) const EACH: Duration = Duration::from_secs(5);

/// The turns of one status.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Until when time has to pass for the turns that were written.
    owing: Option<Instant>,
}

impl Pace {
    /// How long the next turn has to wait.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let lent = EACH * (BURST - 1);
        self.owing.map_or(Duration::ZERO, |owing| owing.saturating_duration_since(now).saturating_sub(lent))
    }

    /// A turn was written.
    pub(super) fn turned(&mut self, now: Instant) {
        self.owing = Some(self.owing.map_or(now, |owing| owing.max(now)) + EACH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn a_few_turns_are_free_and_the_rest_come_one_at_a_time() {
        let (mut pace, mut now) = (Pace::default(), clock::instant());
        for _ in 0..BURST {
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.turned(now);
        }
        for _ in 0..100 {
            assert_eq!(pace.wait(now), EACH);
            now += pace.wait(now);
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.turned(now);
        }
        now += EACH * BURST;
        for _ in 0..BURST {
            assert_eq!(pace.wait(now), Duration::ZERO, "quiet times pay for as many again, and no more");
            pace.turned(now);
        }
        assert_eq!(pace.wait(now), EACH);
    }
}

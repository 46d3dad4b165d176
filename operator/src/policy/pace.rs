//! How often what pods measure may turn a status. Pure.
//!
//! A turn that comes alone is written at once. One that comes on the heels of others waits, and ever longer
//! while it goes on, so that a signal that swings costs the API server little, however long; what holds when the
//! wait is over is written then.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff;

/// Turns that are written at once after a calm time.
pub(super) const BURST: u32 = 4;
/// How long it takes until one more may be.
pub(super) const EACH: Duration = Duration::from_secs(5);
/// The same, when that has been doubled for a while.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// A time without a turn after which all is as at first; longer than any turn waits.
pub(super) const CALM: Duration = Duration::from_secs(120);

/// The turns of one status.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// Turns without a calm time between them.
    turns: u32,
    /// When the last one was written.
    last: Option<Instant>,
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
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= CALM) {
            *self = Self::default();
        }
        let cost = match self.turns.checked_sub(BURST - 1) {
            None | Some(0) => EACH,
            Some(beyond) => backoff::doubled(EACH, LONGEST, beyond),
        };
        self.turns = self.turns.saturating_add(1);
        self.last = Some(now);
        self.owing = Some(self.owing.map_or(now, |owing| owing.max(now)) + cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn a_few_turns_are_free_and_the_rest_come_ever_more_seldom_until_it_is_calm() {
        let (mut pace, mut now) = (Pace::default(), clock::instant());
        for _ in 0..3 {
            for _ in 0..BURST {
                assert_eq!(pace.wait(now), Duration::ZERO, "calm pays for as many again, and no more");
                pace.turned(now);
            }
            for seconds in [5, 10, 20, 40, 60, 60, 60] {
                assert_eq!(pace.wait(now), Duration::from_secs(seconds));
                now += pace.wait(now);
                assert_eq!(pace.wait(now), Duration::ZERO);
                pace.turned(now);
            }
            now += CALM;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_that_come_seldom_are_written_at_once() {
        let (mut pace, mut now) = (Pace::default(), clock::instant());
        for _ in 0..100 {
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.turned(now);
            now += LONGEST;
        }
    }
}

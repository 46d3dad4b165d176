//! The leaky bucket, in exact integers: `limit` hits drain in `duration`, at most `burst` at once.
//!
//! What is free is a whole number of hits and a part of one, counted in units of 1/duration of a
//! hit. A millisecond frees `limit` such units, so nothing is ever rounded while the duration stays
//! the same. A changed duration converts the part into the new unit, rounding down: less than one
//! unit is lost, and none is ever gained.

use super::{Status, Verdict, is_probe};
use crate::{Hit, Interval, Span, UnixMillis, Window};

/// The state of a leaky bucket. `whole` may exceed `burst` until the next request, since negative
/// hits give back at once and are clamped late, as clients of the original know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaky {
    limit: i64,
    /// Milliseconds in which `limit` hits drain; a calendar interval's true length.
    duration: i64,
    burst: i64,
    /// Free hits, never negative.
    whole: i64,
    /// Units of 1/duration of a hit, below `duration`; 0 while the bucket is full.
    part: u64,
    updated_at: UnixMillis,
    expire_at: UnixMillis,
    interval: Option<Interval>,
}

impl Leaky {
    /// The bucket after its first hit. A refused first hit leaves it empty, as in the original.
    pub(super) fn open(hit: &Hit<'_>) -> (Self, Verdict) {
        let mut leaky = Self {
            limit: 0,
            duration: 0,
            burst: 0,
            whole: 0,
            part: 0,
            updated_at: hit.at,
            expire_at: hit.at,
            interval: None,
        };
        leaky.configure(hit);
        leaky.whole = leaky.burst;
        let refused = hit.hits > leaky.whole;
        let verdict = leaky.take(hit, refused || hit.drain);
        leaky.extend(hit);
        (leaky, verdict)
    }

    /// Answers a hit on a live bucket. A probe is answered from a copy and leaves no trace.
    pub(super) fn apply(&mut self, hit: &Hit<'_>) -> Verdict {
        let mut next = *self;
        // Time that has passed leaked at the rate that was in force.
        next.leak(hit.at);
        next.configure(hit);
        if hit.reset {
            (next.whole, next.part) = (next.burst, 0);
        }
        let verdict = next.take(hit, hit.drain);
        if !is_probe(hit) {
            next.extend(hit);
            *self = next;
        }
        verdict
    }

    pub(super) const fn expire_at(&self) -> UnixMillis {
        self.expire_at
    }

    /// Frees what has drained since the last update. An instant before it frees nothing and does
    /// not turn the clock back.
    fn leak(&mut self, at: UnixMillis) {
        let elapsed = at.since(self.updated_at);
        if elapsed > 0 {
            self.updated_at = at;
            if self.whole < self.burst {
                if self.duration == 0 {
                    self.whole = self.burst;
                } else {
                    let freed = wide(elapsed) * wide(self.limit) + u128::from(self.part);
                    let (whole, part) = div_rem(freed, self.duration);
                    self.whole = self.whole.saturating_add(whole);
                    self.part = part;
                }
            }
        }
        self.clamp();
    }

    fn clamp(&mut self) {
        if self.whole >= self.burst {
            (self.whole, self.part) = (self.burst, 0);
        }
    }

    /// Takes over the request's configuration: what a larger burst adds is free at once.
    fn configure(&mut self, hit: &Hit<'_>) {
        let (duration, interval) = match hit.window {
            Window::Millis(millis) => (millis, None),
            Window::Calendar(interval, span) => (span.len_millis(), Some(interval)),
        };
        if duration != self.duration {
            let part = u128::from(self.part) * wide(duration);
            self.part = if self.duration == 0 { 0 } else { div_rem(part, self.duration).0.unsigned_abs() };
            self.duration = duration;
        }
        // A limit of 0 admits nothing, whatever its burst says.
        let burst = if hit.limit == 0 { 0 } else { hit.burst };
        if burst > self.burst {
            self.whole = self.whole.saturating_add(burst - self.burst);
        }
        self.burst = burst;
        self.limit = hit.limit;
        self.interval = interval;
        self.clamp();
    }

    fn take(&mut self, hit: &Hit<'_>, drain: bool) -> Verdict {
        if hit.hits <= self.whole {
            self.whole = self.whole.saturating_sub(hit.hits);
            return self.verdict(Status::UnderLimit, hit.at, None);
        }
        if drain {
            (self.whole, self.part) = (0, 0);
        }
        self.verdict(Status::OverLimit, hit.at, self.retry_after(hit))
    }

    /// Keeps the entry for a duration after its last hit, and until it would be full if that is
    /// later: only then is a new bucket the same as this one. A calendar bucket ends with its
    /// interval; a hit dated back into the interval before does not end it early.
    fn extend(&mut self, hit: &Hit<'_>) {
        self.expire_at = match hit.window {
            Window::Millis(millis) => hit.at.saturating_add(millis).max(self.full_at()),
            Window::Calendar(_, span) => self.interval_end(span, hit.at),
        };
    }

    fn interval_end(&self, span: Span, at: UnixMillis) -> UnixMillis {
        if self.updated_at > at { span.last.max(self.expire_at) } else { span.last }
    }

    fn full_at(&self) -> UnixMillis {
        self.updated_at.saturating_add(self.millis_until(self.burst))
    }

    /// Milliseconds from the last update until `hits` are free; 0 where they are, or never will be.
    fn millis_until(&self, hits: i64) -> i64 {
        if hits <= self.whole || self.limit == 0 {
            return 0;
        }
        let missing = wide(hits - self.whole) * wide(self.duration) - u128::from(self.part);
        div_ceil(missing, self.limit)
    }

    fn retry_after(&self, hit: &Hit<'_>) -> Option<i64> {
        if hit.hits > self.burst {
            return None;
        }
        let behind = self.updated_at.since(hit.at).max(0);
        // A bucket without duration is full in the next millisecond.
        let wait = self.millis_until(hit.hits).max(1).saturating_add(behind);
        Some(match hit.window {
            Window::Millis(_) => wait,
            Window::Calendar(_, span) => {
                wait.min(self.interval_end(span, hit.at).since(hit.at).saturating_add(1))
            }
        })
    }

    /// `reset_time` is when the reported hits would be back at the limit: from `at`, never before it.
    fn verdict(&self, status: Status, at: UnixMillis, retry_after: Option<i64>) -> Verdict {
        let wait = if self.limit == 0 {
            self.duration
        } else if self.whole >= self.limit {
            0
        } else {
            div_ceil(wide(self.limit - self.whole) * wide(self.duration), self.limit)
        };
        Verdict {
            status,
            limit: self.limit,
            remaining: self.whole,
            reset_time: at.saturating_add(wait),
            retry_after,
        }
    }
}

/// A number that is not negative, with room for a product of two.
const fn wide(number: i64) -> u128 {
    number.unsigned_abs() as u128
}

/// Quotient (saturated) and remainder; in one machine division where the numbers allow it, as a
/// 128-bit division costs ten times as much.
fn div_rem(dividend: u128, divisor: i64) -> (i64, u64) {
    let divisor = divisor.unsigned_abs();
    if let Ok(small) = u64::try_from(dividend) {
        return (saturate(u128::from(small / divisor)), small % divisor);
    }
    let wide = u128::from(divisor);
    (saturate(dividend / wide), u64::try_from(dividend % wide).unwrap_or(u64::MAX))
}

fn div_ceil(dividend: u128, divisor: i64) -> i64 {
    let (quotient, rest) = div_rem(dividend, divisor);
    quotient.saturating_add(i64::from(rest > 0))
}

fn saturate(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! The token bucket: `limit` hits from the first one on until its window ends, then a new bucket.

use super::{Status, Verdict};
use crate::{Hit, Interval, UnixMillis, Window};

/// `remaining` counts what may still be taken. It may exceed `limit`, since negative hits give back
/// without a ceiling, and is never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    limit: i64,
    /// As configured, to see a change: milliseconds, and 0 for a calendar window.
    duration: i64,
    remaining: i64,
    created_at: UnixMillis,
    expire_at: UnixMillis,
    interval: Option<Interval>,
    /// A hit has been refused since `remaining` last became 0; what a probe then reports.
    refused: bool,
}

impl Token {
    pub(super) const VACANT: Self = Self {
        limit: 0,
        duration: 0,
        remaining: 0,
        created_at: UnixMillis::new(0),
        expire_at: UnixMillis::new(0),
        interval: None,
        refused: false,
    };

    /// The bucket after its first hit. A refused first hit takes nothing unless it drains.
    pub(super) const fn open(hit: &Hit<'_>) -> (Self, Verdict) {
        let mut token = Self::fresh(hit);
        let verdict = token.take(hit);
        (token, verdict)
    }

    /// RESET_REMAINING: the bucket goes, the hits are ignored, and 0 says that no window is open.
    pub(super) const fn reset(hit: &Hit<'_>) -> Verdict {
        Verdict {
            status: Status::UnderLimit,
            limit: hit.limit,
            remaining: hit.limit,
            reset_time: UnixMillis::new(0),
            retry_after: None,
        }
    }

    /// Answers a hit on a live bucket, taking over a changed limit or window first.
    pub(super) fn apply(&mut self, hit: &Hit<'_>) -> Verdict {
        if hit.limit != self.limit {
            // What was used stays used: both limits are at least 0, so the difference fits.
            let remaining = self.remaining.saturating_add(hit.limit - self.limit);
            self.remaining = if remaining > 0 { remaining } else { 0 };
            self.limit = hit.limit;
            self.forgive();
        }
        let (duration, interval, expire_at) = window(hit, self.created_at);
        if (duration, interval) != (self.duration, self.interval) {
            if expire_at <= hit.at {
                // Under the new duration the window is over already.
                *self = Self::fresh(hit);
            } else {
                (self.duration, self.interval, self.expire_at) = (duration, interval, expire_at);
            }
        }
        self.take(hit)
    }

    pub(super) const fn expire_at(&self) -> UnixMillis {
        self.expire_at
    }

    /// A full bucket whose window opens with this hit.
    const fn fresh(hit: &Hit<'_>) -> Self {
        let (duration, interval, expire_at) = window(hit, hit.at);
        Self {
            limit: hit.limit,
            duration,
            remaining: hit.limit,
            created_at: hit.at,
            expire_at,
            interval,
            refused: false,
        }
    }

    const fn take(&mut self, hit: &Hit<'_>) -> Verdict {
        if hit.hits > self.remaining {
            if self.remaining == 0 {
                self.refused = true;
            }
            if hit.drain {
                self.remaining = 0;
            }
            return self.verdict(Status::OverLimit, self.retry_after(hit));
        }
        if hit.hits == 0 {
            let over = self.remaining == 0 && self.refused;
            return self.verdict(if over { Status::OverLimit } else { Status::UnderLimit }, None);
        }
        self.remaining = self.remaining.saturating_sub(hit.hits);
        self.forgive();
        self.verdict(Status::UnderLimit, None)
    }

    /// Whatever makes `remaining` positive forgets the refusal.
    const fn forgive(&mut self) {
        if self.remaining > 0 {
            self.refused = false;
        }
    }

    /// The window is still open in the millisecond of its end, so the next one begins a millisecond
    /// later.
    const fn retry_after(&self, hit: &Hit<'_>) -> Option<i64> {
        if hit.hits > self.limit { None } else { Some(self.expire_at.since(hit.at).saturating_add(1)) }
    }

    const fn verdict(&self, status: Status, retry_after: Option<i64>) -> Verdict {
        Verdict {
            status,
            limit: self.limit,
            remaining: self.remaining,
            reset_time: self.expire_at,
            retry_after,
        }
    }
}

/// What `hit` says of the window (duration and interval, as stored), and when a window that opened
/// at `opened` ends under it.
const fn window(hit: &Hit<'_>, opened: UnixMillis) -> (i64, Option<Interval>, UnixMillis) {
    match hit.window {
        Window::Millis(millis) => (millis, None, opened.saturating_add(millis)),
        Window::Calendar(interval, span) => (0, Some(interval), span.last),
    }
}

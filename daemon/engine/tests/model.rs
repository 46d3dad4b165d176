//! Both algorithms once more, written for reading and from the rules alone: rational numbers, a map,
//! no thought for speed. It shares no code with the engine but the checked request.

use std::collections::HashMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};
use wicketgate_engine::{Algorithm, Hit, Status, UnixMillis, Verdict, Window};

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Model {
    entries: HashMap<(String, String), Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    Token(Token),
    Leaky(Leaky),
}

impl Entry {
    const fn expire_at(&self) -> i64 {
        match self {
            Self::Token(token) => token.expire_at,
            Self::Leaky(leaky) => leaky.expire_at,
        }
    }
}

#[derive(Clone, Debug)]
struct Token {
    limit: i64,
    duration: Duration,
    remaining: i64,
    created_at: i64,
    expire_at: i64,
    /// Whether a hit was refused since `remaining` last became 0.
    refused: bool,
}

#[derive(Clone, Debug)]
struct Leaky {
    limit: i64,
    /// Milliseconds in which `limit` hits leak.
    length: i64,
    burst: i64,
    /// Free room, parts of a hit included.
    remaining: BigRational,
    updated: i64,
    expire_at: i64,
}

/// What a token bucket calls its duration: a change of it is a change of the request's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duration {
    Millis(i64),
    Calendar(i64),
}

impl Duration {
    const fn of(hit: &Hit<'_>) -> Self {
        match hit.window {
            Window::Millis(millis) => Self::Millis(millis),
            Window::Calendar(interval, _) => Self::Calendar(interval.code()),
        }
    }
}

impl Model {
    /// Answers one request and remembers what it does.
    pub(crate) fn hit(&mut self, hit: &Hit<'_>) -> Verdict {
        let key = (hit.name.to_owned(), hit.unique_key.to_owned());
        let at = hit.at.get();
        let live = self.entries.get(&key).filter(|entry| entry.expire_at() >= at).cloned();
        match hit.algorithm {
            Algorithm::TokenBucket => {
                if live.is_some() && hit.reset {
                    self.entries.remove(&key);
                    return verdict(Status::UnderLimit, hit.limit, hit.limit, 0, None);
                }
                let mut token = match live {
                    Some(Entry::Token(token)) => token,
                    _ => Token::full(hit),
                };
                let answer = token.answer(hit);
                self.entries.insert(key, Entry::Token(token));
                answer
            }
            Algorithm::LeakyBucket => {
                let (mut leaky, is_new) = match live {
                    Some(Entry::Leaky(leaky)) => (leaky, false),
                    _ => (Leaky::full(hit), true),
                };
                let answer = leaky.answer(hit, is_new);
                // A probe changes nothing, whatever it found.
                if hit.hits != 0 || hit.reset {
                    self.entries.insert(key, Entry::Leaky(leaky));
                }
                answer
            }
        }
    }
}

impl Token {
    fn full(hit: &Hit<'_>) -> Self {
        Self {
            limit: hit.limit,
            duration: Duration::of(hit),
            remaining: hit.limit,
            created_at: hit.at.get(),
            expire_at: end_of_window(hit, hit.at.get()),
            refused: false,
        }
    }

    fn answer(&mut self, hit: &Hit<'_>) -> Verdict {
        let at = hit.at.get();
        if hit.limit != self.limit {
            // What was used stays used.
            let remaining = i128::from(self.remaining) + i128::from(hit.limit) - i128::from(self.limit);
            self.remaining = clamp(remaining.max(0));
            self.limit = hit.limit;
            self.refused &= self.remaining == 0;
        }
        if Duration::of(hit) != self.duration {
            self.duration = Duration::of(hit);
            self.expire_at = end_of_window(hit, self.created_at);
            if self.expire_at <= at {
                *self = Self::full(hit);
            }
        }
        let refused = hit.hits > self.remaining;
        let had_none = self.remaining == 0;
        if !refused {
            self.remaining = clamp(i128::from(self.remaining) - i128::from(hit.hits));
        } else if hit.drain {
            self.remaining = 0;
        }
        if self.remaining > 0 {
            self.refused = false;
        } else if refused && had_none {
            self.refused = true;
        }
        let probe_of_refusing = hit.hits == 0 && self.remaining == 0 && self.refused;
        let status = if refused || probe_of_refusing { Status::OverLimit } else { Status::UnderLimit };
        let retry_after = (refused && hit.hits <= hit.limit)
            .then(|| clamp(i128::from(self.expire_at) - i128::from(at) + 1));
        verdict(status, hit.limit, self.remaining, self.expire_at, retry_after)
    }
}

impl Leaky {
    fn full(hit: &Hit<'_>) -> Self {
        let at = hit.at.get();
        let mut full = Self {
            limit: hit.limit,
            length: length_of_window(hit),
            burst: burst_of(hit),
            remaining: whole(burst_of(hit)),
            updated: at,
            expire_at: at,
        };
        full.expire_at = full.expiry(hit);
        full
    }

    fn answer(&mut self, hit: &Hit<'_>, is_new: bool) -> Verdict {
        self.leak(hit.at.get());
        self.take_configuration(hit);
        if hit.reset {
            self.remaining = whole(self.burst);
        }
        let refused = hit.hits > 0 && (hit.limit == 0 || whole(hit.hits) > self.remaining);
        if !refused {
            self.remaining -= whole(hit.hits);
        } else if hit.drain || is_new {
            // The over-ask of a new bucket empties it.
            self.remaining = BigRational::zero();
        }
        self.expire_at = self.expiry(hit);

        let reported = clamp_big(&self.remaining.floor().to_integer());
        let status = if refused { Status::OverLimit } else { Status::UnderLimit };
        let retry_after = (refused && hit.limit > 0 && hit.hits <= self.burst).then(|| self.retry_after(hit));
        verdict(status, hit.limit, reported, self.reset_time(hit, reported), retry_after)
    }

    /// Time passes, at the rate that was in force.
    fn leak(&mut self, at: i64) {
        if at > self.updated {
            if self.length == 0 {
                self.remaining = whole(self.burst);
            } else {
                let elapsed = clamp(i128::from(at) - i128::from(self.updated));
                self.remaining += whole(elapsed) * self.rate();
            }
            self.updated = at;
        }
        self.remaining = self.remaining.clone().min(whole(self.burst));
    }

    /// Hits a millisecond.
    fn rate(&self) -> BigRational {
        whole(self.limit) / whole(self.length)
    }

    fn take_configuration(&mut self, hit: &Hit<'_>) {
        let burst = burst_of(hit);
        if burst > self.burst {
            self.remaining += whole(burst) - whole(self.burst);
        }
        self.burst = burst;
        self.remaining = self.remaining.clone().min(whole(burst));
        let length = length_of_window(hit);
        if length != self.length {
            // Parts of a hit are counted in parts of the duration; a new one has others.
            let parts = whole(length.max(1));
            self.remaining = (self.remaining.clone() * parts.clone()).floor() / parts;
        }
        self.length = length;
        self.limit = hit.limit;
    }

    /// Milliseconds until so many hits have leaked, rounded up and saturated; `None` for never.
    fn millis_for(&self, hits: &BigRational) -> Option<i64> {
        if hits <= &BigRational::zero() || self.length == 0 {
            return Some(0);
        }
        (self.limit > 0).then(|| clamp_big(&(hits.clone() / self.rate()).ceil().to_integer()))
    }

    fn expiry(&self, hit: &Hit<'_>) -> i64 {
        if let Window::Calendar(_, span) = hit.window {
            // A hit dated back into an earlier interval does not end the bucket early.
            let kept = if self.updated > hit.at.get() { self.expire_at } else { i64::MIN };
            return span.last.get().max(kept);
        }
        let full = self
            .millis_for(&(whole(self.burst) - self.remaining.clone()))
            .map_or(i64::MIN, |millis| self.updated.saturating_add(millis));
        end_of_window(hit, hit.at.get()).max(full)
    }

    fn reset_time(&self, hit: &Hit<'_>, reported: i64) -> i64 {
        // Where nothing ever leaks, a duration from now.
        let millis = self.millis_for(&(whole(self.limit) - whole(reported)));
        let millis = if self.limit == 0 { self.length } else { millis.unwrap_or(self.length) };
        hit.at.get().saturating_add(millis)
    }

    /// The hits fit when enough has leaked; or when the entry has ended and the key is new, which a
    /// calendar bucket may be before, and one without duration is in the next millisecond.
    fn retry_after(&self, hit: &Hit<'_>) -> i64 {
        let new = i128::from(self.expire_at) + 1;
        let leaked = self
            .millis_for(&(whole(hit.hits) - self.remaining.clone()))
            .map(|millis| i128::from(millis) + i128::from(self.updated));
        let instant = match (hit.window, leaked) {
            (Window::Millis(1..), Some(leaked)) => leaked,
            (Window::Calendar(..), Some(leaked)) => leaked.min(new),
            _ => new,
        };
        clamp(instant - i128::from(hit.at.get()))
    }
}

fn verdict(status: Status, limit: i64, remaining: i64, reset_time: i64, retry_after: Option<i64>) -> Verdict {
    Verdict { status, limit, remaining, reset_time: UnixMillis::new(reset_time), retry_after }
}

/// A limit of 0 lets nothing through at once either.
const fn burst_of(hit: &Hit<'_>) -> i64 {
    if hit.limit == 0 { 0 } else { hit.burst }
}

const fn length_of_window(hit: &Hit<'_>) -> i64 {
    match hit.window {
        Window::Millis(millis) => millis,
        Window::Calendar(_, span) => span.len_millis(),
    }
}

/// The last instant of a window that opened at `start`.
const fn end_of_window(hit: &Hit<'_>, start: i64) -> i64 {
    match hit.window {
        Window::Millis(millis) => start.saturating_add(millis),
        Window::Calendar(_, span) => span.last.get(),
    }
}

fn whole(number: i64) -> BigRational {
    BigRational::from_integer(number.into())
}

fn clamp(number: i128) -> i64 {
    clamp_big(&number.into())
}

fn clamp_big(number: &BigInt) -> i64 {
    number.to_i64().unwrap_or_else(|| if number < &BigInt::zero() { i64::MIN } else { i64::MAX })
}

//! One bucket of either algorithm, and what it answers.

mod leaky;
mod token;

use crate::{Algorithm, Hit, UnixMillis};
use leaky::Leaky;
use token::Token;

/// Whether a request fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It does.
    UnderLimit,
    /// It was refused; or, for a probe of an empty token bucket, a request was refused before it.
    OverLimit,
}

/// The answer to one hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the hit fits.
    pub status: Status,
    /// The limit that was applied.
    pub limit: i64,
    /// Hits left after this one; never negative.
    pub remaining: i64,
    /// When the bucket is full again; 0 (the epoch) where a token bucket was reset.
    pub reset_time: UnixMillis,
    /// A refused hit only: milliseconds until the same hits would be accepted if nothing else came;
    /// `None` where they never would be, or were not refused.
    pub retry_after: Option<i64>,
}

/// The state of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// A fixed window of hits.
    #[doc(hidden)]
    Token(Token),
    /// A steady drain.
    #[doc(hidden)]
    Leaky(Leaky),
}

/// What becomes of the stored bucket after a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Keep {
    /// It stays, as it is now.
    Stays,
    /// It is gone: the next hit opens a new one.
    Dropped,
}

impl Bucket {
    /// What stands in a slot without a key; never asked.
    pub(crate) const VACANT: Self = Self::Token(Token::VACANT);

    /// Answers the first hit of a key. `None` where nothing is to be kept: a leaky bucket's probe
    /// leaves no trace.
    #[must_use]
    pub fn open(hit: &Hit<'_>) -> (Option<Self>, Verdict) {
        match hit.algorithm {
            Algorithm::TokenBucket => {
                let (token, verdict) = Token::open(hit);
                (Some(Self::Token(token)), verdict)
            }
            Algorithm::LeakyBucket => {
                let (leaky, verdict) = Leaky::open(hit);
                ((!is_probe(hit)).then_some(Self::Leaky(leaky)), verdict)
            }
        }
    }

    /// Answers a further hit. The bucket must be [live](Self::is_live) at `hit.at`.
    #[inline]
    pub fn apply(&mut self, hit: &Hit<'_>) -> (Keep, Verdict) {
        match (&mut *self, hit.algorithm) {
            (_, Algorithm::TokenBucket) if hit.reset => (Keep::Dropped, Token::reset(hit)),
            (Self::Token(token), Algorithm::TokenBucket) => (Keep::Stays, token.apply(hit)),
            (Self::Leaky(leaky), Algorithm::LeakyBucket) => (Keep::Stays, leaky.apply(hit)),
            (_, _) => {
                // Another algorithm starts afresh; its probe (leaky) leaves even the old one alone.
                let (opened, verdict) = Self::open(hit);
                if let Some(opened) = opened {
                    *self = opened;
                }
                (Keep::Stays, verdict)
            }
        }
    }

    /// Whether the bucket still counts at `at`; it lives through the millisecond of its expiry.
    #[must_use]
    #[inline]
    pub fn is_live(&self, at: UnixMillis) -> bool {
        self.expire_at() >= at
    }

    /// The last millisecond in which the bucket counts.
    #[must_use]
    pub const fn expire_at(&self) -> UnixMillis {
        match self {
            Self::Token(token) => token.expire_at(),
            Self::Leaky(leaky) => leaky.expire_at(),
        }
    }
}

/// A request that asks without taking; a reset is none, whatever its hits.
const fn is_probe(hit: &Hit<'_>) -> bool {
    hit.hits == 0 && !hit.reset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }
}

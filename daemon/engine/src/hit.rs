//! From what a client said to what a bucket can be asked: [`Request`] in, [`Hit`] or the reason why
//! not out. What is a `Hit` has been checked, so nothing behind it can fail.

use crate::{Behavior, Calendar, Interval, Span, UnixMillis};

/// The longest `name` or `unique_key`, in bytes. The table is bounded by entries, so an entry must
/// be bounded too; 4 KiB holds any URL or token that a proxy lets through.
pub const MAX_KEY_BYTES: usize = 4096;

/// How a bucket fills and empties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `limit` hits a window; the window opens with the first hit.
    TokenBucket,
    /// Hits drain at `limit` per duration; at most `burst` at once.
    LeakyBucket,
}

impl Algorithm {
    /// The wire's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::TokenBucket => 0,
            Self::LeakyBucket => 1,
        }
    }

    /// From the wire's number, or `None` where there is no such algorithm.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::TokenBucket),
            1 => Some(Self::LeakyBucket),
            _ => None,
        }
    }
}

/// One item of GetRateLimits as it came, strings borrowed from the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The limit's name.
    pub name: &'a str,
    /// Who is counted under that name.
    pub unique_key: &'a str,
    /// Hits to take; 0 asks without taking, negative gives back.
    pub hits: i64,
    /// Hits a window or a duration allows.
    pub limit: i64,
    /// Milliseconds, or an [`Interval`]'s code under `DURATION_IS_GREGORIAN`.
    pub duration: i64,
    /// The wire's number of an [`Algorithm`].
    pub algorithm: i32,
    /// Flags.
    pub behavior: Behavior,
    /// Leaky bucket: hits that may come at once; 0 means `limit`.
    pub burst: i64,
}

/// How long a bucket's window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// So many milliseconds, never negative.
    Millis(i64),
    /// The calendar interval that holds the hit.
    Calendar(Interval, Span),
}

/// One checked request: what a bucket is asked, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// The limit's name, 1 to [`MAX_KEY_BYTES`] bytes.
    pub name: &'a str,
    /// Who is counted, 1 to [`MAX_KEY_BYTES`] bytes.
    pub unique_key: &'a str,
    /// Hits to take; 0 asks, negative gives back.
    pub hits: i64,
    /// Never negative.
    pub limit: i64,
    /// The window, resolved against the calendar at `at`.
    pub window: Window,
    /// How to count.
    pub algorithm: Algorithm,
    /// Never negative; `limit` where the request said 0.
    pub burst: i64,
    /// Whether the bucket is made full again first.
    pub reset: bool,
    /// Whether a refusal takes what is left.
    pub drain: bool,
    /// The one instant that rules arithmetic and expiry.
    pub at: UnixMillis,
}

/// Why a request cannot be asked of a bucket. `Display` is the wire's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HitError {
    /// No `unique_key`; asked before the name, as clients expect.
    #[error("field 'unique_key' cannot be empty")]
    EmptyKey,
    /// No `name`; the wire has always called it namespace.
    #[error("field 'namespace' cannot be empty")]
    EmptyName,
    /// A key or name beyond [`MAX_KEY_BYTES`].
    #[error("field '{field}' cannot be longer than {MAX_KEY_BYTES} bytes; it has {len}")]
    TooLong {
        /// The field's name on the wire.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
    },
    /// A limit, duration or burst below zero.
    #[error("field '{0}' cannot be negative")]
    Negative(&'static str),
    /// No such algorithm.
    #[error("Invalid rate limit algorithm '{0}'")]
    UnknownAlgorithm(i32),
    /// `DURATION_IS_GREGORIAN` with a duration that is no interval's code.
    #[error("behavior DURATION_IS_GREGORIAN is set; but `Duration` is not a valid gregorian interval")]
    UnknownInterval(Algorithm),
}

impl<'a> Request<'a> {
    /// Checks every field and resolves calendar intervals at `at`.
    ///
    /// # Errors
    /// The first field that cannot be asked of a bucket; key before name, then the algorithm.
    pub fn check(&self, at: UnixMillis, calendar: &Calendar) -> Result<Hit<'a>, HitError> {
        self.check_key()?;
        let algorithm =
            Algorithm::from_number(self.algorithm).ok_or(HitError::UnknownAlgorithm(self.algorithm))?;
        if self.limit < 0 {
            return Err(HitError::Negative("limit"));
        }
        if self.burst < 0 {
            return Err(HitError::Negative("burst"));
        }
        let window = if self.behavior.contains(Behavior::DURATION_IS_GREGORIAN) {
            let interval = Interval::from_code(self.duration).ok_or(HitError::UnknownInterval(algorithm))?;
            Window::Calendar(interval, calendar.span(interval, at))
        } else if self.duration < 0 {
            return Err(HitError::Negative("duration"));
        } else {
            Window::Millis(self.duration)
        };
        Ok(Hit {
            name: self.name,
            unique_key: self.unique_key,
            hits: self.hits,
            limit: self.limit,
            window,
            algorithm,
            burst: if self.burst == 0 { self.limit } else { self.burst },
            reset: self.behavior.contains(Behavior::RESET_REMAINING),
            drain: self.behavior.contains(Behavior::DRAIN_OVER_LIMIT),
            at,
        })
    }

    /// Checks only what routing needs: that there is a key and a name, of a bearable length.
    ///
    /// # Errors
    /// The first field that is empty or too long.
    pub const fn check_key(&self) -> Result<(), HitError> {
        if self.unique_key.is_empty() {
            return Err(HitError::EmptyKey);
        }
        if self.name.is_empty() {
            return Err(HitError::EmptyName);
        }
        if self.unique_key.len() > MAX_KEY_BYTES {
            return Err(HitError::TooLong { field: "unique_key", len: self.unique_key.len() });
        }
        if self.name.len() > MAX_KEY_BYTES {
            return Err(HitError::TooLong { field: "name", len: self.name.len() });
        }
        Ok(())
    }
}

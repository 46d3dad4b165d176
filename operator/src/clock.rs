//! The only reader of time. Everything else is given the time, so that tests can say what it is.

use jiff::Timestamp;
use tokio::time::Instant;

/// Monotonic time as tokio's timers have it: a test may hold it still.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the place where time is read")]
pub fn instant() -> Instant {
    Instant::now()
}

/// Calendar time, for what is written into objects.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

//! The only reader of time. Everything else is given the time, so that tests can say what it is.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use engine::{Tick, UnixMillis};

/// The zero of [`tick`].
static START: LazyLock<Instant> = LazyLock::new(instant);

/// Calendar time. A clock set before 1970 reads as 1970.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the place where time is read")]
pub fn now() -> UnixMillis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic time, in microseconds since it was first asked for.
#[must_use]
pub fn tick() -> Tick {
    let elapsed = instant().saturating_duration_since(*START);
    Tick::from_micros(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}

/// Monotonic time, for what only measures or waits.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the place where time is read")]
pub fn instant() -> Instant {
    Instant::now()
}

/// How long it is from `from` to `to`; zero where `to` has passed.
#[must_use]
pub const fn between(from: Tick, to: Tick) -> Duration {
    Duration::from_micros(to.as_micros().saturating_sub(from.as_micros()))
}

/// Monotonic time as tokio's timers have it: a test may hold it still.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the place where time is read")]
pub fn timer() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Waits until `tick`; for ever where there is none.
pub async fn sleep_until(tick: Option<Tick>) {
    match tick {
        Some(tick) => tokio::time::sleep(between(self::tick(), tick)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_never_go_back() {
        let (first, second) = (tick(), tick());
        assert!(first <= second);
        assert_eq!(between(second.saturating_add(5), second), Duration::ZERO);
        assert_eq!(between(second, second.saturating_add(5)), Duration::from_micros(5));
    }

    #[test]
    fn the_calendar_is_in_milliseconds() {
        let in_2020 = UnixMillis::new(1_577_836_800_000);
        let in_3000 = UnixMillis::new(32_503_680_000_000);
        assert!((in_2020..in_3000).contains(&now()));
    }
}

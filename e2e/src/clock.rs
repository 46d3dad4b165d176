//! The wall clock, and waiting for what must come true.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for what should happen at once. Only a failure takes this long, so it is
/// generous: the machines that run the tests are busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Milliseconds since the epoch, by the wall clock.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_millis()).expect("a clock before the year 292 million")
}

/// Returns when the wall clock says `at` (milliseconds since the epoch), at once if that has passed.
pub async fn wall_clock_says(at: i64) {
    let ahead = u64::try_from(at - now_ms()).unwrap_or(0);
    if ahead > 0 {
        tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(ahead)).await;
    }
}

/// Asks `look` every 10 ms until it gives a value, which is returned.
///
/// # Panics
/// When [`PATIENCE`] ends first; the message says what was awaited.
pub async fn await_some<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    await_some_within(PATIENCE, what, look).await
}

/// As [`await_some`], for what has a time of its own to come true in.
///
/// # Panics
/// When `patience` ends first; the message says what was awaited.
pub async fn await_some_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    loop {
        beat.tick().await;
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
    }
}

/// Asks `look` every 10 ms until it says yes.
///
/// # Panics
/// When [`PATIENCE`] ends first; the message says what was awaited.
pub async fn await_condition(what: &str, mut look: impl AsyncFnMut() -> bool) {
    await_some(what, async || look().await.then_some(())).await;
}

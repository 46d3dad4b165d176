//! How long a request is held back, so that those which come together do not arrive together.

use std::time::Duration;

pub use go_duration::{GoDurationError, parse_go_duration};

use crate::aimd::Criticality;

mod go_duration;

/// How requests are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// The longest delay; zero for none, whatever a request offers.
    pub max: Duration,
    /// Whether requests are delayed only while the window is throttled.
    pub only_when_throttled: bool,
    /// The longest wait that a request's `X-Can-Wait` may offer.
    pub max_can_wait: Duration,
}

impl Jitter {
    /// The longest that a request is held back. `class` is `None` where requests are not told apart,
    /// `can_wait` is the first value of its header `X-Can-Wait`, if it has one, and `throttled` tells
    /// whether the window is.
    ///
    /// # Errors
    /// [`GoDurationError`] for an `X-Can-Wait` that is no duration: the caller's mistake.
    pub fn longest(
        &self,
        class: Option<Criticality>,
        can_wait: Option<&str>,
        throttled: bool,
    ) -> Result<Duration, GoDurationError> {
        if self.max.is_zero() || class == Some(Criticality::CriticalPlus) {
            return Ok(Duration::ZERO);
        }
        // Read in any case, so that a mistake shows at quiet times too.
        let offered = match can_wait {
            None | Some("") => Duration::ZERO,
            Some(text) => Duration::from_nanos(u64::try_from(parse_go_duration(text)?).unwrap_or(0)),
        };
        if self.only_when_throttled && !throttled {
            return Ok(Duration::ZERO);
        }
        Ok(offered.min(self.max_can_wait).max(self.max))
    }
}

/// A delay below `longest`, by a random number that is anything with the same likelihood.
#[must_use]
pub fn delay(longest: Duration, random: u64) -> Duration {
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    // The upper half of the product is in [0, nanos), and as evenly spread as the random number.
    Duration::from_nanos(((u128::from(nanos) * u128::from(random)) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JITTER: Jitter = Jitter {
        max: Duration::from_secs(1),
        only_when_throttled: false,
        max_can_wait: Duration::from_secs(300),
    };

    #[test]
    fn headers_decide_the_longest_delay() {
        let plus = Some(Criticality::CriticalPlus);
        let cases = [
            (None, None, 1_000),
            (Some(Criticality::Critical), None, 1_000),
            (plus, None, 0),
            (plus, Some("invalid"), 0),
            (None, Some(""), 1_000),
            (None, Some("1ms"), 1_000),
            (None, Some("2m"), 120_000),
            (None, Some("-2m"), 1_000),
            (None, Some("2000h"), 300_000),
        ];
        for (class, can_wait, millis) in cases {
            let longest = JITTER.longest(class, can_wait, false);
            assert_eq!(longest, Ok(Duration::from_millis(millis)), "{class:?} {can_wait:?}");
        }
        let text = JITTER.longest(None, Some("invalid"), false).unwrap_err().to_string();
        assert_eq!(text, "time: invalid duration \"invalid\"");
    }

    #[test]
    fn delays_only_under_throttling_where_told_so() {
        let jitter = Jitter { only_when_throttled: true, ..JITTER };
        assert_eq!(jitter.longest(None, Some("2m"), false), Ok(Duration::ZERO));
        assert_eq!(jitter.longest(None, Some("2m"), true), Ok(Duration::from_secs(120)));
        assert!(jitter.longest(None, Some("30"), false).is_err());
        let off = Jitter { max: Duration::ZERO, ..JITTER };
        assert_eq!(off.longest(None, Some("2m"), true), Ok(Duration::ZERO));
    }

    #[test]
    fn delays_are_below_the_longest() {
        let longest = Duration::from_secs(10);
        assert_eq!(delay(longest, 0), Duration::ZERO);
        assert_eq!(delay(longest, 1 << 63), Duration::from_secs(5));
        assert_eq!(delay(longest, u64::MAX), longest - Duration::from_nanos(1));
        assert_eq!(delay(Duration::ZERO, u64::MAX), Duration::ZERO);
        assert!(delay(Duration::MAX, u64::MAX) < Duration::MAX);
    }
}

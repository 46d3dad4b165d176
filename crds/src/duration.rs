//! Durations as Go writes them (`500us`, `1h30m`), and days (`7d`).
//!
//! One grammar serves the resources' schema, the manifests and the process's own settings, so that
//! a value that works in one place works in all. Negative durations have no meaning in any of them
//! and are refused.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the API server accepts, which is what [`GoDuration::from_str`] accepts.
///
/// Ten digits bound a part to 10^10 days, so that no sum of parts that fits in [`MAX_LEN`] can
/// overflow a signed 64-bit count of milliseconds.
pub const PATTERN: &str = r"^(0|(([0-9]{1,10}(\.[0-9]{0,9})?|\.[0-9]{1,9})(ns|us|µs|ms|s|m|h|d))+)$";
/// The longest text that is read as a duration, in characters.
pub const MAX_LEN: usize = 32;

const MAX_WHOLE_DIGITS: usize = 10;
const MAX_FRACTION_DIGITS: usize = 9;

/// Largest unit first, so that rendering takes each as often as it fits.
const UNITS: [(&str, u128); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// A length of time, never negative, exact to the nanosecond.
///
/// Reads Go's syntax with the units `ns`, `us`, `ms`, `s`, `m`, `h` and, beyond Go, `d` for 24
/// hours. Renders in the shortest form in which every part is a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(Duration);

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// A duration of so many microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// A duration of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A duration of so many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The same length as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whole milliseconds, cut off; saturates at [`i64::MAX`].
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whole milliseconds, if the duration is a whole number of them.
    pub fn exact_millis(self) -> Option<i64> {
        if !self.0.subsec_nanos().is_multiple_of(1_000_000) {
            return None;
        }
        i64::try_from(self.0.as_millis()).ok()
    }

    /// Whether this is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

/// Why a text is not a duration. The message names the text and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not Go's syntax.
    #[error(
        "\"{0}\" is not a duration: write numbers with units (ns, us, ms, s, m, h, d), such as \"500ms\" or \"1h30m\""
    )]
    Syntax(String),
    /// A number without its unit.
    #[error(
        "\"{0}\" has a number without a unit: write one of ns, us, ms, s, m, h, d after it, such as \"{0}s\""
    )]
    NoUnit(String),
    /// A unit that is none.
    #[error("\"{text}\" has the unit \"{unit}\", which is none of ns, us, ms, s, m, h, d")]
    Unit {
        /// The whole text.
        text: String,
        /// The part of it that should be a unit.
        unit: String,
    },
    /// Below zero.
    #[error("\"{0}\" is negative: durations are zero or more")]
    Negative(String),
    /// Too long to count, or to write.
    #[error(
        "\"{0}\" is too large: at most {MAX_WHOLE_DIGITS} digits a number, {MAX_FRACTION_DIGITS} after the point, {MAX_LEN} characters in all"
    )]
    TooLarge(String),
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('-') {
            return Err(DurationError::Negative(shortened(text)));
        }
        if text == "0" {
            return Ok(Self::ZERO);
        }
        if text.is_empty() {
            return Err(DurationError::Syntax(String::new()));
        }
        if text.chars().count() > MAX_LEN {
            return Err(DurationError::TooLarge(shortened(text)));
        }
        let mut nanos: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = parse_part(text, rest)?;
            nanos = nanos.saturating_add(part);
            rest = after;
        }
        let secs =
            u64::try_from(nanos / 1_000_000_000).map_err(|_| DurationError::TooLarge(shortened(text)))?;
        // The remainder is below 10^9 and so always fits.
        let subsec = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Ok(Self(Duration::new(secs, subsec)))
    }
}

/// Reads one number and its unit from the start of `rest`; gives its nanoseconds and what follows.
fn parse_part<'a>(text: &str, rest: &'a str) -> Result<(u128, &'a str), DurationError> {
    let (whole, rest) = split_digits(rest);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::Syntax(shortened(text)));
    }
    if whole.len() > MAX_WHOLE_DIGITS || fraction.len() > MAX_FRACTION_DIGITS {
        return Err(DurationError::TooLarge(shortened(text)));
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(end);
    if unit.is_empty() {
        return Err(DurationError::NoUnit(shortened(text)));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::Unit { text: shortened(text), unit: unit.to_owned() });
    };
    let mut nanos = number(whole).saturating_mul(*scale);
    // Digits beyond the nanosecond are cut off, as Go does.
    let divisor = fraction.bytes().fold(1u128, |d, _| d * 10);
    nanos = nanos.saturating_add(number(fraction).saturating_mul(*scale) / divisor);
    Ok((nanos, after))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The value of at most ten ASCII digits.
fn number(digits: &str) -> u128 {
    digits.bytes().fold(0, |n, digit| n * 10 + u128::from(digit - b'0'))
}

/// An error message quotes what was given, but not a megabyte of it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_LEN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        // Days are ours and not Go's: what we write, Go's parsers can read.
        for (unit, scale) in UNITS.iter().filter(|(unit, _)| !matches!(*unit, "d" | "µs")) {
            if nanos >= *scale {
                write!(f, "{}{unit}", nanos / scale)?;
                nanos %= scale;
            }
        }
        Ok(())
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": MAX_LEN, "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests;

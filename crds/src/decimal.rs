//! Decimal numbers that keep their digits: strings (`"0.8"`) or integers (`2`), never floats.
//!
//! A float that passes through YAML, JSON and an API server may come back as another number, so
//! the Kubernetes API conventions forbid them; the schema is an `IntOrString`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What the API server accepts of a string, which is what [`Decimal::from_str`] accepts.
pub const PATTERN: &str = r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$";
/// The largest magnitude: fifteen digits before the point.
const MAX_WHOLE: i64 = 999_999_999_999_999;
const SCALE: i128 = 1_000_000_000;

/// A decimal number with up to 15 digits before and 9 after the point, kept exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    /// The number times 10^9.
    nanos: i128,
}

impl Decimal {
    /// A whole number. Beyond 15 digits it is cut to the largest that fits.
    pub fn from_integer(whole: i64) -> Self {
        Self { nanos: i128::from(whole.clamp(-MAX_WHOLE, MAX_WHOLE)) * SCALE }
    }

    /// So many billionths.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos: nanos as i128 }
    }

    /// The nearest decimal. What is too large is cut to the largest that fits, and what is not a
    /// number is 0.
    pub fn from_f64(number: f64) -> Self {
        let bound = MAX_WHOLE as f64;
        let number = if number.is_nan() { 0.0 } else { number.clamp(-bound, bound) };
        // The whole and the fraction apart: their sum has more digits than a double.
        let fraction = (number.fract() * SCALE as f64).round() as i128;
        Self { nanos: number.trunc() as i128 * SCALE + fraction }
    }

    /// The nearest double, for the one place that calculates in floating point: the AIMD curve.
    ///
    /// Parsed from the digits, so that it is the same double that a literal in source would be.
    pub fn to_f64(self) -> f64 {
        // The rendered text is always a valid number.
        self.to_string().parse().unwrap_or(0.0)
    }
}

/// Why a text is not a decimal number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is not a decimal number: write up to 15 digits before and 9 after the point, such as \"0.8\""
)]
pub struct DecimalError(String);

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || DecimalError(text.chars().take(32).collect());
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(error()),
            None => (digits, ""),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 15
            || fraction.len() > 9
            || !all_digits(whole)
            || !all_digits(fraction)
        {
            return Err(error());
        }
        let nanos: i128 = format!("{whole}{fraction:0<9}").parse().map_err(|_| error())?;
        Ok(Self { nanos: if text.starts_with('-') { -nanos } else { nanos } })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nanos.unsigned_abs();
        let (whole, fraction) = (magnitude / SCALE.unsigned_abs(), magnitude % SCALE.unsigned_abs());
        let sign = if self.nanos < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:09}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum IntOrString<'a> {
            Int(i64),
            #[serde(borrow)]
            Text(Cow<'a, str>),
        }
        match IntOrString::deserialize(deserializer) {
            Ok(IntOrString::Int(whole)) if whole.unsigned_abs() <= MAX_WHOLE.unsigned_abs() => {
                Ok(Self::from_integer(whole))
            }
            Ok(IntOrString::Int(whole)) => Err(de::Error::custom(DecimalError(whole.to_string()))),
            Ok(IntOrString::Text(text)) => text.parse().map_err(de::Error::custom),
            Err(_) => {
                Err(de::Error::custom("expected a decimal number as a string (\"0.8\") or an integer (2)"))
            }
        }
    }
}

impl JsonSchema for Decimal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 26, "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_digits() {
        for text in ["0", "0.8", "-1.5", "123456789012345.123456789", "2"] {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        assert_eq!("0.50".parse::<Decimal>().unwrap().to_string(), "0.5");
        assert!((Decimal::from_nanos(800_000_000).to_f64() - 0.8).abs() < f64::EPSILON);
    }

    #[test]
    fn the_nearest_decimal_of_a_double() {
        for (number, text) in
            [(0.7, "0.7"), (1e300, "999999999999999"), (f64::NAN, "0"), (-1.5, "-1.5"), (1e-12, "0")]
        {
            assert_eq!(Decimal::from_f64(number).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in
            ["", "-", ".5", "5.", "1e3", "NaN", "inf", "0x1", "1,5", "1234567890123456", "0.1234567890"]
        {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn reads_integers_and_strings_but_no_floats() {
        assert_eq!(serde_json::from_str::<Decimal>("2").unwrap(), Decimal::from_integer(2));
        assert_eq!(serde_json::from_str::<Decimal>("\"0.8\"").unwrap(), Decimal::from_nanos(800_000_000));
        let error = serde_json::from_str::<Decimal>("0.8").unwrap_err().to_string();
        assert!(error.contains("as a string (\"0.8\")"), "{error}");
        assert!(serde_json::from_str::<Decimal>(&i64::MIN.to_string()).is_err());
    }

    #[test]
    fn the_pattern_and_the_parser_agree() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for text in [
            "0",
            "-0",
            "00.5",
            "1.",
            ".1",
            "-",
            "--1",
            "+1",
            "1.5",
            "1.5.5",
            " 1",
            "999999999999999.999999999",
        ] {
            assert_eq!(text.parse::<Decimal>().is_ok(), pattern.is_match(text), "{text}");
        }
    }
}

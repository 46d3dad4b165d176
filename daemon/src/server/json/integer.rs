//! Whole numbers in JSON's notation, exactly: `1e3` and `5.0` are whole, `1.5` is not, and none of
//! them passes through a float, which is exact up to 2^53 only.

use thiserror::Error;

/// Why a text is no 64-bit integer. The field and the value are added by whoever knows them.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum IntegerError {
    #[error("is not a number; give a whole number, bare or in quotes")]
    NotANumber,
    #[error("is not a whole number; leave out the fraction")]
    Fraction,
    #[error("is out of range; give a number from {} to {}", i64::MIN, i64::MAX)]
    OutOfRange,
}

/// Parses a number of JSON's grammar (no `+`, no leading zeros, no spaces) that stands for an integer.
pub(super) fn parse(text: &str) -> Result<i64, IntegerError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = split_digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(IntegerError::NotANumber);
    }
    if rest.is_empty() {
        return text.parse().map_err(|_| IntegerError::OutOfRange);
    }
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => match split_digits(rest) {
            ("", _) => return Err(IntegerError::NotANumber),
            parts => parts,
        },
        None => ("", rest),
    };
    let magnitude = scale(&[whole, fraction].concat(), parse_exponent(rest)? - length(fraction))?;
    let signed = if unsigned.len() < text.len() { -magnitude } else { magnitude };
    i64::try_from(signed).map_err(|_| IntegerError::OutOfRange)
}

/// `digits` times ten to the power of `exponent`, if that is whole.
fn scale(digits: &str, exponent: i64) -> Result<i128, IntegerError> {
    // More digits than any 64-bit integer has; keeps the product below within an i128.
    const MOST_DIGITS: i64 = 20;

    let significant = digits.trim_start_matches('0');
    let stem = significant.trim_end_matches('0');
    if stem.is_empty() {
        return Ok(0);
    }
    let zeros = exponent.saturating_add(length(significant) - length(stem));
    if zeros < 0 {
        return Err(IntegerError::Fraction);
    }
    if zeros.saturating_add(length(stem)) > MOST_DIGITS {
        return Err(IntegerError::OutOfRange);
    }
    let power = u32::try_from(zeros).ok().and_then(|zeros| 10_i128.checked_pow(zeros));
    let stem = stem.parse::<i128>().ok();
    stem.zip(power).and_then(|(stem, power)| stem.checked_mul(power)).ok_or(IntegerError::OutOfRange)
}

/// The exponent with its `e`, or nothing at all. One beyond reach is cut to a bound that is beyond
/// the reach of any body's digits too.
fn parse_exponent(text: &str) -> Result<i64, IntegerError> {
    const BOUND: i64 = i64::MAX / 4;

    if text.is_empty() {
        return Ok(0);
    }
    let signed = text.strip_prefix(['e', 'E']).ok_or(IntegerError::NotANumber)?;
    let negative = signed.starts_with('-');
    let (digits, rest) = split_digits(signed.strip_prefix(['+', '-']).unwrap_or(signed));
    if digits.is_empty() || !rest.is_empty() {
        return Err(IntegerError::NotANumber);
    }
    let size = digits.parse::<i64>().map_or(BOUND, |size| size.min(BOUND));
    Ok(if negative { -size } else { size })
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// No text is longer than an i64 can say, so the bound is never met.
fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_every_notation() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("17", 17),
            ("-17", -17),
            ("5.0", 5),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("0.5e1", 5),
            ("100e-2", 1),
            ("-1.50e2", -150),
            ("0.000", 0),
            ("0e-999999999999999999999", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9.223372036854775808e18", i64::MIN),
            ("922337203685477580700e-2", i64::MAX),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn fractions() {
        for text in
            ["1.5", "0.1", "15e-1", "1e-400", "1e-99999999999999999999", "4503599627370497.00000000001"]
        {
            assert_eq!(parse(text), Err(IntegerError::Fraction), "{text}");
        }
    }

    #[test]
    fn beyond_64_bits() {
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "9.3e18",
            "1e99999999999999999999",
            "123456789012345678901234567890",
            "99999999999999999999.0",
        ] {
            assert_eq!(parse(text), Err(IntegerError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn not_numbers() {
        for text in [
            "", "-", "+5", "007", "-01", "abc", "1.", ".5", "1e", "1e+", "1x", "0x10", " 1", "1 ", "1e5.0",
            "NaN", "٣",
        ] {
            assert_eq!(parse(text), Err(IntegerError::NotANumber), "{text}");
        }
    }
}

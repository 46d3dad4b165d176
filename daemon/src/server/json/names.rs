//! Enums by name: read from a name, a number, a quoted number and, for flags, names joined by `|`.

use std::fmt;

use thiserror::Error;

use super::integer::{self, IntegerError};

/// The names of one enum and what they stand for on the wire.
#[derive(Debug)]
pub(super) struct Names {
    values: &'static [(&'static str, i32)],
    /// Whether several may be given at once.
    flags: bool,
}

pub(super) const ALGORITHM: Names =
    Names { values: &[("TOKEN_BUCKET", 0), ("LEAKY_BUCKET", 1)], flags: false };

pub(super) const BEHAVIOR: Names = Names {
    values: &[
        ("BATCHING", 0),
        ("NO_BATCHING", 1),
        ("GLOBAL", 2),
        ("DURATION_IS_GREGORIAN", 4),
        ("RESET_REMAINING", 8),
        ("MULTI_REGION", 16),
        ("DRAIN_OVER_LIMIT", 32),
    ],
    flags: true,
};

/// Why a value is none of its enum. The field and the value are added by whoever knows them.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum NameError {
    #[error(transparent)]
    Number(IntegerError),
    #[error("is out of range; give a number from {} to {}", i32::MIN, i32::MAX)]
    OutOfRange,
    #[error("is not {0}")]
    Unknown(&'static Names),
}

impl Names {
    /// Parses what stands between quotes: a name or names, or a number, known or not.
    pub(super) fn parse_text(&'static self, text: &str) -> Result<i32, NameError> {
        match self.parse_number(text) {
            Err(NameError::Number(_)) => {}
            number => return number,
        }
        if !self.flags {
            return self.find(text);
        }
        text.split('|').try_fold(0, |flags, name| Ok(flags | self.find(name.trim_matches(' '))?))
    }

    /// Parses a bare number, known or not.
    pub(super) fn parse_number(&self, text: &str) -> Result<i32, NameError> {
        match integer::parse(text) {
            Ok(number) => i32::try_from(number).map_err(|_| NameError::OutOfRange),
            Err(IntegerError::OutOfRange) => Err(NameError::OutOfRange),
            Err(error) => Err(NameError::Number(error)),
        }
    }

    fn find(&'static self, text: &str) -> Result<i32, NameError> {
        let found = self.values.iter().find(|(name, _)| *name == text);
        found.map(|(_, number)| *number).ok_or(NameError::Unknown(self))
    }
}

/// What is allowed, to be read after "is not".
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.flags { "made of " } else { "one of " })?;
        for (i, (name, _)) in self.values.iter().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.flags {
            " joined by |; give such names or the sum of their numbers"
        } else {
            "; give such a name or its number"
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::gubernator::{Algorithm, Behavior};

    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for (name, number) in ALGORITHM.values {
            assert_eq!(Algorithm::from_str_name(name).map(i32::from), Some(*number));
        }
        for (name, number) in BEHAVIOR.values {
            assert_eq!(Behavior::from_str_name(name).map(i32::from), Some(*number));
        }
    }

    #[test]
    fn flags_are_joined() {
        assert_eq!(BEHAVIOR.parse_text("GLOBAL|DRAIN_OVER_LIMIT").unwrap(), 34);
        assert_eq!(BEHAVIOR.parse_text("GLOBAL | GLOBAL").unwrap(), 2);
        assert_eq!(BEHAVIOR.parse_text("36").unwrap(), 36);
        assert_eq!(BEHAVIOR.parse_text("-1").unwrap(), -1);
        assert!(matches!(BEHAVIOR.parse_text("2147483648"), Err(NameError::OutOfRange)));
        assert!(matches!(BEHAVIOR.parse_number("1e30"), Err(NameError::OutOfRange)));
        for text in ["", "|", "GLOBAL|", "global", "GLOBAL|FOO", "GLOBAL|32", "1.5"] {
            assert!(BEHAVIOR.parse_text(text).is_err(), "{text}");
        }
        assert!(ALGORITHM.parse_text("TOKEN_BUCKET|LEAKY_BUCKET").is_err());
    }

    #[test]
    fn the_error_lists_what_is_allowed() {
        assert_eq!(
            ALGORITHM.parse_text("FOO").unwrap_err().to_string(),
            "is not one of TOKEN_BUCKET, LEAKY_BUCKET; give such a name or its number"
        );
        let text = BEHAVIOR.parse_text("FOO").unwrap_err().to_string();
        assert!(text.contains("RESET_REMAINING, MULTI_REGION, DRAIN_OVER_LIMIT joined by |"), "{text}");
    }
}

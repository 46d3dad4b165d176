//! The flag set of a request, with the wire's numbers.

use std::ops::BitOr;

/// Behavior bits as the wire carries them. Bits that we do not know are kept and have no effect, so
/// that a newer client's request travels whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Behavior(i32);

impl Behavior {
    /// No flag: the owner decides, forwards are batched.
    pub const BATCHING: Self = Self(0);
    /// A forward goes to the owner in a call of its own.
    pub const NO_BATCHING: Self = Self(1);
    /// Any peer may answer from its copy; the owner hears of the hits later.
    pub const GLOBAL: Self = Self(2);
    /// `duration` is the code of a calendar interval ([`crate::Interval`]).
    pub const DURATION_IS_GREGORIAN: Self = Self(4);
    /// The bucket is made full again.
    pub const RESET_REMAINING: Self = Self(8);
    /// Hits are also told to the other regions.
    pub const MULTI_REGION: Self = Self(16);
    /// A refused request takes what is left.
    pub const DRAIN_OVER_LIMIT: Self = Self(32);

    /// From the number on the wire.
    #[must_use]
    pub const fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// The number on the wire, unknown bits included.
    #[must_use]
    pub const fn bits(self) -> i32 {
        self.0
    }

    /// Whether every flag of `flags` is set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These flags and those of `flags`.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// These flags but those of `flags`.
    #[must_use]
    pub const fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

impl BitOr for Behavior {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

//! Chance, for jitter and for names. Not for secrets.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Sixty-four random bits: SipHash of nothing, under keys that the system gave and that differ at
/// each call.
#[must_use]
pub fn bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bits_differ_and_fall_into_both_halves() {
        let drawn: HashSet<u64> = (0..256).map(|_| bits()).collect();
        assert_eq!(drawn.len(), 256);
        let high = drawn.iter().filter(|bits| **bits > u64::MAX / 2).count();
        assert!((64..192).contains(&high), "{high} of 256");
    }
}

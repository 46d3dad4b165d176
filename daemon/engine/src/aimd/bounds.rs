//! Between what a window may move, for a cluster and for one pod of it.

/// The widest window that can be counted.
pub const MAX_WINDOW: u32 = (1 << 21) - 1;

/// The narrowest and the widest that a window may be: 1 ≤ min ≤ max ≤ [`MAX_WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    min: u32,
    max: u32,
}

/// Why two numbers are no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundsError {
    /// A window that could close entirely would never open again.
    #[error("backpressure min window < 1: window.min is {0}; use at least 1")]
    Min(i64),
    /// Equal bounds are fine: the window is fixed.
    #[error("backpressure max window <= min window: window.max is {max}; use at least window.min, {min}")]
    Order {
        /// The minimum that was given.
        min: i64,
        /// The maximum that was given.
        max: i64,
    },
    /// Beyond what is counted.
    #[error("backpressure max window is {0}; use at most {MAX_WINDOW}")]
    Max(i64),
}

impl Bounds {
    /// Bounds, checked.
    ///
    /// # Errors
    /// [`BoundsError`] unless 1 ≤ `min` ≤ `max` ≤ [`MAX_WINDOW`].
    pub fn new(min: i64, max: i64) -> Result<Self, BoundsError> {
        if min < 1 {
            return Err(BoundsError::Min(min));
        }
        if max < min {
            return Err(BoundsError::Order { min, max });
        }
        match (u32::try_from(min), u32::try_from(max)) {
            (Ok(min), Ok(max)) if max <= MAX_WINDOW => Ok(Self { min, max }),
            _ => Err(BoundsError::Max(max)),
        }
    }

    /// The narrowest, at least 1.
    #[must_use]
    pub const fn min(self) -> u32 {
        self.min
    }

    /// The widest, at least [`Bounds::min`].
    #[must_use]
    pub const fn max(self) -> u32 {
        self.max
    }

    /// What one of `pods` pods holds of a cluster's bounds; `place` counts the pods from 0.
    ///
    /// The parts of all places sum up to the whole, and what does not divide goes to the first places.
    /// Where the whole is less than one for each pod every pod still has 1, since a pod that admits
    /// nothing would fail the callers that reach it: then the sum is the number of pods.
    #[must_use]
    pub fn part(self, pods: u32, place: u32) -> Self {
        let pods = pods.max(1);
        let part = |whole: u32| (whole / pods + u32::from(place < whole % pods)).max(1);
        Self { min: part(self.min), max: part(self.max) }
    }

    /// The nearest width within the bounds.
    #[must_use]
    pub(super) fn clamp(self, width: u32) -> u32 {
        width.clamp(self.min, self.max)
    }

    /// The widest that `allowance`, from 0 to 1, leaves of the maximum: cut off, not rounded, and never
    /// less than the minimum. What is not a number leaves the minimum.
    #[must_use]
    pub(super) fn cap(self, allowance: f64) -> u32 {
        // A cast from a float saturates, and makes 0 of NaN.
        self.clamp((f64::from(self.max) * allowance) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_cannot_be_are_refused_by_name() {
        let text = |min, max| Bounds::new(min, max).unwrap_err().to_string();
        assert_eq!(text(0, 5), "backpressure min window < 1: window.min is 0; use at least 1");
        assert_eq!(
            text(9, 8),
            "backpressure max window <= min window: window.max is 8; use at least window.min, 9"
        );
        assert_eq!(text(1, 1 << 40), "backpressure max window is 1099511627776; use at most 2097151");
        assert!(Bounds::new(9, 9).is_ok());
        assert!(Bounds::new(1, i64::from(MAX_WINDOW)).is_ok());
    }

    #[test]
    fn the_parts_of_all_pods_are_the_whole() {
        let whole = Bounds::new(10, 200).unwrap();
        for pods in 1..=10 {
            let parts: Vec<_> = (0..pods).map(|place| whole.part(pods, place)).collect();
            assert_eq!(parts.iter().map(|part| part.min()).sum::<u32>(), 10);
            assert_eq!(parts.iter().map(|part| part.max()).sum::<u32>(), 200);
            assert!(parts.iter().all(|part| part.min() <= part.max()));
        }
        assert_eq!(whole.part(0, 0), whole);
    }

    #[test]
    fn every_pod_has_at_least_one() {
        let whole = Bounds::new(2, 3).unwrap();
        let parts: Vec<_> =
            (0..5).map(|place| whole.part(5, place)).map(|part| (part.min, part.max)).collect();
        assert_eq!(parts, [(1, 1); 5]);
    }
}

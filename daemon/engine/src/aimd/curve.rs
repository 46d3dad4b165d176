//! From a signal's value to the share of the window that it leaves.
//!
//! Here is the engine's floating point: the curve's golden vectors are those of 64-bit floats, to the
//! last bit, so the order of operations matters.

/// The curve where none is given.
pub const DEFAULT_CURVE: f64 = 4.0;

/// What the signals of a policy say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pressure {
    /// Share of the widest window that may be open, from 0 to 1.
    pub allowance: f64,
    /// Whether any signal is above its warning.
    pub firing: bool,
}

impl Pressure {
    /// All is well, or nothing is known.
    pub const NONE: Self = Self { allowance: 1.0, firing: false };

    /// Whether requests are held back at all.
    #[must_use]
    pub fn is_throttling(self) -> bool {
        self.firing || self.allowance.total_cmp(&1.0).is_ne()
    }
}

/// Where a signal begins to close the window, where it has closed it, and how steeply in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    warning: f64,
    emergency: f64,
    curve: f64,
}

/// Why three numbers are no thresholds.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ThresholdError {
    /// A negative curve would close the window the more the less the backend suffers.
    #[error("throttle curve cannot be negative: curve is {0}; use 0 for {DEFAULT_CURVE}, or more")]
    Curve(f64),
    /// Values below zero are refused, so a threshold there means nothing.
    #[error(
        "backpressure query thresholds cannot be negative: warning is {warning}, emergency is {emergency}; use 0 or more"
    )]
    Negative {
        /// The warning that was given.
        warning: f64,
        /// The emergency that was given.
        emergency: f64,
    },
    /// Nothing lies between them.
    #[error(
        "emergency threshold must be > warn threshold: warning is {warning}, emergency is {emergency}; raise emergency"
    )]
    Order {
        /// The warning that was given.
        warning: f64,
        /// The emergency that was given.
        emergency: f64,
    },
    /// Infinite, or no number.
    #[error("{field} is {value}; use a finite number")]
    NotFinite {
        /// Which of the three.
        field: &'static str,
        /// What was given.
        value: f64,
    },
}

impl Thresholds {
    /// Thresholds, checked; a `curve` of 0 is [`DEFAULT_CURVE`].
    ///
    /// # Errors
    /// [`ThresholdError`] unless all are finite, 0 ≤ `warning` < `emergency` and 0 ≤ `curve`.
    pub fn new(warning: f64, emergency: f64, curve: f64) -> Result<Self, ThresholdError> {
        for (field, value) in [("curve", curve), ("warning", warning), ("emergency", emergency)] {
            if !value.is_finite() {
                return Err(ThresholdError::NotFinite { field, value });
            }
        }
        if curve < 0.0 {
            return Err(ThresholdError::Curve(curve));
        }
        if warning < 0.0 || emergency < 0.0 {
            return Err(ThresholdError::Negative { warning, emergency });
        }
        if emergency <= warning {
            return Err(ThresholdError::Order { warning, emergency });
        }
        Ok(Self { warning, emergency, curve: if curve > 0.0 { curve } else { DEFAULT_CURVE } })
    }

    /// The value above which the window closes.
    #[must_use]
    pub const fn warning(self) -> f64 {
        self.warning
    }

    /// The value at which it is closed as far as it goes.
    #[must_use]
    pub const fn emergency(self) -> f64 {
        self.emergency
    }

    /// Whether a value is above the warning; what is not a number is.
    #[must_use]
    pub fn fires(self, value: f64) -> bool {
        value.is_nan() || value > self.warning
    }

    /// Share of the window that a value takes away, from 0 to 1; what is not a number takes all.
    #[must_use]
    pub fn throttle(self, value: f64) -> f64 {
        if value <= self.warning {
            return 0.0;
        }
        if value >= self.emergency || value.is_nan() {
            return 1.0;
        }
        let load = (value - self.warning) / (self.emergency - self.warning);
        1.0 - (-self.curve * load).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_that_cannot_be_are_refused_by_name() {
        let text =
            |warning, emergency, curve| Thresholds::new(warning, emergency, curve).unwrap_err().to_string();
        assert!(text(1.0, 2.0, -1.0).starts_with("throttle curve cannot be negative: curve is -1;"));
        assert!(text(-1.0, 2.0, 0.0).starts_with("backpressure query thresholds cannot be negative: "));
        assert!(text(2.0, 2.0, 0.0).starts_with("emergency threshold must be > warn threshold: "));
        assert_eq!(text(f64::NAN, 2.0, 0.0), "warning is NaN; use a finite number");
        assert_eq!(text(0.0, f64::INFINITY, 0.0), "emergency is inf; use a finite number");
        assert_eq!(text(0.0, 1.0, f64::INFINITY), "curve is inf; use a finite number");
        assert_eq!(Thresholds::new(1.0, 2.0, 0.0), Thresholds::new(1.0, 2.0, 4.0));
    }

    #[test]
    fn what_is_not_a_number_closes_the_window() {
        let thresholds = Thresholds::new(10.0, 100.0, 4.0).unwrap();
        assert!(thresholds.fires(f64::NAN));
        assert_eq!(thresholds.throttle(f64::NAN), 1.0);
        assert_eq!(thresholds.throttle(f64::INFINITY), 1.0);
        assert_eq!(thresholds.throttle(f64::NEG_INFINITY), 0.0);
    }

    #[test]
    fn allowance_by_load_and_curve_is_as_published() {
        let loads = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9];
        let table = [
            (1.0, [0.951, 0.905, 0.779, 0.607, 0.472, 0.407], 5e-4),
            (2.0, [0.905, 0.819, 0.607, 0.368, 0.223, 0.165], 5e-4),
            (4.0, [0.819, 0.670, 0.368, 0.135, 0.050, 0.027], 5e-4),
            (8.0, [0.670, 0.449, 0.135, 0.018, 0.0025, 0.0007], 5e-4),
        ];
        for (curve, allowances, tolerance) in table {
            let thresholds = Thresholds::new(0.0, 1.0, curve).unwrap();
            for (load, allowance) in loads.into_iter().zip(allowances) {
                let found: f64 = 1.0 - thresholds.throttle(load);
                assert!((found - allowance).abs() < tolerance, "curve {curve}, load {load}: {found}");
            }
        }
    }
}

//! Which requests are refused first: classes, and how full the window may be for each.

/// How much is lost with a request, from the most to the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Criticality {
    /// Users see its loss at once; it is never delayed.
    CriticalPlus,
    /// A production service's, and what does not say.
    #[default]
    Critical,
    /// May fail in part.
    SheddablePlus,
    /// May fail often.
    Sheddable,
}

impl Criticality {
    /// From the value of the header `X-Request-Criticality`, case-sensitive. No value and an unknown
    /// one are `CRITICAL`.
    #[must_use]
    pub fn from_header(value: Option<&[u8]>) -> Self {
        match value {
            Some(b"CRITICAL_PLUS") => Self::CriticalPlus,
            Some(b"SHEDDABLE_PLUS") => Self::SheddablePlus,
            Some(b"SHEDDABLE") => Self::Sheddable,
            _ => Self::Critical,
        }
    }

    /// As the header has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CriticalPlus => "CRITICAL_PLUS",
            Self::Critical => "CRITICAL",
            Self::SheddablePlus => "SHEDDABLE_PLUS",
            Self::Sheddable => "SHEDDABLE",
        }
    }
}

/// Percent of the window that may be full, with requests of all classes, for a request of each class
/// still to enter. What is left above a class's share is kept for the classes with a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// For [`Criticality::CriticalPlus`].
    pub critical_plus: u8,
    /// For [`Criticality::Critical`].
    pub critical: u8,
    /// For [`Criticality::SheddablePlus`].
    pub sheddable_plus: u8,
    /// For [`Criticality::Sheddable`].
    pub sheddable: u8,
}

impl Default for Shares {
    /// Every class may fill all of the window.
    fn default() -> Self {
        Self { critical_plus: 100, critical: 100, sheddable_plus: 100, sheddable: 100 }
    }
}

impl Shares {
    /// All four in one word, so that they are read and changed as one.
    pub(super) const fn pack(self) -> u32 {
        u32::from_be_bytes([self.critical_plus, self.critical, self.sheddable_plus, self.sheddable])
    }

    /// How many may be in flight at most once a request of `class` has entered a window of this width:
    /// rounded up, so that any share above 0 lets one in; more than 100 percent is all.
    pub(super) fn allowed(packed: u32, class: Criticality, window: u32) -> u32 {
        let [critical_plus, critical, sheddable_plus, sheddable] = packed.to_be_bytes();
        let percent = match class {
            Criticality::CriticalPlus => critical_plus,
            Criticality::Critical => critical,
            Criticality::SheddablePlus => sheddable_plus,
            Criticality::Sheddable => sheddable,
        };
        if percent >= 100 {
            return window;
        }
        // 21 bits times 7 fit.
        (window * u32::from(percent)).div_ceil(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_critical() {
        let classes = [
            Criticality::CriticalPlus,
            Criticality::Critical,
            Criticality::SheddablePlus,
            Criticality::Sheddable,
        ];
        for class in classes {
            assert_eq!(Criticality::from_header(Some(class.as_str().as_bytes())), class);
        }
        for other in [None, Some(&b""[..]), Some(b"critical_plus"), Some(b"\xff")] {
            assert_eq!(Criticality::from_header(other), Criticality::Critical);
        }
    }

    #[test]
    fn shares_are_rounded_up_and_end_at_the_window() {
        let shares = Shares { critical_plus: 255, critical: 100, sheddable_plus: 50, sheddable: 0 }.pack();
        let allowed = |class, window| Shares::allowed(shares, class, window);
        for window in [1, 3, 100, super::super::MAX_WINDOW] {
            assert_eq!(allowed(Criticality::CriticalPlus, window), window);
            assert_eq!(allowed(Criticality::Critical, window), window);
            assert_eq!(allowed(Criticality::SheddablePlus, window), window.div_ceil(2));
            assert_eq!(allowed(Criticality::Sheddable, window), 0);
        }
    }
}

//! What a batch did, counted on the side and told to the metrics once.

use crate::metrics::Metrics;

/// Counts of one batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) decided: u64,
    pub(super) over_limit: u64,
    pub(super) clamped: u64,
    pub(super) invalid: u64,
    pub(super) unknown_algorithm: u64,
    pub(super) token_bucket: u64,
    pub(super) leaky_bucket: u64,
}

impl Tally {
    pub(super) fn tell(&self, metrics: &Metrics) {
        let errors = &metrics.errors;
        for (count, counter) in [
            (self.decided, &metrics.checks_local),
            (self.over_limit, &metrics.over_limit),
            (self.clamped, &metrics.clock_clamps),
            (self.invalid, &errors.invalid_request),
            (self.unknown_algorithm, &errors.invalid_algorithm),
            (self.token_bucket, &errors.token_bucket),
            (self.leaky_bucket, &errors.leaky_bucket),
        ] {
            // Most are 0, and an atomic addition is not free.
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

//! Sets up Wicketgate on Kubernetes: what `wicketgate-operator` is made of.

pub mod backoff;
pub mod clock;
pub mod events;
pub mod metrics;
pub mod random;
pub mod reports;

//! Sets up Wicketgate on Kubernetes: what `wicketgate-operator` is made of.

pub mod backoff;
pub mod clock;
pub mod cluster;
pub mod events;
pub mod metrics;
pub mod names;
pub mod random;
pub mod reports;

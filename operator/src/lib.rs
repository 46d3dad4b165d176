//! Sets up Wicketgate on Kubernetes: what `wicketgate-operator` is made of.

pub mod admin;
pub mod api;
pub mod args;
pub mod backoff;
pub mod board;
pub mod cache;
pub mod causes;
pub mod clock;
pub mod cluster;
pub mod concerns;
pub mod conditions;
pub mod context;
pub mod control;
pub mod declared;
pub mod events;
pub mod fingerprint;
pub mod first_cluster;
pub mod lease;
pub mod ledger;
pub mod limit;
pub mod metrics;
pub mod names;
pub mod policy;
pub mod random;
pub mod reports;
pub mod run;
pub mod status;
pub mod telemetry;
pub mod wake;
pub mod watch;

#[cfg(test)]
mod scenario;

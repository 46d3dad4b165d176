//! What the operator counts. One registry; handles are resolved by enums and words of this program,
//! so that no label holds what somebody else can make.

mod docs;
mod families;
mod reconcile;
mod request;

use std::time::Duration;

use prometheus::{Encoder as _, IntCounter, IntGauge, Registry, TextEncoder};
use tokio::time::Instant;

pub use self::{
    docs::render_docs,
    reconcile::{Outcome, Reconcile},
    request::{Code, RequestKind, Verb},
};
use self::{families::Families, reconcile::Running};

/// Type of what [`Metrics::render`] gives, for the `Content-Type` header.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// What is reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RateLimitCluster
    Cluster,
    /// RateLimit
    Limit,
    /// BackpressurePolicy
    Policy,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Limit, Self::Policy];

    /// The kind as Kubernetes has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "RateLimitCluster",
            Self::Limit => "RateLimit",
            Self::Policy => "BackpressurePolicy",
        }
    }
}

/// The operator's metrics. Clones count into the same place.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    running: Running,
}

impl Metrics {
    /// A registry with everything in it, at zero.
    ///
    /// # Errors
    /// Where two metrics have one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        Ok(Self { registry, families, running: Running::default() })
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// Where a metric cannot be written down, which would be a fault of ours.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// Shows `process_*` from now on: memory, CPU, descriptors, threads.
    ///
    /// # Errors
    /// Where they are shown already.
    #[cfg(target_os = "linux")]
    pub fn watch_process(&self) -> Result<(), prometheus::Error> {
        use prometheus::process_collector::ProcessCollector;
        self.registry.register(Box::new(ProcessCollector::for_self()))
    }

    /// Elsewhere than on Linux there is nothing to show.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Linux")]
    pub fn watch_process(&self) -> Result<(), prometheus::Error> {
        Ok(())
    }

    /// Begins to measure a reconcile of an object of `kind`; [`Reconcile::end`] says how it went.
    pub fn reconcile(&self, kind: Kind) -> Reconcile {
        Reconcile::begin(&self.families, &self.running, kind)
    }

    /// The reconcile that has run for longest at `now`, and for how long.
    #[must_use]
    pub fn oldest_reconcile(&self, now: Instant) -> Option<(Kind, Duration)> {
        self.running.oldest(now)
    }

    /// Objects of `kind` that wait to be reconciled; for whoever keeps the queue to set.
    #[must_use]
    pub fn queue_depth(&self, kind: Kind) -> IntGauge {
        self.families.queue.with_label_values(&[kind.as_str()])
    }

    /// Counts what went wrong in a reconcile. `reason` is a word of this program, never a text from
    /// elsewhere.
    pub fn reconcile_failed(&self, kind: Kind, reason: &'static str) {
        self.families.errors.with_label_values(&[kind.as_str(), reason]).inc();
    }

    /// Counts a watch that ended with an error and is begun again. `resource` as in the API's paths.
    pub fn watch_restarted(&self, resource: &'static str) {
        self.families.watch_restarts.with_label_values(&[resource]).inc();
    }

    /// Counts a request to the API server.
    pub fn api_request(&self, kind: &RequestKind, code: Code) {
        let code = code.to_string();
        self.families
            .requests
            .with_label_values(&[kind.verb.as_str(), kind.resource.as_str(), code.as_str()])
            .inc();
    }

    /// Whether this process leads: 1 or 0.
    #[must_use]
    pub const fn leader(&self) -> &IntGauge {
        &self.families.leader
    }

    /// Pods whose reports are current.
    #[must_use]
    pub const fn pods_heard(&self) -> &IntGauge {
        &self.families.pods_heard
    }

    /// Streams of reports that ended or fell silent.
    #[must_use]
    pub const fn reports_lost(&self) -> &IntCounter {
        &self.families.reports_lost
    }

    /// Counts an Event by its reason, a word of this program.
    pub fn event(&self, reason: &'static str) {
        self.families.events.with_label_values(&[reason]).inc();
    }

    /// Events that were not published: too many waited, or the API server did not take them.
    #[must_use]
    pub const fn events_lost(&self) -> &IntCounter {
        &self.families.events_lost
    }
}

#[cfg(test)]
mod tests;

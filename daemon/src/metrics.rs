//! What a node counts, under the ancestor's names where it has them.
//!
//! Every node has a registry of its own, since one process may run several. Handles are resolved once
//! and cloned, so that the request path looks up no label: a batch adds its sums with one
//! `inc_by(n)` a counter. Labels never hold what a caller can make.

mod docs;
mod families;
mod peer;
mod proxy;
mod signals;
mod table;
mod watch;

use std::time::Duration;

use prometheus::{Encoder as _, Histogram, IntCounter, IntGauge, Registry, TextEncoder};

pub use self::{
    docs::render_docs,
    peer::PeerMetrics,
    proxy::{OwnMetrics, PolicyMetrics, ProxyFamilies, RouteMetrics},
    signals::{PolicyLabel, SignalCollector, SignalReading},
    table::TableReading,
    watch::{DocumentOrigin, WatchMetrics},
};
use self::{families::Families, peer::PeerFamilies, watch::WatchFamilies};

/// Type of what [`Metrics::render`] gives, for the `Content-Type` header.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The handles of one node. Clones count into the same place.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// Items decided by this node as their owner.
    pub checks_local: IntCounter,
    /// Items answered from this node's copy of a GLOBAL bucket.
    pub checks_global: IntCounter,
    /// Items this node refused as their owner.
    pub over_limit: IntCounter,
    /// GetRateLimits calls in flight.
    pub concurrent_checks: IntGauge,
    /// What went wrong with items and calls.
    pub errors: CheckErrors,
    /// How long rooms of the house took.
    pub durations: Durations,
    /// Calls by method.
    pub grpc: GrpcMethods,
    /// Items received in UpdatePeerGlobals.
    pub update_peer_globals: IntCounter,
    /// Answers to `GET /metrics`.
    pub scrapes: Scrapes,
    /// `created_at` values moved to the edge of the allowed skew.
    pub clock_clamps: IntCounter,
    /// RateLimits in force.
    pub declared_limits: IntGauge,
    /// Peers on the ring, this node included.
    pub peers: IntGauge,
    /// Changes of the ring's members after the first ring.
    pub ring_changes: IntCounter,
    /// When the ring's members last changed, in seconds of the Unix epoch; 0 for never.
    pub ring_changed_at: IntGauge,
    /// Answers of discovery without any member, where the ring stayed as it was.
    pub rings_kept: IntCounter,
    /// Configurations taken into force after the first.
    pub reloads_succeeded: IntCounter,
    /// Configurations refused, the old one staying in force.
    pub reloads_failed: IntCounter,
    /// What the proxy counts.
    pub proxy: ProxyFamilies,
    families: Families,
    peer_families: PeerFamilies,
    watch_families: WatchFamilies,
}

/// `gubernator_check_error_counter`, one handle for each `error`.
#[derive(Clone, Debug)]
pub struct CheckErrors {
    /// More than 1,000 items.
    pub request_too_large: IntCounter,
    /// An item whose fields are refused.
    pub invalid_request: IntCounter,
    /// The caller's deadline passed.
    pub timeout: IntCounter,
    /// The owner did not answer in time.
    pub timeout_forwarding: IntCounter,
    /// The owner could not be reached.
    pub peer_not_connected: IntCounter,
    /// The owner answered with another number of items.
    pub item_mismatch: IntCounter,
    /// An algorithm without a name.
    pub invalid_algorithm: IntCounter,
    /// A token bucket's window that is no calendar interval.
    pub token_bucket: IntCounter,
    /// A leaky bucket's window that is no calendar interval.
    pub leaky_bucket: IntCounter,
}

/// `gubernator_func_duration`, one handle for each `name`, in seconds.
#[derive(Clone, Debug)]
pub struct Durations {
    /// A whole GetRateLimits call.
    pub get_rate_limits: Histogram,
    /// A whole GetPeerRateLimits call, at the owner.
    pub get_peer_rate_limits: Histogram,
    /// A whole UpdatePeerGlobals call.
    pub update_peer_globals: Histogram,
    /// A forwarded item, from the queue to its answer.
    pub async_request: Histogram,
    /// A forwarded batch, from its call to its answer.
    pub send_batch: Histogram,
}

/// `gubernator_grpc_request_*`, one handle for each `method`.
#[derive(Clone, Debug)]
pub struct GrpcMethods {
    /// `/pb.gubernator.V1/GetRateLimits`
    pub get_rate_limits: GrpcMethod,
    /// `/pb.gubernator.V1/HealthCheck`
    pub health_check: GrpcMethod,
    /// `/pb.gubernator.V1/LiveCheck`
    pub live_check: GrpcMethod,
    /// `/pb.gubernator.PeersV1/GetPeerRateLimits`
    pub get_peer_rate_limits: GrpcMethod,
    /// `/pb.gubernator.PeersV1/UpdatePeerGlobals`
    pub update_peer_globals: GrpcMethod,
}

/// One method's calls.
#[derive(Clone, Debug)]
pub struct GrpcMethod {
    /// Calls answered with OK.
    pub success: IntCounter,
    /// Calls answered with any other status.
    pub failed: IntCounter,
    /// How long calls took, in seconds.
    pub duration: Histogram,
}

impl GrpcMethod {
    /// Counts one call.
    pub fn record(&self, success: bool, took: Duration) {
        if success { &self.success } else { &self.failed }.inc();
        self.duration.observe(took.as_secs_f64());
    }
}

/// `promhttp_metric_handler_requests_*`.
#[derive(Clone, Debug)]
pub struct Scrapes {
    /// Being answered.
    pub in_flight: IntGauge,
    /// Answered with 200.
    pub ok: IntCounter,
    /// Answered with 500.
    pub failed: IntCounter,
}

impl Metrics {
    /// A registry with everything in it, at zero.
    ///
    /// # Errors
    /// Where two metrics have one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        let peer_families = PeerFamilies::register(&registry)?;
        let watch_families = WatchFamilies::register(&registry)?;
        let proxy = ProxyFamilies::register(&registry)?;
        Ok(families.resolve(registry, peer_families, watch_families, proxy))
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

    /// Shows a table's figures from now on; `read` is called at each scrape.
    ///
    /// # Errors
    /// Where one is shown already.
    pub fn watch_table(
        &self,
        read: impl Fn() -> TableReading + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(table::TableCollector::new(read)?))
    }

    /// Shows signals from now on; `read` is called at each scrape.
    ///
    /// # Errors
    /// Where they are shown already.
    pub fn watch_signals(
        &self,
        label: PolicyLabel,
        read: impl Fn() -> Vec<SignalReading> + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(signals::SignalCollector::new(label, read)?))
    }

    /// Shows `gubernator_process_*` from now on (`os` in `GUBER_METRIC_FLAGS`).
    ///
    /// # Errors
    /// Where they are shown already.
    #[cfg(target_os = "linux")]
    pub fn watch_process(&self) -> Result<(), prometheus::Error> {
        use prometheus::process_collector::ProcessCollector;
        let process = i32::try_from(std::process::id())
            .map_err(|_| prometheus::Error::Msg("the process id is out of bounds".to_owned()))?;
        self.registry.register(Box::new(ProcessCollector::new(process, "gubernator")))
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

    /// The handles of one peer, by its advertise address.
    #[must_use]
    pub fn peer(&self, advertise: &str) -> PeerMetrics {
        self.peer_families.of(advertise, &self.durations.send_batch)
    }

    /// Stops showing a peer that has left the ring.
    pub fn forget_peer(&self, advertise: &str) {
        self.peer_families.forget(advertise);
    }

    /// The counter of refusals that an audited RateLimit would have made. Only for names that are
    /// declared: a name out of a request would let callers make metrics.
    #[must_use]
    pub fn audit_over_limit(&self, declared_name: &str) -> IntCounter {
        self.families.audit.with_label_values(&[declared_name])
    }

    /// Stops showing a RateLimit that is no longer declared, or no longer audited.
    pub fn forget_audit(&self, declared_name: &str) {
        // It may never have been shown.
        let _ = self.families.audit.remove_label_values(&[declared_name]);
    }

    /// The handles of watches of one kind of object, by its plural in the API.
    #[must_use]
    pub fn watch(&self, resource: &str) -> WatchMetrics {
        self.watch_families.of(resource)
    }

    /// Shows where the document in force came from.
    pub fn set_document_origin(&self, origin: DocumentOrigin) {
        self.watch_families.set_origin(origin);
    }

    /// Shows the revision of the document in force, in place of the one before.
    pub fn set_document_revision(&self, revision: &str) {
        self.families.revision.reset();
        self.families.revision.with_label_values(&[revision]).set(1);
    }
}

#[cfg(test)]
mod tests;

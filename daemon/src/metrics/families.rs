//! The metrics without peers and table, and how they become handles.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use super::{
    CheckErrors, Durations, GrpcMethod, GrpcMethods, Metrics, PeerFamilies, ProxyFamilies, Scrapes,
    WatchFamilies,
};

/// Upper bounds in seconds: 25 µs, a decision of one item in memory, to 10 s, beyond every timeout.
pub(super) const SECONDS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0,
];

/// Families whose children are resolved once, or are made while running.
#[derive(Clone, Debug)]
pub(super) struct Families {
    checks: IntCounterVec,
    over_limit: IntCounter,
    concurrent_checks: IntGauge,
    errors: IntCounterVec,
    durations: HistogramVec,
    grpc_counts: IntCounterVec,
    grpc_durations: HistogramVec,
    update_peer_globals: IntCounter,
    scrapes_in_flight: IntGauge,
    scrapes: IntCounterVec,
    clock_clamps: IntCounter,
    declared_limits: IntGauge,
    peers: IntGauge,
    ring_changes: IntCounter,
    ring_changed_at: IntGauge,
    rings_kept: IntCounter,
    reloads: IntCounterVec,
    pub(super) audit: IntCounterVec,
    pub(super) revision: IntGaugeVec,
}

impl Families {
    pub(super) fn register(to: &Registry) -> Result<Self, prometheus::Error> {
        let build = gauges(to, "wicketgate_build_info", "Always 1; the version is in the label.", "version")?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            checks: counters(
                to,
                "gubernator_getratelimit_counter",
                "Items decided: local as their owner, global from this node's copy of a GLOBAL bucket.",
                "calltype",
            )?,
            over_limit: counter(
                to,
                "gubernator_over_limit_counter",
                "Items refused by this node as their owner.",
            )?,
            concurrent_checks: gauge(
                to,
                "gubernator_concurrent_checks_counter",
                "GetRateLimits calls in flight.",
            )?,
            errors: counters(
                to,
                "gubernator_check_error_counter",
                "Items and calls that got an error.",
                "error",
            )?,
            durations: histograms(
                to,
                "gubernator_func_duration",
                "Seconds that the named step took.",
                "name",
            )?,
            grpc_counts: added(
                to,
                IntCounterVec::new(
                    Opts::new("gubernator_grpc_request_counts", "gRPC calls answered, OK or not."),
                    &["status", "method"],
                )?,
            )?,
            grpc_durations: histograms(
                to,
                "gubernator_grpc_request_duration",
                "Seconds that a gRPC call took.",
                "method",
            )?,
            update_peer_globals: counter(
                to,
                "gubernator_updatepeerglobals_counter",
                "Items received in UpdatePeerGlobals.",
            )?,
            scrapes_in_flight: gauge(
                to,
                "promhttp_metric_handler_requests_in_flight",
                "Scrapes being answered.",
            )?,
            scrapes: counters(
                to,
                "promhttp_metric_handler_requests_total",
                "Scrapes answered, by HTTP status.",
                "code",
            )?,
            clock_clamps: counter(
                to,
                "wicketgate_clock_clamps_total",
                "Items whose created_at lay beyond WICKETGATE_MAX_CLOCK_SKEW and was moved to that bound.",
            )?,
            declared_limits: gauge(to, "wicketgate_declared_limits", "RateLimits in force.")?,
            peers: gauge(to, "wicketgate_peers", "Nodes on the ring, this one included.")?,
            ring_changes: counter(
                to,
                "wicketgate_discovery_changes_total",
                "Rings that discovery has put in force.",
            )?,
            ring_changed_at: gauge(
                to,
                "wicketgate_discovery_last_change_timestamp_seconds",
                "When discovery last put a ring in force; 0 where it never did.",
            )?,
            rings_kept: counter(
                to,
                "wicketgate_discovery_empty_total",
                "Answers of discovery that named no node at all, so that the ring before was kept.",
            )?,
            reloads: counters(
                to,
                "wicketgate_config_reloads_total",
                "Configurations read after the first: taken into force, or refused with the old one kept.",
                "result",
            )?,
            audit: counters(
                to,
                "wicketgate_audit_over_limit_total",
                "Items that a RateLimit with enforcement Audit would have refused, by its declared name.",
                "limit",
            )?,
            revision: gauges(
                to,
                "wicketgate_document_revision_info",
                "Always 1; the revision in force is in the label.",
                "revision",
            )?,
        })
    }

    /// Resolves every child that is known beforehand, so that it is shown from the start.
    pub(super) fn resolve(
        self,
        registry: Registry,
        peer_families: PeerFamilies,
        watch_families: WatchFamilies,
        proxy: ProxyFamilies,
    ) -> Metrics {
        let error = |error: &str| self.errors.with_label_values(&[error]);
        let duration = |name: &str| self.durations.with_label_values(&[name]);
        let method = |method: &str| GrpcMethod {
            success: self.grpc_counts.with_label_values(&["success", method]),
            failed: self.grpc_counts.with_label_values(&["failed", method]),
            duration: self.grpc_durations.with_label_values(&[method]),
        };
        let scraped = |code: &str| self.scrapes.with_label_values(&[code]);
        Metrics {
            registry,
            checks_local: self.checks.with_label_values(&["local"]),
            checks_global: self.checks.with_label_values(&["global"]),
            over_limit: self.over_limit.clone(),
            concurrent_checks: self.concurrent_checks.clone(),
            errors: CheckErrors {
                request_too_large: error("Request too large"),
                invalid_request: error("Invalid request"),
                timeout: error("Timeout"),
                timeout_forwarding: error("Timeout forwarding to peer"),
                peer_not_connected: error("Peer not connected"),
                item_mismatch: error("Item mismatch"),
                invalid_algorithm: error("Invalid algorithm"),
                token_bucket: error("Error in tokenBucket"),
                leaky_bucket: error("Error in leakyBucket"),
            },
            durations: Durations {
                get_rate_limits: duration("V1Instance.GetRateLimits"),
                get_peer_rate_limits: duration("V1Instance.GetPeerRateLimits"),
                update_peer_globals: duration("V1Instance.UpdatePeerGlobals"),
                async_request: duration("V1Instance.asyncRequest"),
                send_batch: duration("PeerClient.sendBatch"),
            },
            grpc: GrpcMethods {
                get_rate_limits: method("/pb.gubernator.V1/GetRateLimits"),
                health_check: method("/pb.gubernator.V1/HealthCheck"),
                live_check: method("/pb.gubernator.V1/LiveCheck"),
                get_peer_rate_limits: method("/pb.gubernator.PeersV1/GetPeerRateLimits"),
                update_peer_globals: method("/pb.gubernator.PeersV1/UpdatePeerGlobals"),
            },
            update_peer_globals: self.update_peer_globals.clone(),
            scrapes: Scrapes {
                in_flight: self.scrapes_in_flight.clone(),
                ok: scraped("200"),
                failed: scraped("500"),
            },
            clock_clamps: self.clock_clamps.clone(),
            declared_limits: self.declared_limits.clone(),
            peers: self.peers.clone(),
            ring_changes: self.ring_changes.clone(),
            ring_changed_at: self.ring_changed_at.clone(),
            rings_kept: self.rings_kept.clone(),
            reloads_succeeded: self.reloads.with_label_values(&["success"]),
            reloads_failed: self.reloads.with_label_values(&["failure"]),
            proxy,
            families: self,
            peer_families,
            watch_families,
        }
    }
}

pub(super) fn added<C: Collector + Clone + 'static>(
    to: &Registry,
    family: C,
) -> Result<C, prometheus::Error> {
    to.register(Box::new(family.clone()))?;
    Ok(family)
}

fn counter(to: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    added(to, IntCounter::new(name, help)?)
}

fn gauge(to: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    added(to, IntGauge::new(name, help)?)
}

pub(super) fn counters(
    to: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<IntCounterVec, prometheus::Error> {
    added(to, IntCounterVec::new(Opts::new(name, help), &[label])?)
}

pub(super) fn gauges(
    to: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<IntGaugeVec, prometheus::Error> {
    added(to, IntGaugeVec::new(Opts::new(name, help), &[label])?)
}

pub(super) fn histograms(
    to: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<HistogramVec, prometheus::Error> {
    added(to, HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &[label])?)
}

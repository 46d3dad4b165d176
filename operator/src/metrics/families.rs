//! Names, labels and meanings, all in one place.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector,
};

use super::{Kind, Outcome};

/// A reconcile is a few milliseconds where nothing is to be done, and seconds where the API server is
/// slow.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug)]
pub(super) struct Families {
    pub(super) reconciles: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(super) errors: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) queue: IntGaugeVec,
    pub(super) requests: IntCounterVec,
    pub(super) watch_restarts: IntCounterVec,
    pub(super) leader: IntGauge,
    pub(super) pods_heard: IntGauge,
    pub(super) reports_lost: IntCounter,
    pub(super) events: IntCounterVec,
    pub(super) events_lost: IntCounter,
}

impl Families {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let families = Self::new()?;
        let all: [Box<dyn Collector>; 12] = [
            Box::new(families.reconciles.clone()),
            Box::new(families.durations.clone()),
            Box::new(families.errors.clone()),
            Box::new(families.in_flight.clone()),
            Box::new(families.queue.clone()),
            Box::new(families.requests.clone()),
            Box::new(families.watch_restarts.clone()),
            Box::new(families.leader.clone()),
            Box::new(families.pods_heard.clone()),
            Box::new(families.reports_lost.clone()),
            Box::new(families.events.clone()),
            Box::new(families.events_lost.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        let version =
            IntGaugeVec::new(opts("build_info", "Always 1; the version is in the label."), &["version"])?;
        version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(version))?;
        families.show_zeros();
        Ok(families)
    }

    fn new() -> Result<Self, prometheus::Error> {
        let durations = HistogramOpts::new(
            name("reconcile_duration_seconds"),
            "Seconds that a reconcile took, its requests included.",
        )
        .buckets(SECONDS.to_vec());
        Ok(Self {
            reconciles: IntCounterVec::new(
                opts(
                    "reconciles_total",
                    "Reconciles that ended, by how; dropped are those that were given up at the end of the process.",
                ),
                &["kind", "outcome"],
            )?,
            durations: HistogramVec::new(durations, &["kind"])?,
            errors: IntCounterVec::new(
                opts("reconcile_errors_total", "What went wrong in reconciles, by reason."),
                &["kind", "reason"],
            )?,
            in_flight: IntGaugeVec::new(
                opts(
                    "reconciles_in_flight",
                    "Reconciles that run. For each of WICKETGATE_WATCH_NAMESPACES, or for all at once, at most 8 of RateLimitClusters and 16 of each other kind do; where a kind stays at its most, others wait.",
                ),
                &["kind"],
            )?,
            queue: IntGaugeVec::new(opts("queue_depth", "Objects that wait to be reconciled."), &["kind"])?,
            requests: IntCounterVec::new(
                opts(
                    "api_requests_total",
                    "Requests to the API server, by verb, resource and HTTP status; error where no answer came, dropped where nobody waited for it.",
                ),
                &["verb", "resource", "code"],
            )?,
            watch_restarts: IntCounterVec::new(
                opts("watch_restarts_total", "Watches that ended with an error and were begun again."),
                &["resource"],
            )?,
            leader: IntGauge::with_opts(opts("leader", "1 where this process leads, 0 where it stands by."))?,
            pods_heard: IntGauge::with_opts(opts("pods_heard", "Pods whose reports are current."))?,
            reports_lost: IntCounter::with_opts(opts(
                "reports_lost_total",
                "Streams of reports from pods that ended or fell silent.",
            ))?,
            events: IntCounterVec::new(opts("events_total", "Events of objects, by reason."), &["reason"])?,
            events_lost: IntCounter::with_opts(opts(
                "events_lost_total",
                "Events that were not published: too many waited, or the API server did not take them.",
            ))?,
        })
    }

    /// What is bounded by an enum is there from the start, so that a rate over it has a beginning.
    fn show_zeros(&self) {
        for kind in Kind::ALL.map(Kind::as_str) {
            let _ = self.durations.with_label_values(&[kind]);
            let _ = self.in_flight.with_label_values(&[kind]);
            let _ = self.queue.with_label_values(&[kind]);
            for outcome in Outcome::ALL {
                let _ = self.reconciles.with_label_values(&[kind, outcome.as_str()]);
            }
        }
    }
}

fn name(rest: &str) -> String {
    format!("wicketgate_operator_{rest}")
}

fn opts(rest: &str, help: &str) -> Opts {
    Opts::new(name(rest), help)
}

//! What the proxy counts: throttle-proxy's names, with the policy and the route in labels, and our own.
//!
//! For a configuration file of throttle-proxy's the same families are made without these labels, and none
//! of ours: whoever scrapes it sees what it always saw.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use super::PolicyLabel;
use super::families::added;
use crate::proxy::upstream::UpstreamError;

/// Upper bounds in milliseconds: twelve from 1 ms to 10 minutes, each 3.35 times the one before, to the
/// digits that throttle-proxy's labels have.
const MILLIS: [f64; 12] = [
    1.0,
    3.351_864_681_083_643,
    11.234_996_840_295_953,
    37.658_189_101_074_335,
    126.225_154_001_460_04,
    423.089_635_561_837_6,
    1_418.139_206_372_273_5,
    4_753.410_718_699_212,
    15_932.789_502_692_303,
    53_404.554_405_214_556,
    179_004.839_719_848_56,
    599_999.999_999_998_8,
];

/// The families of one registry.
#[derive(Clone, Debug)]
pub struct ProxyFamilies {
    label: PolicyLabel,
    requests: IntCounterVec,
    errors: IntCounterVec,
    blocked: IntCounterVec,
    latency: HistogramVec,
    active: IntGaugeVec,
    window_min: IntGaugeVec,
    window_max: IntGaugeVec,
    window: IntGaugeVec,
    allowance: GaugeVec,
    ours: Option<Ours>,
}

/// Those that throttle-proxy does not have.
#[derive(Clone, Debug)]
struct Ours {
    responses: IntCounterVec,
    connections: IntGaugeVec,
    upstream_connections: IntGaugeVec,
    upstream_errors: IntCounterVec,
    limit_errors: IntCounterVec,
    undeclared: IntCounterVec,
}

/// The handles of one policy; they are resolved once.
#[derive(Clone, Debug)]
pub struct PolicyMetrics {
    /// Requests in the proxy's hands.
    pub active: IntGauge,
    /// The narrowest that the window may be, on this pod.
    pub window_min: IntGauge,
    /// The widest.
    pub window_max: IntGauge,
    /// How wide it is.
    pub window: IntGauge,
    /// What the signals leave of it.
    pub allowance: Gauge,
    /// By the places of the routes.
    pub routes: Vec<RouteMetrics>,
    /// What throttle-proxy does not count.
    pub ours: Option<OwnMetrics>,
}

/// What throttle-proxy does not count.
#[derive(Clone, Debug)]
pub struct OwnMetrics {
    /// Connections from clients.
    pub connections: IntGauge,
    /// Connections to the upstream.
    pub upstream_connections: IntGauge,
    /// Rate limits that could not be asked, so that the request passed.
    pub limit_errors: IntCounter,
    /// Rate limits that nobody declares, so that the request passed.
    pub undeclared: IntCounter,
    upstream_errors: IntCounterVec,
    policy: String,
}

impl OwnMetrics {
    /// Requests that the upstream did not answer, by what went wrong.
    #[must_use]
    pub fn upstream_error(&self, kind: &str) -> IntCounter {
        self.upstream_errors.with_label_values(&[&self.policy, kind])
    }
}

/// The handles of one route.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    /// Requests that are over, refused ones among them.
    pub requests: IntCounter,
    /// Requests that ended in an error of the proxy's.
    pub errors: IntCounter,
    /// Refused since the window is closed.
    pub by_window: IntCounter,
    /// Refused by a header.
    pub by_block: IntCounter,
    /// Refused by a rate limit, and by the route itself; not counted where they cannot happen.
    pub by_limit: Option<IntCounter>,
    /// Refused by the route.
    pub by_route: Option<IntCounter>,
    /// How long requests took, in whole milliseconds.
    pub latency: Histogram,
    /// Answers by the first digit of their status, from 1xx to 5xx.
    pub responses: Option<[IntCounter; 5]>,
}

impl ProxyFamilies {
    /// Registers all of them.
    ///
    /// # Errors
    /// Where one has a name that is taken.
    pub fn register(to: &Registry) -> Result<Self, prometheus::Error> {
        Self::make(to, to, PolicyLabel::Shown)
    }

    /// Registers throttle-proxy's, without policies and routes: those of the window with `window`, those of
    /// requests with `requests`.
    ///
    /// # Errors
    /// Where one has a name that is taken.
    pub fn original(window: &Registry, requests: &Registry) -> Result<Self, prometheus::Error> {
        Self::make(window, requests, PolicyLabel::Hidden)
    }

    fn make(to: &Registry, requests: &Registry, label: PolicyLabel) -> Result<Self, prometheus::Error> {
        let by_policy: &[&str] = if label == PolicyLabel::Shown { &["policy"] } else { &[] };
        let by_route: &[&str] = if label == PolicyLabel::Shown { &["policy", "route"] } else { &[] };
        let blocked: Vec<&str> = by_route.iter().copied().chain(["mw_type"]).collect();
        let counter =
            |name, help, labels: &[&str]| added(requests, IntCounterVec::new(Opts::new(name, help), labels)?);
        let gauge =
            |to, name, help, labels: &[&str]| added(to, IntGaugeVec::new(Opts::new(name, help), labels)?);
        let latency = HistogramOpts::new(
            "proxymw_request_latency_ms",
            "Whole milliseconds that a request took, jitter and all of its body included.",
        );
        Ok(Self {
            label,
            requests: counter(
                "proxymw_request_count",
                "Requests that are over, refused ones included.",
                by_route,
            )?,
            errors: counter(
                "proxymw_error_count",
                "Requests that ended in an error of the proxy.",
                by_route,
            )?,
            blocked: counter("proxymw_block_count", "Requests refused, by what refused them.", &blocked)?,
            latency: added(requests, HistogramVec::new(latency.buckets(MILLIS.to_vec()), by_route)?)?,
            active: gauge(requests, "proxymw_active_requests", "Requests in the proxy's hands.", by_policy)?,
            window_min: gauge(
                to,
                "proxymw_bp_cwdn_min",
                "The narrowest that the windows may be here.",
                by_policy,
            )?,
            window_max: gauge(
                to,
                "proxymw_bp_cwdn_max",
                "The widest that the windows may be here.",
                by_policy,
            )?,
            window: gauge(
                to,
                "proxymw_bp_watermark",
                "How wide the congestion windows are here.",
                by_policy,
            )?,
            allowance: added(
                to,
                GaugeVec::new(
                    Opts::new("proxymw_bp_allowance", "Share of the window that the signals allow, 0 to 1."),
                    by_policy,
                )?,
            )?,
            ours: match label {
                PolicyLabel::Shown => Some(Ours::register(to)?),
                PolicyLabel::Hidden => None,
            },
        })
    }

    /// The handles of a policy with these routes.
    #[must_use]
    pub fn of<'r>(&self, policy: &str, routes: impl Iterator<Item = &'r str>) -> PolicyMetrics {
        let all = [policy];
        let by_policy: &[&str] = if self.label == PolicyLabel::Shown { &all } else { &[] };
        PolicyMetrics {
            active: self.active.with_label_values(by_policy),
            window_min: self.window_min.with_label_values(by_policy),
            window_max: self.window_max.with_label_values(by_policy),
            window: self.window.with_label_values(by_policy),
            allowance: self.allowance.with_label_values(by_policy),
            routes: routes.map(|route| self.route(policy, route)).collect(),
            ours: self.ours.as_ref().map(|ours| ours.of(policy)),
        }
    }

    fn route(&self, policy: &str, route: &str) -> RouteMetrics {
        let all = [policy, route];
        let by_route: &[&str] = if self.label == PolicyLabel::Shown { &all } else { &[] };
        let blocked = |by: &str| {
            let values: Vec<&str> = by_route.iter().copied().chain([by]).collect();
            self.blocked.with_label_values(&values)
        };
        let ours = |by| (self.label == PolicyLabel::Shown).then(|| blocked(by));
        RouteMetrics {
            requests: self.requests.with_label_values(by_route),
            errors: self.errors.with_label_values(by_route),
            by_window: blocked("backpressure"),
            by_block: blocked("blocker"),
            by_limit: ours("ratelimit"),
            by_route: ours("deny"),
            latency: self.latency.with_label_values(by_route),
            responses: self.ours.as_ref().map(|ours| {
                ["1xx", "2xx", "3xx", "4xx", "5xx"]
                    .map(|class| ours.responses.with_label_values(&[policy, route, class]))
            }),
        }
    }

    /// Stops showing a policy, or those of its routes that are gone.
    pub fn forget<'r>(&self, policy: &str, routes: impl Iterator<Item = &'r str>, whole: bool) {
        if self.label == PolicyLabel::Hidden {
            return;
        }
        // What was never shown is not there to be removed.
        for route in routes {
            let _ = self.requests.remove_label_values(&[policy, route]);
            let _ = self.errors.remove_label_values(&[policy, route]);
            let _ = self.latency.remove_label_values(&[policy, route]);
            for by in ["backpressure", "blocker", "ratelimit", "deny"] {
                let _ = self.blocked.remove_label_values(&[policy, route, by]);
            }
            for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
                let ours = self.ours.as_ref();
                let _ = ours.map(|ours| ours.responses.remove_label_values(&[policy, route, class]));
            }
        }
        if !whole {
            return;
        }
        for gauge in [&self.active, &self.window_min, &self.window_max, &self.window] {
            let _ = gauge.remove_label_values(&[policy]);
        }
        let _ = self.allowance.remove_label_values(&[policy]);
        if let Some(ours) = &self.ours {
            ours.forget(policy);
        }
    }
}

impl Ours {
    fn register(to: &Registry) -> Result<Self, prometheus::Error> {
        let counter =
            |name, help, labels: &[&str]| added(to, IntCounterVec::new(Opts::new(name, help), labels)?);
        let gauge = |name, help| added(to, IntGaugeVec::new(Opts::new(name, help), &["policy"])?);
        Ok(Self {
            responses: counter(
                "wicketgate_proxy_responses_total",
                "Answers sent to clients, refusals included, by the first digit of their status.",
                &["policy", "route", "code"],
            )?,
            connections: gauge("wicketgate_proxy_connections", "Connections from clients.")?,
            upstream_connections: gauge(
                "wicketgate_proxy_upstream_connections",
                "Connections to the upstream.",
            )?,
            upstream_errors: counter(
                "wicketgate_proxy_upstream_errors_total",
                "Requests that the upstream did not answer, by what went wrong.",
                &["policy", "kind"],
            )?,
            limit_errors: counter(
                "wicketgate_proxy_limit_errors_total",
                "Rate limits that could not be asked; the request passed.",
                &["policy"],
            )?,
            undeclared: counter(
                "wicketgate_proxy_undeclared_limits_total",
                "Rate limits that a policy names and nobody declares; the request passed.",
                &["policy"],
            )?,
        })
    }

    fn of(&self, policy: &str) -> OwnMetrics {
        OwnMetrics {
            connections: self.connections.with_label_values(&[policy]),
            upstream_connections: self.upstream_connections.with_label_values(&[policy]),
            limit_errors: self.limit_errors.with_label_values(&[policy]),
            undeclared: self.undeclared.with_label_values(&[policy]),
            upstream_errors: self.upstream_errors.clone(),
            policy: policy.to_owned(),
        }
    }

    fn forget(&self, policy: &str) {
        for gauge in [&self.connections, &self.upstream_connections] {
            let _ = gauge.remove_label_values(&[policy]);
        }
        for counter in [&self.limit_errors, &self.undeclared] {
            let _ = counter.remove_label_values(&[policy]);
        }
        for kind in UpstreamError::KINDS {
            let _ = self.upstream_errors.remove_label_values(&[policy, kind]);
        }
    }
}

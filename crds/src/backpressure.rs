//! `BackpressurePolicy`: traffic that is admitted while a congestion window is open.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    shedding::{Block, Criticality, Jitter, JitterWhen, KeyPart, LimitCheck, PromqlBypass, Shares, Timeouts},
    signals::{BasicAuth, Curve, OnSignalLoss, Prometheus, PrometheusAuth, PrometheusTls, Signal},
    traffic::{
        HeaderMatch, HeaderMatchType, HttpMethod, Listener, LoadBalancing, PathMatch, PathMatchType, Route,
        RouteAction, RouteMatch, Upstream, UpstreamProtocol, UpstreamService, UpstreamTls,
    },
    window::{Growth, Window, WindowAlgorithm, WindowAlgorithmType, WindowScope},
};
use crate::{condition, decimal::Decimal, duration::GoDuration, reference::ClusterRef};

mod check;
mod shedding;
mod signals;
mod traffic;
mod window;

/// What a person asks of a policy.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "wicketgate.dev",
    version = "v1alpha1",
    kind = "BackpressurePolicy",
    plural = "backpressurepolicies",
    shortname = "bpp",
    category = "wicketgate",
    doc = "A listener whose traffic is admitted while the congestion window is open, and refused early when the signals say that the backend suffers.",
    namespaced,
    cel,
    derive = "PartialEq",
    status = "BackpressurePolicyStatus",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Port", type_ = "integer", json_path = ".spec.listener.port"),
    printcolumn(
        name = "Window",
        type_ = "string",
        json_path = ".status.summary",
        description = "Open and largest window, over all pods"
    ),
    printcolumn(
        name = "Allowance",
        type_ = "string",
        json_path = ".status.allowance",
        description = "Share of the window that the signals allow"
    ),
    printcolumn(
        name = "Throttling",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Throttling\")].status",
        description = "Whether the window is cut"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status",
        description = "Whether every ready pod runs it"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("size(self.signals) == 0 || has(self.prometheus)")
        .message("signals need prometheus, the server that answers their queries"),
    validation = Rule::new("!(self.algorithm.type in ['SignalCap', 'SignalAIMD']) || size(self.signals) > 0")
        .message("must provide at least one backpressure query when backpressure is enabled: the algorithms SignalCap and SignalAIMD need signals"),
    validation = Rule::new("self.algorithm.type != 'SignalCap' || self.signals.all(s, has(s.warning))")
        .message("the algorithm SignalCap needs warning and emergency of every signal"),
    validation = Rule::new("!has(self.routes) || self.routes.all(a, !has(a.name) || self.routes.exists_one(b, has(b.name) && b.name == a.name))")
        .message("no two routes may have the same name: metrics tell them apart by it")
)]
pub struct BackpressurePolicySpec {
    /// The cluster whose pods carry the listener.
    pub cluster_ref: ClusterRef,
    /// Where the traffic comes in.
    pub listener: Listener,
    /// Where the traffic goes.
    pub upstream: Upstream,
    /// How many requests may be in flight.
    pub window: Window,
    /// How the window moves.
    #[serde(default)]
    pub algorithm: WindowAlgorithm,
    /// What Prometheus is asked about the backend.
    #[serde(default)]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub signals: Vec<Signal>,
    /// The server that answers the signals' queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// What happens to which requests. The first that matches counts; requests that none matches are
    /// protected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub routes: Vec<Route>,
    /// Rate limits that are asked before the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub rate_limits: Vec<LimitCheck>,
    /// Which requests are refused first.
    #[serde(default)]
    pub criticality: Criticality,
    /// Spreads requests that can wait.
    #[serde(default)]
    pub jitter: Jitter,
    /// Requests that are always refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub block: Vec<Block>,
    /// Lets cheap PromQL queries pass by the window.
    #[serde(default)]
    pub promql_bypass: PromqlBypass,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Largest request body. 0: no bound; bodies stream.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_099_511_627_776_i64))]
    pub max_request_body_bytes: i64,
}

/// What the operator measured of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackpressurePolicyStatus {
    /// The metadata.generation that this status was worked out from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Open and largest window over all pods, such as 140/200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// The window over the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowStatus>,
    /// Requests in flight over all pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<i64>,
    /// Share of the window that the signals allow, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<Decimal>,
    /// The signals' last values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub signals: Vec<SignalStatus>,
    /// Accepted, Programmed, SignalsHealthy and Throttling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list_schema")]
    pub conditions: Vec<Condition>,
}

/// The window over the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowStatus {
    /// Sum over the pods.
    pub total: i64,
    /// The smallest pod's.
    pub min: i64,
    /// The largest pod's.
    pub max: i64,
}

/// A signal's last value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalStatus {
    /// The signal's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// How old the value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<GoDuration>,
    /// Why there is no fresh value. Empty: there is one.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub error: String,
}

#[cfg(test)]
mod tests;

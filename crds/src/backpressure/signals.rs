//! What Prometheus is asked, how, and what its answers do.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decimal::Decimal,
    duration::GoDuration,
    reference::{self, SecretKeyRef, SecretRef},
};

/// The exponent of a signal's throttling curve.
pub type Curve = Decimal;

/// A question to Prometheus whose answer tells how much the backend suffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.warning) == has(self.emergency)")
        .message("warning and emergency must be given both or neither"),
    validation = Rule::new("!has(self.warning) || !has(self.emergency) || double(string(self.warning)) < double(string(self.emergency))")
        .message("emergency threshold must be > warn threshold: raise emergency, or lower warning"),
    validation = Rule::new("(!has(self.warning) || double(string(self.warning)) >= 0.0) && (!has(self.emergency) || double(string(self.emergency)) >= 0.0)")
        .message("backpressure query thresholds cannot be negative: warning and emergency are 0 or more"),
    validation = Rule::new("double(string(self.curve)) >= 0.0")
        .message("throttle curve cannot be negative: curve is 0 or more")
)]
pub struct Signal {
    /// Name of the signal in status and metrics, unique in the policy.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// The question, in PromQL. The largest value of its answer counts.
    #[schemars(length(min = 1, max = 4096))]
    #[x_kube(
        validation = Rule::new("self.matches('[^ ]')")
            .message("empty backpressure query: write the question in PromQL"),
        validation = Rule::new("!self.matches('(?s)^(\".*\"|\\'.*\\')$')")
            .message("backpressure PromQL cannot be wrapped in quotes: take the outer pair away")
    )]
    pub query: String,
    /// Value above which the window begins to close. A decimal string or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Decimal>,
    /// Value at which the window is closed as far as it goes. A decimal string or an integer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<Decimal>,
    /// How steeply the window closes between the two. 0 means 4. A decimal string or an integer.
    #[serde(default = "default_curve")]
    pub curve: Curve,
}

fn default_curve() -> Curve {
    Decimal::from_integer(4)
}

/// The server that answers the signals' queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// Address of the server, such as http://prometheus.monitoring:9090.
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^https?://[^/?#]+(/[^?#]*)?$"))]
    pub url: String,
    /// How often it is asked, at least 100ms. It is first asked at start.
    // CEL knows no days, writes no µ, and fails where a duration overflows: what it passes over is checked
    // when policies are folded.
    #[serde(default = "default_interval")]
    #[x_kube(
        validation = Rule::new("self.matches('[dµ]|[0-9]{7}') || duration(self) >= duration('100ms')")
            .message("interval is too short: at least 100ms, since every pod asks so often")
    )]
    pub interval: GoDuration,
    /// How long an answer may take.
    #[serde(default = "default_timeout")]
    pub timeout: GoDuration,
    /// How old a value may be before the signal counts as lost.
    #[serde(default = "default_max_staleness")]
    pub max_staleness: GoDuration,
    /// What a lost signal does. Hold: its last value stays. Open: as if all were well. Closed: as in
    /// an emergency.
    #[serde(default)]
    pub on_signal_loss: OnSignalLoss,
    /// How we say who we are.
    #[serde(default)]
    pub auth: PrometheusAuth,
    /// TLS towards the server.
    #[serde(default)]
    pub tls: PrometheusTls,
    /// Headers sent with each question.
    #[serde(default)]
    #[schemars(schema_with = "reference::text_map_schema")]
    pub headers: BTreeMap<String, String>,
}

fn default_interval() -> GoDuration {
    GoDuration::from_secs(15)
}

fn default_timeout() -> GoDuration {
    GoDuration::from_secs(5)
}

fn default_max_staleness() -> GoDuration {
    GoDuration::from_secs(120)
}

/// What a lost signal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSignalLoss {
    /// Its last value stays.
    #[default]
    Hold,
    /// As if all were well.
    Open,
    /// As in an emergency.
    Closed,
}

/// How we say who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "PrometheusAuth::default")]
#[x_kube(
    validation = Rule::new("!(has(self.bearerTokenSecretRef) && has(self.basicAuthSecretRef))")
        .message("at most one of bearerTokenSecretRef and basicAuthSecretRef may be given")
)]
pub struct PrometheusAuth {
    /// A key of a Secret in the policy's namespace that holds a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret_ref: Option<SecretKeyRef>,
    /// A Secret of type kubernetes.io/basic-auth in the policy's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth_secret_ref: Option<BasicAuth>,
}

/// A Secret of type kubernetes.io/basic-auth (username, password).
pub type BasicAuth = SecretRef;

/// TLS towards Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PrometheusTls {
    /// A key of a Secret in the policy's namespace that holds the certificates to trust. Absent: those
    /// of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

//! What the pods show to clients and to those who watch them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decimal::Decimal,
    duration::GoDuration,
    reference::{self, SecretRef, TlsMode},
};

/// What becomes of a request whose name no RateLimit declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Undeclared {
    /// The request carries its own configuration, as in Gubernator.
    #[default]
    Allow,
    /// It is refused.
    Reject,
}

/// TLS between pods and towards clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterTls {
    /// Between the pods of the cluster. Always mutual where it is on.
    pub peers: PeerTls,
    /// Between clients and pods.
    pub clients: ClientTls,
}

/// TLS between the pods of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "PeerTls::default")]
#[x_kube(
    validation = Rule::new("(self.mode == 'SecretRef') == has(self.secretRef)")
        .message("secretRef is needed with mode SecretRef, and only then")
)]
pub struct PeerTls {
    /// Managed: certificates that the operator issues and renews. Disabled: plain text. SecretRef:
    /// those in the Secret that secretRef names.
    pub mode: TlsMode,
    /// A Secret of type kubernetes.io/tls (tls.crt, tls.key, ca.crt) in the cluster's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

impl Default for PeerTls {
    fn default() -> Self {
        Self { mode: TlsMode::Managed, secret_ref: None }
    }
}

/// TLS between clients and pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "ClientTls::default")]
#[x_kube(
    validation = Rule::new("(self.mode == 'SecretRef') == has(self.secretRef)")
        .message("secretRef is needed with mode SecretRef, and only then"),
    validation = Rule::new("self.mode != 'Disabled' || self.clientAuth == 'None'")
        .message("clientAuth needs a mode other than Disabled")
)]
pub struct ClientTls {
    /// Disabled: plain text. Managed: certificates that the operator issues and renews.
    /// SecretRef: those in the Secret that secretRef names.
    pub mode: TlsMode,
    /// A Secret of type kubernetes.io/tls (tls.crt, tls.key, ca.crt) in the cluster's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// What is asked of a client's certificate. None: nothing. Request: if one is shown it must be
    /// valid. Require: a valid one must be shown.
    pub client_auth: ClientAuth,
}

/// What is asked of a client's certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientAuth {
    /// Nothing.
    #[default]
    None,
    /// If one is shown it must be valid.
    Request,
    /// A valid one must be shown.
    Require,
}

/// The Service that clients talk to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "ServiceSpec::default")]
#[x_kube(
    validation = Rule::new("self.grpcPort != self.httpPort")
        .message("grpcPort and httpPort must be different")
)]
pub struct ServiceSpec {
    /// Type of the Service.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations of the Service.
    #[schemars(schema_with = "reference::text_map_schema")]
    pub annotations: BTreeMap<String, String>,
    /// Port of gRPC.
    #[schemars(range(min = 1, max = 65535))]
    pub grpc_port: i32,
    /// Port of HTTP.
    #[schemars(range(min = 1, max = 65535))]
    pub http_port: i32,
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self { type_: ServiceType::default(), annotations: BTreeMap::new(), grpc_port: 1051, http_port: 1050 }
    }
}

/// Type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Reached from within Kubernetes.
    #[default]
    ClusterIP,
    /// Reached on a port of every node.
    NodePort,
    /// Reached through a load balancer.
    LoadBalancer,
}

/// RateLimit headers on HTTP and Envoy answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Headers {
    /// Draft: RateLimit and RateLimit-Policy of the current IETF draft. Draft03: RateLimit-Limit,
    /// RateLimit-Remaining and RateLimit-Reset. None: no headers.
    pub style: HeaderStyle,
}

/// Which RateLimit headers are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HeaderStyle {
    /// RateLimit and RateLimit-Policy of the current IETF draft.
    #[default]
    Draft,
    /// RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset.
    Draft03,
    /// None.
    None,
}

/// What the pods log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// Least severe level that is logged.
    pub level: LogLevel,
    /// Form of a line.
    pub format: LogFormat,
}

/// Least severe level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Faults.
    Error,
    /// And what may become one.
    Warn,
    /// And what changed.
    #[default]
    Info,
    /// And what was decided, request by request.
    Debug,
    /// And all else.
    Trace,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Where the pods send traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracing {
    /// OTLP endpoint, such as http://collector.monitoring:4317. Empty: no traces.
    #[schemars(length(max = 2048), regex(pattern = "^(https?://.+)?$"))]
    pub endpoint: String,
    /// Share of requests that are traced, from 0 to 1, as a decimal string.
    pub sampling_ratio: Decimal,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { endpoint: String::new(), sampling_ratio: Decimal::from_nanos(10_000_000) }
    }
}

/// A ServiceMonitor for the Prometheus operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceMonitor {
    /// Whether there is one.
    pub enabled: bool,
    /// How often Prometheus asks.
    pub interval: GoDuration,
}

impl Default for ServiceMonitor {
    fn default() -> Self {
        Self { enabled: false, interval: GoDuration::from_secs(15) }
    }
}

//! `RateLimitCluster`: the daemons that keep the counts, and how they do it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    peers::{Batching, GlobalSync, Hash, OnOwnerUnavailable},
    pods::{Autoscaling, Disruption, Drain, Image, PullPolicy},
    serving::{
        ClientAuth, ClientTls, ClusterTls, HeaderStyle, Headers, LogFormat, LogLevel, Logging, PeerTls,
        ServiceMonitor, ServiceSpec, ServiceType, Tracing, Undeclared,
    },
    tenancy::{AllowedNamespaces, LabelSelector, NamespacesFrom, Requirement, SelectorOperator},
};
use crate::{condition, duration::GoDuration, reference};

mod peers;
mod pods;
mod serving;
mod tenancy;

/// What a person asks of a cluster of daemons.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "wicketgate.dev",
    version = "v1alpha1",
    kind = "RateLimitCluster",
    plural = "ratelimitclusters",
    shortname = "rlc",
    category = "wicketgate",
    doc = "A cluster of daemons that keep the counts of rate limits, and the settings they share.",
    namespaced,
    cel,
    derive = "PartialEq",
    status = "RateLimitClusterStatus",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = Rule::new("self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name names Services and pods: at most 52 of a-z, 0-9 and '-', beginning with a letter and ending with a letter or digit"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether all wanted pods are ready and run the current document"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "string",
        json_path = ".status.summary",
        description = "Ready and wanted pods"
    ),
    printcolumn(
        name = "Limits",
        type_ = "integer",
        json_path = ".status.rateLimits",
        description = "RateLimits in the document"
    ),
    printcolumn(
        name = "Policies",
        type_ = "integer",
        json_path = ".status.backpressurePolicies",
        description = "BackpressurePolicies in the document"
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        json_path = ".status.revision",
        description = "Revision of the document in force"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", default = "RateLimitClusterSpec::default")]
pub struct RateLimitClusterSpec {
    /// Number of pods. Left to the autoscaler where autoscaling is set.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// Scales the cluster with its load. Absent: off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// The image that the pods run. Parts left empty are those that the operator ships with.
    pub image: Image,
    /// Secrets with which the image is pulled.
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<reference::SecretRef>,
    /// Live buckets a pod holds before the least recently used is dropped. About 128 bytes each.
    #[schemars(range(min = 1000, max = 1_000_000_000))]
    pub capacity: i64,
    /// How keys find their owner. XXH3 spreads best; FNV1 and FNV1a are Gubernator's rings, for pods
    /// that join one.
    pub hash: Hash,
    /// Name of the region that the pods are in, told to peers in other regions. Empty: none.
    #[schemars(length(max = 63), regex(pattern = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"))]
    pub data_center: String,
    /// Time zone of calendar windows: a name of the IANA database, such as Europe/Berlin.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_+/-]*$"))]
    pub time_zone: String,
    /// What becomes of a request whose name no RateLimit declares. Allow: the request carries its
    /// own configuration, as in Gubernator. Reject: it is refused.
    pub undeclared: Undeclared,
    /// What decides when a key's owner cannot be reached. NextPeer: the next peer on the ring.
    /// Local: the pod that was asked. Error: nobody; the caller gets an error.
    pub on_owner_unavailable: OnOwnerUnavailable,
    /// How far a request's created_at may be from the pod's clock before it is clamped.
    pub max_clock_skew: GoDuration,
    /// How requests to other pods are gathered into one call.
    pub batching: Batching,
    /// How hits and answers of limits with behavior Global travel.
    pub global: GlobalSync,
    /// Which namespaces' RateLimits and BackpressurePolicies may name this cluster.
    pub allowed_namespaces: AllowedNamespaces,
    /// TLS between pods and towards clients.
    pub tls: ClusterTls,
    /// The Service that clients talk to.
    pub service: ServiceSpec,
    /// How many pods may be away at a time by choice.
    pub disruption: Disruption,
    /// How a pod leaves.
    pub drain: Drain,
    /// RateLimit headers on HTTP and Envoy answers.
    pub headers: Headers,
    /// What the pods log.
    pub logging: Logging,
    /// Where the pods send traces.
    pub tracing: Tracing,
    /// A ServiceMonitor for the Prometheus operator.
    pub service_monitor: ServiceMonitor,
    /// A PodTemplateSpec laid over the one that the operator renders (strategic merge).
    #[schemars(schema_with = "reference::opaque_schema")]
    pub pod_template: Map<String, Value>,
    /// While true the operator changes nothing of this cluster.
    pub paused: bool,
}

impl Default for RateLimitClusterSpec {
    fn default() -> Self {
        Self {
            replicas: 3,
            autoscaling: None,
            image: Image::default(),
            image_pull_secrets: Vec::new(),
            capacity: 1_000_000,
            hash: Hash::default(),
            data_center: String::new(),
            time_zone: "UTC".to_owned(),
            undeclared: Undeclared::default(),
            on_owner_unavailable: OnOwnerUnavailable::default(),
            max_clock_skew: GoDuration::from_secs(600),
            batching: Batching::default(),
            global: GlobalSync::default(),
            allowed_namespaces: AllowedNamespaces::default(),
            tls: ClusterTls::default(),
            service: ServiceSpec::default(),
            disruption: Disruption::default(),
            drain: Drain::default(),
            headers: Headers::default(),
            logging: Logging::default(),
            tracing: Tracing::default(),
            service_monitor: ServiceMonitor::default(),
            pod_template: Map::new(),
            paused: false,
        }
    }
}

/// What the operator measured of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitClusterStatus {
    /// The metadata.generation that this status was worked out from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Label selector of the pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// Ready and wanted pods, such as 3/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// Revision of the document in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// RateLimits in the document.
    #[serde(default)]
    pub rate_limits: i32,
    /// BackpressurePolicies in the document.
    #[serde(default)]
    pub backpressure_policies: i32,
    /// The pods, and which revision each runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pods: Vec<PodStatus>,
    /// Ready, Available, Progressing and Degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list_schema")]
    pub conditions: Vec<Condition>,
}

/// What one pod said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Name of the pod.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Revision of the document that the pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Whether the pod is ready.
    #[serde(default)]
    pub ready: bool,
    /// Live buckets in the pod.
    #[serde(default)]
    pub buckets: i64,
}

#[cfg(test)]
mod tests;

//! `RateLimit`: one named limit of one cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{condition, duration::GoDuration, reference::ClusterRef};

/// The largest limit and burst: the largest integer that every JSON reader keeps exact.
pub const MAX_LIMIT: i64 = 9_007_199_254_740_991;

/// What a person says of a limit.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "wicketgate.dev",
    version = "v1alpha1",
    kind = "RateLimit",
    plural = "ratelimits",
    shortname = "rl",
    category = "wicketgate",
    doc = "One named limit of one RateLimitCluster. It is the truth for its name: requests that carry the name get its configuration.",
    namespaced,
    cel,
    derive = "PartialEq",
    status = "RateLimitStatus",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(
        name = "Limit",
        type_ = "string",
        json_path = ".status.summary",
        description = "Hits per window"
    ),
    printcolumn(name = "Algorithm", type_ = "string", json_path = ".spec.algorithm"),
    printcolumn(name = "Enforcement", type_ = "string", json_path = ".spec.enforcement"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status",
        description = "Whether every ready pod enforces it"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.duration) != has(self.calendar)")
        .message("exactly one of duration and calendar must be given"),
    validation = Rule::new("self.algorithm == 'LeakyBucket' || self.burst == 0")
        .message("burst is for the LeakyBucket algorithm: leave it out, or set algorithm: LeakyBucket")
)]
pub struct RateLimitSpec {
    /// The cluster that keeps the counts.
    pub cluster_ref: ClusterRef,
    /// The limit's name in requests. Defaults to metadata.name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Hits that each key may have per window. 0 refuses everything.
    #[schemars(range(min = 0, max = MAX_LIMIT))]
    pub limit: i64,
    /// Length of the window, in whole milliseconds. Either this or calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("self.matches('[1-9]') && !self.matches('(ns|us|µs|[.][0-9]*ms)$')")
            .message("a limit's duration is a whole number of milliseconds, at least 1ms")
    )]
    pub duration: Option<GoDuration>,
    /// The window is the current calendar interval in the cluster's time zone: from its first to its
    /// last millisecond. Weeks begin on Monday. Either this or duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// TokenBucket: the whole limit is there at the start of a window. LeakyBucket: hits leak out
    /// evenly over the window.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Hits that a leaky bucket holds at once. 0: as many as limit.
    #[serde(default)]
    #[schemars(range(min = 0, max = MAX_LIMIT))]
    pub burst: i64,
    /// Global: any pod answers from its own copy, which follows the owner's. MultiRegion: hits are
    /// told to the other regions. NoBatching: requests go to the owner without waiting for company.
    /// DrainOverLimit: a refused request takes what is left.
    #[serde(default)]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub behaviors: Vec<Behavior>,
    /// Who wins where this object and a request differ. Declaration: this object. Request: the
    /// request's own values where it sets them.
    #[serde(default)]
    pub precedence: Precedence,
    /// Enforce: requests over the limit are refused. Audit: they are counted and reported, and let
    /// through.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// Other limits for some keys. The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub overrides: Vec<Override>,
}

/// A calendar interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Calendar {
    /// 60 seconds, from second 0.
    Minute,
    /// From minute 0.
    Hour,
    /// From midnight.
    Day,
    /// From Monday's midnight.
    Week,
    /// From the first.
    Month,
    /// From the first of January.
    Year,
}

/// How hits are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// The whole limit is there at the start of a window.
    #[default]
    TokenBucket,
    /// Hits leak out evenly over the window.
    LeakyBucket,
}

/// A flag of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Behavior {
    /// Any pod answers from its own copy, which follows the owner's.
    Global,
    /// Hits are told to the other regions.
    MultiRegion,
    /// Requests go to the owner without waiting for company.
    NoBatching,
    /// A refused request takes what is left.
    DrainOverLimit,
}

/// Who wins where the declaration and a request differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Precedence {
    /// The declaration.
    #[default]
    Declaration,
    /// The request's own values where it sets them.
    Request,
}

/// What becomes of a request over the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Enforcement {
    /// It is refused.
    #[default]
    Enforce,
    /// It is counted and reported, and let through.
    Audit,
}

/// Another limit for some keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.key) != has(self.prefix)")
        .message("exactly one of key and prefix must be given"),
    validation = Rule::new("has(self.limit) != self.unlimited")
        .message("either limit or unlimited: true must be given")
)]
pub struct Override {
    /// Matches this unique key alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub key: Option<String>,
    /// Matches every unique key that begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub prefix: Option<String>,
    /// The limit of these keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = MAX_LIMIT))]
    pub limit: Option<i64>,
    /// These keys are not limited.
    #[serde(default)]
    pub unlimited: bool,
}

/// What the operator measured of a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitStatus {
    /// The metadata.generation that this status was worked out from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Hits per window, such as 100/1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
    /// Revision of the document that carries the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Accepted and Programmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list_schema")]
    pub conditions: Vec<Condition>,
}

#[cfg(test)]
mod tests;

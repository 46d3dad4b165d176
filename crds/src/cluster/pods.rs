//! The pods of a cluster: how many, of what, and how they go.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// Scales the cluster with its load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not be greater than maxReplicas")
)]
pub struct Autoscaling {
    /// Fewest pods.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,
    /// Most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// CPU use, in percent of what the pods request, that the autoscaler aims at.
    #[serde(rename = "targetCPUUtilizationPercentage", default = "default_cpu_target")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu_utilization_percentage: i32,
}

fn default_cpu_target() -> i32 {
    60
}

/// A container image. Parts left empty are those that the operator ships with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// Registry and repository, without tag.
    #[schemars(length(max = 255))]
    pub repository: String,
    /// Tag. Not looked at where digest is set.
    #[schemars(length(max = 128), regex(pattern = "^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$"))]
    pub tag: String,
    /// Digest, such as sha256:….
    #[schemars(length(max = 135), regex(pattern = "^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})?$"))]
    pub digest: String,
    /// When nodes pull the image.
    pub pull_policy: PullPolicy,
}

/// When nodes pull an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Each time a pod starts.
    Always,
    /// When it is not there.
    #[default]
    IfNotPresent,
    /// Never: it must be there.
    Never,
}

/// How many pods may be away at a time by choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Disruption {
    /// Most pods that an eviction or a roll-out may take away at a time.
    #[schemars(range(min = 1, max = 1000))]
    pub max_unavailable: i32,
}

impl Default for Disruption {
    fn default() -> Self {
        Self { max_unavailable: 1 }
    }
}

/// How a pod leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Drain {
    /// Time between ceasing to be ready and refusing connections, for routes to follow.
    pub delay: GoDuration,
    /// Longest time for finishing what is in flight and handing buckets over.
    pub timeout: GoDuration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: GoDuration::from_secs(3), timeout: GoDuration::from_secs(30) }
    }
}

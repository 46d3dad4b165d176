//! How the pods of a cluster work together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// How keys find their owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Hash {
    /// Our own ring, without FNV's skew.
    #[default]
    XXH3,
    /// Gubernator's default ring.
    FNV1,
    /// Gubernator's `replicated-hash` picker.
    FNV1a,
}

/// What decides when a key's owner cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnOwnerUnavailable {
    /// The next peer on the ring, which says so in its answer.
    #[default]
    NextPeer,
    /// The pod that was asked.
    Local,
    /// Nobody: the caller gets an error.
    Error,
}

/// How requests to other pods are gathered into one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Batching {
    /// Longest time that a request waits for company.
    pub wait: GoDuration,
    /// How long a call to another pod may take.
    pub timeout: GoDuration,
    /// Most requests in one call. Peers refuse more than 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: i32,
}

impl Default for Batching {
    fn default() -> Self {
        Self { wait: GoDuration::from_micros(500), timeout: GoDuration::from_millis(500), limit: 1000 }
    }
}

/// How hits and answers of limits with behavior Global travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GlobalSync {
    /// Longest time that hits and answers wait before they are sent.
    pub sync_wait: GoDuration,
    /// How long a call to another pod may take.
    pub timeout: GoDuration,
    /// Most items in one call. Peers refuse more than 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub batch_limit: i32,
}

impl Default for GlobalSync {
    fn default() -> Self {
        Self {
            sync_wait: GoDuration::from_millis(100),
            timeout: GoDuration::from_millis(500),
            batch_limit: 1000,
        }
    }
}

//! What a daemon says of itself to the operator, which believes nothing else.
//!
//! `GET` [`PATH`] on a daemon's HTTP port answers one report as JSON; with `?watch=true` a stream of
//! them, one a line: the present one at once, another whenever something but the number of buckets
//! has changed, and at least one every [`HEARTBEAT`], so that silence means that the daemon is away.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a daemon answers.
pub const PATH: &str = "/wicketgate/v1/report";

/// The longest a stream of reports is silent.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How one daemon is. Unknown fields are let through: operator and daemon may differ by a version
/// while they are being replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// The revision of the document in force; empty where there is none yet.
    pub revision: String,
    /// The last document, if it was refused; the one before it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Nodes of its ring, itself included.
    pub peers: u32,
    /// A hash of its ring: two daemons with the same one agree on the owner of every key.
    pub ring: String,
    /// Live buckets.
    pub buckets: i64,
    /// Whether it is leaving.
    #[serde(default)]
    pub draining: bool,
}

/// A document that a daemon did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its revision, as it says itself; empty where that cannot be read.
    pub revision: String,
    /// Why.
    pub reason: String,
}

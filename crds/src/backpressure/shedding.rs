//! Which requests go first when not all can, and which never do.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::GoDuration;

/// A rate limit that is asked before the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitCheck {
    /// Name of the limit, as in requests.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// What the unique key is made of; the parts are joined by a colon.
    #[schemars(length(min = 1, max = 8))]
    pub key: Vec<KeyPart>,
}

/// A part of a unique key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.header) != self.clientAddress")
        .message("either header or clientAddress: true must be given")
)]
pub struct KeyPart {
    /// The value of this header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
    pub header: Option<String>,
    /// The caller's address.
    #[serde(default)]
    pub client_address: bool,
}

/// Which requests are refused first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Criticality {
    /// Whether requests are told apart by how critical they are.
    pub enabled: bool,
    /// Header that says so: CRITICAL_PLUS, CRITICAL, SHEDDABLE_PLUS or SHEDDABLE.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
    pub header: String,
    /// How much of the window each class may fill, in percent. Classes that are not listed may fill
    /// all of it.
    pub shares: Shares,
}

impl Default for Criticality {
    fn default() -> Self {
        Self { enabled: false, header: "X-Request-Criticality".to_owned(), shares: Shares::default() }
    }
}

/// How much of the window each class may fill, in percent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", default)]
pub struct Shares {
    /// Requests whose loss users see at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub critical_plus: Option<i32>,
    /// Requests of a production service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub critical: Option<i32>,
    /// Requests that may fail in part.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub sheddable_plus: Option<i32>,
    /// Requests that may often fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub sheddable: Option<i32>,
}

/// Spreads requests that can wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", default = "Jitter::default")]
#[x_kube(
    validation = Rule::new("self.when != 'Always' || !self.max.matches('^(0|([0.]+(ns|us|µs|ms|s|m|h|d))+)$')")
        .message("delay must be non-empty when jitter is enabled: with when: Always, max is more than 0s")
)]
pub struct Jitter {
    /// Longest delay. 0s: none.
    pub max: GoDuration,
    /// Throttled: only while the allowance is below one. Always: at all times.
    pub when: JitterWhen,
    /// Longest wait that a request's X-Can-Wait header may offer.
    pub max_can_wait: GoDuration,
}

impl Default for Jitter {
    fn default() -> Self {
        Self { max: GoDuration::ZERO, when: JitterWhen::default(), max_can_wait: GoDuration::from_secs(30) }
    }
}

/// When requests are delayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JitterWhen {
    /// Only while the allowance is below one.
    #[default]
    Throttled,
    /// At all times.
    Always,
}

/// Requests that are always refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The header that is looked at, in any case.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"))]
    pub header: String,
    /// A regular expression; where it matches a part of the header's value the request is refused.
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: String,
}

/// Lets cheap PromQL queries pass by the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PromqlBypass {
    /// Whether requests are read as PromQL queries.
    pub enabled: bool,
    /// Queries that reach back no further than this are cheap.
    pub horizon: GoDuration,
}

impl Default for PromqlBypass {
    fn default() -> Self {
        Self { enabled: false, horizon: GoDuration::from_secs(7200) }
    }
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// A request, to the last byte of its answer. 0s: no bound.
    pub request: GoDuration,
    /// Connecting to the upstream. 0s: no bound.
    pub connect: GoDuration,
    /// An idle connection, a tunnel on which nothing moves, and a client that stops in the middle of a
    /// request: that does not read its answer, or does not send its body. 0s: no bound.
    pub idle: GoDuration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { request: GoDuration::ZERO, connect: GoDuration::from_secs(5), idle: GoDuration::from_secs(60) }
    }
}

//! How many requests may be in flight, and how that number moves.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many requests may be in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.min >= 1")
        .message("backpressure min window < 1: min is 1 or more"),
    validation = Rule::new("self.min <= self.max")
        .message("backpressure max window <= min window: max must not be less than min")
)]
pub struct Window {
    /// The window never closes further than this.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min: i32,
    /// The window never opens further than this.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max: i32,
    /// Cluster: min and max are shared out among the pods. Pod: each pod has them.
    #[serde(default)]
    pub scope: WindowScope,
}

/// Whose the window is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowScope {
    /// Shared out among the pods.
    #[default]
    Cluster,
    /// Each pod has its own.
    Pod,
}

/// How the window moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowAlgorithm {
    /// SignalCap: the signals' allowance caps the window; it grows by one with each completed request.
    /// SignalAIMD: halved while a signal fires, else grows by one. AIMD, Vegas and Gradient2: by
    /// latency. Fixed: always max.
    #[serde(rename = "type")]
    pub type_: WindowAlgorithmType,
    /// WhenBusy: the window grows only after a success and while at least half of it is in use.
    /// Always: with each completed request.
    pub growth: Growth,
}

/// What moves the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WindowAlgorithmType {
    /// Halved while a signal fires, else grows by one.
    SignalAIMD,
    /// Capped by the signals' allowance.
    #[default]
    SignalCap,
    /// Down to nine tenths on failed or too slow requests, else grows by one.
    AIMD,
    /// By the queue that latency implies.
    Vegas,
    /// By the gradient of latency.
    Gradient2,
    /// Always max.
    Fixed,
}

/// When the window grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Growth {
    /// Only after a success and while at least half of it is in use.
    #[default]
    WhenBusy,
    /// With each completed request.
    Always,
}

//! A configuration file as throttle-proxy writes it: its keys, none of which must be there, and what
//! else stands in it.

use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

pub use self::unknown::unknown_keys;
use super::LoadError;

mod unknown;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The whole file. Durations are still texts, so that a fault in one can name its key.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct File {
    /// URL of the one upstream.
    #[serde(deserialize_with = "or_zero")]
    pub upstream: String,
    /// Where traffic comes in.
    #[serde(deserialize_with = "or_zero")]
    pub insecure_listen_addr: String,
    /// Where metrics are served.
    #[serde(deserialize_with = "or_zero")]
    pub internal_listen_addr: String,
    /// Patterns of requests that go through the chain.
    #[serde(deserialize_with = "or_zero")]
    pub proxy_paths: Vec<String>,
    /// Patterns of requests that go straight to the upstream.
    #[serde(deserialize_with = "or_zero")]
    pub passthrough_paths: Vec<String>,
    /// How long reading a request may take.
    #[serde(deserialize_with = "or_zero")]
    pub proxy_read_timeout: String,
    /// How long answering one may take.
    #[serde(deserialize_with = "or_zero")]
    pub proxy_write_timeout: String,
    /// The chain.
    #[serde(deserialize_with = "or_zero")]
    pub proxymw_config: Chain,
}

/// What the chain does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Chain {
    /// Whether `CRITICAL_PLUS` requests are never delayed.
    #[serde(deserialize_with = "or_zero")]
    pub enable_criticality: bool,
    /// Whether requests are delayed.
    #[serde(deserialize_with = "or_zero")]
    pub enable_jitter: bool,
    /// The longest delay.
    #[serde(deserialize_with = "or_zero")]
    pub jitter_delay: String,
    /// Whether requests are counted.
    #[serde(deserialize_with = "or_zero")]
    pub enable_observer: bool,
    /// How long a request may take.
    #[serde(deserialize_with = "or_zero")]
    pub client_timeout: String,
    /// What is always refused.
    #[serde(deserialize_with = "or_zero")]
    pub blocker_config: Blocker,
    /// What the window does.
    #[serde(deserialize_with = "or_zero")]
    pub backpressure_config: Backpressure,
}

/// What is always refused.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Blocker {
    /// Whether anything is.
    #[serde(deserialize_with = "or_zero")]
    pub enable_blocker: bool,
    /// `header=regex`.
    #[serde(deserialize_with = "or_zero")]
    pub block_patterns: Vec<String>,
}

/// What the window does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Backpressure {
    /// Whether there is one.
    #[serde(deserialize_with = "or_zero")]
    pub enable_backpressure: bool,
    /// URL of Prometheus.
    #[serde(deserialize_with = "or_zero")]
    pub backpressure_monitoring_url: String,
    /// What Prometheus is asked.
    #[serde(deserialize_with = "or_zero")]
    pub backpressure_queries: Vec<Query>,
    /// The narrowest window.
    #[serde(deserialize_with = "or_zero")]
    pub congestion_window_min: i64,
    /// The widest.
    #[serde(deserialize_with = "or_zero")]
    pub congestion_window_max: i64,
    /// Whether cheap PromQL passes by the window.
    #[serde(deserialize_with = "or_zero")]
    pub enable_low_cost_bypass: bool,
}

/// A question to Prometheus, and what its answer means.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Query {
    /// What metrics call it.
    #[serde(deserialize_with = "or_zero")]
    pub name: String,
    /// PromQL.
    #[serde(deserialize_with = "or_zero")]
    pub query: String,
    /// Where the window begins to close.
    #[serde(deserialize_with = "or_zero")]
    pub warning_threshold: f64,
    /// Where it is closed.
    #[serde(deserialize_with = "or_zero")]
    pub emergency_threshold: f64,
    /// How steeply.
    #[serde(deserialize_with = "or_zero")]
    pub throttling_curve: f64,
}

/// A key without a value is a key that is not there, as in Go.
fn or_zero<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(value).map(Option::unwrap_or_default)
}

/// Reads a file.
///
/// # Errors
/// Where it cannot be read, or is not the YAML that it should be.
pub fn read(path: &Path) -> Result<(File, Vec<String>), LoadError> {
    let open = |cause| LoadError::Open { path: path.display().to_string(), cause };
    let mut text = String::new();
    // No more than that is read of what has no end.
    let file = std::fs::File::open(path).map_err(open)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(open)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let path = path.display();
        return Err(LoadError::Decode(format!(
            "{path} is larger than the {MAX_FILE_BYTES} bytes that are read"
        )));
    }
    parse(&text)
}

/// Reads the text of a file, and names each key in it that is not known.
///
/// # Errors
/// Where it is not the YAML that it should be.
pub fn parse(text: &str) -> Result<(File, Vec<String>), LoadError> {
    let file: Option<File> = decode(text)?;
    let file = file.ok_or_else(|| LoadError::Decode("the file is empty; name an upstream in it".into()))?;
    Ok((file, unknown_keys(&decode(text)?)))
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, LoadError> {
    // Bounds that no honest file comes near, and that a bomb meets at once.
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 16,
            max_aliases: 200,
            max_anchors: 200,
            max_merge_keys: 100,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
        },
        // It is for the validation to complain of what is no number.
        non_finite_float_policy: serde_yaml::options::NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    serde_yaml::from_str_with_options(text, options).map_err(|error| LoadError::Decode(error.to_string()))
}

#[cfg(test)]
mod tests;

//! What a daemon is told to do: the settings of its cluster and the limits it enforces.
//!
//! The operator writes the document to ConfigMaps and the daemon reads it; the standalone mode
//! hands it over in memory. A document that is wrong in any part is refused whole, so that no
//! daemon ever runs half of one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    backpressure::BackpressurePolicySpec,
    cluster::{
        Batching, GlobalSync, Hash, HeaderStyle, OnOwnerUnavailable, RateLimitClusterSpec, Undeclared,
    },
    duration::GoDuration,
    limit::{Algorithm, Behavior, Calendar, Enforcement, MAX_LIMIT, Precedence},
    reference::ObjectName,
};

/// The form of document that this version writes and reads.
pub const FORMAT: u32 = 1;

/// All that a daemon needs to know of its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DaemonDocument {
    /// The form of the document; [`FORMAT`].
    pub format: u32,
    /// A hash of all the rest, as 16 hexadecimal digits: equal contents have equal revisions.
    pub revision: String,
    /// The cluster that the document was folded for.
    pub cluster: ObjectName,
    /// Settings that a daemon takes at start only.
    pub start: StartSettings,
    /// Settings that a running daemon takes.
    pub live: LiveSettings,
    /// The declared limits, sorted by name.
    pub rate_limits: Vec<LimitEntry>,
    /// The policies, sorted by their objects' names.
    pub backpressure_policies: Vec<PolicyEntry>,
}

/// Settings that a daemon takes at start only: the shape of its table and its ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartSettings {
    /// Live buckets before the least recently used is dropped.
    pub capacity: i64,
    /// How keys find their owner.
    pub hash: Hash,
    /// IANA name of the time zone of calendar windows.
    pub time_zone: String,
    /// Name of the region; empty for none.
    pub data_center: String,
    /// How requests to other pods are gathered.
    pub batching: Batching,
    /// How hits and answers of Global limits travel.
    pub global: GlobalSync,
    /// What decides when a key's owner cannot be reached.
    pub on_owner_unavailable: OnOwnerUnavailable,
    /// How far a request's created_at may be from the clock before it is clamped.
    pub max_clock_skew: GoDuration,
}

impl From<&RateLimitClusterSpec> for StartSettings {
    fn from(spec: &RateLimitClusterSpec) -> Self {
        Self {
            capacity: spec.capacity,
            hash: spec.hash,
            time_zone: spec.time_zone.clone(),
            data_center: spec.data_center.clone(),
            batching: spec.batching.clone(),
            global: spec.global.clone(),
            on_owner_unavailable: spec.on_owner_unavailable,
            max_clock_skew: spec.max_clock_skew,
        }
    }
}

/// Settings that a running daemon takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LiveSettings {
    /// What becomes of a request whose name no RateLimit declares.
    pub undeclared: Undeclared,
    /// Which RateLimit headers answers carry.
    pub headers: HeaderStyle,
}

/// One declared limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitEntry {
    /// The limit's name in requests; no two entries have the same.
    pub name: String,
    /// The RateLimit that declares it.
    pub source: ObjectName,
    /// Hits per window, from 0 to [`MAX_LIMIT`].
    pub limit: i64,
    /// The window.
    pub window: LimitWindow,
    /// How hits are counted.
    pub algorithm: Algorithm,
    /// Hits that a leaky bucket holds at once; 0 for as many as `limit`.
    pub burst: i64,
    /// Flags, each at most once, sorted.
    pub behaviors: Vec<Behavior>,
    /// Who wins where the declaration and a request differ.
    pub precedence: Precedence,
    /// What becomes of a request over the limit.
    pub enforcement: Enforcement,
    /// Other limits for some keys; the first that matches counts.
    pub overrides: Vec<OverrideEntry>,
}

/// How long a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitWindow {
    /// So many milliseconds, at least one, from a key's first hit.
    Millis(i64),
    /// The calendar interval that the hit falls in.
    Calendar(Calendar),
}

/// Another limit for some keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OverrideEntry {
    /// Which keys.
    pub matches: KeyMatch,
    /// What they may do.
    pub allows: Allowance,
}

/// Which unique keys are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyMatch {
    /// This one.
    Key(String),
    /// All that begin so.
    Prefix(String),
}

impl KeyMatch {
    /// Whether a unique key is meant.
    pub fn matches(&self, unique_key: &str) -> bool {
        match self {
            Self::Key(key) => key == unique_key,
            Self::Prefix(prefix) => unique_key.starts_with(prefix.as_str()),
        }
    }
}

/// What keys may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Allowance {
    /// So many hits per window, from 0 to [`MAX_LIMIT`].
    Limit(i64),
    /// All they want.
    Unlimited,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyEntry {
    /// The BackpressurePolicy that declares it.
    pub source: ObjectName,
    /// What it says.
    pub spec: BackpressurePolicySpec,
}

/// Why a document is refused. Nothing of a refused document may be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not YAML, or not the fields that a document has.
    #[error("the document is not readable")]
    Syntax(#[source] serde_yaml::Error),
    /// It could not be written.
    #[error("failed to write the document as YAML")]
    Render(#[source] serde_yaml::ser::Error),
    /// It could not be hashed.
    #[error("failed to hash the document")]
    Hash(#[source] serde_json::Error),
    /// From a version that writes another form.
    #[error(
        "the document has the format {0}; this program reads {FORMAT}: run the same version of operator and daemon"
    )]
    Format(u32),
    /// Its contents are not what its revision was worked out from.
    #[error(
        "the document says that its revision is {stated:?}, but its contents have {actual:?}: it was changed by hand or cut off"
    )]
    Revision {
        /// What it says.
        stated: String,
        /// What its contents have.
        actual: String,
    },
    /// A value out of bounds.
    #[error("rateLimits[{index}] ({name:?}): {message}")]
    Limit {
        /// The entry's place in the list.
        index: usize,
        /// The entry's name.
        name: String,
        /// What is wrong.
        message: String,
    },
}

impl DaemonDocument {
    /// Reads a document and checks all of it, its revision too.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let options = serde_yaml::options! { with_snippet: false };
        let document: Self =
            serde_yaml::from_str_with_options(text, options).map_err(DocumentError::Syntax)?;
        document.validate()?;
        let actual = document.content_hash()?;
        if document.revision != actual {
            return Err(DocumentError::Revision { stated: document.revision, actual });
        }
        Ok(document)
    }

    /// Writes the document, so that [`DaemonDocument::parse`] reads it back.
    pub fn render(&self) -> Result<String, DocumentError> {
        serde_yaml::to_string(self).map_err(DocumentError::Render)
    }

    /// Checks what the types leave open; the revision is not looked at.
    pub fn validate(&self) -> Result<(), DocumentError> {
        if self.format != FORMAT {
            return Err(DocumentError::Format(self.format));
        }
        let mut seen = HashMap::new();
        for (index, entry) in self.rate_limits.iter().enumerate() {
            let checked = entry.validate().and_then(|()| match seen.insert(entry.name.as_str(), index) {
                Some(first) => Err(format!("has the name of rateLimits[{first}]")),
                None => Ok(()),
            });
            checked.map_err(|message| DocumentError::Limit { index, name: entry.name.clone(), message })?;
        }
        Ok(())
    }

    /// What the revision must be: a hash of everything else.
    pub fn content_hash(&self) -> Result<String, DocumentError> {
        let content = (
            self.format,
            &self.cluster,
            &self.start,
            &self.live,
            &self.rate_limits,
            &self.backpressure_policies,
        );
        // JSON, because its form depends on our types alone: no map here is unordered.
        let bytes = serde_json::to_vec(&content).map_err(DocumentError::Hash)?;
        Ok(format!("{:016x}", xxh3_64(&bytes)))
    }
}

impl DaemonDocument {
    /// Names in a policy's rateLimits that no limit of the document has: pods do not ask those.
    pub fn undeclared<'a>(&self, policy: &'a PolicyEntry) -> Vec<&'a str> {
        let declared = |name: &str| self.rate_limits.binary_search_by(|entry| entry.name.as_str().cmp(name));
        let named = policy.spec.rate_limits.iter().map(|check| check.name.as_str());
        named.filter(|name| declared(name).is_err()).collect()
    }
}

impl LimitEntry {
    fn validate(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("name must not be empty".to_owned());
        }
        bounded("limit", self.limit)?;
        bounded("burst", self.burst)?;
        if let LimitWindow::Millis(millis) = self.window
            && millis < 1
        {
            return Err(format!("window.millis is {millis}: at least 1"));
        }
        for (index, entry) in self.overrides.iter().enumerate() {
            if let Allowance::Limit(limit) = entry.allows {
                bounded(&format!("overrides[{index}].allows.limit"), limit)?;
            }
        }
        Ok(())
    }
}

fn bounded(field: &str, value: i64) -> Result<(), String> {
    if (0..=MAX_LIMIT).contains(&value) {
        return Ok(());
    }
    Err(format!("{field} is {value}: it must be from 0 to {MAX_LIMIT}"))
}

#[cfg(test)]
mod tests;

//! What is counted of the watches of the Kubernetes API.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::families::{added, counters, gauges};
use crate::api::FailureKind;

/// Where a document came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentOrigin {
    /// The Kubernetes API.
    Api,
    /// The mounted files.
    Mount,
    /// Manifests.
    Files,
}

impl DocumentOrigin {
    /// The word for it, in logs and labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Mount => "mount",
            Self::Files => "files",
        }
    }
}

/// The handles of the watches of one kind of object.
#[derive(Clone, Debug)]
pub struct WatchMetrics {
    /// Lists asked for: one at the start, and one whenever the server has forgotten.
    pub lists: IntCounter,
    /// Objects that could not be read.
    pub invalid: IntCounter,
    unreachable: IntCounter,
    refused: IntCounter,
    gone: IntCounter,
}

impl WatchMetrics {
    /// The counter of failures of a kind.
    #[must_use]
    pub const fn failed(&self, kind: FailureKind) -> &IntCounter {
        match kind {
            FailureKind::Unreachable => &self.unreachable,
            FailureKind::Refused => &self.refused,
            FailureKind::Gone => &self.gone,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct WatchFamilies {
    lists: IntCounterVec,
    errors: IntCounterVec,
    origin: IntGaugeVec,
}

impl WatchFamilies {
    pub(super) fn register(to: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            lists: counters(
                to,
                "wicketgate_watch_lists_total",
                "Lists asked of the Kubernetes API: one when a watch starts, and one whenever it cannot be resumed.",
                "resource",
            )?,
            errors: added(
                to,
                IntCounterVec::new(
                    Opts::new(
                        "wicketgate_watch_errors_total",
                        "Failures of watches of the Kubernetes API, each tried again: unreachable (no answer, 429 or \
                         5xx), refused (it may not be), gone (to be listed again), invalid (an object cannot be read).",
                    ),
                    &["resource", "kind"],
                )?,
            )?,
            origin: gauges(
                to,
                "wicketgate_document_source_info",
                "Always 1; where the document in force came from is in the label: api, mount or files.",
                "source",
            )?,
        })
    }

    /// The handles for a kind of object, by its plural.
    pub(super) fn of(&self, resource: &str) -> WatchMetrics {
        let error = |kind: &str| self.errors.with_label_values(&[resource, kind]);
        WatchMetrics {
            lists: self.lists.with_label_values(&[resource]),
            invalid: error("invalid"),
            unreachable: error("unreachable"),
            refused: error("refused"),
            gone: error("gone"),
        }
    }

    pub(super) fn set_origin(&self, origin: DocumentOrigin) {
        self.origin.reset();
        self.origin.with_label_values(&[origin.word()]).set(1);
    }
}

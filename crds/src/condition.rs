//! Condition types and reasons as enums, so that no string is spelled twice.
//!
//! Types and reasons are the Gateway API's where it has one for the case.

use std::fmt;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};

/// What a condition is about: the `type` of an entry of `status.conditions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The object is valid and belongs to its cluster.
    Accepted,
    /// Every ready pod of the cluster runs what the object says.
    Programmed,
    /// All wanted pods are ready and run the current document.
    Ready,
    /// At least one pod serves.
    Available,
    /// A change is being rolled out.
    Progressing,
    /// Something is wrong that does not heal by waiting.
    Degraded,
    /// Every signal has a fresh value.
    SignalsHealthy,
    /// The allowance is below one: the window is cut.
    Throttling,
}

impl ConditionType {
    /// The `type` as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::SignalsHealthy => "SignalsHealthy",
            Self::Throttling => "Throttling",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a condition has its status: the `reason` of an entry of `status.conditions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Accepted: valid, and in the cluster's document.
    Accepted,
    /// Not accepted: an older object holds what this one claims.
    Conflicted,
    /// Not accepted: a value that the schema cannot refuse has no meaning.
    Invalid,
    /// Not accepted: the cluster does not allow the object's namespace.
    RefNotPermitted,
    /// Not accepted: the cluster does not exist.
    TargetNotFound,
    /// Programmed: every ready pod runs it.
    Programmed,
    /// Not yet known, or not yet everywhere.
    Pending,
    /// Not programmed: a pod cannot do what the object says.
    NotServed,
    /// Not programmed: a pod serves with what it had, since a Secret has changed and cannot be used.
    SecretUnusable,
    /// Every signal has a fresh value.
    SignalsFresh,
    /// There are no signals.
    NoSignals,
    /// A signal has had no value for longer than maxStaleness.
    SignalLost,
    /// The last question about a signal brought no value.
    QueryFailed,
    /// A signal cuts the window.
    WindowCut,
    /// No signal cuts the window.
    WindowOpen,
    /// Nobody knows now; a signal cut the window when last it was known.
    WasCut,
    /// Nobody knows now; a signal had no fresh value when last it was known.
    WasUnhealthy,
    /// Nothing is changed, because spec.paused says so.
    Paused,
    /// No pod is ready to run anything.
    NoReadyPods,
    /// Enough pods are ready.
    PodsReady,
    /// Too few pods are ready.
    PodsNotReady,
    /// Pods are being added, removed or replaced, or a document is on its way.
    Reconciling,
    /// All is as declared.
    UpToDate,
    /// A pod has refused a document.
    DocumentRefused,
    /// An object of a name that is needed belongs to somebody else.
    ForeignObject,
    /// The API server refuses an object.
    ApplyRefused,
    /// Pods have different rings for longer than a change takes.
    RingsDiffer,
}

impl Reason {
    /// The `reason` as it stands in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Conflicted => "Conflicted",
            Self::Invalid => "Invalid",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::TargetNotFound => "TargetNotFound",
            Self::Programmed => "Programmed",
            Self::Pending => "Pending",
            Self::NotServed => "NotServed",
            Self::SecretUnusable => "SecretUnusable",
            Self::SignalsFresh => "SignalsFresh",
            Self::NoSignals => "NoSignals",
            Self::SignalLost => "SignalLost",
            Self::QueryFailed => "QueryFailed",
            Self::WindowCut => "WindowCut",
            Self::WindowOpen => "WindowOpen",
            Self::WasCut => "WasCut",
            Self::WasUnhealthy => "WasUnhealthy",
            Self::Paused => "Paused",
            Self::NoReadyPods => "NoReadyPods",
            Self::PodsReady => "PodsReady",
            Self::PodsNotReady => "PodsNotReady",
            Self::Reconciling => "Reconciling",
            Self::UpToDate => "UpToDate",
            Self::DocumentRefused => "DocumentRefused",
            Self::ForeignObject => "ForeignObject",
            Self::ApplyRefused => "ApplyRefused",
            Self::RingsDiffer => "RingsDiffer",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The schema of `status.conditions`: a list-map keyed by type, with the bounds of Kubernetes' own
/// `Condition`, which the generated one leaves out.
pub(crate) fn list_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's current state.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "What the condition is about, in CamelCase.",
                    "maxLength": 316,
                    "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
                "status": {
                    "type": "string",
                    "description": "Whether the condition holds: True, False or Unknown.",
                    "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "The metadata.generation that the condition was worked out from. A lower number than the object's means that the condition is out of date.",
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When the status last changed from one value to another.",
                },
                "reason": {
                    "type": "string",
                    "description": "Why the condition has its status, as one word in CamelCase.",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "type": "string",
                    "description": "The same for people.",
                    "maxLength": 32768,
                },
            },
        },
    })
}

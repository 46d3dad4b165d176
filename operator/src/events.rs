//! Where an outcome becomes an Event of its object (events.k8s.io/v1), a line of the log and a count.
//!
//! Whoever calls decides that something has changed; what has not is no event. Publishing never
//! waits and never fails a reconcile: events pass through a bounded queue to one task, which sends
//! them one after the other, so that a thousand objects at once do not crowd out what matters more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crds::condition::Condition;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use crate::{causes::chain, fingerprint, metrics::Metrics};

/// Who reports, in every Event.
const CONTROLLER: &str = "wicketgate.dev/operator";
/// The most events that wait.
const MAX_WAITING: usize = 4_096;
/// The most bytes of a note that the API server takes.
const MAX_NOTE: usize = 1_024;
/// How long one event may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A recorder remembers what it has published for some minutes, to count repeats. After this many it
/// is replaced by a new one, or its memory would grow with the number of objects.
const EVENTS_A_RECORDER: usize = 512;

/// Why an Event is told: its `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The object is valid and belongs to its cluster.
    Accepted,
    /// An older object holds what this one claims.
    Conflicted,
    /// The cluster does not allow the object's namespace.
    RefNotPermitted,
    /// The cluster that the object names does not exist.
    TargetNotFound,
    /// A value has no meaning; nothing is done until it changes.
    Invalid,
    /// The object works, and yet there is something that its owner should know.
    Caution,
    /// Every ready pod runs what the object says.
    Programmed,
    /// All wanted pods are ready and run the current document.
    Ready,
    /// A change is being rolled out.
    Progressing,
    /// Something is wrong that does not heal by waiting.
    Degraded,
    /// What was degraded is well again.
    Recovered,
    /// Reconciling is paused, by `spec.paused`.
    Paused,
    /// Reconciling goes on.
    Resumed,
    /// A cluster that a ConfigMap holds is not applied.
    ClusterRefused,
    /// A pod cannot do what the object says.
    NotServed,
    /// A pod goes on with what it had, since a Secret has changed and cannot be used.
    SecretUnusable,
    /// A signal begins to cut a policy's window.
    ThrottlingStarted,
    /// No signal cuts a policy's window any more.
    ThrottlingEnded,
    /// A policy's signal has no fresh value.
    SignalsUnhealthy,
    /// Every signal of a policy has a fresh value again.
    SignalsHealthy,
}

impl Reason {
    /// Each of them.
    pub const ALL: [Self; 20] = [
        Self::Accepted,
        Self::Conflicted,
        Self::RefNotPermitted,
        Self::TargetNotFound,
        Self::Invalid,
        Self::Caution,
        Self::Programmed,
        Self::Ready,
        Self::Progressing,
        Self::Degraded,
        Self::Recovered,
        Self::Paused,
        Self::Resumed,
        Self::ClusterRefused,
        Self::NotServed,
        Self::SecretUnusable,
        Self::ThrottlingStarted,
        Self::ThrottlingEnded,
        Self::SignalsUnhealthy,
        Self::SignalsHealthy,
    ];

    /// The reason that goes with a condition; nothing where the condition is no news for people.
    #[must_use]
    pub fn of(condition: &Condition) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == condition.reason)
    }

    /// The word in the Event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Conflicted => "Conflicted",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::TargetNotFound => "TargetNotFound",
            Self::Invalid => "Invalid",
            Self::Caution => "Caution",
            Self::Programmed => "Programmed",
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::Recovered => "Recovered",
            Self::Paused => "Paused",
            Self::Resumed => "Resumed",
            Self::ClusterRefused => "ClusterRefused",
            Self::NotServed => "NotServed",
            Self::SecretUnusable => "SecretUnusable",
            Self::ThrottlingStarted => "ThrottlingStarted",
            Self::ThrottlingEnded => "ThrottlingEnded",
            Self::SignalsUnhealthy => "SignalsUnhealthy",
            Self::SignalsHealthy => "SignalsHealthy",
        }
    }

    /// Whether a person should look at it.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::Conflicted
                | Self::RefNotPermitted
                | Self::TargetNotFound
                | Self::Invalid
                | Self::Caution
                | Self::Degraded
                | Self::ClusterRefused
                | Self::NotServed
                | Self::SecretUnusable
                | Self::ThrottlingStarted
                | Self::SignalsUnhealthy
        )
    }

    /// What the operator was doing, which an Event must say too.
    const fn action(self) -> &'static str {
        match self {
            Self::Accepted
            | Self::Conflicted
            | Self::RefNotPermitted
            | Self::TargetNotFound
            | Self::Invalid
            | Self::Caution => "Validate",
            Self::Programmed
            | Self::Ready
            | Self::Degraded
            | Self::Recovered
            | Self::NotServed
            | Self::SecretUnusable
            | Self::ThrottlingStarted
            | Self::ThrottlingEnded
            | Self::SignalsUnhealthy
            | Self::SignalsHealthy => "Observe",
            Self::Progressing | Self::ClusterRefused => "Apply",
            Self::Paused | Self::Resumed => "Reconcile",
        }
    }
}

/// Takes events. Clones put into the same queue.
#[derive(Clone, Debug)]
pub struct Events {
    queue: Sender<Told>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Told {
    regarding: ObjectReference,
    reason: Reason,
    note: String,
}

impl Events {
    /// Starts the task that publishes, in the name of the pod `instance`. It ends with the last clone.
    #[must_use]
    pub fn start(client: Client, instance: String, metrics: Arc<Metrics>) -> Self {
        let (events, waiting) = Self::queue(metrics);
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(instance) };
        tokio::spawn(publish_all(client, reporter, waiting, Arc::clone(&events.metrics)));
        events
    }

    fn queue(metrics: Arc<Metrics>) -> (Self, Receiver<Told>) {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        (Self { queue, metrics }, waiting)
    }

    /// Tells `note` of the object `regarding`. Of a longer note than the API server takes the
    /// beginning is published.
    pub fn tell(&self, regarding: &ObjectReference, reason: Reason, note: &str) {
        let kind = regarding.kind.as_deref().unwrap_or_default();
        let namespace = regarding.namespace.as_deref().unwrap_or_default();
        let name = regarding.name.as_deref().unwrap_or_default();
        if reason.is_warning() {
            tracing::warn!(kind, namespace, name, reason = reason.as_str(), "{note}");
        } else {
            tracing::info!(kind, namespace, name, reason = reason.as_str(), "{note}");
        }
        self.metrics.event(reason.as_str());
        let told = Told { regarding: regarding.clone(), reason, note: shortened(note) };
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.queue.try_send(told) {
            self.metrics.events_lost().inc();
        }
    }
}

/// Recorders, one after the other. A recorder takes what has another note for a repeat all the same, and the
/// first note stays. So a warning that says something new gets a new recorder.
struct Recorders {
    client: Client,
    reporter: Reporter,
    recorder: Recorder,
    published: usize,
    /// Fingerprints of the notes of its warnings, by the object's uid and the reason.
    warned: HashMap<(Option<String>, Reason), u64>,
}

impl Recorders {
    fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, recorder, published: 0, warned: HashMap::new() }
    }

    /// The one to publish this with.
    fn next(&mut self, told: &Told) -> &Recorder {
        let key = (told.regarding.uid.clone(), told.reason);
        let note = fingerprint::of(&told.note);
        if self.published == EVENTS_A_RECORDER || self.warned.get(&key).is_some_and(|known| *known != note) {
            *self = Self::new(self.client.clone(), self.reporter.clone());
        }
        if told.reason.is_warning() {
            self.warned.insert(key, note);
        }
        self.published += 1;
        &self.recorder
    }
}

async fn publish_all(client: Client, reporter: Reporter, mut waiting: Receiver<Told>, metrics: Arc<Metrics>) {
    let mut recorders = Recorders::new(client, reporter);
    while let Some(told) = waiting.recv().await {
        let recorder = recorders.next(&told);
        let Told { regarding, reason, note } = told;
        let event = Event {
            type_: if reason.is_warning() { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(note),
            action: reason.action().to_owned(),
            secondary: None,
        };
        let outcome = tokio::time::timeout(TIMEOUT, recorder.publish(&event, &regarding)).await;
        let error = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => chain(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        metrics.events_lost().inc();
        tracing::debug!(error, reason = reason.as_str(), "an event was not published");
    }
}

/// `note`, or its beginning and an ellipsis.
fn shortened(note: &str) -> String {
    const ELLIPSIS: &str = "…";
    if note.len() <= MAX_NOTE {
        return note.to_owned();
    }
    let end = note.floor_char_boundary(MAX_NOTE - ELLIPSIS.len());
    format!("{}{ELLIPSIS}", &note[..end])
}

#[cfg(test)]
mod tests;

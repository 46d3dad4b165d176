//! The pods of a cluster as they are: what Kubernetes says of them, and what they say of themselves.

use std::time::Duration;

use crds::report::PodReport;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt as _;
use tokio::time::Instant;

use crate::{
    board::{NEWCOMER, PodStanding},
    ledger::Ledger,
    reports::Heard,
};

/// One pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Whether it gets requests: it is ready, and not about to leave.
    pub ready: bool,
    /// How long it has been ready; nothing where it is not.
    pub ready_for: Duration,
    /// What it said last.
    pub report: Option<PodReport>,
    /// Whether its stream is open.
    pub heard: bool,
}

impl PodView {
    /// What is known of a pod at `now`, by the calendar and by the other clock. What a pod said before its
    /// stream broke holds for a while, in which it is asked again.
    #[must_use]
    pub fn of(pod: &Pod, heard: Heard, now: (Timestamp, Instant)) -> Self {
        let condition = ready_condition(pod);
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let ready = !leaving && condition.is_some_and(|condition| condition.status == "True");
        let since = condition.and_then(|condition| condition.last_transition_time.as_ref());
        let ready_for = since.filter(|_| ready).map_or(Duration::ZERO, |since| {
            Duration::try_from(now.0.duration_since(since.0)).unwrap_or_default()
        });
        let current = heard.is_current();
        let holds = match &heard {
            Heard::Lost { since, .. } => now.1.saturating_duration_since(*since) < MEMORY,
            Heard::Never | Heard::Report { .. } => true,
        };
        let report = if holds { heard.into_report() } else { None };
        Self { name: pod.name_any(), ready, ready_for, report, heard: current }
    }

    /// The pod as the board needs it.
    #[must_use]
    pub fn standing(&self, ledger: &Ledger) -> PodStanding {
        PodStanding {
            name: self.name.clone(),
            runs: self.report.as_ref().and_then(|report| ledger.number(&report.revision)),
            newcomer: self.report.is_none() && self.ready_for < NEWCOMER,
        }
    }

    /// The revision that it runs, as far as it has said.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        let report = self.report.as_ref()?;
        (!report.revision.is_empty()).then_some(report.revision.as_str())
    }
}

fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "Ready")
}

/// How long what a pod said holds when it is heard no more.
const MEMORY: Duration = Duration::from_secs(10);
/// How long rings may differ: endpoints travel, and pods come and go one after the other.
const RINGS_SETTLE: Duration = Duration::from_secs(10);

/// The rings of ready pods that have spoken, where they differ.
#[must_use]
pub fn rings_differ(pods: &[PodView]) -> bool {
    let mut rings = pods
        .iter()
        .filter(|pod| pod.ready && pod.heard)
        .filter_map(|pod| pod.report.as_ref())
        .map(|report| report.ring.as_str());
    rings.next().is_some_and(|first| rings.any(|ring| ring != first))
}

/// Whether rings have differed for longer than a change takes.
#[must_use]
pub fn rings_stay_apart(since: Option<Instant>, now: Instant) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) >= RINGS_SETTLE)
}

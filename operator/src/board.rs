//! What the clusters' reconciles found out about each RateLimit and BackpressurePolicy.
//!
//! A cluster's reconcile pins its verdicts up; the reconcile of an object reads its own and writes it
//! into the object's status. Nothing else passes between the two.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crds::{condition::Reason, fold::Outcome, reference::ObjectName, report::PolicyReport};
use tokio::time::Instant;

use crate::{
    ledger::{Ledger, Source},
    policy::measured::Measured,
};

/// How long a pod that has just become ready may be silent before it counts as one that lags.
pub const NEWCOMER: Duration = Duration::from_secs(10);
/// How long something is awaited before the message names who is late.
pub const LATE: Duration = Duration::from_secs(5);

/// How far an accepted object has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every ready pod runs it.
    InForce {
        /// The revision that first had it as it is.
        revision: String,
    },
    /// Something is awaited.
    Waiting {
        /// What, in one word.
        reason: Reason,
        /// What, for people.
        message: String,
    },
}

/// What is known of one object.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The object's generation that was judged.
    pub generation: Option<i64>,
    /// Whether it is in the document.
    pub outcome: Outcome,
    /// How far it has come.
    pub progress: Progress,
    /// What its owner should know although it is accepted.
    pub caution: Option<String>,
    /// What the ready pods measure of it, where it is one of which they do and one has told.
    pub measured: Option<Arc<Measured>>,
    /// Since when it is, or is not, in force.
    pub since: Instant,
}

impl Verdict {
    /// A verdict on something of which no more is known than this.
    #[must_use]
    pub const fn new(generation: Option<i64>, outcome: Outcome, progress: Progress, since: Instant) -> Self {
        Self { generation, outcome, progress, caution: None, measured: None, since }
    }

    /// Whether both say the same. How old a measurement is does not count.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.outcome == other.outcome
            && self.progress == other.progress
            && self.caution == other.caution
            && match (&self.measured, &other.measured) {
                (Some(this), Some(other)) => this.agrees(other),
                (this, other) => this.is_none() && other.is_none(),
            }
    }

    /// Whether every ready pod runs the object.
    #[must_use]
    pub const fn in_force(&self) -> bool {
        matches!(self.progress, Progress::InForce { .. })
    }
}

/// One ready pod, as far as documents go.
#[derive(Clone, Debug)]
pub struct PodStanding {
    /// Its name.
    pub name: String,
    /// The number of the document that it said it runs; nothing where that is unknown, or where the
    /// pod has said nothing.
    pub runs: Option<u64>,
    /// Whether it has become ready a moment ago and has said nothing yet. It loaded the document before it
    /// became ready.
    pub newcomer: bool,
}

/// How far one entry has come on `pods`. `before` is what was known of it, `now` is the time.
#[must_use]
pub fn progress(
    entry: (&Source, u64),
    ledger: &Ledger,
    pods: &[PodStanding],
    before: Option<&Verdict>,
    now: Instant,
) -> Progress {
    let waiting = |reason, message| Progress::Waiting { reason, message };
    let Some(since) = ledger.since(entry.0, entry.1) else {
        return waiting(Reason::Pending, "not yet in the cluster's document".to_owned());
    };
    if pods.is_empty() {
        return waiting(Reason::NoReadyPods, "no pod of the cluster is ready".to_owned());
    }
    let was_in_force = before.is_some_and(
        |verdict| matches!(&verdict.progress, Progress::InForce { revision } if *revision == since.revision),
    );
    let lags = |pod: &&PodStanding| {
        let runs = pod.runs.is_some_and(|number| number >= since.number);
        !(runs || was_in_force && pod.newcomer)
    };
    let late: Vec<&str> = pods.iter().filter(lags).map(|pod| pod.name.as_str()).collect();
    if late.is_empty() {
        return Progress::InForce { revision: since.revision.clone() };
    }
    let mut message = format!("waiting until every ready pod runs revision {}", since.revision);
    if before.is_some_and(|verdict| !verdict.in_force() && now >= verdict.since + LATE) {
        message.push_str(&format!(": {} of {} do not yet: {}", late.len(), pods.len(), names(&late)));
    }
    waiting(Reason::Pending, message)
}

/// How far a policy has come that every ready pod has: whether each of them serves it. `reports` are what
/// those say of it that have spoken, with their names.
#[must_use]
pub fn served(progress: Progress, reports: &[(&str, Option<&PolicyReport>)]) -> Progress {
    if !matches!(progress, Progress::InForce { .. }) {
        return progress;
    }
    let telling = |what: fn(&PolicyReport) -> &str| -> Vec<(&str, &str)> {
        let told = reports.iter().filter_map(|(pod, report)| Some((*pod, what(report.as_ref()?))));
        told.filter(|(_, what)| !what.is_empty()).collect()
    };
    let failing = telling(|report| &report.problem);
    if let Some((pod, problem)) = failing.first() {
        let mut message = format!("{pod} does not serve it: {problem}");
        if failing.len() > 1 {
            message.push_str(&format!("; nor do {} more pods", failing.len() - 1));
        }
        return Progress::Waiting { reason: Reason::NotServed, message };
    }
    let outdated = telling(|report| &report.outdated);
    if let Some((pod, what)) = outdated.first() {
        let mut message = format!("{pod} serves it with what it had before: {what}");
        if outdated.len() > 1 {
            message.push_str(&format!("; so do {} more pods", outdated.len() - 1));
        }
        return Progress::Waiting { reason: Reason::SecretUnusable, message };
    }
    let silent: Vec<&str> =
        reports.iter().filter(|(_, report)| report.is_none()).map(|(pod, _)| *pod).collect();
    if silent.is_empty() {
        return progress;
    }
    let message = format!("waiting until every ready pod tells of it: {} do not yet", names(&silent));
    Progress::Waiting { reason: Reason::Pending, message }
}

/// The first names of many.
pub(crate) fn names(all: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 5;
    let shown = all.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN { format!("{shown} and {} more", all.len() - SHOWN) } else { shown }
}

/// All verdicts, by cluster.
#[derive(Debug, Default)]
pub struct Board {
    clusters: Mutex<HashMap<ObjectName, HashMap<Source, Verdict>>>,
}

impl Board {
    /// What the cluster's last reconcile found out about an object.
    #[must_use]
    pub fn verdict(&self, cluster: &ObjectName, source: &Source) -> Option<Verdict> {
        self.lock().get(cluster)?.get(source).cloned()
    }

    /// Replaces a cluster's verdicts. Returns the objects of which something else is known now.
    #[must_use]
    pub fn pin(&self, cluster: &ObjectName, mut verdicts: HashMap<Source, Verdict>) -> Vec<Source> {
        let mut clusters = self.lock();
        let before = clusters.entry(cluster.clone()).or_default();
        for (source, verdict) in &mut verdicts {
            if let Some(known) = before.get(source).filter(|known| known.in_force() == verdict.in_force()) {
                verdict.since = known.since;
            }
        }
        let changed = verdicts
            .iter()
            .filter(|(source, verdict)| !before.get(*source).is_some_and(|known| known.agrees(verdict)))
            .map(|(source, _)| source);
        let gone = before.keys().filter(|source| !verdicts.contains_key(*source));
        let told = changed.chain(gone).cloned().collect();
        *before = verdicts;
        told
    }

    /// All verdicts of a cluster.
    #[must_use]
    pub fn of(&self, cluster: &ObjectName) -> HashMap<Source, Verdict> {
        self.lock().get(cluster).cloned().unwrap_or_default()
    }

    /// Takes down what was known under a cluster that is gone. Returns whom that concerns.
    #[must_use]
    pub fn forget(&self, cluster: &ObjectName) -> Vec<Source> {
        self.lock().remove(cluster).unwrap_or_default().into_keys().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectName, HashMap<Source, Verdict>>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

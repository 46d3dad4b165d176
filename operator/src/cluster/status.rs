//! What a RateLimitCluster's status says. Pure: from what was applied and what the pods report.

use std::time::Duration;

use crds::{
    cluster::{PodStatus, RateLimitCluster, RateLimitClusterStatus},
    condition::{Condition, ConditionType, Reason},
};
use k8s_openapi::{api::apps::v1::StatefulSet, apimachinery::pkg::apis::meta::v1::Time};

use super::pods::PodView;
use crate::conditions::{self, Finding, Truth};

/// The most pods that a status lists.
const PODS_LISTED: usize = 1000;
/// How often numbers that move are written at most.
const NUMBERS_EVERY: Duration = Duration::from_secs(10);

/// What stands between a cluster and what it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In one word.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// What a status is made from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The cluster.
    pub cluster: &'a RateLimitCluster,
    /// How many pods there shall be; nothing while an autoscaler says.
    pub wanted: Option<i32>,
    /// The labels of its pods.
    pub selector: Option<String>,
    /// Its StatefulSet.
    pub set: Option<&'a StatefulSet>,
    /// Its pods.
    pub pods: &'a [PodView],
    /// The document that was published last; empty where none was.
    pub revision: &'a str,
    /// Whether a newer document waits to be published.
    pub document_waits: bool,
    /// RateLimits and BackpressurePolicies that are accepted.
    pub accepted: (usize, usize),
    /// What was tried and will be tried again.
    pub failed: Option<String>,
    /// The generation of the StatefulSet that was applied last.
    pub applied_generation: Option<i64>,
    /// What went wrong.
    pub fault: Option<Fault>,
    /// Whether the pods' rings have been different for long.
    pub rings_apart: bool,
}

/// The status that says this, where `before` are the conditions that were said last.
#[must_use]
pub fn status(facts: &Facts<'_>, before: &[Condition], now: &Time) -> RateLimitClusterStatus {
    let cluster = facts.cluster;
    let set = facts.set.and_then(|set| set.status.as_ref());
    let replicas = set.map_or(0, |set| set.replicas);
    let ready = i32::try_from(facts.pods.iter().filter(|pod| pod.ready).count()).unwrap_or(i32::MAX);
    let wanted = wanted(facts);
    let findings = findings(facts, ready, wanted);
    RateLimitClusterStatus {
        observed_generation: cluster.metadata.generation,
        replicas,
        ready_replicas: ready,
        selector: facts.selector.clone(),
        summary: Some(format!("{ready}/{wanted}")),
        revision: (!facts.revision.is_empty()).then(|| facts.revision.to_owned()),
        rate_limits: i32::try_from(facts.accepted.0).unwrap_or(i32::MAX),
        backpressure_policies: i32::try_from(facts.accepted.1).unwrap_or(i32::MAX),
        pods: facts.pods.iter().take(PODS_LISTED).map(pod_status).collect(),
        conditions: conditions::merge(before, &findings, cluster.metadata.generation, now),
    }
}

/// How many pods there shall be: an autoscaler writes it into the StatefulSet.
fn wanted(facts: &Facts<'_>) -> i32 {
    let held = facts.set.and_then(|set| set.spec.replicas);
    facts.wanted.or(held).unwrap_or(0)
}

fn pod_status(pod: &PodView) -> PodStatus {
    PodStatus {
        name: pod.name.clone(),
        revision: pod.revision().map(str::to_owned),
        ready: pod.ready,
        buckets: pod.report.as_ref().map_or(0, |report| report.buckets),
    }
}

fn findings(facts: &Facts<'_>, ready: i32, wanted: i32) -> Vec<Finding> {
    let available = available(facts, ready, wanted);
    let progressing = progressing(facts, ready, wanted);
    let degraded = degraded(facts);
    let not_ready = |because: &Finding| {
        Finding::new(ConditionType::Ready, false, because.reason, because.message.clone())
    };
    let summary = if degraded.status == Truth::True {
        not_ready(&degraded)
    } else if progressing.status == Truth::True {
        not_ready(&progressing)
    } else if let Some(what) = unfinished(facts, ready, wanted) {
        // Nothing is under way, as when the cluster is paused, and yet it is not what it shall be.
        let message = if facts.cluster.spec.paused { format!("spec.paused is true; {what}") } else { what };
        Finding::new(ConditionType::Ready, false, progressing.reason, message)
    } else {
        let message = format!("{ready}/{wanted} pods are ready and run revision {}", facts.revision);
        Finding::new(ConditionType::Ready, true, Reason::UpToDate, message)
    };
    vec![summary, available, progressing, degraded]
}

fn available(facts: &Facts<'_>, ready: i32, wanted: i32) -> Finding {
    let least = (wanted - facts.cluster.spec.disruption.max_unavailable).max(i32::from(wanted > 0));
    let message = format!("{ready}/{wanted} pods are ready, {least} are enough");
    let enough = ready >= least && facts.set.is_some();
    let reason = if enough { Reason::PodsReady } else { Reason::PodsNotReady };
    Finding::new(ConditionType::Available, enough, reason, message)
}

fn progressing(facts: &Facts<'_>, ready: i32, wanted: i32) -> Finding {
    let under_way =
        |message: String| Finding::new(ConditionType::Progressing, true, Reason::Reconciling, message);
    if facts.cluster.spec.paused {
        let message = "spec.paused is true: nothing is changed, and documents stay as they are";
        return Finding::new(ConditionType::Progressing, false, Reason::Paused, message);
    }
    if let Some(fault) = &facts.fault {
        // What was applied before may still be on its way; after that nothing comes.
        let held = facts.set.and_then(|set| set.spec.replicas);
        let message = "nothing more is changed until what Degraded says is put right";
        return match held.and_then(|held| rollout(facts, held)) {
            Some(what) => under_way(what),
            None => Finding::new(ConditionType::Progressing, false, fault.reason, message),
        };
    }
    if let Some(what) = unfinished(facts, ready, wanted) {
        return under_way(what);
    }
    Finding::new(ConditionType::Progressing, false, Reason::UpToDate, "all is as declared")
}

/// What is not yet as it shall be.
fn unfinished(facts: &Facts<'_>, ready: i32, wanted: i32) -> Option<String> {
    if let Some(failed) = &facts.failed {
        return Some(failed.clone());
    }
    if let Some(what) = rollout(facts, wanted) {
        return Some(what);
    }
    if ready < wanted {
        return Some(format!("{ready}/{wanted} pods are ready"));
    }
    if facts.document_waits || facts.revision.is_empty() {
        return Some("a newer document waits to be written".to_owned());
    }
    let late = facts.pods.iter().filter(|pod| pod.ready && pod.revision() != Some(facts.revision));
    let late: Vec<&str> = late.map(|pod| pod.name.as_str()).take(5).collect();
    if late.is_empty() {
        return None;
    }
    Some(format!("revision {} is not yet reported by {}", facts.revision, late.join(", ")))
}

/// What the StatefulSet's controller has not done yet.
fn rollout(facts: &Facts<'_>, wanted: i32) -> Option<String> {
    let Some(set) = facts.set else { return Some("the StatefulSet is not there yet".to_owned()) };
    let status = set.status.as_ref()?;
    // What the cache shows may be older than what was applied.
    let applied = set.metadata.generation.max(facts.applied_generation);
    if status.observed_generation < applied {
        return Some("the StatefulSet has not been seen by its controller yet".to_owned());
    }
    if status.replicas != wanted {
        return Some(format!("there are {} of {wanted} pods", status.replicas));
    }
    let updated = status.updated_replicas.unwrap_or(0);
    if status.update_revision != status.current_revision && updated < wanted {
        return Some(format!("{updated}/{wanted} pods are replaced"));
    }
    None
}

fn degraded(facts: &Facts<'_>) -> Finding {
    let bad = |reason, message: String| Finding::new(ConditionType::Degraded, true, reason, message);
    if let Some(fault) = &facts.fault {
        return bad(fault.reason, fault.message.clone());
    }
    let refusal = facts.pods.iter().find_map(|pod| {
        let refusal = pod.report.as_ref()?.refused.as_ref()?;
        Some(format!("{} refuses revision {}: {}", pod.name, refusal.revision, refusal.reason))
    });
    if let Some(message) = refusal {
        return bad(Reason::DocumentRefused, message);
    }
    if facts.rings_apart {
        let message = "ready pods disagree on the ring: look at wicketgate_peers and at their logs";
        return bad(Reason::RingsDiffer, message.to_owned());
    }
    Finding::new(ConditionType::Degraded, false, Reason::UpToDate, "nothing stands in the way")
}

/// Whether a status is worth writing over another. Numbers that move are not, unless `quiet_for` was
/// long enough and one of them has changed much.
#[must_use]
pub fn worth_writing(
    before: Option<&RateLimitClusterStatus>,
    after: &RateLimitClusterStatus,
    quiet_for: Duration,
) -> bool {
    let Some(before) = before else { return true };
    if before == after {
        return false;
    }
    let mut still = after.clone();
    for pod in &mut still.pods {
        if let Some(known) = before.pods.iter().find(|known| known.name == pod.name) {
            pod.buckets = known.buckets;
        }
    }
    if *before != still {
        return true;
    }
    quiet_for >= NUMBERS_EVERY
        && after.pods.iter().zip(&before.pods).any(|(after, before)| moved(before.buckets, after.buckets))
}

/// Whether a number is another by more than a tenth.
fn moved(before: i64, after: i64) -> bool {
    before.abs_diff(after) > before.unsigned_abs() / 10
}

#[cfg(test)]
mod tests;

//! What is seen of a cluster, and its status.

use std::{sync::Arc, time::Duration};

use crds::{
    cluster::{RateLimitCluster, RateLimitClusterStatus},
    condition::{Condition, ConditionType, Reason},
    reference::ObjectName,
};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Resource as _, ResourceExt as _, core::error_boundary::InvalidObject, runtime::controller::Action,
};
use serde_json::json;
use tokio::time::Instant;

use super::{
    dereference::Declarations,
    memory::Memory,
    pods::{PodView, rings_differ, rings_stay_apart},
    status::{Facts, Fault, status as status_of, worth_writing},
    validate::ValidatedCluster,
};
use crate::{
    clock,
    conditions::{self, Finding},
    context::Context,
    control::ReconcileError,
    events::Reason as Told,
    names::HTTP_PORT,
    reports::PodTarget,
    status::{self, write as write_status},
};

/// How soon a cluster whose state is about to be told is looked at again.
const SOON: Duration = Duration::from_secs(5);

/// Follows the cluster's pods, and says how they are.
pub fn pods(context: &Context, name: &ObjectName) -> Vec<PodView> {
    let pods = context.caches.pods_of(name);
    context.reports.follow(name, pods.iter().filter_map(|pod| target(pod)));
    let now = (clock::now(), clock::instant());
    let view = |pod: &Arc<Pod>| {
        let heard = context.reports.heard(name, &pod.uid()?);
        Some(PodView::of(pod, heard, now))
    };
    pods.iter().filter_map(view).collect()
}

/// Where a pod reports, once it runs.
fn target(pod: &Pod) -> Option<PodTarget> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Running") {
        return None;
    }
    let ports = pod
        .spec
        .iter()
        .flat_map(|spec| &spec.containers)
        .flat_map(|container| container.ports.iter().flatten());
    let port = ports
        .filter(|port| port.name.as_deref() == Some(HTTP_PORT))
        .map(|port| port.container_port)
        .next()?;
    let ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    Some(PodTarget {
        name: pod.name_any(),
        uid: pod.uid()?,
        address: status.pod_ip.as_ref()?.parse().ok()?,
        port: u16::try_from(port).ok()?,
        ready,
    })
}

/// What one pass has seen.
#[derive(Debug)]
pub struct Seen<'a> {
    /// The cluster.
    pub cluster: &'a RateLimitCluster,
    /// The same, if nothing is wrong with it.
    pub validated: Option<&'a ValidatedCluster>,
    /// What is declared for it.
    pub declarations: &'a Declarations,
    /// Its pods.
    pub pods: &'a [PodView],
    /// What was tried and will be tried again.
    pub failed: Option<String>,
    /// What went wrong.
    pub fault: Option<Fault>,
}

/// Writes the status if it says something else than before. Returns when to look again for what only time
/// tells.
///
/// # Errors
/// Where the API server does not take it.
pub async fn write(
    context: &Context,
    seen: Seen<'_>,
    memory: &mut Memory,
) -> Result<Option<Duration>, ReconcileError> {
    let Seen { cluster, validated, declarations, pods, failed, fault } = seen;
    let name = ObjectName::of(&cluster.metadata);
    let now = clock::instant();
    memory.rings_differ_since =
        if rings_differ(pods) { memory.rings_differ_since.or(Some(now)) } else { None };
    let folded = &declarations.folded;
    let set = context.caches.stateful_sets.get(&name);
    let facts = Facts {
        cluster,
        wanted: match validated {
            Some(validated) => validated.replicas(true),
            None => Some(cluster.spec.replicas),
        },
        selector: match validated {
            Some(validated) => Some(validated.name().selector()),
            None => cluster.status.as_ref().and_then(|status| status.selector.clone()),
        },
        set: set.as_deref(),
        pods,
        revision: memory.ledger.revision(),
        document_waits: memory.ledger.revision() != folded.document.revision,
        accepted: (folded.document.rate_limits.len(), folded.document.backpressure_policies.len()),
        failed,
        applied_generation: memory
            .applied
            .get(&("statefulsets".to_owned(), name.name.clone()))
            .and_then(|applied| applied.generation),
        fault,
        rings_apart: rings_stay_apart(memory.rings_differ_since, now),
    };
    let known = memory.said.clone().or_else(|| cluster.status.clone()).unwrap_or_default();
    let after = status_of(&facts, &known.conditions, &Time(clock::now()));
    let unsettled = conditions::holds(&after.conditions, ConditionType::Progressing);
    memory.unsettled_since = if unsettled { memory.unsettled_since.or(Some(now)) } else { None };
    if let Some(left) = on_its_way(memory, &known, &after, now) {
        return Ok(Some(left));
    }
    let quiet_for = memory.numbers_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
    if worth_writing(cluster.status.as_ref(), &after, quiet_for) && memory.said.as_ref() != Some(&after)
        || foreign(memory, cluster, quiet_for)
    {
        write_status::<RateLimitCluster>(&context.client, &name, &json!(after)).await?;
        memory.numbers_at = Some(now);
        tell(context, cluster, &known.conditions, &after);
        memory.said = Some(after);
    }
    if memory.warned != cluster.metadata.generation {
        memory.warned = cluster.metadata.generation;
        warn(context, cluster, validated);
    }
    Ok(memory.rings_differ_since.map(|_| SOON))
}

/// How long a document may still be on its way before the status says so. A cluster that is ready stays
/// so, to who looks at it, while a limit changes.
fn on_its_way(
    memory: &Memory,
    known: &RateLimitClusterStatus,
    after: &RateLimitClusterStatus,
    now: Instant,
) -> Option<Duration> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let left = (memory.unsettled_since? + PATIENCE).saturating_duration_since(now);
    let lagging = conditions::holds(&known.conditions, ConditionType::Ready)
        && known.observed_generation == after.observed_generation
        && known.summary == after.summary
        && conditions::holds(&after.conditions, ConditionType::Progressing)
        && !conditions::holds(&after.conditions, ConditionType::Degraded);
    (lagging && !left.is_zero()).then_some(left)
}

/// Whether the cache shows another status than the one that was written, and has had the time to show it.
fn foreign(memory: &Memory, cluster: &RateLimitCluster, quiet_for: Duration) -> bool {
    quiet_for > SOON && memory.said.is_some() && memory.said != cluster.status
}

/// Says of a cluster that cannot be read that it cannot.
///
/// # Errors
/// Where the API server does not take it.
pub async fn unreadable(
    context: &Context,
    invalid: &InvalidObject,
    memory: &mut Memory,
) -> Result<Action, ReconcileError> {
    let meta = &invalid.metadata;
    if memory.unreadable_at == meta.generation && memory.unreadable_at.is_some() {
        return Ok(Action::await_change());
    }
    let message = format!(
        "the object cannot be read, and its pods stay as they are: {}: correct it, or replace it under the present definition",
        invalid.error
    );
    let findings = [
        Finding::new(ConditionType::Ready, false, Reason::Invalid, message.clone()),
        Finding::new(ConditionType::Degraded, true, Reason::Invalid, message),
    ];
    status::tell::<RateLimitCluster>(&context.client, meta, &findings).await?;
    memory.unreadable_at = meta.generation;
    Ok(Action::await_change())
}

/// Tells people of what has changed in the status.
fn tell(context: &Context, cluster: &RateLimitCluster, before: &[Condition], after: &RateLimitClusterStatus) {
    let reference = cluster.object_ref(&());
    let was = |kind| conditions::holds(before, kind);
    let is = |kind| conditions::holds(&after.conditions, kind);
    let message =
        |kind| conditions::find(&after.conditions, kind).map_or("", |condition| condition.message.as_str());
    let changes = [
        (
            !was(ConditionType::Degraded) && is(ConditionType::Degraded),
            Told::Degraded,
            ConditionType::Degraded,
        ),
        (
            was(ConditionType::Degraded) && !is(ConditionType::Degraded),
            Told::Recovered,
            ConditionType::Degraded,
        ),
        (!was(ConditionType::Ready) && is(ConditionType::Ready), Told::Ready, ConditionType::Ready),
        (
            !was(ConditionType::Progressing) && is(ConditionType::Progressing),
            Told::Progressing,
            ConditionType::Progressing,
        ),
    ];
    for (changed, reason, kind) in changes {
        if changed {
            context.events.tell(&reference, reason, message(kind));
        }
    }
    let paused = |conditions| {
        conditions::find(conditions, ConditionType::Progressing)
            .is_some_and(|condition| condition.reason == Reason::Paused.as_str())
    };
    match (paused(before), paused(&after.conditions)) {
        (false, true) => context.events.tell(&reference, Told::Paused, message(ConditionType::Progressing)),
        (true, false) => context.events.tell(&reference, Told::Resumed, "spec.paused is false again"),
        _ => {}
    }
}

/// Tells what works and is still worth telling.
fn warn(context: &Context, cluster: &RateLimitCluster, validated: Option<&ValidatedCluster>) {
    // A new leader has nothing new to tell of what another one told.
    let seen = cluster.status.as_ref().and_then(|status| status.observed_generation);
    if seen == cluster.metadata.generation {
        return;
    }
    for warning in validated.map(ValidatedCluster::warnings).unwrap_or_default() {
        context.events.tell(&cluster.object_ref(&()), Told::Caution, &warning.to_string());
    }
}

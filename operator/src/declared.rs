//! The spine of RateLimit and BackpressurePolicy: both are declared for a cluster, and told what became
//! of them.
//!
//! The cluster's reconcile has done the work. What is left is to read its verdict, to judge what the
//! status must say, and to write that if it says something else.

use std::{sync::Arc, time::Duration};

use crds::{
    condition::{Condition, ConditionType, Reason},
    reference::{ClusterRef, ObjectName},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Resource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::controller::Action,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    board::{Progress, Verdict},
    clock,
    conditions::{self, Finding, Truth},
    context::Context,
    control::ReconcileError,
    events::Reason as Told,
    ledger::Source,
    status,
};

/// How long a change may be on its way before the status says that it is.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// How long something that was in force may seem not to be before the status says so: a new leader
/// has heard of no pod yet.
const DOUBT: Duration = Duration::from_secs(1);

/// A kind whose objects name a cluster.
pub trait Declared:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The cluster that it names.
    fn cluster_ref(&self) -> &ClusterRef;
    /// As the board and the ledger know it.
    fn source(name: ObjectName) -> Source;
    /// What its status says now.
    fn conditions(&self) -> &[Condition];
    /// The revision that its status has.
    fn revision(&self) -> Option<&str>;
    /// Why the pods, although they have it, do not act on it; nothing where they do.
    const UNSERVED: Option<&'static str> = None;
    /// Its status with this `outlook`, as the API takes it, and whether that is what it says already.
    fn status(&self, outlook: &Outlook) -> (Value, bool);
}

/// What a status shall say.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// The generation that it speaks of.
    pub generation: Option<i64>,
    /// Accepted and Programmed.
    pub conditions: Vec<Condition>,
    /// Since which revision it is in force.
    pub revision: Option<String>,
}

/// What is to be done about a status.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// It must say this.
    Say { findings: [Finding; 2], revision: Option<String> },
    /// What it says is right, or soon will be: look again after this time.
    Wait(Duration),
    /// The cluster's reconcile will have something to say, and wakes whom that concerns.
    Await,
}

/// What a judgement is made from.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// The object's generation.
    pub(crate) generation: Option<i64>,
    /// What its status says.
    pub(crate) conditions: &'a [Condition],
    /// The revision in its status.
    pub(crate) revision: Option<&'a str>,
    /// The cluster that it names, and whether there is one.
    pub(crate) cluster: (&'a ObjectName, bool),
    /// What the cluster's reconcile found.
    pub(crate) verdict: Option<&'a Verdict>,
    /// How old the object is.
    pub(crate) age: Duration,
    /// The time.
    pub(crate) now: Instant,
}

/// Judges what a status must say.
pub(crate) fn judge(known: &Known<'_>) -> Judgement {
    let (cluster, exists) = known.cluster;
    if !exists {
        let message =
            format!("there is no RateLimitCluster {cluster}: create it, or correct spec.clusterRef");
        return refused(Reason::TargetNotFound, &message);
    }
    let Some(verdict) = known.verdict.filter(|verdict| verdict.generation == known.generation) else {
        if !known.conditions.is_empty() {
            return Judgement::Await;
        }
        if known.age < DOUBT {
            return Judgement::Wait(DOUBT - known.age);
        }
        let message = format!("the cluster {cluster} has not been reconciled with it yet");
        return say(
            Truth::Unknown,
            Reason::Pending,
            &message,
            (Truth::False, Reason::Pending, &message),
            None,
        );
    };
    if !verdict.outcome.is_accepted() {
        return refused(verdict.outcome.reason(), &verdict.outcome.to_string());
    }
    let accepted = format!("in the document of the cluster {cluster}");
    match &verdict.progress {
        Progress::InForce { revision } => {
            // What was said of this generation stays: a new leader numbers documents from one.
            let revision = match known.revision {
                Some(said) if programmed(known) => said,
                _ => revision,
            };
            let message = format!("in force on every ready pod since revision {revision}");
            let programmed = (Truth::True, Reason::Programmed, message.as_str());
            say(Truth::True, Reason::Accepted, &accepted, programmed, Some(revision.to_owned()))
        }
        Progress::Waiting { reason, message } => {
            let waited = known.now.saturating_duration_since(verdict.since);
            let patience = if programmed(known) {
                DOUBT
            } else if conditions::find(known.conditions, ConditionType::Programmed).is_some() {
                ON_ITS_WAY
            } else {
                Duration::ZERO
            };
            if waited < patience {
                return Judgement::Wait(patience - waited);
            }
            let programmed = (Truth::False, *reason, message.as_str());
            say(Truth::True, Reason::Accepted, &accepted, programmed, None)
        }
    }
}

/// Whether the status says that the object, as it is now, is in force.
fn programmed(known: &Known<'_>) -> bool {
    conditions::find(known.conditions, ConditionType::Programmed).is_some_and(|condition| {
        condition.status == Truth::True.as_str() && condition.observed_generation == known.generation
    })
}

fn refused(reason: Reason, message: &str) -> Judgement {
    say(Truth::False, reason, message, (Truth::False, reason, "not accepted"), None)
}

fn say(
    accepted: Truth,
    reason: Reason,
    message: &str,
    programmed: (Truth, Reason, &str),
    revision: Option<String>,
) -> Judgement {
    let findings = [
        Finding::new(ConditionType::Accepted, accepted, reason, message),
        Finding::new(ConditionType::Programmed, programmed.0, programmed.1, programmed.2),
    ];
    Judgement::Say { findings, revision }
}

/// Brings the status of one object up to date.
///
/// # Errors
/// Where the API server does not take it.
pub async fn reconcile<K: Declared>(
    object: Arc<DeserializeGuard<K>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let meta = object.meta();
    let name = ObjectName::of(meta);
    // Where a namespace goes, clusters may go before what names them: a thousand objects would complain.
    if meta.deletion_timestamp.is_some() || context.caches.terminating(&name.namespace) {
        return Ok(Action::await_change());
    }
    match &object.0 {
        Ok(declared) => {
            context.readable(&K::source(name.clone()));
            say_of(declared, &name, &context).await
        }
        Err(invalid) => {
            let message = format!(
                "the object cannot be read, and is left out: {}: correct it, or replace it under the present definition",
                invalid.error
            );
            let Judgement::Say { findings, .. } = refused(Reason::Invalid, &message) else {
                return Ok(Action::await_change());
            };
            if context.unreadable(K::source(name.clone()), meta) {
                status::tell::<K>(&context.client, meta, &findings).await?;
                context.events.tell(&meta_reference::<K>(meta), Told::Invalid, &message);
            }
            Ok(Action::await_change())
        }
    }
}

async fn say_of<K: Declared>(
    object: &K,
    name: &ObjectName,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let cluster = object.cluster_ref().resolve(&name.namespace);
    let verdict = context.board.verdict(&cluster, &K::source(name.clone()));
    let generation = object.meta().generation;
    let before = object.conditions();
    let now = Time(clock::now());
    let age =
        object.meta().creation_timestamp.as_ref().map_or(Duration::ZERO, |born| {
            Duration::try_from(now.0.duration_since(born.0)).unwrap_or_default()
        });
    let judgement = judge(&Known {
        generation,
        conditions: before,
        revision: object.revision(),
        cluster: (&cluster, context.caches.clusters.contains(&cluster)),
        verdict: verdict.as_ref(),
        age,
        now: clock::instant(),
    });
    let (mut findings, mut revision) = match judgement {
        Judgement::Say { findings, revision } => (findings, revision),
        Judgement::Wait(time) => return Ok(Action::requeue(time)),
        Judgement::Await => return Ok(Action::await_change()),
    };
    if let (Some(why), Truth::True) = (K::UNSERVED, findings[1].status) {
        findings[1] = Finding::new(ConditionType::Programmed, Truth::False, Reason::Pending, why);
        revision = None;
    }
    let said = conditions::merge(before, &findings, generation, &now);
    let outlook = Outlook { generation, conditions: said, revision };
    let (said, unchanged) = object.status(&outlook);
    if !unchanged {
        status::write::<K>(&context.client, name, &said).await?;
        tell(object, context, before, &outlook.conditions);
    }
    Ok(Action::await_change())
}

/// Tells people of what has changed.
fn tell<K: Declared>(object: &K, context: &Context, before: &[Condition], after: &[Condition]) {
    let reference = object.object_ref(&());
    for kind in [ConditionType::Accepted, ConditionType::Programmed] {
        let Some(condition) = conditions::find(after, kind) else { continue };
        let known = conditions::find(before, kind);
        let same =
            known.is_some_and(|known| known.status == condition.status && known.reason == condition.reason);
        let refused = kind == ConditionType::Programmed && !conditions::holds(after, ConditionType::Accepted);
        let first_wait = kind == ConditionType::Programmed
            && condition.status != Truth::True.as_str()
            && known.is_none_or(|known| known.observed_generation != condition.observed_generation);
        if same || refused || first_wait {
            continue;
        }
        if let Some(reason) = Told::of(condition) {
            context.events.tell(&reference, reason, &condition.message);
        }
    }
}

fn meta_reference<K: Declared>(meta: &kube::core::ObjectMeta) -> k8s_openapi::api::core::v1::ObjectReference {
    k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        ..Default::default()
    }
}

#[cfg(test)]
mod spine;
#[cfg(test)]
mod tests;

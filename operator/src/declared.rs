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
    policy::measured::Measured,
    status,
};

pub(crate) mod turns;

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
    /// What its status is.
    type Status: Send + 'static;
    /// The cluster that it names.
    fn cluster_ref(&self) -> &ClusterRef;
    /// As the board and the ledger know it.
    fn source(name: ObjectName) -> Source;
    /// What its status says now.
    fn conditions(&self) -> &[Condition];
    /// The revision that its status has.
    fn revision(&self) -> Option<&str>;
    /// What is to be said with this `outlook`.
    fn speak(&self, outlook: &Outlook, context: &Context) -> Speech<Self::Status>;
    /// The API server has taken this status.
    fn spoken(&self, _status: Self::Status, _context: &Context) {}
}

/// What a status shall say.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The generation that it speaks of.
    pub generation: Option<i64>,
    /// Accepted and Programmed.
    pub findings: [Finding; 2],
    /// Since which revision it is in force.
    pub revision: Option<String>,
    /// What the pods measure of it, if it is one of which they do.
    pub measured: Option<Arc<Measured>>,
    /// The time.
    pub now: Time,
}

impl Outlook {
    /// Whether the object is in its cluster's document.
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.findings[0].status == Truth::True
    }
}

/// What is to be said.
#[derive(Debug)]
pub enum Speech<S> {
    /// Nothing: what the status says is right.
    Silence,
    /// Nothing yet: what has changed may wait so long.
    Later(Duration),
    /// This.
    Say(Saying<S>),
}

/// A status, and what it changes.
#[derive(Debug)]
pub struct Saying<S> {
    /// The status.
    pub status: S,
    /// The same, as the API takes it.
    pub json: Value,
    /// The conditions that were said before.
    pub before: Vec<Condition>,
    /// Its conditions, in the words in which people are told of them.
    pub after: Vec<Condition>,
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
    let caution = verdict.caution.iter().map(|caution| format!("; {caution}"));
    let accepted = format!("in the document of the cluster {cluster}{}", caution.collect::<String>());
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
    let now = Time(clock::now());
    let age =
        object.meta().creation_timestamp.as_ref().map_or(Duration::ZERO, |born| {
            Duration::try_from(now.0.duration_since(born.0)).unwrap_or_default()
        });
    let judgement = judge(&Known {
        generation,
        conditions: object.conditions(),
        revision: object.revision(),
        cluster: (&cluster, context.caches.clusters.contains(&cluster)),
        verdict: verdict.as_ref(),
        age,
        now: clock::instant(),
    });
    let (findings, revision) = match judgement {
        Judgement::Say { findings, revision } => (findings, revision),
        Judgement::Wait(time) => return Ok(Action::requeue(time)),
        Judgement::Await => return Ok(Action::await_change()),
    };
    let measured = verdict.and_then(|verdict| verdict.measured);
    let outlook = Outlook { generation, findings, revision, measured, now };
    match object.speak(&outlook, context) {
        Speech::Silence => Ok(Action::await_change()),
        Speech::Later(time) => Ok(Action::requeue(time)),
        Speech::Say(Saying { status, json, before, after }) => {
            status::write::<K>(&context.client, name, &json).await?;
            object.spoken(status, context);
            tell(object, context, &before, &after);
            Ok(Action::await_change())
        }
    }
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
        let not_waiting = [Reason::NotServed, Reason::SecretUnusable];
        let first_wait = kind == ConditionType::Programmed
            && condition.status != Truth::True.as_str()
            && not_waiting.iter().all(|reason| condition.reason != reason.as_str())
            && known.is_none_or(|known| known.observed_generation != condition.observed_generation);
        if same || refused || first_wait {
            continue;
        }
        if let Some(reason) = Told::of(condition) {
            context.events.tell(&reference, reason, &condition.message);
        }
    }
    for turn in [turns::UNHEALTHY, turns::THROTTLING] {
        if let Some((reason, message)) = turn.news(before, after) {
            context.events.tell(&reference, reason, message);
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

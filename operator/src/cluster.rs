//! RateLimitCluster: the spine of its reconcile, and nothing else.
//!
//! dereference → fold → validate → build → apply → publish → status. It starts at the top whatever the
//! reason, and does not ask for it.

pub mod apply;
pub mod build;
pub mod credentials;
pub mod dereference;
pub mod memory;
mod overlay;
pub mod pods;
pub mod publish;
mod quantity;
pub mod recall;
pub mod report;
pub mod status;
pub mod validate;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crds::{cluster::RateLimitCluster, condition::Reason, reference::ObjectName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, core::DeserializeGuard, runtime::controller::Action};

use self::{
    apply::{Applier, ApplyError},
    dereference::Declarations,
    memory::Memory,
    pods::PodView,
    status::Fault,
    validate::{Environment, Identity, Invalid, ValidatedCluster},
};
use crate::{
    board, clock,
    context::Context,
    control::{ReconcileError, streams},
    wake::Wake,
};

/// How often the numbers in a status are looked at when nothing else happens. It costs no call.
const NUMBERS: Duration = Duration::from_secs(30);
/// The same, where pods tell what they measure of policies: half the time in which they repeat themselves.
const MEASURES: Duration = Duration::from_secs(5);

/// What became of one pass, for the status.
#[derive(Debug, Default)]
struct Pass {
    fault: Option<Fault>,
    /// What must be tried again.
    failed: Option<ReconcileError>,
    /// When the document that waits may be published.
    document_in: Option<Duration>,
    /// When Secrets are looked at again.
    credentials_in: Option<Duration>,
}

/// Brings one cluster nearer to what it shall be.
///
/// # Errors
/// Where the API server does not answer, or not as it should; the status has been written then, if that
/// could be.
pub async fn reconcile(
    object: Arc<DeserializeGuard<RateLimitCluster>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let name = ObjectName::of(object.meta());
    let outcome = reconcile_one(&object, &name, &context).await;
    // It may have been deleted meanwhile, and what this pass found out must not outlive it.
    let there = context.caches.clusters.get(&name);
    if there.is_none_or(|there| there.meta().uid != object.meta().uid) {
        for source in context.forget(&name) {
            context.wakes.wake(Wake::Declared(source), &context.caches).await;
        }
    }
    outcome
}

async fn reconcile_one(
    object: &DeserializeGuard<RateLimitCluster>,
    name: &ObjectName,
    context: &Context,
) -> Result<Action, ReconcileError> {
    if object.meta().deletion_timestamp.is_some() || context.caches.terminating(&name.namespace) {
        publish::none(context, name, "is being deleted").await;
        return Ok(Action::await_change());
    }
    let memory = context.memory(name);
    let mut memory = memory.lock().await;
    let memory = memory.of(object.meta().uid.as_deref());
    let cluster = match &object.0 {
        Ok(cluster) => cluster,
        Err(invalid) => {
            publish::none(context, name, "cannot be read").await;
            return report::unreadable(context, invalid, memory).await;
        }
    };
    recall::document(context, name, memory).await?;
    let declarations = dereference::declarations(context, cluster, memory)?;
    let environment = environment(context, cluster).await;
    let validated = validate::validate(cluster, &environment);
    let pass = if cluster.spec.paused {
        Pass { fault: validated.as_ref().err().map(Fault::invalid), ..Pass::default() }
    } else {
        apply_all(context, name, cluster, &validated, &declarations, memory).await
    };
    let pods = report::pods(context, name);
    let waiting =
        publish::verdicts(context, name, cluster, &declarations, &pods, memory, pass.fault.as_ref()).await;
    let seen = report::Seen {
        cluster,
        validated: validated.as_ref().ok(),
        declarations: &declarations,
        pods: &pods,
        failed: pass.failed.as_ref().map(ToString::to_string),
        fault: pass.fault,
    };
    let look_again = report::write(context, seen, memory).await?;
    if let Some(error) = pass.failed {
        return Err(error);
    }
    let numbers = numbers_in(&declarations, &pods, waiting);
    let next = [pass.document_in, pass.credentials_in, look_again];
    Ok(Action::requeue(next.into_iter().flatten().min().map_or(numbers, |next| next.min(numbers))))
}

/// When to look again for what only time tells: numbers, who is late, who is silent, whether rings come
/// together.
fn numbers_in(declarations: &Declarations, pods: &[PodView], waiting: bool) -> Duration {
    let ready = || pods.iter().filter(|pod| pod.ready);
    if waiting || ready().any(|pod| !pod.heard) {
        return board::LATE;
    }
    let policies = &declarations.folded.document.backpressure_policies;
    if policies.is_empty() || ready().next().is_none() { NUMBERS } else { MEASURES }
}

/// What the cluster depends on. Whether there are ServiceMonitors is asked again where one is wanted.
async fn environment(context: &Context, cluster: &RateLimitCluster) -> Environment {
    let mut environment = context.environment.clone();
    if cluster.spec.service_monitor.enabled && !environment.service_monitor {
        environment.service_monitor = streams::knows_service_monitors(&context.client).await;
    }
    environment
}

/// Applies the cluster's objects, and its document whatever became of them: what is wrong with a pod
/// template or a budget holds up no limit.
async fn apply_all(
    context: &Context,
    name: &ObjectName,
    cluster: &RateLimitCluster,
    validated: &Result<ValidatedCluster, Invalid>,
    declarations: &Declarations,
    memory: &mut Memory,
) -> Pass {
    let objects = match validated {
        Ok(validated) => apply_objects(context, name, validated, declarations, memory).await,
        Err(_) => Ok(()),
    };
    let (credentials, document) = match Identity::of(cluster) {
        Some(identity) => (
            // First, so that pods have what they need when they are told of it.
            credentials::apply(context, name, &identity, declarations, memory).await,
            apply_document(context, name, &identity, declarations, memory).await,
        ),
        None => (Ok(None), Ok(None)),
    };
    let invalid = validated.as_ref().err().map(Fault::invalid);
    match objects.and_then(|()| Ok((credentials?, document?))) {
        Ok((credentials_in, document_in)) => {
            Pass { fault: invalid, document_in, credentials_in, ..Pass::default() }
        }
        Err(error) => {
            Pass { fault: invalid.or_else(|| error.fault()), failed: Some(error), ..Pass::default() }
        }
    }
}

async fn apply_objects(
    context: &Context,
    name: &ObjectName,
    validated: &ValidatedCluster,
    declarations: &Declarations,
    memory: &mut Memory,
) -> Result<(), ReconcileError> {
    let set = context.caches.stateful_sets.get(name);
    let policies = &declarations.folded.document.backpressure_policies;
    let listeners: BTreeSet<i32> = policies.iter().map(|policy| policy.spec.listener.port).collect();
    let resources = build::build(validated, validated.replicas(set.is_some()), &listeners);
    let wanted = resources.prepare().map_err(ReconcileError::Render)?;
    let mut applier = applier(context, name, validated.owner(), memory);
    if let Some(set) = &set
        && let Some(held) = build::hand_over_replicas(validated, set).map_err(ReconcileError::Render)?
    {
        applier.hand_over_replicas(&held).await?;
    }
    applier.apply(&wanted).await?;
    applier.delete(&resources.absent).await?;
    Ok(())
}

/// Applies the document where it is another than the one published. Returns how long it has to wait
/// where the last one was a moment ago.
async fn apply_document(
    context: &Context,
    name: &ObjectName,
    identity: &Identity,
    declarations: &Declarations,
    memory: &mut Memory,
) -> Result<Option<Duration>, ReconcileError> {
    let document = &declarations.folded.document;
    let changed = memory.ledger.revision() != document.revision;
    if changed {
        let wait = memory.document_in(clock::instant());
        if !wait.is_zero() {
            return Ok(Some(wait));
        }
    }
    if changed || memory.parts.is_empty() {
        let parts = build::document_parts(identity, document)?;
        memory.parts = parts
            .iter()
            .map(build::Prepared::of)
            .collect::<Result<_, _>>()
            .map_err(ReconcileError::Render)?;
        // The first part last: it says how many there are, so until then the old document is whole.
        memory.parts.reverse();
    }
    // Taken out for the time of the call, which needs the memory too.
    let parts = std::mem::take(&mut memory.parts);
    let mut applier = applier(context, name, identity.owner(), memory);
    let applied = applier.apply(&parts).await;
    memory.parts = parts;
    applied?;
    if changed {
        memory.published_at = Some(clock::instant());
        memory.ledger.publish(document);
        let limits = document.rate_limits.len();
        tracing::info!(cluster = %name, revision = document.revision, limits, "document published");
    }
    let surplus = build::surplus_parts(identity, memory.parts.len());
    self::applier(context, name, identity.owner(), memory).delete(&surplus).await?;
    Ok(None)
}

fn applier<'a>(
    context: &'a Context,
    cluster: &'a ObjectName,
    owner: &'a OwnerReference,
    memory: &'a mut Memory,
) -> Applier<'a> {
    Applier { client: &context.client, caches: &context.caches, cluster, uid: &owner.uid, memory }
}

impl Fault {
    fn invalid(invalid: &Invalid) -> Self {
        Self { reason: Reason::Invalid, message: invalid.to_string() }
    }
}

impl ReconcileError {
    /// What of this a person must see in the status; what heals by trying again is none.
    fn fault(&self) -> Option<Fault> {
        let reason = match self {
            Self::Apply(ApplyError::Foreign { .. }) => Reason::ForeignObject,
            Self::Apply(ApplyError::Refused { .. }) => Reason::ApplyRefused,
            Self::Document(_) => Reason::Invalid,
            _ => return None,
        };
        Some(Fault { reason, message: self.to_string() })
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

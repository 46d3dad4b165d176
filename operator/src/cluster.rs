//! RateLimitCluster: the spine of its reconcile, and nothing else.
//!
//! dereference → fold → validate → build → apply → publish → status. It starts at the top whatever the
//! reason, and does not ask for it.

pub mod apply;
pub mod build;
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

use std::{sync::Arc, time::Duration};

use crds::{cluster::RateLimitCluster, condition::Reason, reference::ObjectName};
use kube::{Resource, core::DeserializeGuard, runtime::controller::Action};

use self::{
    apply::{Applier, ApplyError},
    dereference::Declarations,
    memory::Memory,
    status::Fault,
    validate::ValidatedCluster,
};
use crate::{clock, context::Context, control::ReconcileError};

/// How often the numbers in a status are looked at when nothing else happens. It costs no call.
const NUMBERS: Duration = Duration::from_secs(30);

/// What became of one pass, for the status.
#[derive(Debug, Default)]
struct Pass {
    fault: Option<Fault>,
    /// What must be tried again.
    failed: Option<ReconcileError>,
    /// When the document that waits may be published.
    document_in: Option<Duration>,
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
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = ObjectName::of(object.meta());
    let memory = context.memory(&name);
    let mut memory = memory.lock().await;
    let memory = memory.of(object.meta().uid.as_deref());
    let cluster = match &object.0 {
        Ok(cluster) => cluster,
        Err(invalid) => return report::unreadable(&context, invalid, memory).await,
    };
    recall::document(&context, &name, memory).await?;
    let declarations = dereference::declarations(&context, cluster, memory)?;
    let validated = validate::validate(cluster, &context.environment);
    let pass = match &validated {
        Err(invalid) => Pass {
            fault: Some(Fault { reason: Reason::Invalid, message: invalid.to_string() }),
            ..Pass::default()
        },
        Ok(_) if cluster.spec.paused => Pass::default(),
        Ok(validated) => apply_all(&context, &name, validated, &declarations, memory).await,
    };
    let pods = report::pods(&context, &name, memory);
    publish::verdicts(&context, &name, cluster, &declarations, &pods, memory, pass.fault.as_ref()).await;
    let seen = report::Seen {
        cluster,
        validated: validated.as_ref().ok(),
        declarations: &declarations,
        pods: &pods,
        fault: pass.fault,
    };
    let look_again = report::write(&context, seen, memory).await?;
    if let Some(error) = pass.failed {
        return Err(error);
    }
    Ok(Action::requeue(pass.document_in.unwrap_or(NUMBERS).min(look_again.unwrap_or(NUMBERS))))
}

/// Applies the cluster's objects, then its document.
async fn apply_all(
    context: &Context,
    name: &ObjectName,
    validated: &ValidatedCluster,
    declarations: &Declarations,
    memory: &mut Memory,
) -> Pass {
    let outcome = async {
        apply_objects(context, name, validated, memory).await?;
        apply_document(context, name, validated, declarations, memory).await
    };
    match outcome.await {
        Ok(document_in) => Pass { document_in, ..Pass::default() },
        Err(error) => Pass { fault: error.fault(), failed: Some(error), document_in: None },
    }
}

async fn apply_objects(
    context: &Context,
    name: &ObjectName,
    validated: &ValidatedCluster,
    memory: &mut Memory,
) -> Result<(), ReconcileError> {
    let set = context.caches.stateful_sets.get(name);
    let resources = build::build(validated, validated.replicas(set.is_some()));
    let wanted = resources.prepare().map_err(ReconcileError::Render)?;
    let mut applier = applier(context, name, validated, memory);
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
    validated: &ValidatedCluster,
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
        let parts = build::document_parts(validated, document)?;
        memory.parts = parts
            .iter()
            .map(build::Prepared::of)
            .collect::<Result<_, _>>()
            .map_err(ReconcileError::Render)?;
    }
    // Taken out for the time of the call, which needs the memory too.
    let parts = std::mem::take(&mut memory.parts);
    let mut applier = applier(context, name, validated, memory);
    let applied = applier.apply(&parts).await;
    memory.parts = parts;
    applied?;
    if changed {
        memory.published_at = Some(clock::instant());
        memory.ledger.publish(document);
        let surplus = build::surplus_parts(validated, memory.parts.len());
        self::applier(context, name, validated, memory).delete(&surplus).await?;
        tracing::info!(cluster = %name, revision = document.revision, limits = document.rate_limits.len(), "document published");
    }
    Ok(None)
}

fn applier<'a>(
    context: &'a Context,
    cluster: &'a ObjectName,
    validated: &'a ValidatedCluster,
    memory: &'a mut Memory,
) -> Applier<'a> {
    Applier { client: &context.client, caches: &context.caches, cluster, uid: &validated.owner().uid, memory }
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

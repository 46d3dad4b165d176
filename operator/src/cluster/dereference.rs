//! What a cluster's objects say, folded: from the caches, without a call.

use std::{collections::HashMap, sync::Arc};

use crds::{
    backpressure::BackpressurePolicy,
    cluster::RateLimitCluster,
    fold::{self, Folded, fold_with},
    limit::RateLimit,
    reference::ObjectName,
};
use kube::Resource as _;

use super::memory::{Inputs, Memory};
use crate::{context::Context, control::ReconcileError};

/// What is declared for one cluster.
#[derive(Clone, Debug)]
pub struct Declarations {
    /// The document, and what became of each object.
    pub folded: Arc<Folded>,
    /// The RateLimits that name the cluster and can be read.
    pub limits: Vec<Declared>,
    /// The BackpressurePolicies.
    pub policies: Vec<Declared>,
}

/// An object that names a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Which one.
    pub name: ObjectName,
    /// At which generation.
    pub generation: Option<i64>,
}

/// Gathers and folds. Where nothing has changed since the last time, that fold is taken again.
///
/// # Errors
/// Where the document cannot be written down.
pub fn declarations(
    context: &Context,
    cluster: &RateLimitCluster,
    memory: &mut Memory,
) -> Result<Declarations, ReconcileError> {
    // Read before the caches: what changes in between makes the next fold, not this one, too old.
    let inputs = Inputs { generation: cluster.metadata.generation, declarations: context.declarations() };
    if let Some((known, declarations)) = &memory.declarations
        && *known == inputs
    {
        return Ok(declarations.clone());
    }
    let (limits, policies) = context.caches.declared(&ObjectName::of(&cluster.metadata));
    let limits: Vec<&RateLimit> = limits.iter().filter_map(|limit| limit.0.as_ref().ok()).collect();
    let policies: Vec<&BackpressurePolicy> =
        policies.iter().filter_map(|policy| policy.0.as_ref().ok()).collect();
    let namespaces = context.caches.namespace_labels();
    let mut known = std::mem::take(&mut memory.checked);
    let mut checked = HashMap::new();
    let check = |policy: &BackpressurePolicy| {
        let meta = policy.meta();
        let found = match known.remove(&ObjectName::of(meta)) {
            Some(known) if known.is_of(meta) => known,
            _ => Checked::of(policy),
        };
        let outcome = found.outcome.clone();
        checked.insert(ObjectName::of(meta), found);
        outcome
    };
    let folded = fold_with(cluster, limits.iter().copied(), policies.iter().copied(), &namespaces, check)?;
    memory.checked = checked;
    let declarations = Declarations {
        folded: Arc::new(folded),
        limits: limits.iter().map(|limit| Declared::of(limit.meta())).collect(),
        policies: policies.iter().map(|policy| Declared::of(policy.meta())).collect(),
    };
    memory.declarations = Some((inputs, declarations.clone()));
    Ok(declarations)
}

/// What was found of a policy by itself. Its expressions are costly to compile, and a fold comes with each
/// limit that changes.
#[derive(Debug)]
pub struct Checked {
    uid: Option<String>,
    generation: Option<i64>,
    outcome: Result<(), String>,
}

impl Checked {
    fn of(policy: &BackpressurePolicy) -> Self {
        let meta = policy.meta();
        Self { uid: meta.uid.clone(), generation: meta.generation, outcome: fold::check(policy) }
    }

    fn is_of(&self, meta: &kube::core::ObjectMeta) -> bool {
        self.generation.is_some() && self.generation == meta.generation && self.uid == meta.uid
    }
}

impl Declared {
    fn of(meta: &kube::core::ObjectMeta) -> Self {
        Self { name: ObjectName::of(meta), generation: meta.generation }
    }
}

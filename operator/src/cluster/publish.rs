//! What a cluster's reconcile has found out about the objects that name it.

use std::collections::HashMap;

use crds::{cluster::RateLimitCluster, condition::Reason, fold::Outcome, reference::ObjectName};

use kube::Resource as _;

use super::{
    dereference::{Declarations, Declared},
    memory::Memory,
    pods::PodView,
    status::Fault,
};
use crate::{
    board::{PodStanding, Progress, Verdict, progress},
    clock,
    context::Context,
    ledger::{Source, entries},
    wake::Wake,
};

/// Pins the verdicts up and wakes those objects of which something else is known now. Returns whether any
/// waits for pods.
pub async fn verdicts(
    context: &Context,
    name: &ObjectName,
    cluster: &RateLimitCluster,
    declarations: &Declarations,
    pods: &[PodView],
    memory: &Memory,
    fault: Option<&Fault>,
) -> bool {
    let now = clock::instant();
    let before = context.board.of(name);
    let hashes: HashMap<Source, u64> = entries(&declarations.folded.document).collect();
    let standings: Vec<PodStanding> =
        pods.iter().filter(|pod| pod.ready).map(|pod| pod.standing(&memory.ledger)).collect();
    let held_up = held_up(cluster, fault);
    let judge = |source: &Source, outcome: &Outcome, generation| {
        let known = before.get(source);
        let mut progress = match hashes.get(source) {
            Some(hash) => progress((source, *hash), &memory.ledger, &standings, known, now),
            None => Progress::Waiting { reason: Reason::Pending, message: "not accepted".to_owned() },
        };
        // What is not in a document yet waits for the reason that no document is written.
        if let (Progress::Waiting { reason: Reason::Pending, .. }, Some(held_up), true) = (
            &progress,
            &held_up,
            hashes.get(source).is_none_or(|hash| memory.ledger.since(source, *hash).is_none()),
        ) {
            progress = held_up.clone();
        }
        Verdict { generation, outcome: outcome.clone(), progress, since: now }
    };
    let mut verdicts = HashMap::new();
    let folded = &declarations.folded;
    for (outcomes, declared, source) in [
        (&folded.limits, &declarations.limits, Source::Limit as fn(ObjectName) -> Source),
        (&folded.policies, &declarations.policies, Source::Policy as fn(ObjectName) -> Source),
    ] {
        let generations: HashMap<&ObjectName, Option<i64>> =
            declared.iter().map(|Declared { name, generation }| (name, *generation)).collect();
        for (object, outcome) in outcomes {
            let source = source(object.clone());
            let generation = generations.get(object).copied().flatten();
            let verdict = judge(&source, outcome, generation);
            verdicts.insert(source, verdict);
        }
    }
    let waiting = verdicts.values().any(|verdict| verdict.outcome.is_accepted() && !verdict.in_force());
    pin(context, name, verdicts).await;
    waiting
}

/// Says of everything that names the cluster that nothing becomes of it, since the cluster is so.
pub async fn none(context: &Context, name: &ObjectName, so: &str) {
    let now = clock::instant();
    let outcome = Outcome::Invalid { message: format!("the cluster {name} {so}") };
    let (limits, policies) = context.caches.declared(name);
    let limits =
        limits.iter().map(|limit| (Source::Limit(ObjectName::of(limit.meta())), limit.meta().generation));
    let policies = policies
        .iter()
        .map(|policy| (Source::Policy(ObjectName::of(policy.meta())), policy.meta().generation));
    let verdicts = limits.chain(policies).map(|(source, generation)| {
        let progress = Progress::Waiting { reason: Reason::Pending, message: "not accepted".to_owned() };
        (source, Verdict { generation, outcome: outcome.clone(), progress, since: now })
    });
    pin(context, name, verdicts.collect()).await;
}

async fn pin(context: &Context, name: &ObjectName, verdicts: HashMap<Source, Verdict>) {
    for source in context.board.pin(name, verdicts) {
        context.wakes.wake(Wake::Declared(source), &context.caches).await;
    }
}

/// Why no document is written for the cluster, if none is.
fn held_up(cluster: &RateLimitCluster, fault: Option<&Fault>) -> Option<Progress> {
    if cluster.spec.paused {
        let message = "the cluster is paused: its spec.paused is true, and its document stays as it is";
        return Some(Progress::Waiting { reason: Reason::Paused, message: message.to_owned() });
    }
    let fault = fault?;
    let message = format!("the cluster cannot be set up: {}", fault.message);
    Some(Progress::Waiting { reason: Reason::Pending, message })
}

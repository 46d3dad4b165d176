//! What a cluster's reconcile has found out about the objects that name it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crds::{
    cluster::RateLimitCluster,
    condition::Reason,
    credentials,
    fold::{Folded, Outcome},
    reference::ObjectName,
    report::PolicyReport,
};
use kube::Resource as _;

use super::{
    credentials::holder,
    dereference::{Declarations, Declared},
    memory::Memory,
    pods::PodView,
    status::Fault,
};
use crate::{
    board::{PodStanding, Progress, Verdict, progress, served},
    clock,
    context::Context,
    ledger::{Source, entries},
    policy::measured::measure,
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
        let unwritten = hashes.get(source).is_none_or(|hash| memory.ledger.since(source, *hash).is_none());
        if let (Progress::Waiting { reason: Reason::Pending, .. }, Some(held_up), true) =
            (&progress, &held_up, unwritten)
        {
            progress = held_up.clone();
        }
        let mut verdict = Verdict::new(generation, outcome.clone(), progress, now);
        if let (Source::Policy(policy), true) = (source, outcome.is_accepted()) {
            add_reports(&mut verdict, policy, pods);
            verdict.caution = caution(context, &declarations.folded, policy, memory);
        }
        verdict
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

/// What the ready pods say of a policy: what they measure, and whether they serve it at all.
fn add_reports(verdict: &mut Verdict, policy: &ObjectName, pods: &[PodView]) {
    let spoken = pods.iter().filter(|pod| pod.ready).filter_map(|pod| Some((pod, pod.report.as_ref()?)));
    let reports: Vec<(&str, Option<&PolicyReport>)> = spoken
        .map(|(pod, report)| {
            (pod.name.as_str(), report.policies.iter().find(|report| report.source == *policy))
        })
        .collect();
    verdict.measured = measure(&reports).map(Arc::new);
    verdict.progress = served(verdict.progress.clone(), &reports);
}

/// What the owner of an accepted policy should know.
fn caution(context: &Context, folded: &Folded, policy: &ObjectName, memory: &Memory) -> Option<String> {
    let entry = folded.document.backpressure_policies.iter().find(|entry| entry.source == *policy)?;
    let mut cautions = Vec::new();
    let undeclared = folded.document.undeclared(entry);
    if !undeclared.is_empty() {
        cautions.push(format!(
            "no RateLimit of the cluster declares {}, which spec.rateLimits names: pods do not ask it",
            undeclared.join(", ")
        ));
    }
    let secrets = credentials::needed(&entry.spec, &policy.namespace);
    if let (Some(first), false) = (secrets.first(), context.environment.secrets) {
        cautions.push(format!(
            "the operator may not read Secrets (the chart's rbac.secrets is false), so its pods lack {first}"
        ));
    }
    let named: BTreeSet<ObjectName> = secrets.iter().map(holder).collect();
    for (secret, why) in named.iter().filter_map(|name| Some((name, memory.credentials.unread(name)?))) {
        cautions.push(format!(
            "the operator cannot read the Secret {secret}, and the pods keep what they have of it: {why}"
        ));
    }
    (!cautions.is_empty()).then(|| cautions.join("; "))
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
        (source, Verdict::new(generation, outcome.clone(), progress, now))
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

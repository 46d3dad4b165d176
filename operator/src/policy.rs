//! BackpressurePolicy: its part in the spine of what is declared.
//!
//! Its status tells what the pods measure. A condition that turns is written at once; numbers seldom, and
//! only where they have changed enough to matter, so that a policy at rest costs the API server nothing.

mod findings;
pub mod measured;
mod numbers;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use crds::{
    backpressure::{BackpressurePolicy, BackpressurePolicyStatus},
    condition::{Condition, ConditionType},
    reference::{ClusterRef, ObjectName},
};
use serde_json::json;
use tokio::time::Instant;

use self::measured::Measured;
use crate::{
    clock, conditions,
    context::{Context, lock},
    declared::{Declared, Outlook, Saying, Speech},
    ledger::Source,
};

/// How long what was written counts for more than what the cache shows, which may not have seen it yet.
const UNSEEN: Duration = Duration::from_secs(5);

/// What was written of each policy last.
#[derive(Debug, Default)]
pub struct Spoken {
    policies: Mutex<HashMap<ObjectName, Words>>,
}

#[derive(Clone, Debug)]
struct Words {
    uid: Option<String>,
    status: BackpressurePolicyStatus,
    at: Instant,
}

impl Spoken {
    /// Keeps only what was said of policies that are still there.
    pub fn keep(&self, there: impl Fn(&ObjectName) -> bool) {
        lock(&self.policies).retain(|name, _| there(name));
    }

    /// Forgets a policy that is gone.
    pub fn forget(&self, name: &ObjectName) {
        lock(&self.policies).remove(name);
    }

    fn of(&self, policy: &BackpressurePolicy) -> Option<Words> {
        let words = lock(&self.policies).get(&ObjectName::of(&policy.metadata)).cloned();
        words.filter(|words| words.uid == policy.metadata.uid)
    }

    fn note(&self, policy: &BackpressurePolicy, status: BackpressurePolicyStatus) {
        let words = Words { uid: policy.metadata.uid.clone(), status, at: clock::instant() };
        lock(&self.policies).insert(ObjectName::of(&policy.metadata), words);
    }
}

impl Declared for BackpressurePolicy {
    type Status = BackpressurePolicyStatus;

    fn cluster_ref(&self) -> &ClusterRef {
        &self.spec.cluster_ref
    }

    fn source(name: ObjectName) -> Source {
        Source::Policy(name)
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn revision(&self) -> Option<&str> {
        None
    }

    fn speak(&self, outlook: &Outlook, context: &Context) -> Speech<Self::Status> {
        let words = context.spoken.of(self);
        let stood = words.as_ref().map_or(Duration::MAX, |words| words.at.elapsed());
        let before = match &words {
            Some(words) if stood < UNSEEN => words.status.clone(),
            _ => self.status.clone().unwrap_or_default(),
        };
        let mut speech = speak(self, outlook, before, stood);
        // People were told of what we said, whatever the cache shows instead.
        if let (Speech::Say(saying), Some(words)) = (&mut speech, words) {
            saying.before = words.status.conditions;
        }
        speech
    }

    fn spoken(&self, status: Self::Status, context: &Context) {
        context.spoken.note(self, status);
    }
}

/// What is to be said over `before`, which has stood for so long.
fn speak(
    policy: &BackpressurePolicy,
    outlook: &Outlook,
    before: BackpressurePolicyStatus,
    stood: Duration,
) -> Speech<BackpressurePolicyStatus> {
    let measured = outlook.measured.as_deref();
    let fresh = numbers::of(measured);
    // With the numbers as they were, a condition that differs does so for another reason than a number.
    let still = status(policy, outlook, &before, &before);
    let patience = if turned(&before.conditions, &still.conditions) {
        Some(Duration::ZERO)
    } else {
        let reworded = (before.conditions != still.conditions).then_some(numbers::MOVED);
        [numbers::patience(&before, &fresh), reworded].into_iter().flatten().min()
    };
    match patience {
        None => Speech::Silence,
        Some(patience) if stood < patience => Speech::Later(patience - stood),
        Some(_) => {
            let status = status(policy, outlook, &before, &fresh);
            let after = status.conditions.clone();
            Speech::Say(Saying { json: json!(status), status, before: before.conditions, after })
        }
    }
}

/// The status with these `numbers`, where `before` was said last.
fn status(
    policy: &BackpressurePolicy,
    outlook: &Outlook,
    before: &BackpressurePolicyStatus,
    numbers: &BackpressurePolicyStatus,
) -> BackpressurePolicyStatus {
    let measured: Option<&Measured> = outlook.measured.as_deref();
    let mut found = outlook.findings.to_vec();
    if outlook.accepted() {
        let said = &before.conditions;
        found.push(findings::signals_healthy(&policy.spec, measured, said));
        found.push(findings::throttling(&policy.spec, measured, numbers.allowance, said));
    }
    let mut status = BackpressurePolicyStatus {
        observed_generation: outlook.generation,
        conditions: conditions::merge(&before.conditions, &found, outlook.generation, &outlook.now),
        ..BackpressurePolicyStatus::default()
    };
    numbers::copy(numbers, &mut status);
    status
}

/// Whether conditions say something else, beyond the words in which SignalsHealthy and Throttling tell of
/// what the pods measure.
fn turned(before: &[Condition], after: &[Condition]) -> bool {
    let moving = [ConditionType::SignalsHealthy, ConditionType::Throttling].map(ConditionType::as_str);
    let same = |(before, after): (&Condition, &Condition)| {
        let reworded = Condition { message: after.message.clone(), ..before.clone() };
        *before == *after || moving.contains(&before.type_.as_str()) && reworded == *after
    };
    before.len() != after.len() || !before.iter().zip(after).all(same)
}

#[cfg(test)]
mod tests;

//! BackpressurePolicy: its part in the spine of what is declared.
//!
//! Its status tells what the pods measure. A condition that turns is written at once, unless it has just
//! turned several times; numbers and other words seldom, and only where they have changed enough to matter. So
//! a policy at rest costs the API server nothing, and one whose signals swing not much.

mod findings;
pub mod measured;
mod numbers;
mod pace;

use std::{collections::HashMap, sync::Mutex, time::Duration};

use crds::{
    backpressure::{BackpressurePolicy, BackpressurePolicyStatus},
    condition::{Condition, ConditionType},
    reference::{ClusterRef, ObjectName},
};
use serde_json::json;
use tokio::time::Instant;

use self::{measured::Measured, pace::Pace};
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
    pace: Pace,
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
        let (uid, at) = (policy.metadata.uid.clone(), clock::instant());
        let mut pace = Pace::default();
        if let Some(before) = self.of(policy) {
            pace = before.pace;
            if difference(&before.status.conditions, &status.conditions) == Difference::Measured {
                pace.turned(at);
            }
        }
        let words = Words { uid, status, at, pace };
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
        let turn_in = words.as_ref().map_or(Duration::ZERO, |words| words.pace.wait(clock::instant()));
        let before = match &words {
            Some(words) if stood < UNSEEN => words.status.clone(),
            _ => self.status.clone().unwrap_or_default(),
        };
        let mut speech = speak(self, outlook, before, (stood, turn_in));
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

/// What is to be said over `before`, which has `stood` for so long, where what pods measure may turn it in
/// `turn_in`.
fn speak(
    policy: &BackpressurePolicy,
    outlook: &Outlook,
    before: BackpressurePolicyStatus,
    (stood, turn_in): (Duration, Duration),
) -> Speech<BackpressurePolicyStatus> {
    let measured = outlook.measured.as_deref();
    let fresh = numbers::of(measured);
    // With the numbers as they were, a condition that differs does so for another reason than a number.
    let still = status(policy, outlook, &before, &before);
    let numbers = numbers::patience(&before, &fresh).map(|patience| patience.saturating_sub(stood));
    let wait = match difference(&before.conditions, &still.conditions) {
        Difference::None => numbers,
        Difference::Words => {
            let words = numbers::MOVED.saturating_sub(stood);
            Some(numbers.map_or(words, |numbers| numbers.min(words)))
        }
        // Numbers that go with a turn wait with it: they would make it known before its time.
        Difference::Measured => Some(turn_in),
        Difference::More => Some(Duration::ZERO),
    };
    match wait {
        None => Speech::Silence,
        Some(Duration::ZERO) => {
            // People are told in words without numbers: those are others each time, and would make as many
            // Events of a signal that swings.
            let after = status(policy, outlook, &before, &BackpressurePolicyStatus::default()).conditions;
            let status = status(policy, outlook, &before, &fresh);
            Speech::Say(Saying { json: json!(status), status, before: before.conditions, after })
        }
        Some(wait) => Speech::Later(wait),
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

/// By how much what conditions say differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Not at all.
    None,
    /// By the words in which SignalsHealthy and Throttling tell of what the pods measure, or Accepted of what
    /// one should know besides.
    Words,
    /// By what the first two of these say.
    Measured,
    /// By more than that.
    More,
}

fn difference(before: &[Condition], after: &[Condition]) -> Difference {
    if before.len() != after.len() {
        return Difference::More;
    }
    let measured = [ConditionType::SignalsHealthy, ConditionType::Throttling].map(ConditionType::as_str);
    let of = |(before, after): (&Condition, &Condition)| {
        let same = before.type_ == after.type_ && before.observed_generation == after.observed_generation;
        let words = before.status == after.status && before.reason == after.reason;
        let kind = before.type_.as_str();
        let measured = measured.contains(&kind);
        if before == after {
            Difference::None
        } else if same && words && (measured || kind == ConditionType::Accepted.as_str()) {
            Difference::Words
        } else if same && measured {
            Difference::Measured
        } else {
            Difference::More
        }
    };
    before.iter().zip(after).map(of).max().unwrap_or(Difference::None)
}

#[cfg(test)]
mod tests;

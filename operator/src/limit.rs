//! RateLimit: its part in the spine of what is declared.

use crds::{
    condition::Condition,
    limit::{RateLimit, RateLimitSpec, RateLimitStatus},
    reference::{ClusterRef, ObjectName},
};
use serde_json::json;

use crate::{
    conditions,
    context::Context,
    declared::{Declared, Outlook, Saying, Speech},
    ledger::Source,
};

impl Declared for RateLimit {
    type Status = RateLimitStatus;

    fn cluster_ref(&self) -> &ClusterRef {
        &self.spec.cluster_ref
    }

    fn source(name: ObjectName) -> Source {
        Source::Limit(name)
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    fn revision(&self) -> Option<&str> {
        self.status.as_ref()?.revision.as_deref()
    }

    fn speak(&self, outlook: &Outlook, _: &Context) -> Speech<Self::Status> {
        let before = self.conditions();
        let after = conditions::merge(before, &outlook.findings, outlook.generation, &outlook.now);
        let status = RateLimitStatus {
            observed_generation: outlook.generation,
            summary: Some(summary(&self.spec)),
            revision: outlook.revision.clone(),
            conditions: after.clone(),
        };
        if self.status.as_ref() == Some(&status) {
            return Speech::Silence;
        }
        Speech::Say(Saying { json: json!(status), status, before: before.to_vec(), after })
    }
}

/// Hits per window, as the column shows them: `100/1m`.
fn summary(spec: &RateLimitSpec) -> String {
    match (spec.duration, spec.calendar) {
        (Some(duration), _) => format!("{}/{duration}", spec.limit),
        (None, Some(calendar)) => format!("{}/{calendar:?}", spec.limit),
        (None, None) => spec.limit.to_string(),
    }
}

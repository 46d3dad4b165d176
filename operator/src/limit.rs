//! RateLimit: its part in the spine of what is declared.

use crds::{
    condition::Condition,
    limit::{RateLimit, RateLimitSpec, RateLimitStatus},
    reference::{ClusterRef, ObjectName},
};
use serde_json::{Value, json};

use crate::{
    declared::{Declared, Outlook},
    ledger::Source,
};

impl Declared for RateLimit {
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

    fn status(&self, outlook: &Outlook) -> (Value, bool) {
        let status = RateLimitStatus {
            observed_generation: outlook.generation,
            summary: Some(summary(&self.spec)),
            revision: outlook.revision.clone(),
            conditions: outlook.conditions.clone(),
        };
        let unchanged = self.status.as_ref() == Some(&status);
        (json!(status), unchanged)
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

//! BackpressurePolicy: its part in the spine of what is declared.
//!
//! Daemons get it with the document. Until they have a proxy that acts on it, it is accepted and not
//! programmed.

use crds::{
    backpressure::{BackpressurePolicy, BackpressurePolicyStatus},
    condition::Condition,
    reference::{ClusterRef, ObjectName},
};
use serde_json::{Value, json};

use crate::{
    declared::{Declared, Outlook},
    ledger::Source,
};

impl Declared for BackpressurePolicy {
    const UNSERVED: Option<&'static str> =
        Some("every ready pod has the policy in its document; the pods of this version do not proxy yet");

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

    fn status(&self, outlook: &Outlook) -> (Value, bool) {
        let mut status = self.status.clone().unwrap_or_default();
        status.observed_generation = outlook.generation;
        status.conditions.clone_from(&outlook.conditions);
        let unchanged = self.status.as_ref() == Some(&status);
        let BackpressurePolicyStatus { observed_generation, conditions, .. } = status;
        (json!({"observedGeneration": observed_generation, "conditions": conditions}), unchanged)
    }
}

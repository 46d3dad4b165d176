use std::collections::BTreeMap;

use crds::{cluster::RateLimitCluster, fold::fold, limit::RateLimit};
use serde_json::json;

use super::*;

fn document(limits: &[(&str, i64)]) -> DaemonDocument {
    let cluster: RateLimitCluster = serde_json::from_value(json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimitCluster",
        "metadata": {"name": "main", "namespace": "edge"}, "spec": {},
    }))
    .unwrap();
    let limits: Vec<RateLimit> = limits
        .iter()
        .map(|(name, limit)| {
            serde_json::from_value(json!({
                "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
                "metadata": {"name": name, "namespace": "edge"},
                "spec": {"clusterRef": {"name": "main"}, "limit": limit, "duration": "1m"},
            }))
            .unwrap()
        })
        .collect();
    fold(&cluster, &limits, &[], &BTreeMap::new()).unwrap().document
}

fn since(ledger: &Ledger, document: &DaemonDocument, name: &str) -> Option<u64> {
    let source = Source::Limit(ObjectName { namespace: "edge".into(), name: name.into() });
    let hash = entries(document).find(|(entry, _)| *entry == source)?.1;
    ledger.since(&source, hash).map(|since| since.number)
}

#[test]
fn an_entry_that_stays_keeps_its_first_document() {
    let mut ledger = Ledger::default();
    let (first, second) = (document(&[("a", 1)]), document(&[("a", 1), ("b", 2)]));
    ledger.publish(&first);
    ledger.publish(&second);
    assert_eq!(since(&ledger, &second, "a"), Some(1));
    assert_eq!(since(&ledger, &second, "b"), Some(2));
    assert_eq!(ledger.number(&first.revision), Some(1));
    assert_eq!(ledger.number(&second.revision), Some(2));
    assert_eq!(ledger.number("unheard of"), None);
}

#[test]
fn an_entry_that_was_away_or_different_begins_anew() {
    let mut ledger = Ledger::default();
    let (first, without, other) = (document(&[("a", 1)]), document(&[]), document(&[("a", 2)]));
    ledger.publish(&first);
    ledger.publish(&without);
    assert_eq!(since(&ledger, &first, "a"), None);
    ledger.publish(&first);
    assert_eq!(since(&ledger, &first, "a"), Some(3));
    // The same words again are the last document, not the first one.
    assert_eq!(ledger.number(&first.revision), Some(3));
    ledger.publish(&other);
    assert_eq!(since(&ledger, &first, "a"), None);
    assert_eq!(since(&ledger, &other, "a"), Some(4));
}

#[test]
fn publishing_the_same_document_again_changes_nothing() {
    let mut ledger = Ledger::default();
    let only = document(&[("a", 1)]);
    ledger.publish(&only);
    ledger.publish(&only);
    assert_eq!(ledger.number(&only.revision), Some(1));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut ledger = Ledger::default();
    let first = document(&[("a", 0)]);
    ledger.publish(&first);
    for limit in 1..=300 {
        ledger.publish(&document(&[("a", limit)]));
    }
    assert_eq!(ledger.number(&first.revision), None);
    assert_eq!(ledger.remembered.len(), REMEMBERED);
}

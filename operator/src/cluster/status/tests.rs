use crds::report::{PodReport, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const REVISION: &str = "6f1c2a9b";

fn cluster(spec: &Value) -> RateLimitCluster {
    serde_json::from_value(json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimitCluster",
        "metadata": {"name": "main", "namespace": "edge", "generation": 3}, "spec": spec,
    }))
    .unwrap()
}

fn set(replicas: i32, updated: i32) -> StatefulSet {
    serde_json::from_value(json!({
        "metadata": {"name": "main", "generation": 1},
        "spec": {"replicas": replicas, "selector": {}, "serviceName": "main-peers", "template": {}},
        "status": {
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": updated,
            "currentRevision": "a", "updateRevision": if updated == replicas { "a" } else { "b" },
        },
    }))
    .unwrap()
}

fn pod(name: &str, revision: &str, ready: bool) -> PodView {
    let report = PodReport { revision: revision.into(), buckets: 100, ..PodReport::default() };
    PodView {
        name: name.into(),
        ready,
        ready_for: Duration::from_secs(60),
        report: Some(report),
        heard: true,
    }
}

fn pods() -> Vec<PodView> {
    ["main-0", "main-1", "main-2"].map(|name| pod(name, REVISION, true)).into()
}

fn facts<'a>(cluster: &'a RateLimitCluster, set: Option<&'a StatefulSet>, pods: &'a [PodView]) -> Facts<'a> {
    Facts {
        cluster,
        wanted: Some(3),
        selector: Some("app=wicketgate".into()),
        set,
        pods,
        revision: REVISION,
        document_waits: false,
        accepted: (12, 1),
        failed: None,
        applied_generation: None,
        fault: None,
        rings_apart: false,
    }
}

/// `Ready Available Progressing Degraded`, as `T`, `F`, and the reason of Ready.
fn told(facts: &Facts<'_>) -> (String, String, String) {
    let status = status(facts, &[], &Time(Timestamp::UNIX_EPOCH));
    let letters = status.conditions.iter().map(|condition| &condition.status[..1]).collect();
    let ready = &status.conditions[0];
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    (letters, ready.reason.clone(), ready.message.clone())
}

#[test]
fn all_is_well() {
    let (cluster, set, pods) = (cluster(&json!({})), set(3, 3), pods());
    let facts = facts(&cluster, Some(&set), &pods);
    let (letters, reason, message) = told(&facts);
    assert_eq!((letters.as_str(), reason.as_str()), ("TTFF", "UpToDate"));
    assert_eq!(message, "3/3 pods are ready and run revision 6f1c2a9b");
    let status = status(&facts, &[], &Time(Timestamp::UNIX_EPOCH));
    assert_eq!(
        (status.summary.as_deref(), status.rate_limits, status.backpressure_policies),
        (Some("3/3"), 12, 1)
    );
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.pods.len(), 3);
}

#[test]
fn one_pod_away_is_still_available() {
    let (cluster, set) = (cluster(&json!({})), set(3, 3));
    let mut pods = pods();
    pods[2].ready = false;
    let (letters, reason, message) = told(&facts(&cluster, Some(&set), &pods));
    assert_eq!(
        (letters.as_str(), reason.as_str(), message.as_str()),
        ("FTTF", "Reconciling", "2/3 pods are ready")
    );
    pods[1].ready = false;
    assert_eq!(told(&facts(&cluster, Some(&set), &pods)).0, "FFTF");
}

#[test]
fn a_pod_with_another_document_is_named() {
    let (cluster, set) = (cluster(&json!({})), set(3, 3));
    let mut pods = pods();
    pods[1] = pod("main-1", "older", true);
    let (letters, _, message) = told(&facts(&cluster, Some(&set), &pods));
    assert_eq!(
        (letters.as_str(), message.as_str()),
        ("FTTF", "revision 6f1c2a9b is not yet reported by main-1")
    );
}

#[test]
fn a_rollout_is_progress() {
    let (cluster, set, pods) = (cluster(&json!({})), set(3, 1), pods());
    let (letters, _, message) = told(&facts(&cluster, Some(&set), &pods));
    assert_eq!((letters.as_str(), message.as_str()), ("FTTF", "1/3 pods are replaced"));
    assert_eq!(told(&facts(&cluster, None, &[])).0, "FFTF");
}

#[test]
fn a_refused_document_degrades_with_the_pod_and_the_reason() {
    let (cluster, set) = (cluster(&json!({})), set(3, 3));
    let mut pods = pods();
    let refusal = Refusal { revision: "bad".into(), reason: "rateLimits[0]: no name".into() };
    pods[0].report.as_mut().unwrap().refused = Some(refusal);
    let (letters, reason, message) = told(&facts(&cluster, Some(&set), &pods));
    assert_eq!((letters.as_str(), reason.as_str()), ("FTFT", "DocumentRefused"));
    assert_eq!(message, "main-0 refuses revision bad: rateLimits[0]: no name");
}

#[test]
fn a_fault_and_a_pause_are_told() {
    let (plain, set, pods) = (cluster(&json!({})), set(3, 3), pods());
    let mut with_fault = facts(&plain, Some(&set), &pods);
    with_fault.fault =
        Some(Fault { reason: Reason::ForeignObject, message: "Service main is theirs".into() });
    let (letters, reason, message) = told(&with_fault);
    assert_eq!(
        (letters.as_str(), reason.as_str(), message.as_str()),
        ("FTFT", "ForeignObject", "Service main is theirs")
    );
    let said = status(&with_fault, &[], &Time(Timestamp::UNIX_EPOCH)).conditions;
    assert_eq!(said[2].reason, "ForeignObject", "it is not as declared: {said:?}");
    let paused = cluster(&json!({"paused": true}));
    let status = status(&facts(&paused, Some(&set), &pods), &[], &Time(Timestamp::UNIX_EPOCH));
    assert_eq!(status.conditions[2].reason, "Paused");
    // What is there runs on.
    assert_eq!(status.conditions[0].status, "True");
    let (letters, reason, _) = told(&facts(&paused, None, &[]));
    assert_eq!((letters.as_str(), reason.as_str()), ("FFFF", "Paused"));
}

#[test]
fn what_waits_for_a_person_is_no_progress() {
    let fault = Some(Fault { reason: Reason::Invalid, message: "spec.timeZone is Mars/Olympus".into() });
    let cluster = cluster(&json!({}));
    // Nothing was ever applied, and nothing will be.
    assert_eq!(told(&Facts { fault: fault.clone(), ..facts(&cluster, None, &[]) }).0, "FFFT");
    // More pods are wanted, but nobody is told so.
    let (more, pods) = (set(2, 2), pods());
    assert_eq!(told(&Facts { fault: fault.clone(), ..facts(&cluster, Some(&more), &pods[..2]) }).0, "FTFT");
    // A roll-out that was begun goes on.
    let begun = set(3, 1);
    assert_eq!(told(&Facts { fault, ..facts(&cluster, Some(&begun), &pods) }).0, "FTTT");
}

#[test]
fn numbers_that_move_a_little_are_not_written() {
    let (cluster, set, pods) = (cluster(&json!({})), set(3, 3), pods());
    let time = Time(Timestamp::UNIX_EPOCH);
    let before = status(&facts(&cluster, Some(&set), &pods), &[], &time);
    let with = |buckets: i64| {
        let mut after = before.clone();
        after.pods[0].buckets = buckets;
        after
    };
    let (soon, late) = (Duration::from_secs(1), Duration::from_secs(10));
    assert!(!worth_writing(Some(&before), &before, late));
    assert!(!worth_writing(Some(&before), &with(200), soon));
    assert!(!worth_writing(Some(&before), &with(105), late));
    assert!(worth_writing(Some(&before), &with(200), late));
    let mut ready = with(100);
    ready.ready_replicas = 2;
    assert!(worth_writing(Some(&before), &ready, soon));
    assert!(worth_writing(None, &before, soon));
}

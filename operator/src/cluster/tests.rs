//! The spine against an API server in memory.

mod hardship;
mod policies;

use std::sync::Arc;

use kube::{core::DeserializeGuard, runtime::controller::Action};
use serde_json::{Value, json};

use super::{fixture, reconcile};
use crate::{
    control::ReconcileError,
    scenario::{Scenario, see},
};

/// A cluster with this spec, in a scenario that has seen it.
fn begin(spec: Value) -> Scenario {
    let mut scenario = Scenario::new(fixture::environment());
    declare(&mut scenario, spec, 1);
    scenario
}

fn declare(scenario: &mut Scenario, spec: Value, generation: i64) {
    let mut cluster = fixture::cluster(spec);
    cluster.metadata.generation = Some(generation);
    cluster.status = serde_json::from_value(scenario.object("ratelimitclusters/main")["status"].clone()).ok();
    see(&mut scenario.writers.clusters, json!(cluster));
}

fn limit(scenario: &mut Scenario, name: &str, limit: i64) {
    let object = json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
        "metadata": {"name": name, "namespace": "edge", "uid": name, "generation": limit},
        "spec": {"clusterRef": {"name": "main"}, "limit": limit, "duration": "1m"},
    });
    see(&mut scenario.writers.limits, object);
    scenario.context.declarations_changed();
}

async fn run(scenario: &Scenario) -> Result<Action, ReconcileError> {
    let cluster = scenario.context.caches.clusters.all().remove(0);
    let cluster: Arc<DeserializeGuard<_>> = cluster;
    reconcile(cluster, Arc::clone(&scenario.context)).await
}

/// Runs until all is applied and seen, with the cluster's own status in the cache.
async fn settle(scenario: &mut Scenario, spec: Value) {
    for _ in 0..2 {
        run(scenario).await.unwrap();
        scenario.see();
        declare(scenario, spec.clone(), 1);
    }
    scenario.calls();
}

fn patches(calls: &[String]) -> Vec<&str> {
    calls.iter().filter_map(|call| call.strip_prefix("PATCH ")).collect()
}

fn condition(scenario: &Scenario, kind: &str) -> (String, String, String) {
    let status = scenario.object("ratelimitclusters/main")["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind).cloned().unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_is_applied_in_order_and_its_status_written_last() {
    let scenario = begin(json!({}));
    run(&scenario).await.unwrap();
    let calls = scenario.calls();
    assert_eq!(
        patches(&calls),
        [
            "serviceaccounts/main",
            "roles/main",
            "rolebindings/main",
            "services/main-peers",
            "services/main",
            "poddisruptionbudgets/main",
            "networkpolicies/main",
            "statefulsets/main",
            "configmaps/main-document-0",
            "ratelimitclusters/main/status",
        ]
    );
    // Each was asked for before it was made, or it might be somebody else's.
    assert_eq!(calls.iter().filter(|call| call.starts_with("GET ")).count(), 9);
    assert_eq!(condition(&scenario, "Ready").0, "False");
    assert_eq!(condition(&scenario, "Degraded").0, "False");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_rest_costs_no_call() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    for _ in 0..3 {
        run(&scenario).await.unwrap();
    }
    assert_eq!(scenario.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_is_put_back_and_nothing_else_touched() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    let mut service = scenario.object("services/main");
    let ours = service.clone();
    service["spec"]["ports"][0]["port"] = json!(9);
    scenario.put("services/main", service);
    scenario.see();
    run(&scenario).await.unwrap();
    assert_eq!(scenario.calls(), ["PATCH services/main"]);
    assert_eq!(scenario.object("services/main")["spec"], ours["spec"]);
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_somebody_else_is_left_alone() {
    let scenario = begin(json!({}));
    scenario.put("services/main", json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "main", "namespace": "edge", "uid": "theirs"},
    }));
    run(&scenario).await.unwrap_err();
    let calls = scenario.calls();
    assert!(!calls.contains(&"PATCH services/main".to_owned()), "{calls:?}");
    assert!(!calls.contains(&"PATCH statefulsets/main".to_owned()), "{calls:?}");
    let (status, reason, message) = condition(&scenario, "Degraded");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "ForeignObject"));
    assert!(message.starts_with("Service main is there already"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_changes_one_config_map_and_no_pod() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    limit(&mut scenario, "a", 7);
    tokio::time::advance(super::memory::DOCUMENT_EVERY).await;
    run(&scenario).await.unwrap();
    let document = scenario.body("PATCH configmaps/main-document-0")["data"]["document.yaml"].clone();
    assert!(document.as_str().unwrap().contains("limit: 7"), "{document}");
    assert_eq!(scenario.calls(), ["PATCH configmaps/main-document-0", "PATCH ratelimitclusters/main/status"]);
    assert_eq!(scenario.woken.limits.recv().await.unwrap().name, "a");
}

#[tokio::test(start_paused = true)]
async fn documents_keep_a_distance() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    tokio::time::advance(super::memory::DOCUMENT_EVERY).await;
    limit(&mut scenario, "a", 1);
    run(&scenario).await.unwrap();
    limit(&mut scenario, "b", 2);
    scenario.see();
    declare(&mut scenario, json!({}), 1);
    scenario.calls();
    assert_eq!(run(&scenario).await.unwrap(), Action::requeue(super::memory::DOCUMENT_EVERY));
    assert!(!patches(&scenario.calls()).contains(&"configmaps/main-document-0"));
    tokio::time::advance(super::memory::DOCUMENT_EVERY).await;
    run(&scenario).await.unwrap();
    assert!(patches(&scenario.calls()).contains(&"configmaps/main-document-0"));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_told_and_what_it_cannot_do_now_is_tried_again() {
    for (code, degraded) in [(422, "True"), (500, "False"), (409, "False")] {
        let mut scenario = begin(json!({}));
        scenario.fails("PATCH statefulsets/main", code, "spec.template: no");
        run(&scenario).await.unwrap_err();
        let (status, reason, message) = condition(&scenario, "Degraded");
        assert_eq!(status, degraded, "{code}");
        if code == 422 {
            assert_eq!(reason, "ApplyRefused");
            assert_eq!(message, "the API server refuses StatefulSet main: spec.template: no");
        }
        scenario.heals();
        scenario.see();
        scenario.calls();
        run(&scenario).await.unwrap();
        assert!(patches(&scenario.calls()).starts_with(&["statefulsets/main"]), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_cluster_is_watched_and_not_touched() {
    let mut scenario = begin(json!({"paused": true}));
    limit(&mut scenario, "a", 1);
    run(&scenario).await.unwrap();
    assert_eq!(patches(&scenario.calls()), ["ratelimitclusters/main/status"]);
    assert_eq!(condition(&scenario, "Progressing").1, "Paused");
    let cluster = fixture::cluster(json!({}));
    let verdicts = scenario.context.board.of(&crds::reference::ObjectName::of(&cluster.metadata));
    assert_eq!(verdicts.len(), 1);
    assert!(verdicts.values().all(|verdict| !verdict.in_force()));
}

#[tokio::test(start_paused = true)]
async fn an_invalid_cluster_names_the_field_and_is_not_built() {
    let scenario = begin(json!({"tls": {"clients": {"mode": "Managed"}}}));
    run(&scenario).await.unwrap();
    // The limits that are declared for it travel all the same.
    assert_eq!(patches(&scenario.calls()), ["configmaps/main-document-0", "ratelimitclusters/main/status"]);
    let (status, reason, message) = condition(&scenario, "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Invalid"));
    assert!(message.contains("spec.tls.clients.mode"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_autoscaler_gets_the_replicas_and_loses_them_again() {
    let on = json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}});
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    let mut set = scenario.object("statefulsets/main");
    set["metadata"]["managedFields"] = json!([{
        "manager": "wicketgate-operator", "operation": "Apply", "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }]);
    scenario.put("statefulsets/main", set);
    scenario.see();
    declare(&mut scenario, on, 2);
    run(&scenario).await.unwrap();
    let calls = scenario.calls();
    let sent: Vec<_> = patches(&calls).into_iter().filter(|call| call.starts_with("statefulsets")).collect();
    // Once under the second field manager, with the number; once under ours, without.
    assert_eq!(sent.len(), 2);
    assert_eq!(scenario.object("statefulsets/main")["spec"]["replicas"], Value::Null);
    assert!(patches(&calls).contains(&"horizontalpodautoscalers/main"));
    scenario.see();
    declare(&mut scenario, json!({}), 3);
    run(&scenario).await.unwrap();
    assert_eq!(scenario.object("statefulsets/main")["spec"]["replicas"], 3);
    assert!(scenario.calls().contains(&"DELETE horizontalpodautoscalers/main".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_knows_what_the_last_one_published() {
    let mut scenario = begin(json!({}));
    limit(&mut scenario, "a", 1);
    settle(&mut scenario, json!({})).await;
    let name = crds::reference::ObjectName { namespace: "edge".into(), name: "main".into() };
    let published = scenario.context.memory(&name).lock().await.ledger.revision().to_owned();
    // The next leader begins without a memory, and finds that something was declared meanwhile.
    let _ = scenario.context.forget(&name);
    limit(&mut scenario, "b", 2);
    run(&scenario).await.unwrap();
    let calls = scenario.calls();
    assert_eq!(calls[0], "GET configmaps/main-document-0");
    let memory = scenario.context.memory(&name);
    let memory = memory.lock().await;
    assert_eq!(memory.ledger.number(&published), Some(1));
    assert_eq!(memory.ledger.number(memory.ledger.revision()), Some(2));
}

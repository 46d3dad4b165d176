//! The spine of what is declared, together with its cluster's, against an API server in memory.

use std::sync::Arc;

use crds::{limit::RateLimit, reference::ObjectName};
use kube::{
    core::DeserializeGuard,
    runtime::{controller::Action, watcher::Event},
};
use serde_json::{Value, json};

use super::reconcile;
use crate::{
    cluster::{self, fixture},
    concerns::DeclaredObjects,
    scenario::{Scenario, see},
    wake::Wake,
    watch::Concerns as _,
};

fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
        "metadata": {"name": name, "namespace": "edge", "uid": name, "generation": 1, "resourceVersion": "1"},
        "spec": spec,
    })
}

fn limit(name: &str) -> Value {
    object(name, &json!({"clusterRef": {"name": "main"}, "limit": 7, "duration": "1m"}))
}

fn begin(objects: &[Value]) -> Scenario {
    let mut scenario = Scenario::new(fixture::environment());
    see(&mut scenario.writers.clusters, json!(fixture::cluster(json!({}))));
    for object in objects {
        see(&mut scenario.writers.limits, object.clone());
        let name = object["metadata"]["name"].as_str().unwrap();
        scenario.put(&format!("ratelimits/{name}"), object.clone());
    }
    scenario
}

async fn run_cluster(scenario: &Scenario) {
    let object = scenario.context.caches.clusters.all().remove(0);
    cluster::reconcile(object, Arc::clone(&scenario.context)).await.unwrap();
    scenario.calls();
}

async fn run(scenario: &Scenario, name: &str) {
    act(scenario, name).await;
}

async fn act(scenario: &Scenario, name: &str) -> Action {
    let name = ObjectName { namespace: "edge".into(), name: name.into() };
    let object = scenario.context.caches.limits.get(&name).unwrap();
    reconcile::<RateLimit>(object, Arc::clone(&scenario.context)).await.unwrap()
}

/// Status and reason of Accepted and Programmed, and the message of the first.
fn said(scenario: &Scenario, name: &str) -> (String, String) {
    let status = scenario.object(&format!("ratelimits/{name}"))["status"].clone();
    let told = status["conditions"].as_array().unwrap().iter().map(|condition| {
        format!("{}={}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
    });
    let message = status["conditions"][0]["message"].as_str().unwrap().to_owned();
    (told.collect::<Vec<_>>().join(" "), message)
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_told_that_it_is_accepted_and_for_what_it_waits() {
    let mut scenario = begin(&[limit("a")]);
    run_cluster(&scenario).await;
    run(&scenario, "a").await;
    assert_eq!(scenario.calls(), ["PATCH ratelimits/a/status"]);
    assert_eq!(said(&scenario, "a").0, "True=Accepted False=NoReadyPods");
    let status = scenario.object("ratelimits/a")["status"].clone();
    assert_eq!((&status["summary"], &status["observedGeneration"]), (&json!("7/1m"), &json!(1)));
    // Said once, it is not said again.
    let mut known = limit("a");
    known["status"] = status;
    see(&mut scenario.writers.limits, known);
    run(&scenario, "a").await;
    assert_eq!(scenario.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_told_so_once_and_does_not_stop_the_others() {
    let broken = object("broken", &json!({"clusterRef": {"name": "main"}, "limit": "many"}));
    let scenario = begin(&[broken, limit("a")]);
    run_cluster(&scenario).await;
    run(&scenario, "broken").await;
    let (told, message) = said(&scenario, "broken");
    assert_eq!(told, "False=Invalid False=Invalid");
    assert!(message.contains("cannot be read") && message.contains("many"), "{message}");
    run(&scenario, "broken").await;
    assert_eq!(scenario.calls(), ["GET ratelimits/broken", "PATCH ratelimits/broken/status"]);
    run(&scenario, "a").await;
    assert_eq!(said(&scenario, "a").0, "True=Accepted False=NoReadyPods");
}

#[tokio::test(start_paused = true)]
async fn the_older_of_two_with_one_name_wins_and_the_other_is_told_who() {
    let mut older =
        object("z", &json!({"clusterRef": {"name": "main"}, "name": "one", "limit": 1, "duration": "1m"}));
    older["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    let mut younger =
        object("a", &json!({"clusterRef": {"name": "main"}, "name": "one", "limit": 2, "duration": "1m"}));
    younger["metadata"]["creationTimestamp"] = json!("2021-01-01T00:00:00Z");
    let scenario = begin(&[older, younger]);
    run_cluster(&scenario).await;
    run(&scenario, "a").await;
    run(&scenario, "z").await;
    let (told, message) = said(&scenario, "a");
    assert_eq!(told, "False=Conflicted False=Conflicted");
    assert!(message.contains("edge/z"), "{message}");
    assert_eq!(said(&scenario, "z").0, "True=Accepted False=NoReadyPods");
}

#[tokio::test(start_paused = true)]
async fn a_status_concerns_no_cluster_and_a_change_concerns_the_old_one_too() {
    let scenario = begin(&[]);
    let mut concerns = DeclaredObjects::default();
    let mut of = |object: Value| {
        let before = scenario.context.declarations();
        let object: DeserializeGuard<RateLimit> = serde_json::from_value(object).unwrap();
        let wakes = concerns.of(&Event::Apply(object), &scenario.context);
        let clusters: Vec<String> = wakes
            .iter()
            .filter_map(|wake| match wake {
                Wake::Cluster(name) => Some(name.name.clone()),
                _ => None,
            })
            .collect();
        (clusters, scenario.context.declarations() != before)
    };
    assert_eq!(of(limit("a")), (vec!["main".to_owned()], true));
    let mut with_status = limit("a");
    with_status["metadata"]["resourceVersion"] = json!("2");
    with_status["status"] = json!({"observedGeneration": 1});
    assert_eq!(of(with_status), (vec![], false));
    let mut moved = limit("a");
    moved["metadata"]["generation"] = json!(2);
    moved["spec"]["clusterRef"]["name"] = json!("other");
    assert_eq!(of(moved), (vec!["other".to_owned(), "main".to_owned()], true));
}

#[tokio::test(start_paused = true)]
async fn an_object_broken_in_another_way_is_told_anew() {
    let broken = object("broken", &json!({"clusterRef": {"name": "main"}, "limit": "many"}));
    let mut scenario = begin(&[broken]);
    run(&scenario, "broken").await;
    scenario.calls();
    let mut again =
        object("broken", &json!({"clusterRef": {"name": "main"}, "limit": 1, "duration": "soon"}));
    again["metadata"]["generation"] = json!(2);
    again["metadata"]["resourceVersion"] = json!("9");
    see(&mut scenario.writers.limits, again);
    run(&scenario, "broken").await;
    assert_eq!(scenario.calls(), ["GET ratelimits/broken", "PATCH ratelimits/broken/status"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_a_cluster_that_cannot_be_read_is_told_so() {
    let mut scenario = begin(&[limit("a")]);
    run_cluster(&scenario).await;
    run(&scenario, "a").await;
    let mut known = limit("a");
    known["status"] = scenario.object("ratelimits/a")["status"].clone();
    known["metadata"]["generation"] = json!(2);
    known["spec"]["limit"] = json!(8);
    see(&mut scenario.writers.limits, known);
    let mut unreadable = json!(fixture::cluster(json!({})));
    unreadable["metadata"]["generation"] = json!(2);
    unreadable["spec"]["replicas"] = json!("many");
    see(&mut scenario.writers.clusters, unreadable);
    scenario.context.declarations_changed();
    run_cluster(&scenario).await;
    run(&scenario, "a").await;
    assert_eq!(scenario.calls(), ["PATCH ratelimits/a/status"]);
    let (told, message) = said(&scenario, "a");
    assert_eq!(told, "False=Invalid False=Invalid");
    assert_eq!(message, "the cluster edge/main cannot be read");
    // Said once, it is not said again, and nobody asks again and again.
    let mut known = scenario.object("ratelimits/a");
    known["metadata"]["generation"] = json!(2);
    known["spec"]["limit"] = json!(8);
    see(&mut scenario.writers.limits, known);
    assert_eq!(act(&scenario, "a").await, Action::await_change());
    assert_eq!(scenario.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_or_said_in_a_namespace_that_is_being_deleted() {
    let mut scenario = begin(&[limit("a")]);
    let mut going = json!({"metadata": {"name": "edge", "resourceVersion": "1"}});
    see(&mut scenario.writers.namespaces, going.clone());
    run_cluster(&scenario).await;
    run(&scenario, "a").await;
    assert_eq!(scenario.calls(), ["PATCH ratelimits/a/status"]);
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    see(&mut scenario.writers.namespaces, going);
    let object = scenario.context.caches.clusters.all().remove(0);
    let action = cluster::reconcile(object, Arc::clone(&scenario.context)).await.unwrap();
    assert_eq!(action, Action::await_change());
    // Nor when the cluster has gone before the limit.
    scenario.writers.clusters[0].1.apply_watcher_event(&Event::Delete(
        serde_json::from_value(json!(fixture::cluster(json!({})))).unwrap(),
    ));
    assert_eq!(act(&scenario, "a").await, Action::await_change());
    assert_eq!(scenario.calls(), [""; 0]);
}

//! What goes wrong, and when: each of these was wrong once.

use std::{sync::Arc, time::Duration};

use kube::core::DeserializeGuard;
use serde_json::{Value, json};

use super::{begin, condition, declare, limit, run, settle};
use crate::{
    cluster::{fixture, reconcile},
    scenario::{Scenario, see},
};

/// The StatefulSet as its controller leaves it when all is done.
fn rolled_out(scenario: &mut Scenario) {
    let mut set = scenario.object("statefulsets/main");
    set["metadata"]["generation"] = json!(1);
    set["status"] = json!({"observedGeneration": 1, "replicas": 0, "updatedReplicas": 0,
        "currentRevision": "a", "updateRevision": "a"});
    scenario.put("statefulsets/main", set);
    scenario.see();
}

#[tokio::test(start_paused = true)]
async fn a_cluster_at_rest_costs_no_call_after_a_while_either() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    tokio::time::advance(Duration::from_secs(31)).await;
    run(&scenario).await.unwrap();
    assert_eq!(scenario.calls(), [""; 0]);
}

/// A cluster without pods that is ready, at generation 1.
async fn ready() -> Scenario {
    let spec = json!({"replicas": 0});
    let mut scenario = begin(spec.clone());
    settle(&mut scenario, spec.clone()).await;
    rolled_out(&mut scenario);
    tokio::time::advance(Duration::from_secs(2)).await;
    run(&scenario).await.unwrap();
    assert_eq!(condition(&scenario, "Ready").0, "True", "{:?}", condition(&scenario, "Ready"));
    scenario.calls();
    scenario
}

/// The status does not call this generation ready.
fn is_not_ready_at(scenario: &Scenario, generation: i64) {
    let status = scenario.object("ratelimitclusters/main")["status"].clone();
    assert_ne!(
        (condition(scenario, "Ready").0.as_str(), &status["observedGeneration"]),
        ("True", &json!(generation)),
        "{status}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_template_is_not_ready_before_it_is_rolled_out() {
    let mut scenario = ready().await;
    declare(&mut scenario, json!({"replicas": 0, "image": {"tag": "new"}}), 2);
    run(&scenario).await.unwrap();
    assert!(scenario.calls().contains(&"PATCH statefulsets/main".to_owned()));
    is_not_ready_at(&scenario, 2);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_applied_is_not_ready() {
    let mut scenario = ready().await;
    scenario.fails("PATCH statefulsets/main", 500, "failed calling webhook");
    declare(&mut scenario, json!({"replicas": 0, "image": {"tag": "new"}}), 2);
    run(&scenario).await.unwrap_err();
    is_not_ready_at(&scenario, 2);
}

#[tokio::test(start_paused = true)]
async fn limits_travel_although_another_object_is_refused() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    scenario.fails("PATCH poddisruptionbudgets/main", 403, "quota");
    declare(&mut scenario, json!({"disruption": {"maxUnavailable": 2}}), 2);
    limit(&mut scenario, "a", 7);
    tokio::time::advance(crate::cluster::memory::DOCUMENT_EVERY).await;
    let _ = run(&scenario).await;
    let calls = scenario.calls();
    assert!(calls.contains(&"PATCH configmaps/main-document-0".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn limits_travel_although_the_template_is_invalid() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    declare(&mut scenario, json!({"podTemplate": {"spec": {"containers": 7}}}), 2);
    limit(&mut scenario, "a", 7);
    tokio::time::advance(crate::cluster::memory::DOCUMENT_EVERY).await;
    let _ = run(&scenario).await;
    let calls = scenario.calls();
    assert!(calls.contains(&"PATCH configmaps/main-document-0".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_went_while_it_was_reconciled_leaves_nothing() {
    let mut scenario = begin(json!({}));
    limit(&mut scenario, "a", 7);
    let cluster = scenario.context.caches.clusters.all().remove(0);
    let name = crds::reference::ObjectName { namespace: "edge".into(), name: "main".into() };
    // Its deletion is seen while its reconcile is under way.
    let gone: DeserializeGuard<crds::cluster::RateLimitCluster> =
        serde_json::from_value(json!(fixture::cluster(json!({})))).unwrap();
    scenario.writers.clusters[0].1.apply_watcher_event(&kube::runtime::watcher::Event::Delete(gone));
    let _ = scenario.context.forget(&name);
    let _ = reconcile(cluster, Arc::clone(&scenario.context)).await;
    assert!(scenario.context.board.of(&name).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_surplus_part_that_was_not_deleted_is_tried_again() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    let mut part = scenario.object("configmaps/main-document-0");
    part["metadata"]["name"] = json!("main-document-1");
    scenario.put("configmaps/main-document-1", part);
    scenario.see();
    scenario.fails("DELETE configmaps/main-document-1", 500, "no");
    limit(&mut scenario, "a", 7);
    tokio::time::advance(crate::cluster::memory::DOCUMENT_EVERY).await;
    run(&scenario).await.unwrap_err();
    scenario.heals();
    scenario.calls();
    run(&scenario).await.unwrap();
    let calls = scenario.calls();
    assert!(calls.contains(&"DELETE configmaps/main-document-1".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_monitor_whose_definition_went_does_not_stop_the_cluster() {
    let spec = json!({"serviceMonitor": {"enabled": true}});
    let scenario = begin(spec);
    scenario.fails("PATCH servicemonitors/main", 404, "the server could not find the requested resource");
    run(&scenario).await.unwrap_err();
    let calls = scenario.calls();
    assert!(
        calls.contains(&"PATCH statefulsets/main".to_owned()) || condition(&scenario, "Degraded").0 == "True",
        "{calls:?} {:?}",
        condition(&scenario, "Degraded")
    );
}

#[tokio::test(start_paused = true)]
async fn a_document_that_grows_is_whole_until_it_is_whole_again() {
    let mut scenario = begin(json!({}));
    settle(&mut scenario, json!({})).await;
    // A document that grows to two parts, and a quota that lets no second ConfigMap in.
    scenario.fails("PATCH configmaps/main-document-1", 403, "exceeded quota");
    for index in 0..60 {
        let overrides: Vec<Value> =
            (0..64).map(|n| json!({"key": format!("{n:0>190}"), "limit": 1})).collect();
        let object = json!({
            "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
            "metadata": {"name": format!("l{index}"), "namespace": "edge", "uid": format!("l{index}"), "generation": 1},
            "spec": {"clusterRef": {"name": "main"}, "limit": 1, "duration": "1m", "overrides": overrides},
        });
        see(&mut scenario.writers.limits, object);
    }
    scenario.context.declarations_changed();
    tokio::time::advance(crate::cluster::memory::DOCUMENT_EVERY).await;
    run(&scenario).await.unwrap_err();
    let parts = (0..2)
        .filter_map(|index| {
            let data = serde_json::from_value(
                scenario.object(&format!("configmaps/main-document-{index}"))["data"].clone(),
            )
            .ok()?;
            Some((index, crds::part::Part::from_data(data).unwrap()))
        })
        .collect();
    assert!(crds::part::join(&parts).is_some(), "pods that start now find no whole document");
}

#[tokio::test(start_paused = true)]
async fn changes_without_pause_do_not_hide_that_a_pod_lags() {
    let spec = json!({"replicas": 1});
    let mut scenario = begin(spec.clone());
    settle(&mut scenario, spec.clone()).await;
    let mut set = scenario.object("statefulsets/main");
    set["metadata"]["generation"] = json!(1);
    set["status"] = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
        "currentRevision": "a", "updateRevision": "a"});
    scenario.put("statefulsets/main", set);
    scenario.see();
    see(
        &mut scenario.writers.pods,
        json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "main-0", "namespace": "edge", "uid": "p0",
            "labels": {"app.kubernetes.io/instance": "main"}},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}),
    );
    let mut said = scenario.object("ratelimitclusters/main");
    for condition in said["status"]["conditions"].as_array_mut().unwrap() {
        let ready = ["Ready", "Available"].contains(&condition["type"].as_str().unwrap());
        condition["status"] = json!(if ready { "True" } else { "False" });
    }
    said["status"]["summary"] = json!("1/1");
    scenario.put("ratelimitclusters/main", said);
    let name = crds::reference::ObjectName { namespace: "edge".into(), name: "main".into() };
    let _ = scenario.context.forget(&name);
    declare(&mut scenario, spec, 1);
    for value in 1..60 {
        limit(&mut scenario, "a", value);
        tokio::time::advance(Duration::from_millis(900)).await;
        run(&scenario).await.unwrap();
    }
    assert_eq!(condition(&scenario, "Ready").0, "False", "{:?}", condition(&scenario, "Ready"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_watches_is_deleted_if_it_was_made() {
    // Here the kind came after the operator had begun, so no watch shows it.
    let mut environment = fixture::environment();
    environment.service_monitor = false;
    let mut scenario = Scenario::new(environment);
    scenario.serves("/apis/monitoring.coreos.com/v1", json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "monitoring.coreos.com/v1",
        "resources": [{"name": "servicemonitors", "singularName": "", "namespaced": true, "kind": "ServiceMonitor", "verbs": []}],
    }));
    declare(&mut scenario, json!({"serviceMonitor": {"enabled": true}}), 1);
    run(&scenario).await.unwrap();
    assert!(scenario.calls().contains(&"PATCH servicemonitors/main".to_owned()));
    declare(&mut scenario, json!({}), 2);
    run(&scenario).await.unwrap();
    assert!(scenario.calls().contains(&"DELETE servicemonitors/main".to_owned()));
    run(&scenario).await.unwrap();
    assert!(!scenario.calls().contains(&"DELETE servicemonitors/main".to_owned()));
}

//! The status tells the truth: of a document that pods refuse, of a pause, of limits without a pod and of what
//! this Kubernetes cannot do.

use crds::part::{REVISION_KEY, TEXT_KEY};
use e2e::kube::awaiting::{eventually, until};
use e2e::kube::connection::say;
use e2e::kube::daemons;
use e2e::kube::objects::{holds, text};
use e2e::kube::place::{PODS, Place, SOON};
use e2e::kube::story::{Turn, story};
use kube::discovery;
use serde_json::{Value, json};

const CLUSTER: (&str, &str) = ("RateLimitCluster", "main");
const DOCUMENT: (&str, &str) = ("ConfigMap", "main-document-0");

/// Pauses the cluster, with this change beside, and awaits that the operator knows: what is changed afterwards
/// may come to it by a quicker watch.
async fn pause(place: &Place, mut change: Value) {
    change["paused"] = true.into();
    place.edit(CLUSTER.0, CLUSTER.1, json!({"spec": change})).await;
    place
        .seen(CLUSTER, "says that it is paused", SOON, |cluster| {
            let conditions = cluster.data.pointer("/status/conditions")?.as_array()?;
            conditions.iter().find(|condition| condition["reason"] == "Paused").map(drop)
        })
        .await;
}

#[tokio::test]
async fn a_document_that_was_changed_by_hand_is_refused_and_put_back() {
    story(Turn::Shared, "refused", async |place| {
        place.cluster("main", json!({"replicas": 2})).await;
        place.limit("checkout", json!({"limit": 7})).await;
        place.ready("main").await;
        place.programmed("checkout").await;
        let daemons = daemons::all(&place, "main", 2).await;
        let held = place.get(DOCUMENT.0, DOCUMENT.1).await.unwrap();
        let held = text(&held, &format!("/data/{TEXT_KEY}")).unwrap().to_owned();

        // A cluster that is not paused would have it back at once.
        pause(&place, json!({})).await;
        let raised = held.replace("limit: 7", "limit: 70");
        assert_ne!(raised, held);
        for (document, reason) in [
            ("rateLimits: all of them", "the document is not readable"),
            (raised.as_str(), "it was changed by hand or cut off"),
        ] {
            let change = json!({"data": {TEXT_KEY: document, REVISION_KEY: "by-hand"}});
            place.edit(DOCUMENT.0, DOCUMENT.1, change).await;
            let what = format!("is degraded: {reason}");
            let told = place.seen(CLUSTER, &what, SOON, |cluster| {
                let conditions = cluster.data.pointer("/status/conditions")?.as_array()?;
                let degraded = conditions.iter().find(|condition| condition["type"] == "Degraded")?;
                let message = degraded["message"].as_str().filter(|message| message.contains(reason))?;
                (degraded["status"] == "True" && degraded["reason"] == "DocumentRefused")
                    .then(|| message.to_owned())
            });
            let told = told.await;
            assert!(daemons.iter().any(|daemon| told.starts_with(&daemon.name)), "{told}");
        }
        // What was in force stays.
        for daemon in &daemons {
            assert_eq!(daemon.hit("checkout", "account:1", 1).await.limit, 7);
            let refused = daemon.try_report().await.unwrap().refused;
            assert!(refused.is_some(), "{}", daemon.name);
        }

        place.edit(CLUSTER.0, CLUSTER.1, json!({"spec": {"paused": false}})).await;
        place.condition(CLUSTER, ("Degraded", "False"), SOON).await;
        place.ready("main").await;
        let back = place.get(DOCUMENT.0, DOCUMENT.1).await.unwrap();
        assert_eq!(text(&back, &format!("/data/{TEXT_KEY}")).unwrap(), held);
        place.limit("checkout", json!({"limit": 8})).await;
        place.programmed("checkout").await;
        for daemon in &daemons {
            daemon.declares("checkout", 8).await;
        }
    })
    .await;
}

/// Awaits that the limit `checkout` is not in force for this reason. A busy operator may say before that it has
/// not looked at it yet.
async fn not_programmed(place: &Place, reason: &str) {
    let what = format!("RateLimit checkout says Programmed=False, {reason}");
    until(&place.api("RateLimit"), "checkout", &what, PODS, |object| {
        let told = holds(object, "Programmed", "False")?;
        if told.reason == reason { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_paused_cluster_takes_nothing_until_it_goes_on() {
    story(Turn::Shared, "paused", async |place| {
        place.cluster("main", json!({})).await;
        place.limit("checkout", json!({"limit": 7})).await;
        place.ready("main").await;
        place.programmed("checkout").await;
        let daemons = daemons::all(&place, "main", 1).await;
        pause(&place, json!({"replicas": 2})).await;
        place.limit("checkout", json!({"limit": 8})).await;
        not_programmed(&place, "Paused").await;
        assert_eq!(daemons[0].hit("checkout", "account:1", 1).await.limit, 7);
        let set = place.get("StatefulSet", "main").await.unwrap();
        assert_eq!(set.data.pointer("/spec/replicas"), Some(&Value::from(1)));

        place.edit(CLUSTER.0, CLUSTER.1, json!({"spec": {"paused": false, "replicas": 1}})).await;
        place.programmed("checkout").await;
        daemons[0].declares("checkout", 8).await;
    })
    .await;
}

#[tokio::test]
async fn a_limit_is_not_said_to_be_in_force_where_no_pod_is_ready() {
    story(Turn::Shared, "podless", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        place.limit("checkout", json!({})).await;
        not_programmed(&place, "NoReadyPods").await;
        // The cluster has all that was asked for.
        place.condition(CLUSTER, ("Ready", "True"), SOON).await;

        place.cluster("main", json!({"replicas": 1})).await;
        place.programmed("checkout").await;
        let pods = daemons::ready(&place, "main", 1).await;
        assert_eq!(pods, ["main-0"]);
        place.cluster("main", json!({"replicas": 0})).await;
        not_programmed(&place, "NoReadyPods").await;
    })
    .await;
}

#[tokio::test]
async fn what_this_kubernetes_cannot_do_is_told_and_holds_nothing_up() {
    story(Turn::Shared, "cautions", async |place| {
        let monitors = discovery::group(&place.client, "monitoring.coreos.com").await;
        if monitors.is_ok() {
            say("that a ServiceMonitor is missing is not tested: this Kubernetes knows them");
            return;
        }
        place.cluster("main", json!({"replicas": 0, "serviceMonitor": {"enabled": true}})).await;
        place.condition(CLUSTER, ("Ready", "True"), SOON).await;
        eventually("an event tells of it", SOON, async || {
            let events =
                place.api("Event").list(&Default::default()).await.map_err(|error| error.to_string())?;
            let told = events.items.iter().any(|event| {
                let note = text(event, "/note").unwrap_or_default();
                note.starts_with("spec.serviceMonitor.enabled is true: this Kubernetes has no ServiceMonitor")
            });
            if told { Ok(()) } else { Err(format!("{} other events", events.items.len())) }
        })
        .await;
    })
    .await;
}

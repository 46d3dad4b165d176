//! Clusters that no schema can find wrong: their status names the field, its value and the way out, what runs
//! goes on as it was, and others are not held up.

use e2e::kube::awaiting::until;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::objects::holds;
use e2e::kube::place::{PODS, SOON};
use e2e::kube::story::{Turn, story};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// What is wrong, and the beginning of what is said of it.
fn wrong() -> Vec<(Value, &'static str)> {
    let daemon = |with: Value| json!({"podTemplate": {"spec": {"containers": [with]}}});
    vec![
        (
            json!({"timeZone": "Mars/Olympus"}),
            "spec.timeZone is Mars/Olympus: the IANA database has no such time zone",
        ),
        (
            json!({"tls": {"clients": {"mode": "Managed"}}}),
            "spec.tls.clients.mode is Managed: TLS towards clients is not available in this version",
        ),
        (json!({"batching": {"wait": "2m"}}), "spec.batching.wait is 2m: it must be from"),
        (
            json!({"podTemplate": {"spec": {"nodeSelektor": {"a": "b"}}}}),
            "spec.podTemplate.spec.nodeSelektor is ",
        ),
        (
            json!({"podTemplate": {"spec": {"terminationGracePeriodSeconds": 3}}}),
            "spec.podTemplate.spec.terminationGracePeriodSeconds is 3: ",
        ),
        (
            daemon(json!({"name": "daemon", "image": "example.com/other:1"})),
            "spec.podTemplate.spec.containers[0].image is example.com/other:1: the spec has a field for it",
        ),
        (
            daemon(json!({"name": "daemon", "env": [{"name": "GUBER_CACHE_SIZE", "value": "5"}]})),
            "spec.podTemplate.spec.containers[0].env[0].name is GUBER_CACHE_SIZE: the operator sets this variable: set spec.capacity instead",
        ),
    ]
}

#[tokio::test]
async fn a_cluster_that_cannot_be_built_says_why_and_nothing_is_built() {
    story(Turn::Shared, "invalid", async |place| {
        let cases = wrong();
        for (index, (spec, _)) in cases.iter().enumerate() {
            let mut spec = spec.clone();
            spec["replicas"] = 0.into();
            place.cluster(&format!("wrong-{index}"), spec).await;
        }
        for (index, (spec, message)) in cases.iter().enumerate() {
            let told = place.degraded(&format!("wrong-{index}"), "Invalid").await;
            assert!(told.starts_with(message), "{spec}: {told}");
            let cluster = place.get("RateLimitCluster", &format!("wrong-{index}")).await;
            let waits = holds(cluster.as_ref(), "Progressing", "False");
            assert_eq!(waits.unwrap().reason, "Invalid", "{spec}: nothing goes on until it is corrected");
        }
        assert_eq!(place.names("StatefulSet").await, [""; 0]);
        // All that is wrong is told at once.
        let (zone, mode) = (&cases[0], &cases[1]);
        let mut both = zone.0.clone();
        both["tls"] = mode.0["tls"].clone();
        place.cluster("wrong-0", both).await;
        let what = "both faults are told";
        let clusters = place.api("RateLimitCluster");
        let told = until(&clusters, "wrong-0", what, SOON, |object| {
            let told = holds(object, "Degraded", "True")?.message;
            if told.contains(mode.1) { Ok(told) } else { Err(told) }
        });
        assert!(told.await.contains(zone.1));
        // And once it is right, it is built.
        place.cluster("wrong-0", json!({"replicas": 0})).await;
        place.condition(("RateLimitCluster", "wrong-0"), ("Ready", "True"), SOON).await;
    })
    .await;
}

#[tokio::test]
async fn what_runs_goes_on_while_its_cluster_is_wrong() {
    story(Turn::Shared, "wrong-later", async |place| {
        place.cluster("main", json!({})).await;
        place.limit("checkout", json!({"limit": 7})).await;
        place.ready("main").await;
        place.programmed("checkout").await;
        let daemons = daemons::all(&place, "main", 1).await;
        let lives = daemons::lives(&place, "main").await;

        place.cluster("main", json!({"timeZone": "Mars/Olympus"})).await;
        place.degraded("main", "Invalid").await;
        assert_eq!(daemons[0].hit("checkout", "account:1", 1).await.limit, 7);
        assert_eq!(daemons::lives(&place, "main").await, lives);

        place.cluster("main", json!({})).await;
        place.ready("main").await;
        assert_eq!(daemons::lives(&place, "main").await, lives);
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_not_there_takes_no_more_pods_than_may_be_away() {
    story(Turn::Shared, "image", async |place| {
        place.cluster("main", json!({"replicas": 2})).await;
        place.limit("checkout", json!({"limit": 7})).await;
        place.ready("main").await;
        let before = daemons::lives(&place, "main").await;
        let image =
            json!({"repository": "docker.io/wicketgate/wicketgated", "tag": "none", "pullPolicy": "Never"});
        place.cluster("main", json!({"replicas": 2, "image": image})).await;
        until(&place.typed::<Pod>(), "main-1", "has no image", PODS, |pod| {
            let status = pod.and_then(|pod| pod.status.as_ref());
            let containers =
                status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
            let state = containers.first().and_then(|container| container.state.clone()).unwrap_or_default();
            let reason = state.waiting.and_then(|waiting| waiting.reason).unwrap_or_default();
            if reason == "ErrImageNeverPull" { Ok(()) } else { Err(format!("{reason:?}")) }
        })
        .await;
        for (condition, status) in [("Ready", "False"), ("Available", "True"), ("Progressing", "True")] {
            place.condition(("RateLimitCluster", "main"), (condition, status), SOON).await;
        }
        // The other pod is the one that it was, and goes on, also with limits that change.
        assert_eq!(daemons::lives(&place, "main").await["main-0"], before["main-0"]);
        let left = Daemon::open(&place, "main-0").await;
        place.limit("checkout", json!({"limit": 8})).await;
        place.programmed("checkout").await;
        assert_eq!(left.hit("checkout", "account:1", 1).await.limit, 8);

        place.cluster("main", json!({"replicas": 2})).await;
        place.ready("main").await;
        assert_eq!(daemons::lives(&place, "main").await["main-0"], before["main-0"]);
    })
    .await;
}

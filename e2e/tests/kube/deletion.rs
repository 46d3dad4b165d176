//! Deleting a cluster leaves nothing of it behind.

use e2e::kube::awaiting::eventually;
use e2e::kube::daemons;
use e2e::kube::place::{PODS, Place};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::kubectl;
use kube::ResourceExt as _;
use serde_json::json;

/// Every kind of which a cluster has an object, by the operator's hand or by that of a controller.
const KINDS: [&str; 12] = [
    "StatefulSet",
    "Pod",
    "ControllerRevision",
    "Service",
    "EndpointSlice",
    "ConfigMap",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "HorizontalPodAutoscaler",
];

/// All objects of these kinds but those that every namespace has.
async fn objects(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    for kind in KINDS {
        let names = place.names(kind).await;
        let own = names.into_iter().filter(|name| {
            !matches!(
                (kind, name.as_str()),
                ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default")
            )
        });
        found.extend(own.map(|name| format!("{kind} {name}")));
    }
    found
}

#[tokio::test]
async fn with_a_cluster_goes_all_that_was_made_for_it() {
    story(Turn::Shared, "deletion", async |place| {
        let autoscaling = json!({"minReplicas": 2, "maxReplicas": 3});
        place.cluster("main", json!({"autoscaling": autoscaling})).await;
        place.limit("checkout", json!({})).await;
        place.ready("main").await;
        place.programmed("checkout").await;
        daemons::ready(&place, "main", 2).await;
        let there = objects(&place).await;
        for kind in KINDS {
            assert!(there.iter().any(|object| object.starts_with(&format!("{kind} "))), "{kind}: {there:?}");
        }

        kubectl(&["delete", "-n", &place.namespace, "rlc", "main", "--timeout=60s"]).await.ok();
        eventually("nothing of the cluster is left", PODS, async || {
            let left = objects(&place).await;
            if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
        })
        .await;
        // What people declared is theirs, and says for what it waits.
        place.refused("checkout", "TargetNotFound").await;

        // A cluster of the same name is another one, and has it again.
        place.cluster("main", json!({})).await;
        place.ready("main").await;
        place.programmed("checkout").await;
    })
    .await;
}

#[tokio::test]
async fn a_deletion_in_the_foreground_ends_when_the_pods_have() {
    story(Turn::Shared, "foreground", async |place| {
        place.cluster("main", json!({})).await;
        daemons::ready(&place, "main", 1).await;
        let delete =
            ["delete", "rlc", "main", "--cascade=foreground", "--timeout=90s", "-n", &place.namespace];
        kubectl(&delete).await.ok();
        let left = objects(&place).await;
        // Slices go after their Service, which owns them without holding it up.
        let left: Vec<_> = left.iter().filter(|object| !object.starts_with("EndpointSlice ")).collect();
        assert!(left.is_empty(), "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn nothing_holds_a_deletion_up() {
    story(Turn::Shared, "finalizers", async |place| {
        place.cluster("main", json!({"replicas": 0})).await;
        place.limit("checkout", json!({})).await;
        place.ready("main").await;
        for (kind, name) in [("RateLimitCluster", "main"), ("RateLimit", "checkout"), ("StatefulSet", "main")]
        {
            let object = place.get(kind, name).await.unwrap();
            assert_eq!(object.finalizers(), [""; 0], "{kind} {name}");
        }
    })
    .await;
}

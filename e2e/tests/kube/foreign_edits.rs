//! What belongs to a cluster stays as the cluster says; what does not is left alone.

use e2e::kube::objects::{api_version, holds};
use e2e::kube::place::{Place, SOON};
use e2e::kube::story::{Turn, story};
use kube::ResourceExt as _;
use serde_json::{Value, json};

/// Each of a cluster's objects with something that is changed in it by hand, and where that is seen.
fn edits() -> Vec<((&'static str, &'static str), Value, &'static str)> {
    vec![
        (
            ("ServiceAccount", "main"),
            json!({"automountServiceAccountToken": true}),
            "/automountServiceAccountToken",
        ),
        (
            ("Role", "main"),
            json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}),
            "/rules",
        ),
        (("RoleBinding", "main"), json!({"subjects": []}), "/subjects"),
        (
            ("Service", "main"),
            json!({"spec": {"sessionAffinity": "ClientIP", "selector": {"app": "mine"}}}),
            "/spec/selector",
        ),
        (
            ("Service", "main-peers"),
            json!({"spec": {"publishNotReadyAddresses": false}}),
            "/spec/publishNotReadyAddresses",
        ),
        (
            ("ConfigMap", "main-document-0"),
            json!({"data": {"document.yaml": "mine", "revision": "1"}}),
            "/data",
        ),
        (("PodDisruptionBudget", "main"), json!({"spec": {"maxUnavailable": 9}}), "/spec/maxUnavailable"),
        (("NetworkPolicy", "main"), json!({"spec": {"ingress": []}}), "/spec/ingress"),
        (
            ("StatefulSet", "main"),
            json!({"spec": {"replicas": 1, "template": {"spec": {"terminationGracePeriodSeconds": 1, "hostNetwork": true}}}}),
            "/spec/template/spec/terminationGracePeriodSeconds",
        ),
        // By this label the operator finds what is its own.
        (
            ("Service", "main"),
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}),
            "/metadata/labels",
        ),
    ]
}

/// What is at this pointer, the metadata included.
fn at(object: &kube::core::DynamicObject, pointer: &str) -> Value {
    let whole = serde_json::to_value(object).unwrap();
    whole.pointer(pointer).cloned().unwrap_or(Value::Null)
}

/// A cluster without pods, all of whose objects are there.
async fn set_up(place: &Place) {
    place.cluster("main", json!({"replicas": 0})).await;
    place.condition(("RateLimitCluster", "main"), ("Ready", "True"), SOON).await;
}

#[tokio::test]
async fn what_is_changed_by_hand_is_put_back() {
    story(Turn::Shared, "edits", async |place| {
        set_up(&place).await;
        for (object, change, pointer) in edits() {
            let right = at(&place.get(object.0, object.1).await.unwrap(), pointer);
            let edited = place.edit(object.0, object.1, change).await;
            assert_ne!(at(&edited, pointer), right, "{object:?}: the edit is seen at {pointer}");
            let what = format!("{pointer} is put back");
            place.seen(object, &what, SOON, |seen| (at(seen, pointer) == right).then_some(())).await;
        }
        // Nobody can take the replicas either, as long as the cluster says how many.
        place
            .seen(("StatefulSet", "main"), "replicas are put back", SOON, |set| {
                (at(set, "/spec/replicas") == 0).then_some(())
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_others_add_is_theirs() {
    story(Turn::Shared, "additions", async |place| {
        set_up(&place).await;
        let added =
            json!({"metadata": {"annotations": {"example.com/owner": "ops"}, "labels": {"team": "edge"}}});
        place.edit("Service", "main", added).await;
        // After the operator has written the object once more, what was added is still there.
        place
            .cluster("main", json!({"replicas": 0, "service": {"annotations": {"example.com/ours": "1"}}}))
            .await;
        let what = "has both annotations and the label";
        place
            .seen(("Service", "main"), what, SOON, |service| {
                let both = ["example.com/owner", "example.com/ours"].iter();
                let both = both.filter(|key| service.annotations().contains_key(**key)).count() == 2;
                (both && service.labels().get("team").is_some_and(|team| team == "edge")).then_some(())
            })
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_is_made_again() {
    story(Turn::Shared, "deletions", async |place| {
        set_up(&place).await;
        let owner = place.get("RateLimitCluster", "main").await.unwrap().uid();
        let mut objects: Vec<_> = edits().into_iter().map(|(object, ..)| object).collect();
        objects.sort_unstable();
        objects.dedup();
        let mut before = Vec::new();
        for object in &objects {
            before.push(place.get(object.0, object.1).await.unwrap().uid());
            place.delete(object.0, object.1).await;
        }
        for (object, uid) in objects.into_iter().zip(before) {
            let again = place.seen(object, "is there again", SOON, |seen| {
                (seen.uid() != uid).then(|| seen.owner_references().first().map(|owner| owner.uid.clone()))
            });
            assert_eq!(again.await, owner, "{object:?}");
        }
        place.condition(("RateLimitCluster", "main"), ("Ready", "True"), SOON).await;
    })
    .await;
}

#[tokio::test]
async fn somebody_elses_object_of_a_name_that_is_needed_is_not_taken_over() {
    story(Turn::Shared, "foreign", async |place| {
        let theirs = json!({
            "apiVersion": api_version("Service"),
            "kind": "Service",
            "metadata": {"name": "main", "labels": {"app": "shop"}},
            "spec": {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 80}]},
        });
        let theirs = place.apply(theirs).await;
        place.cluster("main", json!({"replicas": 0})).await;
        let told = place.degraded("main", "ForeignObject").await;
        assert_eq!(
            told,
            "Service main is there already and does not belong to this cluster: delete or rename it, or give the cluster another name"
        );
        let now = place.get("Service", "main").await.unwrap();
        assert_eq!((now.uid(), now.resource_version()), (theirs.uid(), theirs.resource_version()));
        assert_eq!(place.get("StatefulSet", "main").await.map(|_| ()), None, "pods need the Service");
        let ready = holds(place.get("RateLimitCluster", "main").await.as_ref(), "Ready", "False");
        assert!(ready.is_ok(), "{ready:?}");

        place.delete("Service", "main").await;
        place.condition(("RateLimitCluster", "main"), ("Ready", "True"), PATIENCE).await;
        place.condition(("RateLimitCluster", "main"), ("Degraded", "False"), SOON).await;
    })
    .await;
}

/// Nobody watches what is somebody else's: that it is gone is seen at the next try, whose pause grows to a
/// minute.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

#[tokio::test]
async fn two_clusters_that_need_one_name_do_not_fight_over_it() {
    story(Turn::Shared, "two", async |place| {
        place.cluster("a", json!({"replicas": 0})).await;
        place.condition(("RateLimitCluster", "a"), ("Ready", "True"), SOON).await;
        let peers = place.get("Service", "a-peers").await.unwrap();
        place.cluster("a-peers", json!({"replicas": 0})).await;
        let told = place.degraded("a-peers", "ForeignObject").await;
        assert!(told.starts_with("Service a-peers is there already"), "{told}");
        let now = place.get("Service", "a-peers").await.unwrap();
        assert_eq!((now.uid(), now.resource_version()), (peers.uid(), peers.resource_version()));
        place.condition(("RateLimitCluster", "a"), ("Ready", "True"), SOON).await;
    })
    .await;
}

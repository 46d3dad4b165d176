//! While an autoscaler says how many pods there are, the operator does not.

use e2e::kube::daemons;
use e2e::kube::objects::{number, text};
use e2e::kube::place::{PODS, Place, SOON};
use e2e::kube::story::{Turn, story};
use futures_util::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};

const AUTOSCALER: (&str, &str) = ("HorizontalPodAutoscaler", "main");
const SET: (&str, &str) = ("StatefulSet", "main");

fn scaled(from: i32, to: i32, annotation: &str) -> Value {
    json!({
        "replicas": 2,
        "autoscaling": {"minReplicas": from, "maxReplicas": to, "targetCPUUtilizationPercentage": 70},
        "service": {"annotations": {"example.com/turn": annotation}},
    })
}

/// Awaits that the operator has applied what came with this annotation.
async fn applied(place: &Place, annotation: &str) {
    let what = format!("is of turn {annotation}");
    place
        .seen(("Service", "main"), &what, SOON, |service| {
            let annotations = service.metadata.annotations.as_ref()?;
            (annotations.get("example.com/turn")? == annotation).then_some(())
        })
        .await;
}

/// What the StatefulSet's replicas have been since this was called, each value once in its turn.
async fn watched(place: &Place) -> (tokio::task::JoinHandle<()>, std::sync::Arc<std::sync::Mutex<Vec<i32>>>) {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let into = std::sync::Arc::clone(&seen);
    let config = watcher::Config::default().fields("metadata.name=main");
    let mut sets = Box::pin(watcher::watcher(place.typed::<StatefulSet>(), config).applied_objects());
    let first = sets.next().await.unwrap().unwrap();
    let note = move |set: StatefulSet| {
        let replicas = set.spec.replicas.unwrap();
        let mut seen = into.lock().unwrap();
        if seen.last() != Some(&replicas) {
            seen.push(replicas);
        }
    };
    note(first);
    let task = tokio::spawn(async move {
        while let Some(set) = sets.next().await {
            note(set.unwrap());
        }
    });
    (task, seen)
}

#[tokio::test]
async fn switching_it_on_leaves_the_pods_alone_and_others_may_scale() {
    story(Turn::Shared, "autoscaling", async |place| {
        place.cluster("main", json!({"replicas": 2})).await;
        daemons::ready(&place, "main", 2).await;
        let lives = daemons::lives(&place, "main").await;
        let (watch, seen) = watched(&place).await;

        place.cluster("main", scaled(1, 4, "on")).await;
        applied(&place, "on").await;
        let target = place.seen(AUTOSCALER, "aims at the StatefulSet", SOON, |autoscaler| {
            let target = text(autoscaler, "/spec/scaleTargetRef/kind")?.to_owned();
            let range = (number(autoscaler, "/spec/minReplicas")?, number(autoscaler, "/spec/maxReplicas")?);
            (range == (1, 4)).then_some(target)
        });
        assert_eq!(target.await, "StatefulSet");
        place.ready("main").await;

        // As the autoscaler does it.
        let three = Patch::Merge(json!({"spec": {"replicas": 3}}));
        let sets = place.typed::<StatefulSet>();
        sets.patch_scale("main", &PatchParams::default(), &three).await.unwrap();
        daemons::ready(&place, "main", 3).await;
        // The operator writes the cluster's objects again, and leaves the number as it is.
        place.cluster("main", scaled(1, 5, "again")).await;
        applied(&place, "again").await;
        place
            .seen(AUTOSCALER, "goes up to 5", SOON, |autoscaler| {
                (number(autoscaler, "/spec/maxReplicas")? == 5).then_some(())
            })
            .await;
        place.ready("main").await;
        let summary = place.seen(("RateLimitCluster", "main"), "counts three pods", SOON, |cluster| {
            text(cluster, "/status/summary").filter(|summary| *summary == "3/3").map(str::to_owned)
        });
        summary.await;
        assert_eq!(*seen.lock().unwrap(), [2, 3], "the replicas, in their turn");
        assert!(!watch.is_finished(), "the watch goes on");
        let now = daemons::lives(&place, "main").await;
        assert!(lives.iter().all(|(name, life)| now.get(name) == Some(life)), "{lives:?}, now {now:?}");

        // Switched off, the cluster's own number counts again.
        let service = json!({"annotations": {"example.com/turn": "off"}});
        place.cluster("main", json!({"replicas": 2, "service": service})).await;
        place.gone(AUTOSCALER.0, AUTOSCALER.1, SOON).await;
        place
            .seen(SET, "has two replicas", SOON, |set| (number(set, "/spec/replicas")? == 2).then_some(()))
            .await;
        daemons::ready(&place, "main", 2).await;
        assert_eq!(*seen.lock().unwrap(), [2, 3, 2]);
        watch.abort();
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_begins_with_it_begins_with_the_fewest() {
    story(Turn::Shared, "fewest", async |place| {
        place.cluster("main", scaled(1, 4, "first")).await;
        place.condition(("RateLimitCluster", "main"), ("Ready", "True"), PODS).await;
        let set = place.get(SET.0, SET.1).await.unwrap();
        assert_eq!(number(&set, "/spec/replicas"), Some(1), "spec.replicas does not count");
    })
    .await;
}

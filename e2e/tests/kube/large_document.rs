//! A document that takes several ConfigMaps travels whole, and those that it no longer needs go.

use crds::part::{PART_BYTES, PARTS_KEY};
use e2e::kube::daemons;
use e2e::kube::objects::text;
use e2e::kube::place::{Place, SOON};
use e2e::kube::story::{Turn, story};
use serde_json::{Value, json};

/// The most overrides that a limit may have, and the longest key.
const OVERRIDES: usize = 256;
const KEY: usize = 1_000;
/// So many limits with as many overrides are more than two parts, and less than four.
const LIMITS: usize = 5;

fn key(limit: usize, index: usize) -> String {
    format!("{limit}:{index:0>KEY$}")
}

fn large(limit: usize) -> Value {
    let overrides: Vec<Value> =
        (0..OVERRIDES).map(|index| json!({"key": key(limit, index), "limit": index + 1})).collect();
    json!({"limit": 7, "overrides": overrides})
}

/// The ConfigMaps of the cluster's document, by name.
async fn parts(place: &Place) -> Vec<String> {
    let all = place.names("ConfigMap").await.into_iter();
    let mut parts: Vec<_> = all.filter(|name| name.starts_with("main-document-")).collect();
    parts.sort();
    parts
}

#[tokio::test]
async fn a_document_of_several_parts_is_in_force_whole() {
    story(Turn::Shared, "large", async |place| {
        assert!((2 * PART_BYTES..3 * PART_BYTES).contains(&(LIMITS * OVERRIDES * KEY)));
        place.cluster("main", json!({"replicas": 2})).await;
        place.ready("main").await;
        let lives = daemons::lives(&place, "main").await;
        for limit in 0..LIMITS {
            place.limit(&format!("large-{limit}"), large(limit)).await;
        }
        for limit in 0..LIMITS {
            place.programmed(&format!("large-{limit}")).await;
        }
        assert_eq!(parts(&place).await, ["main-document-0", "main-document-1", "main-document-2"]);
        let first = place.get("ConfigMap", "main-document-0").await.unwrap();
        assert_eq!(text(&first, &format!("/data/{PARTS_KEY}")), Some("3"));
        let daemons = daemons::all(&place, "main", 2).await;
        for daemon in &daemons {
            for limit in 0..LIMITS {
                let name = format!("large-{limit}");
                let last = OVERRIDES - 1;
                assert_eq!(daemon.hit(&name, &key(limit, 0), 0).await.limit, 1);
                assert_eq!(daemon.hit(&name, &key(limit, last), 0).await.limit, OVERRIDES as i64);
                assert_eq!(daemon.hit(&name, "somebody else", 0).await.limit, 7);
            }
        }

        for limit in 1..LIMITS {
            place.delete("RateLimit", &format!("large-{limit}")).await;
        }
        for part in ["main-document-1", "main-document-2"] {
            place.gone("ConfigMap", part, SOON).await;
        }
        place.limit("large-0", json!({"limit": 9})).await;
        place.programmed("large-0").await;
        for daemon in &daemons {
            daemon.declares("large-0", 9).await;
        }
        // All that without a pod being told to start again.
        assert_eq!(daemons::lives(&place, "main").await, lives);
    })
    .await;
}

//! `helm install`, `kubectl apply`, `kubectl wait`, and the first answers.

use std::fs;

use e2e::kube::story::{Turn, story};
use e2e::kube::tools::{kubectl, root};
use e2e::kube::{daemons, traffic};
use proto::gubernator::Status;

/// The limit of `checkout` in the example.
const LIMIT: i64 = 5;

#[tokio::test]
async fn the_quickstart_of_the_readme_admits_and_then_refuses() {
    story(Turn::Shared, "quickstart", async |place| {
        let (namespace, file) = (&place.namespace, root().join("examples/quickstart.yaml"));
        assert!(fs::exists(&file).unwrap(), "{} is there", file.display());
        let file = file.to_str().unwrap();
        kubectl(&["apply", "-n", namespace, "-f", file]).await.ok();
        // As a person would type it: the cluster, then every limit.
        let wait = ["wait", "-n", namespace, "--timeout=90s"];
        kubectl(&[&wait[..], &["--for=condition=Ready", "ratelimitcluster/main"]].concat()).await.ok();
        kubectl(&[&wait[..], &["--for=condition=Programmed", "ratelimit", "--all"]].concat()).await.ok();

        traffic::reaches(&place, "main").await;
        let address = format!("main.{namespace}.svc:1051");
        let hits = (LIMIT - 1).to_string();
        let hit = ["hit", "checkout", "account:1", "--address", &address, "--hits"];
        let (code, log) = traffic::once(&place, "admitted", &[&hit[..], &[&hits]].concat()).await;
        assert_eq!(code, 0, "{log}");
        let (code, log) = traffic::once(&place, "refused", &[&hit[..], &["2"]].concat()).await;
        assert_eq!(code, 1, "{log}");
        let (code, log) = traffic::once(&place, "the-last", &[&hit[..], &["1"]].concat()).await;
        assert_eq!(code, 0, "{log}");
    })
    .await;
}

#[tokio::test]
async fn three_pods_count_as_one_whichever_is_asked() {
    story(Turn::Shared, "one-ring", async |place| {
        const KEYS: usize = 12;
        const LIMIT: usize = 30;
        place.cluster("main", serde_json::json!({"replicas": 3})).await;
        place.limit("exact", serde_json::json!({"limit": LIMIT, "duration": "10m"})).await;
        let daemons = daemons::all(&place, "main", 3).await;
        daemons::one_ring(&daemons).await;
        place.programmed("exact").await;
        for key in 0..KEYS {
            let key = format!("account:{key}");
            let mut admitted = 0;
            // More than the limit, each pod in its turn.
            for turn in 0..LIMIT + 6 {
                let reply = daemons[turn % daemons.len()].hit("exact", &key, 1).await;
                admitted += usize::from(reply.status == i32::from(Status::UnderLimit));
            }
            assert_eq!(admitted, LIMIT, "{key}");
        }
    })
    .await;
}

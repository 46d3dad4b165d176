//! Pods come, go and are replaced while requests flow: none fails, and the pods agree on the ring.

use std::time::{Duration, Instant};

use e2e::kube::connection::say;
use e2e::kube::daemons;
use e2e::kube::objects::text;
use e2e::kube::place::{PODS, Place};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::kubectl;
use e2e::kube::traffic::{Report, Traffic};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

/// Longer than any of these takes; each ends its load itself.
const LONG: Duration = Duration::from_secs(200);

async fn flowing(place: &Place, replicas: usize) -> (Traffic, Vec<daemons::Daemon>) {
    place.cluster("main", json!({"replicas": replicas})).await;
    let daemons = daemons::all(place, "main", replicas).await;
    let traffic = Traffic::start(place, "main", LONG).await;
    traffic.flows(&daemons[0]).await;
    (traffic, daemons)
}

fn tell(what: &str, report: &Report) {
    say(&format!(
        "{what}: {} calls in {:.0} s, {} failed, {} sent again",
        report.calls, report.seconds, report.failed_calls, report.sent_again
    ));
    report.assert_flawless();
}

#[tokio::test]
async fn from_three_to_five_to_two_pods_no_request_fails() {
    story(Turn::Shared, "scaling", async |place| {
        let (traffic, _) = flowing(&place, 3).await;
        for replicas in [5, 2] {
            let scale = format!("--replicas={replicas}");
            kubectl(&["scale", "-n", &place.namespace, "ratelimitcluster/main", &scale]).await.ok();
            daemons::ready(&place, "main", replicas).await;
            let began = Instant::now();
            let daemons = daemons::all(&place, "main", replicas).await;
            daemons::one_ring(&daemons).await;
            say(&format!(
                "scaled to {replicas}: one ring on all pods at most {} ms after the last was ready",
                began.elapsed().as_millis()
            ));
            let summary = format!("{replicas}/{replicas}");
            place
                .seen(("RateLimitCluster", "main"), &summary, PODS, |object| {
                    (text(object, "/status/summary") == Some(summary.as_str())).then_some(())
                })
                .await;
        }
        tell("scaled 3 to 5 to 2", &traffic.stop().await);
    })
    .await;
}

#[tokio::test]
async fn a_rolling_update_fails_no_request() {
    story(Turn::Shared, "rolling", async |place| {
        let (traffic, _) = flowing(&place, 3).await;
        place.ready("main").await;
        let before = daemons::lives(&place, "main").await;
        place.cluster("main", json!({"replicas": 3, "logging": {"level": "debug"}})).await;
        place.ready("main").await;
        let after = daemons::lives(&place, "main").await;
        assert!(after.iter().all(|(name, life)| before.get(name) != Some(life)), "{before:?} {after:?}");
        assert_eq!(after.len(), 3);
        tell("rolling update of 3 pods", &traffic.stop().await);
    })
    .await;
}

#[tokio::test]
async fn a_pod_that_is_killed_comes_back_and_requests_go_on() {
    story(Turn::Shared, "pod-killed", async |place| {
        let (traffic, mut daemons) = flowing(&place, 3).await;
        let before = daemons::lives(&place, "main").await;
        let killed = daemons.pop().unwrap().name;
        let kill = DeleteParams::default().grace_period(0);
        place.typed::<Pod>().delete(&killed, &kill).await.unwrap();
        // Its connections end in the middle of calls, so some of those may fail. The others serve on.
        for daemon in &daemons {
            daemon.try_report().await.unwrap();
        }
        let back = daemons::all(&place, "main", 3).await;
        daemons::one_ring(&back).await;
        let after = daemons::lives(&place, "main").await;
        assert_ne!(after[&killed], before[&killed], "it is another pod");
        for daemon in &daemons {
            assert_eq!(after[&daemon.name], before[&daemon.name], "{} goes on", daemon.name);
        }
        let report = traffic.stop().await;
        say(&format!(
            "pod killed: {} calls, {} failed: {:?}",
            report.calls, report.failed_calls, report.errors
        ));
        // At 100 calls a second, what a dead pod costs is bounded: calls in flight, and those that were sent
        // to it until its endpoint was gone.
        assert!(report.failed_calls * 20 <= report.calls, "{report:?}");
    })
    .await;
}

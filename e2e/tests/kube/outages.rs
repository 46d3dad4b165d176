//! The operator dies, the API server goes away: requests go on, and then all converges.

use std::time::{Duration, Instant};

use e2e::kube::connection::{say, testbed};
use e2e::kube::story::{Turn, story};
use e2e::kube::tools::{root, run};
use e2e::kube::traffic::Traffic;
use e2e::kube::{daemons, operator};
use kube::api::DeleteParams;
use serde_json::json;

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(60);
/// How long requests go on after that.
const AFTER: Duration = Duration::from_secs(25);
/// How long a kubelet may take to hear of a pod after that, and the pod to be ready.
const HEARD: Duration = Duration::from_secs(120);

#[tokio::test]
async fn when_the_leader_is_killed_another_operator_takes_over() {
    story(Turn::Alone, "operator-killed", async |place| {
        place.cluster("main", json!({"replicas": 2})).await;
        place.limit("kept", json!({"limit": 7})).await;
        let daemons = daemons::all(&place, "main", 2).await;
        place.programmed("kept").await;
        place.ready("main").await;
        let lives = daemons::lives(&place, "main").await;

        let leader = operator::leader(&place.client, None).await;
        let kill = DeleteParams::default().grace_period(0);
        operator::pods(&place.client).delete(&leader, &kill).await.unwrap();
        // What was declared is enforced, whoever leads.
        for daemon in &daemons {
            assert_eq!(daemon.hit("kept", "nobody", 0).await.limit, 7);
        }
        let began = Instant::now();
        place.limit("kept", json!({"limit": 8})).await;
        let next = operator::leader(&place.client, Some(&leader)).await;
        assert_ne!(next, leader);
        place.programmed("kept").await;
        say(&format!(
            "leader killed: a change made just then was programmed by another {:.1} s later",
            began.elapsed().as_secs_f64()
        ));
        for daemon in &daemons {
            daemon.declares("kept", 8).await;
        }
        assert_eq!(daemons::lives(&place, "main").await, lives, "a new leader restarts nothing");
    })
    .await;
}

#[tokio::test]
async fn while_the_api_server_is_away_requests_go_on_and_then_all_converges() {
    const TITLE: &str = "api-away";
    if testbed(TITLE).is_none() {
        return;
    }
    story(Turn::Alone, TITLE, async |place| {
        place.cluster("main", json!({"replicas": 3})).await;
        place.limit("kept", json!({"limit": 7})).await;
        let daemons = daemons::all(&place, "main", 3).await;
        place.programmed("kept").await;
        place.ready("main").await;
        let lives = daemons::lives(&place, "main").await;
        let traffic = Traffic::start(&place, "main", AWAY + AFTER).await;
        traffic.flows(&daemons[0]).await;

        let away = Away::begin().await;
        // The time is what is tested: as long as this, and not until something happens.
        tokio::time::sleep(AWAY).await;
        away.end().await;

        let report = traffic.end(Duration::from_secs(60)).await;
        say(&format!(
            "API server away for {AWAY:?}: {} calls in {:.0} s, {} failed",
            report.calls, report.seconds, report.failed_calls
        ));
        report.assert_flawless();
        assert_eq!(daemons::lives(&place, "main").await, lives, "nothing restarts for it");
        operator::leader(&place.client, None).await;
        place.limit("kept", json!({"limit": 8})).await;
        place.limit("new", json!({"limit": 9})).await;
        // The operator may have to be started again by the kubelet and to be elected.
        place.condition(("RateLimit", "kept"), ("Programmed", "True"), AWAY).await;
        place.condition(("RateLimit", "new"), ("Programmed", "True"), AWAY).await;
        for daemon in &daemons {
            daemon.declares("kept", 8).await;
            daemon.declares("new", 9).await;
        }
        place.ready("main").await;
        // The nodes have come back too, before another story needs them: for a new pod the kubelet must be asking
        // again, and it waits as long as kube-proxy would.
        place.cluster("main", json!({"replicas": 4})).await;
        place.condition(("RateLimitCluster", "main"), ("Ready", "True"), HEARD).await;
    })
    .await;
}

/// A time without an API server. It comes back even where the test fails.
///
/// The controller manager goes with it, as everywhere: without an API server it loses its lease, ends, and begins
/// anew. The test cluster's has no lease; it would live on, find that no node has said a word for a minute, and
/// mark every pod as not ready. So does kube-proxy: an API server that ends takes itself out of its Service, and
/// kube-proxy, which has heard of that, may take more than a minute to ask again (client-go doubles its waits to
/// 30 s and spreads them to twice as much). For so long no pod would reach an API server that is back.
struct Away {
    back: bool,
}

const PART: &str = "e2e/testbed/component";
/// In the order in which they go; they come back in the other.
const PARTS: [&str; 3] = ["kube-proxy", "kube-controller-manager", "kube-apiserver"];

impl Away {
    async fn begin() -> Self {
        let away = Self { back: false };
        for part in PARTS {
            run(PART, &["stop", part]).await.ok();
        }
        away
    }

    async fn end(mut self) {
        for part in PARTS.iter().rev() {
            run(PART, &["start", part]).await.ok();
        }
        self.back = true;
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if self.back {
            return;
        }
        for part in PARTS.iter().rev() {
            let started = std::process::Command::new(root().join(PART)).args(["start", part]).status();
            say(&format!("{part} was started again: {started:?}"));
        }
    }
}

//! A pod of three is killed under load: the others take its part of the window, and give it back.

use std::time::Instant;

use e2e::kube::backend::Backend;
use e2e::kube::callers::Callers;
use e2e::kube::connection::say;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::policies::{self, reported};
use futures_util::future::join;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

use super::story;

const PODS: usize = 3;
const MAX: i64 = 12;
/// More than the window takes.
const CALLERS: usize = 24;

/// Awaits that these pods have all of the window, each as much as the others.
async fn share(daemons: &[Daemon]) {
    let pods = i64::try_from(daemons.len()).unwrap();
    reported(daemons, "search", &format!("{MAX} over {pods} pods"), |reports| {
        reports.iter().all(|report| (report.window, report.max) == (MAX / pods, MAX / pods)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_part_of_a_pod_that_is_killed_is_the_others_until_it_is_back() {
    story("part-lost", async |place| {
        place.cluster("main", json!({"replicas": PODS})).await;
        let backend = Backend::start(&place, "backend", 32, 100);
        let callers = Callers::start(&place, "callers", "http://main:8080/");
        let (backend, callers) = join(backend, callers).await;
        policies::apply(&place, "search", json!({"window": {"min": 3, "max": MAX}})).await;
        let mut daemons = daemons::all(&place, "main", PODS).await;
        daemons::one_ring(&daemons).await;
        policies::programmed(&place, "search").await;
        share(&daemons).await;
        let before = daemons::lives(&place, "main").await;
        callers.set(CALLERS).await;
        reported(&daemons, "search", "requests are in flight on each pod", |reports| {
            reports.iter().all(|report| report.in_flight > 0).then_some(())
        })
        .await;

        let killed = daemons.pop().unwrap().name;
        let began = Instant::now();
        let kill = DeleteParams::default().grace_period(0);
        place.typed::<Pod>().delete(&killed, &kill).await.unwrap();
        share(&daemons).await;
        say(&format!(
            "a pod of {PODS} is killed: the others have its part of the window {} ms later",
            began.elapsed().as_millis()
        ));
        let daemons = daemons::all(&place, "main", PODS).await;
        share(&daemons).await;
        say(&format!("and it has it back {} ms later", began.elapsed().as_millis()));
        let after = daemons::lives(&place, "main").await;
        for daemon in &daemons {
            let stays = daemon.name != killed;
            assert_eq!(after[&daemon.name] == before[&daemon.name], stays, "{}", daemon.name);
        }

        callers.set(0).await;
        reported(&daemons, "search", "nothing is in flight", |reports| {
            reports.iter().all(|report| report.in_flight == 0).then_some(())
        })
        .await;
        // Two pods take the part of the third while its last requests may still be at the backend.
        let (tally, backend) = (callers.tally().await, backend.read().await);
        say(&format!(
            "meanwhile {} answered, {} refused, {} failed; at most {} were at the backend",
            tally.of(200),
            tally.of(429),
            tally.failed() + tally.of(502) + tally.of(503),
            backend.most
        ));
        assert!(tally.of(200) > 0 && tally.of(429) > 0, "{tally:?}");
        assert!(backend.most <= MAX + MAX / 3, "{backend:?}");
    })
    .await;
}

use std::collections::BTreeMap;

use crds::{
    cluster::RateLimitCluster, document::DaemonDocument, fold::fold, limit::RateLimit, reference::ObjectName,
};
use serde_json::json;

use super::*;
use crate::{clock, ledger::entries};

fn document(limit: i64) -> DaemonDocument {
    let cluster: RateLimitCluster = serde_json::from_value(json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimitCluster",
        "metadata": {"name": "main", "namespace": "edge"}, "spec": {},
    }))
    .unwrap();
    let only: RateLimit = serde_json::from_value(json!({
        "apiVersion": "wicketgate.dev/v1alpha1", "kind": "RateLimit",
        "metadata": {"name": "a", "namespace": "edge"},
        "spec": {"clusterRef": {"name": "main"}, "limit": limit, "duration": "1m"},
    }))
    .unwrap();
    fold(&cluster, [&only], [], &BTreeMap::new()).unwrap().document
}

fn pod(name: &str, runs: Option<u64>, newcomer: bool) -> PodStanding {
    PodStanding { name: name.into(), runs, newcomer }
}

struct Scene {
    ledger: Ledger,
    source: Source,
    hash: u64,
    revision: String,
}

impl Scene {
    /// A limit that the second document of a cluster has changed.
    fn new() -> Self {
        let mut ledger = Ledger::default();
        ledger.publish(&document(1));
        let second = document(2);
        ledger.publish(&second);
        let (source, hash) = entries(&second).next().unwrap();
        Self { ledger, source, hash, revision: second.revision }
    }

    fn progress(&self, pods: &[PodStanding], before: Option<&Verdict>, now: Instant) -> Progress {
        progress((&self.source, self.hash), &self.ledger, pods, before, now)
    }

    fn in_force(&self) -> Progress {
        Progress::InForce { revision: self.revision.clone() }
    }
}

fn verdict(progress: Progress, since: Instant) -> Verdict {
    Verdict::new(Some(1), Outcome::Accepted, progress, since)
}

fn message(progress: &Progress) -> &str {
    match progress {
        Progress::Waiting { message, .. } => message,
        Progress::InForce { .. } => panic!("in force"),
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_in_force_when_every_ready_pod_runs_it() {
    let (scene, now) = (Scene::new(), clock::instant());
    let all = [pod("main-0", Some(2), false), pod("main-1", Some(2), false)];
    assert_eq!(scene.progress(&all, None, now), scene.in_force());
    for other in [Some(1), None] {
        let some = [pod("main-0", Some(2), false), pod("main-1", other, false)];
        let waiting = scene.progress(&some, None, now);
        assert_eq!(
            message(&waiting),
            format!("waiting until every ready pod runs revision {}", scene.revision)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_ready_pod_is_not_every_pod() {
    let (scene, now) = (Scene::new(), clock::instant());
    let waiting = scene.progress(&[], None, now);
    assert!(matches!(waiting, Progress::Waiting { reason: Reason::NoReadyPods, .. }), "{waiting:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_late_is_named_after_a_while() {
    let (scene, start) = (Scene::new(), clock::instant());
    let pods = [pod("main-0", Some(2), false), pod("main-1", Some(1), false)];
    let before = verdict(scene.progress(&pods, None, start), start);
    let soon = scene.progress(&pods, Some(&before), start + LATE / 2);
    assert_eq!(soon, before.progress);
    let late = scene.progress(&pods, Some(&before), start + LATE);
    assert!(message(&late).ends_with("1 of 2 do not yet: main-1"), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_undo_what_is_in_force_and_does_not_prove_it() {
    let (scene, now) = (Scene::new(), clock::instant());
    let pods = [pod("main-0", Some(2), false), pod("main-1", None, true)];
    let before = verdict(scene.in_force(), now);
    assert_eq!(scene.progress(&pods, Some(&before), now), scene.in_force());
    assert_ne!(scene.progress(&pods, None, now), scene.in_force());
    // That an earlier version was in force says nothing of this one.
    let other = verdict(Progress::InForce { revision: "another".into() }, now);
    assert_ne!(scene.progress(&pods, Some(&other), now), scene.in_force());
}

#[tokio::test(start_paused = true)]
async fn only_news_is_told_and_time_stays_with_what_stays() {
    let (board, start) = (Board::default(), clock::instant());
    let cluster = ObjectName { namespace: "edge".into(), name: "main".into() };
    let (scene, later) = (Scene::new(), start + LATE);
    let pin = |progress: Progress, at| {
        let verdicts = HashMap::from([(scene.source.clone(), verdict(progress, at))]);
        board.pin(&cluster, verdicts)
    };
    let waiting = |message: &str| Progress::Waiting { reason: Reason::Pending, message: message.into() };
    assert_eq!(pin(waiting("a"), start), std::slice::from_ref(&scene.source));
    assert!(pin(waiting("a"), later).is_empty());
    assert_eq!(pin(waiting("b"), later), std::slice::from_ref(&scene.source));
    assert_eq!(board.verdict(&cluster, &scene.source).unwrap().since, start);
    assert_eq!(pin(scene.in_force(), later), std::slice::from_ref(&scene.source));
    assert_eq!(board.verdict(&cluster, &scene.source).unwrap().since, later);
    assert_eq!(board.pin(&cluster, HashMap::new()), std::slice::from_ref(&scene.source));
    assert!(board.verdict(&cluster, &scene.source).is_none());
}

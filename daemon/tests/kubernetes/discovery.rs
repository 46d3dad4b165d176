//! The ring of pods.

use serde_json::json;

use super::api_server::ApiServer;
use super::pod::{Place, Pod, ip, leaving, serving, slice, starting};

const SLICES: &str = "endpointslices";

async fn three(place: &Place) -> [Pod; 3] {
    let (one, two, three) =
        tokio::join!(Pod::start(place, 1, &[]), Pod::start(place, 2, &[]), Pod::start(place, 3, &[]));
    [one, two, three]
}

#[tokio::test]
async fn pods_become_ready_find_each_other_and_count_together() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, starting()), (2, starting()), (3, starting())]));
    let pods = three(&place).await;
    for pod in &pods {
        // A pod is listed because it is ready, so it must not wait for that.
        pod.becomes_ready().await;
        assert_eq!(pod.report().await.peers, 0);
    }
    // Two slices, with a double.
    server.apply(SLICES, slice("main-peers-b", &[(3, serving()), (1, serving())]));
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving())]));
    let mut rings = Vec::new();
    for pod in &pods {
        rings.push(pod.reports_that("three nodes", |report| report.peers == 3).await.ring);
    }
    assert!(rings.iter().all(|ring| *ring == rings[0]), "{rings:?}");
    for key in ["a", "b", "c", "d", "e", "f"] {
        for (nth, pod) in pods.iter().cycle().take(6).enumerate() {
            let answer = pod.hit("together", key).await;
            assert_eq!(
                (answer.error.as_str(), answer.status),
                ("", i32::from(nth == 5)),
                "{key} {nth}: {answer:?}"
            );
        }
    }
    let (lists, watches) = server.counts();
    assert!(lists <= 3 && watches <= 3, "{lists} lists, {watches} watches");
}

#[tokio::test]
async fn a_node_that_is_not_listed_forwards_and_answers() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, starting()), (2, serving())]));
    let outside = Pod::start(&place, 1, &[]).await;
    let inside = Pod::start(&place, 2, &[]).await;
    outside.becomes_ready().await;
    outside.reports_that("the other alone", |report| report.peers == 1).await;
    inside.reports_that("itself alone", |report| report.peers == 1).await;
    let answer = outside.hit("outside", "a").await;
    assert_eq!((answer.error.as_str(), answer.remaining), ("", 4));
    assert_eq!(answer.metadata["owner"], place.address(2));
    assert_eq!(inside.hit("outside", "a").await.remaining, 3);
    assert_eq!((outside.report().await.buckets, inside.report().await.buckets), (0, 1));
}

#[tokio::test]
async fn the_ring_follows_events_and_stays_when_nobody_is_listed() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving())]));
    let pod = Pod::start(&place, 1, &[]).await;
    pod.reports_that("itself", |report| report.peers == 1).await;
    server.apply(SLICES, slice("main-peers-b", &[(2, serving()), (3, serving())]));
    pod.reports_that("all", |report| report.peers == 3).await;
    server.apply(SLICES, slice("main-peers-b", &[(2, leaving()), (3, serving())]));
    pod.reports_that("who stays", |report| report.peers == 2).await;
    server.delete(SLICES, "main-peers-b");
    pod.reports_that("itself", |report| report.peers == 1).await;
    server.delete(SLICES, "main-peers-a");
    // Nothing changes, so what comes after shows that it was seen.
    super::awaiting::until("it is told", || async {
        (pod.said("the ring stays as it was") == 1).then_some(())
    })
    .await;
    assert_eq!(pod.report().await.peers, 1);
    server.apply(SLICES, slice("main-peers-c", &[(1, serving()), (4, serving())]));
    pod.reports_that("both", |report| report.peers == 2).await;
    assert_eq!(pod.hit("x", "y").await.error, "");
}

#[tokio::test]
async fn pods_are_found_by_their_labels() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    let apply = |number: u8, app: &str, ready: &str| {
        let status = json!({
            "podIP": ip(number).to_string(), "conditions": [{ "type": "Ready", "status": ready }],
        });
        let metadata = json!({ "name": format!("main-{number}"), "labels": { "app": app } });
        server.apply(
            "pods",
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status }),
        );
    };
    apply(1, "main", "True");
    apply(2, "main", "False");
    apply(3, "other", "True");
    let by_labels = [("GUBER_K8S_WATCH_MECHANISM", "pods"), ("GUBER_K8S_SELECTOR", "app=main")];
    let pod = Pod::start(&place, 1, &by_labels).await;
    pod.reports_that("itself", |report| report.peers == 1).await;
    apply(2, "main", "True");
    pod.reports_that("both", |report| report.peers == 2).await;
    server.delete("pods", "main-2");
    pod.reports_that("itself again", |report| report.peers == 1).await;
    assert_eq!(pod.hit("x", "y").await.error, "");
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_listed_again() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving())]));
    let pod = Pod::start(&place, 1, &[]).await;
    pod.reports_that("both", |report| report.peers == 2).await;
    server.forget();
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving()), (3, serving())]));
    pod.reports_that("all three", |report| report.peers == 3).await;
    // And the new watch goes on from there.
    server.apply(SLICES, slice("main-peers-a", &[(1, serving())]));
    pod.reports_that("one", |report| report.peers == 1).await;
    assert_eq!(server.counts().0, 2);
}

#[tokio::test]
async fn a_server_that_is_away_changes_nothing_until_it_is_back() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving())]));
    let one = Pod::start(&place, 1, &[]).await;
    let two = Pod::start(&place, 2, &[]).await;
    for pod in [&one, &two] {
        pod.reports_that("both", |report| report.peers == 2).await;
    }
    server.stop().await;
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving()), (3, serving())]));
    super::awaiting::until("it is noticed", || async {
        (one.said("the Kubernetes API fails") == 1).then_some(())
    })
    .await;
    for key in 0..20 {
        let answer = one.hit("away", &key.to_string()).await;
        assert_eq!((answer.error.as_str(), answer.remaining), ("", 4));
    }
    assert_eq!((one.ready().await, one.report().await.peers), (Ok(()), 2));
    // A pod that starts meanwhile does not wait for ever.
    let late = Pod::start(&place, 3, &[]).await;
    assert!(late.ready().await.is_err());
    late.becomes_ready().await;
    assert_eq!(late.hit("away", "alone").await.error, "");
    server.start_again();
    for pod in [&one, &two, &late] {
        pod.reports_that("all three", |report| report.peers == 3).await;
        assert_eq!(pod.said("the Kubernetes API fails"), 1, "{}", pod.log_text());
    }
}

#[tokio::test]
async fn a_pod_whose_account_may_not_ask_is_not_ready_and_says_why() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.forbid(true);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving())]));
    let pod = Pod::start(&place, 1, &[]).await;
    super::awaiting::until("it says why", || async {
        pod.ready().await.is_err_and(|why| why.contains("the account may not read this")).then_some(())
    })
    .await;
    server.forbid(false);
    pod.becomes_ready().await;
    pod.reports_that("itself", |report| report.peers == 1).await;
}

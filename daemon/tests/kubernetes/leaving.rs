//! A pod that leaves, and those that stay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::api_server::ApiServer;
use super::pod::{Place, Pod, leaving, one_hit, serving, slice};

const SLICES: &str = "endpointslices";
const DELAY: (&str, &str) = ("GUBER_GRACEFUL_TERMINATION_DELAY_SEC", "2");

/// Calls of one client until told to stop, over one connection. Each must be answered, each item too.
async fn call(pod: &Pod, name: &'static str, stop: Arc<AtomicBool>, calls: Arc<AtomicUsize>) -> Vec<String> {
    let mut client = pod.client().await;
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let nth = calls.fetch_add(1, Ordering::Relaxed);
        match client.get_rate_limits(one_hit(name, &format!("key-{}", nth % 200))).await {
            Ok(answer) => {
                let errors = answer.into_inner().responses.into_iter().map(|item| item.error);
                failures.extend(errors.filter(|error| !error.is_empty()));
            }
            Err(status) => failures.push(status.to_string()),
        }
    }
    failures
}

#[tokio::test]
async fn no_call_fails_while_a_pod_leaves() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving()), (3, serving())]));
    let (one, two, mut three) = tokio::join!(
        Pod::start(&place, 1, &[DELAY]),
        Pod::start(&place, 2, &[DELAY]),
        Pod::start(&place, 3, &[DELAY])
    );
    for pod in [&one, &two, &three] {
        pod.reports_that("all three", |report| report.peers == 3).await;
    }
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let working = async {
        tokio::join!(
            call(&one, "leaving-one", Arc::clone(&stop), Arc::clone(&calls)),
            call(&one, "leaving-two", Arc::clone(&stop), Arc::clone(&calls)),
            call(&two, "leaving-one", Arc::clone(&stop), Arc::clone(&calls)),
        )
    };
    let happening = async {
        wait_for(&calls, 300).await;
        three.terminate();
        // It leaves the ring a little later, as in a cluster, and meanwhile decides for the others.
        wait_for(&calls, 300).await;
        server.apply(SLICES, slice("main-peers-a", &[(1, serving()), (2, serving()), (3, leaving())]));
        one.reports_that("two", |report| report.peers == 2).await;
        assert!(three.reports_that("two", |report| report.peers == 2).await.draining);
        // It still forwards and decides until its end.
        let answer = three.hit("leaving-late", "a").await;
        assert_eq!((answer.error.as_str(), answer.remaining), ("", 4));
        assert_eq!(three.ends().await, Some(0));
        wait_for(&calls, 300).await;
        stop.store(true, Ordering::Relaxed);
    };
    let ((one, two, three), ()) = tokio::join!(working, happening);
    assert_eq!([one, two, three].concat(), Vec::<String>::new());
}

async fn wait_for(calls: &AtomicUsize, more: usize) {
    let from = calls.load(Ordering::Relaxed);
    super::awaiting::until("calls are made", || async {
        (calls.load(Ordering::Relaxed) >= from + more).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_pod_that_leaves_says_so_and_sends_its_callers_elsewhere() {
    let server = ApiServer::start().await;
    let place = Place::new(&server);
    server.apply(SLICES, slice("main-peers-a", &[(1, serving())]));
    let mut pod = Pod::start(&place, 1, &[DELAY]).await;
    pod.becomes_ready().await;
    assert!(pod.get("/livez").await.headers().get("connection").is_none());
    let mut reports = pod.reports().await;
    pod.reports_that("itself", |report| report.peers == 1).await;
    pod.terminate();
    while !reports.next().await.expect("it is told before the end").draining {}
    assert!(pod.ready().await.is_err_and(|why| why.contains("shutting down")));
    assert_eq!(pod.get("/livez").await.headers()["connection"], "close");
    assert_eq!(pod.hit("still", "here").await.error, "");
    // The stream holds nothing up.
    while reports.next().await.is_some() {}
    assert_eq!(pod.ends().await, Some(0));
}

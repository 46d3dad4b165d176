//! A thousand limits at once, and then nothing: what that asks of the operator and of the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::{Duration, Instant};

use e2e::kube::awaiting::eventually;
use e2e::kube::backend::Backend;
use e2e::kube::callers::Callers;
use e2e::kube::connection::{has_test_images, say};
use e2e::kube::daemons;
use e2e::kube::objects::{holds, resource};
use e2e::kube::operator::{self, Metrics};
use e2e::kube::place::{Place, SOON};
use e2e::kube::policies;
use e2e::kube::prometheus::Prometheus;
use e2e::kube::story::{Turn, quiet, story};
use futures_util::future::join;
use futures_util::{StreamExt as _, stream};
use kube::core::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;

const LIMITS: usize = 1_000;
/// Who applies them at the same time.
const CLIENTS: usize = 8;
/// How long all of them may take; the number that counts is printed.
const ALL: Duration = Duration::from_secs(120);
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(15);
/// The largest that the operator may be, as it is released; a debug build's program alone is half of that.
const MEMORY: f64 = 64.0 * 1_048_576.0;

#[tokio::test]
async fn a_thousand_limits_are_programmed_and_then_the_operator_rests() {
    story(Turn::Alone, "thousand", async |place| {
        quiet(&place.client).await;
        place.cluster("main", json!({"replicas": 2})).await;
        let daemons = daemons::all(&place, "main", 2).await;
        place.ready("main").await;
        let leader = operator::leader(&place.client, None).await;
        let metrics = Metrics::of(&place.client, &leader).await;
        let before = metrics.read().await;

        let began = Instant::now();
        let applied = stream::iter(0..LIMITS).map(|number| apply(&place, number));
        applied.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
        let sent = began.elapsed();
        all_programmed(&place).await;
        let took = began.elapsed();
        for daemon in &daemons {
            daemon.declares("limit-0", 1).await;
            daemon.declares("limit-999", 1_000).await;
        }

        let after = metrics.read().await;
        let memory = after.value("process_resident_memory_bytes");
        say(&format!(
            "{LIMITS} limits: applied in {:.1} s, all programmed {:.1} s after the first was sent; operator {:.1} MiB",
            sent.as_secs_f64(),
            took.as_secs_f64(),
            memory / 1_048_576.0
        ));
        say(&format!("{LIMITS} limits: requests of the operator: {}", show(&after.requests_since(&before))));
        let released = std::env::var("IMAGE_PROFILE").map_or(true, |profile| profile == "release");
        assert!(memory > 0.0, "the operator measures its memory");
        assert!(!released || memory <= MEMORY, "the operator takes {memory} bytes");

        let steady = steady(&place).await;
        let Some(idle) = idle(&place, &metrics).await else {
            say("what an operator at rest asks for is not looked at: others keep it busy");
            return;
        };
        let what = if steady.is_some() { "idle but for a policy under steady load" } else { "idle" };
        say(&format!("{what} for {IDLE:?}: requests of the operator: {}", show(&idle)));
        assert!(writes(&idle).is_empty(), "an operator at rest writes: {idle:?}");
        assert!(!idle.keys().any(|request| request.starts_with("list ")), "it lists: {idle:?}");
    })
    .await;
}

/// A policy whose window is cut, and who calls it steadily: neither is news. Only where there are the images.
async fn steady(place: &Place) -> Option<(Backend, Prometheus, Callers)> {
    if !has_test_images("a policy under steady load at rest") {
        return None;
    }
    let (backend, prometheus) =
        join(Backend::start(place, "backend", 8, 20), Prometheus::start(place, &[])).await;
    let spec = json!({
        "window": {"min": 4, "max": 100},
        "algorithm": {"type": "SignalCap"},
        "signals": [{"name": "load", "query": "vector(2)", "warning": 1, "emergency": 4}],
        "prometheus": {"url": prometheus.url(), "interval": "1s"},
    });
    policies::apply(place, "search", spec).await;
    place.condition((policies::KIND, "search"), ("Throttling", "True"), SOON).await;
    let callers = Callers::start(place, "callers", "http://main:8080/").await;
    callers.set(2).await;
    eventually("the callers are answered", SOON, async || {
        let tally = callers.tally().await;
        if tally.of(200) > 10 { Ok(()) } else { Err(format!("{tally:?}")) }
    })
    .await;
    Some((backend, prometheus, callers))
}

async fn apply(place: &Place, number: usize) {
    place.limit(&format!("limit-{number}"), json!({"limit": number + 1})).await;
}

/// Awaits that every limit of the namespace is programmed, by one watch of all.
async fn all_programmed(place: &Place) {
    let mut waiting: BTreeSet<String> = (0..LIMITS).map(|number| format!("limit-{number}")).collect();
    let all = tokio::time::timeout(ALL, async {
        let api = place.api("RateLimit");
        let mut seen = pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
        while !waiting.is_empty() {
            let Some(Ok(limit)) = seen.next().await else { continue };
            if holds(Some(&limit), "Programmed", "True").is_ok() {
                waiting.remove(&limit.name_any());
            }
        }
    });
    if all.await.is_err() {
        panic!("after {ALL:?} {} limits are not programmed: {waiting:?}", waiting.len());
    }
}

/// What the operator asks for in a time in which nothing happens, once it has finished what it was doing:
/// events are sent one by one, and numbers in a status are written ten seconds late. None where there was no such
/// time, since somebody else on this Kubernetes was busy.
async fn idle(place: &Place, metrics: &Metrics) -> Option<BTreeMap<String, u64>> {
    const WINDOWS: usize = 5;
    /// In the first, events may still be on their way.
    const ENOUGH: usize = 2;
    let mut undisturbed = Vec::new();
    for _ in 0..WINDOWS {
        let (before, others) = (metrics.read().await, others(place).await);
        // Time itself is what is measured here.
        tokio::time::sleep(IDLE).await;
        let asked = metrics.read().await.requests_since(&before);
        if others.is_none() || others != self::others(place).await {
            continue;
        }
        undisturbed.push(asked);
        if undisturbed.last().is_some_and(|asked| writes(asked).is_empty()) {
            return undisturbed.pop();
        }
    }
    undisturbed.pop().filter(|_| undisturbed.len() + 1 >= ENOUGH)
}

/// What others have declared on this Kubernetes; none while a cluster of theirs is not as declared.
async fn others(place: &Place) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for kind in ["RateLimitCluster", "RateLimit", "BackpressurePolicy"] {
        let api: Api<DynamicObject> = Api::all_with(place.client.clone(), &resource(kind));
        for object in api.list(&Default::default()).await.unwrap() {
            if object.namespace().as_ref() == Some(&place.namespace) {
                continue;
            }
            let steady = kind != "RateLimitCluster" || holds(Some(&object), "Ready", "True").is_ok();
            if !steady || object.metadata.deletion_timestamp.is_some() {
                return None;
            }
            all.insert(format!("{:?} {:?}", object.uid(), object.metadata.generation));
        }
    }
    Some(all)
}

/// The requests that change something, but for the lease.
fn writes(requests: &BTreeMap<String, u64>) -> Vec<&String> {
    let reads = ["get ", "list ", "watch "];
    let is_write = |request: &&String| {
        !reads.iter().any(|verb| request.starts_with(verb)) && !request.ends_with(" leases")
    };
    requests.keys().filter(is_write).collect()
}

fn show(requests: &BTreeMap<String, u64>) -> String {
    requests.iter().map(|(request, count)| format!("{request} {count}")).collect::<Vec<_>>().join(", ")
}

//! The Service before which a policy stands: its pods come and go, it may be of another namespace, and it may
//! speak gRPC.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use e2e::grpc::Client;
use e2e::kube::awaiting::eventually;
use e2e::kube::backend::Backend;
use e2e::kube::callers::Callers;
use e2e::kube::connection::say;
use e2e::kube::neighbours::beside;
use e2e::kube::place::{PODS, SOON};
use e2e::kube::policies::{self, Entry, reported};
use e2e::kube::{daemons, traffic};
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use proto::gubernator::RateLimitReq;
use serde_json::json;
use tonic::Code;

use super::story;

const WORK: (u32, u32) = (16, 5);
const CALLERS: usize = 4;

/// Awaits that answers come from exactly these pods.
async fn answered_by(callers: &Callers, pods: &[&str]) {
    let wanted: BTreeSet<String> = pods.iter().map(|&pod| pod.to_owned()).collect();
    // What one has answered before it went shall not count for ever.
    let before = Mutex::new(callers.tally().await);
    eventually(&format!("{pods:?} answer"), SOON, async || {
        let now = callers.tally().await;
        let mut before = before.lock().unwrap();
        let grown = now.answers.iter().filter(|(pod, count)| before.answers.get(*pod) != Some(*count));
        let grown: BTreeSet<String> = grown.map(|(pod, _)| pod.clone()).collect();
        if grown == wanted {
            return Ok(());
        }
        if !grown.is_subset(&wanted) {
            *before = now;
        }
        Err(format!("{grown:?}"))
    })
    .await;
}

#[tokio::test]
async fn backends_come_and_go_and_no_request_fails() {
    story("endpoints", async |place| {
        place.cluster("main", json!({})).await;
        let _first = Backend::start(&place, "backend", WORK.0, WORK.1).await;
        policies::apply(&place, "search", json!({})).await;
        daemons::ready(&place, "main", 1).await;
        policies::programmed(&place, "search").await;
        traffic::reaches(&place, "main").await;
        let callers = Callers::start(&place, "callers", "http://main:8080/").await;
        callers.set(CALLERS).await;
        answered_by(&callers, &["backend"]).await;

        let others = futures_util::future::join(
            Backend::join(&place, "backend", "backend-1", WORK),
            Backend::join(&place, "backend", "backend-2", WORK),
        );
        let _others = others.await;
        let began = Instant::now();
        answered_by(&callers, &["backend", "backend-1", "backend-2"]).await;
        say(&format!(
            "backends 1 to 3: all answer {} ms after the last was ready",
            began.elapsed().as_millis()
        ));
        for pod in ["backend", "backend-1"] {
            place.typed::<Pod>().delete(pod, &DeleteParams::default()).await.unwrap();
        }
        for pod in ["backend", "backend-1"] {
            place.gone("Pod", pod, PODS).await;
        }
        answered_by(&callers, &["backend-2"]).await;
        callers.set(0).await;
        let tally = callers.tally().await;
        say(&format!("backends 1 to 3 to 1: {} answered, {} failed", tally.of(200), tally.failed()));
        assert_eq!(tally.failed(), 0, "{tally:?}");
        assert_eq!(tally.statuses.keys().collect::<Vec<_>>(), [&200], "{tally:?}");
    })
    .await;
}

#[tokio::test]
async fn a_service_of_another_namespace_is_found_by_its_name() {
    story("dns", async |place| {
        let allowed = json!({"matchLabels": {"wicketgate.dev/tenant": "yes"}});
        place.cluster("main", json!({"allowedNamespaces": {"from": "Selector", "selector": allowed}})).await;
        beside(&place, &[("shop", json!({"wicketgate.dev/tenant": "yes"}))], async |places| {
            let shop = &places[0];
            let backend = Backend::start(shop, "backend", WORK.0, WORK.1).await;
            let there = json!({"clusterRef": {"name": "main", "namespace": place.namespace}});
            policies::apply(shop, "search", there).await;
            daemons::ready(&place, "main", 1).await;
            policies::programmed(shop, "search").await;
            Entry::open(&place, "main-0", 8080).await.answers("/", 200).await;
            assert!(backend.read().await.answered > 0);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn grpc_passes_a_policy_and_is_refused_in_its_own_words() {
    story("grpc", async |place| {
        // Its own gRPC port is as good a backend as any.
        place.cluster("main", json!({})).await;
        place.limit("checkout", json!({"limit": 5})).await;
        let upstream = json!({"service": {"name": "main", "port": 1051}});
        policies::apply(&place, "limits", json!({"upstream": upstream})).await;
        let daemons = daemons::all(&place, "main", 1).await;
        policies::programmed(&place, "limits").await;
        place.programmed("checkout").await;
        traffic::reaches(&place, "main").await;
        let address = format!("main.{}.svc:8080", place.namespace);
        let hit = |hits: &'static str| ["hit", "checkout", "a", "--hits", hits, "--address"];
        let (code, log) = traffic::once(&place, "admitted", &[&hit("5")[..], &[&address]].concat()).await;
        assert_eq!(code, 0, "{log}");
        let (code, log) = traffic::once(&place, "over", &[&hit("1")[..], &[&address]].concat()).await;
        assert_eq!(code, 1, "{log}");
        let deny = json!({"spec": {"block": [{"header": "content-type", "pattern": "grpc"}]}});
        place.edit(policies::KIND, "limits", deny).await;
        policies::programmed(&place, "limits").await;
        let entry = Entry::open(&place, "main-0", 8080).await;
        let client = Client::connect(entry.address()).await;
        let refused = client.try_hit(vec![RateLimitReq::default()]).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert!(refused.message().contains("blocked by regex grpc"), "{refused:?}");
        reported(&daemons, "limits", "nothing is in flight", |reports| {
            (reports[0].in_flight == 0).then_some(())
        })
        .await;
    })
    .await;
}

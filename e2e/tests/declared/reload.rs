//! Files that change while the daemon runs.

use std::time::{Duration, Instant};

use e2e::clock::await_some;
use e2e::daemon::Daemon;
use e2e::grpc::Client;
use serde_json::Value;

use crate::manifests::{Manifests, cluster, limit};
use crate::requests::{Under, bare, decision};
use crate::rings::Ring;

/// A new declaration is in force within this time.
const SOON: Duration = Duration::from_secs(1);

/// Waits until a probe of `name` tells this limit, and gives back how long that took.
async fn limit_becomes(client: &Client, name: &str, limit: i64) -> Duration {
    let began = Instant::now();
    let what = format!("limit {limit} for {name}");
    await_some(&what, async || {
        let reply = client.hit_one(bare(name, "probe", 0)).await;
        (reply.error.is_empty() && reply.limit == limit).then(|| began.elapsed())
    })
    .await
}

/// Waits for a line at `warn` or above that says all of `words`.
async fn complaint(daemon: &Daemon, words: &[&str]) -> Value {
    await_some(&format!("a complaint with {words:?}"), async || {
        daemon.records().into_iter().find(|record| {
            let text = record.to_string();
            ["WARN", "ERROR"].iter().any(|level| record["level"] == *level)
                && words.iter().all(|word| text.contains(word))
        })
    })
    .await
}

async fn ring_of_files(replicas: usize) -> Ring {
    let manifests = Manifests::new();
    manifests.write("cluster.yaml", &cluster(replicas, &[]));
    manifests.write("limits.yaml", &limit("checkout", &["limit: 5", "duration: 10m"]));
    Ring::on(manifests, replicas).await
}

#[tokio::test]
async fn a_changed_limit_is_in_force_at_every_node_and_keeps_its_counts() {
    let ring = ring_of_files(2).await;
    assert_eq!(decision(&ring.ask(0, bare("checkout", "anna", 3)).await), (Under, 2));
    ring.manifests.write("limits.yaml", &limit("checkout", &["limit: 7", "duration: 10m"]));
    for client in &ring.clients {
        let took = limit_becomes(client, "checkout", 7).await;
        assert!(took <= SOON, "the new limit was in force after {took:?}");
    }
    assert_eq!(decision(&ring.ask(1, bare("checkout", "anna", 1)).await), (Under, 3), "3 of 7 were used");
}

#[tokio::test]
async fn files_come_and_go() {
    let ring = ring_of_files(1).await;
    let path = ring.manifests.write("more.yaml", &limit("search", &["limit: 9", "duration: 1m"]));
    let took = limit_becomes(&ring.clients[0], "search", 9).await;
    assert!(took <= SOON, "a new file was in force after {took:?}");
    std::fs::remove_file(path).unwrap();
    limit_becomes(&ring.clients[0], "search", 0).await;
    limit_becomes(&ring.clients[0], "checkout", 5).await;
}

#[tokio::test]
async fn an_invalid_file_changes_nothing_and_is_told_to_the_line() {
    let ring = ring_of_files(1).await;
    let good = limit("checkout", &["limit: 8", "duration: 10m"]);
    let bad = limit("search", &["duration: 1m", "limit: many"]);
    // The second document of the file; its `limit` stands in the line counted here.
    let text = format!("{good}---\n{bad}");
    let line = 1 + text.lines().position(|line| line.contains("limit: many")).unwrap();
    ring.manifests.write("limits.yaml", &text);
    let told = complaint(&ring.daemon, &["limits.yaml", "spec.limit"]).await.to_string();
    assert!(told.contains("document 2") || told.contains("\"document\":2"), "names the document: {told}");
    assert!(
        told.contains(&format!("line {line}")) || told.contains(&format!(":{line}")),
        "names line {line}: {told}"
    );
    let reply = ring.ask(0, bare("checkout", "anna", 1)).await;
    assert_eq!((decision(&reply), reply.limit), ((Under, 4), 5), "the old file is in force, whole");

    ring.manifests.write("limits.yaml", &good);
    limit_becomes(&ring.clients[0], "checkout", 8).await;
}

#[tokio::test]
async fn nonsense_in_place_of_yaml_changes_nothing() {
    let ring = ring_of_files(1).await;
    for text in ["{", "kind: [", "\u{0}\u{1}", "- a\n- list\n"] {
        ring.manifests.write("limits.yaml", text);
        complaint(&ring.daemon, &["limits.yaml"]).await;
        assert_eq!(ring.ask(0, bare("checkout", "probe", 0)).await.limit, 5, "after {text:?}");
    }
    ring.manifests.write("limits.yaml", &limit("checkout", &["limit: 6", "duration: 10m"]));
    limit_becomes(&ring.clients[0], "checkout", 6).await;
}

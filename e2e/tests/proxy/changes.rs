//! Policies that change, come and go while requests are in flight.

use e2e::clock::{await_condition, await_some};
use e2e::ports;
use e2e::upstream::Upstream;
use e2e::wire::Wire;
use tokio::net::TcpListener;

use super::harness::{Proxy, policy, policy_of};
use crate::manifests::{Manifests, cluster};

/// Waits until the policy's window is so wide.
async fn window_becomes(proxy: &Proxy, width: i64) {
    await_condition(&format!("a window of {width}"), async || proxy.report().await["window"] == width).await;
}

#[tokio::test]
async fn a_window_that_moves_keeps_what_is_in_flight() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(3, upstream.at(), &[]).await;
    let mut held = vec![proxy.held().await, proxy.held().await, proxy.held().await];
    assert_eq!(proxy.get("/", &[]).await.head.status(), 429);
    proxy.change(&[&policy(proxy.at, 5, upstream.at(), &[])]);
    window_becomes(&proxy, 5).await;
    assert_eq!(proxy.in_flight().await, 3);
    held.push(proxy.held().await);
    held.push(proxy.held().await);
    assert_eq!(proxy.get("/", &[]).await.head.status(), 429, "3 of before and 2 of now");
    proxy.change(&[&policy(proxy.at, 2, upstream.at(), &[])]);
    window_becomes(&proxy, 2).await;
    assert_eq!(proxy.in_flight().await, 5, "nobody is cut off");
    // Four leave, one after the other: there is room once one is left.
    for left in [4, 3, 2] {
        drop(held.pop());
        proxy.flies(left).await;
        assert_eq!(proxy.get("/", &[]).await.head.status(), 429, "{left} in flight");
    }
    drop(held.pop());
    proxy.flies(1).await;
    assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    upstream.release();
    assert_eq!(held[0].answer("GET").await.unwrap().body, b"held", "over all changes");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_connection_meets_what_is_in_force_when_it_asks() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let mut proxy = Proxy::with_window(5, first.at(), &[]).await;
    let mut wire = proxy.wire().await;
    let ask = "GET /x HTTP/1.1\r\nhost: test\r\n\r\n";
    wire.send(ask).await;
    assert_eq!(wire.answer("GET").await.unwrap().head.status(), 200);
    let mut held = proxy.held().await;
    proxy.change(&[&policy(proxy.at, 6, second.at(), &[])]);
    window_becomes(&proxy, 6).await;
    wire.send(ask).await;
    assert_eq!(wire.answer("GET").await.unwrap().head.status(), 200);
    assert_eq!((first.seen().len(), second.only().uri.path()), (2, "/x"), "another upstream");
    let deny = "routes: [{name: x, match: {path: {value: /x}}, action: Deny}]";
    proxy.change(&[&policy(proxy.at, 7, second.at(), &[deny])]);
    window_becomes(&proxy, 7).await;
    wire.send(ask).await;
    assert_eq!(wire.answer("GET").await.unwrap().head.status(), 403, "another route");
    first.release();
    assert_eq!(held.answer("GET").await.unwrap().body, b"held", "what began there ends there");
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_listener_moves_to_another_port() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let (old, new) = (proxy.at, ports::lasting());
    let mut held = proxy.held().await;
    proxy.change(&[&policy(new, 10, upstream.at(), &[])]);
    await_condition("the new port is open", async || Wire::try_to(new).await.is_ok()).await;
    await_condition("the old port is closed", async || Wire::try_to(old).await.is_err()).await;
    proxy.at = new;
    assert_eq!(proxy.in_flight().await, 1);
    assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    upstream.release();
    let answer = held.answer("GET").await.unwrap();
    assert_eq!(answer.body, b"held", "who is connected to the old one is answered");
    held.closes().await;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn two_policies_can_change_their_ports() {
    let (first, second) = (Upstream::start().await, Upstream::start().await);
    let (a, b) = (ports::lasting(), ports::lasting());
    let window = &["window: {min: 1, max: 9}"];
    let other = |at| policy_of("other", at, second.at(), window);
    let mut proxy = Proxy::of(a, &[&policy(a, 9, first.at(), &[]), &other(b)]).await;
    Wire::to(b).await;
    assert_eq!(proxy.get("/", &[]).await.head.status(), 200);
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));
    proxy.change(&[&policy(b, 9, first.at(), &[]), &other(a)]);
    await_condition("the ports have changed hands", async || {
        let Ok(mut wire) = Wire::try_to(a).await else { return false };
        wire.send("GET /swapped HTTP/1.1\r\nhost: test\r\n\r\n").await;
        wire.answer("GET").await.is_ok() && second.seen().iter().any(|seen| seen.uri.path() == "/swapped")
    })
    .await;
    let told = proxy.daemon.log();
    assert!(!told.contains("in use"), "neither finds its port taken: {told}");
    proxy.at = b;
    assert_eq!(proxy.get("/last", &[]).await.head.status(), 200);
    assert_eq!(first.seen().last().unwrap().uri.path(), "/last");
    proxy.flies(0).await;
    assert!(proxy.daemon.runs());
}

#[tokio::test]
async fn a_policy_that_is_gone_is_no_longer_listened_for() {
    let upstream = Upstream::start().await;
    let proxy = Proxy::before(upstream.at(), &[]).await;
    let mut held = proxy.held().await;
    proxy.change(&[]);
    await_condition("its port is closed", async || Wire::try_to(proxy.at).await.is_err()).await;
    upstream.release();
    assert_eq!(held.answer("GET").await.unwrap().body, b"held");
    held.closes().await;
    assert!(proxy.report().await.is_null(), "nobody reports it");
    let metrics = proxy.daemon.node().http().get("/metrics").await.text();
    assert!(!metrics.contains("test/web"), "nobody counts it");
    // And it can come back.
    proxy.change(&[&policy(proxy.at, 10, upstream.at(), &[])]);
    await_condition("its port is open again", async || Wire::try_to(proxy.at).await.is_ok()).await;
    let mut proxy = proxy;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_port_that_is_taken_keeps_the_daemon_from_starting() {
    let at = ports::lasting();
    let taken = TcpListener::bind(at).await.unwrap();
    let manifests = Manifests::new();
    manifests.write("cluster.yaml", &cluster(1, &[]));
    manifests.write("policy.yaml", &policy(at, 1, at, &[]));
    let ended = manifests.standalone(1).run().await;
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    for word in ["test/web", &at.to_string(), "spec.listener.port"] {
        assert!(ended.stderr.contains(word), "{word} is named: {}", ended.stderr);
    }
    drop(taken);
}

#[tokio::test]
async fn a_port_that_is_taken_later_is_tried_until_it_is_free() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::before(upstream.at(), &[]).await;
    let new = ports::lasting();
    let taken = TcpListener::bind(new).await.unwrap();
    proxy.change(&[&policy(new, 10, upstream.at(), &[])]);
    let problem = await_some("the problem is reported", async || {
        proxy.report().await["problem"].as_str().filter(|problem| !problem.is_empty()).map(str::to_owned)
    })
    .await;
    assert!(problem.contains("spec.listener.port"), "{problem}");
    assert!(problem.contains(&new.to_string()), "{problem}");
    let told = proxy.daemon.records();
    let told = told.iter().filter(|record| record["level"] == "ERROR").count();
    assert_eq!(told, 1, "said once, however often it is tried: {}", proxy.daemon.log());
    drop(taken);
    await_condition("it is served", async || proxy.report().await.get("problem").is_none()).await;
    proxy.at = new;
    proxy.still_forwards().await;
}

#[tokio::test]
async fn a_change_that_makes_no_sense_changes_nothing() {
    let upstream = Upstream::start().await;
    let mut proxy = Proxy::with_window(3, upstream.at(), &[]).await;
    let held = proxy.held().await;
    for bad in ["block: [{header: A, pattern: \"(\"}]", "routes: [{match: {path: {value: no-slash}}}]"] {
        proxy.change(&[&policy(proxy.at, 9, upstream.at(), &[bad])]);
        let name = bad.split(':').next().unwrap();
        await_condition("it is told", async || {
            proxy.daemon.records().iter().any(|record| {
                record["level"] == "ERROR" && record.to_string().contains(&format!("spec.{name}"))
            })
        })
        .await;
        assert_eq!(proxy.report().await["window"], 3);
        assert_eq!(proxy.get("/", &[]).await.body, b"hello");
    }
    drop(held);
    proxy.still_forwards().await;
}

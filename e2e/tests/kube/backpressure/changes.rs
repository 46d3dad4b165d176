//! A policy changes while requests are under way: it is in force at once, nothing restarts, and what is in
//! flight stays.

use std::time::Instant;

use e2e::kube::awaiting::eventually;
use e2e::kube::backend::Backend;
use e2e::kube::connection::say;
use e2e::kube::daemons::{self, Daemon};
use e2e::kube::objects::condition;
use e2e::kube::place::{Place, SOON};
use e2e::kube::policies::{self, Entry, reported};
use futures_util::future::join;
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::story;
use crate::kube::bad_resources::{a_second_after, accepted};

/// Sends a request that the backend answers once it is told to, and awaits that it is in flight.
async fn hold(daemons: &[Daemon], entry: &Entry, count: i64, held: &mut JoinSet<Result<u16, String>>) {
    for _ in 0..count {
        let http = entry.http.clone();
        held.spawn(async move {
            let reply = http.try_send(Method::GET, "/hold/first", bytes::Bytes::new()).await;
            reply.map(|reply| reply.status.as_u16())
        });
    }
    in_flight(daemons, count).await;
}

async fn in_flight(daemons: &[Daemon], count: i64) {
    reported(daemons, "search", &format!("{count} in flight"), |reports| {
        (reports.iter().map(|report| report.in_flight).sum::<i64>() == count).then_some(())
    })
    .await;
}

/// Changes the policy, and awaits its window on all pods.
async fn widens(place: &Place, daemons: &[Daemon], max: i64) {
    let began = Instant::now();
    place.edit(policies::KIND, "search", json!({"spec": {"window": {"min": 1, "max": max}}})).await;
    reported(daemons, "search", &format!("its window is {max}"), |reports| {
        (reports.iter().map(|report| report.window).sum::<i64>() == max).then_some(())
    })
    .await;
    say(&format!(
        "the window changes: {max} on {} pods {} ms later",
        daemons.len(),
        began.elapsed().as_millis()
    ));
}

#[tokio::test]
async fn window_routes_and_port_change_under_requests_and_nothing_restarts() {
    story("changes", async |place| {
        place.cluster("main", json!({"replicas": 2})).await;
        let backend = Backend::start(&place, "backend", 4, 1).await;
        policies::apply(&place, "search", json!({"window": {"min": 1, "max": 4}})).await;
        let daemons = daemons::all(&place, "main", 2).await;
        daemons::one_ring(&daemons).await;
        policies::programmed(&place, "search").await;
        let lives = daemons::lives(&place, "main").await;
        let entry = Entry::open(&place, &daemons[0].name, 8080).await;
        entry.answers("/", 200).await;

        let mut held = JoinSet::new();
        hold(&daemons, &entry, 2, &mut held).await;
        let full = entry.http.get("/").await;
        assert_eq!(
            (full.status.as_u16(), &full.headers["x-wicketgate-reason"]),
            (429, &"WindowClosed".parse().unwrap())
        );
        widens(&place, &daemons, 2).await;
        in_flight(&daemons, 2).await;
        assert_eq!(entry.status("/").await, Ok(429));
        widens(&place, &daemons, 8).await;
        assert_eq!(entry.status("/").await, Ok(200));

        let began = Instant::now();
        let route = json!({"routes": [{"match": {"path": {"value": "/admin/"}}, "action": "Deny"}]});
        place.edit(policies::KIND, "search", json!({"spec": route})).await;
        entry.answers("/admin/x", 403).await;
        say(&format!("the routes change: in force {} ms later", began.elapsed().as_millis()));
        assert_eq!(entry.status("/").await, Ok(200));

        moves(&place, &daemons).await;
        in_flight(&daemons, 2).await;
        backend.release("first").await;
        let answers: Vec<_> = held.join_all().await;
        assert_eq!(answers, [Ok(200), Ok(200)], "what was in flight is answered, through all changes");
        in_flight(&daemons, 0).await;
        assert_eq!(daemons::lives(&place, "main").await, lives, "no change restarts anything");
    })
    .await;
}

/// The listener moves to another port, on the pods and on the Service.
async fn moves(place: &Place, daemons: &[Daemon]) {
    let began = Instant::now();
    place.edit(policies::KIND, "search", json!({"spec": {"listener": {"port": 8090}}})).await;
    let (old, new) =
        (Entry::open(place, &daemons[0].name, 8080).await, Entry::open(place, &daemons[0].name, 8090).await);
    let served = async {
        new.answers("/", 200).await;
        began.elapsed()
    };
    let known = async {
        place
            .seen(("Service", "main"), "its port has moved", SOON, |service| {
                let ports = service.data["spec"]["ports"].as_array()?;
                let numbers: Vec<i64> = ports.iter().filter_map(|port| port["port"].as_i64()).collect();
                (numbers.contains(&8090) && !numbers.contains(&8080)).then_some(())
            })
            .await;
        began.elapsed()
    };
    let (served, known) = join(served, known).await;
    say(&format!(
        "the port changes: served {} ms later, on the Service {} ms later",
        served.as_millis(),
        known.as_millis()
    ));
    eventually("the old port is closed", SOON, async || match old.status("/").await {
        Err(_) => Ok(()),
        Ok(status) => Err(status.to_string()),
    })
    .await;
}

#[tokio::test]
async fn what_a_policy_claims_or_names_wrongly_is_said_and_the_others_serve() {
    story("claims", async |place| {
        place.cluster("main", json!({})).await;
        let _backend = Backend::start(&place, "backend", 4, 1).await;
        let older = policies::apply(&place, "first", json!({})).await;
        let daemons = daemons::all(&place, "main", 1).await;
        let entry = Entry::open(&place, &daemons[0].name, 8080).await;
        let younger =
            policies::policy("second", json!({"block": [{"header": "User-Agent", "pattern": "."}]}));
        a_second_after(&place, &older, &younger).await;
        place.apply(younger).await;
        accepted(&place, (policies::KIND, "second"), ("False", "Conflicted")).await;
        entry.answers("/", 200).await;
        place.delete(policies::KIND, "first").await;
        accepted(&place, (policies::KIND, "second"), ("True", "Accepted")).await;
        policies::programmed(&place, "second").await;

        let wrong = json!({"spec": {"block": [{"header": "User-Agent", "pattern": "("}]}});
        place.edit(policies::KIND, "second", wrong).await;
        let told = accepted(&place, (policies::KIND, "second"), ("False", "Invalid")).await;
        assert!(told.contains("spec.block[0].pattern: \"(\""), "{told}");
        limits(&place, &entry).await;
    })
    .await;
}

/// A rate limit that nobody declares lets pass; declared, it refuses and says when to come again.
async fn limits(place: &Place, entry: &Entry) {
    let spec = json!({"block": [], "rateLimits": [{"name": "calls", "key": [{"clientAddress": true}]}]});
    place.edit(policies::KIND, "second", json!({"spec": spec})).await;
    let told = accepted(place, (policies::KIND, "second"), ("True", "Accepted")).await;
    assert!(told.contains("no RateLimit of the cluster declares calls"), "{told}");
    policies::programmed(place, "second").await;
    for _ in 0..4 {
        entry.answers("/", 200).await;
    }
    place.limit("calls", json!({"limit": 2, "duration": "1h"})).await;
    place.programmed("calls").await;
    place
        .seen((policies::KIND, "second"), "names a limit that is declared", SOON, |policy| {
            condition(policy, "Accepted").filter(|found| !found.message.contains("declares calls"))
        })
        .await;
    for status in [200, 200, 429] {
        assert_eq!(entry.status("/").await, Ok(status));
    }
    let refused = entry.http.get("/").await;
    let header = |name: &str| refused.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("x-wicketgate-reason"), Some("RateLimited"), "{refused:?}");
    assert_eq!(header("ratelimit-policy"), Some("\"calls\";q=2"), "{refused:?}");
    assert!(header("ratelimit").is_some_and(|rest| rest.starts_with("\"calls\";r=0;t=")), "{refused:?}");
    assert!(header("retry-after").is_some(), "{refused:?}");
}

//! SIGTERM and SIGINT: not ready any more, what is in flight is finished, exit 0.

use std::time::Duration;

use e2e::clock::{await_condition, await_some_within};
use e2e::daemon::Daemon;
use e2e::launch::Launch;
use e2e::process::Signal;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use proto::gubernator::{Behavior, RateLimitResp};
use tokio::task::JoinHandle;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::key_of_another;
use crate::requests::{Under, decision, token, with};
use crate::rings::{self, Member, Ring};

#[tokio::test]
async fn either_signal_ends_it_with_exit_code_0() {
    for signal in [Signal::Term, Signal::Int] {
        let mut daemon = Launch::serve().start().await;
        daemon.node().client().await.hit_one(token("end", 1, 10, 60_000)).await;
        daemon.signal(signal);
        let (status, took) = daemon.ended_after().await;
        assert_eq!(status.code(), Some(0), "{signal:?}: {}", daemon.log());
        assert!(took < Duration::from_secs(5), "with nothing in flight it took {took:?}");
    }
    let mut ring = Ring::of(3).await;
    ring.daemon.signal(Signal::Term);
    assert_eq!(ring.daemon.ended().await.code(), Some(0), "standalone: {}", ring.daemon.log());
}

/// Calls in flight are made by an owner that stands still: they wait for it, the asked node is told to
/// end, and then the owner goes on.
#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_are_finished() {
    for signal in [Signal::Term, Signal::Int] {
        let mut members = rings::processes::<2>(&[("GUBER_BATCH_TIMEOUT", "15s")]).await;
        let Member { daemon: mut asked, client, .. } = members.remove(0);
        let owner = members.remove(0).daemon;
        let (key, _) = key_of_another(&client).await;
        owner.signal(Signal::Stop);

        let batched = (0..20).map(|_| token(&key, 1, 100, 600_000));
        let direct = (0..5).map(|_| with(Behavior::NoBatching, token(&key, 1, 100, 600_000)));
        let requests: Vec<_> = batched.chain(direct).collect();
        let calls: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let client = client.clone();
                tokio::spawn(async move { client.hit_one(request).await })
            })
            .collect();
        let http = asked.node().http();
        let in_flight = "gubernator_concurrent_checks_counter";
        await_condition("all calls are in flight", async || http.metric(in_flight).await == Some(25.0)).await;

        asked.signal(signal);
        await_condition("it has stopped being ready", async || {
            !matches!(http.try_send(Method::GET, "/readyz", bytes::Bytes::new()).await,
                Ok(reply) if reply.status == StatusCode::OK)
        })
        .await;
        assert!(asked.runs(), "it waits for what is in flight");
        owner.signal(Signal::Cont);

        let mut left: Vec<_> = join_all(calls)
            .await
            .into_iter()
            .map(|reply| {
                let (status, left) = decision(&reply.expect("a call that ends"));
                assert_eq!(status, Under);
                left
            })
            .collect();
        left.sort_unstable();
        assert_eq!(left, (75..100).collect::<Vec<_>>(), "each was counted once");
        assert_eq!(asked.ended().await.code(), Some(0), "{signal:?}: {}", asked.log());
    }
}

#[tokio::test]
async fn the_termination_delay_serves_on_without_being_ready() {
    let mut daemon = Launch::serve().env("GUBER_GRACEFUL_TERMINATION_DELAY_SEC", "3").start().await;
    let client = daemon.node().client().await;
    let http = daemon.node().http();
    daemon.signal(Signal::Term);
    await_condition("not ready", async || {
        http.get("/readyz").await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(http.get("/livez").await.status, StatusCode::OK, "alive all the same");
    assert_eq!(decision(&client.hit_one(token("late", 1, 10, 60_000)).await), (Under, 9));
    let new = daemon.node().client().await;
    assert_eq!(decision(&new.hit_one(token("late", 1, 10, 60_000)).await), (Under, 8), "new callers too");
    assert_eq!(client.health().await.expect_err("ending").code(), tonic::Code::Unavailable);
    assert_eq!(http.get("/v1/HealthCheck").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(daemon.ended().await.code(), Some(0));
}

/// A ring of two, the second of which stands still, and a call in flight to it through the first.
async fn call_to_an_owner_that_stands_still(
    settings: &[(&str, &str)],
) -> (Daemon, Daemon, JoinHandle<Result<Vec<RateLimitResp>, tonic::Status>>) {
    let mut members = rings::processes::<2>(settings).await;
    let Member { daemon: asked, client, .. } = members.remove(0);
    let owner = members.remove(0).daemon;
    let (key, _) = key_of_another(&client).await;
    owner.signal(Signal::Stop);
    let call = tokio::spawn(async move { client.try_hit(vec![token(&key, 1, 100, 600_000)]).await });
    let http = asked.node().http();
    let in_flight = "gubernator_concurrent_checks_counter";
    await_condition("the call is in flight", async || http.metric(in_flight).await == Some(1.0)).await;
    (asked, owner, call)
}

/// What does not end in the time it is given is left behind: here a call whose owner stands still.
#[tokio::test]
async fn the_drain_timeout_ends_the_waiting() {
    let settings = [("GUBER_BATCH_TIMEOUT", "60s"), ("WICKETGATE_DRAIN_TIMEOUT", "1s")];
    let (mut asked, owner, call) = call_to_an_owner_that_stands_still(&settings).await;
    asked.signal(Signal::Term);
    let (_, took) = asked.ended_after().await;
    assert!(took < Duration::from_secs(5), "it waited {took:?}, not a second");
    let _whatever_it_was_told = call.await;
    drop(owner);
}

/// A call whose owner stands still is cut off by a second signal, though there were a minute to wait.
/// A signal that comes with the first, as when a process and its group are both told, is no second one.
#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_an_echo_does_not() {
    for (first, second) in [(Signal::Term, Signal::Int), (Signal::Int, Signal::Term)] {
        let settings = [("GUBER_BATCH_TIMEOUT", "60s"), ("WICKETGATE_DRAIN_TIMEOUT", "60s")];
        let (mut asked, owner, call) = call_to_an_owner_that_stands_still(&settings).await;

        asked.signal(first);
        asked.signal(second);
        await_condition("it stops", async || asked.log().contains("stopping")).await;
        await_condition("it takes the second for an echo", async || asked.log().contains("an echo")).await;
        assert!(asked.runs(), "{second:?} right after {first:?} is an echo: {}", asked.log());
        // The first that comes late enough is meant.
        await_condition("it heeds a later one", async || {
            asked.signal(second);
            asked.log().contains("stopped at once")
        })
        .await;
        let (status, took) = asked.ended_after().await;
        assert!(took < Duration::from_secs(3), "{second:?} did not end it at once but after {took:?}");
        assert!(status.code().is_some(), "it ended by itself: {status}");
        call.await.expect("a call that ends").expect_err("a call that is cut off");
        drop(owner);
    }
}

/// Who watches the health of a node is told that it leaves, and does not keep it.
#[tokio::test]
async fn a_watch_is_told_and_does_not_hold_up_the_end() {
    let mut daemon = Launch::serve().env("WICKETGATE_DRAIN_TIMEOUT", "60s").start().await;
    let mut health = HealthClient::new(e2e::grpc::channel(daemon.node().grpc).await);
    let request = HealthCheckRequest { service: "pb.gubernator.V1".into() };
    let mut watch = health.watch(request).await.expect("a stream").into_inner();
    let first = watch.message().await.expect("a message").expect("the state as it is");
    assert_eq!(first.status(), ServingStatus::Serving);

    daemon.signal(Signal::Term);
    let next = watch.message().await.expect("a message").expect("the state as it becomes");
    assert_eq!(next.status(), ServingStatus::NotServing);
    match watch.message().await {
        Ok(more) => assert_eq!(more, None, "nothing follows"),
        Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status}"),
    }
    let (status, took) = daemon.ended_after().await;
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    assert!(took < Duration::from_secs(5), "with nothing but a watch it took {took:?}");
}

/// A caller who goes on calling gets answers until the end, and then a refusal: never half a reply.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_caller_is_answered_or_refused() {
    let mut daemon = Launch::serve().start().await;
    let callers: Vec<_> = join_all((0..4).map(|_| daemon.node().client()))
        .await
        .into_iter()
        .map(|client| {
            tokio::spawn(async move {
                let mut answered = 0_u64;
                loop {
                    match client.try_hit(vec![token("busy", 1, i64::MAX, 60_000)]).await {
                        Ok(replies) => answered += u64::from(decision(&replies[0]).0 == Under),
                        Err(status) => return (answered, status),
                    }
                }
            })
        })
        .collect();
    let http = daemon.node().http();
    let counted = r#"gubernator_getratelimit_counter{calltype="local"}"#;
    await_some_within(Duration::from_secs(20), "some calls", async || {
        http.metric(counted).await.filter(|count| *count > 100.0)
    })
    .await;
    daemon.signal(Signal::Term);
    for caller in callers {
        let (answered, status) = caller.await.unwrap();
        assert!(answered > 0);
        // tonic calls a connection that ended between two calls Unknown or Unavailable, and one that
        // ended with GOAWAY while a call was queued Cancelled.
        let refused = [tonic::Code::Unavailable, tonic::Code::Unknown, tonic::Code::Cancelled];
        assert!(refused.contains(&status.code()), "after {answered} answers: {status:?}");
    }
    assert_eq!(daemon.ended().await.code(), Some(0));
}

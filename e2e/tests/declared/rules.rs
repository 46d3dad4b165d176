//! What a declared limit makes of a request.

use e2e::clock::now_ms;
use futures_util::future::join_all;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proto::gubernator::{Algorithm, RateLimitReq};

use crate::manifests::{Manifests, limit};
use crate::requests::{Over, Under, at, bare, decision, token};
use crate::rings::Ring;

async fn one_node(documents: &[&str]) -> Ring {
    Ring::on(Manifests::cluster(1, &[], documents), 1).await
}

#[tokio::test]
async fn a_name_and_a_key_are_all_that_a_request_needs() {
    let ring = one_node(&[&limit("checkout", &["limit: 2", "duration: 1m"])]).await;
    let now = now_ms();
    for (turn, expected) in [(Under, 1), (Under, 0), (Over, 0)].into_iter().enumerate() {
        let reply = ring.ask(0, at(now, bare("checkout", "anna", 1))).await;
        assert_eq!(decision(&reply), expected, "hit {turn}");
        assert_eq!((reply.limit, reply.reset_time), (2, now + 60_000));
    }
    let other = ring.ask(0, bare("checkout", "ben", 1)).await;
    assert_eq!(decision(&other), (Under, 1), "each key has a bucket of its own");
}

#[tokio::test]
async fn the_declaration_rules_over_what_the_request_says() {
    let ring = one_node(&[&limit("checkout", &["limit: 5", "duration: 1m"])]).await;
    let now = now_ms();
    let own = RateLimitReq {
        name: "checkout".into(),
        algorithm: Algorithm::LeakyBucket.into(),
        burst: 99,
        ..token("anna", 2, 1_000, 7_000)
    };
    let reply = ring.ask(0, at(now, own)).await;
    assert_eq!((decision(&reply), reply.limit), ((Under, 3), 5));
    assert_eq!(reply.reset_time, now + 60_000, "a token bucket of a minute, as declared");
}

#[tokio::test]
async fn with_precedence_request_its_own_values_win_where_they_are_set() {
    let declared = limit("checkout", &["limit: 5", "duration: 1m", "precedence: Request"]);
    let ring = one_node(&[&declared]).await;
    let now = now_ms();
    let own = RateLimitReq { name: "checkout".into(), ..token("anna", 2, 100, 0) };
    let reply = ring.ask(0, at(now, own)).await;
    assert_eq!((decision(&reply), reply.limit), ((Under, 98), 100), "its own limit");
    assert_eq!(reply.reset_time, now + 60_000, "and the declared duration, as it has none");
    let nothing = ring.ask(0, bare("checkout", "ben", 1)).await;
    assert_eq!((decision(&nothing), nothing.limit), ((Under, 4), 5));
}

#[tokio::test]
async fn overrides_are_for_a_key_or_a_prefix_and_the_first_that_fits_wins() {
    let declared = limit(
        "checkout",
        &[
            "limit: 2",
            "duration: 1m",
            "overrides:",
            "  - {key: 'account:12345', limit: 1000}",
            "  - {prefix: 'internal:', unlimited: true}",
            "  - {prefix: 'account:', limit: 10}",
        ],
    );
    let ring = one_node(&[&declared]).await;
    for (key, left) in [("account:12345", 999), ("account:1", 9), ("other", 1)] {
        let reply = ring.ask(0, bare("checkout", key, 1)).await;
        assert_eq!((decision(&reply), reply.limit), ((Under, left), left + 1), "{key}");
    }
    for hits in [1, 1_000_000, 1] {
        let reply = ring.ask(0, bare("checkout", "internal:batch", hits)).await;
        assert_eq!((reply.status(), reply.error.as_str()), (Under, ""), "{hits} hits without a limit");
    }
}

#[tokio::test]
async fn audit_counts_and_never_refuses() {
    let declared = limit("checkout", &["limit: 2", "duration: 1m", "enforcement: Audit"]);
    let ring = one_node(&[&declared]).await;
    for (turn, left) in [1, 0, 0, 0].into_iter().enumerate() {
        let reply = ring.ask(0, bare("checkout", "anna", 1)).await;
        assert_eq!(decision(&reply), (Under, left), "hit {turn}");
    }
}

#[tokio::test]
async fn a_cluster_can_refuse_what_nobody_declared() {
    let declared = limit("checkout", &["limit: 2", "duration: 1m"]);
    let manifests = Manifests::cluster(1, &["undeclared: Reject"], &[&declared]);
    let ring = Ring::on(manifests, 1).await;
    let both = vec![token("anna", 1, 10, 60_000), bare("checkout", "anna", 1)];
    let replies = ring.clients[0].hit(both).await;
    assert!(replies[0].error.contains("e2e"), "the error names the limit: {:?}", replies[0].error);
    assert_eq!(decision(&replies[1]), (Under, 1));
}

#[tokio::test]
async fn without_that_an_undeclared_name_brings_its_own_limit() {
    let ring = one_node(&[&limit("checkout", &["limit: 2", "duration: 1m"])]).await;
    assert_eq!(decision(&ring.ask(0, token("anna", 1, 10, 60_000)).await), (Under, 9));
}

#[tokio::test]
async fn a_calendar_day_ends_at_midnight_of_the_cluster_s_zone() {
    let declared = limit("daily", &["limit: 10", "calendar: Day"]);
    let manifests = Manifests::cluster(1, &["timeZone: Asia/Tokyo"], &[&declared]);
    let ring = Ring::on(manifests, 1).await;
    let now = now_ms();
    let reply = ring.ask(0, at(now, bare("daily", "anna", 1))).await;
    let zone = TimeZone::get("Asia/Tokyo").unwrap();
    let midnight = Timestamp::from_millisecond(now).unwrap().to_zoned(zone).start_of_day().unwrap();
    let next = midnight.checked_add(1.day()).unwrap().timestamp().as_millisecond();
    assert_eq!((decision(&reply), reply.reset_time), ((Under, 9), next - 1));
}

#[tokio::test]
async fn a_leaky_bucket_can_be_declared_with_its_burst() {
    let declared = limit("smooth", &["limit: 10", "duration: 30s", "algorithm: LeakyBucket", "burst: 20"]);
    let ring = one_node(&[&declared]).await;
    let now = now_ms();
    let asked = [(0, 20, Under, 0), (0, 1, Over, 0), (2_999, 1, Over, 0), (3_000, 1, Under, 0)];
    for (turn, (after, hits, status, left)) in asked.into_iter().enumerate() {
        let reply = ring.ask(0, at(now + after, bare("smooth", "anna", hits))).await;
        assert_eq!(decision(&reply), (status, left), "step {turn}");
    }
}

#[tokio::test]
async fn declared_drain_empties_the_bucket() {
    let declared = limit("drain", &["limit: 10", "duration: 1m", "behaviors: [DrainOverLimit]"]);
    let ring = one_node(&[&declared]).await;
    for (hits, expected) in [(1, (Under, 9)), (100, (Over, 0)), (0, (Under, 0))] {
        assert_eq!(decision(&ring.ask(0, bare("drain", "anna", hits)).await), expected, "{hits} hits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_admit_together_what_the_limit_allows_and_not_one_more() {
    let declared = limit("checkout", &["limit: 100", "duration: 10m"]);
    let ring = Ring::on(Manifests::cluster(3, &[], &[&declared]), 3).await;
    for key in ["anna", "ben", "cleo", "dora"] {
        let asked = (0..300).map(|turn| ring.ask(turn, bare("checkout", key, 1)));
        let replies = join_all(asked).await;
        let admitted = replies.iter().filter(|reply| decision(reply).0 == Under).count();
        assert_eq!(admitted, 100, "of 300 hits of {key}, 100 at each node");
    }
}

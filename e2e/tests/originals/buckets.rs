//! Token buckets, changes of configuration, and what requests may leave out.

use e2e::clock::now_ms;
use proto::gubernator::{Algorithm, Behavior, RateLimitReq};

use super::{any_reset, play};
use crate::requests::{Over, Under, at, decision, leaky, token, with};
use crate::rings::Ring;

const SECOND: i64 = 1_000;

#[tokio::test]
async fn over_the_limit() {
    let ring = Ring::of(6).await;
    for (turn, expected) in [(Under, 1), (Under, 0), (Over, 0)].into_iter().enumerate() {
        let reply = ring.ask(turn, token("over-the-limit", 1, 2, 9 * SECOND)).await;
        assert_eq!(decision(&reply), expected, "hit {turn}");
        assert_eq!(reply.limit, 2);
        assert!(reply.reset_time > now_ms(), "reset_time lies ahead: {}", reply.reset_time);
    }
}

#[tokio::test]
async fn a_token_bucket_is_new_when_its_duration_is_over() {
    let ring = Ring::of(6).await;
    let steps = [(0, 1, Under, 1), (0, 1, Under, 0), (100, 1, Under, 1)];
    play(&ring, &steps, |hits| token("token", hits, 2, 5), any_reset).await;
}

#[tokio::test]
async fn negative_hits_fill_a_token_bucket_above_its_limit() {
    let ring = Ring::of(6).await;
    let steps = [(0, -1, Under, 3), (0, -1, Under, 4), (0, 4, Under, 0), (0, -1, Under, 1)];
    play(&ring, &steps, |hits| token("negative", hits, 2, 5), any_reset).await;
}

#[tokio::test]
async fn drain_over_limit_takes_what_is_left() {
    let ring = Ring::of(6).await;
    let steps = [(0, 0, Under, 10), (0, 1, Under, 9), (0, 100, Over, 0), (0, 0, Under, 0)];
    let drain = Behavior::DrainOverLimit;
    play(&ring, &steps, |hits| with(drain, token("drain-t", hits, 10, 30 * SECOND)), any_reset).await;
    play(&ring, &steps, |hits| with(drain, leaky("drain-l", hits, 10, 30 * SECOND)), any_reset).await;
}

#[tokio::test]
async fn a_request_for_more_than_is_left_takes_nothing() {
    let ring = Ring::of(6).await;
    let steps = [
        (0, 1000, Under, 1000),
        (0, 1500, Over, 1000),
        (0, 500, Under, 500),
        (0, 400, Under, 100),
        (0, 100, Under, 0),
        (0, 1, Over, 0),
    ];
    play(&ring, &steps, |hits| token("more-t", hits, 2000, SECOND), any_reset).await;
    play(&ring, &steps, |hits| leaky("more-l", hits, 2000, SECOND), any_reset).await;
}

#[tokio::test]
async fn a_calendar_minute_ends_with_the_minute() {
    let ring = Ring::of(6).await;
    let minute = Behavior::DurationIsGregorian;
    let start = now_ms().div_euclid(60_000) * 60_000;
    let steps =
        [(1, 1, Under, 59), (0, 1, Under, 58), (0, 58, Under, 0), (0, 1, Over, 0), (61_000, 0, Under, 60)];
    let mut now = start;
    for (turn, (after, hits, status, remaining)) in steps.into_iter().enumerate() {
        now += after;
        let reply = ring.ask(turn, at(now, with(minute, token("minute", hits, 60, 0)))).await;
        assert_eq!(decision(&reply), (status, remaining), "step {turn}");
        assert_eq!(reply.reset_time, now.div_euclid(60_000) * 60_000 + 59_999, "step {turn}");
    }
}

#[tokio::test]
async fn a_changed_limit_moves_what_is_left_with_it() {
    let ring = Ring::of(6).await;
    let steps = [
        (Algorithm::TokenBucket, 100, 99),
        (Algorithm::TokenBucket, 100, 98),
        (Algorithm::TokenBucket, 10, 7),
        (Algorithm::TokenBucket, 10, 6),
        (Algorithm::TokenBucket, 200, 195),
        (Algorithm::LeakyBucket, 100, 99),
        (Algorithm::LeakyBucket, 10, 9),
        (Algorithm::LeakyBucket, 10, 8),
    ];
    let now = now_ms();
    for (turn, (algorithm, limit, remaining)) in steps.into_iter().enumerate() {
        let request = token("change-limit", 1, limit, 9 * SECOND);
        let request = RateLimitReq { algorithm: algorithm.into(), ..request };
        let reply = ring.ask(turn, at(now, request)).await;
        assert_eq!(decision(&reply), (Under, remaining), "step {turn}");
        assert_eq!(reply.limit, limit, "step {turn}");
    }
}

#[tokio::test]
async fn reset_remaining_fills_a_token_bucket_and_ignores_hits() {
    let ring = Ring::of(6).await;
    let steps = [(false, 99), (false, 98), (true, 100), (false, 99)];
    for (turn, (reset, remaining)) in steps.into_iter().enumerate() {
        let request = token("reset", 1, 100, 60 * SECOND);
        let request = if reset { with(Behavior::ResetRemaining, request) } else { request };
        let reply = ring.ask(turn, request).await;
        assert_eq!(decision(&reply), (Under, remaining), "step {turn}");
        assert_eq!(reply.reset_time == 0, reset, "step {turn}: reset_time is 0 after a reset only");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_in_the_item() {
    let ring = Ring::of(6).await;
    let request = token("missing", 1, 10, 1_000);
    let cases = [
        (RateLimitReq { duration: 0, ..request.clone() }, Under, ""),
        (RateLimitReq { limit: 0, unique_key: "missing-limit".into(), ..request.clone() }, Over, ""),
        (RateLimitReq { name: String::new(), ..request.clone() }, Under, "field 'namespace' cannot be empty"),
        (RateLimitReq { unique_key: String::new(), ..request }, Under, "field 'unique_key' cannot be empty"),
    ];
    for (turn, (request, status, error)) in cases.into_iter().enumerate() {
        let reply = ring.ask(turn, request).await;
        assert_eq!((reply.status(), reply.error.as_str()), (status, error), "case {turn}");
    }
}

#[tokio::test]
async fn a_changed_duration_counts_from_the_bucket_s_beginning() {
    let ring = Ring::of(6).await;
    let now = now_ms();
    let first = ring.ask(0, at(now, token("longer", 1, 10, 5_000))).await;
    assert_eq!(first.reset_time, now + 5_000);
    let longer = ring.ask(1, at(now + 1_000, token("longer", 1, 10, 8_000))).await;
    assert_eq!((decision(&longer), longer.reset_time), ((Under, 8), now + 8_000));

    let begun = now - 100_000;
    let old = ring.ask(2, at(begun, token("shorter", 1, 10, 500_000))).await;
    assert_eq!(old.reset_time, begun + 500_000);
    let renewed = ring.ask(3, at(now, token("shorter", 1, 10, 8_000))).await;
    assert_eq!((decision(&renewed), renewed.reset_time), ((Under, 9), now + 8_000));
}

#[tokio::test]
async fn two_keys_of_other_nodes_come_back_in_order_with_their_own_values() {
    let ring = Ring::of(6).await;
    // Two keys that the first node does not own, by its own word.
    let mut keys = Vec::new();
    for number in 0..64 {
        let key = format!("account:{number}");
        let reply = ring.ask(0, token(&key, 0, 10, 60 * SECOND)).await;
        if reply.metadata.contains_key("owner") {
            keys.push(key);
        }
    }
    assert!(keys.len() >= 2, "of 64 keys, some belong to the other five nodes: {keys:?}");
    let both = vec![token(&keys[0], 1, 2, 60 * SECOND), token(&keys[1], 5, 10, 60 * SECOND)];
    let replies = ring.clients[0].hit(both).await;
    assert_eq!((decision(&replies[0]), replies[0].limit), ((Under, 1), 2));
    assert_eq!((decision(&replies[1]), replies[1].limit), ((Under, 5), 10));
}

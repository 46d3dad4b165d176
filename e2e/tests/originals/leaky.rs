//! Leaky buckets, over time that the requests tell.

use e2e::clock::now_ms;
use proto::gubernator::{Behavior, RateLimitReq};

use super::{any_reset, play};
use crate::requests::{Over, Under, at, decision, leaky, with};
use crate::rings::Ring;

/// Ten hits in 30 seconds: one leaks every three.
const LIMIT: i64 = 10;
const DURATION: i64 = 30_000;
const A_HIT: i64 = DURATION / LIMIT;

fn when_full(now: i64, remaining: i64) -> Option<i64> {
    Some(now + (LIMIT - remaining).max(0) * A_HIT)
}

#[tokio::test]
async fn a_leaky_bucket_leaks() {
    let ring = Ring::of(6).await;
    let steps = [
        (0, 1, Under, 9),
        (1_000, 1, Under, 8),
        (1_000, 1, Under, 7),
        (1_500, 0, Under, 8),
        (3_000, 0, Under, 9),
        (0, 9, Under, 0),
        (0, 1, Over, 0),
        (3_000, 0, Under, 1),
        (60_000, 0, Under, 10),
        (60_000, 10, Under, 0),
        (29_000, 9, Under, 0),
        (3_000, 1, Under, 0),
    ];
    play(&ring, &steps, |hits| leaky("leaks", hits, LIMIT, DURATION), when_full).await;
}

#[tokio::test]
async fn a_burst_is_taken_at_once_and_leaks_as_slowly() {
    let ring = Ring::of(6).await;
    let steps = [
        (0, 1, Under, 19),
        (1_000, 1, Under, 18),
        (1_000, 1, Under, 17),
        (1_500, 0, Under, 18),
        (3_000, 0, Under, 19),
        (0, 19, Under, 0),
        (0, 1, Over, 0),
        (3_000, 0, Under, 1),
        (60_000, 0, Under, 20),
    ];
    let request = |hits| RateLimitReq { burst: 20, ..leaky("burst", hits, LIMIT, DURATION) };
    play(&ring, &steps, request, when_full).await;
}

#[tokio::test]
async fn negative_hits_give_back_to_a_leaky_bucket() {
    let ring = Ring::of(6).await;
    let steps = [(0, 1, Under, 9), (0, -1, Under, 10), (0, 10, Under, 0), (0, -1, Under, 1)];
    play(&ring, &steps, |hits| leaky("negative", hits, LIMIT, DURATION), when_full).await;
}

#[tokio::test]
async fn a_leaky_calendar_minute_leaks_a_hit_a_second() {
    let ring = Ring::of(6).await;
    let start = now_ms().div_euclid(60_000) * 60_000 + 5_000;
    for (turn, (after, remaining)) in [(0, 59), (500, 58), (1_700, 58)].into_iter().enumerate() {
        let request = with(Behavior::DurationIsGregorian, leaky("calendar", 1, 60, 0));
        let reply = ring.ask(turn, at(start + after, request)).await;
        assert_eq!(decision(&reply), (Under, remaining), "step {turn}");
    }
}

#[tokio::test]
async fn half_a_millisecond_a_hit_is_counted_exactly() {
    let ring = Ring::of(6).await;
    let steps = [(0, 1, Under, 1999), (0, 100, Under, 1899)];
    play(&ring, &steps, |hits| leaky("division", hits, 2000, 1_000), any_reset).await;
}

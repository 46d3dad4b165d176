//! Gubernator's own functional tests, those that need neither its stopped clock nor GLOBAL, restated: the
//! same requests, asked of a ring of six nodes by turns, and the same answers. Where the original moved
//! its clock, the requests say when they happened.

mod buckets;
mod gateway;
mod leaky;
mod peers;
mod ring;

use e2e::clock::now_ms;
use proto::gubernator::{RateLimitReq, Status};

use crate::requests::{at, decision};
use crate::rings::Ring;

/// Milliseconds after the last step, hits, and what the reply decides.
type Step = (i64, i64, Status, i64);

/// Plays `steps` on one key, each at the next node, and compares what they decide and, where `reset` says
/// what it is, the reset time at an instant with so much remaining.
async fn play(
    ring: &Ring,
    steps: &[Step],
    request: impl Fn(i64) -> RateLimitReq,
    reset: impl Fn(i64, i64) -> Option<i64>,
) {
    let mut now = now_ms();
    for (turn, &(after, hits, status, remaining)) in steps.iter().enumerate() {
        now += after;
        let reply = ring.ask(turn, at(now, request(hits))).await;
        assert_eq!(decision(&reply), (status, remaining), "step {turn}: {hits} hits");
        assert_eq!(reply.limit, request(hits).limit, "step {turn}");
        if let Some(reset) = reset(now, remaining) {
            assert_eq!(reply.reset_time, reset, "step {turn}: reset_time");
        }
    }
}

/// For sequences whose reset times are looked at elsewhere.
fn any_reset(_: i64, _: i64) -> Option<i64> {
    None
}

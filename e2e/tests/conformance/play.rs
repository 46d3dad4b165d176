//! Sends one sequence at its own pace, on keys that no other run uses.

use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::clock::{now_ms, wall_clock_says};
use proto::gubernator::RateLimitReq;

use super::compare::difference;
use super::recorded::{Asked, Sequence};
use super::wire::Wire;

/// A step that was answered later than this spoils its sequence. Where requests carry their instant, no
/// step comes within 120 ms of an expiry; where the server's clock rules, reset times are compared to 40 ms.
fn max_late(sequence: &Sequence) -> i64 {
    if sequence.created_at { 100 } else { 35 }
}

/// How far the steps of a calendar sequence stay from the ends of the minute.
const MARGIN: i64 = 3_000;
const MINUTE: i64 = 60_000;
/// Paced sequences begin this much later than now, so that their first step is on time.
const HEADWAY: i64 = 50;
/// They do not all begin at once, but spread over this time.
const SPREAD: u64 = 4_000;

/// What came of a sequence.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) replies: usize,
    pub(crate) differences: Vec<String>,
    /// A step came too late, so that the differences mean nothing.
    pub(crate) late: bool,
    pub(crate) repeats: usize,
}

/// Plays `sequence` once. A later attempt begins a little later, away from what was in its way.
pub(crate) async fn play(wire: &Wire, sequence: &Sequence, attempt: usize) -> Played {
    let suffix = suffix();
    let base = base(sequence, attempt);
    let mut played = Played::default();
    for (index, step) in sequence.steps.iter().enumerate() {
        let due = base + step.dt;
        if sequence.paced {
            wall_clock_says(due).await;
        }
        let requests = step.requests.iter().map(|asked| request(sequence, asked, due, &suffix)).collect();
        let replies = wire.ask(requests).await;
        if sequence.paced && now_ms() - due > max_late(sequence) {
            return Played { late: true, ..played };
        }
        assert_eq!(replies.len(), step.responses.len(), "{} step {index}: replies", sequence.id);
        for (item, (reply, answered)) in replies.iter().zip(&step.responses).enumerate() {
            played.replies += 1;
            if let Some(text) = difference(sequence, answered, reply, base, &suffix) {
                played.differences.push(format!("{} step {index} item {item}: {text}", sequence.id));
            }
        }
    }
    played
}

fn suffix() -> String {
    static PLAYED: AtomicUsize = AtomicUsize::new(0);
    format!("~{}", PLAYED.fetch_add(1, Ordering::Relaxed))
}

/// When the sequence begins: where the calendar matters, at an instant with its phase in the minute.
fn base(sequence: &Sequence, attempt: usize) -> i64 {
    let turn = sequence.seed.wrapping_add(attempt as u64 * 1_009).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let stagger = if sequence.paced { i64::try_from(turn % SPREAD).expect("a few seconds") } else { 0 };
    let soon = now_ms() + if sequence.paced { HEADWAY + stagger } else { 0 };
    match (sequence.turns, sequence.base_time) {
        (Some(true), Some(recorded)) => soon + (recorded - soon).rem_euclid(MINUTE),
        (Some(false), _) => {
            let phase = soon.rem_euclid(MINUTE);
            let fits = MARGIN..=MINUTE - MARGIN - sequence.length();
            if fits.contains(&phase) { soon } else { soon + (MARGIN - phase).rem_euclid(MINUTE) + stagger }
        }
        _ => soon,
    }
}

fn request(sequence: &Sequence, asked: &Asked, due: i64, suffix: &str) -> RateLimitReq {
    let unique_key =
        if asked.unique_key.is_empty() { String::new() } else { format!("{}{suffix}", asked.unique_key) };
    RateLimitReq {
        name: asked.name.clone(),
        unique_key,
        hits: asked.hits,
        limit: asked.limit,
        duration: asked.duration,
        algorithm: asked.algorithm,
        behavior: asked.behavior,
        burst: asked.burst,
        created_at: sequence.created_at.then_some(due),
        ..RateLimitReq::default()
    }
}

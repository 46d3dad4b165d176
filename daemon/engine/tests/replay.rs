//! What the original answered, put down verbatim: every reply must be ours, to the last number.

use std::path::PathBuf;

use serde::Deserialize;
use wicketgate_engine::{Behavior, Calendar, HitError, Interval, Request, Status, Table, UnixMillis};

/// Where a sequence may begin if it names no time of its own: 2023-11-14T22:13:10Z. It lies in a
/// minute with 50 seconds to come, as the calendar sequences ask.
const BASE: i64 = 1_699_999_990_000;

#[derive(Deserialize)]
struct Sequence {
    id: String,
    created_at: bool,
    base_time: Option<i64>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    dt: i64,
    requests: Vec<Asked>,
    responses: Vec<Reply>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    name: String,
    unique_key: String,
    hits: i64,
    limit: i64,
    duration: i64,
    algorithm: i32,
    behavior: i32,
    burst: i64,
}

#[derive(Debug, Deserialize)]
struct Reply {
    status: String,
    limit: i64,
    remaining: i64,
    reset_dt: Option<i64>,
    error: String,
    interval: Option<InInterval>,
}

#[derive(Debug, Deserialize)]
struct InInterval {
    code: i64,
    dt: i64,
}

pub(crate) fn testdata(file: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../e2e/testdata", file].iter().collect();
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a node of one puts before the engine's words.
fn item_error(asked: &Asked, error: HitError) -> String {
    let step = match error {
        HitError::EmptyKey | HitError::EmptyName => return error.to_string(),
        HitError::UnknownInterval(algorithm) if algorithm.number() == 0 => "Error in tokenBucket: ",
        HitError::UnknownInterval(_) => "Error in leakyBucket: ",
        _ => "",
    };
    let key = format!("{}_{}", asked.name, asked.unique_key);
    format!("Error while apply rate limit for '{key}': during workerPool.GetRateLimit: {step}{error}")
}

/// Status, limit, remaining, reset_time, error.
type Answer = (String, i64, i64, i64, String);

fn ours(table: &Table, calendar: &Calendar, asked: &Asked, at: UnixMillis) -> Answer {
    let request = Request {
        name: &asked.name,
        unique_key: &asked.unique_key,
        hits: asked.hits,
        limit: asked.limit,
        duration: asked.duration,
        algorithm: asked.algorithm,
        behavior: Behavior::from_bits(asked.behavior),
        burst: asked.burst,
    };
    match request.check(at, calendar) {
        Ok(hit) => {
            let verdict = table.hit(&hit);
            let status = match verdict.status {
                Status::UnderLimit => "UNDER_LIMIT",
                Status::OverLimit => "OVER_LIMIT",
            };
            let reset_time = verdict.reset_time.get();
            (status.to_owned(), verdict.limit, verdict.remaining, reset_time, String::new())
        }
        Err(error) => ("UNDER_LIMIT".to_owned(), 0, 0, 0, item_error(asked, error)),
    }
}

fn theirs(reply: &Reply, calendar: &Calendar, base: i64) -> Answer {
    let reset_time = match (&reply.interval, reply.reset_dt) {
        (Some(within), _) => {
            let interval = Interval::from_code(within.code).expect("a code");
            calendar.span(interval, UnixMillis::new(base + within.dt)).last.get()
        }
        (None, Some(dt)) => base + dt,
        (None, None) => 0,
    };
    (reply.status.clone(), reply.limit, reply.remaining, reset_time, reply.error.clone())
}

#[test]
fn every_recorded_reply_is_ours() {
    let (table, calendar) = (Table::new(100_000), Calendar::utc());
    let (mut compared, mut differences) = (0, Vec::new());
    for line in testdata("gubernator.jsonl").lines() {
        let sequence: Sequence = serde_json::from_str(line).expect("a sequence");
        let base = sequence.base_time.unwrap_or(BASE);
        for step in &sequence.steps {
            let at = UnixMillis::new(base + step.dt);
            assert_eq!(step.requests.len(), step.responses.len(), "{}", sequence.id);
            for (asked, reply) in step.requests.iter().zip(&step.responses) {
                let (ours, theirs) = (ours(&table, &calendar, asked, at), theirs(reply, &calendar, base));
                compared += 1;
                // Without created_at the original's clock ruled, and recorded a few milliseconds late.
                let slack = if sequence.created_at { 0 } else { 40 };
                let near = ours.3.abs_diff(theirs.3) <= slack;
                if !near || (&ours.0, ours.1, ours.2, &ours.4) != (&theirs.0, theirs.1, theirs.2, &theirs.4) {
                    differences.push(format!(
                        "{} at {}: {asked:?}\n ours   {ours:?}\n theirs {theirs:?}",
                        sequence.id, step.dt
                    ));
                }
            }
        }
    }
    println!("{compared} recorded replies compared, {} differences", differences.len());
    let shown: Vec<_> = differences.iter().take(5).cloned().collect();
    assert!(differences.is_empty(), "{} differences, the first:\n{}", differences.len(), shown.join("\n"));
    assert_eq!(compared, 21_024, "the recording is not whole");
}

//! What must hold over any sequence of requests, whatever the numbers.

use proptest::prelude::*;
use wicketgate_engine::{Behavior, Calendar, Status, Table, UnixMillis, Verdict};

use crate::model::Model;
use crate::operation::{Operation, START, Sequence};

const RESET: i32 = Behavior::RESET_REMAINING.bits();
const DRAIN: i32 = Behavior::DRAIN_OVER_LIMIT.bits();

fn table() -> Table {
    Table::with_seed(1_000, 0)
}

/// Asks the table; `None` where the request never reaches a bucket.
fn ask(table: &Table, calendar: &Calendar, operation: &Operation) -> Option<Verdict> {
    let hit = operation.request("n").check(operation.instant(), calendar).ok()?;
    Some(table.hit(&hit))
}

/// Sequences of all kinds: the same that the model is compared on.
fn sequences() -> impl Strategy<Value = Sequence> {
    prop::collection::vec(any::<u8>(), 0..600).prop_map(|bytes| Sequence::from_bytes(&bytes))
}

/// One key under one configuration, time going forward, nothing given back: what a user counts on.
#[derive(Clone, Debug)]
struct Plain {
    operations: Vec<Operation>,
    limit: i64,
    burst: i64,
    duration: i64,
}

fn plain(algorithm: i32) -> impl Strategy<Value = Plain> {
    let steps = prop::collection::vec((0..40_i64, 0..8_i64, prop::bool::weighted(0.1)), 1..80);
    (0..20_i64, 0..30_i64, 1..200_i64, steps).prop_map(move |(limit, burst, duration, steps)| {
        let mut at = START;
        let operations = steps.into_iter().map(|(wait, hits, drain)| {
            at += wait;
            let behavior = if drain { DRAIN } else { 0 };
            Operation { at, key: 0, hits, limit, duration, algorithm, behavior, burst }
        });
        let burst = match (limit, burst) {
            (0, _) => 0,
            (_, 0) => limit,
            _ => burst,
        };
        Plain { operations: operations.collect(), limit, burst, duration }
    })
}

/// When hits were accepted, how many, and what the reply said.
fn accepted(plain: &Plain) -> Vec<(i64, i64, Verdict)> {
    let (table, calendar) = (table(), Calendar::utc());
    let answers = plain.operations.iter().map(|operation| {
        let verdict = ask(&table, &calendar, operation).expect("a plain request is asked");
        (operation.at, operation.hits, verdict)
    });
    answers.filter(|(_, hits, verdict)| *hits > 0 && verdict.status == Status::UnderLimit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_token_window_admits_its_limit(plain in plain(0)) {
        let accepted = accepted(&plain);
        for &(_, _, opening) in &accepted {
            // One bucket lives from its first hit to its reset_time.
            let of_window = accepted.iter().filter(|(_, _, verdict)| verdict.reset_time == opening.reset_time);
            let hits: i64 = of_window.map(|(_, hits, _)| hits).sum();
            prop_assert!(hits <= plain.limit, "{hits} of {}", plain.limit);
        }
        // Two windows are never less than a duration apart, so any stretch of one sees two at most.
        for &(from, _, _) in &accepted {
            let within = accepted.iter().filter(|(at, _, _)| (from..=from + plain.duration).contains(at));
            let hits: i64 = within.map(|(_, hits, _)| hits).sum();
            prop_assert!(hits <= 2 * plain.limit, "{hits} of twice {}", plain.limit);
        }
    }

    #[test]
    fn a_leaky_bucket_admits_its_burst_and_its_rate(plain in plain(1)) {
        let accepted = accepted(&plain);
        for (index, &(from, _, _)) in accepted.iter().enumerate() {
            let mut hits = 0;
            for &(to, more, _) in &accepted[index..] {
                hits += more;
                let allowed = plain.burst + (to - from) * plain.limit / plain.duration;
                prop_assert!(hits <= allowed, "{hits} in {} ms, allowed {allowed}", to - from);
            }
        }
    }

    #[test]
    fn a_refused_request_takes_nothing(plain in prop_oneof![plain(0), plain(1)]) {
        let (with, without, calendar) = (table(), table(), Calendar::utc());
        let mut lives_until = i64::MIN;
        for operation in &plain.operations {
            // No over-ask: it empties a leaky bucket that is new, and a refusal before it makes the
            // bucket live longer.
            let most = if operation.is_leaky() { plain.burst } else { i64::MAX };
            let operation = Operation { behavior: 0, hits: operation.hits.min(most), ..*operation };
            // More than there is, but of a bucket that lives: a new leaky one is emptied by it, and a
            // token window would open with it.
            let too_many = Operation { hits: plain.limit + plain.burst + 1, ..operation };
            if operation.at <= lives_until {
                let refused = ask(&with, &calendar, &too_many).expect("asked");
                prop_assert_eq!(refused.status, Status::OverLimit);
            }
            let (a, b) = (ask(&with, &calendar, &operation), ask(&without, &calendar, &operation));
            let (a, b) = (a.expect("asked"), b.expect("asked"));
            if operation.hits > 0 {
                prop_assert_eq!(a, b);
            } else {
                // A probe may say that somebody has been refused.
                prop_assert_eq!((a.remaining, a.reset_time), (b.remaining, b.reset_time));
            }
            if !operation.is_leaky() {
                lives_until = b.reset_time.get();
            } else if !operation.is_probe() {
                lives_until = operation.at + plain.duration;
            }
        }
    }

    #[test]
    fn leaky_probes_change_nothing(sequence in sequences()) {
        let (with, without, calendar) = (table(), table(), sequence.calendar());
        for operation in &sequence.operations {
            let probe = Operation { algorithm: 1, hits: 0, behavior: operation.behavior & !RESET, ..*operation };
            ask(&with, &calendar, &probe);
            ask(&with, &calendar, &Operation { limit: 7, duration: 5, burst: 3, ..probe });
            prop_assert_eq!(ask(&with, &calendar, operation), ask(&without, &calendar, operation));
        }
    }

    #[test]
    fn token_probes_of_a_live_bucket_change_nothing(plain in plain(0)) {
        let (with, without, calendar) = (table(), table(), Calendar::utc());
        for operation in &plain.operations {
            let (a, b) = (ask(&with, &calendar, operation), ask(&without, &calendar, operation));
            prop_assert_eq!(a, b);
            let probe = Operation { hits: 0, ..*operation };
            let (first, second) = (ask(&with, &calendar, &probe), ask(&with, &calendar, &probe));
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn any_numbers_are_answered_as_the_model_answers(
        numbers in prop::collection::vec((any::<[i64; 5]>(), 0..2_i32, 0..64_i32, any::<u8>()), 1..40),
    ) {
        let (table, calendar, mut model) = (table(), Calendar::utc(), Model::default());
        for ([at, hits, limit, duration, burst], algorithm, behavior, plain) in numbers {
            // Mostly what passes the check; else nothing but errors would be seen.
            let fold = |number: i64| if plain < 230 { number.checked_abs().unwrap_or(0) } else { number };
            let (limit, burst) = (fold(limit), fold(burst));
            let duration = if behavior & 4 == 0 { fold(duration) } else { duration.rem_euclid(7) };
            let operation = Operation { at, key: 0, hits, limit, duration, algorithm, behavior, burst };
            let Ok(hit) = operation.request("n").check(operation.instant(), &calendar) else { continue };
            let verdict = table.hit(&hit);
            prop_assert_eq!(verdict, model.hit(&hit));
            prop_assert!(verdict.remaining >= 0 && verdict.limit == limit);
        }
    }

    #[test]
    fn retry_after_is_true(sequence in sequences()) {
        let calendar = sequence.calendar();
        let (asked, mut refusals) = (table(), Vec::new());
        for (index, operation) in sequence.operations.iter().enumerate() {
            let Some(verdict) = ask(&asked, &calendar, operation) else { continue };
            let refused = verdict.status == Status::OverLimit && operation.hits > 0;
            prop_assert!(refused || verdict.retry_after.is_none(), "{verdict:?}");
            if let Some(wait) = verdict.retry_after {
                prop_assert!(wait > 0);
                refusals.push((index, wait));
            }
        }
        for (index, wait) in refusals {
            let operation = sequence.operations[index];
            // The end of time never comes, nor does a wait that was cut to what `i64` can say.
            let then = operation.at.saturating_add(wait);
            if wait == i64::MAX || then == i64::MAX {
                continue;
            }
            let again_at = |at| {
                let replayed = table();
                for operation in &sequence.operations[..=index] {
                    ask(&replayed, &calendar, operation);
                }
                ask(&replayed, &calendar, &Operation { at, ..operation }).expect("asked").status
            };
            prop_assert_eq!(again_at(then), Status::UnderLimit, "{:?} after {}", operation, wait);
            prop_assert_eq!(again_at(then - 1), Status::OverLimit, "{:?} before {}", operation, wait);
        }
    }

    #[test]
    fn a_leaky_reset_time_is_never_past(sequence in sequences()) {
        let (table, calendar) = (table(), sequence.calendar());
        for operation in sequence.operations.iter().map(|it| Operation { algorithm: 1, ..*it }) {
            if let Some(verdict) = ask(&table, &calendar, &operation) {
                prop_assert!(verdict.reset_time >= operation.instant(), "{operation:?} {verdict:?}");
            }
        }
    }

    #[test]
    fn a_table_keeps_the_keys_used_last(capacity in 1..12_usize, keys in prop::collection::vec(0..20_u32, 1..200)) {
        let (table, calendar) = (Table::with_seed(capacity, 0), Calendar::utc());
        // The keys, the one used last at the end.
        let mut kept: Vec<u32> = Vec::new();
        for key in keys {
            let name = key.to_string();
            let operation = Operation {
                at: START, key: 0, hits: 1, limit: 1_000, duration: 60_000, algorithm: 0, behavior: 0, burst: 0,
            };
            let hit = operation.request(&name).check(UnixMillis::new(START), &calendar).expect("a hit");
            let found = table.hit(&hit).remaining < 999;
            prop_assert_eq!(found, kept.contains(&key), "key {} of {:?}", key, &kept);
            kept.retain(|&other| other != key);
            kept.push(key);
            if kept.len() > capacity {
                kept.remove(0);
            }
            prop_assert_eq!(table.len(), kept.len());
            prop_assert!(table.len() <= table.capacity());
        }
    }

    #[test]
    fn a_table_never_exceeds_its_capacity(sequence in sequences(), capacity in 1..5_usize) {
        let (table, calendar) = (Table::with_seed(capacity, 0), sequence.calendar());
        for (index, operation) in sequence.operations.iter().enumerate() {
            let name = (index % 7).to_string();
            if let Ok(hit) = operation.request(&name).check(operation.instant(), &calendar) {
                table.hit(&hit);
            }
            if index % 5 == 0 {
                table.sweep(operation.instant(), 3);
            }
            prop_assert!(table.len() <= capacity);
        }
    }
}

#[test]
fn a_large_table_never_exceeds_its_capacity() {
    // Many shards, so that room is also made in a neighbour's.
    let (table, calendar) = (Table::new(20_000), Calendar::utc());
    for key in 0..60_000_u32 {
        let operation = Operation {
            at: START,
            key: 0,
            hits: 1,
            limit: 9,
            duration: 60_000,
            algorithm: i32::from(key % 2 == 0),
            behavior: 0,
            burst: 0,
        };
        ask_by_name(&table, &calendar, &operation, &key.to_string());
        assert!(table.len() <= 20_000);
    }
    assert_eq!(table.len(), 20_000);
    let stats = table.stats();
    assert_eq!((stats.entries, stats.missed, stats.evicted_live), (20_000, 60_000, 40_000));
}

fn ask_by_name(table: &Table, calendar: &Calendar, operation: &Operation, name: &str) {
    let hit = operation.request(name).check(operation.instant(), calendar).expect("a hit");
    table.hit(&hit);
}

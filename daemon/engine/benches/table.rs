//! The table alone: hits that fit, hits that are refused, keys that are new, on one thread and on
//! two, over as many keys as fit into the nearest cache, into the last one, and into neither.
//!
//! `cargo bench -p wicketgate-engine --bench table`

#![allow(clippy::disallowed_methods, reason = "a bench is where time is measured")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wicketgate_engine::{Algorithm, Hit, Table, UnixMillis, Window};

const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);
const NAME: &str = "bench_";
const SIZES: [(&str, u64); 3] = [("1k", 1_000), ("1M", 1_000_000), ("10M", 10_000_000)];

/// Twelve digits, which make an 18-byte key with the name.
fn key(number: u64) -> String {
    format!("{number:012}")
}

fn hit(unique_key: &str, hits: i64, algorithm: Algorithm) -> Hit<'_> {
    let limit = if hits == REFUSED { 1 } else { i64::MAX / 2 };
    Hit {
        name: NAME,
        unique_key,
        hits,
        limit,
        window: Window::Millis(3_600_000),
        algorithm,
        burst: limit,
        reset: false,
        drain: false,
        at: NOW,
    }
}

/// More than any bucket of limit 1 holds.
const REFUSED: i64 = 2;

fn filled(keys: u64, hits: i64, algorithm: Algorithm) -> Table {
    let table = Table::with_seed(usize::try_from(keys).unwrap_or(usize::MAX), 7);
    for number in 0..keys {
        table.hit(&hit(&key(number), hits, algorithm));
    }
    table
}

/// A generator that visits keys without an order that a prefetcher could learn.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Runs `visit` `visits` times in all, on as many threads, and returns how long it took.
fn on_threads(threads: u64, visits: u64, visit: impl Fn(&mut u64) + Sync) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let visit = &visit;
            scope.spawn(move || {
                let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(thread + 1);
                for _ in 0..visits.div_ceil(threads) {
                    visit(&mut state);
                }
            });
        }
    });
    started.elapsed()
}

fn existing(criterion: &mut Criterion) {
    for (what, hits, algorithm) in [
        ("hit", 1, Algorithm::TokenBucket),
        ("hit_leaky", 1, Algorithm::LeakyBucket),
        ("refuse", REFUSED, Algorithm::TokenBucket),
    ] {
        let mut group = criterion.benchmark_group(what);
        group.throughput(Throughput::Elements(1));
        for (size, keys) in SIZES {
            let table = filled(keys, hits, algorithm);
            // Made beforehand: what is measured is the table, not the formatting of keys.
            let names: Vec<String> =
                (0..keys.min(1_000_000)).map(|nth| key(nth * (keys / keys.min(1_000_000)))).collect();
            for threads in [1, 2] {
                group.bench_function(BenchmarkId::new(size, format!("{threads}t")), |bencher| {
                    bencher.iter_custom(|visits| {
                        on_threads(threads, visits, |state| {
                            let name = &names[next(state) as usize % names.len()];
                            black_box(table.hit(&hit(name, hits, algorithm)));
                        })
                    });
                });
            }
        }
        group.finish();
    }
}

fn create(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("create");
    group.throughput(Throughput::Elements(1));
    for (size, keys) in SIZES {
        // A full table: every new key costs another its place, as in a flood of strangers.
        let table = filled(keys, 1, Algorithm::TokenBucket);
        let number = AtomicU64::new(keys);
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new(size, format!("{threads}t")), |bencher| {
                bencher.iter_custom(|visits| {
                    on_threads(threads, visits, |_| {
                        let name = key(number.fetch_add(1, Relaxed));
                        black_box(table.hit(&hit(&name, 1, Algorithm::TokenBucket)));
                    })
                });
            });
        }
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = existing, create
}
criterion_main!(benches);

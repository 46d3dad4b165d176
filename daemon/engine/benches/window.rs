//! Entering and leaving a window, on one thread and on two that share it; and being refused.
//!
//! `cargo bench -p wicketgate-engine --bench window`

#![allow(clippy::disallowed_methods, reason = "a bench is where time is measured")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wicketgate_engine::Tick;
use wicketgate_engine::aimd::{
    AimdSettings, Algorithm, Bounds, BoundsError, Gradient2Settings, Outcome, Settings, VegasSettings, Window,
};

const IN: Tick = Tick::from_micros(1_000);
const OUT: Tick = Tick::from_micros(1_250);

/// Runs `visit` `visits` times on each of so many threads, and returns how long all took.
fn on_threads(threads: u64, visits: u64, visit: impl Fn() + Sync) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..visits).for_each(|_| visit()));
        }
    });
    start.elapsed()
}

fn benches(criterion: &mut Criterion) {
    let algorithms = [
        ("Fixed", Algorithm::Fixed),
        ("SignalCap", Algorithm::SignalCap),
        ("AIMD", Algorithm::Aimd(AimdSettings::default())),
        ("Vegas", Algorithm::Vegas(VegasSettings::default())),
        ("Gradient2", Algorithm::Gradient2(Gradient2Settings::default())),
    ];
    let window = |algorithm, max| -> Result<_, BoundsError> {
        Ok(Arc::new(Window::new(Settings::new(Bounds::new(1, max)?, algorithm), 1)))
    };
    let mut group = criterion.benchmark_group("enter and leave");
    for (name, algorithm) in algorithms {
        let Ok(window) = window(algorithm, 1_000) else { return };
        for threads in [1, 2] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_custom(|visits| {
                    on_threads(threads, visits, || {
                        if let Ok(permit) = black_box(&window).try_enter(None, IN) {
                            permit.finish(Outcome::Success, OUT);
                        }
                    })
                });
            });
        }
    }
    group.finish();
    let Ok(full) = window(Algorithm::Fixed, 1) else { return };
    let held = full.try_enter(None, IN);
    assert!(held.is_ok(), "what follows is to be refused");
    criterion.bench_function("refused", |bencher| {
        bencher.iter(|| black_box(&full).try_enter(black_box(None), black_box(IN)));
    });
    drop(held);
}

criterion_group!(window, benches);
criterion_main!(window);

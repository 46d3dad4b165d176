//! The vectors of the library that these come from.

use super::{gradient2::Average, *};

fn bounds(min: i64, max: i64) -> Bounds {
    Bounds::new(min, max).unwrap()
}

fn sample(millis: u64, in_flight: u32) -> Sample {
    Sample { micros: millis * 1_000, in_flight, dropped: false }
}

fn dropped(millis: u64, in_flight: u32) -> Sample {
    Sample { dropped: true, ..sample(millis, in_flight) }
}

#[test]
fn aimd_vectors() {
    let cases = [
        (20, sample(1, 10), 21),
        (30, dropped(1, 10), 27),
        (30, sample(5_001, 30), 27),
        (30, sample(5_000, 30), 31),
        (30, sample(1, 14), 30),
        (20, dropped(1, 10), 20),
        (200, sample(1, 200), 200),
    ];
    for (before, sample, after) in cases {
        let mut aimd = Aimd::new(AimdSettings::default(), before);
        aimd.observe(sample, bounds(20, 200));
        assert_eq!(aimd.window, after, "{before}, {sample:?}");
    }
}

fn vegas(initial: u32, smoothing: f64) -> Vegas {
    Vegas::new(VegasSettings { smoothing, ..VegasSettings::default() }, initial, 7)
}

fn play(mut vegas: Vegas, bounds: Bounds, samples: &[Sample]) -> Vec<u32> {
    samples
        .iter()
        .map(|&sample| {
            vegas.observe(sample, bounds);
            vegas.window as u32
        })
        .collect()
}

#[test]
fn vegas_vectors() {
    for (second, after) in
        [(sample(10, 11), 16), (sample(50, 11), 9), (sample(14, 14), 10), (dropped(10, 1), 9)]
    {
        assert_eq!(play(vegas(10, 1.0), bounds(1, 20), &[sample(10, 10), second]), [10, after], "{second:?}");
    }
    assert_eq!(
        play(vegas(10_000, 1.0), bounds(1, 20_000), &[sample(10_000, 5_000), sample(10_000, 6_000)]),
        [10_000, 10_024]
    );
    // Less than half in use: no change.
    assert_eq!(play(vegas(10, 1.0), bounds(1, 20), &[sample(10, 10), sample(50, 4)]), [10, 10]);
    // A better latency is only noted.
    assert_eq!(play(vegas(10, 1.0), bounds(1, 20), &[sample(10, 10), sample(5, 10)]), [10, 10]);
}

#[test]
fn vegas_with_a_halving_decrease() {
    let samples = [sample(10, 100), sample(20, 100), sample(20, 100)];
    let halving = |smoothing| vegas(100, smoothing).with_decrease(|window| window / 2.0);
    assert_eq!(play(halving(0.5), bounds(1, 200), &samples), [100, 75, 56]);
    assert_eq!(play(halving(1.0), bounds(1, 200), &samples), [100, 50, 25]);
}

#[test]
fn vegas_measures_the_least_latency_anew() {
    let settings = VegasSettings { probe_multiplier: 1, ..VegasSettings::default() };
    let mut vegas = Vegas::new(settings, 10, 7);
    vegas.observe(sample(10, 1), bounds(10, 10));
    // At a multiplier of one that takes from five to ten samples.
    let until = (1..=10).find(|_| {
        vegas.observe(sample(40, 10), bounds(10, 10));
        vegas.least_latency() == Some(40_000.0)
    });
    assert!(until.is_some_and(|samples| (4..=9).contains(&samples)), "{until:?}");
}

#[test]
fn magnitudes_start_at_one() {
    let cases =
        [(0.0, 1.0), (9.9, 1.0), (99.0, 1.0), (100.0, 2.0), (999.9, 2.0), (1_000.0, 3.0), (10_000.0, 4.0)];
    for (window, expected) in cases {
        assert_eq!(vegas::magnitude(window), expected, "{window}");
    }
}

#[test]
fn gradient2_vectors() {
    let mut gradient2 = Gradient2::new(Gradient2Settings::default(), 20);
    let close =
        |found: f64, expected: f64| assert!((found - expected).abs() < 5e-5, "{found}, not {expected}");
    for step in 1..=12 {
        gradient2.observe(sample(10, 200), bounds(20, 200));
        close(gradient2.window, 20.0 + 0.8 * f64::from(step));
    }
    for expected in [27.44, 25.496, 23.7464, 22.1718, 20.7546, 20.0] {
        gradient2.observe(sample(40, 200), bounds(20, 200));
        close(gradient2.window, expected);
    }
    // Failures do not count, and an idle window stays.
    gradient2.observe(Sample { in_flight: 9, ..dropped(400, 9) }, bounds(20, 200));
    close(gradient2.window, 20.0);
}

#[test]
fn the_long_average_begins_as_a_mean() {
    let mut average = Average::new(100);
    let last = (10..20).map(|sample| average.add(f64::from(sample))).last();
    assert_eq!(last, Some(14.5));
    assert!((average.add(100.0) - 16.193).abs() < 1e-3);
}

#[test]
fn the_long_average_comes_down_by_itself_after_a_slow_spell() {
    let mut gradient2 = Gradient2::new(Gradient2Settings::default(), 20);
    gradient2.observe(sample(100, 1), bounds(20, 200));
    let before = gradient2.long_latency();
    // The mean of 100 and 10 is 55, more than twice 10.
    gradient2.observe(sample(10, 1), bounds(20, 200));
    assert_eq!((before, gradient2.long_latency()), (100_000.0, 55_000.0 * 0.95));
}

#[test]
fn settings_out_of_reason_do_no_harm() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e308] {
        let algorithms = [
            Algorithm::Aimd(AimdSettings { backoff: odd, timeout_micros: 0 }),
            Algorithm::Vegas(VegasSettings { smoothing: odd, probe_multiplier: u32::MAX }),
            Algorithm::Gradient2(Gradient2Settings {
                smoothing: odd,
                queue: u32::MAX,
                long_window: 0,
                tolerance: odd,
            }),
        ];
        for algorithm in algorithms {
            let bounds = bounds(3, 50);
            let mut estimator = Estimator::new(algorithm, bounds, Some(u32::MAX), 1).unwrap();
            for micros in [0, 1, u64::MAX, 7, 0] {
                estimator.observe(Sample { micros, in_flight: u32::MAX, dropped: micros == 7 }, bounds);
                let window = estimator.window();
                assert!((3..=50).contains(&window), "{algorithm:?} at {micros}: {window}");
            }
        }
    }
}

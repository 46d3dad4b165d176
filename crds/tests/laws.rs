//! What holds for any input.

use proptest::prelude::*;
use wicketgate_crds::{decimal::Decimal, document::DaemonDocument, duration::GoDuration, manifest};

/// Lines that are nearly a manifest, in any order and depth.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("apiVersion: wicketgate.dev/v1alpha1"),
        Just("kind: RateLimit"),
        Just("kind: BackpressurePolicy"),
        Just("metadata: {name: a}"),
        Just("spec:"),
        Just("spec: {clusterRef: {name: main}, limit: 1, duration: 1m}"),
        Just("limit: -9223372036854775809"),
        Just("duration: 9999999999d"),
        Just("overrides: [{key: a, limit: .inf}, {}]"),
        Just("- &a [*a]"),
        Just("<<: *a"),
        Just("---"),
        Just("..."),
        Just("? {a: b}"),
        Just("| \u{0}"),
    ];
    (0usize..3, word).prop_map(|(depth, word)| format!("{}{word}\n", "  ".repeat(depth)))
}

proptest! {
    #[test]
    fn reading_never_panics_and_always_answers(lines in prop::collection::vec(line(), 0..24)) {
        let text = lines.concat();
        let found = manifest::read([("f", &text)]);
        for problem in &found.problems {
            let last = text.lines().count().max(1) as u64;
            prop_assert!((1..=last).contains(&problem.place.line), "{problem} in {text:?}");
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = manifest::read([("f", &text)]);
        let _ = DaemonDocument::parse(&text);
        let _ = text.parse::<GoDuration>();
        let _ = text.parse::<Decimal>();
    }

    #[test]
    fn durations_are_read_as_they_are_written(millis in 0u64..9_000_000_000_000) {
        let duration = GoDuration::from_millis(millis);
        prop_assert_eq!(duration.to_string().parse::<GoDuration>(), Ok(duration));
    }

    #[test]
    fn decimals_are_read_as_they_are_written(nanos in any::<i64>()) {
        let decimal = Decimal::from_nanos(nanos);
        prop_assert_eq!(decimal.to_string().parse::<Decimal>(), Ok(decimal));
    }
}

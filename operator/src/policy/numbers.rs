//! The numbers of a policy's status, and when they are worth writing again. Pure.

use std::time::Duration;

use crds::{
    backpressure::{BackpressurePolicyStatus, SignalStatus},
    decimal::Decimal,
    duration::GoDuration,
};

use super::measured::{Measured, SignalMeasured};

/// How often numbers that have moved are written at most.
pub(super) const MOVED: Duration = Duration::from_secs(10);
/// How often numbers that have changed at all are.
const CHANGED: Duration = Duration::from_secs(30);
/// The longest error of a signal in a status, in bytes; its schema allows as many characters.
const ERROR_BYTES: usize = 1024;

/// A status with these numbers and nothing else; all absent where nothing is known.
pub(super) fn of(measured: Option<&Measured>) -> BackpressurePolicyStatus {
    let Some(measured) = measured else { return BackpressurePolicyStatus::default() };
    BackpressurePolicyStatus {
        summary: Some(format!("{}/{}", measured.window.total, measured.widest)),
        window: Some(measured.window.clone()),
        in_flight: Some(measured.in_flight),
        allowance: Some(thousandths(measured.allowance)),
        signals: measured.signals.iter().map(signal).collect(),
        ..BackpressurePolicyStatus::default()
    }
}

/// Puts the numbers of `from` into `into`.
pub(super) fn copy(from: &BackpressurePolicyStatus, into: &mut BackpressurePolicyStatus) {
    let BackpressurePolicyStatus { summary, window, in_flight, allowance, signals, .. } = from.clone();
    (into.summary, into.window, into.in_flight) = (summary, window, in_flight);
    (into.allowance, into.signals) = (allowance, signals);
}

/// How long numbers must have stood before those of `after` are worth writing over those of `before`;
/// nothing where they are not. That time has passed is no reason: ages do not count.
pub(super) fn patience(
    before: &BackpressurePolicyStatus,
    after: &BackpressurePolicyStatus,
) -> Option<Duration> {
    let (Some(was), Some(is)) = (&before.window, &after.window) else {
        // Throttling is known from then on, or no longer, which is written without waiting for this.
        return (before.window != after.window).then_some(MOVED);
    };
    // Of a window that is small, one slot is much.
    let slots = (widest(after) / 100).max(1).unsigned_abs();
    let moved = was.total.abs_diff(is.total) >= slots
        || widest(before) != widest(after)
        || far(before.allowance, after.allowance, |_| 0.01)
        || before.signals.len() != after.signals.len()
        || before.signals.iter().zip(&after.signals).any(|(before, after)| {
            before.name != after.name
                || before.error != after.error
                || before.value.is_some() != after.value.is_some()
                || before.value != after.value && far(before.value, after.value, |value| value.abs() / 100.0)
        });
    if moved {
        return Some(MOVED);
    }
    let changed = was != is || before.in_flight != after.in_flight || before.summary != after.summary;
    changed.then_some(CHANGED)
}

/// The widest window, which the summary has behind the slash.
fn widest(status: &BackpressurePolicyStatus) -> i64 {
    let summary = status.summary.as_deref().unwrap_or_default();
    summary.split_once('/').and_then(|(_, widest)| widest.parse().ok()).unwrap_or(0)
}

/// Whether two numbers are at least so far apart. What only rounding keeps nearer is.
fn far(before: Option<Decimal>, after: Option<Decimal>, least: impl Fn(f64) -> f64) -> bool {
    let (Some(before), Some(after)) = (before, after) else { return before != after };
    let (before, after) = (before.to_f64(), after.to_f64());
    (before - after).abs() >= least(before) * (1.0 - 1e-9)
}

fn signal(measured: &SignalMeasured) -> SignalStatus {
    let mut error = match &measured.fault {
        Some(fault) => fault.text(),
        None if measured.age.is_none() => "no answer has come yet".to_owned(),
        None => String::new(),
    };
    error.truncate(error.floor_char_boundary(ERROR_BYTES));
    SignalStatus {
        name: measured.name.clone(),
        value: measured.value,
        age: measured.age.map(|age| GoDuration::from_secs(age.get().as_secs())),
        error,
    }
}

/// Cut, and not rounded: a window that is cut a little is not whole.
fn thousandths(share: Decimal) -> Decimal {
    Decimal::from_f64((share.to_f64() * 1000.0 + 1e-6).floor() / 1000.0)
}

#[cfg(test)]
mod tests {
    use crds::backpressure::WindowStatus;

    use super::*;

    fn measured() -> Measured {
        Measured {
            window: WindowStatus { total: 150, min: 50, max: 50 },
            widest: 300,
            in_flight: 7,
            allowance: Decimal::from_f64(0.641_18),
            throttling: true,
            signals: vec![SignalMeasured {
                name: "errors".into(),
                value: Some(Decimal::from_integer(200)),
                age: Some(GoDuration::from_millis(3_700)),
                unanswered: Vec::new(),
                cutting: None,
                fault: None,
            }],
        }
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        let status = of(Some(&measured()));
        assert_eq!(status.summary.as_deref(), Some("150/300"));
        assert_eq!(status.allowance.unwrap().to_string(), "0.641");
        assert_eq!(status.signals[0].age.unwrap().to_string(), "3s");
        for (share, shown) in [(1.0, "1"), (0.9999, "0.999"), (0.29, "0.29"), (0.0, "0")] {
            assert_eq!(thousandths(Decimal::from_f64(share)).to_string(), shown);
        }
    }

    #[test]
    fn what_moves_much_waits_shorter_and_age_is_no_reason() {
        let first = of(Some(&measured()));
        let patience_of = |change: fn(&mut Measured)| {
            let mut next = measured();
            change(&mut next);
            patience(&first, &of(Some(&next)))
        };
        assert_eq!(patience_of(|_| ()), None);
        assert_eq!(patience_of(|next| next.signals[0].age = Some(GoDuration::ZERO)), None);
        assert_eq!(patience_of(|next| next.window.total += 3), Some(MOVED));
        assert_eq!(patience_of(|next| next.window.total += 2), Some(CHANGED));
        assert_eq!(patience_of(|next| next.in_flight = 9), Some(CHANGED));
        assert_eq!(patience_of(|next| next.allowance = Decimal::from_f64(0.631)), Some(MOVED));
        assert_eq!(patience_of(|next| next.allowance = Decimal::from_f64(0.635)), None);
        let value = |next: &mut Measured, value| next.signals[0].value = Some(Decimal::from_integer(value));
        assert_eq!(patience_of(|next| next.signals[0].value = None), Some(MOVED));
        let mut near = measured();
        value(&mut near, 201);
        assert_eq!(patience(&first, &of(Some(&near))), None);
        value(&mut near, 202);
        assert_eq!(patience(&first, &of(Some(&near))), Some(MOVED));
        assert_eq!(patience(&BackpressurePolicyStatus::default(), &first), Some(MOVED));
    }
}

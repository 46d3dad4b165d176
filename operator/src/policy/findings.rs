//! What the conditions SignalsHealthy and Throttling say. Pure.

use crds::{
    backpressure::{BackpressurePolicySpec, OnSignalLoss, Signal},
    condition::{Condition, ConditionType, Reason},
    decimal::Decimal,
};

use super::measured::{Measured, SignalMeasured};
use crate::{
    board::names,
    conditions::{Finding, Truth},
    declared::turns::{THROTTLING, UNHEALTHY},
};

/// Whether every signal has a fresh value on every pod that reports. `before` is what was said last.
pub(super) fn signals_healthy(
    spec: &BackpressurePolicySpec,
    measured: Option<&Measured>,
    before: &[Condition],
) -> Finding {
    let kind = ConditionType::SignalsHealthy;
    if spec.signals.is_empty() {
        return Finding::new(kind, true, Reason::NoSignals, "the policy has no signals");
    }
    let unknown = |message: &str| match UNHEALTHY.unknown(before) {
        Reason::WasUnhealthy => {
            let message = format!("{message}; not all were well when last it was known");
            Finding::new(kind, Truth::Unknown, Reason::WasUnhealthy, message)
        }
        reason => Finding::new(kind, Truth::Unknown, reason, message),
    };
    let Some(measured) = measured else { return unknown("no ready pod tells of its signals") };
    let faulty = || measured.signals.iter().filter_map(|signal| Some((&signal.name, signal.fault.as_ref()?)));
    if faulty().next().is_some() {
        let lost = faulty().any(|(_, fault)| fault.lost);
        let reason = if lost { Reason::SignalLost } else { Reason::QueryFailed };
        let faults: Vec<String> =
            faulty().map(|(name, fault)| format!("{name} on {}: {}", fault.pod, fault.text())).collect();
        return Finding::new(kind, false, reason, faults.join("; "));
    }
    let waiting: Vec<String> = spec.signals.iter().filter_map(|signal| waiting(measured, signal)).collect();
    if waiting.is_empty() {
        let message = "every signal has a fresh value on every ready pod that reports";
        return Finding::new(kind, true, Reason::SignalsFresh, message);
    }
    unknown(&format!("no answer has come yet for {}", waiting.join("; ")))
}

/// A signal and the pods on which it has had no answer yet, if there are any.
fn waiting(measured: &Measured, signal: &Signal) -> Option<String> {
    let Some(known) = find(measured, signal) else { return Some(format!("{} on any pod", signal.name)) };
    (!known.unanswered.is_empty()).then(|| format!("{} on {}", signal.name, names(&known.unanswered)))
}

/// Whether a signal cuts a pod's window. `allowance` is the one that the status shows, `before` is what was
/// said last.
pub(super) fn throttling(
    spec: &BackpressurePolicySpec,
    measured: Option<&Measured>,
    allowance: Option<Decimal>,
    before: &[Condition],
) -> Finding {
    let kind = ConditionType::Throttling;
    let Some(measured) = measured else {
        let reason = THROTTLING.unknown(before);
        let message = match reason {
            Reason::WasCut => "no ready pod tells of its window; it was cut when last it was known",
            _ => "no ready pod tells of its window",
        };
        return Finding::new(kind, Truth::Unknown, reason, message);
    };
    if !measured.throttling {
        return Finding::new(kind, false, Reason::WindowOpen, "no signal cuts the window");
    }
    let mut message = "the window is cut".to_owned();
    if let Some(allowance) = allowance {
        message.push_str(&format!(" to {allowance} of its size"));
    }
    let by: Vec<&str> = spec
        .signals
        .iter()
        .filter(|signal| find(measured, signal).is_some_and(|measured| cuts(spec, signal, measured)))
        .map(|signal| signal.name.as_str())
        .collect();
    if !by.is_empty() {
        message.push_str(&format!(", by {}", by.join(", ")));
    }
    Finding::new(kind, true, Reason::WindowCut, message)
}

fn find<'m>(measured: &'m Measured, signal: &Signal) -> Option<&'m SignalMeasured> {
    measured.signals.iter().find(|measured| measured.name == signal.name)
}

/// Whether a signal is among those that cut the window.
fn cuts(spec: &BackpressurePolicySpec, signal: &Signal, measured: &SignalMeasured) -> bool {
    let lost = measured.fault.as_ref().is_some_and(|fault| fault.lost);
    let closed =
        spec.prometheus.as_ref().is_some_and(|prometheus| prometheus.on_signal_loss == OnSignalLoss::Closed);
    let high = match (measured.cutting, signal.warning) {
        (Some(value), Some(warning)) => value > warning,
        // Without thresholds, that there is a value says that it fires.
        (value, None) => value.is_some(),
        (None, Some(_)) => false,
    };
    high || lost && closed
}

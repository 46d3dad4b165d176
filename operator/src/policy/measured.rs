//! What the ready pods of a cluster report of one policy, added up. Pure.

use crds::{
    backpressure::WindowStatus,
    decimal::Decimal,
    duration::GoDuration,
    report::{PolicyReport, SignalReport},
};

/// What is known of a policy over the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The window over the pods.
    pub window: WindowStatus,
    /// The widest that it may be, over all pods.
    pub widest: i64,
    /// Requests in flight.
    pub in_flight: i64,
    /// The least share of its window that the signals allow a pod.
    pub allowance: Decimal,
    /// Whether a pod's window is cut by a signal.
    pub throttling: bool,
    /// Its signals, in the order of the spec.
    pub signals: Vec<SignalMeasured>,
}

/// What is known of a signal over the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMeasured {
    /// Its name.
    pub name: String,
    /// The freshest value.
    pub value: Option<Decimal>,
    /// How old the youngest good answer is; nothing where no pod has got one.
    pub age: Option<GoDuration>,
    /// The pods that have not got a good answer yet, sorted.
    pub unanswered: Vec<String>,
    /// The highest value on a pod whose window is cut.
    pub cutting: Option<Decimal>,
    /// What is wrong with it on one of the pods where something is.
    pub fault: Option<SignalFault>,
}

/// What is wrong with a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalFault {
    /// On which pod.
    pub pod: String,
    /// Whether it has been silent for too long there.
    pub lost: bool,
    /// What the pod says of it.
    pub error: String,
}

/// Adds up what `pods` say, each with its name; one that reports may not know of the policy yet. Nothing where
/// none does.
#[must_use]
pub fn measure(pods: &[(&str, Option<&PolicyReport>)]) -> Option<Measured> {
    let reports: Vec<(&str, &PolicyReport)> =
        pods.iter().filter_map(|(pod, report)| Some((*pod, (*report)?))).collect();
    let windows = || reports.iter().map(|(_, report)| report.window);
    let sum = |number: fn(&PolicyReport) -> i64| {
        reports.iter().fold(0_i64, |sum, (_, report)| sum.saturating_add(number(report)))
    };
    let mut signals: Vec<SignalMeasured> = Vec::new();
    for (pod, report) in &reports {
        for signal in &report.signals {
            match signals.iter_mut().find(|known| known.name == signal.name) {
                Some(known) => known.add(pod, report.throttling, signal),
                None => signals.push(SignalMeasured::of(pod, report.throttling, signal)),
            }
        }
    }
    for signal in &mut signals {
        let unanswered =
            pods.iter().filter(|(_, report)| !report.is_some_and(|report| signal.answered(report)));
        signal.unanswered = unanswered.map(|(pod, _)| (*pod).to_owned()).collect();
        signal.unanswered.sort_unstable();
    }
    Some(Measured {
        window: WindowStatus {
            total: sum(|report| report.window),
            min: windows().min()?,
            max: windows().max()?,
        },
        widest: sum(|report| report.max),
        in_flight: sum(|report| report.in_flight),
        allowance: reports.iter().map(|(_, report)| report.allowance).min()?,
        throttling: reports.iter().any(|(_, report)| report.throttling),
        signals,
    })
}

impl Measured {
    /// Whether both say the same, but for ages: those change all the time.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        let ageless = |measured: &Self| {
            let mut ageless = measured.clone();
            ageless.signals.iter_mut().for_each(|signal| signal.age = None);
            ageless
        };
        ageless(self) == ageless(other)
    }
}

impl SignalMeasured {
    fn of(pod: &str, throttling: bool, signal: &SignalReport) -> Self {
        Self {
            name: signal.name.clone(),
            value: signal.value,
            age: signal.age,
            unanswered: Vec::new(),
            cutting: signal.value.filter(|_| throttling),
            fault: SignalFault::of(pod, signal),
        }
    }

    fn add(&mut self, pod: &str, throttling: bool, signal: &SignalReport) {
        if signal.age.is_some_and(|age| self.age.is_none_or(|known| age < known)) {
            (self.value, self.age) = (signal.value, signal.age);
        }
        self.cutting = self.cutting.max(signal.value.filter(|_| throttling));
        let lost = self.fault.as_ref().is_some_and(|fault| fault.lost);
        if self.fault.is_none() || signal.lost && !lost {
            self.fault = SignalFault::of(pod, signal);
        }
    }

    /// Whether the pod that says this has had a good answer. That may have had no value.
    fn answered(&self, report: &PolicyReport) -> bool {
        report.signals.iter().any(|signal| signal.name == self.name && signal.age.is_some())
    }
}

impl SignalFault {
    fn of(pod: &str, signal: &SignalReport) -> Option<Self> {
        (signal.lost || !signal.error.is_empty()).then(|| Self {
            pod: pod.to_owned(),
            lost: signal.lost,
            error: signal.error.clone(),
        })
    }

    /// What is wrong, in one sentence's part.
    #[must_use]
    pub fn text(&self) -> String {
        match (self.lost, self.error.as_str()) {
            (true, "") => "silent for longer than maxStaleness".to_owned(),
            (true, error) => format!("silent for longer than maxStaleness: {error}"),
            (false, error) => error.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn measured(reports: &[(&str, &PolicyReport)]) -> Measured {
        let pods: Vec<_> = reports.iter().map(|(pod, report)| (*pod, Some(*report))).collect();
        measure(&pods).unwrap()
    }

    fn report(with: Value) -> PolicyReport {
        let mut report = json!({
            "source": {"namespace": "shop", "name": "a"}, "window": 5, "max": 9, "inFlight": 1,
            "allowance": "1", "throttling": false,
        });
        for (name, value) in serde_json::from_value::<serde_json::Map<_, _>>(with).unwrap() {
            report[name] = value;
        }
        serde_json::from_value(report).unwrap()
    }

    fn signal(value: &str, age: &str) -> Value {
        json!([{"name": "errors", "value": value, "age": age}])
    }

    #[test]
    fn nobody_has_said_nothing() {
        assert_eq!(measure(&[]), None);
        assert_eq!(measure(&[("main-0", None)]), None);
    }

    #[test]
    fn numbers_are_added_and_the_least_allowance_counts() {
        let (a, b) = (
            report(json!({"window": 2, "inFlight": 2, "allowance": "0.25", "throttling": true})),
            report(json!({"window": 7})),
        );
        let measured = measured(&[("main-0", &a), ("main-1", &b)]);
        assert_eq!(measured.window, WindowStatus { total: 9, min: 2, max: 7 });
        assert_eq!((measured.widest, measured.in_flight), (18, 3));
        assert_eq!((measured.allowance.to_string().as_str(), measured.throttling), ("0.25", true));
    }

    #[test]
    fn the_freshest_value_is_shown_and_the_highest_cuts() {
        let (a, b) = (
            report(json!({"throttling": true, "signals": signal("3", "9s")})),
            report(json!({"signals": signal("1", "2s")})),
        );
        for pods in [[("main-0", &a), ("main-1", &b)], [("main-1", &b), ("main-0", &a)]] {
            let errors = measured(&pods).signals.remove(0);
            assert_eq!(errors.value, Some(Decimal::from_integer(1)));
            assert_eq!(errors.cutting, Some(Decimal::from_integer(3)), "that of the pod that is cut");
            assert_eq!(errors.fault, None);
        }
    }

    #[test]
    fn the_worst_fault_is_named_with_its_pod() {
        let (failed, lost) = (
            report(json!({"signals": [{"name": "errors", "error": "no answer in time"}]})),
            report(json!({"signals": [{"name": "errors", "lost": true}]})),
        );
        let well = report(json!({"signals": signal("1", "2s")}));
        let measured = measured(&[("main-0", &failed), ("main-1", &lost), ("main-2", &well)]);
        let fault = measured.signals[0].fault.clone().unwrap();
        assert_eq!((fault.pod.as_str(), fault.lost), ("main-1", true));
        assert_eq!(fault.text(), "silent for longer than maxStaleness");
        assert_eq!(measured.signals[0].value, Some(Decimal::from_integer(1)));
    }

    #[test]
    fn pods_without_an_answer_are_named_each() {
        let quiet = report(json!({"signals": [{"name": "errors", "age": "2s"}]}));
        let waiting = report(json!({"signals": [{"name": "errors"}]}));
        let (well, older) = (report(json!({"signals": signal("1", "2s")})), report(json!({})));
        let pods = [
            ("main-4", None),
            ("main-3", Some(&waiting)),
            ("main-2", Some(&older)),
            ("main-1", Some(&quiet)),
            ("main-0", Some(&well)),
        ];
        let errors = measure(&pods).unwrap().signals.remove(0);
        assert_eq!(errors.unanswered, ["main-2", "main-3", "main-4"], "an answer without a series is one");
    }

    #[test]
    fn age_alone_is_no_news() {
        let of = |age| measured(&[("main-0", &report(json!({"signals": signal("1", age)})))]);
        assert!(of("1s").agrees(&of("9s")));
        assert_ne!(of("1s"), of("9s"));
    }
}

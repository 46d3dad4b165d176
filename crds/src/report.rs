//! What a daemon says of itself to the operator, which believes nothing else.
//!
//! `GET` [`PATH`] on a daemon's HTTP port answers one report as JSON; with `?watch=true` a stream of
//! them, one a line: the present one at once, another whenever something but a number has changed,
//! and at least one every [`HEARTBEAT`], so that silence means that the daemon is away.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{decimal::Decimal, duration::GoDuration, reference::ObjectName};

/// Where a daemon answers.
pub const PATH: &str = "/wicketgate/v1/report";

/// The longest a stream of reports is silent.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// How one daemon is. Unknown fields are let through: operator and daemon may differ by a version
/// while they are being replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// The revision of the document in force; empty where there is none yet.
    pub revision: String,
    /// The last document, if it was refused; the one before it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Nodes of its ring, itself included.
    pub peers: u32,
    /// A hash of its ring: two daemons with the same one agree on the owner of every key.
    pub ring: String,
    /// Live buckets.
    pub buckets: i64,
    /// Whether it is leaving.
    #[serde(default)]
    pub draining: bool,
    /// The policies of the document in force, sorted by their objects' names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyReport>,
}

impl PodReport {
    /// The report with every number that moves by itself taken out: what is left says whether there is
    /// news.
    #[must_use]
    pub fn without_numbers(&self) -> Self {
        let policies = self.policies.iter().map(|policy| PolicyReport {
            window: 0,
            max: 0,
            in_flight: 0,
            allowance: Decimal::default(),
            signals: policy
                .signals
                .iter()
                .map(|signal| SignalReport {
                    value: signal.value.map(|_| Decimal::default()),
                    age: signal.age.map(|_| GoDuration::ZERO),
                    ..signal.clone()
                })
                .collect(),
            ..policy.clone()
        });
        Self { buckets: 0, policies: policies.collect(), ..self.clone() }
    }
}

/// How one BackpressurePolicy is on one daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// The BackpressurePolicy.
    pub source: ObjectName,
    /// Why the daemon does not serve it, such as a port that is taken; empty: it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// What of it the daemon cannot take over, such as a renewed certificate that cannot be used; it serves
    /// with what it had before. Empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outdated: String,
    /// How many requests may be in flight on this daemon.
    pub window: i64,
    /// The widest that this daemon's window may be.
    pub max: i64,
    /// Requests in flight.
    pub in_flight: i64,
    /// Share of the window that the signals allow, from 0 to 1.
    pub allowance: Decimal,
    /// Whether a signal cuts the window.
    pub throttling: bool,
    /// Its signals, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<SignalReport>,
}

/// How one signal is on one daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalReport {
    /// Its name.
    pub name: String,
    /// Its last value, cut to what a decimal can hold; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// How old the last good answer is; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<GoDuration>,
    /// Why the last question brought no value; empty: it did, or none was asked yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Whether it has been silent for longer than maxStaleness.
    #[serde(default)]
    pub lost: bool,
}

/// A document that a daemon did not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its revision, as it says itself; empty where that cannot be read.
    pub revision: String,
    /// Why.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_news_and_all_else_is() {
        let text = r#"{"revision": "r", "peers": 1, "ring": "x", "buckets": 1, "policies": [{
            "source": {"namespace": "shop", "name": "a"}, "window": 5, "max": 9, "inFlight": 1, "allowance": "0.5",
            "throttling": true, "signals": [{"name": "s", "value": "1", "age": "2s"}]}]}"#;
        let report: PodReport = serde_json::from_str(text).unwrap();
        let change = |change: fn(&mut PolicyReport)| {
            let mut other = report.clone();
            change(&mut other.policies[0]);
            other.without_numbers() != report.without_numbers()
        };
        assert!(!change(|policy| (policy.window, policy.max, policy.in_flight) = (1, 1, 0)));
        assert!(!change(|policy| policy.allowance = Decimal::from_integer(1)));
        assert!(!change(|policy| policy.signals[0].age = Some(GoDuration::from_secs(9))));
        assert!(change(|policy| policy.signals[0].age = None));
        assert!(change(|policy| policy.signals[0].error = "no answer".into()));
        assert!(change(|policy| policy.throttling = false));
        assert!(change(|policy| policy.problem = "the port is taken".into()));
        assert!(change(|policy| policy.outdated = "the certificate is none".into()));
    }
}

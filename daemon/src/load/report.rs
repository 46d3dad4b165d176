//! What came of a load, gathered and shown.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use hdrhistogram::Histogram;
use proto::gubernator::{RateLimitResp, Status as Verdict};
use serde::Serialize;
use tonic::Status;

use crate::args::Load;

/// Latencies from 1 µs to 2 h in microseconds, three digits of each.
const LONGEST: u64 = 7_200_000_000;

/// Texts of errors that are kept; a daemon can say many.
const KEPT_ERRORS: usize = 20;
/// What stands for those that are not kept.
const OTHERS: &str = "others";

/// What some callers have seen.
#[derive(Debug)]
pub(super) struct Tally {
    micros: Option<Histogram<u64>>,
    calls: u64,
    items: u64,
    admitted: u64,
    refused: u64,
    failed_calls: u64,
    failed_items: u64,
    sent_again: u64,
    errors: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            // It only fails where the bounds make no sense, which a test rules out.
            micros: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            calls: 0,
            items: 0,
            admitted: 0,
            refused: 0,
            failed_calls: 0,
            failed_items: 0,
            sent_again: 0,
            errors: BTreeMap::new(),
        }
    }

    /// One call was answered with these items, of `asked`.
    pub(super) fn answered(&mut self, items: &[RateLimitResp], asked: usize, took: Duration) {
        self.record(took);
        self.items += items.len() as u64;
        for item in items {
            if !item.error.is_empty() {
                self.failed_items += 1;
                self.keep(&item.error, 1);
            } else if item.status == i32::from(Verdict::OverLimit) {
                self.refused += 1;
            } else {
                self.admitted += 1;
            }
        }
        if items.len() != asked {
            self.failed_calls += 1;
            self.keep("the answer has another number of items than the call", 1);
        }
    }

    /// One call failed as a whole.
    pub(super) fn failed(&mut self, status: &Status, took: Duration) {
        self.record(took);
        self.failed_calls += 1;
        self.keep(&format!("{:?}: {}", status.code(), status.message()), 1);
    }

    /// A call was sent so often once more, since no connection had taken it.
    pub(super) const fn sent_again(&mut self, times: u64) {
        self.sent_again += times;
    }

    fn record(&mut self, took: Duration) {
        self.calls += 1;
        if let Some(micros) = &mut self.micros {
            micros.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LONGEST));
        }
    }

    fn keep(&mut self, error: &str, times: u64) {
        if let Some(count) = self.errors.get_mut(error) {
            *count += times;
        } else if self.errors.len() < KEPT_ERRORS {
            self.errors.insert(error.to_owned(), times);
        } else {
            *self.errors.entry(OTHERS.to_owned()).or_default() += times;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        if let (Some(ours), Some(theirs)) = (&mut self.micros, &other.micros) {
            // The bounds are the same, so everything fits.
            let _ = ours.add(theirs);
        }
        self.calls += other.calls;
        self.items += other.items;
        self.admitted += other.admitted;
        self.refused += other.refused;
        self.failed_calls += other.failed_calls;
        self.failed_items += other.failed_items;
        self.sent_again += other.sent_again;
        for (error, times) in &other.errors {
            self.keep(error, *times);
        }
    }

    fn quantile(&self, quantile: f64) -> u64 {
        self.micros.as_ref().map_or(0, |micros| micros.value_at_quantile(quantile))
    }
}

/// What came of a load; its JSON has these names.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where it went, `host:port`.
    pub address: String,
    /// Connections.
    pub connections: usize,
    /// Callers on each connection.
    pub concurrency: usize,
    /// Items asked for in each call.
    pub items_per_call: usize,
    /// From the first call to the last answer.
    pub seconds: f64,
    /// Calls begun and ended, failed ones included.
    pub calls: u64,
    /// Calls by second.
    pub calls_per_second: f64,
    /// Items answered.
    pub items: u64,
    /// Items by second.
    pub items_per_second: f64,
    /// Items under their limit.
    pub admitted: u64,
    /// Items over their limit.
    pub refused: u64,
    /// Calls that failed as a whole.
    pub failed_calls: u64,
    /// Items that got an error.
    pub failed_items: u64,
    /// How often a call was sent once more, since its connection had been asked to end and had not
    /// taken it.
    pub sent_again: u64,
    /// The errors, with how often each came; those beyond the first twenty kinds are `others`.
    pub errors: BTreeMap<String, u64>,
    /// How long calls took.
    pub latency_micros: Latency,
}

/// How long calls took, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the calls were as fast.
    pub p50: u64,
    /// 90 of 100.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1,000.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The slowest.
    pub max: u64,
}

impl Report {
    pub(super) fn new(plan: &Load, took: Duration, tally: &Tally) -> Self {
        let seconds = took.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            address: plan.address.to_string(),
            connections: plan.connections.get(),
            concurrency: plan.concurrency.get(),
            items_per_call: plan.items.get(),
            seconds,
            calls: tally.calls,
            calls_per_second: tally.calls as f64 / seconds,
            items: tally.items,
            items_per_second: tally.items as f64 / seconds,
            admitted: tally.admitted,
            refused: tally.refused,
            failed_calls: tally.failed_calls,
            failed_items: tally.failed_items,
            sent_again: tally.sent_again,
            errors: tally.errors.clone(),
            latency_micros: Latency {
                p50: tally.quantile(0.5),
                p90: tally.quantile(0.9),
                p99: tally.quantile(0.99),
                p999: tally.quantile(0.999),
                max: tally.micros.as_ref().map_or(0, Histogram::max),
            },
        }
    }

    /// A table for people.
    #[must_use]
    pub fn render_text(&self) -> String {
        let Latency { p50, p90, p99, p999, max } = self.latency_micros;
        let mut text = format!(
            "target    {}; connections {}, callers on each {}, items a call {}\n\
             time      {:.2} s\n\
             calls     {:<12} {:>12.0}/s\n\
             items     {:<12} {:>12.0}/s\n\
             admitted  {}\n\
             refused   {}\n\
             errors    {} calls, {} items\n\
             latency   p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n",
            self.address,
            self.connections,
            self.concurrency,
            self.items_per_call,
            self.seconds,
            self.calls,
            self.calls_per_second,
            self.items,
            self.items_per_second,
            self.admitted,
            self.refused,
            self.failed_calls,
            self.failed_items,
            shown(p50),
            shown(p90),
            shown(p99),
            shown(p999),
            shown(max),
        );
        if self.sent_again > 0 {
            let _ = writeln!(text, "sent again, as no connection took it: {} times", self.sent_again);
        }
        for (error, times) in &self.errors {
            let _ = writeln!(text, "          {times} x {error}");
        }
        text
    }

    /// One JSON object on a line.
    #[must_use]
    pub fn render_json(&self) -> String {
        // Every field is a number, a text or a map by text, none of which can fail.
        serde_json::to_string(self).map(|line| line + "\n").unwrap_or_default()
    }
}

fn shown(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

//! The recording, as `testdata/README.md` lays it out.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Requests on keys of their own, and what was answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sequence {
    pub(crate) id: String,
    pub(crate) kind: String,
    /// What the recording's generator began with; a number of its own for each sequence.
    pub(crate) seed: u64,
    /// Whether requests carry their instant; else the server's clock rules.
    pub(crate) created_at: bool,
    /// Whether steps are sent when the wall clock says so; else at once.
    pub(crate) paced: bool,
    /// Calendar minutes: whether one turns between the steps. Absent where no calendar matters.
    pub(crate) turns: Option<bool>,
    /// When it was recorded, milliseconds of the epoch; only where its phase in the minute matters.
    pub(crate) base_time: Option<i64>,
    pub(crate) steps: Vec<Step>,
}

/// One GetRateLimits call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Milliseconds after the sequence's base.
    pub(crate) dt: i64,
    pub(crate) requests: Vec<Asked>,
    pub(crate) responses: Vec<Answered>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) unique_key: String,
    pub(crate) hits: i64,
    pub(crate) limit: i64,
    pub(crate) duration: i64,
    pub(crate) algorithm: i32,
    pub(crate) behavior: i32,
    pub(crate) burst: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    pub(crate) status: String,
    pub(crate) limit: i64,
    pub(crate) remaining: i64,
    /// reset_time, counted from the base; none where reset_time is 0.
    pub(crate) reset_dt: Option<i64>,
    pub(crate) error: String,
    pub(crate) metadata: BTreeMap<String, String>,
    /// The calendar interval that reset_time ends, where there is one.
    pub(crate) interval: Option<Interval>,
    #[serde(rename = "reset_time")]
    _reset_time: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Interval {
    /// Gubernator's code: 0 minute, 1 hour, 2 day, 4 month, 5 year.
    pub(crate) code: u8,
    /// An instant in the interval, milliseconds after the base.
    pub(crate) dt: i64,
}

impl Sequence {
    pub(crate) fn replies(&self) -> usize {
        self.steps.iter().map(|step| step.responses.len()).sum()
    }

    /// The last step's instant.
    pub(crate) fn length(&self) -> i64 {
        self.steps.iter().map(|step| step.dt).max().unwrap_or(0)
    }
}

/// All sequences.
pub(crate) fn read() -> Vec<Sequence> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/gubernator.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let parsed = text.lines().enumerate().map(|(line, text)| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{path}:{}: {error}", line + 1))
    });
    parsed.collect()
}

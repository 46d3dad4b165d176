//! A request to Prometheus's query API, as far as its cost goes.

use super::{
    PromqlError,
    duration::parse_duration,
    parser::{Span, earliest},
};
use crate::UnixMillis;

/// Why a request has no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Not a path of the query API.
    #[error("can only handle instant or range query, found {0}")]
    Path(String),
    /// A parameter that is missing or cannot be read.
    #[error("error parsing {field}: cannot parse {value:?} to a valid {kind}")]
    Parameter {
        /// Which one.
        field: &'static str,
        /// Its value, empty where there is none.
        value: String,
        /// What it should be.
        kind: &'static str,
    },
    /// A query that cannot be read.
    #[error(transparent)]
    Promql(#[from] PromqlError),
}

/// A query and the instants that it is evaluated at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// PromQL.
    pub promql: String,
    /// When.
    pub span: Span,
}

impl Query {
    /// Reads a request at `now`. `parameter` gives the first value of a name, decoded, from the body
    /// of a form before the address, as Go's servers look them up.
    ///
    /// # Errors
    /// [`QueryError`] for any other path, and for parameters that are missing or cannot be read.
    pub fn read(
        path: &str,
        parameter: impl Fn(&str) -> Option<String>,
        now: UnixMillis,
    ) -> Result<Self, QueryError> {
        let get = |name| parameter(name).unwrap_or_default();
        let instant = |field, name| {
            let value = get(name);
            parse_instant(&value).ok_or(QueryError::Parameter { field, value, kind: "timestamp" })
        };
        let span = match path {
            "/api/v1/query" if get("time").is_empty() => {
                let seconds = UnixMillis::new(now.get().div_euclid(1_000).saturating_mul(1_000));
                Span { start: seconds, end: seconds }
            }
            "/api/v1/query" => {
                let time = instant("time", "time")?;
                Span { start: time, end: time }
            }
            "/api/v1/query_range" => {
                let span = Span { start: instant("start time", "start")?, end: instant("end time", "end")? };
                let value = get("step");
                let step = value.strip_prefix('-').unwrap_or(&value);
                if parse_duration(step).is_none() {
                    return Err(QueryError::Parameter { field: "step", value, kind: "duration" });
                }
                span
            }
            other => return Err(QueryError::Path(other.to_owned())),
        };
        Ok(Self { promql: get("query"), span })
    }

    /// Whether the query looks at nothing older than `horizon_millis` before `now`. A query that
    /// selects nothing is not cheap, as in the original.
    ///
    /// # Errors
    /// [`QueryError::Promql`] where the query cannot be read.
    pub fn is_cheap(&self, now: UnixMillis, horizon_millis: i64) -> Result<bool, QueryError> {
        let earliest = earliest(&self.promql, self.span)?;
        Ok(earliest.is_some_and(|earliest| earliest >= now.saturating_sub(horizon_millis)))
    }
}

/// Seconds since the epoch, with a fraction that is rounded to milliseconds, or RFC 3339.
fn parse_instant(text: &str) -> Option<UnixMillis> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = (seconds * 1_000.0).round();
        return (millis.abs() < i64::MAX as f64).then_some(UnixMillis::new(millis as i64));
    }
    text.parse::<jiff::Timestamp>().ok().map(|timestamp| UnixMillis::new(timestamp.as_millisecond()))
}

#[cfg(test)]
mod tests;

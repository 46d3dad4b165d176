//! What Prometheus writes, read.

use engine::aimd::Answer;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A good answer, as the engine wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answered {
    /// The value of each series.
    Vector(Vec<f64>),
    /// One value.
    Scalar(f64),
    /// Series over time; they mean nothing to a signal, so that they are not read.
    Matrix,
    /// A text, which means nothing either.
    Text,
}

impl Answered {
    pub(super) fn as_answer(&self) -> Answer<'_> {
        match self {
            Self::Vector(values) => Answer::Vector(values),
            Self::Scalar(value) => Answer::Scalar(*value),
            Self::Matrix => Answer::Matrix,
            Self::Text => Answer::String,
        }
    }
}

/// Why a body is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// Not what Prometheus writes; often another server answers.
    #[error("{0}; does a Prometheus answer at this address?")]
    Json(#[from] serde_json::Error),
    /// It says itself that it failed.
    #[error("{0}")]
    Told(String),
    /// A word where only these two may be.
    #[error("the status is {0:?}, and only success and error are known")]
    Status(String),
    /// Success without a result.
    #[error("the status is success, but there is no data")]
    NoData,
    /// A kind of result that nobody has told us of.
    #[error("the result is a {0:?}, and only vector, scalar, matrix and string are known")]
    Kind(String),
    /// A value that is no number.
    #[error("the value {0:?} is not a number")]
    Value(String),
    /// A series of histograms.
    #[error(
        "a series has a histogram instead of a value; put histogram_quantile or histogram_count round it"
    )]
    Histogram,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    status: String,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    error_type: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    result_type: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Deserialize)]
struct Sample {
    #[serde(rename = "metric")]
    _metric: IgnoredAny,
    value: Option<Point>,
    histogram: Option<IgnoredAny>,
}

/// An instant, and the value then as a text, since JSON has no word for infinity.
#[derive(Deserialize)]
struct Point(IgnoredAny, String);

impl Point {
    fn value(self) -> Result<f64, ReadError> {
        let Self(_, text) = self;
        text.parse().map_err(|_| ReadError::Value(text))
    }
}

/// Reads the body of an answer.
///
/// # Errors
/// [`ReadError`] where it is not a result that Prometheus would write.
pub(super) fn read(body: &[u8]) -> Result<Answered, ReadError> {
    let envelope: Envelope<'_> = serde_json::from_slice(body)?;
    match envelope.status.as_str() {
        "success" => {}
        "error" => return Err(ReadError::Told(envelope.told())),
        _ => return Err(ReadError::Status(envelope.status)),
    }
    let data = envelope.data.ok_or(ReadError::NoData)?;
    let result = data.result.get();
    match data.result_type.as_str() {
        "vector" => {
            let samples: Vec<Sample> = serde_json::from_str(result)?;
            samples.into_iter().map(sample).collect::<Result<_, _>>().map(Answered::Vector)
        }
        "scalar" => serde_json::from_str::<Point>(result)?.value().map(Answered::Scalar),
        "matrix" => Ok(Answered::Matrix),
        "string" => Ok(Answered::Text),
        _ => Err(ReadError::Kind(data.result_type)),
    }
}

fn sample(sample: Sample) -> Result<f64, ReadError> {
    match (sample.value, sample.histogram) {
        (Some(point), _) => point.value(),
        (None, Some(_)) => Err(ReadError::Histogram),
        (None, None) => Err(ReadError::Value(String::new())),
    }
}

impl Envelope<'_> {
    /// What the server says of its failure.
    fn told(self) -> String {
        match (self.error_type, self.error) {
            (Some(kind), Some(text)) => format!("{kind}: {text}"),
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => "the server says error, and not which".to_owned(),
        }
    }
}

/// What a body says of a failure, if it is Prometheus that says it.
pub(super) fn read_failure(body: &[u8]) -> Option<String> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    (envelope.status == "error").then(|| envelope.told())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &str) -> Result<Answered, String> {
        let body = format!(r#"{{"status":"success","data":{data},"warnings":["w"]}}"#);
        read(body.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_of_result_is_told_apart() {
        let vector = r#"{"resultType":"vector","result":[
            {"metric":{"job":"a"},"value":[1435781451.781,"1"]},{"metric":{},"value":[1,"+Inf"]},
            {"metric":{},"value":[1,"-Inf"]},{"metric":{},"value":[1,"1e3"]}]}"#;
        let values = vec![1.0, f64::INFINITY, f64::NEG_INFINITY, 1_000.0];
        assert_eq!(of(vector), Ok(Answered::Vector(values)));
        assert_eq!(of(r#"{"resultType":"vector","result":[]}"#), Ok(Answered::Vector(Vec::new())));
        let nan = of(r#"{"resultType":"scalar","result":[1,"NaN"]}"#);
        assert!(matches!(nan, Ok(Answered::Scalar(value)) if value.is_nan()));
        assert_eq!(of(r#"{"resultType":"matrix","result":[{"values":[[1,"2"]]}]}"#), Ok(Answered::Matrix));
        assert_eq!(of(r#"{"resultType":"string","result":[1,"x"]}"#), Ok(Answered::Text));
    }

    #[test]
    fn what_is_no_result_is_an_error_that_says_why() {
        let error = |data: &str| of(data).unwrap_err();
        let one = |sample: &str| error(&format!(r#"{{"resultType":"vector","result":[{sample}]}}"#));
        assert_eq!(one(r#"{"metric":{},"value":[1,"many"]}"#), "the value \"many\" is not a number");
        assert!(
            one(r#"{"metric":{},"value":[1,2]}"#).starts_with("invalid type: integer `2`, expected a string")
        );
        assert!(one(r#"{"metric":{},"histogram":[1,{"count":"2"}]}"#).contains("histogram_quantile"));
        assert!(error(r#"{"resultType":"tensor","result":[]}"#).starts_with("the result is a \"tensor\""));
        assert!(error("null").ends_with("there is no data"));
        assert!(error(r#"{"resultType":"vector"}"#).starts_with("missing field `result`"));
        let text = |body: &str| read(body.as_bytes()).unwrap_err().to_string();
        assert!(text("<html>").ends_with("does a Prometheus answer at this address?"));
        assert_eq!(
            text(r#"{"status":"maybe"}"#),
            "the status is \"maybe\", and only success and error are known"
        );
        let failed = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter"}"#;
        assert_eq!(text(failed), "bad_data: invalid parameter");
        assert_eq!(read_failure(failed.as_bytes()).as_deref(), Some("bad_data: invalid parameter"));
        assert_eq!(text(r#"{"status":"error"}"#), "the server says error, and not which");
        assert_eq!(read_failure(b"Unauthorized"), None);
    }
}

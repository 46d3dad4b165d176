//! The original's cases.

use super::*;

const NOW: i64 = 1_700_000_000_500;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn cheap(path: &str, parameters: &[(&str, String)]) -> Result<bool, QueryError> {
    let now = UnixMillis::new(NOW);
    let get =
        |name: &str| parameters.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
    Query::read(path, get, now)?.is_cheap(now, 2 * HOUR)
}

fn ago(millis: i64) -> String {
    format!("{}", (NOW - millis) as f64 / 1_000.0)
}

fn instant(query: &str, millis: i64) -> Result<bool, QueryError> {
    cheap("/api/v1/query", &[("query", query.to_owned()), ("time", ago(millis))])
}

fn range(query: &str, start: String) -> Result<bool, QueryError> {
    let parameters =
        [("query", query.to_owned()), ("start", start), ("end", ago(0)), ("step", "15s".to_owned())];
    cheap("/api/v1/query_range", &parameters)
}

#[test]
fn what_is_cheap_as_the_original_has_it() {
    assert_eq!(instant("up", 2 * MINUTE), Ok(true));
    assert_eq!(instant("rate(up[1h])", 30 * MINUTE), Ok(true));
    assert_eq!(instant("max_over_time(up[1m:])", 2 * MINUTE), Ok(true));
    assert_eq!(cheap("/api/v1/query", &[("query", "up".to_owned())]), Ok(true), "now is the default");
    assert_eq!(range("up", "2022-11-14T22:13:20.5Z".to_owned()), Ok(false));
    assert_eq!(range("up", ago(10 * HOUR)), Ok(false));
    assert_eq!(range("up", ago(HOUR)), Ok(true));
    assert_eq!(instant("rate(up[4h])", MINUTE), Ok(false));
    assert_eq!(instant("max_over_time(up[3m:30s])", 118 * MINUTE), Ok(false), "with its lookback");
    assert_eq!(instant("up offset 3h", 0), Ok(false));
    assert_eq!(instant("1+1", 0), Ok(false), "nothing selected");
    assert_eq!(instant("time()", 0), Ok(false));
    for query in ["up", "rate(up[5m])"] {
        assert_eq!(instant(query, 115 * MINUTE - 5_000), Ok(true), "{query}");
        assert_eq!(instant(query, 115 * MINUTE), Ok(true), "{query}: to the millisecond");
        assert_eq!(instant(query, 115 * MINUTE + 1), Ok(false), "{query}: to the millisecond");
        assert_eq!(instant(query, 115 * MINUTE + 5_000), Ok(false), "{query}");
    }
}

#[test]
fn what_has_no_cost_is_told() {
    let text = |result: Result<bool, QueryError>| result.unwrap_err().to_string();
    assert_eq!(text(cheap("/t/x", &[])), "can only handle instant or range query, found /t/x");
    assert!(text(cheap("/x/api/v1/query", &[])).starts_with("can only handle"));
    assert_eq!(text(instant("", 0)), "no expression found in input");
    let given = |name, value: &str| {
        let mut parameters =
            vec![("query", "up".to_owned()), ("start", ago(0)), ("end", ago(0)), ("step", "0".to_owned())];
        parameters.retain(|(other, _)| *other != name);
        parameters.push((name, value.to_owned()));
        cheap("/api/v1/query_range", &parameters)
    };
    assert_eq!(
        text(given("start", "x")),
        "error parsing start time: cannot parse \"x\" to a valid timestamp"
    );
    assert_eq!(text(given("end", "")), "error parsing end time: cannot parse \"\" to a valid timestamp");
    assert_eq!(text(given("step", "x")), "error parsing step: cannot parse \"x\" to a valid duration");
    for fine in ["0", "-5", "-15s", "1d", "0.5"] {
        assert_eq!(given("step", fine), Ok(true), "{fine}");
    }
    let time = [("query", "up".to_owned()), ("time", "NaN".to_owned())];
    assert!(text(cheap("/api/v1/query", &time)).contains("\"NaN\" to a valid timestamp"));
}

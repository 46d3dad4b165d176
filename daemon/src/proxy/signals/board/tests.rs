use std::time::Duration;

use engine::aimd::{Algorithm, Bounds, Growth, OnSignalLoss, Outcome as End, Settings, Thresholds};

use super::super::answer;
use super::*;
use crate::proxy::policy::{Auth, Prometheus};

const QUERY: &str = "sum(throughput)";

fn policy(name: &str) -> ObjectName {
    ObjectName { namespace: "shop".to_owned(), name: name.to_owned() }
}

fn at(seconds: u64) -> Tick {
    Tick::from_micros(seconds * 1_000_000)
}

fn question(query: &str) -> Arc<Question> {
    let prometheus = Prometheus {
        url: "http://prom".to_owned(),
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(5),
        auth: Auth::None,
        ca: None,
        headers: Vec::new(),
    };
    Arc::new(Question { prometheus, query: query.to_owned() })
}

fn plan(signals: &[(&str, &str, bool)]) -> SignalPlan {
    let thresholds = || Thresholds::new(10.0, 100.0, 4.0).ok();
    let signals = signals.iter().map(|(name, query, compared)| SignalSettings {
        name: (*name).to_owned(),
        query: (*query).to_owned(),
        thresholds: if *compared { thresholds() } else { None },
    });
    SignalPlan {
        signals: signals.collect(),
        on_loss: OnSignalLoss::Hold,
        max_staleness: Duration::from_secs(120),
        prometheus: Some(question("").prometheus.clone()),
    }
}

/// A window that has grown to 100 of 100.
fn wide() -> Arc<Window> {
    let settings = Settings::new(Bounds::new(10, 100).unwrap(), Algorithm::SignalCap);
    let window = Arc::new(Window::new(Settings { growth: Growth::Always, ..settings }, 7));
    for _ in 0..100 {
        window.try_enter(None, at(0)).unwrap().finish(End::Success, at(0));
    }
    assert_eq!(window.stats().window, 100);
    window
}

fn vector(value: f64) -> Outcome {
    Ok(answer::Answered::Vector(vec![value]))
}

/// What a signal reports after a body, and how wide the window then is.
fn after(body: &str, compared: bool) -> (Option<f64>, String, u64, i64) {
    let (mut board, question, window) = (Board::default(), question(QUERY), wide());
    let plan = plan(&[("load", QUERY, compared)]);
    board.follow(&policy("a"), &plan, vec![(Arc::clone(&question), None)], vec![Arc::clone(&window)], at(0));
    let body = format!(r#"{{"status":"success","data":{body}}}"#);
    let outcome = answer::read(body.as_bytes()).map_err(|error| format!("decode response: {error}"));
    board.heard(&question, &outcome, at(1));
    let failures = board.readings(at(1))[0].stats.failures;
    let report = board.reports(&policy("a"), at(1)).remove(0);
    (report.value.map(Decimal::to_f64), report.error, failures, i64::from(window.stats().window))
}

#[test]
fn every_outcome_has_its_meaning() {
    let series = |values: &[&str]| {
        let samples = values.iter().map(|value| format!(r#"{{"metric":{{}},"value":[1,"{value}"]}}"#));
        format!(r#"{{"resultType":"vector","result":[{}]}}"#, samples.collect::<Vec<_>>().join(","))
    };
    let scalar = r#"{"resultType":"scalar","result":[1,"30"]}"#;
    let good = |body: &str, compared| match after(body, compared) {
        (value, error, 0, window) if error.is_empty() => (value, window),
        other => panic!("{body}: {other:?}"),
    };
    assert_eq!(good(&series(&["5"]), true), (Some(5.0), 100));
    assert_eq!(good(&series(&["30"]), true), (Some(30.0), 41));
    assert_eq!(good(&series(&["30", "NaN", "20"]), true), (Some(30.0), 41), "the largest number counts");
    assert_eq!(good(&series(&["+Inf"]), true).1, 10);
    assert_eq!(good(scalar, true), (Some(30.0), 41));
    assert_eq!(good(&series(&[]), false), (None, 100), "without thresholds, nothing is good news");
    assert_eq!(good(&series(&["0"]), false), (Some(0.0), 10), "and anything is an alarm");

    let bad = |body: &str, compared| match after(body, compared) {
        (None, error, 1, 100) => error,
        other => panic!("{body}: {other:?}"),
    };
    assert_eq!(
        bad(&series(&["-90"]), true),
        "backpressure query (sum(throughput)) must have non-negative value: -90.000000"
    );
    assert!(
        bad(&series(&[]), true)
            .starts_with("backpressure query must return a value, but its answer is empty")
    );
    assert!(bad(&series(&["NaN"]), true).contains("must return a number, not NaN"));
    assert!(bad(scalar, false).contains("returns a scalar, and the signal has no thresholds"));
    assert!(bad(r#"{"resultType":"matrix","result":[]}"#, true).ends_with("not a range vector"));
    assert!(bad(r#"{"resultType":"string","result":[1,"a"]}"#, true).ends_with("not a string"));
    assert!(bad("5", true).starts_with("decode response: "));
}

#[test]
fn a_failure_keeps_the_value_and_is_told_once() {
    let (mut board, question) = (Board::default(), question(QUERY));
    let plan = plan(&[("load", QUERY, true)]);
    let first = board.follow(&policy("a"), &plan, vec![(Arc::clone(&question), None)], Vec::new(), at(0));
    assert_eq!(first, News::default());
    let mut hear = |outcome: Outcome, seconds| board.heard(&question, &outcome, at(seconds)).0;
    let line = |line| vec![("shop/a".to_owned(), "load".to_owned(), line)];
    assert_eq!(hear(vector(30.0), 1), News { changed: true, lines: Vec::new() });
    assert_eq!(hear(vector(40.0), 2), News::default(), "a number is no news");
    let away = || Err("execute request: away".to_owned());
    let failed = Line::Failed("execute request: away".to_owned());
    assert_eq!(hear(away(), 3), News { changed: true, lines: line(failed) });
    assert_eq!(hear(away(), 4), News::default());
    assert_eq!(hear(Err("unexpected status code: 502".into()), 5), News { changed: true, lines: Vec::new() });
    assert_eq!(hear(vector(5.0), 6), News { changed: true, lines: line(Line::Answered) });
    assert_eq!(hear(vector(5.0), 7), News::default());
    let (lost, _) = board.pass_time(&policy("a"), at(128));
    assert_eq!(lost, News { changed: true, lines: line(Line::Lost) });
    let report = board.reports(&policy("a"), at(128)).remove(0);
    assert_eq!((report.value, report.lost), (Some(Decimal::from_integer(5)), true));
    assert_eq!(report.age, Some(GoDuration::from_secs(121)));
}

#[test]
fn a_hot_change_keeps_what_is_known_of_the_signals_that_stay() {
    let (mut board, load, depth) = (Board::default(), question(QUERY), question("depth"));
    let window = wide();
    let asks = vec![(Arc::clone(&load), None)];
    board.follow(&policy("a"), &plan(&[("load", QUERY, true)]), asks, vec![Arc::clone(&window)], at(0));
    board.heard(&load, &vector(30.0), at(1));
    board.heard(&load, &Err("away".into()), at(2));
    // A signal is put before it, and another window is there.
    let asks =
        vec![(Arc::clone(&depth), None), (Arc::clone(&load), Some((at(2), Arc::new(Err("away".into())))))];
    let other = wide();
    let both = plan(&[("depth", "depth", true), ("load", QUERY, true)]);
    let news = board.follow(&policy("a"), &both, asks, vec![Arc::clone(&other)], at(5));
    assert_eq!(news.lines, Vec::new(), "nothing is told anew");
    assert_eq!(other.stats().window, 41, "the new window is capped from the start");
    let reports = board.reports(&policy("a"), at(5));
    assert_eq!((reports[0].name.as_str(), reports[0].value, reports[0].error.as_str()), ("depth", None, ""));
    let load_report = &reports[1];
    assert_eq!((load_report.value, load_report.error.as_str()), (Some(Decimal::from_integer(30)), "away"));
    assert_eq!(load_report.age, Some(GoDuration::from_secs(4)));
    assert_eq!(board.readings(at(5))[1].stats.failures, 1, "a failure counts once");
    assert!(board.asks(&load) && board.asks(&depth));
    board.follow(&policy("a"), &plan(&[]), Vec::new(), vec![Arc::clone(&other)], at(6));
    assert!(!board.asks(&load) && !board.asks(&depth));
    assert_eq!(board.pressure(&policy("a"), at(6)), Pressure::NONE);
    assert!(board.forget(&policy("a")) && !board.forget(&policy("a")));
}

#[test]
fn who_comes_later_gets_what_is_known_with_its_age() {
    let (mut board, load) = (Board::default(), question(QUERY));
    let last = (at(1), Arc::new(vector(100.0)));
    let plan = plan(&[("mine", QUERY, true)]);
    board.follow(&policy("b"), &plan, vec![(Arc::clone(&load), Some(last))], Vec::new(), at(4));
    let report = board.reports(&policy("b"), at(4)).remove(0);
    assert_eq!(
        (report.value, report.age),
        (Some(Decimal::from_integer(100)), Some(GoDuration::from_secs(3)))
    );
    assert_eq!(board.pressure(&policy("b"), at(4)), Pressure { allowance: 0.0, firing: true });
}

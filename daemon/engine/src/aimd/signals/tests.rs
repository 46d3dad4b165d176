//! What each kind of answer means, and how long it counts.

use super::*;

const fn at(micros: u64) -> Tick {
    Tick::from_micros(micros)
}

fn settings(name: &str, with_thresholds: bool) -> SignalSettings {
    let thresholds = with_thresholds.then(|| Thresholds::new(10.0, 100.0, 4.0).unwrap());
    SignalSettings { name: name.to_owned(), query: "sum(up)".to_owned(), thresholds }
}

fn signals(list: &[SignalSettings], on_loss: OnSignalLoss) -> Signals {
    Signals::new(list.to_vec(), on_loss, 100, at(0))
}

#[test]
fn each_kind_of_answer_has_a_meaning() {
    let nan = f64::NAN;
    // With thresholds: the value, or a part of the error.
    let cases = [
        (Answer::Vector(&[90.0]), Ok(90.0)),
        (Answer::Vector(&[3.0, 7.0, 5.0]), Ok(7.0)),
        (Answer::Vector(&[nan, 7.0, nan]), Ok(7.0)),
        (Answer::Vector(&[-1.0, 7.0]), Ok(7.0)),
        (Answer::Vector(&[f64::INFINITY]), Ok(f64::INFINITY)),
        (Answer::Scalar(12.0), Ok(12.0)),
        (Answer::Vector(&[]), Err("must return a value, but its answer is empty: sum(up)")),
        (
            Answer::Vector(&[-90.0]),
            Err("backpressure query (sum(up)) must have non-negative value: -90.000000"),
        ),
        (Answer::Vector(&[f64::NEG_INFINITY]), Err("must have non-negative value: -inf")),
        (Answer::Vector(&[nan, nan]), Err("must return a number, not NaN")),
        (Answer::Scalar(nan), Err("must return a number, not NaN")),
        (Answer::Matrix, Err("not a range vector")),
        (Answer::String, Err("not a string")),
    ];
    for (answer, expected) in cases {
        let mut signals = signals(&[settings("a", true)], OnSignalLoss::Hold);
        let result = signals.handle_answer(0, answer, at(5));
        let (_, stats) = signals.stats(at(7)).next().unwrap();
        match (result, expected) {
            (Ok(()), Ok(value)) => {
                assert_eq!((stats.value, stats.age_micros, stats.failures), (Some(value), Some(2), 0));
            }
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{answer:?}: {error}");
                assert_eq!((stats.value, stats.age_micros, stats.failures), (None, None, 1));
                assert_eq!(signals.pressure(at(7)), Pressure::NONE, "never answered: no say");
            }
            (result, _) => panic!("{answer:?}: {result:?}"),
        }
    }
}

#[test]
fn without_thresholds_any_series_fires() {
    let nan = f64::NAN;
    for (answer, firing) in [
        (Answer::Vector(&[]), false),
        (Answer::Vector(&[0.0]), true),
        (Answer::Vector(&[-3.0, nan]), true),
        (Answer::Vector(&[nan]), true),
    ] {
        let mut signals = signals(&[settings("a", false)], OnSignalLoss::Hold);
        signals.handle_answer(0, answer, at(5)).unwrap();
        let allowance = if firing { 0.0 } else { 1.0 };
        assert_eq!(signals.pressure(at(5)), Pressure { allowance, firing }, "{answer:?}");
    }
    let mut signals = signals(&[settings("a", false)], OnSignalLoss::Hold);
    let error = signals.handle_answer(0, Answer::Scalar(1.0), at(5)).unwrap_err();
    assert!(error.to_string().contains("set warning and emergency"));
}

#[test]
fn the_worst_signal_counts_and_any_fires() {
    let list = [settings("a", true), settings("b", true), settings("c", false)];
    let mut signals = signals(&list, OnSignalLoss::Hold);
    signals.handle_answer(0, Answer::Vector(&[30.0]), at(1)).unwrap();
    signals.handle_answer(1, Answer::Vector(&[20.0]), at(1)).unwrap();
    let both = Pressure { allowance: 0.411_112_290_507_187_45, firing: true };
    assert_eq!(signals.pressure(at(1)), both);
    assert!(both.is_throttling() && !Pressure::NONE.is_throttling());
    signals.handle_answer(0, Answer::Vector(&[10.0]), at(2)).unwrap();
    signals.handle_answer(1, Answer::Vector(&[0.0]), at(2)).unwrap();
    assert_eq!(signals.pressure(at(2)), Pressure::NONE);
    signals.handle_answer(2, Answer::Vector(&[0.0]), at(3)).unwrap();
    assert_eq!(signals.pressure(at(3)), Pressure { allowance: 0.0, firing: true });
}

#[test]
fn a_failure_keeps_the_value_until_it_is_too_old() {
    for (on_loss, lost) in [
        (OnSignalLoss::Hold, Pressure { allowance: 0.411_112_290_507_187_45, firing: true }),
        (OnSignalLoss::Open, Pressure::NONE),
        (OnSignalLoss::Closed, Pressure { allowance: 0.0, firing: true }),
    ] {
        let mut signals = signals(&[settings("a", true)], on_loss);
        signals.handle_answer(0, Answer::Vector(&[30.0]), at(10)).unwrap();
        let known = signals.pressure(at(10));
        signals.handle_failure(0);
        signals.handle_answer(0, Answer::Matrix, at(50)).unwrap_err();
        assert_eq!(signals.poll_timeout(at(50)), Some(at(111)));
        assert_eq!(signals.pressure(at(110)), known);
        assert_eq!(signals.pressure(at(111)), lost, "{on_loss:?}");
        assert_eq!(signals.poll_timeout(at(111)), None);
        let (_, stats) = signals.stats(at(111)).next().unwrap();
        assert_eq!((stats.value, stats.lost, stats.failures), (Some(30.0), true, 2));
        signals.handle_answer(0, Answer::Vector(&[0.0]), at(120)).unwrap();
        assert_eq!(signals.pressure(at(120)), Pressure::NONE);
    }
}

#[test]
fn silence_from_the_start_is_a_loss_too() {
    for (on_loss, allowance) in
        [(OnSignalLoss::Hold, 1.0), (OnSignalLoss::Open, 1.0), (OnSignalLoss::Closed, 0.0)]
    {
        let signals = signals(&[settings("a", true)], on_loss);
        assert_eq!(signals.pressure(at(100)), Pressure::NONE);
        assert_eq!(signals.pressure(at(101)).allowance, allowance, "{on_loss:?}");
    }
}

#[test]
fn other_settings_keep_what_is_known_of_the_same_question() {
    let mut signals = signals(&[settings("a", true), settings("b", true)], OnSignalLoss::Hold);
    signals.handle_answer(1, Answer::Vector(&[30.0]), at(10)).unwrap();
    let steeper = SignalSettings { thresholds: Thresholds::new(10.0, 30.0, 4.0).ok(), ..settings("b", true) };
    signals.set_settings(vec![steeper], OnSignalLoss::Hold, 100, at(20));
    assert_eq!(signals.pressure(at(20)).allowance, 0.0, "the value under the new thresholds");
    let other = SignalSettings { query: "sum(down)".to_owned(), ..settings("b", true) };
    signals.set_settings(vec![other], OnSignalLoss::Hold, 100, at(30));
    assert_eq!(signals.pressure(at(30)), Pressure::NONE, "another question");
    assert_eq!(signals.poll_timeout(at(30)), Some(at(131)));
    let gone = signals.handle_answer(1, Answer::Vector(&[30.0]), at(10));
    assert_eq!(gone, Err(AnswerError::NoSuchSignal { index: 1 }));
    signals.handle_failure(9);
}

#[test]
fn queries_that_cannot_be_meant_are_refused() {
    assert_eq!(check_query("").unwrap_err().to_string(), "empty backpressure query");
    for quoted in ["'up'", "\"up\"", "''"] {
        let text = check_query(quoted).unwrap_err().to_string();
        assert_eq!(text, "backpressure PromQL cannot be wrapped in quotes");
    }
    for fine in ["up", "'up\"", "up == 'x'", "\"", "é"] {
        assert_eq!(check_query(fine), Ok(()));
    }
}

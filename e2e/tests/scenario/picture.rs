//! What happened, drawn.

use std::fs;
use std::path::PathBuf;

use plot::{Axis, Cell, Colour, Figure, Line, Strip};

use super::load::{End, Load};
use super::watch::Moment;
use super::{EMERGENCY, MAX, Run, WARNING};

const NAME: &str = "backpressure-scenario.svg";
/// Width of a column in which requests are counted, in seconds.
const STEP: f64 = 0.25;

/// Where cargo builds.
pub(super) fn target() -> PathBuf {
    let below = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    below.parent().expect("it lies in the target folder").to_owned()
}

/// Draws both runs, and says where.
pub(super) fn draw(with: &Run, without: &Run) -> String {
    let figure = Figure::new(
        "A backend of four workers under three times of what it can do",
        "seconds",
        vec![cell_with(with), cell_without(without)],
    );
    fs::write(target().join(NAME), figure.render()).expect("a picture is written");
    format!("target/{NAME}")
}

fn cell_with(run: &Run) -> Cell {
    let line = |name, colour, of: fn(&Moment) -> f64| {
        Line::new(name, colour, run.moments.iter().map(|moment| (moment.at, of(moment))).collect())
    };
    let end = run.load.seconds();
    let level = |name, colour, height| Line::new(name, colour, vec![(0.0, height), (end, height)]).dashed();
    let window = vec![
        line("window", Colour::Blue, |moment| moment.window as f64),
        line("in flight", Colour::Purple, |moment| moment.in_flight as f64),
    ];
    let signal = vec![
        line("signal", Colour::Green, |moment| moment.signal),
        level("warning", Colour::Grey, WARNING),
        level("emergency", Colour::Red, EMERGENCY),
    ];
    let allowance = vec![line("allowance", Colour::Blue, |moment| moment.allowance)];
    let strips = vec![
        rates(&run.load),
        Strip::new("requests", Axis::new(0.0, MAX as f64 * 1.05), window),
        Strip::new("signal: in progress for each worker, mean of 2 s", Axis::over(&signal), signal),
        Strip::new("allowance", Axis::new(0.0, 1.0), allowance).height(50.0),
        latency(&run.load),
    ];
    Cell::new("with a policy: SignalCap, asked every second", Axis::new(0.0, end), strips)
}

fn cell_without(run: &Run) -> Cell {
    Cell::new("without", Axis::new(0.0, run.load.seconds()), vec![rates(&run.load), latency(&run.load)])
}

fn rates(load: &Load) -> Strip {
    let samples = load.samples();
    let columns = (load.seconds() / STEP).ceil() as usize;
    let line = |name, colour, counts: &dyn Fn(End) -> bool| {
        let mut points: Vec<_> = (0..columns).map(|nth| (nth as f64 * STEP, 0.0)).collect();
        for sample in samples.iter().filter(|sample| counts(sample.end)) {
            if let Some(point) = points.get_mut((sample.at / STEP) as usize) {
                point.1 += 1.0 / STEP;
            }
        }
        Line::new(name, colour, points)
    };
    let lines = vec![
        line("sent", Colour::Grey, &|_| true),
        line("answered", Colour::Green, &|end| end == End::Answered),
        line("refused", Colour::Orange, &|end| end == End::Refused),
        line("lost: no answer within a second", Colour::Red, &|end| end == End::Lost),
    ];
    Strip::new("requests/s", Axis::over(&lines), lines)
}

/// The median of each column. What is lost has waited for all of its patience.
fn latency(load: &Load) -> Strip {
    let samples = load.samples();
    let columns = (load.seconds() / STEP).ceil() as usize;
    let mut millis = vec![Vec::new(); columns];
    for sample in samples.iter().filter(|sample| sample.end != End::Refused) {
        if let Some(column) = millis.get_mut((sample.at / STEP) as usize) {
            column.push(sample.millis);
        }
    }
    let median = |(nth, column): (usize, &mut Vec<f64>)| {
        column.sort_by(f64::total_cmp);
        (nth as f64 * STEP, column.get(column.len() / 2).copied().unwrap_or(f64::NAN))
    };
    let points = millis.iter_mut().enumerate().map(median).collect();
    let lines = vec![Line::new("latency of what was let in, median", Colour::Orange, points)];
    Strip::new("milliseconds", Axis::over(&lines), lines)
}

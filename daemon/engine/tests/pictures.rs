//! The pictures of docs/backpressure.md, drawn from the engine itself. `UPDATE=1` writes them anew.

use std::{fs, path::Path};

use plot::{Axis, Cell, Colour, Figure, Line, Strip};
use wicketgate_engine::aimd::{AimdSettings, Algorithm, Gradient2Settings, Thresholds, VegasSettings};

use self::backend::{Crowd, END, Moment, OFFERED_MOST, Scenario};

mod backend;

/// As many points as are seen.
const POINTS: usize = 90;

fn check(name: &str, figure: &Figure) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/img").join(name);
    let drawn = figure.render();
    assert!(drawn.len() < 60_000, "{name} has {} bytes", drawn.len());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let command = "UPDATE=1 cargo test -p wicketgate-engine --test main pictures";
    assert!(there == drawn, "docs/img/{name} is not what the engine draws: run {command}");
}

#[test]
fn the_curves_are_as_drawn() {
    let line = |curve: f64, colour| {
        let thresholds = Thresholds::new(0.0, 1.0, curve).unwrap();
        let point = |nth| {
            let load = f64::from(nth) / 100.0;
            (load, 1.0 - thresholds.throttle(load))
        };
        // At the emergency itself the window is closed, whatever the curve: a step that is drawn upright.
        let before = (1.0, 1.0 - thresholds.throttle(1.0_f64.next_down()));
        let points = (-15..100).map(point).chain([before]).chain((100..=115).map(point)).collect();
        let name = if curve == 4.0 { "curve 4, the default".to_owned() } else { format!("curve {curve}") };
        Line::new(&name, colour, points)
    };
    let lines = vec![
        line(1.0, Colour::Green),
        line(2.0, Colour::Purple),
        line(4.0, Colour::Blue),
        line(8.0, Colour::Orange),
    ];
    let strip = Strip::new("allowance: share of window.max that may be open", Axis::new(0.0, 1.0), lines);
    let cell = Cell::new("", Axis::new(-0.15, 1.15), vec![strip.height(240.0)]);
    let x_label = "where the signal is: 0 at warning, 1 at emergency";
    check("allowance.svg", &Figure::new("What a signal leaves of the window", x_label, vec![cell]));
}

fn cell(title: &str, moments: &[Moment]) -> Cell {
    let line = |name, colour, of: fn(&Moment) -> f64| {
        let points = moments.iter().map(|moment| (moment.seconds, of(moment))).collect();
        Line::new(name, colour, points).thinned(POINTS)
    };
    let rates = vec![
        line("offered", Colour::Grey, |moment| moment.offered),
        line("answered well", Colour::Green, |moment| moment.answered),
        line("failed", Colour::Red, |moment| moment.failed),
    ];
    let window = vec![
        line("window", Colour::Blue, |moment| moment.window),
        line("in flight", Colour::Purple, |moment| moment.in_flight),
    ];
    let latency = vec![line("latency", Colour::Orange, |moment| moment.millis)];
    let strips = vec![
        Strip::new("requests/s", Axis::new(0.0, OFFERED_MOST), rates).height(64.0),
        Strip::new("requests", Axis::new(0.0, 205.0), window).height(64.0),
        Strip::new("latency, ms", Axis::new(0.0, 320.0), latency).height(64.0),
    ];
    Cell::new(title, Axis::new(0.0, END), strips)
}

/// Averaged long enough, and closing gently enough, that the window comes to rest.
const CALM: Crowd = Crowd { averaged: 3, curve: 2.0 };

fn draw(name: &str, title: &str, columns: usize, scenarios: &[(&str, Algorithm, Option<Crowd>)]) {
    let cells = scenarios.iter().map(|(title, algorithm, signal)| {
        cell(title, &Scenario { algorithm: *algorithm, signal: *signal }.run())
    });
    check(name, &Figure::new(title, "seconds", cells.collect()).columns(columns));
}

#[test]
fn the_algorithms_do_as_drawn() {
    let title = "One backend, six algorithms: what overload from second 40 to 140 does to each";
    let scenarios = [
        ("SignalCap", Algorithm::SignalCap, Some(CALM)),
        ("SignalAIMD", Algorithm::SignalAimd, Some(CALM)),
        ("Fixed", Algorithm::Fixed, None),
        ("AIMD", Algorithm::Aimd(AimdSettings::default()), None),
        ("Vegas", Algorithm::Vegas(VegasSettings::default()), None),
        ("Gradient2", Algorithm::Gradient2(Gradient2Settings::default()), None),
    ];
    draw("algorithms.svg", title, 3, &scenarios);
}

#[test]
fn a_nervous_signal_swings_as_drawn() {
    let nervous = Crowd { averaged: 1, curve: 4.0 };
    let scenarios = [
        ("Averaged over one interval, curve 4", Algorithm::SignalCap, Some(nervous)),
        ("Averaged over three intervals, curve 2", Algorithm::SignalCap, Some(CALM)),
    ];
    draw("swing.svg", "The same signal, nervous and calm", 2, &scenarios);
}

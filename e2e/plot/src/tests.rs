use super::*;

fn figure(points: Vec<(f64, f64)>) -> Figure {
    let line = Line::new("a < b", Colour::Blue, points).dashed();
    let strip = Strip::new("requests", Axis::new(0.0, 100.0), vec![line.clone(), line]).height(100.0);
    Figure::new("A & B", "seconds", vec![Cell::new("left", Axis::new(0.0, 10.0), vec![strip])])
}

/// The steps of the first line that is drawn.
fn curve(picture: &str) -> &str {
    picture.split("d=\"").find(|steps| steps.contains('L')).unwrap().split('"').next().unwrap()
}

#[test]
fn what_is_drawn_is_what_was_given() {
    let picture = figure(vec![(0.0, 0.0), (5.0, 50.0), (10.0, 500.0)]).render();
    assert_eq!(picture, figure(vec![(0.0, 0.0), (5.0, 50.0), (10.0, 500.0)]).render());
    let curve = curve(&picture);
    let numbers: Vec<f64> =
        curve.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|part| part.parse().ok()).collect();
    let [left, bottom, middle, half, right, top] = numbers[..] else { panic!("{curve}") };
    assert!((middle - f64::midpoint(left, right)).abs() < 0.2, "{curve}");
    assert!((bottom - top - 100.0).abs() < 0.2, "what is beyond the axis is drawn at its end: {curve}");
    assert!((half - f64::midpoint(bottom, top)).abs() < 0.2, "{curve}");
}

#[test]
fn names_are_escaped_and_told_once() {
    let picture = figure(vec![(0.0, 0.0), (1.0, 1.0)]).render();
    assert_eq!(picture.matches("a &lt; b").count(), 1);
    assert!(picture.contains("<title>A &amp; B</title>"));
    assert!(!picture.contains("a < b"));
}

#[test]
fn what_is_no_number_is_a_gap() {
    let picture = figure(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 1.0)]).render();
    assert!(!picture.contains("NaN"));
    let curve = curve(&picture);
    assert_eq!(curve.matches('M').count(), 2, "{curve}");
}

#[test]
fn axes_name_round_numbers() {
    assert_eq!(Axis::new(0.0, 200.0).ticks(3), [0.0, 100.0, 200.0]);
    assert_eq!(Axis::new(0.0, 1.0).ticks(5).len(), 6);
    assert_eq!(Axis::new(3.0, 3.0).ticks(1), [3.0, 4.0]);
    assert!(Axis::new(0.0, f64::INFINITY).ticks(3).len() < 60);
    let lines = [Line::new("", Colour::Red, vec![(0.0, 100.0), (1.0, f64::NAN)])];
    assert_eq!(Axis::over(&lines), Axis::new(0.0, 105.0));
    assert_eq!(Axis::over(&[]), Axis::new(0.0, 1.0));
}

#[test]
fn a_thinned_line_keeps_its_mean() {
    let points = (0..1_000).map(|x| (f64::from(x), 1.0)).collect();
    let line = Line::new("", Colour::Blue, points).thinned(100);
    assert_eq!(line.points.len(), 100);
    assert_eq!(line.points[0], (4.5, 1.0));
}

//! Series as SVG pictures: text in, text out, nothing else.
//!
//! A [`Figure`] has cells in a grid, a cell has strips under each other that share the horizontal axis, and
//! a strip has lines. The same series give the same bytes, so a picture that is committed can be compared
//! with what is drawn anew. Colours follow the reader's light or dark theme, on a ground of the picture's own.
//!
//! ```
//! use plot::{Axis, Cell, Colour, Figure, Line, Strip};
//!
//! let line = Line::new("window", Colour::Blue, vec![(0.0, 10.0), (1.0, 11.0)]);
//! let strip = Strip::new("requests", Axis::new(0.0, 20.0), vec![line]);
//! let figure = Figure::new("A window grows", "seconds", vec![Cell::new("", Axis::new(0.0, 1.0), vec![strip])]);
//! assert!(figure.render().starts_with("<svg"));
//! ```

mod scale;
mod svg;

/// A picture.
#[derive(Clone, Debug)]
pub struct Figure {
    title: String,
    x_label: String,
    columns: usize,
    cells: Vec<Cell>,
}

/// Strips under each other that share their horizontal axis.
#[derive(Clone, Debug)]
pub struct Cell {
    title: String,
    x: Axis,
    strips: Vec<Strip>,
}

/// Lines over one vertical axis.
#[derive(Clone, Debug)]
pub struct Strip {
    label: String,
    y: Axis,
    height: f64,
    lines: Vec<Line>,
}

/// From where to where an axis goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
}

/// A series and how it is drawn.
#[derive(Clone, Debug)]
pub struct Line {
    name: String,
    colour: Colour,
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// Colours that are told apart on light and on dark ground, by most who see few colours too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// The first choice.
    Blue,
    /// For what is compared with it.
    Orange,
    /// A third.
    Green,
    /// A fourth.
    Purple,
    /// For limits and what stands still.
    Grey,
    /// For what is bad.
    Red,
}

impl Figure {
    /// A picture whose cells stand under each other. The legend names each line once, by its name.
    #[must_use]
    pub fn new(title: &str, x_label: &str, cells: Vec<Cell>) -> Self {
        Self { title: title.to_owned(), x_label: x_label.to_owned(), columns: 1, cells }
    }

    /// The same with so many cells beside each other.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    /// The picture as SVG.
    #[must_use]
    pub fn render(&self) -> String {
        svg::render(self)
    }
}

impl Cell {
    /// Strips under a title, which may be empty.
    #[must_use]
    pub fn new(title: &str, x: Axis, strips: Vec<Strip>) -> Self {
        Self { title: title.to_owned(), x, strips }
    }
}

impl Strip {
    /// Lines in a strip 90 pixels high; what lies beyond the axis is drawn at its end.
    #[must_use]
    pub fn new(label: &str, y: Axis, lines: Vec<Line>) -> Self {
        Self { label: label.to_owned(), y, height: 90.0, lines }
    }

    /// The same, so many pixels high.
    #[must_use]
    pub fn height(mut self, pixels: f64) -> Self {
        self.height = pixels;
        self
    }
}

impl Axis {
    /// An axis; where `high` is not above `low` it is one long.
    #[must_use]
    pub fn new(low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// From zero to a little above the highest of all points, for series whose size is not known before.
    #[must_use]
    pub fn over(lines: &[Line]) -> Self {
        let all = lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        let highest = all.filter(|value| value.is_finite()).fold(0.0, f64::max);
        Self::new(0.0, highest * 1.05)
    }
}

impl Line {
    /// A line through points whose first coordinates rise. Points that are no numbers are gaps.
    #[must_use]
    pub fn new(name: &str, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), colour, dashed: false, points }
    }

    /// The same, dashed: for thresholds and for what would have been.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// The same with at most `count` points, each the mean of those that it stands for.
    #[must_use]
    pub fn thinned(mut self, count: usize) -> Self {
        let size = self.points.len().div_ceil(count.max(1)).max(1);
        let mean = |points: &[(f64, f64)]| {
            let sum = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (sum.0 / points.len() as f64, sum.1 / points.len() as f64)
        };
        self.points = self.points.chunks(size).map(mean).collect();
        self
    }
}

#[cfg(test)]
mod tests;

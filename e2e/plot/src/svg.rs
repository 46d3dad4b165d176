//! How a figure is laid out and written.

use std::fmt::Write as _;

use crate::scale::{pixel, short};
use crate::{Cell, Colour, Figure, Line, Strip};

/// As wide as a page of documentation is.
const WIDTH: f64 = 860.0;
const MARGIN: f64 = 16.0;
/// Left of a strip, for the numbers of its axis.
const NUMBERS: f64 = 38.0;
/// Above a strip, for what it shows.
const LABEL: f64 = 24.0;
/// Below the last strip of a cell, for the numbers of the shared axis.
const FOOT: f64 = 18.0;
const TITLE: f64 = 22.0;
const GAP: f64 = 18.0;

const STYLE: &str = "<style>\
    text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
    .title{font-size:15px;font-weight:600}.cell{font-size:13px;font-weight:600}.quiet{fill:#59636e}\
    .ground{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0;stroke-width:1}\
    path{fill:none;stroke-width:1.6;stroke-linejoin:round}.dash{stroke-dasharray:5 4}\
    .blue{stroke:#0969da}.orange{stroke:#bc4c00}.green{stroke:#1a7f37}.purple{stroke:#8250df}\
    .grey{stroke:#818b98}.red{stroke:#cf222e}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}\
    .ground{fill:#0d1117;stroke:#3d444d}.grid{stroke:#3d444d}\
    .blue{stroke:#58a6ff}.orange{stroke:#f0883e}.green{stroke:#3fb950}.purple{stroke:#bc8cff}\
    .grey{stroke:#9198a1}.red{stroke:#ff7b72}}</style>";

impl Colour {
    const fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Orange => "orange",
            Self::Green => "green",
            Self::Purple => "purple",
            Self::Grey => "grey",
            Self::Red => "red",
        }
    }
}

impl Line {
    fn class(&self) -> String {
        format!("{}{}", self.colour.class(), if self.dashed { " dash" } else { "" })
    }
}

/// What has been written, and how far down the page it goes. Writing to a string cannot fail.
struct Page(String);

impl Page {
    fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let _ = write!(
            self.0,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            pixel(x),
            pixel(y),
            escaped(text)
        );
    }

    fn path(&mut self, class: &str, steps: &str) {
        let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{steps}\"/>");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(crate) fn render(figure: &Figure) -> String {
    let mut page = Page(String::new());
    let mut top = MARGIN + TITLE;
    page.text("title", (MARGIN, top - 6.0), "start", &figure.title);
    top = legend(&mut page, figure, top) + 6.0;
    let columns = figure.columns as f64;
    let width = (WIDTH - 2.0 * MARGIN - (columns - 1.0) * GAP) / columns;
    for row in figure.cells.chunks(figure.columns) {
        let mut lowest = top;
        for (nth, cell) in row.iter().enumerate() {
            let left = MARGIN + nth as f64 * (width + GAP);
            lowest = lowest.max(draw_cell(&mut page, cell, (left, top), width));
        }
        top = lowest + GAP;
    }
    page.text("quiet", (WIDTH / 2.0, top), "middle", &figure.x_label);
    let height = top + MARGIN;
    let head = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\">\
         <title>{}</title>\n{STYLE}\n<rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        pixel(height),
        escaped(&figure.title),
        pixel(WIDTH - 1.0),
        pixel(height - 1.0)
    );
    format!("{head}{}</svg>\n", page.0)
}

/// Each name once, with a piece of its line; gives back where it ends.
fn legend(page: &mut Page, figure: &Figure, top: f64) -> f64 {
    let mut seen: Vec<&Line> = Vec::new();
    let lines = figure.cells.iter().flat_map(|cell| &cell.strips).flat_map(|strip| &strip.lines);
    for line in lines {
        if !seen.iter().any(|other| other.name == line.name) {
            seen.push(line);
        }
    }
    let (mut left, mut below) = (MARGIN, top + 12.0);
    for line in seen {
        // A letter of this size is some 6.5 pixels wide.
        let width = 46.0 + 6.5 * line.name.chars().count() as f64;
        if left + width > WIDTH - MARGIN {
            (left, below) = (MARGIN, below + 18.0);
        }
        let steps = format!("M{} {}h22", pixel(left), pixel(below - 4.0));
        page.path(&line.class(), &steps);
        page.text("", (left + 28.0, below), "start", &line.name);
        left += width;
    }
    below
}

/// Gives back where the cell ends.
fn draw_cell(page: &mut Page, cell: &Cell, (left, top): (f64, f64), width: f64) -> f64 {
    let mut below = top;
    if !cell.title.is_empty() {
        below += TITLE;
        page.text("cell", (left, below - 6.0), "start", &cell.title);
    }
    let inner = (left + NUMBERS, width - NUMBERS);
    for strip in &cell.strips {
        below += LABEL;
        page.text("quiet", (inner.0, below - 5.0), "start", &strip.label);
        draw_strip(page, cell, strip, inner, below);
        below += strip.height;
    }
    // Some 45 pixels for each number, so that they do not touch.
    for tick in cell.x.ticks((inner.1 / 45.0) as usize) {
        let x = inner.0 + cell.x.share(tick) * inner.1;
        page.text("quiet", (x, below + FOOT - 3.0), "middle", &short(tick));
    }
    below + FOOT
}

fn draw_strip(page: &mut Page, cell: &Cell, strip: &Strip, (left, width): (f64, f64), top: f64) {
    let down = |value: f64| top + (1.0 - strip.y.share(value)) * strip.height;
    for tick in strip.y.ticks((strip.height / 30.0) as usize) {
        let y = down(tick);
        page.path("grid", &format!("M{} {}h{}", pixel(left), pixel(y), pixel(width)));
        page.text("quiet", (left - 6.0, y + 4.0), "end", &short(tick));
    }
    for line in &strip.lines {
        let mut steps = String::new();
        let mut verb = 'M';
        for (x, y) in &line.points {
            if !(x.is_finite() && y.is_finite()) {
                verb = 'M';
                continue;
            }
            let across = left + cell.x.share(*x) * width;
            let _ = write!(steps, "{verb}{} {}", pixel(across), pixel(down(*y)));
            verb = 'L';
        }
        page.path(&line.class(), &steps);
    }
}

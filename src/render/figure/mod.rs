//! One model of a picture, with a writer for files and one for the page.
//!
//! A [`Figure`] says what is shown: axes, series, annotations, and the words for those who cannot see it. `scene` lays it
//! out once, as shapes at positions; `files` draws the shapes with plotters (PNG, SVG), `inline` writes them as SVG whose
//! colours the page chooses and whose points tell more when pointed at.

mod analytic;
mod axis;
mod charts;
mod compared;
mod dashboard;
mod files;
mod inline;
mod labels;
mod latency;
mod palette;
mod roofline;
mod scene;
mod strategies;
mod topology;
mod tuning;

pub use analytic::analytic;
pub use axis::{Axis, Number, Scale};
pub(super) use charts::STAGES;
pub use charts::{bandwidth, fractions, speedups, stages, throughput_by_batch, throughput_by_sequence};
pub use compared::comparison;
pub use dashboard::{
    by_width, first_search, form_memory, intensities, operations, operations_by_part, patterns, predicted,
    score_rates, score_times,
};
pub use latency::latency;
pub use palette::{Ink, Marker};
pub use roofline::{roofline, roofline_at, thread_counts};
pub use strategies::strategies;
pub use topology::topology;
pub use tuning::{quality, tuning};

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Stem of its files.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// How to read it, in a sentence.
    pub subtitle: String,
    /// What there is to see, for those who cannot.
    pub alt: String,
    /// Width and height in CSS pixels; a PNG has twice as many each way.
    pub size: (f64, f64),
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis; a scale of categories for bars.
    pub y: Axis,
    /// What is drawn, the lowest first.
    pub series: Vec<Series>,
    /// Lines that mark a value of x.
    pub marks: Vec<Mark>,
}

/// Things of one kind and colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend; without one it is not in the legend.
    pub name: Option<String>,
    /// Its colour.
    pub ink: Ink,
    /// Its data.
    pub data: Data,
}

/// What a series holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// A line through points.
    Line(Line),
    /// Marked points.
    Points(Marker, Vec<Point>),
    /// Horizontal bars on the categories of y.
    Bars(Vec<Bar>),
    /// Values with intervals on the categories of y.
    Intervals(Vec<Interval>),
    /// Boxes in boxes at positions of their own: a figure that holds them has no axes.
    Nested(Vec<Nested>),
}

/// A box with a name, in pixels below the titles.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// How strong its colour is, 0 to 1.
    pub opacity: f64,
    /// Written at its upper left, as far as there is room; more lines below it.
    pub lines: Vec<String>,
    /// What it tells when pointed at.
    pub hover: String,
}

/// A line through points.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The points, in order.
    pub points: Vec<(f64, f64)>,
    /// Its width in pixels.
    pub width: f64,
    /// Written to the left of its first point.
    pub start_label: Option<String>,
    /// Written to the right of its last point.
    pub end_label: Option<String>,
    /// What it tells when pointed at.
    pub hover: String,
}

/// How much a point matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emphasis {
    /// Filled and large.
    Best,
    /// Filled, small and pale.
    Other,
    /// Hollow.
    Plain,
}

/// A marked point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Where, horizontally.
    pub x: f64,
    /// Where, vertically.
    pub y: f64,
    /// How it is drawn.
    pub emphasis: Emphasis,
    /// Written beside it, where there is room.
    pub label: Option<String>,
    /// What it tells when pointed at.
    pub hover: String,
}

/// A horizontal bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Index into the categories of y.
    pub category: usize,
    /// One end.
    pub from: f64,
    /// The other end.
    pub to: f64,
    /// Written behind it.
    pub label: Option<String>,
    /// What it tells when pointed at.
    pub hover: String,
}

/// A value with an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Index into the categories of y.
    pub category: usize,
    /// Lower end.
    pub low: f64,
    /// The value.
    pub value: f64,
    /// Upper end.
    pub high: f64,
    /// Written at the right edge.
    pub label: Option<String>,
    /// What it tells when pointed at.
    pub hover: String,
}

/// A line at a value of x.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The value.
    pub x: f64,
    /// Written at its top.
    pub label: String,
}

impl Figure {
    /// Whether there is nothing to see.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| match &series.data {
            Data::Line(line) => line.points.len() < 2,
            Data::Points(_, points) => points.is_empty(),
            Data::Bars(bars) => bars.is_empty(),
            Data::Intervals(intervals) => intervals.is_empty(),
            Data::Nested(boxes) => boxes.is_empty(),
        })
    }

    /// A standalone SVG file.
    ///
    /// # Errors
    /// When plotters refuses to draw, which it does only without its font.
    pub fn to_svg(&self) -> std::io::Result<String> {
        files::svg(self)
    }

    /// A PNG file at twice the size.
    ///
    /// # Errors
    /// When plotters refuses to draw or the image cannot be encoded.
    pub fn to_png(&self) -> std::io::Result<Vec<u8>> {
        files::png(self)
    }

    /// An SVG element for the page: colours by class, details when pointed at.
    #[must_use]
    pub fn to_inline_svg(&self) -> String {
        inline::svg(self)
    }
}

//! The layout of a figure: shapes at positions in CSS pixels, the same for every writer.

use super::labels::{self, Boxed};
use super::{Axis, Bar, Data, Emphasis, Figure, Ink, Interval, Line, Marker, Nested, Point, Scale, Series};
use crate::render::font::{em_width, fit};

/// Size of the text in a picture.
pub(super) const TEXT: f64 = 14.0;
const SMALL: f64 = 13.0;
const TITLE: f64 = 20.0;
/// Height of a row of a bar chart.
pub(super) const ROW: f64 = 30.0;

/// Whether the picture says its own title, or the page around it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Titles {
    Inside,
    Outside,
}

/// A laid-out figure.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) items: Vec<Item>,
}

/// A shape with what it tells when pointed at.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) shape: Shape,
    pub(super) ink: Ink,
    pub(super) opacity: f64,
    pub(super) hover: Option<String>,
}

/// What is drawn.
#[derive(Debug)]
pub(super) enum Shape {
    Path { points: Vec<(f64, f64)>, width: f64 },
    Rect { x: f64, y: f64, width: f64, height: f64 },
    Marker { x: f64, y: f64, radius: f64, marker: Marker, filled: bool },
    Text { x: f64, y: f64, size: f64, anchor: Anchor, bold: bool, text: String },
}

/// Which point of a text is at its position; the vertical position is always the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The part of the picture where the data are.
#[derive(Debug, Clone, Copy)]
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Plot {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + axis.fraction(value) * (self.right - self.left)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - axis.fraction(value) * (self.bottom - self.top)
    }

    /// The middle of a category's row, and the height of a row.
    fn row(&self, axis: &Axis, category: usize) -> (f64, f64) {
        let height = (self.bottom - self.top) / axis.range.1;
        (self.top + (category as f64 + 0.5) * height, height)
    }

    fn contains(&self, (x, y): (f64, f64)) -> bool {
        let slack = 0.5;
        x >= self.left - slack && x <= self.right + slack && y >= self.top - slack && y <= self.bottom + slack
    }
}

/// Lays a figure out.
pub(super) fn compose(figure: &Figure, titles: Titles) -> Scene {
    let mut scene = Composer { items: Vec::new(), boxes: Vec::new() };
    let (width, full_height) = figure.size;
    let mut top = match titles {
        Titles::Inside => scene.titles(figure, width),
        Titles::Outside => 4.0,
    };
    let saved = if titles == Titles::Outside { TITLE + 40.0 } else { 0.0 };
    let height = full_height - saved;
    top = scene.legend(figure, top, width);
    if figure.series.iter().any(|series| matches!(series.data, Data::Nested(_))) {
        // Their positions are their own: there is nothing to scale.
        for series in &figure.series {
            if let Data::Nested(boxes) = &series.data {
                scene.nested(boxes, series.ink, top);
            }
        }
        return Scene { width, height: top + nested_height(figure), items: scene.items };
    }
    let plot = Plot {
        left: left_margin(figure),
        right: width - right_margin(figure),
        top: top + if figure.y.title.is_empty() { 8.0 } else { 34.0 },
        bottom: height - 58.0,
    };
    scene.axes(figure, &plot);
    scene.marks(figure, &plot);
    for series in &figure.series {
        scene.series(figure, series, &plot);
    }
    scene.line_labels(figure, &plot);
    scene.point_labels(figure, &plot);
    Scene { width, height, items: scene.items }
}

/// Where the lowest box ends.
fn nested_height(figure: &Figure) -> f64 {
    let boxes = figure.series.iter().flat_map(|series| match &series.data {
        Data::Nested(boxes) => boxes.as_slice(),
        Data::Line(_) | Data::Points(..) | Data::Bars(_) | Data::Intervals(_) => &[],
    });
    boxes.map(|nested| nested.y + nested.height).fold(0.0, f64::max) + 12.0
}

/// Room for the names of rows, or for the numbers at the ticks.
fn left_margin(figure: &Figure) -> f64 {
    match &figure.y.scale {
        Scale::Category(names) => {
            let widest = names.iter().map(|name| em_width(name) * TEXT).fold(0.0, f64::max);
            (widest * 1.1 + 26.0).clamp(90.0, CATEGORY_WIDTH * 1.1 + 26.0)
        }
        Scale::Linear | Scale::Log => 104.0,
    }
}

/// Names of rows are cut to this width.
const CATEGORY_WIDTH: f64 = 400.0;

/// Room for what is written to the right of lines and bars.
fn right_margin(figure: &Figure) -> f64 {
    let labels = figure.series.iter().flat_map(|series| -> Vec<&str> {
        match &series.data {
            Data::Line(line) => line.end_label.iter().map(String::as_str).collect(),
            Data::Bars(bars) => bars.iter().filter_map(|bar| bar.label.as_deref()).collect(),
            Data::Intervals(list) => list.iter().filter_map(|i| i.label.as_deref()).collect(),
            Data::Points(..) | Data::Nested(_) => Vec::new(),
        }
    });
    let widest = labels.map(|label| em_width(label) * SMALL).fold(0.0, f64::max);
    (widest * 1.08 + 30.0).clamp(32.0, 320.0)
}

struct Composer {
    items: Vec<Item>,
    /// What later labels must not cover.
    boxes: Vec<Boxed>,
}

impl Composer {
    fn push(&mut self, shape: Shape, ink: Ink) {
        self.items.push(Item { shape, ink, opacity: 1.0, hover: None });
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) {
        self.push(Shape::Path { points: vec![from, to], width }, ink);
    }

    fn text(&mut self, at: (f64, f64), text: &str, size: f64, anchor: Anchor, ink: Ink) {
        let (x, y) = at;
        self.push(Shape::Text { x, y, size, anchor, bold: false, text: text.to_owned() }, ink);
    }

    /// A text on a patch of the background, so that lines behind it do not strike it through.
    fn patched_text(&mut self, boxed: Boxed, text: &str, anchor: Anchor, ink: Ink) {
        self.items.push(Item {
            shape: Shape::Rect { x: boxed.x, y: boxed.y, width: boxed.width, height: boxed.height },
            ink: Ink::Surface,
            opacity: 0.82,
            hover: None,
        });
        let x = match anchor {
            Anchor::Start => boxed.x + 2.0,
            Anchor::Middle => boxed.x + boxed.width / 2.0,
            Anchor::End => boxed.x + boxed.width - 2.0,
        };
        self.text((x, boxed.y + boxed.height - 4.0), text, SMALL, anchor, ink);
    }

    fn titles(&mut self, figure: &Figure, width: f64) -> f64 {
        let title = fit(&figure.title, (width - 48.0) / TITLE);
        self.push(
            Shape::Text { x: 24.0, y: 38.0, size: TITLE, anchor: Anchor::Start, bold: true, text: title },
            Ink::Text,
        );
        let subtitle = fit(&figure.subtitle, (width - 48.0) / TEXT);
        self.text((24.0, 61.0), &subtitle, TEXT, Anchor::Start, Ink::Muted);
        TITLE + 54.0
    }

    /// Names of the series in rows, with a sample of each. Answers where the rows end.
    fn legend(&mut self, figure: &Figure, top: f64, width: f64) -> f64 {
        let mut x = 24.0;
        let mut y = top + 16.0;
        let mut any = false;
        for series in &figure.series {
            let Some(name) = &series.name else { continue };
            any = true;
            let name = fit(name, 24.0);
            let extent = em_width(&name) * SMALL + 42.0;
            if x + extent > width - 24.0 && x > 24.0 {
                x = 24.0;
                y += 22.0;
            }
            let middle = y - 4.5;
            match &series.data {
                Data::Line(line) => {
                    self.line((x, middle), (x + 18.0, middle), line.width.max(2.0), series.ink);
                }
                Data::Points(marker, points) => {
                    let filled = points.iter().any(|point| point.emphasis != Emphasis::Plain);
                    let sample =
                        Shape::Marker { x: x + 9.0, y: middle, radius: 5.5, marker: *marker, filled };
                    self.push(sample, series.ink);
                }
                Data::Bars(_) | Data::Intervals(_) | Data::Nested(_) => {
                    let sample = Shape::Rect { x: x + 3.0, y: middle - 6.0, width: 12.0, height: 12.0 };
                    self.push(sample, series.ink);
                }
            }
            self.text((x + 24.0, y), &name, SMALL, Anchor::Start, Ink::Text);
            x += extent;
        }
        if any { y + 12.0 } else { top }
    }

    fn axes(&mut self, figure: &Figure, plot: &Plot) {
        let room = ((plot.right - plot.left) / 92.0).clamp(2.0, 12.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 12")]
        for (value, text) in figure.x.ticks(room as usize) {
            let x = plot.x(&figure.x, value);
            self.line((x, plot.top), (x, plot.bottom), 1.0, Ink::Grid);
            self.text((x, plot.bottom + 21.0), &text, SMALL, Anchor::Middle, Ink::Muted);
        }
        let title = (plot.left + plot.right) / 2.0;
        self.text((title, plot.bottom + 45.0), &figure.x.title, TEXT, Anchor::Middle, Ink::Text);
        match &figure.y.scale {
            Scale::Category(names) => {
                for (i, name) in names.iter().enumerate() {
                    let (y, _) = plot.row(&figure.y, i);
                    let name = fit(name, CATEGORY_WIDTH / TEXT);
                    self.text((plot.left - 12.0, y + 5.0), &name, TEXT, Anchor::End, Ink::Text);
                }
                let x = plot.left;
                self.line((x, plot.top), (x, plot.bottom), 1.0, Ink::Muted);
            }
            Scale::Linear | Scale::Log => {
                for (value, text) in figure.y.ticks(9) {
                    let y = plot.y(&figure.y, value);
                    self.line((plot.left, y), (plot.right, y), 1.0, Ink::Grid);
                    self.text((plot.left - 10.0, y + 4.5), &text, SMALL, Anchor::End, Ink::Muted);
                }
                self.text((24.0, plot.top - 14.0), &figure.y.title, TEXT, Anchor::Start, Ink::Text);
                self.line((plot.left, plot.bottom), (plot.right, plot.bottom), 1.0, Ink::Muted);
            }
        }
    }

    fn marks(&mut self, figure: &Figure, plot: &Plot) {
        for mark in &figure.marks {
            let x = plot.x(&figure.x, mark.x);
            if x < plot.left || x > plot.right {
                continue;
            }
            self.line((x, plot.top - 4.0), (x, plot.bottom), 1.5, Ink::Muted);
            self.text((x, plot.top - 8.0), &mark.label, SMALL, Anchor::Middle, Ink::Muted);
        }
    }

    fn series(&mut self, figure: &Figure, series: &Series, plot: &Plot) {
        match &series.data {
            Data::Line(line) => self.data_line(figure, line, series.ink, plot),
            Data::Points(marker, points) => self.data_points(figure, *marker, points, series.ink, plot),
            Data::Bars(bars) => self.data_bars(figure, bars, series.ink, plot),
            Data::Intervals(list) => self.data_intervals(figure, list, series.ink, plot),
            Data::Nested(boxes) => self.nested(boxes, series.ink, plot.top),
        }
    }

    fn data_line(&mut self, figure: &Figure, line: &Line, ink: Ink, plot: &Plot) {
        let points: Vec<_> =
            line.points.iter().map(|&(x, y)| (plot.x(&figure.x, x), plot.y(&figure.y, y))).collect();
        if points.len() > 1 {
            let hover = Some(line.hover.clone());
            self.items.push(Item {
                shape: Shape::Path { points, width: line.width },
                ink,
                opacity: 1.0,
                hover,
            });
        }
    }

    fn data_points(&mut self, figure: &Figure, marker: Marker, points: &[Point], ink: Ink, plot: &Plot) {
        for point in points {
            let at = (plot.x(&figure.x, point.x), plot.y(&figure.y, point.y));
            if !plot.contains(at) {
                continue;
            }
            let (radius, filled, opacity) = match point.emphasis {
                Emphasis::Best => (7.0, true, 1.0),
                Emphasis::Other => (4.5, true, 0.45),
                Emphasis::Plain => (4.5, false, 0.9),
            };
            let (x, y) = at;
            let shape = Shape::Marker { x, y, radius, marker, filled };
            self.items.push(Item { shape, ink, opacity, hover: Some(point.hover.clone()) });
            self.boxes.push(Boxed::around(at, radius));
        }
    }

    fn data_bars(&mut self, figure: &Figure, bars: &[Bar], ink: Ink, plot: &Plot) {
        for bar in bars {
            let (y, row) = plot.row(&figure.y, bar.category);
            let height = (row * 0.62).min(22.0);
            let (a, b) = (plot.x(&figure.x, bar.from), plot.x(&figure.x, bar.to));
            let (left, right) = (a.min(b).max(plot.left), a.max(b).min(plot.right));
            let width = (right - left).max(1.0);
            let shape = Shape::Rect { x: left, y: y - height / 2.0, width, height };
            self.items.push(Item { shape, ink, opacity: 1.0, hover: Some(bar.hover.clone()) });
            if let Some(label) = &bar.label {
                let width = em_width(label) * SMALL + 8.0;
                let boxed = Boxed { x: right.max(left) + 6.0, y: y - 8.5, width, height: 17.0 };
                self.patched_text(boxed, label, Anchor::Start, Ink::Text);
            }
        }
    }

    fn data_intervals(&mut self, figure: &Figure, list: &[Interval], ink: Ink, plot: &Plot) {
        for interval in list {
            let (y, _) = plot.row(&figure.y, interval.category);
            let x = |value: f64| plot.x(&figure.x, value).clamp(plot.left, plot.right);
            let (low, value, high) = (x(interval.low), x(interval.value), x(interval.high));
            let hover = Some(interval.hover.clone());
            let path = |points| Shape::Path { points, width: 2.5 };
            for points in [
                vec![(low, y), (high, y)],
                vec![(low, y - 5.0), (low, y + 5.0)],
                vec![(high, y - 5.0), (high, y + 5.0)],
            ] {
                self.items.push(Item { shape: path(points), ink, opacity: 0.75, hover: hover.clone() });
            }
            let shape = Shape::Marker { x: value, y, radius: 6.0, marker: Marker::Circle, filled: true };
            self.items.push(Item { shape, ink, opacity: 1.0, hover });
            if let Some(label) = &interval.label {
                self.text((plot.right + 12.0, y + 4.5), label, SMALL, Anchor::Start, Ink::Text);
            }
        }
    }

    /// Boxes with their names, each over those that hold it.
    fn nested(&mut self, boxes: &[Nested], ink: Ink, top: f64) {
        const LINE: f64 = 16.0;
        for nested in boxes {
            let (x, y, width, height) = (nested.x, nested.y + top, nested.width, nested.height);
            let hover = Some(nested.hover.clone());
            let shape = Shape::Rect { x, y, width, height };
            self.items.push(Item { shape, ink, opacity: nested.opacity, hover });
            let corners = vec![(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)];
            self.push(Shape::Path { points: corners, width: 1.0 }, ink);
            for (number, line) in nested.lines.iter().enumerate() {
                let text = fit(line, (width - 12.0) / SMALL);
                let at = (x + 6.0, y + LINE * (number as f64 + 1.0));
                self.text(at, &text, SMALL, Anchor::Start, Ink::Text);
            }
        }
    }

    /// Names at the ends of lines: those at the same end are moved apart, with a thin line back where one had to move far.
    fn line_labels(&mut self, figure: &Figure, plot: &Plot) {
        for end in [Anchor::End, Anchor::Start] {
            let mut wanted: Vec<(f64, f64, Ink, &str)> = Vec::new();
            for series in &figure.series {
                let Data::Line(line) = &series.data else { continue };
                let (label, point) = match end {
                    Anchor::End | Anchor::Middle => (&line.start_label, line.points.first()),
                    Anchor::Start => (&line.end_label, line.points.last()),
                };
                if let (Some(label), Some(&(x, y))) = (label, point) {
                    wanted.push((plot.x(&figure.x, x), plot.y(&figure.y, y), series.ink, label));
                }
            }
            let heights: Vec<f64> = wanted.iter().map(|label| label.1).collect();
            let moved = labels::spread(&heights, SMALL + 4.0, plot.top, plot.bottom);
            for (&(x, y, ink, label), &at) in wanted.iter().zip(&moved) {
                let side = if end == Anchor::End { -1.0 } else { 1.0 };
                if (at - y).abs() > 3.0 {
                    self.line((x + side * 3.0, y), (x + side * 10.0, at), 1.0, Ink::Muted);
                }
                let width = em_width(label) * SMALL;
                let x = x + side * 13.0;
                let left = if end == Anchor::End { x - width } else { x };
                self.boxes.push(Boxed { x: left, y: at - 9.0, width, height: 18.0 });
                self.text((x, at + 4.5), label, SMALL, end, ink);
            }
        }
    }

    /// Names beside points, where there is room.
    fn point_labels(&mut self, figure: &Figure, plot: &Plot) {
        for series in &figure.series {
            let Data::Points(_, points) = &series.data else { continue };
            for point in points {
                let Some(label) = &point.label else { continue };
                let at = (plot.x(&figure.x, point.x), plot.y(&figure.y, point.y));
                let width = em_width(label) * SMALL + 4.0;
                let inside = |b: &Boxed| b.inside(plot.left, plot.top, plot.right, plot.bottom);
                if let Some((boxed, anchor)) = labels::beside(at, width, &self.boxes, inside) {
                    self.boxes.push(boxed);
                    self.patched_text(boxed, label, anchor, Ink::Text);
                }
            }
        }
    }
}

//! Strategies of matrix products: operations per second over the size.

use super::{Axis, Data, Figure, Ink, Line, Mark, Number, Series};
use crate::document::{MatmulSize, MatmulTuning};

/// The time of a strategy, where it was measured.
type Seconds = fn(&MatmulSize) -> Option<f64>;

/// A line a strategy; empty without sizes.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes of products")]
pub fn strategies(matmul: &MatmulTuning) -> Figure {
    let ways: [(&str, Seconds); 4] = [
        ("direct", |row| Some(row.direct_seconds)),
        ("packing on the way", |row| Some(row.packing_seconds)),
        ("packed before", |row| Some(row.packed_seconds)),
        ("threads", |row| row.parallel_seconds),
    ];
    let mut series = Vec::new();
    for (index, (name, seconds)) in ways.into_iter().enumerate() {
        let point =
            |row: &MatmulSize| Some((row.size as f64, 2.0 * (row.size as f64).powi(3) / seconds(row)?));
        let line = Line {
            points: matmul.sizes.iter().filter_map(point).collect(),
            width: 1.8,
            start_label: None,
            end_label: None,
            hover: name.to_owned(),
        };
        series.push(Series { name: Some(name.to_owned()), ink: Ink::Series(index), data: Data::Line(line) });
    }
    let values = |series: &[Series], which: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let lines = series.iter().filter_map(|series| match &series.data {
            Data::Line(line) => Some(line),
            Data::Points(..) | Data::Bars(_) | Data::Intervals(_) | Data::Nested(_) => None,
        });
        lines.flat_map(|line| line.points.iter().map(which)).collect()
    };
    let mark = |size: usize, label: &str| Mark { x: size as f64, label: label.to_owned() };
    let packing = matmul.packing_from_size.map(|size| mark(size, "packing pays"));
    let threads = matmul.parallel_from_size.map(|size| mark(size, "threads pay"));
    Figure {
        name: "strategies".to_owned(),
        title: "Operations per second by strategy".to_owned(),
        subtitle: "Square products in single precision; the shortest of many times in turn.".to_owned(),
        alt: "Operations per second of each strategy over the size of the product. The table beside it holds the times."
            .to_owned(),
        size: (1200.0, 560.0),
        x: Axis::log("Rows and columns", values(&series, |point| point.0), 1.1, Number::Plain),
        y: Axis::from_zero("FLOP/s", values(&series, |point| point.1), Number::Rate("FLOP/s")),
        series,
        marks: packing.into_iter().chain(threads).collect(),
    }
}

//! Settings of `embed`: throughput over latency, the front as a line.

use super::{Axis, Data, Emphasis, Figure, Ink, Line, Mark, Marker, Number, Point, Series};
use crate::document::{Tuning, TuningCandidate};
use crate::units;

/// The measured settings; empty without any.
#[must_use]
pub fn tuning(tuning: &Tuning) -> Figure {
    let place = |row: &TuningCandidate| Some((row.latency_seconds?, row.texts_per_second?));
    let measured = || tuning.candidates.iter().filter_map(|row| Some((row, place(row)?)));
    let limit = tuning.limits.latency_seconds;
    let xs = measured().map(|(_, (x, _))| x).chain(limit);
    let mut series = Vec::new();
    let mut front: Vec<(f64, f64)> = measured().filter(|(row, _)| row.on_front).map(|(_, at)| at).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = Line {
        points: front,
        width: 1.6,
        start_label: None,
        end_label: None,
        hover: "none is better in everything".to_owned(),
    };
    series.push(Series { name: Some("front".to_owned()), ink: Ink::Muted, data: Data::Line(line) });
    let mut precisions: Vec<&str> = measured().map(|(row, _)| &*row.settings.precision).collect();
    precisions.dedup();
    let markers = [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Triangle];
    for (index, precision) in precisions.into_iter().enumerate() {
        let rows = measured().filter(|(row, _)| row.settings.precision == precision);
        let points = rows.map(|(row, (x, y))| point(tuning, row, x, y)).collect();
        series.push(Series {
            name: Some(precision.to_owned()),
            ink: Ink::Series(index),
            data: Data::Points(markers[index % markers.len()], points),
        });
    }
    let mark = |seconds: f64| Mark { x: seconds, label: format!("limit {}", units::seconds(seconds)) };
    Figure {
        name: "tuning".to_owned(),
        title: "Throughput over latency".to_owned(),
        subtitle: "Each point is a setting; the time that 19 of 20 batches do not exceed.".to_owned(),
        alt: "Texts in a second over the latency of a batch for every setting. The table beside it holds the same figures."
            .to_owned(),
        size: (1200.0, 560.0),
        x: Axis::log("Latency of a batch", xs, 1.2, Number::Seconds),
        y: Axis::from_zero("Texts in a second", measured().map(|(_, (_, y))| y), Number::Plain),
        series,
        marks: limit.map(mark).into_iter().collect(),
    }
}

fn point(tuning: &Tuning, row: &TuningCandidate, x: f64, y: f64) -> Point {
    let chosen = tuning.choice.as_ref().is_some_and(|choice| choice.settings == row.settings);
    let emphasis = match (row.on_front, row.meets_limits) {
        (true, _) => Emphasis::Best,
        (false, true) => Emphasis::Other,
        (false, false) => Emphasis::Plain,
    };
    Point {
        x,
        y,
        emphasis,
        label: chosen.then(|| row.settings.to_string()),
        hover: format!("{}: {}, {}", row.settings, units::rate(y, "texts/s"), units::seconds(x)),
    }
}

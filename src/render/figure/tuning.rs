//! What a search gave: throughput over latency, the front as a line; and quality over latency where it is known.

use super::{Axis, Data, Emphasis, Figure, Ink, Line, Mark, Marker, Number, Point, Series};
use crate::document::{MolTuning, Tuning};
use crate::units;

/// One setting in the picture.
struct Place {
    x: f64,
    y: f64,
    /// Its colour: settings of one series are alike in something.
    series: String,
    name: String,
    on_front: bool,
    meets_limits: bool,
    chosen: bool,
}

/// Throughput over latency; empty where nothing was measured.
#[must_use]
pub fn tuning(tuning: &Tuning) -> Figure {
    if let Some(matmul) = &tuning.matmul {
        return super::strategies(matmul);
    }
    let (unit, places) = match &tuning.mol {
        Some(mol) => ("queries", mol_places(mol)),
        None => ("texts", embed_places(tuning)),
    };
    let latency = Axis::log(
        "Latency of a batch",
        places.iter().map(|place| place.x).chain(tuning.limits.latency_seconds),
        1.2,
        Number::Seconds,
    );
    let capital = if unit == "texts" { "Texts" } else { "Queries" };
    Figure {
        name: "tuning".to_owned(),
        title: "Throughput over latency".to_owned(),
        subtitle: "Each point is a setting; the time that 19 of 20 batches do not exceed.".to_owned(),
        alt: format!(
            "{capital} in a second over the latency of a batch for every setting. The table beside it holds the same figures."
        ),
        size: (1200.0, 560.0),
        x: latency,
        y: Axis::from_zero(
            &format!("{capital} in a second"),
            places.iter().map(|place| place.y),
            Number::Plain,
        ),
        series: series(&places, |y| units::rate(y, &format!("{unit}/s"))),
        marks: marks(tuning),
    }
}

/// Quality over latency of a mixture of logits; empty where no quality is known.
#[must_use]
pub fn quality(tuning: &Tuning) -> Figure {
    let mut places = Vec::new();
    for (place, row) in
        tuning.mol.iter().flat_map(|mol| mol_places(mol).into_iter().zip(measured(mol))).collect::<Vec<_>>()
    {
        places.extend(row.quality.map(|quality| Place { y: quality, ..place }));
    }
    Figure {
        name: "tuning-quality".to_owned(),
        title: "Quality over latency".to_owned(),
        subtitle: tuning.mol.as_ref().and_then(|mol| mol.quality_source.clone()).unwrap_or_default(),
        alt: "The quality over the latency of a batch for every configuration. The table beside it holds the same figures."
            .to_owned(),
        size: (1200.0, 560.0),
        x: Axis::log("Latency of a batch", places.iter().map(|place| place.x), 1.2, Number::Seconds),
        y: Axis::from_zero("Quality", places.iter().map(|place| place.y), Number::Plain),
        series: series(&places, |quality| format!("quality {quality:.4}")),
        marks: marks(tuning),
    }
}

fn marks(tuning: &Tuning) -> Vec<Mark> {
    let mark = |seconds: f64| Mark { x: seconds, label: format!("limit {}", units::seconds(seconds)) };
    tuning.limits.latency_seconds.map(mark).into_iter().collect()
}

fn embed_places(tuning: &Tuning) -> Vec<Place> {
    let chosen = tuning.choice.as_ref().map(|choice| &choice.settings);
    let place = |row: &crate::document::TuningCandidate| {
        Some(Place {
            x: row.latency_seconds?,
            y: row.texts_per_second?,
            series: row.settings.precision.clone(),
            name: row.settings.to_string(),
            on_front: row.on_front,
            meets_limits: row.meets_limits,
            chosen: chosen == Some(&row.settings),
        })
    };
    tuning.candidates.iter().filter_map(place).collect()
}

fn measured(mol: &MolTuning) -> impl Iterator<Item = &crate::document::MolCandidate> {
    mol.candidates.iter().filter(|row| row.latency_seconds.is_some() && row.queries_per_second.is_some())
}

fn mol_places(mol: &MolTuning) -> Vec<Place> {
    let chosen = mol.choice.as_ref().map(|choice| choice.settings);
    let place = |row: &crate::document::MolCandidate| {
        Some(Place {
            x: row.latency_seconds?,
            y: row.queries_per_second?,
            series: format!("{}x{}", row.settings.query_components, row.settings.item_components),
            name: row.settings.to_string(),
            on_front: row.on_front,
            meets_limits: row.meets_limits,
            chosen: chosen == Some(row.settings),
        })
    };
    measured(mol).filter_map(place).collect()
}

/// The front as a line, and the settings as points.
fn series(places: &[Place], value: impl Fn(f64) -> String) -> Vec<Series> {
    let mut front: Vec<(f64, f64)> =
        places.iter().filter(|place| place.on_front).map(|place| (place.x, place.y)).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    let line = Line {
        points: front,
        width: 1.6,
        start_label: None,
        end_label: None,
        hover: "none is better in everything".to_owned(),
    };
    let mut all = vec![Series { name: Some("front".to_owned()), ink: Ink::Muted, data: Data::Line(line) }];
    let mut names: Vec<&str> = Vec::new();
    for place in places {
        if !names.contains(&&*place.series) {
            names.push(&place.series);
        }
    }
    let markers = [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Triangle];
    for (index, name) in names.into_iter().enumerate() {
        let own = places.iter().filter(|place| place.series == name);
        all.push(Series {
            name: Some(name.to_owned()),
            ink: Ink::Series(index),
            data: Data::Points(
                markers[index % markers.len()],
                own.map(|place| point(place, value(place.y))).collect(),
            ),
        });
    }
    all
}

fn point(place: &Place, value: String) -> Point {
    let emphasis = match (place.on_front, place.meets_limits) {
        (true, _) => Emphasis::Best,
        (false, true) => Emphasis::Other,
        (false, false) => Emphasis::Plain,
    };
    Point {
        x: place.x,
        y: place.y,
        emphasis,
        label: place.chosen.then(|| place.name.clone()),
        hover: format!("{}: {value}, {}", place.name, units::seconds(place.x)),
    }
}

//! The latency curve: how long a load takes by the bytes that are walked, a line for each size of pages, and where the
//! system says that caches end.

use super::{Axis, Data, Emphasis, Figure, Ink, Line, Mark, Marker, Number, Point, Series};
use crate::analysis::latency::{Curve, curves};
use crate::document::Document;
use crate::render::words;
use crate::units;

/// The curves of a document; empty where no curve has two points.
#[must_use]
pub fn latency(document: &Document) -> Figure {
    let curves: Vec<Curve> = curves(document).into_iter().filter(|curve| curve.points.len() > 1).collect();
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let mut x =
        Axis::log("Bytes walked in random order", points().map(|point| point.0 as f64), 1.3, Number::Bytes);
    x.ticks_at = (10..50)
        .step_by(2)
        .map(|power| 2_f64.powi(power))
        .filter(|v| (x.range.0..=x.range.1).contains(v))
        .collect();
    let caches = (1..=4).filter_map(|level| Some((level, document.machine.cache_bytes(level)?)));
    let marks = caches
        .map(|(level, bytes)| Mark { x: bytes as f64, label: format!("L{level} {}", units::bytes(bytes)) });
    Figure {
        name: "latency".to_owned(),
        title: "Latency by footprint".to_owned(),
        subtitle: "A load that the next one waits for, the median; vertical lines are the caches as the system reports them."
            .to_owned(),
        alt: format!(
            "Latency by footprint: {} of seconds of a load over bytes walked. The table beside it holds the same figures.",
            words::counted(curves.len(), "line", "lines")
        ),
        size: (1200.0, 560.0),
        x,
        y: Axis::log("Time of a load", points().map(|point| point.1), 1.3, Number::Seconds),
        series: curves.iter().enumerate().flat_map(|(index, curve)| series(index, curve)).collect(),
        marks: marks.collect(),
    }
}

fn series(index: usize, curve: &Curve) -> [Series; 2] {
    let name = match &*curve.pages {
        "huge-pages" => "huge pages",
        "small-pages" => "ordinary pages",
        other => other,
    };
    let ink = Ink::Series([0, 1, 2, 3][index % 4]);
    let points = curve.points.iter().map(|&(bytes, seconds)| Point {
        x: bytes as f64,
        y: seconds,
        emphasis: Emphasis::Best,
        label: None,
        hover: format!("{} on {name}: {}", units::bytes(bytes), units::seconds(seconds)),
    });
    let line = Line {
        points: curve.points.iter().map(|&(bytes, seconds)| (bytes as f64, seconds)).collect(),
        width: 2.2,
        start_label: None,
        end_label: Some(name.to_owned()),
        hover: name.to_owned(),
    };
    let marker = [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Triangle][index % 4];
    [
        Series { name: None, ink, data: Data::Line(line) },
        Series { name: None, ink, data: Data::Points(marker, points.collect()) },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures::{document, measured};
    use crate::document::{Cost, Measurement};

    #[test]
    fn each_size_of_pages_has_a_line_and_each_cache_a_mark() {
        let chase = |pages: &str, bytes: usize| {
            let case = format!("latency/chase-u64/{pages}@baseline/{bytes}/t1");
            let facts = [("loads".to_owned(), 1000.0)].into_iter().collect();
            Measurement { facts, ..measured(&case, 1e-9 * bytes as f64, Cost::default()) }
        };
        let sizes = [16 << 10, 64 << 10, 1 << 20];
        let all =
            ["huge-pages", "small-pages"].iter().flat_map(|pages| sizes.map(|bytes| chase(pages, bytes)));
        let figure = latency(&document(all.collect()));
        let lines = figure.series.iter().filter(|series| matches!(series.data, Data::Line(_)));
        assert_eq!((lines.count(), figure.marks.len()), (2, 3));
        let ticks: Vec<String> = figure.x.ticks(8).into_iter().map(|tick| tick.1).collect();
        assert_eq!(ticks, ["16 KiB", "64 KiB", "256 KiB", "1 MiB"]);
        assert!(figure.to_inline_svg().contains("ordinary pages"));
        assert!(latency(&document(vec![chase("huge-pages", 4096)])).is_empty());
    }
}

//! The panels of the dashboard that no other page draws: each from what a document measured, or what is counted from its shapes.

use std::collections::BTreeMap;

use super::charts::{bar_chart, beyond, top};
use super::palette::SERIES;
use super::{Axis, Bar, Data, Emphasis, Figure, Ink, Line, Marker, Number, Point, Series};
use crate::analysis::analytic::{Fusion, Items, Mol, Precision, predictions};
use crate::document::{Case, Document, Measurement, MolTuning, Tuning};
use crate::render::facts::usable;
use crate::render::words;
use crate::stats;
use crate::units;

/// A bar with its name.
struct Row {
    name: String,
    family: String,
    value: f64,
    label: String,
    hover: String,
}

fn bars(name: &str, title: &str, subtitle: &str, axis: Axis, rows: Vec<Row>, from: f64) -> Figure {
    let (rows, left_out) = top(rows, |row| row.value);
    let names = rows.iter().map(|row| row.name.clone()).collect();
    let mut families: BTreeMap<String, Vec<Bar>> = BTreeMap::new();
    for (category, row) in rows.into_iter().enumerate() {
        let bar = Bar { category, from, to: row.value, label: Some(row.label), hover: row.hover };
        families.entry(row.family).or_default().push(bar);
    }
    let series = coloured(families).into_iter().map(|(family, ink, bars)| Series {
        ink,
        name: (!family.is_empty()).then_some(family),
        data: Data::Bars(bars),
    });
    bar_chart(name, title, format!("{subtitle}{}", beyond(left_out)), names, axis, series.collect())
}

/// Families with a colour each. Where there are more than colours, those with the fewest bars share the last one, under one name.
fn coloured(families: BTreeMap<String, Vec<Bar>>) -> Vec<(String, Ink, Vec<Bar>)> {
    let mut counts: Vec<usize> = families.values().map(Vec::len).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let own = if counts.len() > SERIES { SERIES - 1 } else { counts.len() };
    // The count of the last family with a colour of its own; among equals the first by name have one.
    let least = own.checked_sub(1).and_then(|last| counts.get(last)).copied().unwrap_or(0);
    let mut equals = own.saturating_sub(counts.iter().filter(|&&count| count > least).count());
    let (mut all, mut others) = (Vec::new(), Vec::new());
    for (family, bars) in families {
        let keeps = bars.len() > least || (bars.len() == least && equals > 0);
        if bars.len() == least {
            equals = equals.saturating_sub(1);
        }
        if keeps {
            all.push((family, Ink::Series(all.len()), bars));
        } else {
            others.extend(bars);
        }
    }
    if !others.is_empty() {
        all.push(("others".to_owned(), Ink::Series(SERIES - 1), others));
    }
    all
}

/// A logarithmic axis of rows, and where its bars begin.
fn log(title: &str, rows: &[Row], number: Number) -> (Axis, f64) {
    let axis = Axis::log(title, rows.iter().map(|row| row.value), 1.6, number);
    let from = axis.range.0;
    (axis, from)
}

fn median(measurement: &Measurement) -> Option<f64> {
    stats::median(&measurement.seconds.samples).filter(|seconds| usable(*seconds))
}

/// Of every benchmark the measurement with the largest figure.
fn best_of_each<'a>(
    document: &'a Document,
    figure: impl Fn(&'a Measurement) -> Option<f64>,
) -> Vec<(&'a Case, f64)> {
    let mut best: BTreeMap<&str, (&Case, f64)> = BTreeMap::new();
    for measurement in document.measured() {
        let case = &measurement.case;
        if matches!(case.family(), "memory" | "peak" | "latency" | "clock") || words::is_peer(case) {
            continue;
        }
        let Some(value) = figure(measurement).filter(|value| usable(*value)) else { continue };
        let entry = best.entry(&case.benchmark).or_insert((case, value));
        if value > entry.1 {
            *entry = (case, value);
        }
    }
    best.into_values().collect()
}

/// Operations a byte of memory, by the counts of the measured shapes.
#[must_use]
pub fn intensities(document: &Document) -> Figure {
    let intensity = |measurement: &Measurement| {
        let cost = measurement.cost;
        (cost.flops > 0.0 && cost.dram_bytes > 0.0).then(|| cost.flops / cost.dram_bytes)
    };
    let row = |(case, value): (&Case, f64)| Row {
        name: case.benchmark.clone(),
        family: case.family().to_owned(),
        value,
        label: format!("{} at {}", units::significant(value, 3), case.shape),
        hover: format!("{case}\n{} FLOP/B", units::significant(value, 4)),
    };
    let rows: Vec<Row> = best_of_each(document, intensity).into_iter().map(row).collect();
    let (axis, from) = log("Operations a byte of memory", &rows, Number::Plain);
    let subtitle = "Counted from the shape with the highest one that was measured";
    bars("intensity", "Arithmetic intensity", subtitle, axis, rows, from)
}

/// Bytes per second of each level by how it is walked.
#[must_use]
pub fn patterns(document: &Document) -> Figure {
    const PATTERNS: [&str; 4] = ["read", "strided", "random", "gather"];
    let mut best: BTreeMap<(String, usize), (&Case, f64)> = BTreeMap::new();
    for measurement in document.measured() {
        let case = &measurement.case;
        let Some((pattern, level)) = pattern_of(case) else { continue };
        let Some(at) = PATTERNS.iter().position(|known| *known == pattern) else { continue };
        let Some(rate) = median(measurement).map(|seconds| measurement.cost.core_bytes / seconds) else {
            continue;
        };
        let entry = best.entry((level.to_owned(), at)).or_insert((case, rate));
        if rate > entry.1 {
            *entry = (case, rate);
        }
    }
    let row = |((level, at), (case, value)): ((String, usize), (&Case, f64))| Row {
        name: format!("{} {}", level.to_uppercase(), PATTERNS[at]),
        family: PATTERNS[at].to_owned(),
        value,
        label: units::bytes_per_second(value),
        hover: format!("{case}\n{}", units::bytes_per_second(value)),
    };
    let rows: Vec<Row> = best.into_iter().filter(|(_, (_, rate))| usable(*rate)).map(row).collect();
    let (axis, from) = log("Bytes per second", &rows, Number::Rate("B/s"));
    let subtitle = "In order, whole lines a stride apart, whole lines and single numbers in random order; the best of each";
    bars("patterns", "Bandwidth by pattern", subtitle, axis, rows, from)
}

/// `read` and `l1` of `memory/read-l1-u8`; rows of a table are gathered from memory.
fn pattern_of(case: &Case) -> Option<(&str, &str)> {
    let (family, what) = case.benchmark.split_once('/')?;
    match family {
        "memory" => {
            let mut parts = what.split('-');
            Some((parts.next()?, parts.next()?))
        }
        "gather" => Some(("gather", "rows of a table")),
        _ => None,
    }
}

/// Operations per second of each kernel.
#[must_use]
pub fn operations(document: &Document) -> Figure {
    let rate = |measurement: &Measurement| Some(measurement.cost.flops / median(measurement)?);
    let row = |(case, value): (&Case, f64)| Row {
        name: case.benchmark.clone(),
        family: case.family().to_owned(),
        value,
        label: format!("{} by {}", units::flops_per_second(value), words::shorten(&words::way(case), 30)),
        hover: format!("{case}\n{}", units::flops_per_second(value)),
    };
    let rows: Vec<Row> = best_of_each(document, rate).into_iter().map(row).collect();
    let (axis, from) = log("Operations per second", &rows, Number::Rate("FLOP/s"));
    bars("operations", "Throughput by operation", "The fastest shape and way of each", axis, rows, from)
}

/// Every form of scoring with its median seconds and pairs: mixtures of logits and the dot product beside them.
fn scored(document: &Document) -> impl Iterator<Item = (&Measurement, f64, f64)> {
    document.measured().filter_map(|measurement| {
        let case = &measurement.case;
        let scores = matches!(&*case.benchmark, "mol/score-f32" | "mol/score-bf16" | "mol/dot-f32");
        let pairs = case.shape.count(0) as f64 * case.shape.count(1) as f64;
        let seconds = median(measurement).filter(|_| scores && pairs > 0.0)?;
        Some((measurement, seconds, pairs))
    })
}

fn score_row(case: &Case, value: f64, label: String) -> Row {
    let kind = if case.benchmark == "mol/dot-f32" { "dot product" } else { "mixture of logits" };
    Row {
        name: words::shorten(&format!("{} {} {}", case.dtype(), words::way(case), case.shape), 48),
        family: kind.to_owned(),
        value,
        hover: format!("{case}\n{label}"),
        label,
    }
}

/// Seconds a pair.
#[must_use]
pub fn score_times(document: &Document) -> Figure {
    let rows: Vec<Row> = scored(document)
        .map(|(measurement, seconds, pairs)| {
            let each = seconds / pairs;
            score_row(&measurement.case, each, format!("{} a pair", units::seconds(each)))
        })
        .collect();
    let (axis, from) = log("Seconds a pair", &rows, Number::Seconds);
    let subtitle = "A query with an item, by every form that was measured";
    bars("mol-time", "Mixtures of logits and dot products: time", subtitle, axis, rows, from)
}

/// Operations per second of the same.
#[must_use]
pub fn score_rates(document: &Document) -> Figure {
    let rows: Vec<Row> = scored(document)
        .map(|(measurement, seconds, _)| {
            let rate = measurement.cost.flops / seconds;
            score_row(&measurement.case, rate, units::flops_per_second(rate))
        })
        .collect();
    let (axis, from) = log("Operations per second", &rows, Number::Rate("FLOP/s"));
    let subtitle = "What the same forms make of the arithmetic";
    bars("mol-rate", "Mixtures of logits and dot products: operations per second", subtitle, axis, rows, from)
}

/// What each form keeps in memory, as parts of its peak.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "bytes of a memory")]
pub fn form_memory(mol: &MolTuning) -> Figure {
    let mut parts: [(&str, Vec<Bar>); 3] =
        [("data", Vec::new()), ("model", Vec::new()), ("arranging, steps between and pages", Vec::new())];
    for (category, form) in mol.forms.iter().enumerate() {
        let [data, model, peak] =
            [form.data_bytes, form.model_bytes, form.peak_bytes.unwrap_or(0)].map(|bytes| bytes as f64);
        let ends = [0.0, data, data + model, peak.max(data + model)];
        for (at, (name, bars)) in parts.iter_mut().enumerate() {
            let label = form.peak_bytes.filter(|_| at == 2).map(units::bytes);
            let hover = format!("{}\n{name}: {}", form.form, bytes(ends[at + 1] - ends[at]));
            bars.push(Bar { category, from: ends[at], to: ends[at + 1], label, hover });
        }
    }
    let most = mol.forms.iter().filter_map(|form| form.peak_bytes).max().unwrap_or(0) as f64;
    let series = parts.into_iter().enumerate().map(|(index, (name, bars))| Series {
        name: Some(name.to_owned()),
        ink: Ink::Series(index),
        data: Data::Bars(bars),
    });
    bar_chart(
        "form-memory",
        "Memory of each form",
        "Data and model counted; the end of a bar is the largest resident size of a process of its own"
            .to_owned(),
        mol.forms.iter().map(|form| form.form.clone()).collect(),
        Axis::bytes_from_zero("Bytes", [most]),
        series.collect(),
    )
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn bytes(value: f64) -> String {
    units::bytes(value as u64)
}

/// The time that counts and ceilings predict, over the measured one.
#[must_use]
pub fn predicted(document: &Document) -> Figure {
    let known: Vec<(String, f64, f64)> = predictions(document)
        .into_iter()
        .filter_map(|prediction| {
            let predicted = prediction.predicted_seconds.ok().filter(|seconds| usable(*seconds))?;
            let measured = Some(prediction.measured_seconds).filter(|seconds| usable(*seconds))?;
            Some((prediction.case.to_string(), measured, predicted))
        })
        .collect();
    let seconds = || known.iter().flat_map(|(_, measured, predicted)| [*measured, *predicted]);
    let (x, y) = (
        Axis::log("Measured", seconds(), 1.3, Number::Seconds),
        Axis::log("Predicted", seconds(), 1.3, Number::Seconds),
    );
    let same = Line {
        points: if known.is_empty() {
            Vec::new()
        } else {
            vec![(x.range.0, x.range.0), (x.range.1, x.range.1)]
        },
        width: 1.2,
        start_label: None,
        end_label: None,
        hover: "as predicted".to_owned(),
    };
    let points = known.iter().map(|(case, measured, predicted)| Point {
        x: *measured,
        y: *predicted,
        emphasis: Emphasis::Best,
        label: None,
        hover: format!(
            "{case}\npredicted {}, measured {}",
            units::seconds(*predicted),
            units::seconds(*measured)
        ),
    });
    Figure {
        name: "predicted".to_owned(),
        title: "Predicted against measured".to_owned(),
        subtitle: "A point on the line takes as long as its count and the ceilings of the run say.".to_owned(),
        alt: "The predicted time of every case over its measured one. The table of predictions holds the same figures."
            .to_owned(),
        size: (1200.0, 560.0),
        x,
        y,
        series: vec![
            Series { name: Some("as predicted".to_owned()), ink: Ink::Muted, data: Data::Line(same) },
            Series { name: None, ink: Ink::Series(0), data: Data::Points(Marker::Circle, points.collect()) },
        ],
        marks: Vec::new(),
    }
}

/// Which part of a mixture of logits does the operations: counted for the largest shape that was measured.
#[must_use]
pub fn operations_by_part(document: &Document) -> Figure {
    let shapes = document.measured().map(|m| &m.case).filter(|case| case.benchmark == "mol/score-f32");
    let largest = shapes.max_by_key(|case| (0..6).map(|axis| case.shape.count(axis)).product::<usize>());
    let [batch, items, query_components, item_components, width, gate_hidden] =
        largest.map_or([0; 6], |case| std::array::from_fn(|axis| case.shape.count(axis)));
    let work = Mol {
        query_components,
        item_components,
        width,
        gate_hidden,
        batch,
        items,
        precision: Precision::F32,
        fusion: Fusion::Full,
        item_side: Items::Cached,
        query_side: None,
        top: None,
    }
    .work();
    let total = work.matrix_flops() + work.elementwise_flops();
    let row = |part: &crate::analysis::analytic::Part| {
        let flops = part.matrix_flops + part.elementwise_flops;
        Row {
            name: part.name.to_owned(),
            family: String::new(),
            value: flops / total,
            label: units::percent(flops / total),
            hover: format!("{}: {} of {}", part.name, units::percent(flops / total), work.title),
        }
    };
    let rows: Vec<Row> = work.parts.iter().filter(|_| usable(total)).map(row).collect();
    let axis = Axis::from_zero("Share of the operations", rows.iter().map(|row| row.value), Number::Percent);
    bars("operations-by-part", "Operations by part of a mixture of logits", &work.title, axis, rows, 0.0)
}

/// Seconds of a row, a pair, over the width of the vectors: kernels that were measured at two widths at least.
#[must_use]
pub fn by_width(document: &Document) -> Figure {
    let mut lines: BTreeMap<String, BTreeMap<usize, f64>> = BTreeMap::new();
    for measurement in document.measured() {
        let case = &measurement.case;
        if words::is_peer(case) || case.threads.get() > 1 {
            continue;
        }
        let axes = case.shape.0.len();
        let (width, each) = match (&*case.benchmark, axes) {
            ("mol/score-f32", 6) => (4, case.shape.count(0) * case.shape.count(1)),
            ("mol/dot-f32", 3) => (2, case.shape.count(0) * case.shape.count(1)),
            (name, 2) if name.starts_with("similarity/") || name.starts_with("normalize/") => {
                (1, case.shape.count(0))
            }
            _ => continue,
        };
        let Some(seconds) = median(measurement).filter(|_| each > 0) else { continue };
        let mut rest: Vec<String> = Vec::new();
        for axis in (2..axes).filter(|axis| *axis != width) {
            rest.push(case.shape.count(axis).to_string());
        }
        let name = format!("{} {} {}", case.benchmark, words::way(case), rest.join("x"));
        let seconds = seconds / each as f64;
        let entry = lines
            .entry(name.trim().to_owned())
            .or_default()
            .entry(case.shape.count(width))
            .or_insert(seconds);
        *entry = entry.min(seconds);
    }
    lines.retain(|_, points| points.len() > 1);
    let drawn: Vec<(String, Vec<(f64, f64)>)> = lines
        .into_iter()
        .take(MOST_LINES)
        .map(|(name, points)| {
            (name, points.into_iter().map(|(width, seconds)| (width as f64, seconds)).collect())
        })
        .collect();
    let all = || drawn.iter().flat_map(|(_, points)| points.iter());
    let (x, y) = (
        Axis::log("Numbers of a vector", all().map(|point| point.0), 1.1, Number::Plain),
        Axis::log("Seconds a row or a pair", all().map(|point| point.1), 1.3, Number::Seconds),
    );
    let series = drawn.into_iter().enumerate().map(|(index, (name, points))| Series {
        name: Some(words::shorten(&name, 40)),
        ink: Ink::Series(index),
        data: Data::Line(Line { points, width: 1.6, start_label: None, end_label: None, hover: name }),
    });
    Figure {
        name: "by-width".to_owned(),
        title: "Scaling with the width of vectors".to_owned(),
        subtitle: "One thread; kernels that were measured at more than one width.".to_owned(),
        alt: "Seconds of a row or a pair over the numbers of a vector, a line a kernel. The tables of kernels hold the same figures."
            .to_owned(),
        size: (1200.0, 560.0),
        x,
        y,
        series: series.collect(),
        marks: Vec::new(),
    }
}

/// Lines that a picture holds.
const MOST_LINES: usize = 8;

/// Throughput over latency of the first search among the documents that has measured settings.
#[must_use]
pub fn first_search(tunings: &[Tuning], figure: fn(&Tuning) -> Figure) -> Option<Figure> {
    tunings.iter().map(figure).find(|figure| !figure.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_families_share_a_colour_unless_they_share_a_name() {
        let bar = || Bar { category: 0, from: 0.0, to: 1.0, label: None, hover: String::new() };
        for count in [0, 1, SERIES, SERIES + 1, 20] {
            let families: BTreeMap<String, Vec<Bar>> = (0..count)
                .map(|i| (format!("family {i:02}"), (0..=(i * 7) % 3).map(|_| bar()).collect()))
                .collect();
            let bars: usize = families.values().map(Vec::len).sum();
            let all = coloured(families);
            let inks: Vec<Ink> = all.iter().map(|(_, ink, _)| *ink).collect();
            assert_eq!(inks, (0..count.min(SERIES)).map(Ink::Series).collect::<Vec<_>>(), "{count}");
            assert_eq!(all.iter().map(|(_, _, bars)| bars.len()).sum::<usize>(), bars, "{count}");
            assert_eq!(all.iter().any(|(name, _, _)| name == "others"), count > SERIES, "{count}");
        }
    }
}

//! Bars and curves: kernels, bandwidths, the pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::ROW;
use super::{Axis, Bar, Data, Emphasis, Figure, Ink, Line, Mark, Marker, Number, Point, Series};
use crate::analysis::roofline::CeilingKind;
use crate::document::{Case, Document, Extent, Measurement};
use crate::render::facts::{Facts, Work, texts_per_second, tokens_per_second, usable};
use crate::render::words;
use crate::units;

/// Rows of a bar chart; what is beyond them is in the tables.
const ROWS: usize = 40;

/// How close the best implementation of each kernel comes to its roof.
#[must_use]
pub fn fractions(document: &Document) -> Figure {
    let facts = Facts::of(document);
    let work: Vec<_> = facts.work();
    let rows: Vec<(&Work<'_>, f64)> = work
        .iter()
        .filter_map(|work| work.best.fraction.as_ref().ok().map(|&fraction| (work, fraction)))
        .filter(|(_, fraction)| fraction.is_finite())
        .collect();
    let (rows, left_out) = top(rows, |(_, fraction)| *fraction);
    let bars = rows.iter().enumerate().map(|(category, (work, fraction))| {
        let roof = work.best.ceiling.as_ref().map_or("no roof", |ceiling| &*ceiling.name);
        let label = format!(
            "{} of {}",
            units::percent(*fraction),
            words::shorten(roof.split(", ").next().unwrap_or_default(), 26)
        );
        let hover = format!("{}\n{} of {roof}", work.best.case, units::percent(*fraction));
        (work.best.case.family(), Bar { category, from: 0.0, to: *fraction, label: Some(label), hover })
    });
    let mut figure = bar_chart(
        "kernels",
        "Share of the roof reached",
        format!(
            "The best implementation of each kernel against the measured roof over it{}.",
            beyond(left_out)
        ),
        rows.iter().map(|(work, _)| words::work(&work.best.case)).collect(),
        Axis::from_zero(
            "Share of what the roof allows",
            rows.iter().map(|r| r.1).chain([1.0]),
            Number::Percent,
        ),
        by_family(bars),
    );
    figure.marks.push(Mark { x: 1.0, label: "the roof".to_owned() });
    figure
}

/// How much faster the best implementation of each kernel is than the plain loop.
#[must_use]
pub fn speedups(document: &Document) -> Figure {
    let facts = Facts::of(document);
    let work = facts.work();
    let rows: Vec<(&Work<'_>, f64)> = work
        .iter()
        .filter(|work| work.plain.is_some())
        .filter_map(|work| work.best.speedup_over_plain.map(|factor| (work, factor)))
        .filter(|(_, factor)| usable(*factor))
        .collect();
    let (rows, left_out) = top(rows, |(_, factor)| *factor);
    let bars = rows.iter().enumerate().map(|(category, (work, value))| {
        let label =
            format!("{} by {}", words::factor(*value), words::shorten(&words::way(&work.best.case), 26));
        let hover = format!("{}\n{} the plain loop", work.best.case, words::factor(*value));
        (work.best.case.family(), Bar { category, from: 1.0, to: *value, label: Some(label), hover })
    });
    bar_chart(
        "speedups",
        "Speed-up over the plain loop",
        format!(
            "Plain is ordinary Rust as the compiler builds it, at the same shape and threads{}.",
            beyond(left_out)
        ),
        rows.iter().map(|(work, _)| words::work(&work.best.case)).collect(),
        Axis::log("Times as fast as plain", rows.iter().map(|r| r.1).chain([1.0]), 1.02, Number::Factor),
        by_family(bars),
    )
}

/// Bytes per second at each memory level.
#[must_use]
pub fn bandwidth(document: &Document) -> Figure {
    let facts = Facts::of(document);
    let ceilings = facts.best_ceilings(CeilingKind::Bandwidth, |c| {
        let level = c.level.clone().unwrap_or_default();
        Some((c.case.threads.get(), distance(&level), level, c.what.clone()))
    });
    let ceilings = &ceilings[..ceilings.len().min(ROWS)];
    let levels: BTreeSet<(usize, &str)> =
        ceilings.iter().filter_map(|c| c.level.as_deref()).map(|level| (distance(level), level)).collect();
    let name = |c: &crate::analysis::roofline::Ceiling| {
        let level = c.level.as_deref().unwrap_or("memory").to_uppercase();
        format!("{level} {}, {}", c.what, words::threads(c.case.threads.get()))
    };
    let series = levels.iter().enumerate().map(|(i, (_, level))| {
        let bars =
            ceilings.iter().enumerate().filter(|(_, c)| c.level.as_deref().unwrap_or_default() == *level);
        let bar = |(category, c): (usize, &&crate::analysis::roofline::Ceiling)| {
            let rate = units::bytes_per_second(c.per_second);
            let hover = format!("{}\n{}: {rate}", c.case, c.name);
            Bar { category, from: 0.0, to: c.per_second, label: Some(rate), hover }
        };
        let name = (!level.is_empty()).then(|| level.to_uppercase());
        Series { name, ink: Ink::Series([0, 2, 5, 1][i % 4]), data: Data::Bars(bars.map(bar).collect()) }
    });
    bar_chart(
        "bandwidth",
        "Memory bandwidth by level",
        "Bytes that the core asks for, the best of the tiers and footprints measured; a plain store to memory moves twice \
         its bytes."
            .to_owned(),
        ceilings.iter().map(|c| name(c)).collect(),
        Axis::from_zero("Bandwidth", ceilings.iter().map(|c| c.per_second), Number::Rate("B/s")),
        series.collect(),
    )
}

/// How far a memory level is from the core: the number of a cache, memory last.
fn distance(level: &str) -> usize {
    level.strip_prefix('l').and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

/// Where the time of a text goes, stage by stage.
#[must_use]
pub fn stages(document: &Document) -> Figure {
    let facts = Facts::of(document);
    let cases: Vec<(&Measurement, Vec<(&str, f64)>)> = facts
        .pipelines()
        .filter_map(|m| Some((m, per_text(m)?)))
        .filter(|(_, stages)| stages.iter().any(|(_, seconds)| usable(*seconds)))
        .take(ROWS)
        .collect();
    let mut names: Vec<&str> = STAGES.to_vec();
    for (name, _) in cases.iter().flat_map(|(_, stages)| stages) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let series = names.iter().enumerate().filter_map(|(i, name)| {
        let bars: Vec<Bar> = cases
            .iter()
            .enumerate()
            .filter_map(|(category, (m, stages))| stage_bar(category, m, stages, name, &names))
            .collect();
        let ink = Ink::Series([4, 5, 0, 2, 3, 6, 1, 7][i % 8]);
        (!bars.is_empty()).then(|| Series { name: Some((*name).to_owned()), ink, data: Data::Bars(bars) })
    });
    let totals = cases.iter().map(|(_, stages)| stages.iter().map(|s| s.1).sum::<f64>());
    bar_chart(
        "pipeline",
        "Embedding pipeline, seconds per text by stage",
        "Stages of the sample with the median total, divided by the texts of a batch; shapes are texts x tokens.".to_owned(),
        cases.iter().map(|(m, _)| format!("{} {}", words::way(&m.case), tail(&m.case))).collect(),
        Axis::from_zero("Time per text", totals, Number::Seconds),
        series.collect(),
    )
}

/// The stages in the order in which a text passes them.
pub(in crate::render) static STAGES: [&str; 5] = ["tokenize", "prepare", "encode", "pool", "normalize"];

fn tail(case: &Case) -> String {
    let threads = if case.threads.get() > 1 {
        format!(", {}", words::threads(case.threads.get()))
    } else {
        String::new()
    };
    format!("{}{threads}", case.shape)
}

fn per_text(measurement: &Measurement) -> Option<Vec<(&str, f64)>> {
    let texts = measurement.texts.filter(|texts| *texts > 0)? as f64;
    let stages = measurement.stages.as_ref()?.iter();
    Some(stages.map(|(name, seconds)| (&**name, seconds / texts)).filter(|s| s.1.is_finite()).collect())
}

/// The bar of one stage, starting where the stages before it end; the last stage carries the total.
fn stage_bar(
    category: usize,
    measurement: &Measurement,
    stages: &[(&str, f64)],
    name: &str,
    names: &[&str],
) -> Option<Bar> {
    let seconds = |name: &str| stages.iter().find(|stage| stage.0 == name).map(|stage| stage.1);
    let own = seconds(name)?;
    let before: f64 =
        names.iter().take_while(|other| **other != name).filter_map(|other| seconds(other)).sum();
    let last = names.iter().rev().find(|other| seconds(other).is_some())?;
    let total: f64 = stages.iter().map(|stage| stage.1).sum();
    let rate = texts_per_second(measurement).map(|r| format!(" \u{b7} {}", units::rate(r, "texts/s")));
    let label = (*last == name).then(|| format!("{}{}", units::seconds(total), rate.unwrap_or_default()));
    let share = if total > 0.0 { own / total } else { 0.0 };
    let hover =
        format!("{}\n{name}: {} per text, {}", measurement.case, units::seconds(own), units::percent(share));
    Some(Bar { category, from: before, to: before + own, label, hover })
}

/// Tokens per second against the batch size, a line for each sequence length.
#[must_use]
pub fn throughput_by_batch(document: &Document) -> Figure {
    throughput(document, "throughput-batch", "Throughput against batch size", "Texts in a batch", 0, 1)
}

/// Tokens per second against the sequence length, a line for each batch size.
#[must_use]
pub fn throughput_by_sequence(document: &Document) -> Figure {
    throughput(
        document,
        "throughput-sequence",
        "Throughput against sequence length",
        "Tokens of a text",
        1,
        0,
    )
}

fn throughput(
    document: &Document,
    name: &str,
    title: &str,
    axis: &str,
    along: usize,
    other: usize,
) -> Figure {
    let facts = Facts::of(document);
    let mut lines: BTreeMap<String, Vec<(f64, f64, String)>> = BTreeMap::new();
    for measurement in facts.pipelines() {
        let extents = &measurement.case.shape.0;
        let (Some(Extent::Count(x)), Some(rest)) = (extents.get(along), extents.get(other)) else { continue };
        let Some(rate) = tokens_per_second(measurement) else { continue };
        let rest = match (rest, other) {
            (Extent::Mixed, _) => "mixed lengths".to_owned(),
            (Extent::Count(n), 1) => words::counted(*n, "token a text", "tokens a text"),
            (Extent::Count(n), _) => words::counted(*n, "text a batch", "texts a batch"),
        };
        let case = &measurement.case;
        let model = case.benchmark.split_once('/').map_or("", |(_, model)| model);
        let key = format!("{model} {}, {rest}, {}", words::way(case), words::threads(case.threads.get()));
        let hover = format!("{case}\n{}", units::rate(rate, "tokens/s"));
        lines.entry(key).or_default().push((*x as f64, rate, hover));
    }
    lines.retain(|_, points| {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.len() > 1 && usable(points[0].0)
    });
    let common = common_part(&lines.keys().map(String::as_str).collect::<Vec<_>>());
    let all: Vec<(f64, f64)> = lines.values().flatten().map(|p| (p.0, p.1)).collect();
    let mut measured: Vec<f64> = all.iter().map(|p| p.0).collect();
    measured.sort_by(f64::total_cmp);
    measured.dedup();
    if measured.len() > 12 {
        measured.clear();
    }
    let series =
        lines.iter().take(8).enumerate().flat_map(|(i, (key, points))| curve(i, key, points, &common));
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        subtitle: format!("Tokens, without padding, per second of the whole pipeline{common}."),
        alt: format!(
            "{title}: {}. The pipeline table holds the same figures.",
            words::counted(lines.len(), "line", "lines")
        ),
        size: (1200.0, 560.0),
        x: Axis { ticks_at: measured, ..Axis::log(axis, all.iter().map(|p| p.0), 1.15, Number::Plain) },
        y: Axis::from_zero("Tokens per second", all.iter().map(|p| p.1 * 1.05), Number::Rate("")),
        series: series.collect(),
        marks: Vec::new(),
    }
}

/// The part of the names that all lines share is said once, in the subtitle.
fn common_part(keys: &[&str]) -> String {
    let Some(first) = keys.first() else { return String::new() };
    let head = first.split(", ").next().unwrap_or_default();
    let shared = keys.iter().all(|key| key.split(", ").next() == Some(head));
    if shared { format!("; {head}") } else { String::new() }
}

fn curve(index: usize, key: &str, points: &[(f64, f64, String)], common: &str) -> [Series; 2] {
    let ink = Ink::Series([0, 1, 2, 3, 5, 6, 4, 7][index % 8]);
    let short = if common.is_empty() { key } else { key.split_once(", ").map_or(key, |(_, rest)| rest) };
    let line = Line {
        points: points.iter().map(|p| (p.0, p.1)).collect(),
        width: 2.2,
        start_label: None,
        end_label: Some(words::shorten(short, 40)),
        hover: key.to_owned(),
    };
    let marked = points.iter().map(|(x, y, hover)| Point {
        x: *x,
        y: *y,
        emphasis: Emphasis::Best,
        label: None,
        hover: hover.clone(),
    });
    let marker =
        [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Triangle, Marker::Wedge][index % 5];
    [
        Series { name: None, ink, data: Data::Line(line) },
        Series { name: None, ink, data: Data::Points(marker, marked.collect()) },
    ]
}

/// The rows with the largest values, largest first, and how many were left out.
pub(super) fn top<T>(mut rows: Vec<T>, value: impl Fn(&T) -> f64) -> (Vec<T>, usize) {
    rows.sort_by(|a, b| value(b).total_cmp(&value(a)));
    let left_out = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    (rows, left_out)
}

/// What the subtitle says of rows that were left out.
pub(super) fn beyond(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!("; {left_out} more are in the table") }
}

fn by_family<'f>(bars: impl Iterator<Item = (&'f str, Bar)>) -> Vec<Series> {
    let mut families: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
    for (family, bar) in bars {
        families.entry(family).or_default().push(bar);
    }
    let series = families.into_iter().map(|(family, bars)| Series {
        name: Some(family.to_owned()),
        ink: Ink::of_family(family),
        data: Data::Bars(bars),
    });
    series.collect()
}

/// An empty chart with a row for each name.
pub(super) fn bar_chart(
    name: &str,
    title: &str,
    subtitle: String,
    rows: Vec<String>,
    x: Axis,
    series: Vec<Series>,
) -> Figure {
    let height = 200.0 + ROW * rows.len() as f64;
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        alt: format!(
            "{title}: {}. {subtitle} The table beside it holds the same figures.",
            words::counted(rows.len(), "row", "rows")
        ),
        subtitle,
        size: (1200.0, height),
        x,
        y: Axis::categories(rows),
        series,
        marks: Vec::new(),
    }
}

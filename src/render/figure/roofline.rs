//! The roofline: each measured roof as a line, each kernel as a point, on logarithmic axes.
//!
//! It is the cache-aware form (Ilic and others, 2014): intensity counts the bytes that the core loads and stores, so a
//! kernel keeps its place on the horizontal axis whichever memory level feeds it, and each level has its own slope.

use std::collections::BTreeMap;

use super::{Axis, Data, Emphasis, Figure, Ink, Line, Marker, Number, Point, Series};
use crate::analysis::roofline::{Ceiling, CeilingKind, Placement, is_roof};
use crate::document::Document;
use crate::render::facts::{Facts, usable};
use crate::render::words;
use crate::units;

/// The roofline of a document at the number of threads at which it has most kernels.
#[must_use]
pub fn roofline(document: &Document) -> Figure {
    let facts = Facts::of(document);
    let counts = counts(&facts);
    let threads = counts.iter().max_by_key(|&(threads, count)| (count, std::cmp::Reverse(threads)));
    draw(&facts, threads.map_or(1, |(&threads, _)| threads))
}

/// The roofline at a number of threads.
#[must_use]
pub fn roofline_at(document: &Document, threads: usize) -> Figure {
    draw(&Facts::of(document), threads)
}

/// The numbers of threads at which kernels can be drawn, the one with most kernels first.
#[must_use]
pub fn thread_counts(document: &Document) -> Vec<usize> {
    let mut counts: Vec<_> = counts(&Facts::of(document)).into_iter().collect();
    counts.sort_by_key(|&(threads, count)| (std::cmp::Reverse(count), threads));
    counts.into_iter().map(|(threads, _)| threads).collect()
}

fn counts(facts: &Facts<'_>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for placement in facts.placements.iter().filter(|p| position(p).is_some()) {
        *counts.entry(placement.case.threads.get()).or_insert(0) += 1;
    }
    counts
}

/// Intensity and rate, where both can stand on a logarithmic axis.
fn position(placement: &Placement) -> Option<(f64, f64)> {
    let position = (placement.intensity?, placement.flops_per_second?);
    (usable(position.0) && usable(position.1)).then_some(position)
}

/// Where memory roofs start and all roofs end, on the horizontal axis, and the width left free for their names.
struct Extent {
    start: f64,
    end: f64,
    axis: (f64, f64),
}

fn draw(facts: &Facts<'_>, threads: usize) -> Figure {
    let at_threads = |ceiling: &Ceiling| ceiling.case.threads.get() == threads;
    let memory = facts.best_ceilings(CeilingKind::Bandwidth, |c| {
        let level = c.level.clone().filter(|_| at_threads(c))?;
        Some((c.what != "read", level))
    });
    let memory = one_a_level(memory);
    let peaks = facts.best_ceilings(CeilingKind::Compute, |c| {
        // Sums and products alone, and a precision that no kernel here has, bound nothing that is drawn.
        let bounds = is_roof(&c.case) && c.what != "f64";
        (at_threads(c) && bounds).then(|| (c.what.clone(), c.case.tier))
    });
    let points: Vec<(f64, f64)> =
        facts.placements.iter().filter(|p| p.case.threads.get() == threads).filter_map(position).collect();
    let extent = extent(&memory, &peaks, &points);
    let mut series = roofs(&memory, &peaks, &extent);
    let heights: Vec<f64> = series
        .iter()
        .filter_map(|s| if let Data::Line(line) = &s.data { Some(&line.points) } else { None })
        .flatten()
        .chain(&points)
        .map(|point| point.1)
        .collect();
    series.extend(families(facts, threads));
    let mut x = Axis::log(
        "Arithmetic intensity: operations per byte that the core loads and stores",
        [1.0],
        1.0,
        Number::Plain,
    );
    x.range = extent.axis;
    Figure {
        name: "roofline".to_owned(),
        title: format!("Roofline, {}", words::threads(threads)),
        subtitle: "Lines are measured roofs; a kernel cannot stand above the lowest one over it. Hollow points are plain loops, \
                   large ones the best implementations."
            .to_owned(),
        alt: alt(&memory, &peaks, points.len(), threads),
        size: (1200.0, 750.0),
        x,
        y: Axis::log("Operations per second", heights, 1.7, Number::Rate("OP/s")),
        series,
        marks: Vec::new(),
    }
}

/// Reads stand for their level; where only another pattern was measured, that one does.
fn one_a_level(memory: Vec<&Ceiling>) -> Vec<&Ceiling> {
    let mut levels: BTreeMap<Option<&str>, &Ceiling> = BTreeMap::new();
    for ceiling in memory {
        levels.entry(ceiling.level.as_deref()).or_insert(ceiling);
    }
    let mut levels: Vec<&Ceiling> = levels.into_values().collect();
    levels.sort_by(|a, b| b.per_second.total_cmp(&a.per_second));
    levels
}

fn extent(memory: &[&Ceiling], peaks: &[&Ceiling], points: &[(f64, f64)]) -> Extent {
    let top = peaks.iter().map(|c| c.per_second).fold(0.0, f64::max);
    let ridges = memory.iter().map(|c| top / c.per_second).filter(|x| usable(*x));
    let values: Vec<f64> = points.iter().map(|p| p.0).chain(ridges).collect();
    let (low, high) = Axis::log("", values, 1.0, Number::Plain).range;
    let (start, end) = (low / 1.8, high * 2.2);
    // The names of the memory roofs stand to the left of where they start: about a sixth of the width.
    let gutter = if memory.is_empty() { 1.0 } else { (end / start).powf(0.21) };
    Extent { start, end, axis: (start / gutter, end * 1.02) }
}

fn roofs(memory: &[&Ceiling], peaks: &[&Ceiling], extent: &Extent) -> Vec<Series> {
    let top = peaks.iter().map(|c| c.per_second).fold(0.0, f64::max);
    let fastest = memory.iter().map(|c| c.per_second).fold(0.0, f64::max);
    let slopes = memory.iter().map(|ceiling| {
        let bandwidth = ceiling.per_second;
        let end = if usable(top) { (top / bandwidth).clamp(extent.start, extent.end) } else { extent.end };
        let points = vec![(extent.start, extent.start * bandwidth), (end, end * bandwidth)];
        let level = ceiling.level.as_deref().unwrap_or("memory").to_uppercase();
        let rate = units::bytes_per_second(bandwidth);
        let what = if ceiling.what == "read" { String::new() } else { format!(" {}", ceiling.what) };
        line(points, Some(format!("{level}{what} \u{b7} {rate}")), None, &ceiling.name, &rate)
    });
    let flats = peaks.iter().map(|ceiling| {
        let rate = words::operations_per_second(ceiling.per_second, &ceiling.what);
        let start = if usable(fastest) { ceiling.per_second / fastest } else { extent.start };
        let start = start.clamp(extent.start, extent.end / 1.2);
        let points = vec![(start, ceiling.per_second), (extent.end, ceiling.per_second)];
        let label = format!("{} {} \u{b7} {rate}", ceiling.what, ceiling.case.tier);
        line(points, None, Some(label), &ceiling.name, &rate)
    });
    slopes.chain(flats).collect()
}

fn line(
    points: Vec<(f64, f64)>,
    start_label: Option<String>,
    end_label: Option<String>,
    name: &str,
    rate: &str,
) -> Series {
    let hover = format!("{name}: {rate}");
    Series {
        name: None,
        ink: Ink::Text,
        data: Data::Line(Line { points, width: 1.8, start_label, end_label, hover }),
    }
}

/// One series a family, so that the legend and the colours go by family.
fn families(facts: &Facts<'_>, threads: usize) -> Vec<Series> {
    let mut families: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    let work = facts.work();
    let best: Vec<_> = work.iter().map(|work| &work.best.case).collect();
    let labelled = labelled(&work, threads);
    for placement in facts.placements.iter().filter(|p| p.case.threads.get() == threads) {
        let Some((x, y)) = position(placement) else { continue };
        let case = &placement.case;
        let emphasis = if best.contains(&case) || case.family() == "embed" {
            Emphasis::Best
        } else if words::is_plain(case) {
            Emphasis::Plain
        } else {
            Emphasis::Other
        };
        let label = labelled.contains(&case).then(|| {
            let name = case.benchmark.split_once('/').map_or(&*case.benchmark, |(_, what)| what);
            words::shorten(name, 28)
        });
        let point = Point { x, y, emphasis, label, hover: hover(placement) };
        families.entry(case.family()).or_default().push(point);
    }
    families
        .into_iter()
        .map(|(family, mut points)| {
            // The best are drawn last, on top.
            points.sort_by_key(|point| point.emphasis == Emphasis::Best);
            Series {
                name: Some(family.to_owned()),
                ink: Ink::of_family(family),
                data: Data::Points(Marker::of_family(family), points),
            }
        })
        .collect()
}

/// Of each benchmark the fastest case: more names than that cover each other.
fn labelled<'f>(work: &[crate::render::facts::Work<'f>], threads: usize) -> Vec<&'f crate::document::Case> {
    let mut best: BTreeMap<&str, &Placement> = BTreeMap::new();
    for placement in work.iter().map(|work| work.best).filter(|p| p.case.threads.get() == threads) {
        if position(placement).is_none() {
            continue;
        }
        let entry = best.entry(&placement.case.benchmark).or_insert(placement);
        if placement.flops_per_second > entry.flops_per_second {
            *entry = placement;
        }
    }
    best.into_values().map(|placement| &placement.case).collect()
}

fn hover(placement: &Placement) -> String {
    let mut out = placement.case.to_string();
    if let Some(rate) = placement.flops_per_second {
        out.push('\n');
        out.push_str(&words::operations_per_second(rate, placement.case.dtype()));
    }
    if let Some(intensity) = placement.intensity {
        out.push_str(&format!(" at {} operations per byte", units::significant(intensity, 3)));
    }
    match (&placement.fraction, &placement.ceiling) {
        (Ok(fraction), Some(ceiling)) => {
            out.push_str(&format!("\n{} of {}", units::percent(*fraction), ceiling.name));
        }
        (Ok(_), None) => {}
        (Err(why), _) => out.push_str(&format!("\n{why}")),
    }
    if let Some(speedup) = placement.speedup_over_plain {
        out.push_str(&format!("\n{} the plain loop", words::factor(speedup)));
    }
    out
}

fn alt(memory: &[&Ceiling], peaks: &[&Ceiling], points: usize, threads: usize) -> String {
    let list = |ceilings: &[&Ceiling]| {
        let one = |c: &&Ceiling| match c.kind {
            CeilingKind::Bandwidth => format!("{} {}", c.name, units::bytes_per_second(c.per_second)),
            CeilingKind::Compute => {
                format!("{} {}", c.name, words::operations_per_second(c.per_second, &c.what))
            }
        };
        ceilings.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    format!(
        "Roofline at {} with {}. Memory roofs: {}. Compute roofs: {}. The table of kernels holds the same figures.",
        words::threads(threads),
        words::counted(points, "placed kernel", "placed kernels"),
        if memory.is_empty() { "none measured".to_owned() } else { list(memory) },
        if peaks.is_empty() { "none measured".to_owned() } else { list(peaks) },
    )
}

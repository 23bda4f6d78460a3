//! The roofline, and the kernels under it.

use super::{Block, Cell, Section, Table, Tone, number_column, words_column};
use crate::analysis::roofline::{CeilingKind, Placement};
use crate::render::facts::{Facts, Work};
use crate::render::figure;
use crate::render::words;
use crate::units;

/// The pictures of roofs and points.
pub(super) fn roofline(facts: &Facts<'_>) -> Option<Section> {
    let document = facts.document;
    let counts = figure::thread_counts(document);
    let mut figures: Vec<_> = counts.iter().take(2).map(|&n| figure::roofline_at(document, n)).collect();
    if figures.is_empty() {
        figures.push(figure::roofline(document));
    }
    figures.retain(|figure| !figure.is_empty());
    // A second picture is worth its room where it shows more than a point or two.
    figures.truncate(if figures.get(1).is_some_and(|figure| points(figure) > 2) { 2 } else { 1 });
    let blocks: Vec<Block> = figures.into_iter().map(|f| Block::Figure(Box::new(f))).collect();
    (!blocks.is_empty()).then(|| Section {
        id: "roofline",
        title: "Roofline".to_owned(),
        lead: Some(
            "What memory and arithmetic allow on this machine, as measured, and where each kernel stands. Left of a ridge \
             memory is the limit, right of it arithmetic is."
                .to_owned(),
        ),
        blocks,
    })
}

fn points(figure: &figure::Figure) -> usize {
    let count = |series: &figure::Series| match &series.data {
        figure::Data::Points(_, points) => points.len(),
        figure::Data::Line(_)
        | figure::Data::Bars(_)
        | figure::Data::Intervals(_)
        | figure::Data::Nested(_) => 0,
    };
    figure.series.iter().map(count).sum()
}

/// The kernels: the best way to do each piece of work, then every way.
pub(super) fn kernels(facts: &Facts<'_>) -> Option<Section> {
    let work = facts.work();
    if work.is_empty() {
        return None;
    }
    let mut blocks: Vec<Block> = [figure::fractions(facts.document), figure::speedups(facts.document)]
        .into_iter()
        .filter(|figure| !figure.is_empty())
        .map(|figure| Block::Figure(Box::new(figure)))
        .collect();
    blocks.push(Block::Table(best(facts, &work)));
    blocks.push(Block::Table(every(facts, &work)));
    Some(Section {
        id: "kernels",
        title: "Kernels".to_owned(),
        lead: Some(
            "Times are medians. The roof is the lower of the bandwidth of the memory level that holds the work and the \
             arithmetic peak of its precision, both measured at its own tier and threads; the speed-up is over the plain \
             loop as the compiler builds it."
                .to_owned(),
        ),
        blocks,
    })
}

fn best(facts: &Facts<'_>, work: &[Work<'_>]) -> Table {
    let with_peer = work.iter().any(|work| work.peer.is_some());
    let mut columns = vec![
        words_column("Kernel", 0),
        words_column("Best", 0),
        number_column("Time", 0),
        number_column("Rate", 3),
        number_column("Op/B", 5),
        words_column("Roof", 4),
        number_column("Of roof", 0),
        number_column("\u{d7} plain", 1),
    ];
    if with_peer {
        columns.push(number_column("\u{d7} peer", 2));
    }
    let rows = work.iter().map(|work| {
        let placement = work.best;
        let mut row = vec![
            Cell::text(words::work(&placement.case)),
            Cell::text(words::way(&placement.case)),
            time(facts, placement),
            rate(placement),
            Cell::maybe(placement.intensity, |x| units::significant(x, 3)),
            roof(placement),
            share(placement),
            speedup(work),
        ];
        if with_peer {
            row.push(against_peer(facts, work));
        }
        row
    });
    Table {
        caption: "The best implementation of each kernel".to_owned(),
        rows: rows.collect(),
        columns,
        folded: false,
    }
}

fn every(facts: &Facts<'_>, work: &[Work<'_>]) -> Table {
    let rows = work.iter().flat_map(|work| &work.ways).map(|placement| {
        let summary = facts.time(&placement.case);
        let interval = summary.map_or_else(Cell::none, |s| Cell::text(words::between_seconds(s.low, s.high)));
        vec![
            Cell::text(placement.case.to_string()),
            time(facts, placement),
            interval,
            Cell::maybe(summary.map(|s| s.count as f64), |count| format!("{count}")),
            rate(placement),
            share(placement),
            Cell::maybe(placement.speedup_over_plain, words::factor),
        ]
    });
    Table {
        caption: "Every measured way of each kernel".to_owned(),
        columns: vec![
            words_column("Case", 0),
            number_column("Time", 0),
            number_column("95 % interval", 1),
            number_column("Samples", 1),
            number_column("Rate", 0),
            number_column("Of roof", 0),
            number_column("\u{d7} plain", 0),
        ],
        rows: rows.collect(),
        folded: true,
    }
}

fn time(facts: &Facts<'_>, placement: &Placement) -> Cell {
    Cell::maybe(facts.time(&placement.case).map(|time| time.median), units::seconds)
}

/// Operations per second where arithmetic is the limit, bytes per second where memory is.
fn rate(placement: &Placement) -> Cell {
    let by_bytes = placement.ceiling.as_ref().is_some_and(|c| c.kind == CeilingKind::Bandwidth);
    let operations = placement.flops_per_second.filter(|_| !by_bytes || placement.bytes_per_second.is_none());
    match (operations, placement.bytes_per_second) {
        (Some(rate), _) => Cell::number(rate, words::operations_per_second(rate, placement.case.dtype())),
        (None, Some(rate)) => Cell::number(rate, units::bytes_per_second(rate)),
        (None, None) => Cell::none(),
    }
}

fn roof(placement: &Placement) -> Cell {
    placement.ceiling.as_ref().map_or_else(Cell::none, |ceiling| {
        // Its tier and threads are the kernel's own, so the first part of its name says what is new.
        Cell::text(ceiling.name.split(", ").next().unwrap_or_default())
    })
}

fn share(placement: &Placement) -> Cell {
    match &placement.fraction {
        Ok(fraction) => Cell { share: Some(*fraction), ..Cell::number(*fraction, units::percent(*fraction)) },
        Err(why) if why.starts_with("above") => Cell::text("withheld").tone(Tone::Warn),
        Err(_) => Cell::none(),
    }
}

fn speedup(work: &Work<'_>) -> Cell {
    if work.plain.is_none() { Cell::none() } else { Cell::maybe(work.best.speedup_over_plain, words::factor) }
}

fn against_peer(facts: &Facts<'_>, work: &Work<'_>) -> Cell {
    let median = |placement: &Placement| facts.time(&placement.case).map(|time| time.median);
    let ratio = work.peer.and_then(|peer| Some(median(peer)? / median(work.best)?));
    Cell::maybe(ratio, words::factor)
}

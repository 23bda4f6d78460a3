//! The ceilings: bandwidths by level and by order of the loads, latencies, peaks, and what each kind of core reaches.

mod latency;

use super::{Block, Cell, Section, Table, number_column, words_column};
use crate::analysis::roofline::{self, CeilingKind};
use crate::document::Measurement;
use crate::render::facts::Facts;
use crate::render::figure;
use crate::render::words;
use crate::stats;
use crate::units;

/// The measured roofs.
pub(super) fn ceilings(facts: &Facts<'_>) -> Option<Section> {
    let mut tables = Vec::new();
    if let Some(table) = bandwidths(facts) {
        let picture = figure::bandwidth(facts.document);
        if !picture.is_empty() {
            tables.push(Block::Figure(Box::new(picture)));
        }
        tables.push(Block::Table(table));
    }
    tables.extend(orders(facts).map(Block::Table));
    tables.extend(latency::blocks(facts.document));
    tables.extend(peaks(facts).map(Block::Table));
    tables.extend(kinds(facts).map(Block::Table));
    (!tables.is_empty()).then(|| Section {
        id: "ceilings",
        title: "Ceilings".to_owned(),
        lead: Some(
            "Measured like any other case, before the kernels; the best of the footprints and implementations of each is the \
             roof."
                .to_owned(),
        ),
        blocks: tables,
    })
}

/// A row a level, tier and thread count, a column a pattern.
fn bandwidths(facts: &Facts<'_>) -> Option<Table> {
    const PATTERNS: [&str; 4] = ["read", "write", "copy", "triad"];
    let of_kind = || facts.ceilings.iter().filter(|c| c.kind == CeilingKind::Bandwidth);
    let mut keys: Vec<_> = of_kind()
        .map(|c| (level_rank(c.level.as_deref()), c.case.threads, std::cmp::Reverse(c.case.tier)))
        .collect();
    keys.sort();
    keys.dedup();
    let rows: Vec<Vec<Cell>> = keys
        .iter()
        .map(|key| {
            let here = || {
                of_kind().filter(|c| {
                    (level_rank(c.level.as_deref()), c.case.threads, std::cmp::Reverse(c.case.tier)) == *key
                })
            };
            let level = here().next().and_then(|c| c.level.clone()).unwrap_or_default();
            let mut row = vec![
                Cell::text(level.to_uppercase()),
                Cell::text(key.2.0.to_string()),
                Cell::number(key.1.get() as f64, key.1.to_string()),
            ];
            row.extend(PATTERNS.iter().map(|pattern| {
                let rates = here().filter(|c| c.what == *pattern).map(|c| c.per_second);
                Cell::maybe(rates.reduce(f64::max), units::bytes_per_second)
            }));
            row
        })
        .collect();
    let mut columns = vec![words_column("Level", 0), words_column("Tier", 0), number_column("Threads", 0)];
    columns.extend(["Read", "Write", "Copy", "Triad"].map(|pattern| number_column(pattern, 0)));
    (!rows.is_empty()).then(|| Table {
        caption: "Bandwidth by memory level: bytes that the core asks for".to_owned(),
        columns,
        rows,
        folded: false,
    })
}

/// A row for each order of loads at a level, tier and number of threads.
fn orders(facts: &Facts<'_>) -> Option<Table> {
    const ORDERS: [&str; 3] = ["strided", "random", "gather"];
    let order = |m: &&Measurement| {
        let words = m.case.benchmark.strip_prefix("memory/")?;
        let mut words = words.split('-');
        let (order, level) = (words.next()?, words.next()?);
        let rank = ORDERS.iter().position(|known| *known == order)?;
        Some((rank, order.to_owned(), level.to_owned()))
    };
    let mut rows: Vec<_> = facts.document.measured().filter_map(|m| Some((order(&m)?, m))).collect();
    rows.sort_by(|((a_rank, _, a), x), ((b_rank, _, b), y)| {
        (level_rank(Some(a)), a_rank, x.case.shape.count(2), x.case.threads, std::cmp::Reverse(x.case.tier))
            .cmp(&(
                level_rank(Some(b)),
                b_rank,
                y.case.shape.count(2),
                y.case.threads,
                std::cmp::Reverse(y.case.tier),
            ))
    });
    let row = |((_, order, level), m): &((usize, String, String), &Measurement)| {
        let rate = stats::median(&m.seconds.samples).map(|seconds| m.cost.core_bytes / seconds);
        let stride = m.case.shape.count(2) as u64;
        let name =
            if order == "strided" { format!("stride of {}", units::bytes(stride)) } else { order.clone() };
        vec![
            Cell::text(level.to_uppercase()),
            Cell::text(name),
            Cell::text(m.case.tier.to_string()),
            Cell::number(m.case.threads.get() as f64, m.case.threads.to_string()),
            Cell::maybe(rate.filter(|rate| rate.is_finite()), units::bytes_per_second),
        ]
    };
    let rows: Vec<Vec<Cell>> = rows.iter().map(row).collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Reads in other orders than front to back: bytes that the core asks for, indices among them"
            .to_owned(),
        columns: vec![
            words_column("Level", 0),
            words_column("Order", 0),
            words_column("Tier", 0),
            number_column("Threads", 0),
            number_column("Read", 0),
        ],
        rows,
        folded: false,
    })
}

/// A row for each kind of core and number of its CPUs, and one for the sum.
fn kinds(facts: &Facts<'_>) -> Option<Table> {
    let mut rows = Vec::new();
    for ceiling in roofline::kinds(facts.document) {
        let rate = |value: f64| match ceiling.operations {
            true => words::operations_per_second(value, ceiling.what.rsplit('-').next().unwrap_or_default()),
            false => units::bytes_per_second(value),
        };
        for on in &ceiling.kinds {
            rows.push(vec![
                Cell::text(&*ceiling.what),
                Cell::text(&*on.name),
                Cell::number(on.threads as f64, on.threads.to_string()),
                Cell::number(on.per_second, rate(on.per_second)),
            ]);
        }
        rows.push(vec![
            Cell::text(&*ceiling.what),
            Cell::text("sum of the kinds, each measured alone"),
            Cell::none(),
            Cell::maybe(ceiling.sum, rate),
        ]);
    }
    (!rows.is_empty()).then(|| Table {
        caption: "Ceilings of each kind of core, one of its CPUs and all".to_owned(),
        columns: vec![
            words_column("Ceiling", 0),
            words_column("Kind", 0),
            number_column("CPUs", 0),
            number_column("Rate", 0),
        ],
        rows,
        folded: false,
    })
}

fn level_rank(level: Option<&str>) -> (u8, Option<&str>) {
    let rank = match level {
        Some("l1") => 1,
        Some("l2") => 2,
        Some("l3") => 3,
        Some("dram") => 8,
        Some(_) => 7,
        None => 9,
    };
    (rank, level)
}

fn peaks(facts: &Facts<'_>) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = facts
        .ceilings
        .iter()
        .filter(|c| c.kind == CeilingKind::Compute)
        .map(|c| {
            let threads = c.case.threads;
            vec![
                Cell::text(&*c.what),
                Cell::text(c.case.tier.to_string()),
                Cell::number(threads.get() as f64, threads.to_string()),
                Cell::number(c.per_second, words::operations_per_second(c.per_second, &c.what)),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Arithmetic peaks".to_owned(),
        columns: vec![
            words_column("Precision", 0),
            words_column("Tier", 0),
            number_column("Threads", 0),
            number_column("Peak", 0),
        ],
        rows,
        folded: false,
    })
}

//! Latencies: the curve with its knees, under load, and from core to core.

use std::collections::BTreeSet;

use crate::analysis::latency::{self, Transfer};
use crate::document::{CacheKnee, Document};
use crate::render::figure;
use crate::render::page::{Block, Cell, Note, Table, Tone, number_column, words_column};
use crate::units;

/// Everything that is said of them.
pub(super) fn blocks(document: &Document) -> Vec<Block> {
    let picture = figure::latency(document);
    let picture = (!picture.is_empty()).then(|| Block::Figure(Box::new(picture)));
    let caches = latency::cache_knees(document);
    let tables = [curve(document), knees(&caches)].into_iter().flatten().map(Block::Table);
    let notes: Vec<Note> = caches.iter().filter_map(missing).collect();
    let notes = (!notes.is_empty()).then_some(Block::Notes(notes));
    let others = [loaded(document), transfers(&latency::transfers(document))];
    let others = others.into_iter().flatten().map(Block::Table);
    picture.into_iter().chain(tables).chain(notes).chain(others).collect()
}

/// A row a footprint, a column a size of pages.
fn curve(document: &Document) -> Option<Table> {
    const PAGES: [&str; 2] = ["huge-pages", "small-pages"];
    let curves = latency::curves(document);
    let footprints: BTreeSet<u64> =
        curves.iter().flat_map(|curve| &curve.points).map(|point| point.0).collect();
    let on = |pages: &str, bytes: u64| {
        let curve = curves.iter().find(|curve| curve.pages == pages)?;
        curve.points.iter().find(|point| point.0 == bytes).map(|point| point.1)
    };
    let row = |&bytes: &u64| {
        let mut row = vec![Cell::number(bytes as f64, units::bytes(bytes))];
        row.extend(PAGES.map(|pages| Cell::maybe(on(pages, bytes), units::seconds)));
        row
    };
    let rows: Vec<Vec<Cell>> = footprints.iter().map(row).collect();
    (!rows.is_empty()).then(|| Table {
        caption:
            "Latency: one load that the next one waits for, by the bytes that are walked in random order"
                .to_owned(),
        columns: vec![
            number_column("Footprint", 0),
            number_column("Huge pages", 0),
            number_column("Ordinary pages", 0),
        ],
        rows,
        folded: false,
    })
}

/// A row a cache that the system reports; nothing where the curve can tell of none.
fn knees(caches: &[CacheKnee]) -> Option<Table> {
    let row = |cache: &CacheKnee| {
        let reported = cache.reported_bytes.unwrap_or_default();
        let tone = if cache.agrees == Some(false) { Tone::Warn } else { Tone::Normal };
        let place = cache.fits_bytes.zip(cache.spills_bytes);
        let place = place.map(|(fits, spills)| format!("{} to {}", units::bytes(fits), units::bytes(spills)));
        vec![
            Cell::text(format!("L{}", cache.level)),
            Cell::number(reported as f64, units::bytes(reported)),
            Cell::text(place.unwrap_or_else(|| cache.detail.clone())).tone(tone),
            Cell::maybe(cache.seconds, units::seconds),
            Cell::maybe(cache.beyond_seconds, units::seconds),
        ]
    };
    caches.iter().any(|cache| cache.agrees.is_some()).then(|| Table {
        caption: "Caches as reported, and the knees of the latency curve".to_owned(),
        columns: vec![
            words_column("Cache", 0),
            number_column("Reported", 0),
            words_column("Knee", 0),
            number_column("Before", 0),
            number_column("After", 0),
        ],
        rows: caches.iter().map(row).collect(),
        folded: false,
    })
}

/// What is said of a cache whose knee is not where it should be.
fn missing(cache: &CacheKnee) -> Option<Note> {
    (cache.agrees == Some(false)).then(|| Note {
        tone: Tone::Warn,
        name: format!("L{}", cache.level),
        text: cache.detail.clone(),
        remedy: None,
    })
}

/// A row a rate of the other threads.
fn loaded(document: &Document) -> Option<Table> {
    let all = latency::loaded(document);
    let row = |loaded: &latency::Loaded| {
        let rate = loaded.background_bytes_per_second;
        vec![
            Cell::number(rate, units::bytes_per_second(rate)),
            Cell::number(loaded.seconds, units::seconds(loaded.seconds)),
            Cell::number((loaded.threads - 1) as f64, (loaded.threads - 1).to_string()),
        ]
    };
    (!all.is_empty()).then(|| Table {
        caption: "Latency of memory while other threads read from it".to_owned(),
        columns: vec![number_column("They read", 0), number_column("A load", 0), number_column("Readers", 0)],
        rows: all.iter().map(row).collect(),
        folded: false,
    })
}

/// A matrix where there are more than two CPUs.
fn transfers(all: &[Transfer]) -> Option<Table> {
    let cpus: Vec<usize> =
        all.iter().flat_map(|transfer| transfer.cpus).collect::<BTreeSet<_>>().into_iter().collect();
    let between = |a: usize, b: usize| {
        let pair = [a.min(b), a.max(b)];
        all.iter().find(|transfer| transfer.cpus == pair).map(|transfer| transfer.seconds)
    };
    let (columns, rows) = if cpus.len() > 2 {
        let mut columns = vec![words_column("CPU", 0)];
        columns.extend(cpus.iter().map(|cpu| number_column(&cpu.to_string(), 0)));
        let row = |&a: &usize| {
            let mut row = vec![Cell::text(a.to_string())];
            row.extend(cpus.iter().map(|&b| Cell::maybe(between(a, b), units::seconds)));
            row
        };
        (columns, cpus.iter().map(row).collect())
    } else {
        let row = |transfer: &Transfer| {
            let [a, b] = transfer.cpus;
            vec![
                Cell::text(format!("{a} and {b}")),
                Cell::number(transfer.seconds, units::seconds(transfer.seconds)),
            ]
        };
        (vec![words_column("CPUs", 0), number_column("One way", 0)], all.iter().map(row).collect())
    };
    (!all.is_empty()).then(|| Table {
        caption: "From core to core: the time in which a line that one wrote reaches the other".to_owned(),
        columns,
        rows,
        folded: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_without_its_knee_is_told_of_and_one_that_cannot_be_seen_is_not_blamed() {
        let cache = |agrees: Option<bool>| CacheKnee {
            level: 3,
            reported_bytes: Some(32 << 20),
            fits_bytes: agrees.map(|_| 4 << 20),
            spills_bytes: agrees.map(|_| 6 << 20),
            agrees,
            detail: "NOT confirmed".to_owned(),
            ..CacheKnee::default()
        };
        assert_eq!(missing(&cache(Some(false))).unwrap().name, "L3");
        assert!(missing(&cache(Some(true))).is_none() && missing(&cache(None)).is_none());
        assert!(knees(&[cache(None)]).is_none());
        assert_eq!(knees(&[cache(Some(true))]).unwrap().rows[0][2].text, "4 MiB to 6 MiB");
    }

    #[test]
    fn ways_between_more_than_two_cpus_make_a_matrix() {
        let way = |a, b, seconds| Transfer { cpus: [a, b], seconds };
        let two = transfers(&[way(0, 1, 5e-8)]).unwrap();
        assert_eq!((two.columns.len(), two.rows.len()), (2, 1));
        let three = transfers(&[way(0, 1, 5e-8), way(0, 4, 9e-8), way(1, 4, 9e-8)]).unwrap();
        assert_eq!((three.columns.len(), three.rows.len()), (4, 3));
        assert_eq!(three.rows[0][1].text, Cell::none().text, "none to itself");
        assert_eq!(three.rows[0][3].text, three.rows[2][1].text);
        assert!(transfers(&[]).is_none());
    }
}

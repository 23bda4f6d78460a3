//! A search over the strategies of matrix products: each one's time by size, what is chosen, and where each begins to pay.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{MatmulSize, MatmulTuning, Tuning};
use crate::render::figure;
use crate::units;

/// A choice that takes so many times as long as the direct form has lost to it, beyond what such times are uncertain by.
const LOST: f64 = 1.05;

/// What a search gave.
pub(super) fn tuning(tuning: &Tuning, matmul: &MatmulTuning) -> Section {
    let mut blocks = vec![Block::Facts(facts(matmul)), Block::Table(table(matmul))];
    let figure = figure::strategies(matmul);
    if !figure.is_empty() {
        blocks.push(Block::Figure(Box::new(figure)));
    }
    blocks.push(Block::Notes(notes(tuning, matmul)));
    Section {
        id: "tuning-matmul",
        title: "Strategies of matrix products".to_owned(),
        lead: Some(format!(
            "Square products in single precision on {}, strategies in turn; the shortest of many times. Packed before and threads leave \
             the packing out: weights are packed once.",
            matmul.tier
        )),
        blocks,
    }
}

fn facts(matmul: &MatmulTuning) -> Vec<Fact> {
    let from = |size: Option<usize>| {
        size.map_or_else(|| "at no size measured".to_owned(), |size| format!("from {size}x{size}x{size} on"))
    };
    let mut facts = vec![
        Fact::new("packing on the way pays", from(matmul.packing_from_size)),
        Fact::new("threads pay", from(matmul.parallel_from_size)).detail(match matmul.parallel_work {
            Some(work) => format!("{} multiply-adds, {} threads", units::count(work as u64), matmul.threads),
            None => String::new(),
        }),
    ];
    for row in &matmul.crossovers {
        let rows = row
            .rows
            .map_or_else(|| "never".to_owned(), |rows| format!("from {} rows on", units::count(rows as u64)));
        facts.push(Fact::new(&format!("packing of {} operands", row.operand), rows));
    }
    let kept = if matmul.kept { "kept for the kernels of this machine" } else { "not kept" };
    facts.push(Fact::new("profile", kept));
    facts
}

fn table(matmul: &MatmulTuning) -> Table {
    let row = |row: &MatmulSize| {
        let ratio = row.of_direct();
        let known = ratio.is_finite();
        vec![
            Cell::text(format!("{0}x{0}x{0}", row.size)),
            Cell::number(row.direct_seconds, units::seconds(row.direct_seconds)),
            Cell::number(row.packing_seconds, units::seconds(row.packing_seconds)),
            Cell::number(row.packed_seconds, units::seconds(row.packed_seconds)),
            Cell::maybe(row.parallel_seconds, units::seconds),
            Cell::text(format!("{}{}", row.choice, if row.shared { ", threads" } else { "" })),
            if known {
                Cell::number(row.chosen_seconds, units::seconds(row.chosen_seconds))
            } else {
                Cell::none()
            },
            if known {
                let tone = if ratio > LOST { Tone::Bad } else { Tone::Good };
                Cell::number(ratio, units::significant(ratio, 3)).tone(tone)
            } else {
                Cell::none()
            },
        ]
    };
    Table {
        caption: "Time of a product by each strategy".to_owned(),
        columns: vec![
            words_column("product", 0),
            number_column("direct", 0),
            number_column("packing", 0),
            number_column("packed before", 0),
            number_column("threads", 0),
            words_column("choice", 0),
            number_column("takes", 1),
            number_column("of direct", 0),
        ],
        rows: matmul.sizes.iter().map(row).collect(),
        folded: false,
    }
}

fn notes(tuning: &Tuning, matmul: &MatmulTuning) -> Vec<Note> {
    let note = |tone, text| Note { tone, name: "choice".to_owned(), text, remedy: None };
    let mut notes = Vec::new();
    let lost: Vec<String> = matmul
        .sizes
        .iter()
        .filter(|row| row.of_direct() > LOST)
        .map(|row| format!("{}x{}x{}", row.size, row.size, row.size))
        .collect();
    notes.push(if lost.is_empty() {
        note(Tone::Good, "the choice loses to the direct form at no size".to_owned())
    } else {
        note(Tone::Warn, format!("the choice took longer than the direct form at {}", lost.join(", ")))
    });
    for unknown in &matmul.unknown {
        notes.push(note(Tone::Quiet, format!("{}: {}", unknown.field, unknown.reason)));
    }
    if tuning.interrupted {
        notes.push(note(Tone::Warn, "interrupted: sizes are missing, and nothing was kept".to_owned()));
    }
    notes
}

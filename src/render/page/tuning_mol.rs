//! A search over the sizes of a mixture of logits: the front, the choice and how sure it is, and what to set and to watch.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{DotBeside, FormMemory, MolCandidate, MolTuning, Tuning, TuningAdvice};
use crate::render::figure;
use crate::units;

/// Configurations in the table of the best.
const BEST: usize = 5;

/// What a search gave.
pub(super) fn tuning(tuning: &Tuning, mol: &MolTuning) -> Section {
    let mut blocks = vec![Block::Facts(facts(mol))];
    let mut fastest: Vec<&MolCandidate> =
        mol.candidates.iter().filter(|row| row.queries_per_second.is_some()).collect();
    fastest
        .sort_by(|a, b| b.queries_per_second.unwrap_or(0.0).total_cmp(&a.queries_per_second.unwrap_or(0.0)));
    let front: Vec<&MolCandidate> = fastest.iter().copied().filter(|row| row.on_front).collect();
    let top: Vec<&MolCandidate> = fastest.iter().copied().filter(|row| row.meets_limits).take(BEST).collect();
    for (caption, rows) in [
        ("The fastest within the limits", top),
        ("Configurations that none is better than in everything", front),
    ] {
        if !rows.is_empty() {
            blocks.push(Block::Table(table(caption, &rows, mol, false)));
        }
    }
    for figure in [figure::tuning(tuning), figure::quality(tuning)] {
        if !figure.is_empty() {
            blocks.push(Block::Figure(Box::new(figure)));
        }
    }
    blocks.push(Block::Table(dots(mol)));
    blocks.push(Block::Table(forms(mol)));
    let all: Vec<&MolCandidate> = mol.candidates.iter().collect();
    blocks.push(Block::Table(table("Every configuration", &all, mol, true)));
    if !mol.advice.is_empty() {
        let note = |advice: &TuningAdvice| Note {
            tone: Tone::Normal,
            name: "deploy".to_owned(),
            text: format!("{}: {}", advice.action, advice.because),
            remedy: None,
        };
        blocks.push(Block::Notes(mol.advice.iter().map(note).collect()));
    }
    let notes = notes(tuning, mol);
    if !notes.is_empty() {
        blocks.push(Block::Notes(notes));
    }
    Section {
        id: "tuning-mol",
        title: format!("Mixtures of logits over {} items", units::count(mol.items as u64)),
        lead: Some(format!(
            "The fused kernel on one thread ({}), configurations in turn; a query is scored against every item. Latency is the time that \
             19 of 20 batches do not exceed.",
            mol.tier
        )),
        blocks,
    }
}

fn notes(tuning: &Tuning, mol: &MolTuning) -> Vec<Note> {
    let mut texts: Vec<String> = tuning.notes.clone();
    if tuning.interrupted {
        texts.push("interrupted: the choice rests on fewer rounds".to_owned());
    }
    if mol.quality_minimum.is_none() {
        texts.push(
            "no least quality is asked for, so that the choice is the fastest: --min-quality names one"
                .to_owned(),
        );
    }
    texts.extend(
        mol.unknown.iter().map(|unknown| format!("{} is unknown: {}", unknown.field, unknown.reason)),
    );
    texts.extend(
        mol.forms
            .iter()
            .filter_map(|form| Some(format!("memory of {} is unknown: {}", form.form, form.why.as_ref()?))),
    );
    let note = |text| Note { tone: Tone::Warn, name: "note".to_owned(), text, remedy: None };
    texts.into_iter().map(note).collect()
}

fn facts(mol: &MolTuning) -> Vec<Fact> {
    let mut facts = Vec::new();
    match &mol.choice {
        Some(choice) => {
            let row = mol.candidates.iter().find(|row| row.settings == choice.settings);
            let rate = row.and_then(|row| row.queries_per_second);
            let rate = rate.map_or_else(String::new, |rate| units::rate(rate, "queries/s"));
            facts.push(Fact::new("choice", choice.settings.to_string()).detail(rate));
            facts.push(Fact::new(
                "how sure",
                format!(
                    "of those within the limits {} shown slower, {} as fast within {}, {} not told apart from it",
                    choice.shown_slower,
                    choice.shown_equivalent,
                    units::percent(choice.margin),
                    choice.undecided
                ),
            ));
        }
        None => facts.push(Fact::new("choice", "none: no configuration is shown to meet the limits")),
    }
    facts.push(Fact::new("quality", mol.quality_source.clone().unwrap_or_else(|| "not measured".to_owned())));
    facts
}

fn table(caption: &str, rows: &[&MolCandidate], mol: &MolTuning, folded: bool) -> Table {
    let columns = vec![
        words_column("configuration", 0),
        number_column("queries/s", 0),
        number_column("latency", 0),
        number_column("FLOP/s", 3),
        number_column("of a dot", 2),
        number_column("memory", 1),
        number_column("quality", 0),
        number_column("rounds", 4),
        words_column("left because", 5),
    ];
    let chosen = mol.choice.as_ref().map(|choice| choice.settings);
    let rows = rows.iter().map(|row| {
        let is_choice = chosen == Some(row.settings);
        let name = format!("{}{}", row.settings, if is_choice { " (choice)" } else { "" });
        vec![
            Cell::text(name).tone(if is_choice { Tone::Good } else { Tone::Normal }),
            Cell::maybe(row.queries_per_second, |rate| units::rate(rate, "")),
            Cell::maybe(row.latency_seconds, units::seconds),
            Cell::maybe(row.flops_per_second, units::flops_per_second),
            Cell::maybe(row.times_dot, |times| format!("{}x", units::significant(times, 3))),
            size(row.memory_bytes),
            row.quality.map_or_else(
                || Cell::text("not measured").tone(Tone::Quiet),
                |quality| Cell::number(quality, format!("{quality:.4}")),
            ),
            Cell::text(row.rounds.to_string()),
            row.dropped.as_ref().map_or_else(Cell::none, |why| Cell::text(&**why)),
        ]
    });
    Table { caption: caption.to_owned(), columns, rows: rows.collect(), folded }
}

fn dots(mol: &MolTuning) -> Table {
    let row = |dot: &DotBeside| {
        vec![
            Cell::text(format!("batch {}", dot.batch)),
            Cell::maybe(dot.queries_per_second, |rate| units::rate(rate, "")),
            Cell::maybe(dot.latency_seconds, units::seconds),
            Cell::maybe(dot.flops_per_second, units::flops_per_second),
        ]
    };
    Table {
        caption: format!("The dot product of embeddings of {} numbers, in the same rounds", mol.dot_width),
        columns: vec![
            words_column("dot product", 0),
            number_column("queries/s", 0),
            number_column("latency", 0),
            number_column("FLOP/s", 0),
        ],
        rows: mol.dots.iter().map(row).collect(),
        folded: false,
    }
}

/// Memory of every form.
fn forms(mol: &MolTuning) -> Table {
    let row = |form: &FormMemory| {
        vec![
            Cell::text(&form.form),
            size(Some(form.data_bytes)),
            size(Some(form.model_bytes)),
            size(form.resident_bytes),
            size(form.peak_bytes),
            Cell::maybe(form.efficiency(), units::percent),
        ]
    };
    Table {
        caption: "Memory of every form at those sizes: data and model counted, the rest the resident size of a process of its own"
            .to_owned(),
        columns: vec![
            words_column("form", 0),
            number_column("data", 0),
            number_column("model", 0),
            number_column("while scoring", 0),
            number_column("peak", 0),
            number_column("data and model of the peak", 1),
        ],
        rows: mol.forms.iter().map(row).collect(),
        folded: false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a memory")]
fn size(bytes: Option<u64>) -> Cell {
    Cell::maybe(bytes.map(|bytes| bytes as f64), |_| units::bytes(bytes.unwrap_or(0)))
}

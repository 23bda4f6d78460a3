//! A search over the settings of `embed`: the front, the choice and how sure it is.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{EmbedSettings, Tuning, TuningCandidate};
use crate::render::figure;
use crate::units;

/// What a search gave: the front as a table and a chart, everything else folded.
pub(super) fn tuning(tuning: &Tuning) -> Section {
    let mut blocks = vec![Block::Facts(facts(tuning))];
    let on_front = |row: &&TuningCandidate| row.on_front;
    let mut front: Vec<&TuningCandidate> = tuning.candidates.iter().filter(on_front).collect();
    front.sort_by(|a, b| b.texts_per_second.unwrap_or(0.0).total_cmp(&a.texts_per_second.unwrap_or(0.0)));
    if !front.is_empty() {
        blocks.push(Block::Table(table(
            "Settings that none is better than in everything",
            &front,
            tuning,
            false,
        )));
    }
    let figure = figure::tuning(tuning);
    if !figure.is_empty() {
        blocks.push(Block::Figure(Box::new(figure)));
    }
    let all: Vec<&TuningCandidate> = tuning.candidates.iter().collect();
    blocks.push(Block::Table(table("Every setting that was considered", &all, tuning, true)));
    let mut notes: Vec<String> = tuning.notes.clone();
    if tuning.interrupted {
        notes.push("interrupted: the choice rests on fewer rounds".to_owned());
    }
    let note = |text| Note { tone: Tone::Warn, name: "note".to_owned(), text, remedy: None };
    if !notes.is_empty() {
        blocks.push(Block::Notes(notes.into_iter().map(note).collect()));
    }
    Section {
        id: "tuning",
        title: format!("Settings for {}", tuning.model),
        lead: Some(
            "Texts of the corpus as they come, settings in turn; latency is the time that 19 of 20 batches do not exceed."
                .to_owned(),
        ),
        blocks,
    }
}

fn facts(tuning: &Tuning) -> Vec<Fact> {
    let mut facts = Vec::new();
    match &tuning.choice {
        Some(choice) => {
            let row = tuning.candidates.iter().find(|row| row.settings == choice.settings);
            let rate = row.and_then(|row| row.texts_per_second);
            let rate = rate.map_or_else(String::new, |rate| units::rate(rate, "texts/s"));
            facts.push(Fact::new("choice", choice.settings.to_string()).detail(rate));
            let sure = format!(
                "{} settings shown slower, {} as fast within {}, {} not told apart from it",
                choice.shown_slower,
                choice.shown_equivalent,
                units::percent(choice.margin),
                choice.undecided
            );
            facts.push(Fact::new("how sure", sure));
        }
        None => facts.push(Fact::new("choice", "none: no setting is shown to meet the limits")),
    }
    for preset in presets(tuning) {
        let own = tuning.candidates.iter().filter(|row| row.settings.preset.as_deref() == Some(preset));
        let best = own
            .max_by(|a, b| a.texts_per_second.unwrap_or(0.0).total_cmp(&b.texts_per_second.unwrap_or(0.0)));
        if let Some(row) = best {
            let settings = EmbedSettings { preset: None, ..row.settings.clone() };
            let rate = row
                .texts_per_second
                .map_or_else(|| row.dropped.clone().unwrap_or_default(), |rate| units::rate(rate, "texts/s"));
            facts.push(Fact::new(&format!("preset {preset}"), settings.to_string()).detail(rate));
        }
    }
    for line in &tuning.memory {
        let text = format!(
            "{} + {} a text of a batch, to within {}",
            bytes(line.base_bytes),
            bytes(line.bytes_per_text),
            bytes(line.error_bytes)
        );
        facts.push(Fact::new(&format!("memory of {line}"), text));
    }
    facts
}

/// The presets of a search, each once.
fn presets(tuning: &Tuning) -> Vec<&str> {
    let mut names = Vec::new();
    for name in tuning.candidates.iter().filter_map(|row| row.settings.preset.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn table(caption: &str, rows: &[&TuningCandidate], tuning: &Tuning, folded: bool) -> Table {
    let columns = vec![
        words_column("setting", 0),
        number_column("texts/s", 0),
        number_column("latency", 0),
        number_column("memory", 2),
        number_column("cosine", 1),
        number_column("rounds", 3),
        words_column("left because", 4),
    ];
    let chosen = tuning.choice.as_ref().map(|choice| &choice.settings);
    let rows = rows.iter().map(|row| {
        let is_choice = chosen == Some(&row.settings);
        let name = format!("{}{}", row.settings, if is_choice { " (choice)" } else { "" });
        vec![
            Cell::text(name).tone(if is_choice { Tone::Good } else { Tone::Normal }),
            Cell::maybe(row.texts_per_second, |rate| units::rate(rate, "")),
            Cell::maybe(row.latency_seconds, units::seconds),
            Cell::maybe(row.memory_bytes, bytes),
            Cell::maybe(row.cosine_minimum, |cosine| format!("{cosine:.4}")),
            Cell::text(row.rounds.to_string()),
            row.dropped.as_ref().map_or_else(Cell::none, |why| Cell::text(&**why)),
        ]
    });
    Table { caption: caption.to_owned(), columns, rows: rows.collect(), folded }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn bytes(value: f64) -> String {
    units::bytes(value as u64)
}

//! What some work costs and what machines would make of it.

use super::{
    Align, Block, Cell, Column, Fact, Note, Page, Section, Table, Tone, number_column, words_column,
};
use crate::analysis::analytic::{Analytic, MachineOutlook};
use crate::render::figure;
use crate::units;

/// The page of an analytic model.
#[must_use]
pub fn analytic_page(analytic: &Analytic) -> Page {
    let sections = [Some(costs(analytic)), machines(analytic), forms(analytic)];
    Page {
        title: "perfkit analytic model".to_owned(),
        subtitle: "Counted from the sizes alone; nothing was measured here. Intensity, bound and time are of the matrix products."
            .to_owned(),
        headline: analytic.work.title.clone(),
        highlights: Vec::new(),
        sections: sections.into_iter().flatten().collect(),
    }
}

fn costs(analytic: &Analytic) -> Section {
    let work = &analytic.work;
    let rows = work.parts.iter().map(|part| {
        let share = if work.matrix_flops > 0.0 { part.matrix_flops / work.matrix_flops } else { 0.0 };
        vec![
            Cell::text(&part.name),
            some(part.matrix_flops),
            if part.matrix_flops > 0.0 { Cell::number(share, units::percent(share)) } else { Cell::none() },
            some(part.elementwise_flops),
            some(part.transcendentals),
        ]
    });
    let table = Table {
        caption: "Operations by part".to_owned(),
        columns: vec![
            words_column("part", 0),
            number_column("matrix FLOPs", 0),
            number_column("share", 0),
            number_column("other FLOPs", 0),
            number_column("transcendentals", 0),
        ],
        rows: rows.collect(),
        folded: false,
    };
    let facts = vec![
        Fact::new("Matrix FLOPs", number(work.matrix_flops)),
        Fact::new("Other FLOPs", number(work.elementwise_flops)),
        Fact::new("Transcendentals", number(work.transcendentals))
            .detail("counted apart: no data sheet states their rate"),
        Fact::new("Core bytes", number(work.core_bytes))
            .detail("what the steps load and store, from whichever level"),
        Fact::new("DRAM bytes", number(work.dram_bytes)).detail("what passes the memory bus"),
        Fact::new("Intensity", work.intensity.map_or_else(|| "none".to_owned(), intensity)),
    ];
    Section {
        id: "costs",
        title: "What it costs".to_owned(),
        lead: None,
        blocks: vec![Block::Table(table), Block::Facts(facts)],
    }
}

fn machines(analytic: &Analytic) -> Option<Section> {
    if analytic.machines.is_empty() {
        return None;
    }
    let rows = analytic.machines.iter().map(|machine| {
        vec![
            Cell::text(&machine.name),
            Cell::maybe(machine.peak_flops_per_second, units::flops_per_second),
            Cell::maybe(machine.bytes_per_second, units::bytes_per_second),
            Cell::maybe(machine.ridge, |ridge| units::significant(ridge, 3)),
            machine.bound.as_ref().map_or_else(Cell::none, Cell::text),
            Cell::maybe(machine.seconds, units::seconds),
            Cell::maybe(machine.flops_per_second, units::flops_per_second),
        ]
    });
    let table = Table {
        caption: "Roofs, which of them binds, and the least time".to_owned(),
        columns: vec![
            words_column("machine", 0),
            number_column("peak", 0),
            number_column("memory", 0),
            number_column("ridge FLOP/B", 0),
            Column { title: "bound".to_owned(), align: Align::Left, spare: 0 },
            number_column("least time", 0),
            number_column("at", 2),
        ],
        rows: rows.collect(),
        folded: false,
    };
    let notes = analytic.machines.iter().flat_map(|machine| sentences(analytic, machine));
    let figure = figure::analytic(analytic);
    let mut blocks = vec![Block::Table(table), Block::Notes(notes.collect())];
    if !figure.is_empty() {
        blocks.push(Block::Figure(Box::new(figure)));
    }
    Some(Section { id: "machines", title: "What machines make of it".to_owned(), lead: None, blocks })
}

/// Where its figures come from, and when it is bound by the arithmetic or why nobody knows.
fn sentences(analytic: &Analytic, machine: &MachineOutlook) -> Vec<Note> {
    let note = |tone, text| Note { tone, name: machine.name.clone(), text, remedy: None };
    let unknown = machine.unknown.iter().filter(|unknown| unknown.field != "compute_bound_from_batch");
    let mut notes = vec![note(Tone::Quiet, format!("figures from {}", machine.source))];
    notes.extend(unknown.map(|unknown| note(Tone::Quiet, format!("{}: {}", unknown.field, unknown.reason))));
    if let (Some(ridge), Some(here)) = (machine.ridge, analytic.work.intensity) {
        let ridge = units::significant(ridge, 3);
        notes.push(match machine.compute_bound_from_batch {
            Some(batch) => note(
                Tone::Good,
                format!(
                    "compute-bound from {} on, where the intensity reaches the ridge of {ridge} FLOP/B; here it is {}",
                    batch_of(analytic, batch),
                    intensity(here)
                ),
            ),
            None => note(
                Tone::Warn,
                format!(
                    "memory-bound at every {}: the intensity, here {}, never reaches the ridge of {ridge} FLOP/B",
                    if counts_rows(analytic) { "number of rows" } else { "batch" },
                    intensity(here)
                ),
            ),
        });
    }
    notes
}

/// A matrix product has rows where the rest has a batch.
fn counts_rows(analytic: &Analytic) -> bool {
    analytic.work.batch_name == "rows"
}

/// `a batch of 6`, `6 rows`.
fn batch_of(analytic: &Analytic, batch: usize) -> String {
    let count = units::count(batch as u64);
    if counts_rows(analytic) { format!("{count} rows") } else { format!("a batch of {count}") }
}

fn forms(analytic: &Analytic) -> Option<Section> {
    if analytic.forms.is_empty() {
        return None;
    }
    let rows = analytic.forms.iter().map(|form| {
        vec![
            Cell::text(&form.name),
            some(form.matrix_flops),
            some(form.dram_bytes),
            Cell::maybe(form.intensity, |x| units::significant(x, 4)),
            form.bound.as_ref().map_or_else(Cell::none, Cell::text),
            Cell::maybe(form.seconds, units::seconds),
            match (form.seconds, form.compute_bound_from_batch) {
                (None, _) => Cell::none(),
                (Some(_), None) => Cell::text("never"),
                (Some(_), Some(batch)) => Cell::text(units::count(batch as u64)),
            },
        ]
    });
    let first = analytic.machines.first().map_or("no machine", |machine| &*machine.name);
    let table = Table {
        caption: format!("Forms of the same work; bound, time and batch on {first}"),
        columns: vec![
            words_column("form", 0),
            number_column("matrix FLOPs", 0),
            number_column("DRAM bytes", 0),
            number_column("FLOP/B", 0),
            words_column("bound", 0),
            number_column("least time", 0),
            number_column("compute-bound from batch", 1),
        ],
        rows: rows.collect(),
        folded: false,
    };
    Some(Section {
        id: "forms",
        title: "What fusion changes".to_owned(),
        lead: None,
        blocks: vec![Block::Table(table)],
    })
}

fn some(value: f64) -> Cell {
    if value > 0.0 { Cell::number(value, number(value)) } else { Cell::none() }
}

/// A count, which is whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn number(value: f64) -> String {
    units::count(value as u64)
}

fn intensity(value: f64) -> String {
    format!("{} FLOP/B", units::significant(value, 4))
}

//! The conditions of a run, and what came out without figures.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, words_column};
use crate::document::{Document, Omission, Outcome};
use crate::units;

/// What may have disturbed the run.
pub(super) fn conditions(document: &Document) -> Section {
    let conditions = &document.conditions;
    let mut notes = Vec::new();
    let mut warn = |tone: Tone, name: &str, text: &str| {
        notes.push(Note { tone, name: name.to_owned(), text: text.to_owned(), remedy: None });
    };
    if !document.run.optimised {
        warn(
            Tone::Bad,
            "unoptimised",
            "this build was not optimised: its figures mean nothing and verdicts are withheld",
        );
    }
    if document.run.interrupted {
        warn(Tone::Warn, "interrupted", "the run was interrupted: cases at the end are missing");
    }
    if conditions.throttled_periods.is_some_and(|periods| periods > 0) {
        warn(Tone::Warn, "throttled", "the cgroup's CPU quota stopped the run at times: times are too long");
    }
    for text in &conditions.notes {
        warn(Tone::Quiet, "note", text);
    }
    let mut blocks = vec![Block::Facts(facts(document))];
    if !notes.is_empty() {
        blocks.push(Block::Notes(notes));
    }
    Section { id: "conditions", title: "Conditions".to_owned(), lead: None, blocks }
}

fn facts(document: &Document) -> Vec<Fact> {
    let conditions = &document.conditions;
    let mut out = Vec::new();
    let mut say = |name: &str, value: Option<String>| {
        out.push(Fact::new(name, value.unwrap_or_else(|| "not known here".to_owned())));
    };
    say("CPUs that thread counts came from", Some(conditions.effective_cpus.to_string()));
    say("Pinned to", Some(conditions.pinned_cpus.clone().unwrap_or_else(|| "nothing".to_owned())));
    say("Clock precision", Some(units::seconds(conditions.clock_precision_seconds)));
    say("Load average at start", conditions.load_average_at_start.map(|x| format!("{x:.2}")));
    say("Steal by the hypervisor", conditions.steal_fraction.map(units::percent));
    say("CPU pressure", conditions.cpu_pressure_fraction.map(units::percent));
    say("Throttled periods", conditions.throttled_periods.map(units::count));
    say("Involuntary switches", conditions.involuntary_switches.map(units::count));
    say("Drift of ceilings", conditions.ceiling_drift.map(units::percent));
    say("Seed", Some(document.run.seed.to_string()));
    out
}

/// Cases without figures, with the reasons; failures first.
pub(super) fn omitted(document: &Document) -> Option<Section> {
    let mut failed: Vec<&Omission> = Vec::new();
    let mut skipped: Vec<&Omission> = Vec::new();
    for outcome in &document.outcomes {
        match outcome {
            Outcome::Measured(_) => {}
            Outcome::Skipped(omission) => skipped.push(omission),
            Outcome::Failed(omission) => failed.push(omission),
        }
    }
    let row = |word: &str, tone: Tone, omission: &Omission| {
        vec![Cell::text(omission.case.to_string()), Cell::text(word).tone(tone), Cell::text(&*omission.why)]
    };
    let rows: Vec<Vec<Cell>> = (failed.iter().map(|o| row("failed", Tone::Bad, o)))
        .chain(skipped.iter().map(|o| row("skipped", Tone::Quiet, o)))
        .collect();
    let lead = format!("{} failed, {} skipped.", failed.len(), skipped.len());
    (!rows.is_empty()).then(|| Section {
        id: "omitted",
        title: "Without figures".to_owned(),
        lead: Some(lead),
        blocks: vec![Block::Table(Table {
            caption: "Cases that failed or could not run here".to_owned(),
            columns: vec![words_column("Case", 0), words_column("Outcome", 0), words_column("Reason", 0)],
            rows,
            folded: false,
        })],
    })
}

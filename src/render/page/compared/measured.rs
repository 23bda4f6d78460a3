//! How a comparison was measured: margins, blocks, seconds, the control, and what went wrong meanwhile.

use super::super::{Fact, Note, Tone, sentences};
use super::note;
use crate::analysis::compare::{ComparisonReport, Mode, ONE_RUN_NOTE};
use crate::analysis::sequential::control::ControlVerdict;
use crate::render::words;
use crate::units;

/// Margins, blocks, time and machines.
pub(in crate::render) fn facts(report: &ComparisonReport) -> Vec<Fact> {
    // An import is given no verdict, so that there is no rule to tell.
    let rule = (report.mode != Mode::Import).then(|| Fact::new("Verdicts", sentences::margins(report)));
    let mut facts: Vec<Fact> = rule.into_iter().collect();
    let sequential: Vec<_> = report.changes.iter().filter_map(|change| change.sequential.as_ref()).collect();
    if let (Some(least), Some(most)) =
        (sequential.iter().map(|s| s.blocks).min(), sequential.iter().map(|s| s.blocks).max())
    {
        let blocks = if least == most { least.to_string() } else { format!("{least} to {most}") };
        facts.push(Fact::new("Blocks a case", blocks));
        let (sampling, whole) =
            sequential.iter().fold((0.0, 0.0), |(a, b), s| (a + s.sampling_seconds, b + s.seconds));
        let text =
            format!("{} of {} with starts and preparation", units::seconds(sampling), units::seconds(whole));
        facts.push(Fact::new("Sampling", text));
        let worst = sequential.iter().map(|s| s.preempted_fraction).fold(0.0, f64::max);
        facts.push(Fact::new("Preempted samples", format!("up to {}", units::percent(worst))));
    }
    if let Some(seed) = report.seed {
        facts.push(Fact::new("Seed", seed.to_string()));
    }
    let [base, candidate] =
        report.machines.each_ref().map(|print| print.chars().take(12).collect::<String>());
    if !base.is_empty() || !candidate.is_empty() {
        let text = if base == candidate { base } else { format!("{base} and {candidate}") };
        facts.push(Fact::new("Machine", text));
    }
    facts
}

/// The control first, then what disturbed the measuring, then the report's own notes.
pub(in crate::render) fn notes(report: &ComparisonReport) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(control) = &report.control {
        let tone = match control.verdict {
            ControlVerdict::Failed => Tone::Bad,
            ControlVerdict::TooFew => Tone::Warn,
            ControlVerdict::Holds => Tone::Good,
        };
        notes.push(note(tone, "control", &sentences::control(control)));
    }
    for change in &report.changes {
        let Some(sequential) = &change.sequential else { continue };
        if sequential.merged {
            let text = format!("{}: neighbouring blocks were correlated and merged", change.case);
            notes.push(note(Tone::Warn, "correlated", &text));
        }
        if sequential.unsettled_blocks > 0 {
            let blocks = words::counted(sequential.unsettled_blocks, "time", "times");
            notes.push(note(Tone::Warn, "warm-up", &format!("{}: did not settle {blocks}", change.case)));
        }
    }
    // The sentence over this section says it already.
    let own = report.notes.iter().filter(|text| *text != ONE_RUN_NOTE);
    notes.extend(own.map(|text| note(Tone::Quiet, "note", text)));
    notes
}

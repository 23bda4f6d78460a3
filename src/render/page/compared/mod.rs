//! What to say about a comparison: the cases that changed, those that did not, counts, tails, and how it was measured.

mod counts;
mod measured;
mod tables;

use super::{Block, Fact, Note, Page, Section, Tone, judged, sentences};
use crate::analysis::compare::{Change, ComparisonReport, Verdict};
use crate::render::figure;
use crate::render::words;

pub(in crate::render) use counts::{count_tables, tail_table};
pub(in crate::render) use measured::{facts, notes};
pub(in crate::render) use tables::{different, only_in_one, same};

/// Distinct reasons that are explained.
const REASONS: usize = 6;

/// The page about a comparison alone.
#[must_use]
pub fn page(report: &ComparisonReport) -> Page {
    let mut sections = sections(report);
    if let Some(budgets) = judged::budgets(&report.budgets) {
        let at = sections.len() - 1;
        sections.insert(at, budgets);
    }
    let count = |verdict: Verdict| report.changes.iter().filter(|change| change.verdict == verdict).count();
    let tile = |verdict: Verdict| Fact::new(verdict.name(), words::counted(count(verdict), "case", "cases"));
    Page {
        title: "perfkit regress".to_owned(),
        subtitle: sentences::how(report.mode),
        headline: format!("{}.", sentences::headline(report)),
        highlights: [Verdict::Slower, Verdict::Faster, Verdict::Equivalent, Verdict::Inconclusive]
            .map(tile)
            .into(),
        sections,
    }
}

/// The sections about a comparison, the cases first, how it was measured last.
pub(in crate::render) fn sections(report: &ComparisonReport) -> Vec<Section> {
    [cases(report), counts(report), tails(report), Some(measured(report))].into_iter().flatten().collect()
}

fn cases(report: &ComparisonReport) -> Option<Section> {
    let mut blocks = Vec::new();
    let void = void(report);
    if !void.is_empty() {
        blocks.push(Block::Notes(void));
    }
    let picture = figure::comparison(report);
    if !picture.is_empty() {
        blocks.push(Block::Figure(Box::new(picture)));
    }
    blocks.extend(different(report).map(Block::Table));
    let why = reasons(report);
    if !why.is_empty() {
        blocks.push(Block::Notes(why));
    }
    blocks.extend(same(report).map(Block::Table));
    blocks.extend(only_in_one(report).into_iter().map(Block::Table));
    (!blocks.is_empty()).then(|| Section {
        id: "comparison",
        title: "Comparison".to_owned(),
        lead: (!report.changes.is_empty()).then(|| format!("{}.", sentences::tally(report))),
        blocks,
    })
}

/// Why there is no verdict, on all or on a case.
pub(in crate::render) fn void(report: &ComparisonReport) -> Vec<Note> {
    let refused = report.refused.iter().map(|why| note(Tone::Bad, "refused", why));
    let failed =
        report.failed.iter().map(|one| note(Tone::Bad, "failed", &format!("{}: {}", one.case, one.why)));
    refused.chain(failed).collect()
}

/// Why cases are inconclusive, each reason once, with what their data could have shown.
pub(in crate::render) fn reasons(report: &ComparisonReport) -> Vec<Note> {
    let mut groups: Vec<(Option<&str>, Vec<&Change>)> = Vec::new();
    for change in report.changes.iter().filter(|change| change.verdict == Verdict::Inconclusive) {
        let reason = change.reason.as_deref();
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, cases)) => cases.push(change),
            None => groups.push((reason, vec![change])),
        }
    }
    let said = groups.into_iter().take(REASONS).map(|(reason, cases)| {
        let meaning = sentences::reason(reason.unwrap_or("neither a change nor its absence is shown"));
        let name = reason.filter(|reason| *reason != meaning).unwrap_or(Verdict::Inconclusive.name());
        let count = words::counted(cases.len(), "case", "cases");
        note(
            Tone::Warn,
            name,
            &format!(
                "{meaning} ({count}{}{})",
                sentences::could_have_shown(&cases),
                sentences::layout_alone(&cases)
            ),
        )
    });
    said.collect()
}

fn counts(report: &ComparisonReport) -> Option<Section> {
    let tables = count_tables(report);
    (!tables.is_empty()).then(|| Section {
        id: "counts",
        title: "Counts".to_owned(),
        lead: Some(
            "What was counted instead of timed: a steady count that differs is a difference of the code."
                .to_owned(),
        ),
        blocks: tables.into_iter().map(Block::Table).collect(),
    })
}

fn tails(report: &ComparisonReport) -> Option<Section> {
    let table = tail_table(report)?;
    Some(Section {
        id: "tails",
        title: "Tail latencies".to_owned(),
        lead: Some(sentences::interval(report.mode).to_owned()),
        blocks: vec![Block::Table(table)],
    })
}

fn measured(report: &ComparisonReport) -> Section {
    let (facts, notes) = (facts(report), notes(report));
    let mut blocks = Vec::new();
    if !facts.is_empty() {
        blocks.push(Block::Facts(facts));
    }
    if !notes.is_empty() {
        blocks.push(Block::Notes(notes));
    }
    Section {
        id: "measured",
        title: "How it was measured".to_owned(),
        lead: Some(sentences::how(report.mode)),
        blocks,
    }
}

fn note(tone: Tone, name: &str, text: &str) -> Note {
    Note { tone, name: name.to_owned(), text: text.to_owned(), remedy: None }
}

//! Markdown for a pull request, and for the page of a job.
//!
//! The verdict comes first, then the cases that changed; everything else is folded. A comment on GitHub has at most 65,536
//! characters and one that is too long is refused whole, so rows are left out until it fits, and how many is said.

use super::Gate;
use crate::analysis::compare::{ComparisonReport, Verdict};
use crate::render::markdown::{escape, write_block};
use crate::render::page::{Block, Note, Section, Table, compared, judged, sentences};
use crate::render::words;

/// The first line of a comment: a program finds its own by it.
const MARKER: &str = "<!-- perfkit regress -->";
/// Room below GitHub's 65,536 characters for what a caller puts beside it.
const COMMENT_BYTES: usize = 60_000;
/// A step's summary may have 1 MiB.
const SUMMARY_BYTES: usize = 900_000;
/// Rows of a table, tried in turn until all fits.
const ROWS: &[usize] = &[1000, 300, 100, 30, 10, 3];
/// Longer texts in tables are cut.
const CELL_CHARACTERS: usize = 160;

/// A comment.
pub(super) fn comment(report: &ComparisonReport) -> String {
    format!("{MARKER}\n{}", fitting(report, COMMENT_BYTES))
}

/// The page of a job.
pub(super) fn summary(report: &ComparisonReport) -> String {
    fitting(report, SUMMARY_BYTES)
}

fn fitting(report: &ComparisonReport, limit: usize) -> String {
    let texts = ROWS.iter().map(|&rows| write(report, rows));
    let mut least = String::new();
    for text in texts {
        least = text;
        if least.len() <= limit {
            return least;
        }
    }
    // Even three rows of each table are too much: their notes are endless. What comes first matters most.
    let mut end = limit;
    while !least.is_char_boundary(end) {
        end -= 1;
    }
    least.truncate(end);
    least + "\n\n(cut)\n"
}

fn write(report: &ComparisonReport, rows: usize) -> String {
    let sign = match Gate::of(report) {
        Gate::Open if report.verdict == Verdict::Inconclusive.name() => '\u{1f7e1}',
        Gate::Open => '\u{2705}',
        Gate::Undecided => '\u{1f7e1}',
        Gate::Shut => '\u{274c}',
        Gate::Void => '\u{26d4}',
    };
    let mut out = format!("### {sign} {}\n", escape(&sentences::headline(report)));
    if !report.changes.is_empty() {
        out.push_str(&format!("\n{}.\n", escape(&sentences::tally(report))));
    }
    push_notes(&mut out, compared::void(report));
    let (equal, unequal) =
        compared::count_tables(report).into_iter().partition::<Vec<_>, _>(|table| table.folded);
    push_table(&mut out, compared::different(report), rows);
    push_notes(&mut out, compared::reasons(report));
    let budgets = judged::budgets(&report.budgets).and_then(only_table);
    for table in unequal.into_iter().chain(compared::tail_table(report)).chain(budgets) {
        push_table(&mut out, Some(table), rows);
    }
    for table in compared::same(report).into_iter().chain(equal).chain(compared::only_in_one(report)) {
        push_table(&mut out, Some(Table { folded: true, ..table }), rows);
    }
    let how = escape(&sentences::how(report.mode));
    out.push_str(&format!("\n<details><summary>How it was measured</summary>\n\n{how}\n"));
    let facts = compared::facts(report);
    if !facts.is_empty() {
        write_block(&mut out, &Block::Facts(facts));
    }
    push_notes(&mut out, compared::notes(report));
    out.push_str("\n</details>\n");
    out
}

fn push_table(out: &mut String, table: Option<Table>, rows: usize) {
    let Some(table) = table else { return };
    let (table, left_out) = shorter(table, rows);
    write_block(out, &Block::Table(table));
    if left_out > 0 {
        out.push_str(&format!("\n{left_out} more rows are in the JSON.\n"));
    }
}

fn push_notes(out: &mut String, notes: Vec<Note>) {
    if !notes.is_empty() {
        write_block(out, &Block::Notes(notes));
    }
}

fn only_table(section: Section) -> Option<Table> {
    section.blocks.into_iter().find_map(|block| match block {
        Block::Table(table) => Some(table),
        Block::Facts(_) | Block::Figure(_) | Block::Notes(_) | Block::Advice(_) => None,
    })
}

/// The table with its first rows, and how many were left out; long texts in it, names of cases mostly, are cut.
fn shorter(mut table: Table, rows: usize) -> (Table, usize) {
    let left_out = table.rows.len().saturating_sub(rows);
    table.rows.truncate(rows);
    for cell in table.rows.iter_mut().flatten() {
        cell.text = words::shorten(&cell.text, CELL_CHARACTERS);
    }
    (table, left_out)
}

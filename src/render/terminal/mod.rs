//! Text for a terminal: tables as wide as it is, the less important columns left out where they do not fit.

mod table;

use super::page::{self, Advice, Block, Extras, Fact, Note, Page, Section, Tone};
use super::words;
use crate::analysis::budget::BudgetResult;
use crate::analysis::compare::ComparisonReport;
use crate::analysis::recommend::Recommendation;
use crate::document::{Document, Machine, Selftest, Tuning};

/// How a text is written.
#[derive(Debug, Clone, Copy)]
struct Style {
    color: bool,
    width: usize,
}

/// Columns of the terminal: what `COLUMNS` says, else what the terminal says, else 100.
#[must_use]
pub fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let asked = || comfy_table::Table::new().width().map(usize::from);
    said.or_else(asked).unwrap_or(100).clamp(40, 400)
}

/// The facts of a machine and its readiness.
#[must_use]
pub fn machine(machine: &Machine, color: bool, width: usize) -> String {
    one(Some(page::machine_section(machine)), color, width, "")
}

/// The measured roofs.
#[must_use]
pub fn ceilings(document: &Document, color: bool, width: usize) -> String {
    one(page::ceilings_section(document), color, width, "no ceiling was measured")
}

/// Every kernel under its roof: the best implementation of each.
#[must_use]
pub fn kernels(document: &Document, color: bool, width: usize) -> String {
    one(page::kernels_section(document), color, width, "no kernel was measured")
}

/// Predicted beside measured; nothing where nothing that can be predicted was measured.
#[must_use]
pub fn predicted(document: &Document, color: bool, width: usize) -> String {
    page::predicted_section(document).map_or_else(String::new, |section| one(Some(section), color, width, ""))
}

/// The libraries of others beside ours; nothing where none was measured.
#[must_use]
pub fn peers(document: &Document, color: bool, width: usize) -> String {
    page::peers_section(document).map_or_else(String::new, |section| one(Some(section), color, width, ""))
}

/// The embedding pipeline, stage by stage.
#[must_use]
pub fn pipeline(document: &Document, color: bool, width: usize) -> String {
    one(page::pipeline_section(document), color, width, "no embedding pipeline was measured")
}

/// The budget table.
#[must_use]
pub fn budgets(budgets: &[BudgetResult], color: bool, width: usize) -> String {
    one(page::budgets_section(budgets), color, width, "no budget is set")
}

/// The advice.
#[must_use]
pub fn recommendations(recommendations: &[Recommendation], color: bool, width: usize) -> String {
    one(page::advice_section(recommendations), color, width, "the measured facts suggest no change")
}

/// A comparison: the cases, counts and tails, budgets, how it was measured, and the verdict last, where the eye is when
/// the text has run through.
#[must_use]
pub fn comparison(report: &ComparisonReport, color: bool, width: usize) -> String {
    let style = Style { color, width: width.clamp(40, 400) };
    let page = page::comparison_page(report);
    let mut out = String::new();
    for section in page.sections.iter().filter(|section| !is_folded(section)) {
        out.push_str(&write_section(&style, section));
        out.push('\n');
    }
    let tone = match report.exit_code {
        0 => Tone::Good,
        3 => Tone::Warn,
        _ => Tone::Bad,
    };
    let verdict = fold(&style, "", &format!("{} Exit code {}.", page.headline, report.exit_code));
    out.push_str(&style.paint(tone, &verdict));
    out.push('\n');
    out
}

/// The trials of a self-test.
#[must_use]
pub fn selftest(document: &Selftest, color: bool, width: usize) -> String {
    one(Some(page::selftest_section(document)), color, width, "")
}

/// A search over settings: the front and the choice.
#[must_use]
pub fn tuning(document: &Tuning, color: bool, width: usize) -> String {
    one(Some(page::tuning_section(document)), color, width, "")
}

/// Everything there is to say, headline first.
#[must_use]
pub fn document(document: &Document, extras: &Extras<'_>, color: bool, width: usize) -> String {
    page(&page::page(document, extras), color, width)
}

/// A page.
#[must_use]
pub fn page(page: &Page, color: bool, width: usize) -> String {
    let style = Style { color, width: width.clamp(40, 400) };
    let mut out = wrap(&style, "", &page.headline);
    out.push_str(&style.paint(Tone::Quiet, &fold(&style, "", &page.subtitle)));
    out.push('\n');
    for section in page.sections.iter().filter(|section| !is_folded(section)) {
        out.push('\n');
        out.push_str(&write_section(&style, section));
    }
    out
}

/// Whether a section has nothing but tables that are folded, which a terminal does not show.
fn is_folded(section: &Section) -> bool {
    let folded = |block: &Block| matches!(block, Block::Table(table) if table.folded);
    !section.blocks.is_empty() && section.blocks.iter().all(folded)
}

fn one(section: Option<Section>, color: bool, width: usize, otherwise: &str) -> String {
    let style = Style { color, width: width.clamp(40, 400) };
    section.map_or_else(|| format!("{otherwise}\n"), |section| write_section(&style, &section))
}

fn write_section(style: &Style, section: &Section) -> String {
    let mut out = style.bold(&clean(&section.title));
    out.push('\n');
    if let Some(lead) = &section.lead {
        out.push_str(&style.paint(Tone::Quiet, &fold(style, "", lead)));
        out.push('\n');
    }
    let mut first = true;
    for block in &section.blocks {
        let text = match block {
            Block::Facts(facts) => write_facts(style, facts),
            Block::Table(table) if table.folded => continue,
            Block::Table(table) => table::write(style, table),
            Block::Figure(_) => continue,
            Block::Notes(notes) => notes.iter().map(|note| write_note(style, note)).collect(),
            Block::Advice(advice) => {
                advice.iter().enumerate().map(|(i, a)| write_advice(style, i + 1, a)).collect()
            }
        };
        if !first {
            out.push('\n');
        }
        first = false;
        out.push_str(&text);
    }
    out
}

fn write_facts(style: &Style, facts: &[Fact]) -> String {
    let width = facts.iter().map(|fact| fact.name.chars().count()).max().unwrap_or(0).min(36);
    let indent = " ".repeat(width + 4);
    let line = |fact: &Fact| {
        let name = format!("  {:<width$}  ", words::shorten(&clean(&fact.name), width));
        let value = fold(style, &indent, &fact.value);
        format!("{}{}\n", style.paint(Tone::Quiet, &name), value.trim_start())
    };
    facts.iter().map(line).collect()
}

fn write_note(style: &Style, note: &Note) -> String {
    let sign = match note.tone {
        Tone::Good => "ok  ",
        Tone::Warn => "warn",
        Tone::Bad => "bad ",
        Tone::Normal | Tone::Quiet => "note",
    };
    let text = if note.name == "note" { note.text.clone() } else { format!("{}: {}", note.name, note.text) };
    let body = fold(style, "        ", &text);
    let mut out = format!("  {}  {}\n", style.paint(note.tone, sign), body.trim_start());
    if let Some(remedy) = &note.remedy {
        out.push_str(&style.paint(Tone::Quiet, &fold(style, "        ", remedy)));
        out.push('\n');
    }
    out
}

fn write_advice(style: &Style, number: usize, advice: &Advice) -> String {
    let head = fold(style, "     ", &advice.action);
    let mut out = format!("{} {}\n", style.bold(&format!("{number:>3}.")), style.bold(head.trim_start()));
    out.push_str(&wrap(style, "     ", &advice.why));
    out.push_str(&wrap(style, "     ", &format!("effect: {}", advice.effect)));
    for case in &advice.evidence {
        out.push_str(&style.paint(Tone::Quiet, &fold(style, "     ", case)));
        out.push('\n');
    }
    out
}

impl Style {
    fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Normal => return text.to_owned(),
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
        };
        self.escape(code, text)
    }

    fn bold(self, text: &str) -> String {
        self.escape("1", text)
    }

    fn escape(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The text without control characters: a document may come from anywhere, and a terminal obeys some of them.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn wrap(style: &Style, indent: &str, text: &str) -> String {
    fold(style, indent, text) + "\n"
}

/// Lines no wider than the terminal where words allow it, each behind the indent.
fn fold(style: &Style, indent: &str, text: &str) -> String {
    let mut lines = vec![String::from(indent)];
    let mut used = indent.len();
    for word in clean(text).split_whitespace() {
        let width = word.chars().count();
        if used + 1 + width > style.width && used > indent.len() {
            lines.push(indent.to_owned());
            used = indent.len();
        }
        if let Some(line) = lines.last_mut() {
            if used > indent.len() {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
        }
        used += width;
    }
    lines.join("\n")
}

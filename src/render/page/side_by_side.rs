//! Several documents side by side: a column each, and the ratio to the first.

use super::{Block, Cell, Page, Section, Table, Tone, number_column, summary, words_column};
use crate::document::{Case, Document};
use crate::render::facts::Facts;
use crate::render::words;
use crate::units;

/// The page of several named documents. No verdict is given: that is what `perfkit regress` is for.
#[must_use]
pub fn side_by_side(documents: &[(String, &Document)]) -> Page {
    let facts: Vec<(&str, Facts<'_>)> =
        documents.iter().map(|(name, document)| (&**name, Facts::of(document))).collect();
    let cases = all_cases(documents);
    let machines = Table {
        caption: "The documents".to_owned(),
        columns: vec![words_column("Document", 0), words_column("Processor", 0), words_column("Run", 1)],
        rows: documents
            .iter()
            .map(|(name, document)| {
                vec![
                    Cell::text(&**name),
                    Cell::text(summary::processor(&document.machine)),
                    Cell::text(summary::subtitle(document)).tone(Tone::Quiet),
                ]
            })
            .collect(),
        folded: false,
    };
    let mut columns = vec![words_column("Case", 0)];
    for (i, (name, _)) in facts.iter().enumerate() {
        columns.push(number_column(name, 0));
        if i > 0 {
            columns.push(number_column(&format!("{name} / first"), 0));
        }
    }
    let rows = cases.iter().map(|case| row(case, &facts)).collect();
    let times = Table { caption: "Median times".to_owned(), columns, rows, folded: false };
    Page {
        title: "perfkit report".to_owned(),
        subtitle: format!("{} side by side", words::counted(documents.len(), "document", "documents")),
        headline:
            "Ratios are of median times to the first document: above 1 is slower. They carry no verdict; \
                   `perfkit regress` judges."
                .to_owned(),
        highlights: Vec::new(),
        sections: vec![
            Section {
                id: "documents",
                title: "Documents".to_owned(),
                lead: None,
                blocks: vec![Block::Table(machines)],
            },
            Section { id: "cases", title: "Cases".to_owned(), lead: None, blocks: vec![Block::Table(times)] },
        ],
    }
}

/// Every measured case once, in the order of the first document that has it.
fn all_cases<'d>(documents: &[(String, &'d Document)]) -> Vec<&'d Case> {
    let mut seen = std::collections::HashSet::new();
    let cases = documents.iter().flat_map(|(_, document)| document.measured()).map(|m| &m.case);
    cases.filter(|case| seen.insert(*case)).collect()
}

fn row(case: &Case, facts: &[(&str, Facts<'_>)]) -> Vec<Cell> {
    let median = |facts: &Facts<'_>| facts.time(case).map(|time| time.median);
    let first = facts.first().and_then(|(_, facts)| median(facts));
    let mut cells = vec![Cell::text(case.to_string())];
    for (i, (_, facts)) in facts.iter().enumerate() {
        let own = median(facts);
        cells.push(Cell::maybe(own, units::seconds));
        if i > 0 {
            let ratio = first.zip(own).map(|(first, own)| own / first);
            cells.push(Cell::maybe(ratio, |ratio| format!("{ratio:.3}")));
        }
    }
    cells
}

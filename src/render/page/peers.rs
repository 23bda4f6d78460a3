//! The libraries people use: what each chose here, what it reaches of the peak as it comes, and what its remedy is worth.

use super::{Block, Cell, Section, Table, Tone, number_column, words_column};
use crate::analysis::peers::{Finding, Way, findings};
use crate::document::Document;
use crate::render::words;
use crate::units;

/// A library that reaches less of the peak than this as it comes is to be looked at.
const LOW: f64 = 0.6;

/// The findings, where libraries were measured.
pub(super) fn peers(document: &Document) -> Option<Section> {
    let findings = findings(document);
    (!findings.is_empty()).then(|| Section {
        id: "peers",
        title: "Libraries".to_owned(),
        lead: Some(
            "What the libraries people use reach here, each in a process of its own, in turn with ours: the kernels that it \
             chose, and its share of this machine's measured peak on its best tier, as installed and with the setting \
             that its documentation offers."
                .to_owned(),
        ),
        blocks: vec![Block::Table(table(&findings))],
    })
}

fn table(findings: &[Finding]) -> Table {
    let rows = findings.iter().map(|finding| {
        let remedy = finding.with_remedy.as_ref();
        let case = finding.fastest().map(|way| words::work(&way.case)).unwrap_or_default();
        vec![
            Cell::text(case),
            Cell::text(format!("{} {}", finding.library, finding.version)),
            finding.file.as_ref().map_or_else(Cell::none, Cell::text),
            kernels(finding.as_installed.as_ref()),
            share(finding.as_installed.as_ref()),
            remedy.map_or_else(Cell::none, |way| Cell::text(way.remedy())),
            kernels(remedy),
            share(remedy),
            Cell::maybe(finding.gain, words::factor),
            Cell::maybe(finding.ours_over_best, words::factor),
        ]
    });
    Table {
        caption: "Libraries as installed and at their best".to_owned(),
        rows: rows.collect(),
        columns: vec![
            words_column("Work", 0),
            words_column("Library", 0),
            words_column("File", 9),
            words_column("Kernels", 3),
            number_column("Of peak", 0),
            words_column("Remedy", 2),
            words_column("Kernels then", 5),
            number_column("Of peak then", 1),
            number_column("Gain", 0),
            number_column("Ours \u{d7} best", 4),
        ],
        folded: false,
    }
}

fn kernels(way: Option<&Way>) -> Cell {
    way.and_then(|way| way.dispatched.as_ref()).map_or_else(Cell::none, Cell::text)
}

fn share(way: Option<&Way>) -> Cell {
    let Some(fraction) = way.and_then(|way| way.fraction_of_peak) else { return Cell::none() };
    let cell = Cell { share: Some(fraction), ..Cell::number(fraction, units::percent(fraction)) };
    if fraction < LOW { cell.tone(Tone::Warn) } else { cell }
}

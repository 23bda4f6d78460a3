//! Tables of changes: a row a case, a column for whatever some case has.

use super::super::{Cell, Column, Table, Tone, judged, number_column, sentences, words_column};
use crate::analysis::compare::{Change, ComparisonReport, RatioInterval, Verdict};
use crate::render::words;

/// Longer tables of what needs no attention are folded.
const FOLDED_FROM: usize = 12;

/// The cases that are not equivalent, the worst first.
pub(in crate::render) fn different(report: &ComparisonReport) -> Option<Table> {
    let changes = of(report, |verdict| verdict != Verdict::Equivalent);
    let caption = format!(
        "Time of the candidate against the baseline: more is slower. {}",
        sentences::interval(report.mode)
    );
    (!changes.is_empty()).then(|| table(caption, report, &changes))
}

/// The cases that are equivalent.
pub(in crate::render) fn same(report: &ComparisonReport) -> Option<Table> {
    let changes = of(report, |verdict| verdict == Verdict::Equivalent);
    let caption = "Cases shown to be as fast as before".to_owned();
    let table = (!changes.is_empty()).then(|| table(caption, report, &changes))?;
    Some(Table { folded: changes.len() > FOLDED_FROM, ..table })
}

/// The cases that one side alone has.
pub(in crate::render) fn only_in_one(report: &ComparisonReport) -> Vec<Table> {
    let list = |(side, cases): (&str, &Vec<String>)| Table {
        caption: format!("Cases in the {side} alone"),
        columns: vec![words_column("Case", 0)],
        rows: cases.iter().map(|case| vec![Cell::text(&**case)]).collect(),
        folded: cases.len() > FOLDED_FROM,
    };
    let sides = [("baseline", &report.missing), ("candidate", &report.new)];
    sides.into_iter().filter(|(_, cases)| !cases.is_empty()).map(list).collect()
}

fn of(report: &ComparisonReport, wanted: impl Fn(Verdict) -> bool) -> Vec<&Change> {
    let mut changes: Vec<&Change> = report.changes.iter().filter(|change| wanted(change.verdict)).collect();
    changes.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(b.ratio.value.total_cmp(&a.ratio.value)));
    changes
}

/// One column of the table of changes; it is there when a change has something for it.
struct Field {
    column: Column,
    cell: fn(&Change) -> Option<Cell>,
}

fn table(caption: String, report: &ComparisonReport, changes: &[&Change]) -> Table {
    let fields = [
        Field { column: words_column("Case", 0), cell: |change| Some(Cell::text(&*change.case)) },
        Field { column: words_column("Verdict", 0), cell: |change| Some(verdict(change)) },
        Field {
            column: number_column("Time", 0),
            cell: |change| Some(Cell::number(change.ratio.value, words::change(change.ratio.value))),
        },
        Field {
            column: number_column(sentences::interval_title(report.mode), 0),
            cell: |change| Some(Cell::text(sentences::ends(&change.ratio))),
        },
        Field {
            column: number_column("Could show", 2),
            cell: |change| change.minimum_detectable_effect.map(|x| Cell::number(x, words::change(1.0 + x))),
        },
        Field {
            column: number_column("Blocks", 4),
            cell: |change| {
                let sequential = change.sequential.as_ref()?;
                Some(Cell::number(sequential.blocks as f64, sequential.blocks.to_string()))
            },
        },
        Field { column: number_column("Layout alone", 3), cell: layout },
        Field {
            column: words_column("Evidence", 5),
            cell: |change| {
                (!change.evidence.is_empty()).then(|| Cell::text(&*change.evidence).tone(Tone::Quiet))
            },
        },
    ];
    let used = |field: &Field| changes.iter().any(|change| (field.cell)(change).is_some());
    let fields: Vec<Field> = fields.into_iter().filter(used).collect();
    let row = |change: &&Change| {
        fields.iter().map(|field| (field.cell)(change).unwrap_or_else(Cell::none)).collect()
    };
    let rows = changes.iter().map(row).collect();
    Table { caption, rows, columns: fields.into_iter().map(|field| field.column).collect(), folded: false }
}

fn verdict(change: &Change) -> Cell {
    Cell::text(sentences::verdict_words(change)).tone(judged::verdict(change.verdict).1)
}

fn layout(change: &Change) -> Option<Cell> {
    let layout = change.layout?;
    let ends = sentences::ends(&RatioInterval { value: 1.0, low: layout.low, high: layout.high });
    Some(Cell::number(layout.high, format!("{ends} ({} builds)", layout.builds)))
}

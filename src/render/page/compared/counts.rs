//! Tables of what a median does not say: counters, and quantiles of single calls.

use super::super::{Cell, Table, Tone, judged, number_column, sentences, words_column};
use crate::analysis::compare::{Change, ComparisonReport, CountChange, CountVerdict, TailChange};
use crate::render::words;
use crate::units;

/// The tables of counters: what differs, what is equal, and what varies by itself.
pub(in crate::render) fn count_tables(report: &ComparisonReport) -> Vec<Table> {
    let all: Vec<(&Change, &CountChange)> = report
        .changes
        .iter()
        .flat_map(|change| change.counts.iter().map(move |count| (change, count)))
        .collect();
    let of = |wanted: &[CountVerdict]| -> Vec<(&Change, &CountChange)> {
        all.iter().copied().filter(|(_, count)| wanted.contains(&count.verdict)).collect()
    };
    let groups = [
        ("Counts that differ", of(&[CountVerdict::Grew, CountVerdict::Shrank]), false),
        ("Counts that are equal", of(&[CountVerdict::Same]), true),
        ("Counts that vary by themselves, told and not judged", of(&[CountVerdict::Unsteady]), true),
    ];
    let filled = groups.into_iter().filter(|(_, rows, _)| !rows.is_empty());
    filled.map(|(caption, rows, folded)| count_table(caption, &rows, folded)).collect()
}

fn count_table(caption: &str, counts: &[(&Change, &CountChange)], folded: bool) -> Table {
    let row = |(change, count): &(&Change, &CountChange)| {
        let (word, tone) = match count.verdict {
            CountVerdict::Same => ("same", Tone::Quiet),
            CountVerdict::Grew => ("grew", Tone::Bad),
            CountVerdict::Shrank => ("shrank", Tone::Good),
            CountVerdict::Unsteady => ("unsteady", Tone::Quiet),
        };
        let source = match &count.tier {
            Some(tier) => format!("{} ({tier})", count.source),
            None => count.source.clone(),
        };
        let by = if count.base > 0.0 { words::change(count.candidate / count.base) } else { "-".to_owned() };
        vec![
            Cell::text(&*change.case),
            Cell::text(&*count.counter),
            Cell::text(word).tone(tone),
            Cell::number(count.base, amount(&count.counter, count.base)),
            Cell::number(count.candidate, amount(&count.counter, count.candidate)),
            Cell::text(by),
            Cell::text(source).tone(Tone::Quiet),
        ]
    };
    Table {
        caption: caption.to_owned(),
        columns: vec![
            words_column("Case", 0),
            words_column("Counter", 0),
            words_column("Verdict", 0),
            number_column("Base", 2),
            number_column("Candidate", 2),
            number_column("Change", 0),
            words_column("Counted by", 3),
        ],
        rows: counts.iter().map(row).collect(),
        folded,
    }
}

/// A count with the unit that its name says.
fn amount(counter: &str, value: f64) -> String {
    if !(0.0..1e18).contains(&value) {
        return "-".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked above")]
    let whole = value.round() as u64;
    if counter.ends_with("bytes") { units::bytes(whole) } else { units::count(whole) }
}

/// Quantiles of samples.
pub(in crate::render) fn tail_table(report: &ComparisonReport) -> Option<Table> {
    let row = |change: &Change, tail: &TailChange| {
        let (word, tone) = judged::verdict(tail.verdict);
        vec![
            Cell::text(&*change.case),
            Cell::text(sentences::quantile(tail.quantile)),
            Cell::text(word).tone(tone),
            Cell::number(tail.ratio.value, words::change(tail.ratio.value)),
            Cell::text(sentences::ends(&tail.ratio)),
        ]
    };
    let rows: Vec<Vec<Cell>> = report
        .changes
        .iter()
        .flat_map(|change| change.tails.iter().map(move |tail| row(change, tail)))
        .collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Quantiles of samples, block against block".to_owned(),
        columns: vec![
            words_column("Case", 0),
            words_column("Quantile", 0),
            words_column("Verdict", 0),
            number_column("Time", 0),
            number_column(sentences::interval_title(report.mode), 0),
        ],
        rows,
        folded: false,
    })
}

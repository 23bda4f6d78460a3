//! The embedding engines people use, beside ours.

use super::pipeline::model_and_precision;
use super::{Cell, Table, Tone, number_column, words_column};
use crate::analysis::engines::{EngineRatio, engine_ratios};
use crate::document::{Case, Document, Measurement};
use crate::render::facts::Facts;
use crate::render::words;
use crate::stats::Summary;
use crate::units;

/// How many times as long each takes, what it agrees to, and what it needs to start.
pub(super) fn ratios(facts: &Facts<'_>) -> Option<Table> {
    let ratios = engine_ratios(facts.document);
    let rows: Vec<Vec<Cell>> = ratios
        .iter()
        .filter_map(|ratio| Some(row(ratio, measurement(facts.document, &ratio.case)?)))
        .collect();
    let columns = vec![
        words_column("Model", 12),
        words_column("Precision", 0),
        words_column("Engine", 0),
        words_column("Version", 2),
        number_column("Shape", 0),
        number_column("Threads", 8),
        number_column("Time", 1),
        number_column("Times native's", 0),
        number_column("95 %", 0),
        number_column("Least cosine", 1),
        number_column("Padding", 3),
        number_column("Cold start", 4),
        number_column("Peak memory", 5),
    ];
    (!rows.is_empty()).then(|| Table {
        caption:
            "Engines people use: their time over native's at the same texts and threads, by calls in turns"
                .to_owned(),
        columns,
        rows,
        folded: false,
    })
}

fn measurement<'d>(document: &'d Document, case: &Case) -> Option<&'d Measurement> {
    document.measured().find(|m| m.case == *case)
}

fn row(found: &EngineRatio, m: &Measurement) -> Vec<Cell> {
    let case = &m.case;
    let fact = |name: &str| m.facts.get(name).copied();
    let EngineRatio { ratio, trusted, paired, .. } = found;
    let interval = format!("{:.2} to {:.2}", ratio.low, ratio.high);
    let interval = match (trusted, paired) {
        (true, true) => Cell::text(interval).tone(Tone::Quiet),
        (false, true) => Cell::text(format!("{interval} (range)")).tone(Tone::Quiet),
        (_, false) => Cell::text(format!("{interval} (not in turns)")).tone(Tone::Warn),
    };
    // Positions that were computed and hold no token.
    let padding = fact("computed_tokens").zip(m.tokens).map(|(all, real)| (all - real as f64) / all.max(1.0));
    let [model, precision] = model_and_precision(case);
    vec![
        model,
        precision,
        Cell::text(&case.implementation),
        m.peer.as_ref().map_or_else(Cell::none, |peer| Cell::text(&peer.version)),
        Cell::number(case.shape.count(0) as f64, case.shape.to_string()),
        Cell::number(case.threads.get() as f64, case.threads.to_string()),
        Cell::maybe(Summary::of(&m.seconds.samples).map(|s| s.median), units::seconds),
        Cell::number(ratio.value, words::factor(ratio.value)),
        interval,
        Cell::maybe(fact("cosine_minimum"), |cosine| format!("{cosine:.5}")),
        Cell::maybe(padding, units::percent),
        Cell::maybe(fact("cold_start_seconds"), units::seconds),
        Cell::maybe(m.peak_rss_bytes.map(|bytes| bytes as f64), |_| {
            units::bytes(m.peak_rss_bytes.unwrap_or(0))
        }),
    ]
}

/// How each was told to run, and what is not like ours.
pub(super) fn settings(cases: &[&Measurement]) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter_map(|m| Some((m, m.peer.as_ref()?)))
        .map(|(m, peer)| {
            let [model, precision] = model_and_precision(&m.case);
            vec![
                model,
                precision,
                Cell::text(&m.case.implementation),
                Cell::number(m.case.shape.count(0) as f64, m.case.shape.to_string()),
                peer.settings.as_ref().map_or_else(Cell::none, Cell::text),
            ]
        })
        .collect();
    let columns = vec![
        words_column("Model", 12),
        words_column("Precision", 0),
        words_column("Engine", 0),
        number_column("Shape", 0),
        words_column("File, settings, and how texts are batched", 0),
    ];
    (!rows.is_empty()).then(|| Table {
        caption: "How the engines people use were run; native pads nothing and sorts nothing".to_owned(),
        columns,
        rows,
        folded: false,
    })
}

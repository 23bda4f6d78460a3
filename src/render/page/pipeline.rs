//! The embedding pipeline: throughput, stages, latency, memory.

use std::collections::BTreeSet;

use super::{Block, Cell, Note, Section, Table, Tone, number_column, words_column};
use crate::document::Measurement;
use crate::render::facts::{Facts, texts_per_second, tokens_per_second};
use crate::render::figure::{self, STAGES};
use crate::render::words;
use crate::stats::{self, Summary};
use crate::units;

/// What is said about the measured pipelines.
pub(super) fn pipeline(facts: &Facts<'_>) -> Option<Section> {
    let cases: Vec<&Measurement> = facts.pipelines().collect();
    if cases.is_empty() {
        return None;
    }
    let document = facts.document;
    let figures = [
        figure::stages(document),
        figure::throughput_by_batch(document),
        figure::throughput_by_sequence(document),
    ];
    let mut blocks: Vec<Block> =
        figures.into_iter().filter(|f| !f.is_empty()).map(|f| Block::Figure(Box::new(f))).collect();
    blocks.push(Block::Table(throughput(&cases)));
    blocks.extend(super::engines::ratios(facts).map(Block::Table));
    blocks.extend(stages(&cases).map(Block::Table));
    blocks.extend(layers(&cases).map(Block::Table));
    blocks.extend(agreements(&cases).map(Block::Table));
    blocks.extend(latencies(&cases).map(Block::Table));
    blocks.extend(super::engines::settings(&cases).map(Block::Table));
    let notes: BTreeSet<&String> = cases.iter().flat_map(|m| &m.notes).collect();
    if !notes.is_empty() {
        let note = |text: &&String| Note {
            tone: Tone::Quiet,
            name: "note".to_owned(),
            text: (*text).clone(),
            remedy: None,
        };
        blocks.push(Block::Notes(notes.iter().map(note).collect()));
    }
    Some(Section {
        id: "pipeline",
        title: "Embedding pipeline".to_owned(),
        lead: Some("Text in, embedding out. Shapes are texts in a batch x tokens of a text.".to_owned()),
        blocks,
    })
}

fn name(measurement: &Measurement) -> Vec<Cell> {
    let case = &measurement.case;
    vec![
        Cell::text(case.benchmark.trim_start_matches("embed/")),
        Cell::text(words::way(case)),
        Cell::number(case.shape.count(0) as f64, case.shape.to_string()),
        Cell::number(case.threads.get() as f64, case.threads.to_string()),
    ]
}

fn name_columns() -> Vec<super::Column> {
    vec![
        words_column("Model", 12),
        words_column("Engine", 11),
        number_column("Shape", 0),
        number_column("Threads", 0),
    ]
}

fn throughput(cases: &[&Measurement]) -> Table {
    let rows = cases.iter().map(|m| {
        let mut row = name(m);
        let time = Summary::of(&m.seconds.samples).map(|s| s.median);
        row.extend([
            Cell::maybe(texts_per_second(m), |rate| units::rate(rate, "")),
            Cell::maybe(tokens_per_second(m), |rate| units::rate(rate, "")),
            Cell::maybe(time, units::seconds),
            Cell::maybe(time.zip(m.cpu_wall_ratio).map(|(time, ratio)| time * ratio), units::seconds),
            Cell::maybe(m.peak_rss_bytes.map(|b| b as f64), |_| units::bytes(m.peak_rss_bytes.unwrap_or(0))),
        ]);
        row
    });
    let mut columns = name_columns();
    columns.extend([
        number_column("Texts/s", 0),
        number_column("Tokens/s", 0),
        number_column("Time of a batch", 1),
        number_column("CPU time", 2),
        number_column("Peak memory", 1),
    ]);
    Table {
        caption: "Throughput of the whole pipeline".to_owned(),
        columns,
        rows: rows.collect(),
        folded: false,
    }
}

fn stages(cases: &[&Measurement]) -> Option<Table> {
    let staged: Vec<_> = cases.iter().filter_map(|m| Some((m, m.stages.as_ref()?))).collect();
    let mut names: Vec<&str> = STAGES.to_vec();
    for name in staged.iter().flat_map(|(_, stages)| stages.keys()) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    names.retain(|name| staged.iter().any(|(_, stages)| stages.contains_key(*name)));
    let rows = staged.iter().map(|(m, stages)| {
        let total: f64 = stages.values().sum();
        let mut row = name(m);
        row.extend(names.iter().map(|name| {
            Cell::maybe(stages.get(*name).copied(), |seconds| {
                let share =
                    if total > 0.0 { format!(" ({:.0} %)", 100.0 * seconds / total) } else { String::new() };
                format!("{}{share}", units::seconds(seconds))
            })
        }));
        row
    });
    let mut columns = name_columns();
    columns.extend(names.iter().enumerate().map(|(i, name)| {
        let spare = if *name == "encode" { 0 } else { u8::try_from(4 + i).unwrap_or(u8::MAX) };
        number_column(name, spare)
    }));
    (!staged.is_empty()).then(|| Table {
        caption: "Time of a batch by stage, in the sample with the median total".to_owned(),
        columns,
        rows: rows.collect(),
        folded: false,
    })
}

/// The parts of a layer: the heading, the fact with its seconds, and the one with its operations where it multiplies.
const PARTS: [(&str, &str, Option<&str>); 8] = [
    ("q, k, v", "encode_query_key_value_seconds", Some("encode_query_key_value_flops")),
    ("attention", "encode_attention_seconds", Some("encode_attention_flops")),
    ("output", "encode_attention_output_seconds", Some("encode_attention_output_flops")),
    ("norm", "encode_attention_norm_seconds", None),
    ("up", "encode_up_seconds", Some("encode_up_flops")),
    ("activation", "encode_activation_seconds", None),
    ("down", "encode_down_seconds", Some("encode_down_flops")),
    ("norm 2", "encode_output_norm_seconds", None),
];

fn layers(cases: &[&Measurement]) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter(|m| PARTS.iter().any(|(_, seconds, _)| m.facts.contains_key(*seconds)))
        .map(|m| {
            let mut row = name(m);
            row.extend(PARTS.iter().map(|(_, seconds, flops)| {
                let flops = flops.and_then(|flops| m.facts.get(flops));
                Cell::maybe(m.facts.get(*seconds).copied(), |seconds| {
                    let rate = flops.filter(|_| seconds > 0.0).map_or_else(String::new, |flops| {
                        format!(" ({})", units::flops_per_second(flops / seconds))
                    });
                    format!("{}{rate}", units::seconds(seconds))
                })
            }));
            row
        })
        .collect();
    let mut columns = name_columns();
    columns.extend(PARTS.iter().enumerate().map(|(i, (name, _, flops))| {
        let spare = if flops.is_some() { 3 } else { u8::try_from(5 + i).unwrap_or(u8::MAX) };
        number_column(name, spare)
    }));
    (!rows.is_empty()).then(|| Table {
        caption: "Inside `encode`: time of all layers by part, in the sample with the median total"
            .to_owned(),
        columns,
        rows,
        folded: true,
    })
}

/// How well each precision agrees with single precision.
fn agreements(cases: &[&Measurement]) -> Option<Table> {
    let mut seen = BTreeSet::new();
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter_map(|m| Some((m, *m.facts.get("cosine_minimum")?, *m.facts.get("cosine_mean")?)))
        .filter(|(m, ..)| seen.insert((m.case.benchmark.clone(), words::way(&m.case))))
        .map(|(m, minimum, mean)| {
            vec![
                Cell::text(m.case.benchmark.trim_start_matches("embed/")),
                Cell::text(words::way(&m.case)),
                Cell::number(minimum, format!("{minimum:.5}")),
                Cell::number(mean, format!("{mean:.5}")),
                Cell::maybe(m.facts.get("cosine_texts").copied(), |texts| format!("{texts:.0}")),
            ]
        })
        .collect();
    let columns = vec![
        words_column("Model", 12),
        words_column("Engine", 11),
        number_column("Least cosine", 0),
        number_column("Mean cosine", 0),
        number_column("Texts", 0),
    ];
    (!rows.is_empty()).then(|| Table {
        caption: "Agreement with single precision: cosines of embeddings of the corpus".to_owned(),
        columns,
        rows,
        folded: false,
    })
}

fn latencies(cases: &[&Measurement]) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter_map(|m| Some((m, m.latency.as_ref()?)))
        .map(|(m, latency)| {
            let sorted = stats::sorted(&latency.calls);
            let mut row = name(m);
            row.push(Cell::number(sorted.len() as f64, units::count(sorted.len() as u64)));
            row.extend([0.5, 0.95, 0.99].into_iter().flat_map(|q| quantile(&sorted, q)));
            row
        })
        .collect();
    let mut columns = name_columns();
    columns.push(number_column("Calls", 1));
    for name in ["p50", "p95", "p99"] {
        columns.extend([number_column(name, 0), number_column(&format!("{name} interval"), 10)]);
    }
    (!rows.is_empty()).then(|| Table {
        caption: "Latency of single calls; intervals are of 95 %".to_owned(),
        columns,
        rows,
        folded: false,
    })
}

/// A quantile and its interval, or the number of calls that it would need.
fn quantile(sorted: &[f64], q: f64) -> [Cell; 2] {
    match (stats::quantile_of_sorted(sorted, q), stats::quantile_interval(sorted, q, 0.95)) {
        (Some(value), Some((low, high))) => [
            Cell::number(value, units::seconds(value)),
            Cell::text(words::between_seconds(low, high)).tone(Tone::Quiet),
        ],
        (Some(_) | None, _) => {
            let needed = format!("needs {} calls", stats::samples_needed(q, 0.95));
            [Cell::text(needed).tone(Tone::Quiet), Cell::none()]
        }
    }
}

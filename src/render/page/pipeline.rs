//! The embedding pipeline: throughput, stages, latency, memory.

use std::collections::BTreeSet;

use super::{Block, Cell, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{Case, Measurement};
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
    blocks.extend(roofs(&cases).map(Block::Table));
    blocks.extend(costs(&cases).map(Block::Table));
    blocks.extend(agreements(&cases).map(Block::Table));
    blocks.extend(recalls(&cases).map(Block::Table));
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

/// The model of a case, and the precision, which stays where there is no room for the model: only it tells apart the cases
/// of one command.
pub(super) fn model_and_precision(case: &Case) -> [Cell; 2] {
    let (id, precision) = (case.benchmark.trim_start_matches("embed/"), case.dtype());
    let model = id.strip_suffix(precision).map_or(id, |model| model.trim_end_matches('-'));
    [Cell::text(model), Cell::text(precision)]
}

fn name(measurement: &Measurement) -> Vec<Cell> {
    let case = &measurement.case;
    let [model, precision] = model_and_precision(case);
    vec![
        model,
        precision,
        Cell::text(words::way(case)),
        Cell::number(case.shape.count(0) as f64, case.shape.to_string()),
        Cell::number(case.threads.get() as f64, case.threads.to_string()),
    ]
}

fn name_columns() -> Vec<super::Column> {
    vec![
        words_column("Model", 12),
        words_column("Precision", 0),
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

const ATTENTION: &str = "encode_attention_seconds";

/// The parts of a layer: the heading, the fact with its seconds, and the one with its operations where it multiplies.
const PARTS: [(&str, &str, Option<&str>); 8] = [
    ("q, k, v", "encode_query_key_value_seconds", Some("encode_query_key_value_flops")),
    ("attention", ATTENTION, Some("encode_attention_flops")),
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

/// A share above this is an error of measuring, and withheld.
const WITHHELD_ABOVE: f64 = 1.02;

/// Where each part stands: its arithmetic intensity, and its share of what the peak and the second-level cache allow.
fn roofs(cases: &[&Measurement]) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter_map(|m| {
            Some((m, *m.facts.get("peak_flops_per_second")?, *m.facts.get("l2_bytes_per_second")?))
        })
        .map(|(m, peak, bandwidth)| {
            let mut row = name(m);
            let median = Summary::of(&m.seconds.samples).map(|s| s.median);
            row.push(Cell::number(peak, units::flops_per_second(peak)));
            let utilisation = median.map(|median| m.cost.flops / median / peak);
            row.push(Cell::maybe(utilisation.filter(|u| *u <= WITHHELD_ABOVE), units::percent));
            row.extend(PARTS.iter().map(|(_, seconds, flops)| {
                let fact = |name: &str| m.facts.get(name).copied();
                let bytes = fact(&seconds.replace("_seconds", "_bytes"));
                let flops = flops.map_or(Some(0.0), fact);
                let Some(((bytes, flops), took)) = bytes.zip(flops).zip(fact(seconds)) else {
                    return Cell::none();
                };
                // Attention is in single precision whatever the products are in.
                let own = fact("f32_peak_flops_per_second").filter(|_| *seconds == ATTENTION).unwrap_or(peak);
                let share = (flops / own).max(bytes / bandwidth) / took;
                let intensity =
                    if flops > 0.0 { format!(" ({:.0} flop/B)", flops / bytes) } else { String::new() };
                let shown = Some(share).filter(|share| share.is_finite() && *share <= WITHHELD_ABOVE);
                Cell::maybe(shown, |share| format!("{}{intensity}", units::percent(share)))
            }));
            row
        })
        .collect();
    let mut columns = name_columns();
    columns.extend([number_column("Peak", 2), number_column("Utilisation", 0)]);
    columns.extend(PARTS.iter().enumerate().map(|(i, (name, _, flops))| {
        let spare = if flops.is_some() { 3 } else { u8::try_from(5 + i).unwrap_or(u8::MAX) };
        number_column(name, spare)
    }));
    (!rows.is_empty()).then(|| Table {
        caption: "Model FLOP utilisation of the whole pipeline, and each part's share of its roof (the slower of its arithmetic \
                  at the peak and its bytes out of L2)"
            .to_owned(),
        columns,
        rows,
        folded: true,
    })
}

/// What a batch costs besides its time.
fn costs(cases: &[&Measurement]) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter(|m| m.facts.contains_key("workspace_bytes"))
        .map(|m| {
            let fact = |name: &str| m.facts.get(name).copied();
            let ratio = |a: &str, b: &str| fact(a).zip(fact(b)).filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b);
            let padding =
                fact("padded_tokens").zip(m.tokens).map(|(padded, tokens)| 1.0 - tokens as f64 / padded);
            let vectors = fact("vector_arithmetic_instructions").zip(fact("scalar_arithmetic_instructions"));
            let mut row = name(m);
            row.extend([
                Cell::maybe(padding.filter(|share| share.is_finite()), units::percent),
                Cell::maybe(fact("allocations"), |count| format!("{count:.0}")),
                Cell::maybe(fact("workspace_bytes"), |bytes| units::bytes(whole(bytes))),
                Cell::maybe(fact("workspace_reused_share"), units::percent),
                Cell::maybe(fact("pool_rounding_share"), units::percent),
                Cell::maybe(ratio("instructions", "cycles"), |ratio| format!("{ratio:.2}")),
                Cell::maybe(
                    vectors.map(|(v, s)| v / (v + s)).filter(|share| share.is_finite()),
                    units::percent,
                ),
                Cell::maybe(fact("l1_read_misses"), |count| units::count(whole(count))),
                Cell::maybe(fact("l2_misses"), |count| units::count(whole(count))),
                Cell::maybe(fact("last_level_misses"), |count| units::count(whole(count))),
                Cell::maybe(fact("package_joules"), |joules| format!("{} J", units::significant(joules, 3))),
                Cell::maybe(fact("processor_celsius"), |degrees| format!("{degrees:.0} °C")),
            ]);
            row
        })
        .collect();
    let mut columns = name_columns();
    let headings = [
        "Padding avoided",
        "Allocations",
        "Workspace",
        "Reused",
        "Rounded up",
        "Instructions/cycle",
        "Vector share",
        "L1 misses",
        "L2 misses",
        "Last-level misses",
        "Energy",
        "Temperature",
    ];
    columns.extend(
        headings
            .iter()
            .enumerate()
            .map(|(i, heading)| number_column(heading, u8::try_from(2 + i).unwrap_or(u8::MAX))),
    );
    (!rows.is_empty()).then(|| Table {
        caption: "What a batch costs besides its time; padding avoided: positions that a padded batch would have wasted"
            .to_owned(),
        columns,
        rows,
        folded: true,
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, which saturate")]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// How well each precision agrees with single precision.
fn agreements(cases: &[&Measurement]) -> Option<Table> {
    let mut seen = BTreeSet::new();
    let rows: Vec<Vec<Cell>> = cases
        .iter()
        .filter_map(|m| Some((m, *m.facts.get("cosine_minimum")?, *m.facts.get("cosine_mean")?)))
        .filter(|(m, ..)| seen.insert((m.case.benchmark.clone(), words::way(&m.case))))
        .map(|(m, minimum, mean)| {
            let [model, precision] = model_and_precision(&m.case);
            vec![
                model,
                precision,
                Cell::text(words::way(&m.case)),
                Cell::number(minimum, format!("{minimum:.5}")),
                Cell::number(mean, format!("{mean:.5}")),
                Cell::maybe(m.facts.get("cosine_texts").copied(), |texts| format!("{texts:.0}")),
            ]
        })
        .collect();
    let columns = vec![
        words_column("Model", 12),
        words_column("Precision", 0),
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

/// Precisions that vectors may be kept in, as facts are named by them.
const OUTPUTS: [&str; 3] = ["f32", "int8", "binary"];
/// Depths at which neighbours are counted.
const DEPTHS: [&str; 3] = ["1", "10", "100"];

/// What vectors in fewer bits still find.
fn recalls(cases: &[&Measurement]) -> Option<Table> {
    let mut seen = BTreeSet::new();
    let first = cases.iter().filter(|m| seen.insert((m.case.benchmark.clone(), words::way(&m.case))));
    let rows: Vec<Vec<Cell>> =
        first.flat_map(|m| OUTPUTS.iter().filter_map(|output| recall(m, output))).collect();
    let mut columns = vec![
        words_column("Model", 12),
        words_column("Precision", 0),
        words_column("Engine", 11),
        words_column("Output", 0),
        number_column("Bytes a vector", 0),
    ];
    for (at, depth) in DEPTHS.iter().enumerate() {
        let spare = u8::try_from(3 + at).unwrap_or(u8::MAX);
        columns.extend([
            number_column(&format!("Recall@{depth}"), 0),
            number_column(&format!("@{depth} rescored"), spare),
        ]);
    }
    columns.push(number_column("Texts", 2));
    (!rows.is_empty()).then(|| Table {
        caption: "Nearest neighbours in f32 that vectors in fewer bits find; rescored: four times as many candidates, scored \
                  again by the query in f32"
            .to_owned(),
        columns,
        rows,
        folded: false,
    })
}

fn recall(m: &Measurement, output: &str) -> Option<Vec<Cell>> {
    let fact = |name: &str| m.facts.get(&format!("output_{output}_{name}")).copied();
    let bytes = fact("vector_bytes")?;
    let [model, precision] = model_and_precision(&m.case);
    let mut row = vec![
        model,
        precision,
        Cell::text(words::way(&m.case)),
        Cell::text(output),
        Cell::number(bytes, format!("{bytes:.0}")),
    ];
    for depth in DEPTHS {
        for name in ["recall_at", "rescored_recall_at"] {
            row.push(Cell::maybe(fact(&format!("{name}_{depth}")), |share| format!("{share:.4}")));
        }
    }
    row.push(Cell::maybe(fact("texts"), |texts| format!("{texts:.0}")));
    Some(row)
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

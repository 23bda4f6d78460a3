//! Whether the choice of `tune embed` is the best there is: the race and an exhaustive search over the same small grid, on
//! each of the corpora given, with and without a limit of latency. What is printed is the time of a token with the choice
//! over that with the best setting of the exhaustive search, both as the latter measured them.
//!
//! `cargo run --release --example tuning_check -- [--rounds N] [--seconds S] [--limit MS|none]... [--model MODEL] [CORPUS]...`;
//! without corpora those that ship, without limits none and 20 ms. The race may take so many seconds.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use perfkit::document::{EmbedSettings, Tuning, TuningLimits};
use perfkit::engines::presets::{Level, PRESETS};
use perfkit::engines::{ModelSource, Order, Precision};
use perfkit::machine::{Source, detect};
use perfkit::session::embed::EmbedPlan;
use perfkit::session::tune::{TunePlan, tune};
use perfkit::session::{Silent, Stop, random_seed};

/// What is to be checked.
struct Check {
    model: ModelSource,
    corpora: Vec<PathBuf>,
    /// Seconds that 19 of 20 batches may take.
    limits: Vec<Option<f64>>,
    /// Rounds of every setting in the exhaustive search.
    rounds: usize,
    /// The race may take so long.
    seconds: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let check = read(std::env::args().skip(1))?;
    let machine = detect(Source::Live);
    for corpus in &check.corpora {
        for &latency_seconds in &check.limits {
            let plan = plan(&check, corpus, latency_seconds);
            let search = |plan: &TunePlan| tune(plan, &machine, &mut Silent, &Stop::default());
            let race = search(&plan)?;
            let all = search(&TunePlan { every_round: Some(check.rounds), ..plan.clone() })?;
            let name = corpus.file_name().unwrap_or_default().to_string_lossy();
            let limit =
                latency_seconds.map_or("no limit".to_owned(), |seconds| format!("{} ms", 1e3 * seconds));
            let Some(choice) = &race.choice else {
                writeln!(out, "{name}, {limit}: no choice")?;
                continue;
            };
            let laps: usize = race.candidates.iter().map(|row| row.rounds).sum();
            writeln!(
                out,
                "{name}, {limit}: {} at {:.3} of the time of the best ({}); {laps} of {} laps, {} settings",
                choice.settings,
                over_best(&all, &choice.settings),
                best(&all).map_or_else(|| "none".to_owned(), |(settings, _)| settings.to_string()),
                check.rounds * all.candidates.len(),
                all.candidates.len(),
            )?;
        }
    }
    Ok(())
}

fn read(arguments: impl Iterator<Item = String>) -> Result<Check, Box<dyn std::error::Error>> {
    let mut check = Check {
        model: "builtin:minilm-l6".parse()?,
        corpora: Vec::new(),
        limits: Vec::new(),
        rounds: 9,
        seconds: 20.0,
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--model" => check.model = value()?.parse()?,
            "--rounds" => check.rounds = value()?.parse()?,
            "--seconds" => check.seconds = value()?.parse()?,
            "--limit" => match value()?.as_str() {
                "none" => check.limits.push(None),
                milliseconds => check.limits.push(Some(1e-3 * milliseconds.parse::<f64>()?)),
            },
            _ => check.corpora.push(PathBuf::from(argument)),
        }
    }
    if check.corpora.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        check.corpora.extend([folder.join("mixed.txt"), folder.join("words.txt")]);
    }
    if check.limits.is_empty() {
        check.limits.extend([None, Some(0.02)]);
    }
    Ok(check)
}

fn plan(check: &Check, corpus: &Path, latency_seconds: Option<f64>) -> TunePlan {
    let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
    TunePlan {
        embed: EmbedPlan {
            precisions: vec![Precision::F32, Precision::Bf16, Precision::Int8],
            corpus: Some(corpus.to_owned()),
            seed: random_seed(),
            ..EmbedPlan::new(check.model.clone())
        },
        batches: [1, 8, 32].map(count).to_vec(),
        threads: vec![count(1)],
        orders: vec![Order::AsItComes, Order::Sorted],
        levels: vec![Level::default()],
        parts: vec![None],
        presets: PRESETS.iter().collect(),
        limits: TuningLimits { latency_seconds, ..TuningLimits::default() },
        seconds: check.seconds,
        every_round: None,
    }
}

/// The fastest setting that meets the limits, and its texts in a second.
fn best(all: &Tuning) -> Option<(&EmbedSettings, f64)> {
    let meets = all.candidates.iter().filter(|row| row.meets_limits);
    let rates = meets.filter_map(|row| Some((&row.settings, row.texts_per_second?)));
    rates.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn over_best(all: &Tuning, settings: &EmbedSettings) -> f64 {
    let own =
        all.candidates.iter().find(|row| row.settings == *settings).and_then(|row| row.texts_per_second);
    match (best(all), own) {
        (Some((_, best)), Some(own)) => best / own,
        _ => f64::NAN,
    }
}

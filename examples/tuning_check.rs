//! Whether the choice of `tune embed` is the best there is: the race and an exhaustive search over the same small grid, on
//! each of the corpora given, with and without a limit of latency. What is printed is the time of a token with the choice
//! over that with the best setting of the exhaustive search, both as the latter measured them.
//!
//! `cargo run --release --example tuning_check [MODEL] [CORPUS]...`; without corpora those that ship.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use perfkit::document::{EmbedSettings, Tuning, TuningLimits};
use perfkit::engines::{ModelSource, Precision};
use perfkit::machine::{Source, detect};
use perfkit::session::embed::EmbedPlan;
use perfkit::session::tune::{TunePlan, tune};
use perfkit::session::{Silent, Stop, random_seed};

/// Rounds of every setting in the exhaustive search.
const ROUNDS: usize = 9;

/// The race may take so long.
const SECONDS: f64 = 20.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    let mut arguments = std::env::args().skip(1);
    let model: ModelSource = arguments.next().as_deref().unwrap_or("builtin:minilm-l6").parse()?;
    let mut corpora: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if corpora.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        corpora.extend([folder.join("mixed.txt"), folder.join("words.txt")]);
    }
    let machine = detect(Source::Live);
    for corpus in corpora {
        for latency_seconds in [None, Some(0.02)] {
            let plan = plan(&model, &corpus, latency_seconds);
            let search = |plan: &TunePlan| tune(plan, &machine, &mut Silent, &Stop::default());
            let race = search(&plan)?;
            let all = search(&TunePlan { every_round: Some(ROUNDS), ..plan.clone() })?;
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
                "{name}, {limit}: {} at {:.3} of the time of the best ({}); {laps} of {} laps",
                choice.settings,
                over_best(&all, &choice.settings),
                best(&all).map_or_else(|| "none".to_owned(), |(settings, _)| settings.to_string()),
                ROUNDS * all.candidates.len(),
            )?;
        }
    }
    Ok(())
}

fn plan(model: &ModelSource, corpus: &Path, latency_seconds: Option<f64>) -> TunePlan {
    let count = |n| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
    TunePlan {
        embed: EmbedPlan {
            precisions: vec![Precision::F32, Precision::Bf16, Precision::Int8],
            corpus: Some(corpus.to_owned()),
            seed: random_seed(),
            ..EmbedPlan::new(model.clone())
        },
        batches: [1, 8, 32].map(count).to_vec(),
        threads: vec![count(1)],
        limits: TuningLimits { latency_seconds, ..TuningLimits::default() },
        seconds: SECONDS,
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

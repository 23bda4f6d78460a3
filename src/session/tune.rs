//! `tune embed`: settings raced against each other on a corpus, with their memory and their cosine.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;

mod grid;
pub mod matmul;
mod matmul_profile;
mod memory;
pub mod mol;
mod quality;

pub use matmul_profile::use_profile;

use grid::{Grid, Way};

use super::embed::{EmbedPlan, load, packed_folder, read_corpus};
use super::{Observer, Stop};
use crate::analysis::tune::{Goods, Lap, MARGIN, Race, Standing, front};
use crate::document::{EmbedSettings, Machine, Tier, Tuning, TuningCandidate, TuningChoice, TuningLimits};
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::presets::{Level, Preset};
use crate::engines::{Engine, Model, Order, Precision, Settings, agreement, bucketed, corpus};
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic, Rng, Team};
use crate::telemetry::Stages;

/// What to search.
#[derive(Debug, Clone)]
pub struct TunePlan {
    /// The model, dimensions, prompt, corpus, tier, worker and precisions.
    pub embed: EmbedPlan,
    /// Sizes of batches.
    pub batches: Vec<NonZeroUsize>,
    /// Counts of threads.
    pub threads: Vec<NonZeroUsize>,
    /// Orders in which texts come into batches.
    pub orders: Vec<Order>,
    /// Optimization levels, the one that does most first.
    pub levels: Vec<Level>,
    /// Tokens that go through the layers together; the level's where none are named.
    pub parts: Vec<Option<NonZeroUsize>>,
    /// Presets, whose settings join those of the dimensions above.
    pub presets: Vec<&'static Preset>,
    /// What the setting must meet.
    pub limits: TuningLimits,
    /// The race ends after so many seconds, whatever is open then.
    pub seconds: f64,
    /// No setting leaves: each has so many rounds, however long that takes.
    pub every_round: Option<usize>,
}

/// Runs the search.
///
/// # Errors
/// The model or the corpus cannot be read, threads cannot be started, or a text not embedded.
pub fn tune(
    plan: &TunePlan,
    machine: &Machine,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<Tuning> {
    let clock = Monotonic::new();
    let start = clock.now();
    let embed = &plan.embed;
    let model = Arc::new(
        load(&embed.model, embed.dimensions, embed.prompt.as_deref())
            .with_context(|| format!("model {}", embed.model))?,
    );
    let own = embed.corpus.as_deref().map(read_corpus).transpose()?;
    let lines: Vec<&str> = match &own {
        Some(lines) => lines.iter().map(String::as_str).collect(),
        None => corpus::lines().collect(),
    };
    let mut tuning = Tuning::begin("embed", &model.slug, machine, embed.seed, plan.limits);
    tuning.notes.clone_from(&model.notes);
    let texts = Texts::new(&lines, &model)?;
    let bytes: Vec<usize> = lines.iter().map(|line| line.len()).collect();
    let effective = NonZeroUsize::new(machine.limits.effective_cpus).unwrap_or(NonZeroUsize::MIN);
    let Grid { ways, notes } = Grid::new(plan, effective, &texts.tokens, &bytes);
    anyhow::ensure!(!ways.is_empty(), "no setting runs on this CPU: {}", notes.join("; "));
    tuning.notes.extend(notes);
    let encoders = open(&ways, &model)?;
    observer.phase("agreement", encoders.len(), 0.0);
    let mut cosines = Vec::with_capacity(encoders.len());
    for opened in &encoders {
        observer.step(&opened.precision);
        cosines.push(cosine(opened, &encoders, &model, own.as_deref())?);
    }
    tuning.candidates.extend(ways.iter().map(|way| {
        let of = |(opened, cosine): (&Opened, &f64)| {
            (opened.precision == way.precision && opened.tier == way.tier).then_some(*cosine)
        };
        TuningCandidate {
            settings: way.settings.clone(),
            cosine_minimum: encoders.iter().zip(&cosines).find_map(of),
            ..TuningCandidate::default()
        }
    }));
    memory::measure(plan, &ways, &model, &mut tuning, observer, stop);
    memory::leave_out(&mut tuning);
    race(plan, &ways, &encoders, &texts, &mut tuning, observer, stop)?;
    tuning.seconds = as_seconds(clock.now().saturating_sub(start));
    Ok(tuning)
}

/// Packed weights of a precision for a tier.
struct Opened {
    precision: Precision,
    tier: Tier,
    encoder: Arc<Encoder>,
}

/// The weights of every setting, each once.
fn open(ways: &[Way], model: &Arc<Model>) -> anyhow::Result<Vec<Opened>> {
    let mut all: Vec<Opened> = Vec::new();
    for way in ways {
        if find(&all, way).is_some() {
            continue;
        }
        let settings = Settings { precision: way.precision, tier: Some(way.tier), cache: packed_folder() };
        let encoder = Arc::new(Encoder::open(Arc::clone(model), &settings)?);
        all.push(Opened { precision: way.precision, tier: way.tier, encoder });
    }
    Ok(all)
}

fn find<'a>(all: &'a [Opened], way: &Way) -> Option<&'a Opened> {
    all.iter().find(|opened| opened.precision == way.precision && opened.tier == way.tier)
}

/// The smallest cosine to single precision.
fn cosine(
    opened: &Opened,
    all: &[Opened],
    model: &Arc<Model>,
    own: Option<&[String]>,
) -> anyhow::Result<f64> {
    if opened.precision == Precision::F32 {
        return Ok(1.0);
    }
    let single = match all.iter().find(|other| other.precision == Precision::F32) {
        Some(single) => Arc::clone(&single.encoder),
        None => Arc::new(Encoder::pack(Arc::clone(model), opened.encoder.tier().f32_tier())?),
    };
    let texts = agreement::texts(model, own)?;
    let mut single = NativeEngine::new(single, Team::single());
    let mut other = NativeEngine::new(Arc::clone(&opened.encoder), Team::single());
    Ok(agreement::agreement(&mut single, &mut other, &texts)?.minimum)
}

/// A setting with its engine and its place in the document.
struct Runner {
    candidate: usize,
    settings: EmbedSettings,
    engine: NativeEngine,
}

fn race(
    plan: &TunePlan,
    ways: &[Way],
    encoders: &[Opened],
    texts: &Texts<'_>,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut teams: Vec<Team> = Vec::new();
    let mut runners = Vec::new();
    for (candidate, way) in ways.iter().enumerate() {
        if tuning.candidates[candidate].dropped.is_some() {
            continue;
        }
        let team = match teams.iter().find(|team| team.threads().get() == way.settings.threads) {
            Some(team) => team.clone(),
            None => {
                let threads = NonZeroUsize::new(way.settings.threads).unwrap_or(NonZeroUsize::MIN);
                teams.push(Team::new(threads).context("cannot start the threads")?);
                teams[teams.len() - 1].clone()
            }
        };
        if let Some(opened) = find(encoders, way) {
            let mut engine = NativeEngine::new(Arc::clone(&opened.encoder), team);
            engine.limit_part(way.part_tokens);
            runners.push(Runner { candidate, settings: way.settings.clone(), engine });
        }
    }
    let clock = Monotonic::new();
    let start = clock.now();
    let mut race = Race::new(runners.len(), plan.limits.latency_seconds);
    let mut rng = Rng::new(plan.embed.seed);
    for round in 0.. {
        let spent = as_seconds(clock.now().saturating_sub(start));
        let mut next = match plan.every_round {
            Some(rounds) if round < rounds => (0..runners.len()).collect(),
            None if spent < plan.seconds => race.next_round(),
            Some(_) | None => break,
        };
        if next.is_empty() {
            break;
        }
        // Neither first nor last of a round are always the same.
        rng.shuffle(&mut next);
        observer.phase("race", next.len(), (plan.seconds - spent).max(0.0));
        let first = rng.below(texts.lines.len().max(1));
        let mut laps = Vec::with_capacity(next.len());
        for i in next {
            if stop.requested() {
                tuning.interrupted = true;
                break;
            }
            observer.step(&runners[i].settings);
            laps.push((i, lap(&mut runners[i], texts, first, &clock)?));
        }
        if tuning.interrupted {
            break;
        }
        race.take(laps);
    }
    settle(&race, &runners, texts, tuning);
    Ok(())
}

/// Lines of the corpus with their lengths in tokens.
struct Texts<'a> {
    lines: &'a [&'a str],
    tokens: Vec<usize>,
}

impl<'a> Texts<'a> {
    fn new(lines: &'a [&'a str], model: &Model) -> anyhow::Result<Self> {
        let lengths = lines.iter().map(|line| model.tokenizer.ids(line).map(|ids| ids.len()));
        Ok(Self { lines, tokens: lengths.collect::<Result<_, _>>()? })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a corpus")]
    fn mean_tokens(&self) -> f64 {
        self.tokens.iter().sum::<usize>() as f64 / self.tokens.len().max(1) as f64
    }

    /// `count` lines from all over the corpus, beginning at one of them.
    fn from(&self, first: usize, count: usize) -> Vec<usize> {
        let step = (self.lines.len() / count.max(1)).max(1);
        (0..count).map(|i| (first + i * step) % self.lines.len()).collect()
    }
}

/// Embeds a window of texts of the corpus once, batch by batch.
#[expect(clippy::cast_precision_loss, reason = "tokens of some texts")]
fn lap(runner: &mut Runner, texts: &Texts<'_>, first: usize, clock: &Monotonic) -> anyhow::Result<Lap> {
    let EmbedSettings { batch, by_length, .. } = runner.settings;
    let count = bucketed::window(NonZeroUsize::new(batch).unwrap_or(NonZeroUsize::MIN)).get();
    let mut chosen = texts.from(first, count);
    if by_length {
        // As `embed` does it with a window of texts.
        let lines: Vec<&str> = chosen.iter().map(|&line| texts.lines[line]).collect();
        chosen = bucketed::by_length(&lines).into_iter().map(|at| chosen[at]).collect();
    }
    let mut lap = Lap::default();
    let mut seconds = 0.0;
    for part in chosen.chunks(batch) {
        let batch: Vec<&str> = part.iter().map(|&line| texts.lines[line]).collect();
        let start = clock.now();
        runner.engine.embed(&batch, &mut Stages::new())?;
        let took = as_seconds(clock.now().saturating_sub(start));
        seconds += took;
        lap.batches.push(took);
    }
    let tokens: usize = chosen.iter().map(|&line| texts.tokens[line]).sum();
    lap.unit_seconds = seconds / tokens.max(1) as f64;
    Ok(lap)
}

/// Writes what the race gave into the document.
fn settle(race: &Race, runners: &[Runner], texts: &Texts<'_>, tuning: &mut Tuning) {
    let result = race.result();
    for ((i, runner), standing) in runners.iter().enumerate().zip(race.standings()) {
        let row = &mut tuning.candidates[runner.candidate];
        row.rounds = race.rounds(i);
        row.texts_per_second = race.unit_seconds(i).map(|each| 1.0 / (each * texts.mean_tokens()));
        (row.latency_seconds, row.batches) = race.latency(i);
        row.meets_limits = race.in_time(i);
        row.dropped = match standing {
            Standing::Dropped(why) => Some(why),
            Standing::Racing | Standing::Equivalent => None,
        };
    }
    let goods: Vec<Option<Goods>> = tuning.candidates.iter().map(goods).collect();
    for (row, on_front) in tuning.candidates.iter_mut().zip(front(&goods)) {
        row.on_front = on_front;
    }
    tuning.choice = result.leader.map(|leader| TuningChoice {
        settings: runners[leader].settings.clone(),
        shown_slower: result.slower,
        shown_equivalent: result.equivalent,
        undecided: result.undecided,
        margin: MARGIN,
    });
}

fn goods(row: &TuningCandidate) -> Option<Goods> {
    Some(Goods {
        rate: row.texts_per_second.filter(|_| row.meets_limits)?,
        latency_seconds: row.latency_seconds?,
        memory_bytes: row.memory_bytes,
        quality: row.cosine_minimum,
    })
}

/// Whether any tier of this CPU runs the precision.
#[must_use]
pub fn runs_here(precision: Precision, tier: Option<Tier>) -> bool {
    Settings { precision, tier, cache: None }.tier().is_ok()
}

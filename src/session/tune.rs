//! `tune embed`: settings raced against each other on a corpus, with their memory and their cosine.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;

pub mod matmul;
mod matmul_profile;
pub mod mol;
mod quality;

pub use matmul_profile::use_profile;

use super::embed::{EmbedPlan, WorkerTask, ask, load, packed_folder, read_corpus};
use super::{Observer, Stop};
use crate::analysis::tune::{Goods, Lap, MARGIN, Race, Standing, fit_memory, front};
use crate::document::{
    Case, EmbedSettings, Extent, Machine, MemoryLine, MemoryPoint, Shape, Tier, Tuning, TuningCandidate,
    TuningChoice, TuningLimits,
};
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::{Engine, Model, Precision, Settings, agreement, corpus};
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic, Rng, Team};
use crate::telemetry::Stages;

/// Texts of a lap at least: fewer say little of a mixed corpus.
const FEWEST_TEXTS: usize = 32;

/// Batches of a lap at least: putting texts in order means something from two on.
const FEWEST_BATCHES: usize = 2;

/// What to search.
#[derive(Debug, Clone)]
pub struct TunePlan {
    /// The model, dimensions, prompt, corpus, tier, worker and precisions.
    pub embed: EmbedPlan,
    /// Sizes of batches.
    pub batches: Vec<NonZeroUsize>,
    /// Counts of threads.
    pub threads: Vec<NonZeroUsize>,
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
    let encoders = open(plan, &model, &mut tuning)?;
    observer.phase("agreement", encoders.len(), 0.0);
    for opened in &encoders {
        observer.step(&opened.precision);
        let cosine = cosine(opened, &encoders, &model, own.as_deref())?;
        tuning.candidates.extend(candidates(plan, opened, cosine));
    }
    measure_memory(plan, &model, &mut tuning, observer, stop);
    leave_out(&mut tuning);
    race(plan, &encoders, &lines, &model, &mut tuning, observer, stop)?;
    tuning.seconds = as_seconds(clock.now().saturating_sub(start));
    Ok(tuning)
}

/// A precision with its packed weights.
struct Opened {
    precision: Precision,
    encoder: Arc<Encoder>,
}

fn open(plan: &TunePlan, model: &Arc<Model>, tuning: &mut Tuning) -> anyhow::Result<Vec<Opened>> {
    let mut all = Vec::new();
    for &precision in &plan.embed.precisions {
        let settings = Settings { precision, tier: plan.embed.tier, cache: packed_folder() };
        match settings.tier() {
            Ok(_) => {
                let encoder = Arc::new(Encoder::open(Arc::clone(model), &settings)?);
                all.push(Opened { precision, encoder });
            }
            Err(why) => tuning.notes.push(format!("{precision} is left out: {why}")),
        }
    }
    anyhow::ensure!(!all.is_empty(), "no precision runs on this CPU");
    Ok(all)
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

/// Every setting of a precision. One text has no order.
fn candidates(plan: &TunePlan, opened: &Opened, cosine: f64) -> Vec<TuningCandidate> {
    let mut all = Vec::new();
    for threads in &plan.threads {
        for batch in &plan.batches {
            let orders: &[bool] = if batch.get() == 1 { &[false] } else { &[false, true] };
            for &by_length in orders {
                let settings = EmbedSettings {
                    precision: opened.precision.to_string(),
                    threads: threads.get(),
                    batch: batch.get(),
                    by_length,
                };
                let cosine_minimum = Some(cosine);
                all.push(TuningCandidate { settings, cosine_minimum, ..TuningCandidate::default() });
            }
        }
    }
    all
}

/// Peak memory of fresh processes at the smallest, a middle and the largest size of each precision.
fn measure_memory(
    plan: &TunePlan,
    model: &Model,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) {
    let Some(program) = &plan.embed.worker else {
        tuning
            .notes
            .push("memory is unknown: there is no program to measure it in a process of its own".to_owned());
        return;
    };
    let mut sizes: Vec<usize> = plan.batches.iter().map(|batch| batch.get()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (Some(&first), Some(&last)) = (sizes.first(), sizes.last()) else { return };
    // A line has two parameters: a third point shows how well it fits.
    let last = if last == first { 2 * first } else { last };
    let mut points = vec![first, first.midpoint(last), last];
    points.dedup();
    let threads = plan.threads.iter().max().copied().unwrap_or(NonZeroUsize::MIN);
    observer.phase("memory", points.len() * plan.embed.precisions.len(), 0.0);
    for &precision in &plan.embed.precisions {
        let Some(tier) = plan.embed.tier.or_else(|| precision.best_tier()) else { continue };
        let mut measured = Vec::new();
        for &batch in &points {
            if stop.requested() {
                return;
            }
            let case = Case {
                benchmark: format!("embed/{}-{precision}", model.slug),
                implementation: NativeEngine::ID.to_owned(),
                tier: tier.into(),
                shape: Shape(vec![Extent::Count(batch), Extent::Mixed]),
                threads,
            };
            observer.step(&case);
            let task = WorkerTask {
                model: plan.embed.model.to_string(),
                precision: precision.to_string(),
                dimensions: plan.embed.dimensions,
                prompt: plan.embed.prompt.clone(),
                case,
                corpus: plan.embed.corpus.clone(),
                beside: plan.embed.beside.clone(),
                file: None,
                started_nanoseconds: None,
            };
            match ask(program, &task, &[]) {
                Ok(answer) => {
                    measured.extend(answer.peak_rss_bytes.map(|bytes| MemoryPoint { batch, bytes }))
                }
                Err(error) => tuning.notes.push(format!("memory of {precision} is unknown: {error:#}")),
            }
        }
        tuning.memory.extend(fit_memory(precision.name(), &measured));
    }
    for candidate in &mut tuning.candidates {
        let line = tuning.memory.iter().find(|line| line.precision == candidate.settings.precision);
        candidate.memory_bytes = line.map(|line| bytes_at(line, candidate.settings.batch));
    }
}

#[expect(clippy::cast_precision_loss, reason = "texts of a batch")]
fn bytes_at(line: &MemoryLine, batch: usize) -> f64 {
    line.base_bytes + line.bytes_per_text * batch as f64
}

/// Settings that need no race to be out.
#[expect(clippy::cast_precision_loss, reason = "bytes")]
fn leave_out(tuning: &mut Tuning) {
    let limits = tuning.limits;
    for candidate in &mut tuning.candidates {
        let error = tuning
            .memory
            .iter()
            .find(|line| line.precision == candidate.settings.precision)
            .map_or(0.0, |line| line.error_bytes);
        let memory = limits.memory_bytes.zip(candidate.memory_bytes);
        let cosine = limits.cosine_minimum.zip(candidate.cosine_minimum);
        candidate.dropped = if cosine.is_some_and(|(least, cosine)| cosine < least || cosine.is_nan()) {
            Some("its cosine to f32 is below the limit".to_owned())
        } else if limits.memory_bytes.is_some() && candidate.memory_bytes.is_none() {
            Some("its memory is unknown".to_owned())
        } else if memory.is_some_and(|(limit, bytes)| bytes + error > limit as f64) {
            Some("its memory is beyond the limit".to_owned())
        } else {
            None
        };
    }
}

/// A setting with its engine and its place in the document.
struct Runner {
    candidate: usize,
    settings: EmbedSettings,
    engine: NativeEngine,
}

fn race(
    plan: &TunePlan,
    encoders: &[Opened],
    lines: &[&str],
    model: &Model,
    tuning: &mut Tuning,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut teams = Vec::new();
    for &threads in &plan.threads {
        teams.push(Team::new(threads).context("cannot start the threads")?);
    }
    let mut runners = Vec::new();
    for (candidate, row) in tuning.candidates.iter().enumerate().filter(|(_, row)| row.dropped.is_none()) {
        let settings = row.settings.clone();
        let opened = encoders.iter().find(|opened| opened.precision.name() == settings.precision);
        let team = teams.iter().find(|team| team.threads().get() == settings.threads);
        if let (Some(opened), Some(team)) = (opened, team) {
            let engine = NativeEngine::new(Arc::clone(&opened.encoder), team.clone());
            runners.push(Runner { candidate, settings, engine });
        }
    }
    let clock = Monotonic::new();
    let start = clock.now();
    let mut race = Race::new(runners.len(), plan.limits.latency_seconds);
    let mut rng = Rng::new(plan.embed.seed);
    let texts = Texts::new(lines, model)?;
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
        let first = rng.below(lines.len().max(1));
        let mut laps = Vec::with_capacity(next.len());
        for i in next {
            if stop.requested() {
                tuning.interrupted = true;
                break;
            }
            observer.step(&runners[i].settings);
            laps.push((i, lap(&mut runners[i], &texts, first, &clock)?));
        }
        if tuning.interrupted {
            break;
        }
        race.take(laps);
    }
    settle(&race, &runners, &texts, tuning);
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

/// Embeds texts of the corpus once, batch by batch.
#[expect(clippy::cast_precision_loss, reason = "tokens of some texts")]
fn lap(runner: &mut Runner, texts: &Texts<'_>, first: usize, clock: &Monotonic) -> anyhow::Result<Lap> {
    let EmbedSettings { batch, by_length, .. } = runner.settings;
    let count = FEWEST_TEXTS.max(FEWEST_BATCHES * batch).div_ceil(batch) * batch;
    let mut chosen = texts.from(first, count);
    if by_length {
        chosen.sort_by_key(|&line| texts.tokens[line]);
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

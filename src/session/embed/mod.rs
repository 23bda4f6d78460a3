//! Embedding: pipelines measured stage by stage, and files embedded for real.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Observer, Stop, measurement};
use crate::catalog::Workload;
use crate::catalog::{Benchmark, EmbedBenchmark, Extensiveness, MOST_TEXTS, PrepareError, Resources};
use crate::document::Tier;
use crate::document::{Case, Latency, Machine, Measurement, Omission, Origin, Outcome, Shape};
use crate::engines::native::NativeEngine;
use crate::engines::{Model, ModelSource, Precision};
use crate::measure::{self, Plan, Samples};
use crate::stats;
use crate::sys::{Monotonic, Team};
use crate::telemetry::Track;

mod beside;
mod file;
mod input;
mod output;
mod peers;
mod profile;
mod sizes;
mod trace;
mod worker;

use profile::Profile;

pub use beside::Beside;
pub use file::{EmbedFile, FileReport, embed_file};
pub use peers::{EngineFile, PeerPlan, engine_benchmark, identity_line};
pub use sizes::Adapted;
pub(super) use worker::ask;
pub use worker::{WorkerAnswer, WorkerTask, work};

/// Single calls are sampled this long at most in search of enough for a 99th percentile.
const LATENCY_SECONDS: f64 = 4.0;
/// Preparing a case (texts, reference answers, the fresh process) is expected to take so long.
const PREPARE_SECONDS: f64 = 1.0;

/// Which pipelines to measure, and how.
#[derive(Debug, Clone)]
pub struct EmbedPlan {
    /// The model.
    pub model: ModelSource,
    /// The precisions, one after the other.
    pub precisions: Vec<Precision>,
    /// How many leading numbers of a vector are kept; all of them if none is named.
    pub dimensions: Option<NonZeroUsize>,
    /// The name of the prompt in front of every text; the model's default if none is named.
    pub prompt: Option<String>,
    /// The tier; the best one here for each precision if none is named.
    pub tier: Option<Tier>,
    /// The batches; empty means those usual for `extensiveness`.
    pub shapes: Vec<Shape>,
    /// How many batches are usual.
    pub extensiveness: Extensiveness,
    /// Threads of every case.
    pub threads: NonZeroUsize,
    /// Texts of the user's, one a line, in place of the corpus that ships.
    pub corpus: Option<PathBuf>,
    /// The engines of others that stand beside ours.
    pub peers: PeerPlan,
    /// How each case is sampled.
    pub sampling: Plan,
    /// The seed of every random choice.
    pub seed: u64,
    /// The program whose hidden subcommand measures memory in a fresh process; without one that stays unknown.
    pub worker: Option<PathBuf>,
    /// What is asked for beside a batch's time.
    pub beside: Beside,
}

impl EmbedPlan {
    /// The usual batches of a model on one thread.
    #[must_use]
    pub fn new(model: ModelSource) -> Self {
        Self {
            model,
            precisions: vec![Precision::F32],
            dimensions: None,
            prompt: None,
            tier: None,
            shapes: Vec::new(),
            extensiveness: Extensiveness::Default,
            threads: NonZeroUsize::MIN,
            corpus: None,
            peers: PeerPlan::default(),
            sampling: Plan::DEFAULT,
            seed: 0,
            worker: None,
            beside: Beside::default(),
        }
    }

    /// The plan's model as it is to be used.
    fn load(&self) -> anyhow::Result<Arc<Model>> {
        Ok(Arc::new(load(&self.model, self.dimensions, self.prompt.as_deref())?))
    }
}

/// Loads a model, keeps so many dimensions of its vectors, and puts the prompt of that name in front of its texts.
pub(super) fn load(
    source: &ModelSource,
    dimensions: Option<NonZeroUsize>,
    prompt: Option<&str>,
) -> anyhow::Result<Model> {
    let mut model = source.load()?;
    if let Some(dimensions) = dimensions {
        model = model.truncated(dimensions)?;
    }
    if let Some(prompt) = prompt {
        model = model.prompted(prompt)?;
    }
    let prefix = model.tokenizer.prefix();
    if !prefix.is_empty() {
        let note = format!("the model's prompt {prefix:?} stands in front of every text");
        model.notes.push(note);
    }
    Ok(model)
}

/// Measures every batch of a plan: seconds, stages, tokens, latency, CPU time, and the peak memory of a fresh process.
///
/// What a stop leaves unmeasured is skipped with that reason.
///
/// # Errors
/// The model or the corpus cannot be read, the threads cannot be started, or the model does not take a shape.
pub fn measure(
    plan: &EmbedPlan,
    machine: &Arc<Machine>,
    observer: &mut dyn Observer,
    stop: &Stop,
) -> anyhow::Result<Vec<Outcome>> {
    let model = plan.load().with_context(|| format!("model {}", plan.model))?;
    for note in &model.notes {
        observer.note(note);
    }
    let corpus = plan.corpus.as_deref().map(read_corpus).transpose()?;
    let mut traced = plan.beside.trace_file()?;
    let benchmarks: Vec<EmbedBenchmark> = plan
        .precisions
        .iter()
        .map(|&precision| plan.beside.tune(benchmark(&model, precision, corpus.as_deref())))
        .collect();
    let Some(first) = benchmarks.first() else { return Ok(Vec::new()) };
    let shapes =
        if plan.shapes.is_empty() { first.shapes(machine, plan.extensiveness) } else { plan.shapes.clone() };
    if let Some(shape) = shapes.iter().find(|shape| first.cost(shape).is_none()) {
        anyhow::bail!(
            "{} does not take the batch {shape}; give 1 to {MOST_TEXTS} texts with --batch, and 3 to {} tokens or mixed with \
             --sequence",
            plan.model,
            model.tokenizer.max_tokens()
        );
    }
    let team = Team::new(plan.threads).context("cannot start the threads")?;
    let resources = Resources { team, seed: plan.seed, machine: Arc::clone(machine) };
    let cases = shapes.len() * benchmarks.len();
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    let expected = cases as f64 * (plan.sampling.expected_seconds() + PREPARE_SECONDS);
    observer.phase("embedding", cases, expected);
    let mut outcomes = Vec::with_capacity(cases);
    for (benchmark, &precision) in benchmarks.iter().zip(&plan.precisions) {
        let mut session = Session {
            plan,
            benchmark,
            precision,
            model: &model,
            resources: resources.clone(),
            clock: Monotonic::new(),
            recall: BTreeMap::new(),
            trace: traced.as_ref().map(|file| file.trace().track(&format!("{precision}"))),
            roofs: Profile::default(),
        };
        if !stop.requested() {
            session.recall = session.recall(corpus.as_deref())?;
            session.roofs = session.roofs(&session.case(shapes[0].clone()), 1.0);
        }
        let beside = session.beside(&shapes, observer, stop, &mut outcomes);
        for shape in &shapes {
            let case = session.case(shape.clone());
            let here = match &beside {
                _ if stop.requested() => vec![skipped(&case, "interrupted before it was measured")],
                Some((program, found)) => {
                    peers::contest(&session, &case, found, program, (&mut *observer, stop))
                }
                None => {
                    observer.step(&case);
                    vec![session.measure(&case, stop)]
                }
            };
            here.iter().for_each(|outcome| observer.outcome(outcome));
            outcomes.extend(here);
        }
    }
    if let Some(note) = traced.take().map(trace::TraceFile::finish).transpose()?.flatten() {
        observer.note(&note);
    }
    Ok(outcomes)
}

/// A model in a precision over the corpus that ships, or over the user's.
fn benchmark(model: &Arc<Model>, precision: Precision, corpus: Option<&[String]>) -> EmbedBenchmark {
    let benchmark = EmbedBenchmark::of_precision(Arc::clone(model), precision).with_cache(packed_folder());
    match corpus {
        Some(lines) => benchmark.with_corpus(lines.to_vec()),
        None => benchmark,
    }
}

/// Where packed weights are kept; nowhere where no folder for caches is known.
pub(super) fn packed_folder() -> Option<PathBuf> {
    super::cache::folder().ok().map(|folder| folder.join("packed"))
}

struct Session<'a> {
    plan: &'a EmbedPlan,
    benchmark: &'a EmbedBenchmark,
    precision: Precision,
    model: &'a Model,
    resources: Resources,
    clock: Monotonic,
    /// What vectors in fewer bits still find.
    recall: BTreeMap<String, f64>,
    /// What this machine allows with this precision.
    roofs: Profile,
    /// Where batches beside the timed ones are traced.
    trace: Option<Track>,
}

impl Session<'_> {
    /// The engines of others that stand beside ours in this precision, with the program that runs them; what became of
    /// those that are not here goes to `outcomes`. `None` where ours is alone.
    fn beside(
        &self,
        shapes: &[Shape],
        observer: &mut dyn Observer,
        stop: &Stop,
        outcomes: &mut Vec<Outcome>,
    ) -> Option<(PathBuf, Vec<peers::Found>)> {
        let (program, shape) = (self.plan.worker.clone()?, shapes.first()?);
        if self.plan.peers.engines.is_empty() || stop.requested() {
            return None;
        }
        let native = self.case(shape.clone());
        let (found, missing) = peers::find(self, &native, &program);
        for engine in &found {
            observer.note(&engine.note(self.precision));
        }
        for outcome in missing.iter().map(|missing| missing.outcome(&native)) {
            observer.outcome(&outcome);
            outcomes.push(outcome);
        }
        (!found.is_empty()).then_some((program, found))
    }

    fn case(&self, shape: Shape) -> Case {
        Case {
            benchmark: self.benchmark.id().to_owned(),
            implementation: NativeEngine::ID.to_owned(),
            tier: self.tier().into(),
            shape,
            threads: self.plan.threads,
        }
    }

    fn tier(&self) -> Tier {
        let level = || self.plan.beside.level.row().tier(self.precision);
        self.plan.tier.or_else(level).unwrap_or(Tier::Baseline)
    }

    fn measure(&self, case: &Case, stop: &Stop) -> Outcome {
        let mut workload = match self.benchmark.prepare(case, &self.resources) {
            Ok(workload) => workload,
            Err(PrepareError::Unavailable(why)) => return skipped(case, &why),
            Err(PrepareError::Failed(why)) => return failed(case, &why),
        };
        let Some(cost) = self.benchmark.cost(&case.shape) else {
            return failed(case, "the model does not take the shape");
        };
        let plan = self.sampling(case, &mut *workload);
        match measure::sample(&mut *workload, &plan, &self.clock, &|| stop.requested()) {
            Ok(samples) => match measurement(case, cost, &samples) {
                Outcome::Measured(measurement) => {
                    drop(workload);
                    Outcome::Measured(Box::new(self.complete(*measurement, &samples)))
                }
                other => other,
            },
            Err(mismatch) => failed(case, &format!("wrong answer: {mismatch}")),
        }
    }

    /// One text at a time is where latency matters: as many calls as a 99th percentile needs, if they take no longer
    /// than [`LATENCY_SECONDS`].
    fn sampling(&self, case: &Case, workload: &mut dyn Workload) -> Plan {
        let plan = self.plan.sampling.clone();
        workload.run();
        let seconds = workload.facts().total_seconds.unwrap_or(f64::INFINITY);
        let calls = stats::samples_needed(0.99, 0.95);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
        if case.shape.count(0) == 1 && seconds * calls as f64 <= LATENCY_SECONDS {
            Plan {
                min_samples: plan.min_samples.max(calls),
                max_samples: plan.max_samples.max(calls),
                ..plan
            }
        } else {
            plan
        }
    }

    /// What the samples alone do not say.
    fn complete(&self, mut measurement: Measurement, samples: &Samples) -> Measurement {
        measurement.latency = Some(Latency { calls: samples.seconds.clone() });
        let cpu: Vec<f64> = samples.records.iter().map(|record| record.cpu_seconds).collect();
        if let Some(cpu) = stats::median(&cpu) {
            measurement.facts.insert("cpu_seconds".to_owned(), cpu);
        }
        measurement.notes.extend(self.model.notes.iter().cloned());
        self.tell_beside(&mut measurement);
        if let Some(program) = &self.plan.worker {
            let task = self.task(&measurement.case);
            peers::fresh_process(&mut measurement, program, &task, &[]);
        }
        measurement
    }

    fn task(&self, case: &Case) -> WorkerTask {
        WorkerTask {
            model: self.plan.model.to_string(),
            precision: self.precision.to_string(),
            dimensions: self.plan.dimensions,
            prompt: self.plan.prompt.clone(),
            case: case.clone(),
            corpus: self.plan.corpus.clone(),
            beside: self.plan.beside.clone(),
            file: self.plan.peers.file(case_engine(case), self.precision),
            started_nanoseconds: None,
        }
    }
}

/// The engine of a case: its implementation without the way of using it.
fn case_engine(case: &Case) -> &str {
    case.implementation.split('-').next().unwrap_or_default()
}

/// Lines of a corpus that hold text.
pub(super) fn read_corpus(path: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read the corpus {shown}"))?.len();
    anyhow::ensure!(
        size <= 256 << 20,
        "the corpus {shown} has {size} bytes; 256 MiB are read at most: cut it"
    );
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the corpus {shown}"))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        anyhow::anyhow!("the corpus {shown} is not UTF-8 ({e}); convert it, for example with iconv")
    })?;
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    anyhow::ensure!(!lines.is_empty(), "the corpus {shown} holds no text; give one text a line");
    Ok(lines)
}

fn skipped(case: &Case, why: &str) -> Outcome {
    Outcome::Skipped(Omission { case: case.clone(), origin: Origin::Perfkit, why: why.to_owned() })
}

fn failed(case: &Case, why: &str) -> Outcome {
    Outcome::Failed(Omission { case: case.clone(), origin: Origin::Perfkit, why: why.to_owned() })
}

#[cfg(test)]
mod tests;

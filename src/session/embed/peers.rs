//! The engines people use, beside ours: which are here, and the contests in which they stand.
//!
//! Each engine is a process of its own for each case, and so is ours: they take turns in rounds of one call each, as the
//! libraries of `bench --peers` do, so that calls of one round are pairs. What an engine needs from start to first
//! embedding, and its memory, is taken in a further process that does nothing else.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Session;
use super::worker::{self, WorkerTask};
use crate::catalog::{Benchmark, EmbedBenchmark, PeerFiles, PeerWay};
use crate::document::{Case, CaseTier, Latency, Measurement, Omission, Origin, Outcome, Peer, Shape};
use crate::engines::agreement::Agreement;
use crate::engines::peers::{PEER_ENGINES, PeerEngine, peer_engine};
use crate::engines::{EngineError, ModelSource, Precision};
use crate::measure::Program;
use crate::session::bench::peers::{Contest, Contestant, Terms, Turns, hold};
use crate::session::{Observer, Stop};
use crate::sys::clock::as_seconds;
use crate::sys::process::{Conversation, Start};
use crate::sys::{Clock, Rng, Team};

/// The hidden subcommand that serves an engine, or says who it is.
pub(super) const SUBCOMMAND: &str = "__embed-engine";
/// How a line of [`identity_line`] begins.
const ANSWER: &str = "engine ";
/// An engine that is not loaded and compared by then is given up.
const PATIENCE_SECONDS: f64 = 240.0;

/// Which engines stand beside ours, and what they read.
#[derive(Debug, Clone, Default)]
pub struct PeerPlan {
    /// Their names.
    pub engines: Vec<String>,
    /// Files to read in place of those written for them.
    pub files: Vec<EngineFile>,
    /// Their libraries, by the engine's name.
    pub libraries: Vec<(String, PathBuf)>,
}

/// A file for an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFile {
    /// The engine.
    pub engine: String,
    /// For one precision, or for all.
    pub precision: Option<Precision>,
    /// The file.
    pub path: PathBuf,
}

impl PeerPlan {
    /// Every engine that this build knows.
    #[must_use]
    pub fn all() -> Vec<String> {
        Self::named(|_| true)
    }

    /// Those that may be told which file to read.
    #[must_use]
    pub fn reading_files() -> Vec<String> {
        Self::named(PeerEngine::reads_files)
    }

    /// Those that may be told which shared library they are.
    #[must_use]
    pub fn shared_libraries() -> Vec<String> {
        Self::named(PeerEngine::is_shared_library)
    }

    fn named(wanted: fn(&PeerEngine) -> bool) -> Vec<String> {
        let engines = PEER_ENGINES.iter().filter(|engine| wanted(engine));
        engines.map(|engine| engine.name.to_owned()).collect()
    }

    /// The file that the user named: the one for the precision before the one for all.
    pub(super) fn file(&self, engine: &str, precision: Precision) -> Option<PathBuf> {
        let of = |wanted: Option<Precision>| {
            self.files.iter().find(move |file| file.engine == engine && file.precision == wanted)
        };
        of(Some(precision)).or_else(|| of(None)).map(|file| file.path.clone())
    }

    /// The environment in which an engine finds its library.
    fn environment(&self, engine: &str) -> Vec<(String, Option<String>)> {
        let named = self.libraries.iter().filter(|(name, _)| name == engine);
        named.map(|(_, path)| library_variable(engine, &path.display().to_string())).collect()
    }
}

fn library_variable(engine: &str, path: &str) -> (String, Option<String>) {
    (format!("PERFKIT_{}_LIBRARY", engine.to_uppercase()), Some(path.to_owned()))
}

/// What engines of others may read of this model.
pub(super) fn files(source: &ModelSource, named: Option<PathBuf>) -> PeerFiles {
    let beside = match source {
        ModelSource::Folder(folder) => Some(folder.clone()),
        ModelSource::Builtin(_) | ModelSource::Hub(_) => None,
    };
    PeerFiles { beside, named }
}

/// What a process says of the engine that it was asked to load.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Here(Box<Described>),
    Absent(String),
    Broken(String),
}

/// An engine, as it answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Described {
    version: String,
    path: Option<PathBuf>,
    found_by: String,
    settings: String,
    cosine_minimum: f64,
    cosine_mean: f64,
    cosine_texts: usize,
}

/// The line with which a process says who the engine of its task is.
///
/// # Errors
/// The task names no engine of others, or the model cannot be loaded.
pub fn identity_line(task: &WorkerTask) -> anyhow::Result<String> {
    let (_, benchmark) = task.benchmark()?;
    let engine = peer_engine(&task.case.implementation)
        .ok_or_else(|| anyhow::anyhow!("there is no engine {:?}", task.case.implementation))?;
    let answer = match benchmark.identify(engine, Team::new(task.case.threads)?) {
        Ok(found) => Answer::Here(Box::new(Described {
            version: found.identity.version,
            path: found.identity.path,
            found_by: found.identity.found_by,
            settings: found.settings,
            cosine_minimum: found.agreement.minimum,
            cosine_mean: found.agreement.mean,
            cosine_texts: found.agreement.texts,
        })),
        Err(EngineError::Unavailable(why)) => Answer::Absent(why),
        Err(error) => Answer::Broken(error.to_string()),
    };
    Ok(format!("{ANSWER}{}", serde_json::to_string(&answer)?))
}

/// What the process of a task serves: the benchmark that its engine does.
///
/// # Errors
/// The model cannot be loaded.
pub fn engine_benchmark(task: &WorkerTask) -> anyhow::Result<EmbedBenchmark> {
    Ok(task.benchmark()?.1)
}

/// An engine that is here, in one precision.
#[derive(Debug, Clone)]
pub(super) struct Found {
    engine: &'static PeerEngine,
    described: Described,
    environment: Vec<(String, Option<String>)>,
}

/// One that is not, or that is broken.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    engine: &'static PeerEngine,
    why: String,
    broken: bool,
}

impl Missing {
    /// Its outcome at a shape.
    pub(super) fn outcome(&self, native: &Case) -> Outcome {
        let case = peer_case(self.engine, PeerWay::AsInstalled, native);
        let omission = Omission { case, origin: Origin::Peer, why: self.why.clone() };
        if self.broken { Outcome::Failed(omission) } else { Outcome::Skipped(omission) }
    }
}

fn peer_case(engine: &PeerEngine, way: PeerWay, native: &Case) -> Case {
    Case { implementation: way.implementation(engine), tier: CaseTier::Peer, ..native.clone() }
}

/// Asks every engine of a plan who it is, in a process of `program`.
pub(super) fn find(session: &Session<'_>, native: &Case, program: &Path) -> (Vec<Found>, Vec<Missing>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let plan = session.plan;
    for engine in plan.peers.engines.iter().filter_map(|name| peer_engine(name)) {
        let mut environment = plan.peers.environment(engine.name);
        environment.extend(engine.environment(native.threads));
        let case = peer_case(engine, PeerWay::AsInstalled, native);
        match ask(program, &session.task(&case), &environment) {
            Ok(Answer::Here(described)) => {
                // Found once, it is not searched for again in every process.
                if let Some(path) = &described.path {
                    environment.retain(|(name, _)| *name != library_variable(engine.name, "").0);
                    environment.push(library_variable(engine.name, &path.display().to_string()));
                }
                found.push(Found { engine, described: *described, environment });
            }
            Ok(Answer::Absent(why)) => missing.push(Missing { engine, why, broken: false }),
            Ok(Answer::Broken(why)) | Err(why) => missing.push(Missing { engine, why, broken: true }),
        }
    }
    (found, missing)
}

fn ask(
    program: &Path,
    task: &WorkerTask,
    environment: &[(String, Option<String>)],
) -> Result<Answer, String> {
    let start = Start { environment: environment.to_vec(), ..Start::default() };
    let arguments = [SUBCOMMAND.to_owned(), task.argument().map_err(|error| error.to_string())?];
    let mut process = Conversation::start(program, &arguments, &start).map_err(|error| error.to_string())?;
    // A library may print something of its own first.
    loop {
        let line = process.hear(PATIENCE_SECONDS).map_err(|silence| format!("loading it {silence}"))?;
        if let Some(answer) = line.strip_prefix(ANSWER) {
            return serde_json::from_str(answer).map_err(|error| error.to_string());
        }
    }
}

impl Found {
    /// A line for people: version and file.
    pub(super) fn note(&self, precision: Precision) -> String {
        let Described { version, path, found_by, .. } = &self.described;
        let file =
            path.as_ref().map_or_else(String::new, |path| format!(": {} (by {found_by})", path.display()));
        format!("{} {version}, {precision}{file}", self.engine.name)
    }

    fn agreement(&self) -> Agreement {
        let Described { cosine_minimum, cosine_mean, cosine_texts, .. } = self.described;
        Agreement { minimum: cosine_minimum, mean: cosine_mean, texts: cosine_texts }
    }

    fn peer(&self, way: PeerWay, shape: &Shape) -> Peer {
        let Described { version, path, found_by, settings, .. } = &self.described;
        let file = path.as_ref().and_then(|path| path.file_name());
        Peer {
            library: self.engine.name.to_owned(),
            version: version.clone(),
            dispatched: None,
            mode: way.name().to_owned(),
            file: file.map(|name| name.to_string_lossy().into_owned()),
            found_by: Some(found_by.clone()),
            settings: Some(format!("{settings}, {}", way.about(self.engine, shape))),
            practice: None,
        }
    }
}

/// Holds the contest of ours with every engine that was found, at one shape.
pub(super) fn contest(
    session: &Session<'_>,
    native: &Case,
    found: &[Found],
    program: &Path,
    (observer, stop): (&mut dyn Observer, &Stop),
) -> Vec<Outcome> {
    let Some(cost) = session.benchmark.cost(&native.shape) else { return Vec::new() };
    let contestant = |case: Case, peer: Option<Peer>, environment: &[(String, Option<String>)]| {
        let arguments = vec![SUBCOMMAND.to_owned(), session.task(&case).argument()?];
        let start = Start { environment: environment.to_vec(), ..Start::default() };
        let program = Program { path: program.to_path_buf(), arguments };
        Ok::<_, serde_json::Error>(Contestant::new(case, cost, peer, (program, start)))
    };
    let mut contestants = vec![contestant(native.clone(), None, &[])];
    for one in found {
        for way in PeerWay::of(one.engine, &native.shape) {
            let peer = one.peer(way, &native.shape);
            contestants.push(contestant(peer_case(one.engine, way, native), Some(peer), &one.environment));
        }
    }
    // A task of ours is always to be written as JSON.
    let contest = Contest { contestants: contestants.into_iter().flatten().collect() };
    let terms = Terms {
        plan: &session.plan.sampling,
        turns: Turns::Alike,
        seed: session.plan.seed,
        clock_step_seconds: as_seconds(session.clock.precision()),
    };
    let outcomes = hold(&contest, &terms, &mut Rng::new(session.plan.seed), observer, stop);
    outcomes.into_iter().map(|outcome| complete(session, outcome, found, program)).collect()
}

/// What the calls alone do not say.
fn complete(session: &Session<'_>, outcome: Outcome, found: &[Found], program: &Path) -> Outcome {
    let Outcome::Measured(mut measurement) = outcome else { return outcome };
    measurement.latency = Some(Latency { calls: measurement.seconds.samples.clone() });
    measurement.notes.extend(session.model.notes.iter().cloned());
    let name = measurement.peer.as_ref().map(|peer| peer.library.clone());
    let own = found.iter().find(|found| name.as_deref() == Some(found.engine.name));
    if let Some(agreement) = own.map(Found::agreement) {
        #[expect(clippy::cast_precision_loss, reason = "a count of texts")]
        let facts = [
            ("cosine_minimum", agreement.minimum),
            ("cosine_mean", agreement.mean),
            ("cosine_texts", agreement.texts as f64),
        ];
        measurement.facts.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    }
    let environment = own.map(|found| found.environment.as_slice()).unwrap_or_default();
    let task = session.task(&measurement.case);
    fresh_process(&mut measurement, program, &task, environment);
    Outcome::Measured(measurement)
}

/// Adds what a fresh process took that did only this.
pub(super) fn fresh_process(
    measurement: &mut Measurement,
    program: &Path,
    task: &WorkerTask,
    environment: &[(String, Option<String>)],
) {
    measurement.peak_rss_bytes = None;
    match worker::ask(program, task, environment) {
        Ok(answer) => {
            measurement.peak_rss_bytes = answer.peak_rss_bytes;
            let known = [
                ("load_seconds", Some(answer.load_seconds)),
                ("first_embedding_seconds", Some(answer.first_embedding_seconds)),
                ("cold_start_seconds", answer.cold_start_seconds),
            ];
            for (name, value) in known {
                measurement.facts.extend(value.map(|value| (name.to_owned(), value)));
            }
        }
        Err(error) => measurement.notes.push(format!("peak memory is unknown: {error:#}")),
    }
}

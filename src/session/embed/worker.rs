//! A fresh process that loads a model, embeds one batch, and says what that took: nothing else's buffers count.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Beside, EmbedPlan, benchmark, load, peers, read_corpus};
use crate::catalog::EmbedBenchmark;
use crate::document::{Case, CaseTier};
use crate::engines::{Engine, ModelSource};
use crate::sys::clock::{as_seconds, monotonic_nanoseconds};
use crate::sys::resources::peak_resident_bytes;
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;

/// The hidden subcommand.
pub(super) const SUBCOMMAND: &str = "__embed-once";

/// Batches after the first, so that buffers have the size they stay at.
const BATCHES: usize = 2;
/// Nobody waits for more batches of this length.
const LONG_BATCH_SECONDS: f64 = 2.0;

/// What the worker is asked, as JSON in its only argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerTask {
    /// As on the command line.
    pub model: String,
    /// The precision's name.
    pub precision: String,
    /// As in the plan.
    pub dimensions: Option<NonZeroUsize>,
    /// As in the plan.
    pub prompt: Option<String>,
    /// Tier, shape and threads.
    pub case: Case,
    /// Texts of the user's.
    pub corpus: Option<PathBuf>,
    /// As in the plan.
    #[serde(default)]
    pub beside: Beside,
    /// The file that the engine is to read, where the user named one.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The system's monotonic clock just before the process was started.
    #[serde(default)]
    pub started_nanoseconds: Option<u64>,
}

impl WorkerTask {
    /// As the only argument of a process.
    pub(super) fn argument(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The model and the benchmark that it is about.
    ///
    /// # Errors
    /// The model or the corpus cannot be read.
    pub(super) fn benchmark(&self) -> anyhow::Result<(ModelSource, EmbedBenchmark)> {
        let source: ModelSource = self.model.parse()?;
        let model = std::sync::Arc::new(load(&source, self.dimensions, self.prompt.as_deref())?);
        let corpus = self.corpus.as_deref().map(read_corpus).transpose()?;
        let benchmark = self.beside.tune(benchmark(&model, self.precision.parse()?, corpus.as_deref()));
        let files = peers::files(&source, self.file.clone());
        Ok((source, benchmark.with_peer_files(files)))
    }
}

/// What it answers, as JSON on its standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerAnswer {
    /// Largest resident size of the process.
    pub peak_rss_bytes: Option<u64>,
    /// Seconds from the start of the work to a model that is ready.
    pub load_seconds: f64,
    /// Seconds of the first batch.
    pub first_embedding_seconds: f64,
    /// Seconds from just before the process was started to the end of that batch, without the time in which its texts were
    /// made; unknown where the task says no start.
    #[serde(default)]
    pub cold_start_seconds: Option<f64>,
}

/// Starts `program` as a worker and reads its answer.
pub(in crate::session) fn ask(
    program: &Path,
    task: &WorkerTask,
    environment: &[(String, Option<String>)],
) -> anyhow::Result<WorkerAnswer> {
    let mut command = Command::new(program);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let task = WorkerTask { started_nanoseconds: Some(monotonic_nanoseconds()), ..task.clone() };
    let output = command
        .arg(SUBCOMMAND)
        .arg(task.argument()?)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start the measuring process")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("the measuring process failed: {}", why.lines().last().unwrap_or("it said nothing"));
    }
    serde_json::from_slice(&output.stdout).context("the measuring process gave no answer")
}

/// Does a worker's task in this process.
///
/// # Errors
/// The model cannot be loaded, or a text not embedded.
pub fn work(task: &WorkerTask) -> anyhow::Result<WorkerAnswer> {
    let clock = Monotonic::new();
    let start = clock.now();
    let (_, benchmark) = task.benchmark()?;
    let team = Team::new(task.case.threads)?;
    let mut engine: Box<dyn Engine> = match task.case.tier {
        CaseTier::Peer => Box::new(benchmark.peer(&task.case, team)?.engine),
        CaseTier::Ours(tier) => Box::new(benchmark.engine(tier, team)?),
    };
    let loaded = clock.now();
    let texts = benchmark.texts(&task.case.shape)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let before = clock.now();
    engine.embed(&texts, &mut Stages::new())?;
    let first = clock.now();
    let seconds = |from: u64, to: u64| as_seconds(to.saturating_sub(from));
    let batches = if seconds(before, first) > LONG_BATCH_SECONDS { 0 } else { BATCHES };
    for _ in 0..batches {
        engine.embed(&texts, &mut Stages::new())?;
    }
    let cold = |started| seconds(started, loaded) + seconds(before, first);
    Ok(WorkerAnswer {
        peak_rss_bytes: peak_resident_bytes(),
        load_seconds: seconds(start, loaded),
        first_embedding_seconds: seconds(before, first),
        cold_start_seconds: task.started_nanoseconds.map(cold),
    })
}

impl EmbedPlan {
    /// The same plan with this very program as the worker, where the system tells its path.
    #[must_use]
    pub fn with_own_worker(mut self) -> Self {
        self.worker = std::env::current_exe().ok();
        self
    }
}

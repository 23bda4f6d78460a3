//! A fresh process that loads a model, embeds one batch, and says what that took: nothing else's buffers count.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Beside, EmbedPlan, benchmark, load, read_corpus};
use crate::document::Case;
use crate::document::Tier;
use crate::engines::{Engine, ModelSource};
use crate::sys::clock::as_seconds;
use crate::sys::resources::peak_resident_bytes;
use crate::sys::{Clock, Monotonic, Team};
use crate::telemetry::Stages;

/// The hidden subcommand.
pub(super) const SUBCOMMAND: &str = "__embed-once";

/// Batches after the first, so that buffers have the size they stay at.
const BATCHES: usize = 2;

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
}

/// Starts `program` as a worker and reads its answer.
pub(in crate::session) fn ask(program: &Path, task: &WorkerTask) -> anyhow::Result<WorkerAnswer> {
    let output = Command::new(program)
        .arg(SUBCOMMAND)
        .arg(serde_json::to_string(task)?)
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
    let source: ModelSource = task.model.parse()?;
    let model = std::sync::Arc::new(load(&source, task.dimensions, task.prompt.as_deref())?);
    let corpus = task.corpus.as_deref().map(read_corpus).transpose()?;
    let benchmark = task.beside.tune(benchmark(&model, task.precision.parse()?, corpus.as_deref()));
    let team = Team::new(task.case.threads)?;
    let mut engine = benchmark.engine(task.case.tier.ours().unwrap_or(Tier::Baseline), team)?;
    let loaded = clock.now();
    let texts = benchmark.texts(&task.case.shape)?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let before = clock.now();
    engine.embed(&texts, &mut Stages::new())?;
    let first = clock.now();
    for _ in 0..BATCHES {
        engine.embed(&texts, &mut Stages::new())?;
    }
    let seconds = |from: u64, to: u64| as_seconds(to.saturating_sub(from));
    Ok(WorkerAnswer {
        peak_rss_bytes: peak_resident_bytes(),
        load_seconds: seconds(start, loaded),
        first_embedding_seconds: seconds(before, first),
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

//! A file embedded for real, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Context as _;

use super::input::{InputFormat, Texts};
use super::output::Output;
use super::sizes::{Adapted, Sizes};
use crate::document::Tier;
use crate::engines::adaptive::Limits;
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::{ENGINES, Engine, Model, ModelSource, Precision, Settings, agreement};
use crate::session::Stop;
use crate::sys::Team;
use crate::telemetry::Stages;

/// A batch is closed early when its texts have so many bytes together.
const BATCH_BYTES: usize = 32 << 20;

/// What to embed, with what, and where to.
#[derive(Debug, Clone)]
pub struct EmbedFile {
    /// The model.
    pub model: ModelSource,
    /// The engine's name.
    pub engine: String,
    /// The precision.
    pub precision: Precision,
    /// How many leading numbers of a vector are kept; all of them if none is named.
    pub dimensions: Option<NonZeroUsize>,
    /// The name of the prompt in front of every text; the model's default if none is named.
    pub prompt: Option<String>,
    /// The tier; the best one here for the precision if none is named.
    pub tier: Option<Tier>,
    /// Threads.
    pub threads: NonZeroUsize,
    /// Texts of a batch.
    pub batch: NonZeroUsize,
    /// Batches as large as these limits allow, in place of `batch`.
    pub adaptive: Option<Limits>,
    /// A file, or `-` for the standard input.
    pub input: String,
    /// A file (`.npy` or JSON lines), or `-` for JSON lines on the standard output.
    pub output: String,
}

/// How far it has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileReport {
    /// Texts embedded.
    pub texts: u64,
    /// Their tokens, as far as the model read them.
    pub tokens: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes of the input, where it is a file.
    pub bytes_total: Option<u64>,
    /// Seconds inside the engine.
    pub seconds: f64,
    /// How the sizes of batches were chosen, where limits chose them.
    pub adapted: Option<Adapted>,
    /// It was stopped: nothing was written to the file.
    pub interrupted: bool,
    /// What a reader of the vectors must know.
    pub notes: Vec<String>,
}

/// Embeds every text of the input in order. `pipe` is written to where the output is `-`; `progress` is told after
/// every batch. When stopped or failing, an output file does not appear.
///
/// # Errors
/// The model, the input or the output is not what it should be; the error names the file, the line and the remedy.
pub fn embed_file(
    request: &EmbedFile,
    pipe: &mut dyn Write,
    progress: &mut dyn FnMut(&FileReport),
    stop: &Stop,
) -> anyhow::Result<FileReport> {
    let (reader, bytes_total) = open_input(&request.input)?;
    let mut texts = Texts::new(reader, &request.input, InputFormat::of(&request.input));
    let mut output = Output::open(&request.output, pipe)?;
    let mut report = FileReport { bytes_total, ..FileReport::default() };
    let mut engine = open_engine(request, &mut report)?;
    let mut stages = Stages::new();
    let mut sizes = request.adaptive.map(Sizes::new);
    loop {
        if stop.requested() {
            report.interrupted = true;
            return Ok(report);
        }
        let size = sizes.as_ref().map_or(request.batch, Sizes::next_batch);
        let batch = next_batch(&mut texts, size)?;
        report.bytes_read = texts.bytes();
        if batch.is_empty() {
            break;
        }
        let borrowed: Vec<&str> = batch.iter().map(String::as_str).collect();
        let embeddings = engine.embed(&borrowed, &mut stages)?;
        for row in embeddings.rows() {
            output.row(report.texts, row)?;
            report.texts += 1;
        }
        report.tokens += embeddings.tokens as u64;
        if let Some(sizes) = &mut sizes {
            sizes.observe(batch.len(), stages.total_seconds() - report.seconds);
            report.adapted = Some(sizes.summary());
        }
        report.seconds = stages.total_seconds();
        progress(&report);
    }
    output.finish(report.texts, engine.dimensions())?;
    Ok(report)
}

fn open_input(path: &str) -> anyhow::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == "-" {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let file = File::open(path)
        .with_context(|| format!("cannot read {path}; give a file of texts, or - for a pipe"))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {path}"))?;
    anyhow::ensure!(!metadata.is_dir(), "cannot read {path}: it is a folder; give a file of texts");
    Ok((Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len())))
}

fn open_engine(request: &EmbedFile, report: &mut FileReport) -> anyhow::Result<Box<dyn Engine>> {
    let row = ENGINES.iter().find(|row| row.name == request.engine).with_context(|| {
        let names: Vec<&str> = ENGINES.iter().map(|row| row.name).collect();
        format!("there is no engine {:?}; there is {}", request.engine, names.join(", "))
    })?;
    let model = super::load(&request.model, request.dimensions, request.prompt.as_deref())
        .with_context(|| format!("model {}", request.model))?;
    let model = Arc::new(model);
    report.notes.clone_from(&model.notes);
    let team = Team::new(request.threads).context("cannot start the threads")?;
    let settings =
        Settings { precision: request.precision, tier: request.tier, cache: super::packed_folder() };
    let mut engine = (row.open)(model.clone(), &settings, team.clone())?;
    if settings.precision != Precision::F32 {
        report.notes.push(agreement_note(&model, &settings, engine.as_mut(), team)?);
    }
    Ok(engine)
}

/// How well the precision agrees with single precision, in a sentence.
fn agreement_note(
    model: &Arc<Model>,
    settings: &Settings,
    engine: &mut dyn Engine,
    team: Team,
) -> anyhow::Result<String> {
    let texts = agreement::texts(model, None)?;
    let single = Arc::new(Encoder::pack(model.clone(), settings.tier()?.f32_tier())?);
    let found = agreement::agreement(&mut NativeEngine::new(single, team), engine, &texts)?;
    Ok(format!(
        "{}: cosine to f32 on {} texts of the corpus that ships: minimum {:.5}, mean {:.5}",
        settings.precision, found.texts, found.minimum, found.mean
    ))
}

fn next_batch<R: BufRead>(texts: &mut Texts<R>, most: NonZeroUsize) -> anyhow::Result<Vec<String>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < most.get() && bytes < BATCH_BYTES {
        let Some(text) = texts.next()? else { break };
        bytes += text.len();
        batch.push(text);
    }
    Ok(batch)
}

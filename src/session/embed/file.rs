//! A file embedded for real, in bounded memory.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;

use super::input::{InputFormat, Texts};
use super::output::Output;
use super::sizes::{Adapted, SizedEngine};
use super::trace::TraceFile;
use crate::document::Tier;
use crate::engines::adaptive::Limits;
use crate::engines::bucketed::{BucketedEngine, window};
use crate::engines::cache::{self, CachedEngine, ResultCache};
use crate::engines::native::{Encoder, NativeEngine};
use crate::engines::presets::{Level, PackedWeights};
use crate::engines::quantized::{OutputPrecision, Quantizer};
use crate::engines::stream::{self, Mode, StreamError, Streaming};
use crate::engines::{
    ENGINES, Engine, EngineError, Model, ModelSource, Order, Precision, Settings, agreement,
};
use crate::session::Stop;
use crate::sys::clock::as_seconds;
use crate::sys::{Monotonic, Team};
use crate::units;

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
    /// The tier; the level's for the precision if none is named.
    pub tier: Option<Tier>,
    /// Threads.
    pub threads: NonZeroUsize,
    /// Batches as large as these limits allow, in place of those of `streaming`.
    pub adaptive: Option<Limits>,
    /// How texts are put together.
    pub streaming: Streaming,
    /// In which order texts come into the batches.
    pub order: Order,
    /// What the engine does for speed.
    pub level: Level,
    /// Tokens that go through the layers together; the level's if none are named.
    pub part_tokens: Option<NonZeroUsize>,
    /// What the vectors are written in.
    pub output_precision: OutputPrecision,
    /// Bytes of a cache of vectors by text; none without.
    pub cache_bytes: Option<usize>,
    /// Where a trace goes.
    pub trace: Option<PathBuf>,
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
    /// Their tokens, as far as the model read them; of texts out of a cache, none.
    pub tokens: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes of the input, where it is a file.
    pub bytes_total: Option<u64>,
    /// Seconds from the first text to the last vector.
    pub seconds: f64,
    /// How the sizes of batches were chosen, where limits chose them.
    pub adapted: Option<Adapted>,
    /// The most texts that were held at a time.
    pub most_texts_held: usize,
    /// The share of texts that the cache knew, where there is one.
    pub cache_hit_share: Option<f64>,
    /// It was stopped: nothing was written to the file.
    pub interrupted: bool,
    /// What a reader of the vectors must know.
    pub notes: Vec<String>,
}

/// Embeds every text of the input. `pipe` is written to where the output is `-`; `progress` is told after every batch. When
/// stopped or failing, an output file does not appear.
///
/// # Errors
/// The model, the input or the output is not what it should be; the error names the file, the line and the remedy.
pub fn embed_file(
    request: &EmbedFile,
    pipe: &mut dyn Write,
    progress: &mut dyn FnMut(&FileReport),
    stop: &Stop,
) -> anyhow::Result<FileReport> {
    anyhow::ensure!(
        request.streaming.mode != Mode::Parallel || !Output::is_array(&request.output),
        "the rows of {} have no numbers, so that they must come in order: use --stream sequential, or write JSON lines",
        request.output
    );
    anyhow::ensure!(
        request.streaming.mode != Mode::Parallel || request.adaptive.is_none(),
        "--adaptive sizes the batches of one worker: use --stream sequential or timed"
    );
    check_places(request)?;
    let (reader, bytes_total) = open_input(&request.input)?;
    let mut texts = Texts::new(reader, &request.input, InputFormat::of(&request.input));
    let mut output = Output::open(&request.output, pipe)?;
    let mut report = FileReport { bytes_total, ..FileReport::default() };
    let traced = request.trace.as_deref().map(TraceFile::create).transpose()?;
    let Opened { mut engines, cache } = open_engines(request, &mut report)?;
    let sizes = request.adaptive.map(|limits| SizedEngine::wrap(&mut engines, limits));
    let dimensions = engines.first().map_or(0, |engine| engine.dimensions());
    let mut quantizer = Quantizer::new(request.output_precision, dimensions);
    let bytes = Arc::new(AtomicU64::new(0));
    let read = bytes.clone();
    let source = move || {
        let text = texts.next().transpose();
        read.store(texts.bytes(), Ordering::Relaxed);
        text
    };
    let mut sink = |finished: &stream::Finished| -> anyhow::Result<()> {
        for (index, row) in (finished.first..).zip(finished.embeddings.rows()) {
            output.row(index, quantizer.code(row)?)?;
            report.texts += 1;
        }
        output.flush()?;
        report.tokens += finished.embeddings.tokens as u64;
        report.bytes_read = bytes.load(Ordering::Relaxed);
        report.adapted = sizes.as_ref().map(|sizes| sizes.summary());
        progress(&report);
        Ok(())
    };
    let trace = traced.as_ref().map(TraceFile::trace);
    let (streaming, engines) = bucketed(request, engines);
    let outcome =
        stream::run(&streaming, engines, source, Monotonic::new(), trace, &|| stop.requested(), &mut sink);
    let outcome = outcome.map_err(|error| match error {
        StreamError::Outside(error) => error,
        StreamError::Engine(error) => error.into(),
    })?;
    report.seconds = as_seconds(outcome.nanoseconds);
    report.most_texts_held = outcome.most_texts;
    report.cache_hit_share = cache.map(|cache| cache::lock(&cache).statistics().hit_share());
    report.interrupted = outcome.stopped;
    if outcome.halved > 0 {
        report.notes.push(format!(
            "memory was short: {} batches were embedded in halves; give a smaller --batch",
            units::count(outcome.halved)
        ));
    }
    if !report.interrupted {
        if let Some(traced) = traced {
            report.notes.extend(traced.finish()?);
        }
        output.finish(report.texts, dimensions, request.output_precision)?;
    }
    Ok(report)
}

/// What is written must not be what is read, nor two things be written to one place.
fn check_places(request: &EmbedFile) -> anyhow::Result<()> {
    let places = [
        ("--input", Some(Path::new(&request.input))),
        ("--output", Some(Path::new(&request.output))),
        ("--trace", request.trace.as_deref()),
    ];
    let places = places.map(|(flag, path)| (flag, path.and_then(file_place)));
    for (i, (flag, place)) in places.iter().enumerate() {
        let same = places[..i].iter().find(|(_, other)| place.is_some() && other == place);
        if let Some((other, _)) = same {
            anyhow::bail!("{other} and {flag} name the same file; give {flag} another");
        }
    }
    Ok(())
}

/// Where a path leads to; `None` for a pipe or a device, of which several may be used in one way or another.
fn file_place(path: &Path) -> Option<PathBuf> {
    if path == Path::new("-") || path.metadata().is_ok_and(|facts| !facts.is_file()) {
        return None;
    }
    let absent = || {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(absent)
}

/// Engines that take a window of texts and cut it into batches of like length, where that is asked for and can matter. As many
/// texts may wait as without, or one window.
fn bucketed(request: &EmbedFile, engines: Vec<Box<dyn Engine>>) -> (Streaming, Vec<Box<dyn Engine>>) {
    let plain = request.streaming;
    if request.order == Order::AsItComes || request.adaptive.is_some() || plain.batch == NonZeroUsize::MIN {
        return (plain, engines);
    }
    let batch = window(plain.batch);
    let waiting = plain.batch.saturating_mul(plain.buffer).get() / batch;
    let buffer = NonZeroUsize::new(waiting).unwrap_or(NonZeroUsize::MIN);
    let wrap = |engine| Box::new(BucketedEngine::new(engine, plain.batch)) as Box<dyn Engine>;
    (Streaming { batch, buffer, ..plain }, engines.into_iter().map(wrap).collect())
}

fn open_input(path: &str) -> anyhow::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if path == "-" {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let file = File::open(path)
        .with_context(|| format!("cannot read {path}; give a file of texts, or - for a pipe"))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {path}"))?;
    anyhow::ensure!(!metadata.is_dir(), "cannot read {path}: it is a folder; give a file of texts");
    Ok((Box::new(BufReader::new(file)), metadata.is_file().then_some(metadata.len())))
}

/// The engines of a stream, and the cache that they share.
struct Opened {
    engines: Vec<Box<dyn Engine>>,
    cache: Option<Arc<Mutex<ResultCache>>>,
}

fn open_engines(request: &EmbedFile, report: &mut FileReport) -> anyhow::Result<Opened> {
    let row = ENGINES.iter().find(|row| row.name == request.engine).with_context(|| {
        let names: Vec<&str> = ENGINES.iter().map(|row| row.name).collect();
        format!("there is no engine {:?}; there is {}", request.engine, names.join(", "))
    })?;
    let model = super::load(&request.model, request.dimensions, request.prompt.as_deref())
        .with_context(|| format!("model {}", request.model))?;
    let model = Arc::new(model);
    report.notes.clone_from(&model.notes);
    // A worker a thread, or one worker with all threads.
    let (workers, threads) = match request.streaming.mode {
        Mode::Parallel => (request.threads.get(), NonZeroUsize::MIN),
        Mode::Sequential | Mode::Timed => (1, request.threads),
    };
    let team = Team::new(threads).context("cannot start the threads")?;
    let level = request.level.row();
    let settings = Settings {
        precision: request.precision,
        tier: request.tier.or_else(|| level.tier(request.precision)),
        cache: match level.packed {
            PackedWeights::Kept => super::packed_folder(),
            PackedWeights::MadeAnew => None,
        },
    };
    let open = || (row.open)(model.clone(), &settings, team.clone());
    let mut first = open()?;
    first.limit_part(level.part_tokens(request.part_tokens));
    if settings.precision != Precision::F32 {
        let (found, kept) = known_agreement(&model, &settings, first.as_mut(), team.clone())?;
        let kept = if kept { ", measured before" } else { "" };
        report.notes.push(format!(
            "{}: cosine to f32 on {} texts of the corpus that ships: minimum {:.5}, mean {:.5}{kept}",
            settings.precision, found.texts, found.minimum, found.mean
        ));
    }
    let mut cache = None;
    if let Some(bytes) = request.cache_bytes {
        let cached = CachedEngine::new(first, bytes);
        cache = Some(cached.cache());
        first = Box::new(cached);
    }
    let mut engines = vec![first];
    while engines.len() < workers {
        let next = match engines[0].another(team.clone()) {
            Some(engine) => engine,
            None => open()?,
        };
        engines.push(next);
    }
    Ok(Opened { engines, cache })
}

/// How well the precision agrees with single precision, and whether that was known from before.
fn known_agreement(
    model: &Arc<Model>,
    settings: &Settings,
    engine: &mut dyn Engine,
    team: Team,
) -> Result<(agreement::Agreement, bool), EngineError> {
    let place = settings
        .cache
        .as_deref()
        .and_then(|folder| agreement::Kept::at(folder, model, engine.id(), settings));
    if let Some(known) = place.as_ref().and_then(agreement::Kept::read) {
        return Ok((known, true));
    }
    let texts = agreement::texts(model, None)?;
    let single = Arc::new(Encoder::pack(model.clone(), settings.tier()?.f32_tier())?);
    let found = agreement::agreement(&mut NativeEngine::new(single, team), engine, &texts)?;
    if let Some(place) = place {
        place.write(&found);
    }
    Ok((found, false))
}

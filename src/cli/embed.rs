//! `perfkit embed`: the pipeline measured stage by stage, or a file embedded for real.

mod file;
pub(super) mod values;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use values::{
    Sequence, Threads, parse_count, parse_engine, parse_engine_file, parse_engine_library, parse_name,
    parse_part_tokens, parse_preset, parse_sequence, parse_threads,
};

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit, output};
use crate::catalog::Extensiveness;
use crate::document::{Document, Extent, Outcome, Shape};
use crate::engines::adaptive::Limits;
use crate::engines::presets::{self, Level, Preset, ThreadShare};
use crate::engines::quantized::OutputPrecision;
use crate::engines::stream::{Mode, Streaming};
use crate::engines::{ModelSource, Order, Precision};
use crate::machine::{Source, detect};
use crate::measure::Plan;
use crate::render;
use crate::session::embed::{
    Beside, EmbedPlan, EngineFile, PeerPlan, WorkerTask, engine_benchmark, identity_line, measure,
    work as do_work,
};
use crate::session::settings::{EmbedDefaults, load_here};
use crate::session::{Beginning, Recorder, random_seed};
use crate::simd::Tier;
use crate::units;

/// Run the embedding pipeline and time its stages, or embed a file
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(super) struct Args {
    /// builtin:tiny, builtin:minilm-l6, builtin:minilm-l12, builtin:bert-base, builtin:bert-large, a
    /// sentence-transformers folder, or a hub id such as org/name
    #[arg(long, value_name = "MODEL", default_value = "builtin:minilm-l6", value_parser = parse_name::<ModelSource>)]
    model: ModelSource,
    /// Engines, or `all`: native, onnxruntime, openvino, candle, rten; others take turns with native, which is measured in
    /// any case
    #[arg(long = "engine", value_name = "ENGINE", value_delimiter = ',', default_value = "native", value_parser = parse_engine)]
    engines: Vec<String>,
    /// A file for an engine to read in place of the one that perfkit writes: ENGINE=FILE, or ENGINE:PRECISION=FILE
    #[arg(long = "engine-file", value_name = "ENGINE=FILE", value_parser = parse_engine_file, conflicts_with = "input")]
    engine_files: Vec<EngineFile>,
    /// The shared library of an engine, where it is not found: ENGINE=FILE
    #[arg(long = "engine-library", value_name = "ENGINE=FILE", value_parser = parse_engine_library, conflicts_with = "input")]
    engine_libraries: Vec<(String, PathBuf)>,
    /// Precisions of the matrix products, several for a sweep: f32, bf16, f16 (weights), int8
    /// [default: the preset's, else that of `[embed]` in perfkit.toml, else f32]
    #[arg(long = "precision", value_name = "PRECISION", value_delimiter = ',', value_parser = parse_name::<Precision>)]
    precisions: Vec<Precision>,
    /// Keep only the first N numbers of each vector, as Matryoshka models allow
    #[arg(long, value_name = "N", value_parser = parse_count)]
    dimensions: Option<NonZeroUsize>,
    /// Put the model's prompt of this name (query, passage, ...) in front of every text
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// Texts of a batch, several for a sweep (with --input: of each batch of the file, 32 unless told)
    #[arg(long = "batch", value_name = "N", value_delimiter = ',', value_parser = parse_count)]
    batches: Vec<NonZeroUsize>,
    /// Tokens of a text, or `mixed` for texts of the corpus as they come; several for a sweep
    #[arg(long = "sequence", value_name = "N", value_delimiter = ',', value_parser = parse_sequence)]
    sequences: Vec<Sequence>,
    /// Number of threads, or `all` [default: the preset's, else that of `[embed]` in perfkit.toml, else 1]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<Threads>,
    /// What matters most: latency, throughput or memory; --help lists what each sets, and flags win over it
    #[arg(long, value_name = "PRESET", value_parser = parse_preset)]
    preset: Option<&'static Preset>,
    /// What the engine does for speed: none, basic or aggressive; --help lists what each switches
    /// [default: that of `[embed]` in perfkit.toml, else aggressive]
    #[arg(long, visible_alias = "optimisation", value_name = "LEVEL", value_parser = parse_name::<Level>)]
    optimization: Option<Level>,
    /// Tokens that go through the layers together: fewer take less memory
    /// [default: the preset's, else that of `[embed]` in perfkit.toml, else the level's]
    #[arg(long = "part-tokens", value_name = "N", value_parser = parse_part_tokens)]
    part_tokens: Option<NonZeroUsize>,
    /// With --input: `length` puts texts of like length into a batch, `none` takes them as they come; vectors keep their order
    /// [default: that of `[embed]` in perfkit.toml, else none]
    #[arg(long, value_name = "ORDER", requires = "input", conflicts_with = "adaptive", value_parser = parse_name::<Order>)]
    bucketing: Option<Order>,
    /// What vectors are kept in: f32, int8 (a scale a vector), binary (a bit a number); measuring tells the recall of each
    #[arg(long = "output-precision", value_name = "PRECISION", value_delimiter = ',', value_parser = parse_name::<OutputPrecision>)]
    output_precisions: Vec<OutputPrecision>,
    /// With --input: sequential (in order), parallel (as they are done, a worker a thread), timed (in order, no text waits
    /// longer than --max-wait) [default: sequential, or the preset's]
    #[arg(long, value_name = "MODE", requires = "input", value_parser = parse_name::<Mode>)]
    stream: Option<Mode>,
    /// With --input: batches that may wait beside those worked on [default: 4, or the preset's]
    #[arg(long, value_name = "N", requires = "input", value_parser = parse_count)]
    buffer: Option<NonZeroUsize>,
    /// With --stream timed: milliseconds that a text waits for others at most [default: 50, or the preset's]
    #[arg(long = "max-wait", value_name = "MS", requires = "input", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    max_wait: Option<u64>,
    /// With --input: keep vectors of texts within so many bytes, such as 64MiB, for when a text comes again
    #[arg(long, value_name = "SIZE", requires = "input", value_parser = units::parse_bytes)]
    cache: Option<u64>,
    /// Write what ran when to this file, for Chrome's or Perfetto's trace viewer: batches beside the timed ones, or all of
    /// --input, up to 400 000 events
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Use this instruction tier
    #[arg(long, value_name = "TIER")]
    tier: Option<Tier>,
    /// Take the texts from this file, one a line, instead of the corpus that ships
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    corpus: Option<PathBuf>,
    /// Embed this file: a text a line, or JSON lines {"text": ...}; `-` is stdin
    #[arg(long, value_name = "FILE", requires = "output")]
    input: Option<String>,
    /// Where the embeddings go: .npy, or JSON lines {"index", "embedding"}; `-` is stdout
    #[arg(long, value_name = "FILE", requires = "input")]
    output: Option<String>,
    /// With --input: batches as large as --max-latency and --max-memory allow, whatever the load
    #[arg(long, requires = "input", requires = "max_latency", conflicts_with = "batches")]
    adaptive: bool,
    /// Milliseconds that a batch may take: 19 of 20 take no longer
    #[arg(long, value_name = "MS", requires = "adaptive", value_parser = super::limits::parse_milliseconds)]
    max_latency: Option<f64>,
    /// Memory that the process may have, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", requires = "adaptive", value_parser = super::limits::parse_size)]
    max_memory: Option<u64>,
    /// Few batches, short samples
    #[arg(long, conflicts_with_all = ["full", "input"])]
    quick: bool,
    /// Many batches, long samples
    #[arg(long, conflicts_with = "input")]
    full: bool,
    /// Also write the document to this file
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    out: Option<PathBuf>,
}

/// Texts of the largest batch that `--adaptive` makes.
const MOST_ADAPTIVE: usize = 4096;

/// Examples, and the tables of presets and levels.
fn help() -> String {
    const EXAMPLES: &str = "Examples:\n  perfkit embed                                     the built-in model, usual batches\n  perfkit embed --model ./all-MiniLM-L6-v2 --batch 1,8,32 --sequence 16,64,mixed\n  perfkit embed --model ./all-MiniLM-L6-v2 --precision f32,bf16,int8\n  perfkit embed --model ./all-MiniLM-L6-v2 --engine all\n  perfkit embed --model org/name --input texts.txt --output vectors.npy\n  cat texts.jsonl | perfkit embed --model ./model --input - --output -\n  perfkit embed --model ./model --preset latency --input - --output -\n  perfkit embed --model ./model --output-precision int8,binary --batch 32 --sequence mixed";
    format!("{EXAMPLES}\n\n{}", presets::listed())
}

impl Args {
    fn sampling(&self) -> (Extensiveness, Plan) {
        if self.quick {
            (Extensiveness::Quick, Plan::QUICK.with_budget(0.4))
        } else if self.full {
            (Extensiveness::Full, Plan::FULL.with_budget(4.0))
        } else {
            (Extensiveness::Default, Plan::DEFAULT.with_budget(1.5))
        }
    }

    /// Every batch size with every length; a list that was not given has one usual value.
    fn shapes(&self, settings: &EmbedDefaults) -> Vec<Shape> {
        if self.batches.is_empty() && self.sequences.is_empty() && self.preset.is_none() {
            return Vec::new();
        }
        let batches = if self.batches.is_empty() {
            vec![self.usual_batch(settings).get()]
        } else {
            self.batches.iter().map(|n| n.get()).collect()
        };
        let sequences = if self.sequences.is_empty() { vec![Extent::Mixed] } else { self.sequences.clone() };
        let shape = |&batch: &usize| {
            let with = |&sequence: &Extent| Shape(vec![Extent::Count(batch), sequence]);
            sequences.iter().map(with).collect::<Vec<_>>()
        };
        batches.iter().flat_map(shape).collect()
    }

    /// The engines of others that stand beside ours.
    fn peers(&self) -> PeerPlan {
        let known = PeerPlan::all();
        let wanted = |name: &String| self.engines.iter().any(|engine| engine == "all" || engine == name);
        PeerPlan {
            engines: known.into_iter().filter(wanted).collect(),
            files: self.engine_files.clone(),
            libraries: self.engine_libraries.clone(),
        }
    }

    /// What the flags say, else the preset, else what `[embed]` of the settings file says.
    fn precisions(&self, settings: &EmbedDefaults) -> Vec<Precision> {
        if self.precisions.is_empty() {
            let preset = |preset: Option<&Preset>| preset.and_then(|preset| preset.precision);
            let found = preset(self.preset).or(settings.precision).or(preset(settings.preset));
            vec![found.unwrap_or(Precision::F32)]
        } else {
            self.precisions.clone()
        }
    }

    /// As many as are asked for, and never more than there are CPUs for: threads that take turns on one are slower than it
    /// alone. A note says where that makes fewer.
    fn threads(&self, effective: usize, settings: &EmbedDefaults) -> (NonZeroUsize, Option<String>) {
        let all = NonZeroUsize::new(effective).unwrap_or(NonZeroUsize::MIN);
        let share = |preset: &Preset| match preset.threads {
            ThreadShare::One => NonZeroUsize::MIN,
            ThreadShare::All => all,
        };
        let asked = match self.threads {
            Some(Threads::Count(count)) => count,
            Some(Threads::All) => all,
            None => {
                let found = self.preset.map(share).or(settings.threads).or(settings.preset.map(share));
                found.unwrap_or(NonZeroUsize::MIN)
            }
        };
        let note = (asked > all).then(|| {
            let whose = if self.threads.is_some() { "--threads" } else { "threads in perfkit.toml" };
            format!("{whose} {asked}: this process may use {all} CPUs, so that {all} threads are taken")
        });
        (asked.min(all), note)
    }

    fn adaptive_limits(&self) -> Option<Limits> {
        self.max_latency.map(|seconds| Limits {
            seconds,
            memory_bytes: self.max_memory,
            most: NonZeroUsize::MIN.saturating_add(MOST_ADAPTIVE - 1),
        })
    }

    /// Texts of a batch where the command names none.
    fn usual_batch(&self, settings: &EmbedDefaults) -> NonZeroUsize {
        let preset = |preset: Option<&Preset>| preset.map(|preset| preset.batch);
        let found = preset(self.preset).or(settings.batch).or(preset(settings.preset));
        found.unwrap_or(NonZeroUsize::MIN.saturating_add(31))
    }

    fn part_tokens(&self, settings: &EmbedDefaults) -> Option<NonZeroUsize> {
        let preset = |preset: Option<&Preset>| preset.map(|preset| preset.part_tokens);
        self.part_tokens.or(preset(self.preset)).or(settings.part_tokens).or(preset(settings.preset))
    }

    fn level(&self, settings: &EmbedDefaults) -> Level {
        self.optimization.or(settings.level).unwrap_or_default()
    }

    fn streaming(&self, batch: NonZeroUsize, settings: &EmbedDefaults) -> anyhow::Result<Streaming> {
        let preset = self.preset.or(settings.preset);
        let mode = self.stream.or_else(|| preset.map(|preset| preset.stream)).unwrap_or_default();
        anyhow::ensure!(
            self.max_wait.is_none() || mode == Mode::Timed,
            "--max-wait is of --stream timed; --stream {mode} waits for a full batch"
        );
        let usual = NonZeroUsize::MIN.saturating_add(3);
        let buffer = self.buffer.or_else(|| preset.map(|preset| preset.buffer)).unwrap_or(usual);
        let max_wait = self.max_wait.or_else(|| preset.map(|preset| preset.max_wait_milliseconds));
        Ok(Streaming { mode, batch, buffer, max_wait: max_wait.unwrap_or(50) * 1_000_000 })
    }

    /// What the preset and the level set, where the user or the settings file asked for either.
    fn settings_notes(&self, settings: &EmbedDefaults) -> Vec<String> {
        let preset = self.preset.map(|preset| format!("preset {}: {}", preset.name, preset.settings()));
        let of_file = || settings.preset.map(|preset| format!("preset {} of perfkit.toml", preset.name));
        let preset = preset.or_else(of_file);
        let level = self.level(settings);
        let level =
            (level != Level::default()).then(|| format!("optimization {level}: {}", level.row().about));
        preset.into_iter().chain(level).collect()
    }

    fn check_tier(&self) -> anyhow::Result<()> {
        let absent = self.tier.filter(|tier| !tier.is_available());
        absent.map_or(Ok(()), |tier| Err(crate::simd::TierUnavailable(tier).into()))
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    args.check_tier()?;
    match (&args.input, &args.output) {
        (Some(input), Some(output)) => file::run(args, input, output, context),
        _ => measure_all(args, context),
    }
}

fn measure_all(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let machine = detect(Source::Live);
    let effective = machine.limits.effective_cpus;
    let (extensiveness, sampling) = args.sampling();
    let settings = load_here()?.embed;
    let (threads, crowded) = args.threads(effective, &settings);
    crowded.iter().for_each(|note| context.note(note));
    let seed = random_seed();
    let plan = EmbedPlan {
        precisions: args.precisions(&settings),
        beside: Beside {
            level: args.level(&settings),
            part_tokens: args.part_tokens(&settings),
            output_precisions: args.output_precisions.clone(),
            trace: args.trace.clone(),
            notes: args.settings_notes(&settings),
        },
        dimensions: args.dimensions,
        prompt: args.prompt.clone(),
        tier: args.tier,
        shapes: args.shapes(&settings),
        extensiveness,
        threads,
        corpus: args.corpus.clone(),
        peers: args.peers(),
        sampling,
        seed,
        ..EmbedPlan::new(args.model.clone())
    };
    let plan = plan.with_own_worker();
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let shared = Arc::new(machine.clone());
    let beginning = Beginning {
        command: format!("embed {}", args.model.name()),
        suite: None,
        seed,
        journal: args.out.clone(),
    };
    let outcomes = measure(&plan, &shared, &mut progress, &stop);
    progress.finish();
    let mut silent = crate::session::Silent;
    let mut recorder = Recorder::new(machine, beginning, effective, &stop, &mut silent);
    for outcome in outcomes? {
        recorder.add(outcome)?;
    }
    let document = recorder.finish()?;
    print(&document, context)?;
    if stop.requested() {
        return Ok(Exit::Interrupted);
    }
    let failed = document.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
    Ok(if failed { Exit::Usage } else { Exit::Fine })
}

fn print(document: &Document, context: &mut Context<'_>) -> anyhow::Result<()> {
    if context.json {
        let text = serde_json::to_string_pretty(&render::json::with_derived(document)?)?;
        writeln!(context.out, "{text}")?;
        return Ok(());
    }
    let text = render::terminal::pipeline(document, context.color, output::width());
    write!(context.out, "{text}")?;
    for outcome in &document.outcomes {
        match outcome {
            Outcome::Measured(_) => {}
            Outcome::Skipped(omission) => {
                writeln!(context.out, "skipped: {}: {}", omission.case, omission.why)?
            }
            Outcome::Failed(omission) => {
                writeln!(context.out, "failed: {}: {}", omission.case, omission.why)?
            }
        }
    }
    Ok(())
}

/// Arguments of the hidden worker process.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerArgs {
    /// The task, as JSON
    task: String,
}

/// Does the worker's one thing.
pub(super) fn work(args: &WorkerArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let task: WorkerTask = serde_json::from_str(&args.task)?;
    serde_json::to_writer(&mut *context.out, &do_work(&task)?)?;
    Ok(Exit::Fine)
}

/// Arguments of the hidden process that runs an engine.
#[derive(Debug, clap::Args)]
pub(super) struct EngineArgs {
    /// The task, as JSON
    task: String,
    /// `__worker` to serve the engine; without, it is identified
    serve: Option<String>,
}

/// Identifies or serves an engine.
pub(super) fn engine(args: &EngineArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let task: WorkerTask = serde_json::from_str(&args.task)?;
    if args.serve.is_none() {
        writeln!(context.out, "{}", identity_line(&task)?)?;
        return Ok(Exit::Fine);
    }
    let benchmark = engine_benchmark(&task)?;
    Ok(super::worker::serve(env!("CARGO_PKG_NAME"), &[&benchmark], crate::document::Machine::default()))
}

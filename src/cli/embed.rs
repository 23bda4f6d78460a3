//! `perfkit embed`: the pipeline measured stage by stage, or a file embedded for real.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit, output};
use crate::catalog::Extensiveness;
use crate::document::{Document, Extent, Outcome, Shape};
use crate::engines::adaptive::Limits;
use crate::engines::{ENGINES, ModelSource, Precision};
use crate::machine::{Source, detect};
use crate::measure::Plan;
use crate::render;
use crate::session::embed::{
    EmbedFile, EmbedPlan, FileReport, WorkerTask, embed_file, measure, work as do_work,
};
use crate::session::settings::{EmbedDefaults, load_here};
use crate::session::{Beginning, Recorder, random_seed};
use crate::simd::Tier;
use crate::units;

/// Run the embedding pipeline and time its stages, or embed a file
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit embed                                     the built-in model, usual batches\n  perfkit embed --model ./all-MiniLM-L6-v2 --batch 1,8,32 --sequence 16,64,mixed\n  perfkit embed --model ./all-MiniLM-L6-v2 --precision f32,bf16,int8\n  perfkit embed --model org/name --input texts.txt --output vectors.npy\n  cat texts.jsonl | perfkit embed --model ./model --input - --output -"
)]
pub(super) struct Args {
    /// builtin:tiny, builtin:minilm-l6, builtin:minilm-l12, builtin:bert-base, builtin:bert-large, a
    /// sentence-transformers folder, or a hub id such as org/name
    #[arg(long, value_name = "MODEL", default_value = "builtin:minilm-l6", value_parser = parse_model)]
    model: ModelSource,
    /// Engines, or `all`
    #[arg(long = "engine", value_name = "ENGINE", value_delimiter = ',', default_value = "native", value_parser = parse_engine)]
    engines: Vec<String>,
    /// Precisions of the matrix products, several for a sweep: f32, bf16, f16 (weights), int8
    /// [default: that of `[embed]` in perfkit.toml, else f32]
    #[arg(long = "precision", value_name = "PRECISION", value_delimiter = ',', value_parser = parse_precision)]
    precisions: Vec<Precision>,
    /// Keep only the first N numbers of each vector, as Matryoshka models allow
    #[arg(long, value_name = "N")]
    dimensions: Option<NonZeroUsize>,
    /// Put the model's prompt of this name (query, passage, ...) in front of every text
    #[arg(long, value_name = "NAME")]
    prompt: Option<String>,
    /// Texts of a batch, several for a sweep (with --input: of each batch of the file, 32 unless told)
    #[arg(long = "batch", value_name = "N", value_delimiter = ',')]
    batches: Vec<NonZeroUsize>,
    /// Tokens of a text, or `mixed` for texts of the corpus as they come; several for a sweep
    #[arg(long = "sequence", value_name = "N", value_delimiter = ',', value_parser = parse_sequence)]
    sequences: Vec<Sequence>,
    /// Number of threads, or `all` [default: that of `[embed]` in perfkit.toml, else 1]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<Threads>,
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

/// `--sequence`.
type Sequence = Extent;

/// `--threads`.
#[derive(Debug, Clone, Copy)]
enum Threads {
    Count(NonZeroUsize),
    All,
}

pub(super) fn parse_model(text: &str) -> Result<ModelSource, String> {
    text.parse().map_err(|e: crate::engines::EngineError| e.to_string())
}

pub(super) fn parse_precision(text: &str) -> Result<Precision, String> {
    text.parse().map_err(|e: crate::engines::EngineError| e.to_string())
}

fn parse_engine(text: &str) -> Result<String, String> {
    if text == "all" || ENGINES.iter().any(|row| row.name == text) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = ENGINES.iter().map(|row| row.name).collect();
    Err(format!("there is {} and all", names.join(", ")))
}

fn parse_sequence(text: &str) -> Result<Sequence, String> {
    match text {
        "mixed" => Ok(Extent::Mixed),
        number => number.parse().map(Extent::Count).map_err(|_| "a number of tokens, or mixed".to_owned()),
    }
}

fn parse_threads(text: &str) -> Result<Threads, String> {
    match text {
        "all" => Ok(Threads::All),
        number => match number.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= 4096 => Ok(Threads::Count(count)),
            _ => Err("a number from 1 to 4096, or all".to_owned()),
        },
    }
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
    fn shapes(&self) -> Vec<Shape> {
        if self.batches.is_empty() && self.sequences.is_empty() {
            return Vec::new();
        }
        let batches =
            if self.batches.is_empty() { vec![32] } else { self.batches.iter().map(|n| n.get()).collect() };
        let sequences = if self.sequences.is_empty() { vec![Extent::Mixed] } else { self.sequences.clone() };
        let shape = |&batch: &usize| {
            let with = |&sequence: &Extent| Shape(vec![Extent::Count(batch), sequence]);
            sequences.iter().map(with).collect::<Vec<_>>()
        };
        batches.iter().flat_map(shape).collect()
    }

    /// What the flags say, else what `[embed]` of the settings file says.
    fn precisions(&self, settings: &EmbedDefaults) -> Vec<Precision> {
        if self.precisions.is_empty() {
            vec![settings.precision.unwrap_or(Precision::F32)]
        } else {
            self.precisions.clone()
        }
    }

    fn threads(&self, effective: usize, settings: &EmbedDefaults) -> NonZeroUsize {
        match self.threads {
            None => settings.threads.unwrap_or(NonZeroUsize::MIN),
            Some(Threads::Count(count)) => count,
            Some(Threads::All) => NonZeroUsize::new(effective).unwrap_or(NonZeroUsize::MIN),
        }
    }

    fn adaptive_limits(&self) -> Option<Limits> {
        self.max_latency.map(|seconds| Limits {
            seconds,
            memory_bytes: self.max_memory,
            most: NonZeroUsize::MIN.saturating_add(MOST_ADAPTIVE - 1),
        })
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
        (Some(input), Some(output)) => embed(args, input, output, context),
        _ => measure_all(args, context),
    }
}

fn measure_all(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let machine = detect(Source::Live);
    let effective = machine.limits.effective_cpus;
    let (extensiveness, sampling) = args.sampling();
    let settings = load_here()?.embed;
    let seed = random_seed();
    let plan = EmbedPlan {
        precisions: args.precisions(&settings),
        dimensions: args.dimensions,
        prompt: args.prompt.clone(),
        tier: args.tier,
        shapes: args.shapes(),
        extensiveness,
        threads: args.threads(effective, &settings),
        corpus: args.corpus.clone(),
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

fn embed(args: &Args, input: &str, output: &str, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        !(context.json && output == "-"),
        "--json prints one document and --output - prints the embeddings: choose one of them for stdout"
    );
    let settings = load_here()?.embed;
    let batch = match args.batches.as_slice() {
        [] => settings.batch.unwrap_or(NonZeroUsize::MIN.saturating_add(31)),
        [batch] => *batch,
        _ => anyhow::bail!("--input takes one --batch"),
    };
    let [precision] = args.precisions(&settings)[..] else { anyhow::bail!("--input takes one --precision") };
    let engine = args.engines.iter().find(|name| *name != "all").map_or(ENGINES[0].name, String::as_str);
    let effective = detect(Source::Live).limits.effective_cpus;
    let request = EmbedFile {
        model: args.model.clone(),
        engine: engine.to_owned(),
        precision,
        dimensions: args.dimensions,
        prompt: args.prompt.clone(),
        tier: args.tier,
        threads: args.threads(effective, &settings),
        batch,
        adaptive: args.adaptive_limits(),
        input: input.to_owned(),
        output: output.to_owned(),
    };
    let stop = stop_on_interrupt();
    let bar = super::progress::bytes_bar(context);
    let mut progress = |report: &FileReport| {
        if let Some(total) = report.bytes_total {
            bar.set_length(total);
        }
        bar.set_position(report.bytes_read);
        bar.set_message(format!("{} texts", units::count(report.texts)));
    };
    let report = embed_file(&request, &mut *context.out, &mut progress, &stop);
    bar.finish_and_clear();
    let report = report?;
    if let (Some(adapted), Some(limits)) = (&report.adapted, args.adaptive_limits()) {
        context.note(&adapted.sentence(limits));
    }
    finish(&report, output, context)
}

fn finish(report: &FileReport, output: &str, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    for note in &report.notes {
        context.note(note);
    }
    if report.interrupted {
        context.note(&format!(
            "interrupted after {} texts: {output} was not written",
            units::count(report.texts)
        ));
        return Ok(Exit::Interrupted);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts shown with three digits")]
    let rate = |count: u64| count as f64 / report.seconds.max(1e-9);
    if context.json {
        let document = serde_json::json!({
            "schema": "perfkit.embedding/1",
            "texts": report.texts,
            "tokens": report.tokens,
            "seconds": report.seconds,
            "adapted": report.adapted.map(|adapted| serde_json::json!({
                "batches": adapted.batches,
                "batches_in_time": adapted.in_time,
                "smallest_batch": adapted.smallest,
                "largest_batch": adapted.largest,
                "last_batch": adapted.last,
                "batches_beyond_memory": adapted.beyond_memory,
            })),
            "notes": report.notes,
        });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        context.note(&format!(
            "{} texts, {} tokens in {} ({}, {}) to {output}",
            units::count(report.texts),
            units::count(report.tokens),
            units::seconds(report.seconds),
            units::rate(rate(report.texts), "embeddings/s"),
            units::rate(rate(report.tokens), "tokens/s"),
        ));
    }
    Ok(Exit::Fine)
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

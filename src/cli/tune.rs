//! `perfkit tune`: settings searched by measuring.

mod matmul;
mod mol;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context as _;

use super::embed::values::{self, parse_name, parse_part_tokens};
use super::limits::{parse_milliseconds, parse_size};
use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::document::{Tuning, TuningLimits, write_atomically};
use crate::engines::presets::{LEVELS, Level, LevelRow, PRESETS, Preset, ThreadShare};
use crate::engines::{ModelSource, Order, Precision};
use crate::machine::{Source, detect};
use crate::render;
use crate::session::embed::EmbedPlan;
pub(super) use mol::{FootprintArgs, measure_footprint};

use crate::session::settings::{FILE_NAME, load_here, write_embed};
use crate::session::tune::{TunePlan, runs_here, tune};
use crate::session::{Observer, Stop, random_seed};
use crate::simd::Tier;

/// Search the settings that meet constraints
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Embed(Box<EmbedArgs>),
    Mol(Box<mol::MolArgs>),
    Matmul(matmul::MatmulArgs),
}

/// Batch, threads, precision, bucketing and preset for the most texts in a second within limits
///
/// Every combination of what the flags name, and what the presets set, is measured in turn on a corpus; those that are late or
/// behind leave early, and what cannot differ is measured once. The choice goes to `[embed]` of perfkit.toml, which `embed` reads.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit tune embed --model ./all-MiniLM-L6-v2 --max-latency 20\n  perfkit tune embed --model ./all-MiniLM-L6-v2 --max-memory 300MB --min-cosine 0.999 --dry-run\n  perfkit tune embed --corpus texts.txt --batch 1,8,64 --threads 1,2 --svg front.svg\n  perfkit tune embed --max-memory 200MB --preset memory --part-tokens 256,512,1024 --bucketing none"
)]
struct EmbedArgs {
    /// builtin:NAME, a sentence-transformers folder, or a hub id such as org/name
    #[arg(long, value_name = "MODEL", default_value = "builtin:minilm-l6", value_parser = parse_name::<ModelSource>)]
    model: ModelSource,
    /// Milliseconds that 19 of 20 batches may take
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    max_latency: Option<f64>,
    /// Peak memory of the process, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<u64>,
    /// Cosine to f32 that no text of the corpus falls below
    #[arg(long, value_name = "COSINE", value_parser = parse_cosine)]
    min_cosine: Option<f64>,
    /// Precisions to search [default: all that run here]
    #[arg(long = "precision", value_name = "PRECISION", value_delimiter = ',', value_parser = parse_name::<Precision>)]
    precisions: Vec<Precision>,
    /// Sizes of batches to search [default: 1,4,16,64]
    #[arg(long = "batch", value_name = "N", value_delimiter = ',', value_parser = parse_batch)]
    batches: Vec<NonZeroUsize>,
    /// Counts of threads to search [default: 1, 2, 4, ... and all]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = parse_threads)]
    threads: Vec<NonZeroUsize>,
    /// Orders of texts to search: `none` takes them as they come, `length` puts those of like length into a batch
    #[arg(long = "bucketing", value_name = "ORDER", value_delimiter = ',', default_value = "none,length", value_parser = parse_name::<Order>)]
    orders: Vec<Order>,
    /// Presets whose settings join the search, or `none` [default: all that no flag here rules out]
    #[arg(long = "preset", value_name = "PRESET", value_delimiter = ',', value_parser = parse_preset)]
    presets: Vec<PresetName>,
    /// Sizes of the parts to search in which a batch goes through the layers, in tokens: smaller ones take less memory
    /// [default: those of the level]
    #[arg(long = "part-tokens", value_name = "N", value_delimiter = ',', value_parser = parse_part_tokens)]
    parts: Vec<NonZeroUsize>,
    /// Levels of work on speed to search; a lower one gives the same vectors later
    #[arg(long = "optimization", visible_alias = "optimisation", value_name = "LEVEL", value_delimiter = ',', default_value = "aggressive", value_parser = parse_name::<Level>)]
    levels: Vec<Level>,
    /// Take the texts from this file, one a line, instead of the corpus that ships
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// The race between settings ends after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    time: f64,
    /// No setting leaves early: each has so many rounds, however long that takes
    #[arg(long, value_name = "ROUNDS", conflicts_with = "time", value_parser = clap::value_parser!(u16).range(1..))]
    exhaustive: Option<u16>,
    #[command(flatten)]
    drawing: Drawing,
    /// Do not write the choice to perfkit.toml
    #[arg(long)]
    dry_run: bool,
}

/// Where the chart goes.
#[derive(Debug, clap::Args)]
struct Drawing {
    /// Draw throughput over latency to this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw it to this PNG file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

/// `--preset` of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PresetName {
    None,
    Named(&'static Preset),
}

fn parse_preset(text: &str) -> Result<PresetName, String> {
    if text == "none" { Ok(PresetName::None) } else { values::parse_preset(text).map(PresetName::Named) }
}

fn parse_cosine(text: &str) -> Result<f64, String> {
    let wanted = || "a cosine from 0 to 1, such as 0.999".to_owned();
    text.parse().ok().filter(|cosine| (0.0..=1.0).contains(cosine)).ok_or_else(wanted)
}

fn parse_batch(text: &str) -> Result<NonZeroUsize, String> {
    let wanted = || "a number from 1 to 4096".to_owned();
    text.parse().ok().filter(|count: &NonZeroUsize| count.get() <= 4096).ok_or_else(wanted)
}

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    parse_batch(text)
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let wanted = || "seconds from 1 to 3600".to_owned();
    text.parse().ok().filter(|seconds| (1.0..=3600.0).contains(seconds)).ok_or_else(wanted)
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    match &args.what {
        What::Embed(args) => run_embed(args, context),
        What::Mol(args) => mol::run(args, context),
        What::Matmul(args) => matmul::run(args, context),
    }
}

fn run_embed(args: &EmbedArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let machine = detect(Source::Live);
    let plan = args.plan(machine.limits.effective_cpus);
    let search = |observer: &mut dyn Observer, stop: &Stop| tune(&plan, &machine, observer, stop);
    let tuning = finish(search, &args.drawing, context)?;
    if tuning.interrupted {
        return Ok(Exit::Interrupted);
    }
    let Some(choice) = &tuning.choice else {
        context.note("no setting is shown to meet the limits: loosen one, or search other batches");
        return Ok(Exit::Inconclusive);
    };
    if !args.dry_run && !cfg!(debug_assertions) {
        let path = load_here()?.path.unwrap_or_else(|| PathBuf::from(FILE_NAME));
        write_embed(&path, &choice.settings)?;
        context.note(&format!("[embed] of {} has the choice now", path.display()));
    }
    Ok(Exit::Fine)
}

/// Searches, with the progress on standard error; draws and prints what was found.
fn finish(
    search: impl FnOnce(&mut dyn Observer, &Stop) -> anyhow::Result<Tuning>,
    drawing: &Drawing,
    context: &mut Context<'_>,
) -> anyhow::Result<Tuning> {
    context.warn_if_unoptimised();
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = search(&mut progress, &stop);
    progress.finish();
    let tuning = answer?;
    let figure = render::figure::tuning(&tuning);
    for (path, bytes) in [
        (&drawing.svg, drawing.svg.as_ref().map(|_| figure.to_svg().map(String::into_bytes))),
        (&drawing.png, drawing.png.as_ref().map(|_| figure.to_png())),
    ] {
        if let (Some(path), Some(bytes)) = (path, bytes) {
            write_atomically(path, &bytes?).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(&tuning)?)?;
    } else {
        let width = super::output::width();
        write!(context.out, "{}", render::terminal::tuning(&tuning, context.color, width))?;
    }
    Ok(tuning)
}

impl EmbedArgs {
    fn plan(&self, effective: usize) -> TunePlan {
        let precisions = if self.precisions.is_empty() {
            Precision::all().filter(|precision| runs_here(*precision, None::<Tier>)).collect()
        } else {
            self.precisions.clone()
        };
        let embed = EmbedPlan {
            precisions,
            corpus: self.corpus.clone(),
            seed: random_seed(),
            ..EmbedPlan::new(self.model.clone())
        };
        TunePlan {
            embed: embed.with_own_worker(),
            batches: if self.batches.is_empty() { usual_batches() } else { self.batches.clone() },
            threads: if self.threads.is_empty() { usual_threads(effective) } else { self.threads.clone() },
            orders: self.orders.clone(),
            levels: self.levels(),
            parts: if self.parts.is_empty() {
                vec![None]
            } else {
                self.parts.iter().copied().map(Some).collect()
            },
            presets: self.presets(effective),
            limits: TuningLimits {
                latency_seconds: self.max_latency,
                memory_bytes: self.max_memory,
                cosine_minimum: self.min_cosine,
            },
            seconds: self.time,
            every_round: self.exhaustive.map(usize::from),
        }
    }
}

impl EmbedArgs {
    /// Each level once, the one that does most first.
    fn levels(&self) -> Vec<Level> {
        let asked = |row: &&LevelRow| self.levels.contains(&row.level);
        LEVELS.iter().rev().filter(asked).map(|row| row.level).collect()
    }

    /// The presets that were named; all that the other flags leave possible, where none was.
    fn presets(&self, effective: usize) -> Vec<&'static Preset> {
        if !self.presets.is_empty() {
            let named = |preset: &&'static Preset| self.presets.contains(&PresetName::Named(preset));
            return PRESETS.iter().filter(named).collect();
        }
        let possible = |preset: &&Preset| {
            let threads = match preset.threads {
                ThreadShare::One => 1,
                ThreadShare::All => effective,
            };
            let precision = preset.precision.is_none_or(|own| allows(&self.precisions, &own));
            precision
                && allows(&self.batches, &preset.batch)
                && (self.threads.is_empty() || self.threads.iter().any(|count| count.get() == threads))
                && allows(&self.parts, &preset.part_tokens)
                && self.orders.contains(&Order::AsItComes)
                && self.levels.contains(&Level::default())
        };
        PRESETS.iter().filter(possible).collect()
    }
}

/// A list that was not given rules nothing out.
fn allows<T: PartialEq>(given: &[T], wanted: &T) -> bool {
    given.is_empty() || given.contains(wanted)
}

fn usual_batches() -> Vec<NonZeroUsize> {
    [1, 4, 16, 64].into_iter().filter_map(NonZeroUsize::new).collect()
}

/// Powers of two below all, and all.
fn usual_threads(effective: usize) -> Vec<NonZeroUsize> {
    let powers = (0..usize::BITS).map(|power| 1_usize << power).take_while(|count| *count < effective);
    powers.chain([effective.max(1)]).filter_map(NonZeroUsize::new).collect()
}

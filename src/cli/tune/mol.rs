//! `perfkit tune mol`.

use std::path::PathBuf;

use super::super::limits::{parse_milliseconds, parse_size};
use super::super::{Context, Exit};
use super::{Drawing, finish, parse_seconds};
use crate::document::TuningLimits;
use crate::machine::{Source, detect};
use crate::session::random_seed;
use crate::session::tune::mol::{FootprintTask, MolPlan, QualitySource, footprint, tune_mol};

/// Sizes of a mixture of logits for the most queries in a second within limits
///
/// Every configuration is measured with the fused kernel on one thread, in turn with the others and with a dot product. Its
/// quality comes from a table (--quality) or is measured of vectors (--vectors); where there is neither it is not measured.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit tune mol --items 10000 --max-latency 20\n  perfkit tune mol --pq 4,8 --px 2,4,8 --d 32,64 --vectors embeddings.npy --min-quality 0.9\n  perfkit tune mol --quality quality.csv --min-quality 0.8 --max-memory 64MB --svg front.svg --json\n\nquality.csv has a line `query_components,item_components,width,gate_hidden,quality` (or pq,px,d; gate_hidden may be left\nout) and a line a configuration; a JSON list of such objects is read too. Vectors are what `embed --output` writes."
)]
pub(super) struct MolArgs {
    /// Components of a query to search
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "4,8", value_parser = size)]
    pq: Vec<usize>,
    /// Components of an item to search
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "4,8", value_parser = size)]
    px: Vec<usize>,
    /// Widths of a component to search
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "32,64", value_parser = size)]
    d: Vec<usize>,
    /// Hidden units of the gates' network to search
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "128", value_parser = size)]
    gate_hidden: Vec<usize>,
    /// Queries scored together, to search
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,32", value_parser = size)]
    batch: Vec<usize>,
    /// Items that every query is scored against
    #[arg(long, value_name = "N", default_value = "2000", value_parser = items)]
    items: usize,
    /// Width of the embeddings of the dot product beside them
    #[arg(long, value_name = "N", default_value = "64", value_parser = size)]
    dot: usize,
    /// Milliseconds that 19 of 20 batches may take
    #[arg(long, value_name = "MS", value_parser = parse_milliseconds)]
    max_latency: Option<f64>,
    /// Largest resident size of a process with the items, without the program itself, such as 64MB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<u64>,
    /// Least quality, in whatever the table or the recall says
    #[arg(long, value_name = "QUALITY", value_parser = parse_quality)]
    min_quality: Option<f64>,
    /// Table of qualities, CSV or JSON
    #[arg(long, value_name = "FILE", conflicts_with = "vectors")]
    quality: Option<PathBuf>,
    /// Vectors of which recall is measured, .npy or JSON lines
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Nearest neighbours that the recall is of
    #[arg(long, value_name = "K", default_value = "10", requires = "vectors", value_parser = size)]
    top: usize,
    /// The race between configurations ends after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    time: f64,
    #[command(flatten)]
    drawing: Drawing,
}

fn size(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|size| (1..=4096).contains(size))
        .ok_or_else(|| "a number from 1 to 4096".to_owned())
}

fn items(text: &str) -> Result<usize, String> {
    let wanted = || "a number from 1 to 100000000".to_owned();
    text.parse().ok().filter(|size| (1..=100_000_000).contains(size)).ok_or_else(wanted)
}

fn parse_quality(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|quality: &f64| quality.is_finite()).ok_or_else(|| "a number".to_owned())
}

/// Searches and prints.
pub(super) fn run(args: &MolArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        args.min_quality.is_none() || args.quality.is_some() || args.vectors.is_some(),
        "--min-quality needs a quality: give a table with --quality, or vectors with --vectors"
    );
    let plan = args.plan();
    let machine = detect(Source::Live);
    let search = |observer: &mut dyn crate::session::Observer, stop: &crate::session::Stop| {
        tune_mol(&plan, &machine, observer, stop)
    };
    let tuning = finish(search, &args.drawing, context)?;
    if tuning.interrupted {
        return Ok(Exit::Interrupted);
    }
    if tuning.mol.as_ref().is_none_or(|mol| mol.choice.is_none()) {
        context.note("no configuration is shown to meet the limits: loosen one, or search other sizes");
        return Ok(Exit::Inconclusive);
    }
    Ok(Exit::Fine)
}

impl MolArgs {
    fn plan(&self) -> MolPlan {
        let sorted = |sizes: &[usize]| {
            let mut sizes = sizes.to_vec();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
        };
        MolPlan {
            query_components: sorted(&self.pq),
            item_components: sorted(&self.px),
            widths: sorted(&self.d),
            gate_hidden: sorted(&self.gate_hidden),
            batches: sorted(&self.batch),
            items: self.items,
            dot_width: self.dot,
            limits: TuningLimits {
                latency_seconds: self.max_latency,
                memory_bytes: self.max_memory,
                cosine_minimum: None,
            },
            quality_minimum: self.min_quality,
            quality: match (&self.quality, &self.vectors) {
                (Some(table), _) => QualitySource::Table(table.clone()),
                (None, Some(vectors)) => QualitySource::Vectors(vectors.clone(), self.top),
                (None, None) => QualitySource::Unknown,
            },
            seconds: self.time,
            seed: random_seed(),
            memory_budget: None,
            worker: std::env::current_exe().ok(),
        }
    }
}

/// What a process of its own is asked to do.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FootprintArgs {
    /// The task, as JSON
    task: String,
}

/// Arranges a form, scores with it, and tells what it took.
pub(in crate::cli) fn measure_footprint(
    args: &FootprintArgs,
    context: &mut Context<'_>,
) -> anyhow::Result<Exit> {
    let task: FootprintTask = serde_json::from_str(&args.task)?;
    serde_json::to_writer(&mut *context.out, &footprint(&task)?)?;
    Ok(Exit::Fine)
}

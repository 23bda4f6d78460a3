//! `perfkit run`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::analysis::{budget, recommend};
use crate::document::Document;
use crate::engines::ModelSource;
use crate::machine::{Source, detect};
use crate::render;
use crate::session::run::{Request, run as run_session};
use crate::session::{random_seed, settings};
use crate::units::CpuList;

/// The whole job: detect, ceilings, kernels, embedding, advice, report
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit run --quick                       a report of this machine in about a minute\n  perfkit run --model builtin:bert-base     the default suite with a larger model\n  perfkit run --full --out reports/night    everything, as long as it takes\n\nWrites results.json, report.html and charts to the folder of --out."
)]
pub(super) struct Args {
    /// The suite `quick`: about a minute
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// The suite `full`: as long as it takes
    #[arg(long)]
    full: bool,
    /// The embedding model: builtin:NAME, a folder, or a hub id
    #[arg(long, value_name = "MODEL", default_value = "builtin:minilm-l6")]
    model: ModelSource,
    /// Where the results and the report go
    #[arg(long, value_name = "DIR", default_value = "reports/latest")]
    out: PathBuf,
    /// Run on these CPUs only: 0-3,6
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuList>,
    /// The seed of inputs and order (random without)
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Fail (exit 1) when a budget of perfkit.toml is broken
    #[arg(long)]
    enforce_budgets: bool,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let settings = settings::load_here()?;
    let (name, mode) = match (args.quick, args.full) {
        (true, _) => ("quick", " --quick"),
        (false, true) => ("full", " --full"),
        (false, false) => ("default", ""),
    };
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let request = Request {
        suite: (name.to_owned(), settings.suite(name)?.clone()),
        model: Some(args.model.clone()),
        worker: std::env::current_exe().ok(),
        cpus: args.cpus.clone(),
        seed: args.seed.unwrap_or_else(random_seed),
        command: format!("run{mode}"),
        journal: Some(args.out.join("results.json")),
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = run_session(&request, detect(Source::Live), &stop, &mut progress);
    progress.finish();
    let document = answer?;
    let broken = report(&document, &settings.budgets, &args.out, context)?;
    if stop.requested() {
        context.note(&format!(
            "interrupted; what was measured is in {}",
            args.out.join("results.json").display()
        ));
        return Ok(Exit::Interrupted);
    }
    Ok(if broken && args.enforce_budgets { Exit::Regression } else { Exit::Fine })
}

/// Prints the document and writes its report; answers whether a budget is broken.
fn report(
    document: &Document,
    budgets: &[budget::Budget],
    folder: &Path,
    context: &mut Context<'_>,
) -> anyhow::Result<bool> {
    let budgets = budget::judge(document, budgets);
    let recommendations = recommend::recommend(document);
    let extras = render::page::Extras {
        budgets: &budgets,
        recommendations: &recommendations,
        comparison: None,
        tunings: &[],
    };
    let written = render::report::write_all(document, &extras, folder)
        .with_context(|| format!("cannot write the report to {}", folder.display()))?;
    if context.json {
        let text = serde_json::to_string_pretty(&render::json::with_derived(document)?)?;
        writeln!(context.out, "{text}")?;
    } else {
        let width = super::output::width();
        write!(context.out, "{}", render::terminal::document(document, &extras, context.color, width))?;
        for path in std::iter::once(folder.join("results.json")).chain(written) {
            writeln!(context.out, "wrote {}", path.display())?;
        }
    }
    Ok(budget::any_broken(&budgets))
}

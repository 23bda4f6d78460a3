//! `perfkit bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::json;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::analysis::budget;
use crate::catalog::Extensiveness;
use crate::document::{Case, Document, Origin, Outcome, Shape};
use crate::machine::{Source, detect};
use crate::measure::Plan;
use crate::render;
use crate::session::bench::peers::{Peers, peers};
use crate::session::bench::{Offers, Request, Roofs, Schedule, bench_with, offers, schedule_beside};
use crate::session::regress::pairs;
use crate::session::selection::{Selection, Threads};
use crate::session::{Beginning, random_seed, settings};
use crate::simd::Tier;
use crate::units::CpuList;

/// Measure kernels
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit bench pool                        every pooling kernel, with its roofs\n  perfkit bench 'matmul/*' --shape 512x512x512 --threads all\n  perfkit bench similarity/dot-f32 --tier avx2 --tier avx512\n  perfkit bench --quick --dry-run           what would be measured, and for how long\n  perfkit bench norm --cpus 1 --out norm.json\n  perfkit bench 'matmul/*' --peers          beside OpenBLAS, MKL, oneDNN and others that are here (docs/peers.md)\n  perfkit bench --worker ./mine             the kernels of your own program (docs/worker.md), with their roofs"
)]
pub(super) struct Args {
    /// Globs over case text (`*` also matches `/`), or families, benchmarks, whole cases
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Measure on this instruction tier (repeatable)
    #[arg(long = "tier", value_name = "TIER")]
    tiers: Vec<Tier>,
    /// Measure this implementation (repeatable)
    #[arg(long = "implementation", value_name = "NAME")]
    implementations: Vec<String>,
    /// Measure this shape (repeatable): 128x384
    #[arg(long = "shape", value_name = "SHAPE")]
    shapes: Vec<Shape>,
    /// Number of threads, `all`, or `sweep` for 1, 2, 4, ... all
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<Threads>,
    /// Run on these CPUs only: 0-3,6
    #[arg(long, value_name = "LIST")]
    cpus: Option<CpuList>,
    /// Sample each case for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    time: Option<f64>,
    /// Few shapes, short samples
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Every shape and tier, long samples
    #[arg(long)]
    full: bool,
    /// Measure what this program offers over the worker protocol (repeatable); FILTER narrows it, and adds of the catalog
    #[arg(long = "worker", value_name = "CMD")]
    workers: Vec<String>,
    /// Measure the libraries people use beside ours, those that are here or these: `--peers=openblas,mkl`
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
    peers: Option<Vec<String>>,
    /// Print the cases and the expected time, and measure nothing
    #[arg(long)]
    dry_run: bool,
    /// Also write the document to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The seed of inputs and order (random without)
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Fail (exit 1) when a budget of perfkit.toml is broken
    #[arg(long)]
    enforce_budgets: bool,
}

/// `--threads`.
fn parse_threads(text: &str) -> Result<Threads, String> {
    match text {
        "all" => Ok(Threads::All),
        "sweep" => Ok(Threads::Sweep),
        number => match number.parse::<NonZeroUsize>() {
            Ok(count) if count.get() <= 4096 => Ok(Threads::Count(count)),
            _ => Err("a number from 1 to 4096, all, or sweep".to_owned()),
        },
    }
}

/// `--time`.
fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds between 0.001 and 3600".to_owned()),
    }
}

impl Args {
    fn plan(&self) -> (Extensiveness, Plan) {
        let (extensiveness, plan) = if self.quick {
            (Extensiveness::Quick, Plan::QUICK)
        } else if self.full {
            (Extensiveness::Full, Plan::FULL)
        } else {
            (Extensiveness::Default, Plan::DEFAULT)
        };
        (extensiveness, self.time.map_or(plan.clone(), |seconds| plan.with_budget(seconds)))
    }

    fn command(&self) -> String {
        let mode = if self.quick {
            " --quick"
        } else if self.full {
            " --full"
        } else {
            ""
        };
        // Not which program: a path does not belong in a document.
        let worker = if self.workers.is_empty() { "" } else { " --worker" };
        let peers = if self.peers.is_some() { " --peers" } else { "" };
        format!("bench{mode}{worker}{peers} {}", self.filters.join(" ")).trim_end().to_owned()
    }

    /// What the programs of `--worker` offer.
    fn offers(&self, context: &Context<'_>) -> anyhow::Result<Offers> {
        let program = |text: &String| {
            pairs::program(text)
                .map_err(|_| anyhow::anyhow!("--worker {text:?}: there is no such program here"))
        };
        let offers = offers(&self.workers.iter().map(program).collect::<anyhow::Result<Vec<_>>>()?)?;
        for note in &offers.notes {
            context.note(note);
        }
        for name in offers.unoptimised() {
            context.note(&format!(
                "{name} was built without optimisation: its figures mean nothing; use a release build"
            ));
        }
        Ok(offers)
    }

    /// The libraries of `--peers` that are here.
    fn found_peers(&self, context: &Context<'_>) -> anyhow::Result<Peers> {
        let Some(names) = &self.peers else { return Ok(Peers::default()) };
        let found = peers(names, &std::env::current_exe()?)?;
        for note in found.notes() {
            context.note(&note);
        }
        Ok(found)
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let machine = detect(Source::Live);
    let (extensiveness, plan) = args.plan();
    let offers = args.offers(context)?;
    let peers = args.found_peers(context)?;
    let selection = Selection {
        filters: args.filters.clone(),
        tiers: args.tiers.clone(),
        implementations: args.implementations.clone(),
        shapes: args.shapes.clone(),
        threads: args.threads.unwrap_or(Threads::Usual),
        ..Selection::usual(&machine, extensiveness)
    };
    if args.dry_run {
        return dry_run(
            &schedule_beside(&selection, &offers, &peers, &machine, Roofs::Needed)?,
            &plan,
            context,
        );
    }
    let request = Request {
        selection,
        plan,
        roofs: Roofs::Needed,
        cpus: args.cpus.clone(),
        beginning: Beginning {
            command: args.command(),
            suite: None,
            seed: args.seed.unwrap_or_else(random_seed),
            journal: args.out.clone(),
        },
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = bench_with(&request, &offers, &peers, machine, &stop, &mut progress);
    progress.finish();
    let document = answer?;
    print(&document, context)?;
    if stop.requested() {
        return Ok(Exit::Interrupted);
    }
    let budgets = budget::judge(&document, &settings::load_here()?.budgets);
    Ok(if document.outcomes.iter().any(|o| matches!(o, Outcome::Failed(_))) {
        Exit::Usage
    } else if !offers.unoptimised().is_empty() {
        Exit::Unfit
    } else if args.enforce_budgets && budget::any_broken(&budgets) {
        Exit::Regression
    } else {
        Exit::Fine
    })
}

fn print(document: &Document, context: &mut Context<'_>) -> anyhow::Result<()> {
    if context.json {
        let text = serde_json::to_string_pretty(&render::json::with_derived(document)?)?;
        writeln!(context.out, "{text}")?;
        return Ok(());
    }
    let width = super::output::width();
    write!(context.out, "{}", render::terminal::ceilings(document, context.color, width))?;
    write!(context.out, "{}", render::terminal::kernels(document, context.color, width))?;
    write!(context.out, "{}", render::terminal::predicted(document, context.color, width))?;
    write!(context.out, "{}", render::terminal::peers(document, context.color, width))?;
    omissions(document, context)
}

/// One line for what was skipped, one a case for what failed.
pub(super) fn omissions(document: &Document, context: &mut Context<'_>) -> anyhow::Result<()> {
    let mut skipped = 0;
    for outcome in &document.outcomes {
        match outcome {
            Outcome::Measured(_) => {}
            Outcome::Skipped(omission) if omission.origin != Origin::Perfkit => {
                writeln!(context.out, "skipped: {}: {}", omission.case, omission.why)?;
            }
            Outcome::Skipped(_) => skipped += 1,
            Outcome::Failed(omission) => {
                writeln!(context.out, "failed: {}: {}", omission.case, omission.why)?;
            }
        }
    }
    if skipped > 0 {
        writeln!(
            context.out,
            "{skipped} skipped (tiers that this CPU does not have; `--json` names each with its reason)"
        )?;
    }
    Ok(())
}

fn dry_run(schedule: &Schedule, plan: &Plan, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let seconds = schedule.expected_seconds(plan);
    let offered: Vec<Case> = schedule.offered.iter().map(|offered| offered.case.clone()).collect();
    let contests: Vec<Case> = schedule.contestants().cloned().collect();
    if context.json {
        let text = |cases: &[Case]| cases.iter().map(ToString::to_string).collect::<Vec<_>>();
        let document = json!({
            "schema": "perfkit.schedule/1",
            "ceilings": text(&schedule.ceilings),
            "cases": text(&schedule.cases),
            "worker_cases": text(&offered),
            "peer_cases": text(&contests),
            "skipped": schedule.skipped,
            "expected_seconds": seconds,
        });
        writeln!(context.out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(Exit::Fine);
    }
    for case in schedule.ceilings.iter().chain(&schedule.cases).chain(&contests).chain(&offered) {
        writeln!(context.out, "{case}")?;
    }
    for omission in &schedule.failed {
        writeln!(context.out, "failed: {}: {}", omission.case, omission.why)?;
    }
    for omission in &schedule.skipped {
        writeln!(context.out, "skipped: {}: {}", omission.case, omission.why)?;
    }
    writeln!(
        context.out,
        "{} ceilings (roofs are measured twice) and {} cases, about {}",
        schedule.ceilings.len(),
        schedule.cases.len() + contests.len() + offered.len(),
        crate::units::seconds(seconds)
    )?;
    Ok(Exit::Fine)
}

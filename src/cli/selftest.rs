//! `perfkit selftest`, and the hidden neighbour that disturbs.

use std::path::PathBuf;

use anyhow::Context as _;

use super::progress::{Progress, stop_on_interrupt};
use super::{Context, Exit};
use crate::document::{to_json, write_atomically};
use crate::machine::{Source, detect};
use crate::render;
use crate::session::noise::disturb;
use crate::session::random_seed;
use crate::session::selftest::{SelftestRequest, selftest};

/// How trustworthy measuring is on this host: false alarms, power, timer, noise
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every trial is one call of `perfkit regress` whose right answer is known.

Examples:
  perfkit selftest                         ten trials of each kind, some minutes
  perfkit selftest --aa 100                100 trials a case of this program against itself: every `slower` is false
  perfkit selftest --dial --trials 50      how often slowdowns of 1 to 5 % are found, and how fast
  perfkit selftest --suites 60             suites of 50 unchanged cases: how many have a false alarm
  perfkit selftest --aa 100 --noise --only spin --out selftest.json")]
pub(super) struct Args {
    /// Trials of each case against itself
    #[arg(long, value_name = "N")]
    aa: Option<usize>,
    /// Trials against slower cases
    #[arg(long)]
    dial: bool,
    /// Trials of each slowdown
    #[arg(long, value_name = "N", default_value = "10")]
    trials: usize,
    /// Suites of 50 unchanged cases
    #[arg(long, value_name = "N")]
    suites: Option<usize>,
    /// Cases to try: spin, dram, matmul, embed (repeatable)
    #[arg(long, value_name = "NAME", value_parser = ["spin", "dram", "matmul", "embed"])]
    only: Vec<String>,
    /// Disturb on purpose: two neighbours with bursts of work
    #[arg(long)]
    noise: bool,
    /// Sample each trial for at most so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "20")]
    time: f64,
    /// The seed of every random choice (random without)
    #[arg(long)]
    seed: Option<u64>,
    /// Also write the document to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    fn request(&self) -> anyhow::Result<SelftestRequest> {
        let nothing_asked = self.aa.is_none() && !self.dial && self.suites.is_none();
        Ok(SelftestRequest {
            program: std::env::current_exe().context("cannot tell where this program lies")?,
            aa: self.aa.unwrap_or(if nothing_asked { self.trials } else { 0 }),
            dial: if self.dial || nothing_asked { self.trials } else { 0 },
            suites: self.suites.unwrap_or(0),
            names: self.only.clone(),
            noise: self.noise,
            budget_seconds: self.time,
            seed: self.seed.unwrap_or_else(random_seed),
        })
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    context.warn_if_unoptimised();
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = selftest(&args.request()?, &detect(Source::Live), &stop, &mut progress);
    progress.finish();
    let document = answer?;
    if let Some(path) = &args.out {
        write_atomically(path, to_json(&document)?.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        context.note(&format!("wrote {}", path.display()));
    }
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(&document)?)?;
    } else {
        let text = render::terminal::selftest(&document, context.color, super::output::width());
        context.out.write_all(text.as_bytes())?;
    }
    Ok(if stop.requested() {
        Exit::Interrupted
    } else if !document.optimised {
        Exit::Unfit
    } else {
        Exit::Fine
    })
}

/// Arguments of the neighbour.
#[derive(Debug, clap::Args)]
pub(super) struct NoiseArgs {
    /// The seed of its bursts
    seed: u64,
}

/// Disturbs until it is ended.
pub(super) fn noise(args: &NoiseArgs) -> anyhow::Result<Exit> {
    disturb(args.seed)
}

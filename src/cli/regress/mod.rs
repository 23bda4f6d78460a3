//! `perfkit regress`.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{Context, Exit};
use crate::analysis::compare::{ComparisonReport, Decision, Margin};
use crate::session::import::compare_import;
use crate::session::settings::{Settings, load_here};

mod documents;
mod paired;
mod print;
mod stored;

/// Judge a candidate: is it slower?
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Two builds of your program (it serves the worker protocol, docs/worker.md), measured in alternation:
  perfkit regress --base v1.2.0                     the revision against the working tree, built as perfkit.toml says
  perfkit regress --base ./old --candidate ./new --case 'pool/*'
Any two commands; one execution is one sample:
  perfkit regress --command old='./old x' --command new='./new x'
Against what was stored:
  perfkit regress --baseline ci                     new runs against the runs of `perfkit baseline record ci`
  perfkit regress --baseline old.json --candidate new.json
  perfkit regress --import criterion:target/criterion --baseline main

Exit codes: 0 fine, 1 slower (or an enforced budget is broken), 2 a side failed or wrong usage, 3 inconclusive,
4 unoptimised build or the control failed, 5 no baseline or another machine's, 130 interrupted.")]
pub(super) struct Args {
    /// The base: a revision that git knows, or a program
    #[arg(long, value_name = "REV|PROGRAM", conflicts_with_all = ["baseline", "commands", "import", "replay"])]
    base: Option<String>,
    /// The candidate: a revision or program beside --base (default: the working tree), a document beside --baseline
    #[arg(long, value_name = "REV|PROGRAM|FILE")]
    candidate: Option<String>,
    /// A command by name, at least twice: the first is the base of the others
    #[arg(long = "command", value_name = "NAME=CMD", value_parser = paired::parse_command, conflicts_with_all = ["baseline", "import", "replay"])]
    commands: Vec<(String, Vec<String>)>,
    /// A document, or the name of a stored baseline of this machine; with --import a set's name
    #[arg(long, value_name = "FILE|NAME")]
    baseline: Option<String>,
    /// Results of another tool: criterion:target/criterion, hyperfine:new.json (advisory: they have no runs)
    #[arg(long, value_name = "FORMAT:PATH", requires = "baseline")]
    import: Option<String>,
    /// Judge a trace again that --trace wrote
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Judge these cases only (repeatable); A=B has the base run A and the candidate B
    #[arg(long = "case", value_name = "GLOB|CASE[=CASE]")]
    cases: Vec<String>,
    /// The largest slowdown that is tolerated, as a share (default: perfkit.toml's)
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    max_regression: Option<f64>,
    /// New runs against the runs of a stored baseline
    #[arg(long, value_name = "N", default_value = "3", value_parser = parse_runs)]
    runs: usize,
    /// Sample each case for at most so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    time: f64,
    /// Give up a side that gives no answer for so long; a command that runs for longer
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = parse_seconds)]
    patience: f64,
    /// The seed of every random choice (random without)
    #[arg(long)]
    seed: Option<u64>,
    /// Judge the 95 % quantile of single samples too
    #[arg(long)]
    tails: bool,
    /// Where counts of instructions come from
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    counters: paired::Counters,
    /// Whether builds of the base in other layouts are measured, where perfkit.toml says how to make them
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    layout: When,
    /// What an inconclusive verdict means to the exit code: 3 without, 0 with pass, 1 with fail
    #[arg(long, value_name = "MEANING")]
    inconclusive: Option<Inconclusive>,
    /// Compare documents of different machines; the verdict is then advisory (exit 0 or 3)
    #[arg(long)]
    allow_mismatch: bool,
    /// Fail (exit 1) when a budget of perfkit.toml is broken
    #[arg(long)]
    enforce_budgets: bool,
    /// Write every sample of a paired comparison
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    output: print::Output,
}

/// `--layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    /// Where it can be.
    Auto,
    /// Never.
    Off,
}

/// `--inconclusive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Inconclusive {
    /// It passes the gate.
    Pass,
    /// It fails the gate.
    Fail,
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=10.0).contains(&share) => Ok(share),
        _ => Err("a share between 0 and 10, such as 0.05".to_owned()),
    }
}

fn parse_runs(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(runs) if (1..=100).contains(&runs) => Ok(runs),
        _ => Err("a number of runs from 1 to 100".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("a number of seconds above 0".to_owned()),
    }
}

impl Args {
    fn margin(&self, settings: &Settings) -> Margin {
        self.max_regression.map_or_else(|| settings.margin(), Margin::around)
    }

    fn margin_of_one_run(&self, settings: &Settings) -> Margin {
        self.max_regression.map_or_else(|| settings.margin_of_one_run(), Margin::around)
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let settings = load_here()?;
    let answer = if args.base.is_some() || !args.commands.is_empty() {
        paired::run(args, &settings, context)?
    } else if let (Some(import), Some(baseline)) = (&args.import, &args.baseline) {
        compare_import(import, baseline, args.margin_of_one_run(&settings))?.into()
    } else if let Some(path) = &args.replay {
        paired::replay(path, args, &settings)?
    } else if let Some(baseline) = &args.baseline {
        documents::run(baseline, args, &settings, context)?
    } else {
        anyhow::bail!(
            "what is the candidate to be compared with? --base REV|PROGRAM, --command twice, --baseline NAME|FILE; see `perfkit regress --help`"
        )
    };
    let mut report = answer.report;
    if report.exit_code == Decision::Inconclusive.exit_code() {
        report.exit_code = match args.inconclusive {
            None => Decision::Inconclusive,
            Some(Inconclusive::Pass) => Decision::Fine,
            Some(Inconclusive::Fail) => Decision::Regression,
        }
        .exit_code();
    }
    print::report(&report, &args.output, context)?;
    if answer.interrupted {
        return Ok(Exit::Interrupted);
    }
    exit(&report)
}

/// A report and how it came to its end.
struct Answer {
    report: ComparisonReport,
    interrupted: bool,
}

impl From<ComparisonReport> for Answer {
    fn from(report: ComparisonReport) -> Self {
        Self { report, interrupted: false }
    }
}

/// The exit code of the JSON is the process's.
fn exit(report: &ComparisonReport) -> anyhow::Result<Exit> {
    let all = [Exit::Fine, Exit::Regression, Exit::Usage, Exit::Inconclusive, Exit::Unfit, Exit::NoBaseline];
    all.into_iter().find(|exit| exit.code() == report.exit_code).context("a report with an unknown exit code")
}

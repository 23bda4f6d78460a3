//! Two programs, or commands, in alternation.

use std::path::Path;

use anyhow::Context as _;

use super::{Answer, Args, When};
use crate::analysis::compare::{ComparisonReport, Margin};
use crate::cli::Context;
use crate::cli::progress::{Progress, stop_on_interrupt};
use crate::document::{Trace, read_trace, to_json_line, write_atomically};
use crate::machine::{Source, detect};
use crate::measure::Program;
use crate::session::random_seed;
use crate::session::regress::builds::Builder;
use crate::session::regress::layout::RELINKS;
use crate::session::regress::{self, CounterChoice, PairRequest, Sides, judge_suite, pairs};
use crate::session::settings::{FILE_NAME, Settings};

/// `--counters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Counters {
    /// The processor's counter where there is one
    Auto,
    /// The processor's counter
    Perf,
    /// valgrind: slow, and blind to AVX-512
    Valgrind,
    /// Count nothing, allocations neither
    Off,
}

impl From<Counters> for CounterChoice {
    fn from(counters: Counters) -> Self {
        match counters {
            Counters::Auto => Self::Auto,
            Counters::Perf => Self::Perf,
            Counters::Valgrind => Self::Valgrind,
            Counters::Off => Self::Off,
        }
    }
}

/// `--command NAME=CMD`: words by the rules of the shell, without a shell.
pub(super) fn parse_command(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, command) = text.split_once('=').ok_or("a name and a command, such as new='./new x'")?;
    let words = pairs::words(command)?;
    if name.is_empty() || words.is_empty() {
        return Err("a name and a command, such as new='./new x'".to_owned());
    }
    Ok((name.to_owned(), words))
}

pub(super) fn run(args: &Args, settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Answer> {
    let margin = args.margin(settings);
    let (sides, _builder) = if args.commands.is_empty() {
        match programs(args, settings, context)? {
            Ready::Sides(sides, builder) => (sides, builder),
            Ready::NoBase(why) => {
                context.note(&why);
                return Ok(ComparisonReport::without_baseline(&why, margin).into());
            }
        }
    } else {
        (Sides::Commands(args.commands.clone()), None)
    };
    judge(sides, margin, args, settings, context)
}

fn judge(
    sides: Sides,
    margin: Margin,
    args: &Args,
    settings: &Settings,
    context: &mut Context<'_>,
) -> anyhow::Result<Answer> {
    let request = PairRequest {
        budgets: settings.budgets.clone(),
        enforce_budgets: args.enforce_budgets,
        ..request(sides, margin, args.seed.unwrap_or_else(random_seed), args)
    };
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = judge_suite(&request, &detect(Source::Live), &stop, &mut progress);
    progress.finish();
    let (report, trace) = answer?;
    if let Some(path) = &args.trace {
        write_atomically(path, to_json_line(&trace)?.as_bytes()).with_context(|| {
            format!("cannot write {}: choose a folder that exists and is writable", path.display())
        })?;
        context.note(&format!("wrote {}", path.display()));
    }
    Ok(Answer { report, interrupted: stop.requested() })
}

/// Two sides, judged as the arguments say; by no budget.
pub(super) fn request(sides: Sides, margin: Margin, seed: u64, args: &Args) -> PairRequest {
    PairRequest {
        sides,
        margin,
        budget_seconds: args.time,
        tails: args.tails,
        seed,
        trace: args.trace.is_some(),
        patience_seconds: args.patience,
        counters: args.counters.into(),
        budgets: Vec::new(),
        enforce_budgets: false,
    }
}

/// The two sides, or why there is no base to compare with.
enum Ready<'a> {
    Sides(Sides, Option<Builder<'a>>),
    NoBase(String),
}

fn programs<'a>(args: &Args, settings: &'a Settings, context: &Context<'_>) -> anyhow::Result<Ready<'a>> {
    let text = args.base.as_deref().unwrap_or_default();
    let base = pairs::program(text).ok();
    let candidate = args.candidate.as_deref().map(|text| (text, pairs::program(text).ok()));
    let cases = cases(args, settings);
    if let (Some(base), Some((_, Some(candidate)))) = (&base, &candidate) {
        let sides =
            Sides::Programs { base: base.clone(), candidate: candidate.clone(), relinked: Vec::new(), cases };
        return Ok(Ready::Sides(sides, None));
    }
    let program = settings.program.as_ref().with_context(|| {
        format!("--base {text:?}: no such program, and {FILE_NAME} has no [program] that says how to build a revision")
    })?;
    let builder = Builder::new(program, &settings.project())?;
    let candidate = match candidate {
        Some((_, Some(program))) => program,
        Some((text, None)) => {
            let commit = builder.commit(text).with_context(|| {
                format!("--candidate {text:?} is neither a program here nor a revision that git knows")
            })?;
            context.note(&format!("building the candidate, {text}"));
            builder.program_of(&commit).context("the candidate does not build")?
        }
        None => {
            context.note("building the working tree");
            builder.program_here().context("the candidate does not build")?
        }
    };
    let (base, relinked) = match base {
        Some(base) => (base, Vec::new()),
        None => {
            let commit = builder.commit(text).with_context(|| {
                format!("--base {text:?} is neither a program here nor a revision that git knows")
            })?;
            context.note(&format!("building the base, {text}"));
            match built_base(&builder, &commit, args.layout, context) {
                Ok(built) => built,
                Err(why) => return Ok(Ready::NoBase(format!("the base does not build: {why:#}"))),
            }
        }
    };
    Ok(Ready::Sides(Sides::Programs { base, candidate, relinked, cases }, Some(builder)))
}

/// A commit's program, and the same in other layouts where they are wanted.
pub(super) fn built_base(
    builder: &Builder<'_>,
    commit: &str,
    layout: When,
    context: &Context<'_>,
) -> anyhow::Result<(Program, Vec<Program>)> {
    let base = builder.program_of(commit)?;
    let relinked = match layout {
        When::Off => Vec::new(),
        When::Auto => {
            context.note("linking the base again in other layouts");
            builder.relinked(commit, 1..RELINKS + 1)?
        }
    };
    Ok((base, relinked))
}

/// What was asked for, else what the settings say.
fn cases(args: &Args, settings: &Settings) -> Vec<String> {
    if !args.cases.is_empty() {
        return args.cases.clone();
    }
    settings.program.as_ref().map(|program| program.cases.clone()).unwrap_or_default()
}

pub(super) fn replay(path: &Path, args: &Args, settings: &Settings) -> anyhow::Result<Answer> {
    let trace: Trace = read_trace(path)?;
    Ok(regress::replay(&trace, args.margin(settings), args.tails).into())
}

//! The command line: arguments in, exit code out. The only module that prints.

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

mod baseline;
mod bench;
mod completions;
mod detect;
mod embed;
mod limits;
mod list;
mod model;
mod output;
mod progress;
mod recommend;
mod regress;
mod report;
mod roofline;
mod run;
mod selftest;
mod tune;
mod worker;

pub use output::{Context, Exit};

/// Measures what a machine can do for text embedding, how close the work comes to it, what to change, and whether
/// today's commit made it slower.
#[derive(Debug, Parser)]
#[command(name = "perfkit", version, max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Start with `perfkit run --quick`: a report of this machine in about a minute, nothing downloaded."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Print exactly one JSON document on stdout
    #[arg(long, global = true)]
    json: bool,
    /// Print only what was asked for: no progress, no notes
    #[arg(long, short, global = true)]
    quiet: bool,
    /// When to colour (also off with `NO_COLOR` or a dumb terminal)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: output::ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Detect(detect::Args),
    List(list::Args),
    Bench(bench::Args),
    Roofline(roofline::Args),
    Embed(embed::Args),
    Tune(tune::Args),
    Model(model::Args),
    Recommend(recommend::Args),
    Baseline(baseline::Args),
    Regress(regress::Args),
    Report(report::Args),
    Selftest(selftest::Args),
    Completions(completions::Args),
    /// A process of our own that does one thing, so that nothing else's memory counts
    #[command(name = "__embed-once", hide = true)]
    EmbedOnce(embed::WorkerArgs),
    /// A form of a mixture of logits in a process of its own, for its memory
    #[command(name = "__mol-footprint", hide = true)]
    MolFootprint(tune::FootprintArgs),
    /// An embedding engine over the worker protocol, or who it is
    #[command(name = "__embed-engine", hide = true)]
    EmbedEngine(embed::EngineArgs),
    /// The catalog over the worker protocol
    #[command(name = "__worker", hide = true)]
    Worker,
    /// A library of others over the worker protocol, or who it is
    #[command(name = "__peer", hide = true)]
    Peer(worker::PeerArgs),
    /// A neighbour that disturbs, for `selftest --noise`
    #[command(name = "__noise", hide = true)]
    Noise(selftest::NoiseArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, usage errors to stderr with 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut stdout = std::io::stdout().lock();
    let mut context = Context::new(&cli.global, &mut stdout);
    let answer = match &cli.command {
        Command::Run(args) => run::run(args, &mut context),
        Command::Detect(args) => detect::run(args, &mut context),
        Command::List(args) => list::run(args, &mut context),
        Command::Bench(args) => bench::run(args, &mut context),
        Command::Roofline(args) => roofline::run(args, &mut context),
        Command::Embed(args) => embed::run(args, &mut context),
        Command::Tune(args) => tune::run(args, &mut context),
        Command::Model(args) => model::run(args, &mut context),
        Command::Recommend(args) => recommend::run(args, &mut context),
        Command::Baseline(args) => baseline::run(args, &mut context),
        Command::Regress(args) => regress::run(args, &mut context),
        Command::Report(args) => report::run(args, &mut context),
        Command::Completions(args) => completions::run(args, &mut context, Cli::command()),
        Command::EmbedOnce(args) => embed::work(args, &mut context),
        Command::MolFootprint(args) => tune::measure_footprint(args, &mut context),
        Command::EmbedEngine(args) => embed::engine(args, &mut context),
        Command::Worker => worker::run(),
        Command::Peer(args) => worker::peer(args, &mut context),
        Command::Selftest(args) => selftest::run(args, &mut context),
        Command::Noise(args) => selftest::noise(args),
    };
    let exit = answer.and_then(|exit| {
        context.out.flush()?;
        Ok(exit)
    });
    match exit {
        Ok(exit) => exit.into(),
        Err(error) if output::is_broken_pipe(&error) => Exit::Fine.into(),
        Err(error) => {
            context.error(&error);
            Exit::Usage.into()
        }
    }
}

//! `perfkit embed`.

use super::{Context, Exit};

/// Run the embedding pipeline and time its stages, or embed a file
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let _ = (args, context);
    anyhow::bail!("not written yet")
}

/// Arguments of the hidden worker process.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerArgs {}

/// Does the worker's one thing.
pub(super) fn work(args: &WorkerArgs, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let _ = (args, context);
    anyhow::bail!("not written yet")
}

//! `perfkit detect`.

use super::{Context, Exit};

/// Facts of this machine, or of a snapshot
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let _ = (args, context);
    anyhow::bail!("not written yet")
}

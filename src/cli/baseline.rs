//! `perfkit baseline`.

use super::{Context, Exit};

/// Stored JSON baselines
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let _ = (args, context);
    anyhow::bail!("not written yet")
}

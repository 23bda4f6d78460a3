//! `perfkit bench`.

use super::{Context, Exit};

/// Measure kernels
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let _ = (args, context);
    anyhow::bail!("not written yet")
}

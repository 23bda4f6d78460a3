//! `perfkit completions`: shell completions and the man page, from the same definitions.

use clap_complete::Shell;

use super::{Context, Exit};

/// Shell completions, or the man page
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  perfkit completions bash > /etc/bash_completion.d/perfkit\n  perfkit completions --man > perfkit.1"
)]
pub(super) struct Args {
    /// The shell
    #[arg(required_unless_present = "man")]
    shell: Option<Shell>,
    /// Print the man page instead (roff)
    #[arg(long)]
    man: bool,
}

/// Runs the subcommand.
pub(super) fn run(
    args: &Args,
    context: &mut Context<'_>,
    mut command: clap::Command,
) -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    match args.shell {
        Some(shell) if !args.man => clap_complete::generate(shell, &mut command, "perfkit", &mut page),
        _ => clap_mangen::Man::new(command).render(&mut page)?,
    }
    context.out.write_all(&page)?;
    Ok(Exit::Fine)
}

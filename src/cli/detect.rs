//! `perfkit detect`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Context, Exit};
use crate::document::{Machine, to_json};
use crate::machine::{Source, detect, replace_gpus};

/// Facts of this machine, or of a snapshot
///
/// Reads what the system, the firmware and the processor tell; nothing is timed without --measure. Unknown is null, with
/// its reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  perfkit detect                         this machine
  perfkit detect --measure               and the clock that its cores really run at
  perfkit detect --json | jq .cpu.tiers  for scripts
  perfkit detect --root snapshot/        a folder that holds another machine's sys and proc
  perfkit detect --compare other.json    what differs from a machine detected before")]
pub(super) struct Args {
    /// Read sys and proc below this folder instead of this machine's
    #[arg(long, value_name = "DIR", conflicts_with_all = ["cpuid", "measure"])]
    root: Option<PathBuf>,
    /// Read a folder with the CPUID of every CPU (pu0, pu1, ...)
    #[arg(long, value_name = "DIR", conflicts_with = "measure")]
    cpuid: Option<PathBuf>,
    /// Take the GPUs from a file that `nvidia-smi -q -x` wrote
    #[arg(long, value_name = "FILE")]
    gpu_file: Option<PathBuf>,
    /// Measure the core clock (about a second)
    #[arg(long)]
    measure: bool,
    /// Show where each fact comes from and why others are unknown
    #[arg(long, short)]
    verbose: bool,
    /// Show what differs from the machine in this file (of `detect --json` or of results)
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let mut machine = detect(source(args)?);
    if let Some(path) = &args.gpu_file {
        let text = read_text(path)?;
        replace_gpus(&mut machine, &text).with_context(|| path.display().to_string())?;
    }
    if context.json {
        context.out.write_all(to_json(&machine)?.as_bytes())?;
    }
    Ok(Exit::Fine)
}

/// The folder must be there: a slip in a path is no unknown machine.
fn source(args: &Args) -> anyhow::Result<Source<'_>> {
    let folder = |path: &Path| {
        anyhow::ensure!(
            path.is_dir(),
            "{} is not a folder: unpack the snapshot and name its folder",
            path.display()
        );
        Ok(())
    };
    Ok(match (&args.root, &args.cpuid) {
        (Some(root), _) => {
            folder(root)?;
            Source::Root(root)
        }
        (None, Some(dump)) => {
            folder(dump)?;
            Source::Cpuid(dump)
        }
        (None, None) => Source::Live,
    })
}

/// A file that a person names: bounded, because a wrong one may be anything.
fn read_text(path: &Path) -> anyhow::Result<String> {
    const LIMIT: u64 = 64 << 20;
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    anyhow::ensure!(size <= LIMIT, "{} is larger than any such file", path.display());
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

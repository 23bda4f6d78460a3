//! `perfkit detect`.

mod chains;
mod loaded_clock;
mod measure;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Context, Exit};
use crate::document::{Machine, to_json, write_atomically};
use crate::machine::{Source, compare, detect, detect_archive, memory_limit, replace_gpus, snapshot};
use crate::render::machine::{Detail, Style, comparison, view};
use crate::units::parse_bytes;

/// Facts of this machine, or of a snapshot
///
/// Reads what the system, the firmware and the processor tell; nothing is timed without --measure. Unknown is null, with
/// its reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  perfkit detect                         this machine
  perfkit detect --measure               and its clock under load, and the sizes of caches that loads feel
  perfkit detect --json | jq .cpu.tiers  for scripts
  perfkit detect --snapshot box.tar.gz   a file for others, without serial numbers, addresses and names
  perfkit detect --root box.tar.gz       that machine, read elsewhere (or a folder with its sys and proc)
  perfkit detect --compare other.json    what differs from a machine detected before, and what that means for results")]
pub(super) struct Args {
    /// Read sys and proc below this folder, or of this archive (tar, tar.gz), instead of this machine's
    #[arg(long, value_name = "DIR|ARCHIVE", conflicts_with_all = ["cpuid", "measure"])]
    root: Option<PathBuf>,
    /// Read a folder with the CPUID of every CPU (pu0, pu1, ...)
    #[arg(long, value_name = "DIR", conflicts_with = "measure")]
    cpuid: Option<PathBuf>,
    /// Take the GPUs from a file that `nvidia-smi -q -x` or `rocm-smi --json` wrote
    #[arg(long, value_name = "FILE")]
    gpu_file: Option<PathBuf>,
    /// Measure the core clock, alone and under load, and the latency of loads by footprint (about ten seconds)
    #[arg(long)]
    measure: bool,
    /// Show where each fact comes from and why others are unknown
    #[arg(long, short)]
    verbose: bool,
    /// Show what differs from the machine in this file (of `detect --json` or of results)
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Write all that is read to this archive (tar.gz), without what names the machine's owner
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cpuid", "measure", "gpu_file"])]
    snapshot: Option<PathBuf>,
    /// Compute the limit of GPU memory for a model with weights of this size (such as 90MiB)
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    model_memory: Option<u64>,
    /// The same for batches whose activations take this size
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    batch_memory: Option<u64>,
}

fn parse_size(text: &str) -> Result<u64, String> {
    parse_bytes(text).map_err(|error| error.to_string())
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let mut machine = match &args.snapshot {
        Some(file) => write_snapshot(file, args, context)?,
        None => machine(args)?,
    };
    if let Some(path) = &args.gpu_file {
        let text = read_text(path)?;
        replace_gpus(&mut machine, &text).with_context(|| path.display().to_string())?;
    }
    if args.measure {
        context.warn_if_unoptimised();
        measure::measure(&mut machine, context);
    }
    if args.model_memory.is_some() || args.batch_memory.is_some() {
        let (model, batch) = (args.model_memory.unwrap_or(0), args.batch_memory.unwrap_or(0));
        let limits =
            machine.gpus.iter().enumerate().map(|(index, gpu)| memory_limit(gpu, index, model, batch));
        machine.execution.memory_limits = limits.collect();
    }
    let other = args.compare.as_deref().map(read_machine).transpose()?;
    let style = Style { color: context.color, width: 80 };
    let text = match (other.map(|other| compare(&machine, &other)), context.json) {
        (Some(compared), true) => to_json(&compared)?,
        (Some(compared), false) => comparison(&compared, style),
        (None, true) => to_json(&machine)?,
        (None, false) => view(&machine, if args.verbose { Detail::Verbose } else { Detail::Brief }, style),
    };
    context.out.write_all(text.as_bytes())?;
    Ok(Exit::Fine)
}

/// Writes the archive; the answer is the machine that it reads back to.
fn write_snapshot(file: &Path, args: &Args, context: &Context<'_>) -> anyhow::Result<Machine> {
    if let Some(root) = &args.root {
        anyhow::ensure!(root.is_dir(), "{} is not a folder: it may be a snapshot already", root.display());
    }
    let mut bytes = Vec::new();
    let machine = snapshot(args.root.as_deref(), &mut bytes).context("the snapshot cannot be made")?;
    write_atomically(file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
    let size = crate::units::bytes(bytes.len() as u64);
    context.note(&format!(
        "wrote {} ({size}); read it with `perfkit detect --root {}`",
        file.display(),
        file.display()
    ));
    Ok(machine)
}

/// A machine from a file of `detect --json`, or from the results of a run.
fn read_machine(path: &Path) -> anyhow::Result<Machine> {
    let shown = path.display();
    let text = read_text(path)?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON of detect or of a run"))?;
    let value = value.get("machine").cloned().unwrap_or(value);
    let schema = value.get("schema").and_then(|schema| schema.as_str()).unwrap_or_default();
    match schema.strip_prefix("perfkit.machine/").map(str::parse::<u32>) {
        Some(Ok(1)) => {}
        Some(Ok(_)) => anyhow::bail!(
            "{shown} has schema {schema}; this perfkit reads {}: use a newer one",
            Machine::SCHEMA
        ),
        _ => anyhow::bail!("{shown} holds no machine: give a file of `perfkit detect --json` or of results"),
    }
    serde_json::from_value(value).with_context(|| format!("{shown} holds a machine that cannot be read"))
}

/// The machine that the arguments name. A folder or file must be there: a slip in a path is no unknown machine.
fn machine(args: &Args) -> anyhow::Result<Machine> {
    Ok(match (&args.root, &args.cpuid) {
        (Some(root), _) if root.is_dir() => detect(Source::Root(root)),
        (Some(root), _) if root.is_file() => {
            detect_archive(root).with_context(|| root.display().to_string())?
        }
        (Some(root), _) => anyhow::bail!("{} is neither a folder nor an archive", root.display()),
        (None, Some(dump)) => {
            anyhow::ensure!(
                dump.is_dir(),
                "{} is not a folder: unpack the dump and name its folder",
                dump.display()
            );
            detect(Source::Cpuid(dump))
        }
        (None, None) => detect(Source::Live),
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

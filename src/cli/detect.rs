//! `perfkit detect`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::{Context, Exit};
use crate::document::{Confidence, FactSource, Machine, Unknown, to_json};
use crate::machine::{Source, detect, differences, replace_gpus};
use crate::render::machine::{Detail, Style, differences as render_differences, view};
use crate::session::core_clock;

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
    if args.measure {
        context.warn_if_unoptimised();
        measure(&mut machine, context);
    }
    let other = args.compare.as_deref().map(read_machine).transpose()?;
    let style = Style { color: context.color, width: 80 };
    if context.json {
        context.out.write_all(to_json(&machine)?.as_bytes())?;
        if other.is_some() {
            context.note("--json prints the machine alone; without it --compare says what differs");
        }
    } else if let Some(other) = &other {
        context.out.write_all(compare(&machine, other, style).as_bytes())?;
    } else {
        let detail = if args.verbose { Detail::Verbose } else { Detail::Brief };
        context.out.write_all(view(&machine, detail, style).as_bytes())?;
    }
    Ok(Exit::Fine)
}

/// Fills the measured clock, or says why there is none.
fn measure(machine: &mut Machine, context: &Context<'_>) {
    const FIELD: &str = "cpu.frequency.measured_hertz";
    let answer = core_clock::measure(&Arc::new(machine.clone()), &|| false);
    machine.unknown.retain(|unknown| unknown.field != FIELD);
    let field = FIELD.to_owned();
    match answer {
        Ok(hertz) => {
            machine.cpu.frequency.measured_hertz = Some(hertz);
            let source = "measured".to_owned();
            machine.sources.push(FactSource { field, source, confidence: Confidence::Measured });
        }
        Err(reason) => {
            context.note(&format!("the core clock was not measured: {reason}"));
            machine.unknown.push(Unknown { field, reason });
        }
    }
}

/// What differs from another machine, and what that means.
fn compare(here: &Machine, there: &Machine, style: Style) -> String {
    let found = differences(here, there);
    let summary = if here.fingerprint == there.fingerprint && found.is_empty() {
        "The same machine as far as results depend on it."
    } else if found.iter().any(|difference| difference.decisive) {
        "Another machine: regress refuses to compare their results. This one -> the other:"
    } else {
        "The same machine, set otherwise: results compare with care. This one -> the other:"
    };
    let rows: Vec<[&str; 4]> = found.iter().map(|d| [&*d.fact, &*d.here, &*d.there, d.meaning]).collect();
    render_differences(&rows, summary, style)
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

//! `perfkit baseline record`.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::told;
use crate::cli::progress::{Progress, stop_on_interrupt};
use crate::cli::{Context, Exit};
use crate::document::{Baseline, KeptSamples, Machine, read_baseline};
use crate::machine::{Source, detect};
use crate::measure::Program;
use crate::session::baseline::{
    RecordRequest, Replacement, compare_with_old, lock, path_of, record, root, source_of, store,
};
use crate::session::runs::workers;
use crate::session::selection::{Selection, select};
use crate::session::settings::{Settings, Suite};
use crate::session::{Beginning, random_seed};
use crate::units::percent;

/// With fewer runs than these nothing can be predicted.
const USEFUL_RUNS: u32 = 3;
/// What version control takes without complaint.
const LARGE_BYTES: usize = 1 << 20;

/// Arguments of `baseline record`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name of the baseline
    name: String,
    /// Suite of perfkit.toml (default: the one of the baseline's name, else `ci`)
    #[arg(long)]
    suite: Option<String>,
    /// Runs of the whole suite, each in fresh processes
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Pause between two runs, so that they see more of what the host does
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    spread: f64,
    /// What becomes of the samples behind the medians
    #[arg(long, value_name = "WHERE", default_value = "inline")]
    samples: Samples,
    /// The seed of inputs and order (random without)
    #[arg(long)]
    seed: Option<u64>,
    /// Why a case that got slower is recorded all the same; stored with the baseline
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Samples {
    /// In the baseline, rounded
    Inline,
    /// In NAME.samples.json.gz beside it, as measured
    Compressed,
    /// Nowhere: medians alone
    None,
}

impl From<Samples> for KeptSamples {
    fn from(samples: Samples) -> Self {
        match samples {
            Samples::Inline => Self::Inline,
            Samples::Compressed => Self::Compressed,
            Samples::None => Self::None,
        }
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.strip_suffix('s').unwrap_or(text).trim().parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds between 0 and 86400, such as 60 or 60s".to_owned()),
    }
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    if args.reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        anyhow::bail!("--reason is empty: say why a slower case is recorded");
    }
    let machine = detect(Source::Live);
    let path = path_of(&root(settings), &machine, &args.name)?;
    let request = request(args, &machine, settings)?;
    if cfg!(debug_assertions) {
        context.note("an unoptimised build records no baseline: use `cargo run --release`");
        return Ok(Exit::Unfit);
    }
    if args.runs < USEFUL_RUNS {
        context
            .note(&format!("fewer than {USEFUL_RUNS} runs predict nothing: `regress` will be inconclusive"));
    }
    // Before anything is measured: who else writes, and whether what is there can be compared with.
    let _lock = lock(&path)?;
    let old = read_old(&path)?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let stop = stop_on_interrupt();
    let mut progress = Progress::new(context);
    let answer = record(&request, machine, &workers(Program::new(program)), &stop, &mut progress);
    progress.finish();
    let Some(mut baseline) = answer? else {
        context.note("interrupted: the baseline is left as it was");
        return Ok(Exit::Interrupted);
    };
    anyhow::ensure!(baseline.document.measured().next().is_some(), "no case could be measured");
    baseline.reason.clone_from(&args.reason);
    let replaced = old.map(|old| compare_with_old(&old, &baseline, settings.margin())).unwrap_or_default();
    finish(&path, &baseline, &replaced, context)
}

/// What the arguments and the settings ask for.
fn request(args: &Args, machine: &Machine, settings: &Settings) -> anyhow::Result<RecordRequest> {
    let (suite_name, suite) = suite_of(&args.name, args.suite.as_deref(), settings)?;
    let selection =
        Selection { filters: suite.cases.clone(), ..Selection::usual(machine, suite.extensiveness) };
    let selected = select(&selection, machine)?;
    Ok(RecordRequest {
        beginning: Beginning {
            command: format!("baseline record {}", args.name),
            suite: Some(suite_name),
            seed: args.seed.unwrap_or_else(random_seed),
            journal: None,
        },
        cases: selected.cases,
        skipped: selected.skipped,
        runs: args.runs as usize,
        pause_seconds: args.spread,
        plan: suite.plan.clone(),
        samples: args.samples.into(),
        source: source_of(root(settings).parent().unwrap_or_else(|| Path::new("."))),
    })
}

/// The baseline that is to be replaced, where there is one.
fn read_old(path: &Path) -> anyhow::Result<Option<Baseline>> {
    if !path.is_file() {
        return Ok(None);
    }
    let remedy = "the baseline that is stored cannot be compared with: repair it, or move it away";
    read_baseline(path).map(Some).context(remedy)
}

fn suite_of<'a>(
    name: &str,
    asked: Option<&str>,
    settings: &'a Settings,
) -> anyhow::Result<(String, &'a Suite)> {
    let name = match asked {
        Some(suite) => suite,
        None if settings.suites.contains_key(name) => name,
        None => "ci",
    };
    Ok((name.to_owned(), settings.suite(name)?))
}

/// Stores it, unless a case got slower and nobody says why.
fn finish(
    path: &Path,
    baseline: &Baseline,
    replaced: &Replacement,
    context: &mut Context<'_>,
) -> anyhow::Result<Exit> {
    if !context.json {
        tell_changes(replaced, context)?;
    }
    let refused = !replaced.slower.is_empty() && baseline.reason.is_none();
    let more = json!({
        "stored": !refused,
        "added": replaced.added,
        "dropped": replaced.dropped,
        "moved": replaced.moved,
        "slower": replaced.slower,
        "incomparable": replaced.incomparable,
    });
    if refused {
        context.note(&format!(
            "{} case(s) got slower than the baseline that is stored: it stays; record again with --reason TEXT to take this for the new normal",
            replaced.slower.len()
        ));
        if context.json {
            let kept = std::fs::metadata(path).map_or(0, |data| data.len());
            told(context, path, usize::try_from(kept).unwrap_or(usize::MAX), "left as it was", more)?;
        }
        return Ok(Exit::Regression);
    }
    let bytes = store(path, baseline)?;
    if bytes > LARGE_BYTES {
        context
            .note("the baseline is large for version control: --samples compressed or none makes it small");
    }
    let (cases, runs) = (baseline.document.measured().count(), baseline.runs.len());
    told(context, path, bytes, &format!("{cases} cases recorded in {runs} runs"), more)
}

fn tell_changes(replaced: &Replacement, context: &mut Context<'_>) -> anyhow::Result<()> {
    for (cases, what) in [(&replaced.added, "new"), (&replaced.dropped, "no longer recorded")] {
        for case in cases {
            writeln!(context.out, "{case}: {what}")?;
        }
    }
    for change in &replaced.moved {
        let by = percent((change.ratio.value - 1.0).abs());
        let way = if change.ratio.value > 1.0 { "slower" } else { "faster" };
        writeln!(context.out, "{}: {by} {way} than the baseline before ({})", change.case, change.evidence)?;
    }
    if let Some(why) = &replaced.incomparable {
        writeln!(context.out, "only medians were compared with the baseline before: {why}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::compare::{Change, RatioInterval};
    use crate::document::{Conditions, Document, Run};

    fn baseline(reason: Option<&str>) -> Baseline {
        let document = Document {
            schema: Document::SCHEMA.to_owned(),
            run: Run::default(),
            machine: Machine::default(),
            conditions: Conditions::default(),
            outcomes: Vec::new(),
        };
        Baseline { reason: reason.map(str::to_owned), ..Baseline::of_document(document) }
    }

    fn slower() -> Replacement {
        let ratio = RatioInterval { value: 1.2, low: 1.1, high: 1.3 };
        Replacement {
            moved: vec![Change { case: "a case".to_owned(), ratio, ..Change::default() }],
            slower: vec!["a case".to_owned()],
            ..Replacement::default()
        }
    }

    fn finished(path: &Path, baseline: &Baseline, replaced: &Replacement, json: bool) -> (Exit, String) {
        let mut out = Vec::new();
        let mut context = Context { out: &mut out, json, quiet: true, color: false };
        let exit = finish(path, baseline, replaced, &mut context).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_slower_case_replaces_nothing_without_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ci.json");
        std::fs::write(&path, "the old one").unwrap();
        let (exit, text) = finished(&path, &baseline(None), &slower(), false);
        assert_eq!(exit, Exit::Regression);
        assert!(text.contains("a case: 20.0 % slower"), "{text}");
        let (exit, text) = finished(&path, &baseline(None), &slower(), true);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (exit, &told["stored"], &told["slower"][0]),
            (Exit::Regression, &json!(false), &json!("a case"))
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "the old one");
        let (exit, text) = finished(&path, &baseline(Some("wider vectors")), &slower(), true);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, &told["stored"]), (Exit::Fine, &json!(true)));
        assert_eq!(read_baseline(&path).unwrap().reason.as_deref(), Some("wider vectors"));
    }

    #[test]
    fn what_is_there_and_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ci.json");
        assert!(read_old(&path).unwrap().is_none());
        std::fs::write(&path, "{").unwrap();
        let error = format!("{:#}", read_old(&path).unwrap_err());
        assert!(error.contains("move it away") && error.contains("ci.json"), "{error}");
    }

    #[test]
    fn seconds_are_read_with_and_without_their_unit() {
        assert_eq!((parse_seconds("60s"), parse_seconds("0.5")), (Ok(60.0), Ok(0.5)));
        for text in ["", "s", "-1", "NaN", "inf", "1e9"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}

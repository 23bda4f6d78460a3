//! `perfkit baseline history`.

use std::path::PathBuf;

use crate::analysis::history::{History, LevelChange, Series, history};
use crate::cli::{Context, Exit};
use crate::document::{CasePattern, NO_REFERENCE};
use crate::machine::{Source, detect};
use crate::session::baseline::{read_folder, root};
use crate::session::settings::Settings;
use crate::units::{percent, seconds};

/// Columns of a sparkline.
const COLUMNS: usize = 60;
/// Its levels, lowest first.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Arguments of `baseline history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of baselines, nested as you like (default: this machine's)
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only cases that this glob means
    #[arg(long, value_name = "GLOB")]
    case: Option<String>,
}

/// Runs the subcommand.
pub(super) fn run(args: &Args, settings: &Settings, context: &mut Context<'_>) -> anyhow::Result<Exit> {
    let pattern = args.case.as_deref().map(CasePattern::new).transpose()?;
    let own = root(settings).join(detect(Source::Live).slug());
    let (dated, unreadable) = match &args.folder {
        Some(folder) => read_folder(folder)?,
        None if own.is_dir() => read_folder(&own)?,
        None => (Vec::new(), Vec::new()),
    };
    let history = history(dated, unreadable, pattern.as_ref());
    if context.json {
        writeln!(context.out, "{}", serde_json::to_string_pretty(&history)?)?;
        return Ok(Exit::Fine);
    }
    print(&history, context)?;
    Ok(Exit::Fine)
}

fn print(history: &History, context: &mut Context<'_>) -> anyhow::Result<()> {
    if history.baselines.is_empty() {
        writeln!(context.out, "no baseline is here; `perfkit baseline record ci` makes one")?;
    }
    for series in &history.series {
        print_series(series, history, context)?;
    }
    for note in &history.notes {
        writeln!(context.out, "{note}")?;
    }
    for file in &history.unreadable {
        writeln!(context.out, "left out: {} {}", file.file, file.why)?;
    }
    Ok(())
}

fn print_series(series: &Series, history: &History, context: &mut Context<'_>) -> anyhow::Result<()> {
    let (Some(first), Some(last)) = (series.points.first(), series.points.last()) else { return Ok(()) };
    let divided = if series.reference == NO_REFERENCE {
        "not divided by a reference".to_owned()
    } else {
        format!("divided by {}", series.reference)
    };
    let date = |point: &crate::analysis::history::Point| &history.baselines[point.baseline].started;
    let values: Vec<f64> = series.points.iter().map(|point| point.value.ln()).collect();
    writeln!(context.out, "{} ({})", series.case, series.machine)?;
    writeln!(context.out, "  {}", sparkline(&values, COLUMNS))?;
    writeln!(
        context.out,
        "  {} runs, {} to {}, last {}, {divided}; {}",
        series.points.len(),
        date(first),
        date(last),
        seconds(last.seconds),
        if series.changes.is_empty() { "no change of level" } else { "changes of level:" },
    )?;
    for change in &series.changes {
        writeln!(context.out, "  {}", change_line(change))?;
    }
    Ok(())
}

fn change_line(change: &LevelChange) -> String {
    let by = percent((change.ratio - 1.0).abs());
    let way = if change.ratio > 1.0 { "slower" } else { "faster" };
    let commit: String = change.commit.iter().flat_map(|commit| commit.chars().take(12)).collect();
    let commit = if commit.is_empty() { "commit unknown".to_owned() } else { format!("commit {commit}") };
    format!(
        "{}: {by} {way} (x{:.3}, p {:.2e}), {}, {commit}",
        change.started, change.ratio, change.p_value, change.tool
    )
}

/// Values as bars between the lowest and the highest, neighbours merged where there are more than columns.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a level of eight"
)]
fn sparkline(values: &[f64], columns: usize) -> String {
    let width = values.len().div_ceil(columns.max(1)).max(1);
    let means: Vec<f64> =
        values.chunks(width).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let range = means.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
    let level = |value: &f64| {
        let share = if range > 0.0 { (value - low) / range } else { 0.5 };
        LEVELS[((share * 7.0).round() as usize).min(7)]
    };
    means.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_spans_from_lowest_to_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 7.0], 60), "▁▂█");
        assert_eq!(sparkline(&[3.0, 3.0], 60), "▅▅");
        assert_eq!(sparkline(&[0.0, 0.0, 1.0, 1.0], 2), "▁█");
        assert_eq!(sparkline(&[], 60), "");
    }

    #[test]
    fn a_change_names_its_date_and_commit() {
        let change = LevelChange {
            started: "2026-01-02T00:00:00Z".to_owned(),
            tool: "perfkit 0.1.0".to_owned(),
            commit: Some("0123456789abcdef".to_owned()),
            ratio: 1.05,
            p_value: 1e-4,
            ..LevelChange::default()
        };
        let line = change_line(&change);
        assert_eq!(
            line,
            "2026-01-02T00:00:00Z: 5.0 % slower (x1.050, p 1.00e-4), perfkit 0.1.0, commit 0123456789ab"
        );
    }
}

//! Compares results of another tool: ratios with their intervals, and never more than advice.
//!
//! An import has one run a side at best, and within-run spread says nothing of the drift between runs: a gate that takes it
//! for the error of a comparison calls unchanged programs changed more often than not. So every change is inconclusive,
//! whatever its interval; who wants a verdict has both sides measured in turns (`--base`, or `--command` twice).

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::analysis::compare::{Change, ComparisonReport, Decision, Margin, Mode, Verdict, ratio_of_medians};
use crate::interchange::{self, Baselines, Benchmarks, Format, Imported, ImportedBenchmark};

/// Why no change of an import has a verdict.
pub const REASON: &str = "an import has no run-level values: advisory";

/// Compares what lies at `FORMAT:PATH` with a baseline: a set in it (criterion: `main` against `new`), a benchmark in it
/// (hyperfine: one command against each other), or another path of the same format. A name inside the import goes before
/// a path, since commands are often paths themselves.
///
/// A baseline that is not there, or that has nothing in common with the candidate, is a report with exit code 5.
///
/// # Errors
/// The format is unknown, or a path cannot be read or holds no candidate.
pub fn compare_import(
    format_and_path: &str,
    baseline: &str,
    margin: Margin,
) -> anyhow::Result<ComparisonReport> {
    let (format, path) = split(format_and_path)?;
    let imported = (format.read)(Path::new(path))?;
    let set = format.baselines.candidate();
    let Some(candidate) = imported.sets.get(set) else {
        let there = listed(imported.sets.keys());
        bail!("{path} has no set {set:?} to judge, only {there}: run the benchmarks without --save-baseline")
    };
    let mut report = match find(format, &imported, baseline)? {
        None => return Ok(no_baseline(format, &imported, candidate, baseline, margin)),
        Some(Base::Set(other)) => of_pairs(&other, candidate, margin),
        Some(Base::Benchmark(one)) => of_one(baseline, one, candidate, margin),
    };
    let about = format!(
        "imported from {}: {baseline:?} against {}; the file names no machine and tells one run a side, so that nothing \
         here can fail a gate",
        format.name,
        if set == baseline { "itself" } else { set },
    );
    report.notes.push(about);
    report.notes.extend(imported.notes);
    Ok(report)
}

/// What a baseline turned out to be.
enum Base<'a> {
    /// Benchmarks, paired by id.
    Set(std::borrow::Cow<'a, Benchmarks>),
    /// One benchmark, for all others.
    Benchmark(&'a ImportedBenchmark),
}

fn split(text: &str) -> anyhow::Result<(&'static Format, &str)> {
    let known = || listed(interchange::FORMATS.iter().map(|format| format.name));
    let (name, path) = text.split_once(':').with_context(|| {
        format!("--import takes FORMAT:PATH, such as criterion:target/criterion; formats are {}", known())
    })?;
    let format = interchange::format(name)
        .with_context(|| format!("there is no import format {name:?}; there are {}", known()))?;
    Ok((format, path))
}

fn find<'a>(format: &Format, imported: &'a Imported, baseline: &str) -> anyhow::Result<Option<Base<'a>>> {
    use std::borrow::Cow::{Borrowed, Owned};
    let set = format.baselines.candidate();
    let inside = match format.baselines {
        Baselines::Sets(_) => imported.sets.get(baseline).map(|set| Base::Set(Borrowed(set))),
        Baselines::Benchmarks(_) => {
            imported.sets.get(set).and_then(|set| set.get(baseline)).map(Base::Benchmark)
        }
    };
    if inside.is_some() || !Path::new(baseline).exists() {
        return Ok(inside);
    }
    let mut other = (format.read)(Path::new(baseline))?;
    let benchmarks =
        other.sets.remove(set).with_context(|| format!("the baseline {baseline} has no set {set:?}"))?;
    Ok(Some(Base::Set(Owned(benchmarks))))
}

fn of_pairs(baseline: &Benchmarks, candidate: &Benchmarks, margin: Margin) -> ComparisonReport {
    let pairs = interchange::pairs(baseline, candidate);
    let changes: Vec<Change> = pairs.both.iter().filter_map(|(id, old, new)| change(id, old, new)).collect();
    let owned = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
    ComparisonReport { missing: owned(&pairs.missing), new: owned(&pairs.new), ..report(changes, margin) }
}

fn of_one(name: &str, base: &ImportedBenchmark, candidate: &Benchmarks, margin: Margin) -> ComparisonReport {
    let others = candidate.iter().filter(|(id, _)| *id != name);
    report(others.filter_map(|(id, new)| change(id, base, new)).collect(), margin)
}

fn report(changes: Vec<Change>, margin: Margin) -> ComparisonReport {
    let nothing = changes.is_empty();
    let decision = if nothing { Decision::NoBaseline } else { Decision::Inconclusive };
    ComparisonReport {
        schema: ComparisonReport::SCHEMA.to_owned(),
        mode: Mode::Import,
        verdict: if nothing { "refused" } else { Verdict::Inconclusive.name() }.to_owned(),
        exit_code: decision.exit_code(),
        refused: nothing.then(|| "baseline and candidate have no benchmark in common".to_owned()),
        advisory: true,
        lower_margin: margin.lower,
        upper_margin: margin.upper,
        changes,
        ..ComparisonReport::default()
    }
}

fn change(id: &str, base: &ImportedBenchmark, candidate: &ImportedBenchmark) -> Option<Change> {
    let estimate = ratio_of_medians(&base.samples, &candidate.samples)?;
    let mut evidence = estimate.evidence;
    for (side, benchmark) in [("baseline", base), ("candidate", candidate)] {
        evidence.extend(benchmark.notes.iter().map(|note| format!("; {side}: {note}")));
    }
    // No detectable effect is told: of whatever size, an import shows none.
    Some(Change {
        case: id.to_owned(),
        verdict: Verdict::Inconclusive,
        reason: Some(REASON.to_owned()),
        ratio: estimate.interval,
        evidence,
        ..Change::default()
    })
}

fn no_baseline(
    format: &Format,
    imported: &Imported,
    candidate: &Benchmarks,
    baseline: &str,
    margin: Margin,
) -> ComparisonReport {
    let why = match format.baselines {
        Baselines::Sets(set) => {
            let there = listed(imported.sets.keys().filter(|name| *name != set));
            let there = if there.is_empty() { "no other".to_owned() } else { there };
            format!(
                "no set {baseline:?} in this import beside {set:?}, {there}: `cargo bench -- --save-baseline {baseline}` makes one"
            )
        }
        Baselines::Benchmarks(_) => {
            let there = listed(candidate.keys());
            format!("no file and no command {baseline:?} in this import; there are {there}")
        }
    };
    ComparisonReport { mode: Mode::Import, ..ComparisonReport::without_baseline(&why, margin) }
}

/// The first names, quoted.
fn listed<T: std::fmt::Debug>(names: impl Iterator<Item = T>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> String {
        format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn compared(format: &str, name: &str, baseline: &str) -> ComparisonReport {
        compare_import(&format!("{format}:{}", data(name)), baseline, Margin::around(0.05)).unwrap()
    }

    #[test]
    fn a_saved_set_of_criterion_is_compared_with_new_and_nothing_is_more_than_advice() {
        let report = compared("criterion", "criterion", "main");
        assert_eq!((report.mode, report.advisory), (Mode::Import, true));
        assert_eq!((&*report.verdict, report.exit_code), ("inconclusive", 3));
        assert_eq!((report.changes.len(), report.missing.len(), report.new.len()), (4, 0, 1));
        for change in &report.changes {
            assert_eq!((change.verdict, change.reason.as_deref()), (Verdict::Inconclusive, Some(REASON)));
            assert_eq!(change.minimum_detectable_effect, None, "an import can show nothing: {change:?}");
            assert!(change.ratio.low <= change.ratio.value && change.ratio.value <= change.ratio.high);
        }
        // The fixture's `mix` was made a tenth slower.
        let mix = report.changes.iter().find(|change| change.case == "mix").unwrap();
        assert!(mix.ratio.low > 1.04 && mix.ratio.high < 1.25, "{:?}", mix.ratio);
    }

    #[test]
    fn hyperfine_is_compared_by_command_or_with_another_file() {
        let report = compared("hyperfine", "hyperfine-two.json", "old");
        assert_eq!((report.changes.len(), &*report.changes[0].case), (1, "new"));
        assert!(report.changes[0].ratio.low > 1.05, "{:?}", report.changes[0].ratio);
        let report = compared("hyperfine", "hyperfine-after.json", &data("hyperfine-base.json"));
        assert_eq!((report.changes.len(), report.exit_code), (2, 3));
        let report = compared("hyperfine", "hyperfine-failing.json", &data("hyperfine-failing.json"));
        assert!(report.changes[0].evidence.contains("candidate: 6 of 6 runs ended with an error"));
    }

    #[test]
    fn a_baseline_that_is_not_there_or_has_nothing_in_common_is_exit_5() {
        for (format, name, baseline, words) in [
            ("criterion", "criterion", "release", "--save-baseline release"),
            ("criterion", "criterion", "mix", "no set"),
            ("hyperfine", "hyperfine-two.json", "older", "\"new\", \"old\""),
            ("hyperfine", "hyperfine-failing.json", "false", "nothing in common"),
        ] {
            let report = compared(format, name, baseline);
            let why = report.refused.unwrap();
            assert_eq!(
                (&*report.verdict, report.exit_code, report.mode),
                ("refused", 5, Mode::Import),
                "{why}"
            );
            assert!(why.contains(words) || why.contains("no benchmark in common"), "{why}");
        }
        let other = data("hyperfine-two.json");
        assert_eq!(compared("hyperfine", "hyperfine-base.json", &other).exit_code, 5);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_to_do() {
        for (import, baseline, words) in [
            ("criterion".to_owned(), "main".to_owned(), "FORMAT:PATH"),
            ("jmh:x".to_owned(), "main".to_owned(), "\"criterion\", \"hyperfine\""),
            ("criterion:absent".to_owned(), "main".to_owned(), "absent"),
            (format!("criterion:{}", data("criterion/flat/spin/main")), "main".to_owned(), "no set \"new\""),
            (format!("hyperfine:{}", data("hyperfine-two.json")), data("criterion"), "it is a folder"),
            (format!("hyperfine:{}", data("sample-results.json")), "old".to_owned(), "missing field"),
        ] {
            let error = format!("{:#}", compare_import(&import, &baseline, Margin::default()).unwrap_err());
            assert!(error.contains(words), "{import}: {error}");
        }
    }
}

//! What is said of a comparison, the same in every format, and true of the way it was made.

use crate::analysis::budget::BudgetVerdict;
use crate::analysis::compare::{
    Change, ComparisonReport, ControlReport, CountChange, CountVerdict, Layout, Mode, ONE_RUN_NOTE,
    RatioInterval, Verdict,
};
use crate::analysis::sequential::control::ControlVerdict;
use crate::render::words;
use crate::units;

/// The verdict of all in one sentence, its word first.
pub(in crate::render) fn headline(report: &ComparisonReport) -> String {
    if !report.failed.is_empty() {
        let cases = words::counted(report.failed.len(), "case", "cases");
        return format!("Failed: {cases} could not be judged because a side failed");
    }
    if control_failed(report) {
        return "Void: the base came out different from itself, so no verdict of this run counts".to_owned();
    }
    if let Some(why) = &report.refused {
        return format!("Not compared: {why}");
    }
    let advice = if report.advisory { " (advice: no gate rests on it)" } else { "" };
    format!("{}{advice}", judged(report))
}

fn judged(report: &ComparisonReport) -> String {
    let lower = percent(report.lower_margin);
    let of = |verdict| {
        let count = report.changes.iter().filter(|change| change.verdict == verdict).count();
        format!("{count} of {}", words::counted(report.changes.len(), "case", "cases"))
    };
    let broken = report.budgets.iter().filter(|budget| budget.verdict == BudgetVerdict::Broken).count();
    match &*report.verdict {
        "slower" if report.changes.iter().all(|change| change.verdict != Verdict::Slower) => {
            format!("Worse: no case is slower by its median, but {}", worse(report))
        }
        "slower" => format!("Slower: {} shown to be more than {lower} slower", of(Verdict::Slower)),
        "inconclusive" => {
            let undecided = of(Verdict::Inconclusive);
            let asked = match report.exit_code {
                0 => "; that passes here, as asked",
                1 => "; that fails here, as asked",
                _ => "",
            };
            format!("Inconclusive: no case is shown to be slower, {undecided} could not be decided{asked}")
        }
        // Nothing is slower, and yet it fails: a budget that is enforced is broken.
        verdict if report.exit_code == 1 && broken > 0 => {
            let budgets = words::counted(broken, "budget is", "budgets are");
            format!("Over budget: {budgets} broken; times: {verdict}")
        }
        "faster" => {
            format!("Faster: {} shown to be more than {lower} faster, none slower", of(Verdict::Faster))
        }
        "equivalent" => {
            let upper = percent(report.upper_margin);
            format!("Equivalent: {} shown to differ by less than {upper}", of(Verdict::Equivalent))
        }
        other => format!("Verdict {other}: {}", tally(report)),
    }
}

/// Tails and counts that a gate fails on.
fn worse(report: &ComparisonReport) -> String {
    let tails = report.changes.iter().flat_map(|change| &change.tails);
    let tails = tails.filter(|tail| tail.verdict == Verdict::Slower).count();
    let counts = report.changes.iter().flat_map(|change| &change.counts);
    let counts = counts.filter(|count| grew_beyond(count, report)).count();
    format!(
        "{} slower and {} grew",
        words::counted(tails, "tail is", "tails are"),
        words::counted(counts, "count", "counts")
    )
}

/// Whether a count grew by more than the margin: less is told, and fails nothing.
pub(in crate::render) fn grew_beyond(count: &CountChange, report: &ComparisonReport) -> bool {
    count.verdict == CountVerdict::Grew && count.candidate > count.base * (1.0 + report.lower_margin)
}

/// `3 slower, 1 faster, 40 equivalent, 2 inconclusive of 46 cases`.
pub(in crate::render) fn tally(report: &ComparisonReport) -> String {
    let all = [Verdict::Slower, Verdict::Faster, Verdict::Equivalent, Verdict::Inconclusive];
    let parts = all.map(|wanted| {
        let count = report.changes.iter().filter(|change| change.verdict == wanted).count();
        format!("{count} {}", wanted.name())
    });
    format!("{} of {}", parts.join(", "), words::counted(report.changes.len(), "case", "cases"))
}

/// How the two sides were measured.
pub(in crate::render) fn how(mode: Mode) -> String {
    match mode {
        Mode::Documents => format!("Two documents, {ONE_RUN_NOTE}."),
        Mode::Stored => {
            "New runs against the runs of a stored baseline; whole runs are compared, not samples.".to_owned()
        }
        Mode::Paired => {
            "Both programs in turns: a block is a fresh process of each, both alive, sampled in drawn order."
                .to_owned()
        }
        Mode::Commands => "Both commands in turns, in random order: one execution of each is a block.".to_owned(),
        Mode::Import => {
            "Results of another tool, one run a side: the intervals cover the noise within a run, not the drift \
             between runs."
                .to_owned()
        }
    }
}

/// What an interval means, in a sentence.
pub(in crate::render) const fn interval(mode: Mode) -> &'static str {
    match mode {
        Mode::Documents | Mode::Import => "Intervals: 95 %, of the noise within a run.",
        Mode::Stored => "Intervals: 95 % prediction, from the values of whole runs.",
        Mode::Paired | Mode::Commands => {
            "Intervals are anytime-valid: each end holds with 95 %, however often one looks."
        }
    }
}

/// The heading over intervals.
pub(in crate::render) const fn interval_title(mode: Mode) -> &'static str {
    match mode {
        Mode::Documents | Mode::Import => "95 % in a run",
        Mode::Stored => "95 % prediction",
        Mode::Paired | Mode::Commands => "95 % each end",
    }
}

/// When a change is which verdict.
pub(in crate::render) fn margins(report: &ComparisonReport) -> String {
    let (lower, upper) = (percent(report.lower_margin), percent(report.upper_margin));
    format!("slower (or faster) when more than {lower} is shown, equivalent when less than {upper} is")
}

/// `inconclusive: layout`; a reason of many words is told once for all instead.
pub(in crate::render) fn verdict_words(change: &Change) -> String {
    const SHORT: usize = 20;
    match change.reason.as_deref().filter(|reason| reason.chars().count() <= SHORT) {
        Some(reason) => format!("{}: {reason}", change.verdict.name()),
        None => change.verdict.name().to_owned(),
    }
}

/// What a reason means, where its word is short.
pub(in crate::render) fn reason(word: &str) -> &str {
    match word {
        "layout" => "the change lies inside what laying out the same code differently does",
        "budget" => "the sampling time ended before anything was shown; --time gives more",
        "one run a side" => "the values of one run say nothing of the drift between runs",
        other => other,
    }
}

/// `, which could have shown +1.39 % to +4.09 %`: the slowdowns that the data of these cases suffice for.
pub(in crate::render) fn could_have_shown(cases: &[&Change]) -> String {
    let known =
        || cases.iter().filter_map(|change| change.minimum_detectable_effect).filter(|x| x.is_finite());
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = (words::change(1.0 + least), words::change(1.0 + most));
    match known().count() {
        0 => String::new(),
        _ if low == high => format!(", which could have shown {low}"),
        _ => format!(", which could have shown {low} to {high}"),
    }
}

/// Whether the control says that no verdict counts.
pub(in crate::render) fn control_failed(report: &ComparisonReport) -> bool {
    report.control.as_ref().is_some_and(|control| control.verdict == ControlVerdict::Failed)
}

/// What the control says.
pub(in crate::render) fn control(control: &ControlReport) -> String {
    let kept = match control.host_blocks {
        0 => String::new(),
        blocks => format!(" and {blocks} kept of this host"),
    };
    let blocks = format!("{}{kept}", words::counted(control.blocks, "block", "blocks"));
    // An e-value is shown as itself where that can be read, and as a power where not.
    let evidence = match control.ln_e {
        ln_e if !ln_e.is_finite() => "-".to_owned(),
        ln_e if ln_e.abs() < 9.0 => units::significant(ln_e.exp(), 2),
        ln_e => format!("10^{:.0}", ln_e / std::f64::consts::LN_10),
    };
    match control.verdict {
        ControlVerdict::Failed => format!(
            "base against base in {blocks} came out different (e-value {evidence}): every verdict of this run is void"
        ),
        ControlVerdict::TooFew => {
            format!("base against base in {blocks}: too few to tell anything (7 are needed)")
        }
        ControlVerdict::Holds => format!("base against base in {blocks}: holds (e-value {evidence})"),
    }
}

/// `-0.10 to +0.42 %`.
pub(in crate::render) fn ends(ratio: &RatioInterval) -> String {
    let (low, high) = (words::change(ratio.low), words::change(ratio.high));
    match (low.strip_suffix(" %"), high.ends_with(" %")) {
        (Some(low), true) => format!("{low} to {high}"),
        (Some(_), false) | (None, _) => format!("{low} to {high}"),
    }
}

/// `; layout alone does -0.80 to +1.70 %`: the widest spread of builds of the same code among these cases.
pub(in crate::render) fn layout_alone(cases: &[&Change]) -> String {
    let width = |layout: &Layout| layout.high / layout.low;
    let layouts = cases.iter().filter_map(|change| change.layout);
    let widest = layouts.max_by(|a, b| width(a).total_cmp(&width(b)));
    widest.map_or_else(String::new, |Layout { low, high, .. }| {
        format!("; layout alone does {}", ends(&RatioInterval { value: 1.0, low, high }))
    })
}

/// A share as percent without zeroes at the end: `0.5 %`, `3.75 %`.
pub(in crate::render) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{:.2}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `p99`, `p99.9`.
pub(in crate::render) fn quantile(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

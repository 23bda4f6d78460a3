//! What a document must be beyond its types: numbers that can be times, and parts that belong to each other.
//!
//! A program of ours never writes anything else; what fails here was edited, merged or cut.

use std::collections::BTreeSet;

use super::{Arm, BENCH, Baseline, BaselineRun, Case, Cause, Document, KeptSamples, NO_REFERENCE};

/// Samples are positive numbers, and every measured case has some.
pub(super) fn document(document: &Document) -> Result<(), String> {
    for measurement in document.measured() {
        let samples = &measurement.seconds.samples;
        if samples.is_empty() || !samples.iter().all(is_time) {
            return Err(format!("{} has a sample that is not a positive number, or none", measurement.case));
        }
    }
    Ok(())
}

/// Runs are complete in themselves and speak of the document's cases and references only.
pub(super) fn baseline(baseline: &Baseline) -> Result<(), String> {
    let cases: BTreeSet<&Case> = baseline.document.measured().map(|m| &m.case).collect();
    if baseline.references.keys().any(|name| name == BENCH || name == NO_REFERENCE || name.is_empty()) {
        return Err(format!("a reference kernel is called {BENCH:?}, {NO_REFERENCE:?} or nothing"));
    }
    let mut ids = BTreeSet::new();
    for baseline_run in &baseline.runs {
        if !ids.insert(&baseline_run.id) {
            return Err(format!("two runs have the id {:?}", short(&baseline_run.id)));
        }
        run(baseline_run)?;
        for arm in &baseline_run.arms {
            known(arm, &cases, baseline)
                .map_err(|why| format!("run {:?}: {why}", short(&baseline_run.id)))?;
        }
    }
    for normaliser in &baseline.normalisers {
        let chosen = &normaliser.chosen;
        if chosen != NO_REFERENCE && !baseline.references.contains_key(chosen) {
            return Err(format!(
                "{} is divided by {:?}, which is no reference of it",
                normaliser.case,
                short(chosen)
            ));
        }
        if !normaliser.between_run_spread.values().all(is_amount) {
            return Err(format!("{} has a spread between runs that is no number from 0 on", normaliser.case));
        }
    }
    Ok(())
}

fn known(arm: &Arm, cases: &BTreeSet<&Case>, baseline: &Baseline) -> Result<(), String> {
    if !cases.contains(&arm.case) {
        return Err(format!("{} is no measured case of the document", arm.case));
    }
    if arm.arm != BENCH && !baseline.references.contains_key(&arm.arm) {
        return Err(format!("{:?} is no reference kernel of the document", short(&arm.arm)));
    }
    if baseline.samples == KeptSamples::Inline && arm.wall_seconds.is_empty() {
        return Err(format!("{} of {} has no samples", short(&arm.arm), arm.case));
    }
    Ok(())
}

/// One run: each arm stands once, beside the case that it belongs to, with numbers that fit each other.
pub(super) fn run(run: &BaselineRun) -> Result<(), String> {
    let at = |why: String| format!("run {:?}: {why}", short(&run.id));
    if run.arms.is_empty() {
        return Err(at("it has no arms".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for one in &run.arms {
        if !seen.insert((&one.case, &*one.arm)) {
            return Err(at(format!("{} of {} stands twice", short(&one.arm), one.case)));
        }
        arm(one).map_err(|why| at(format!("{} of {} {why}", short(&one.arm), one.case)))?;
    }
    match run.arms.iter().find(|arm| !seen.contains(&(&arm.case, BENCH))) {
        Some(lonely) => Err(at(format!("{} has reference kernels and no samples of its own", lonely.case))),
        None => Ok(()),
    }
}

fn arm(arm: &Arm) -> Result<(), String> {
    let count = arm.wall_seconds.len();
    if arm.wall_seconds.is_empty() && (arm.median_seconds.is_none() || arm.quiet_seconds.is_none()) {
        return Err("has neither samples nor what is kept of them".to_owned());
    }
    let kept = arm.median_seconds.iter().chain(&arm.quiet_seconds);
    if !arm.wall_seconds.iter().chain(kept).all(is_time) {
        return Err("has a time that is not a positive number".to_owned());
    }
    if !arm.cpu_seconds.iter().chain(&arm.wait_seconds).all(is_amount) {
        return Err("has a CPU time or a wait that is not a number from 0 on".to_owned());
    }
    for (what, length) in [
        ("cpu_seconds", arm.cpu_seconds.len()),
        ("wait_seconds", arm.wait_seconds.len()),
        ("involuntary_switches", arm.involuntary_switches.len()),
        ("cpu", arm.cpu.len()),
    ] {
        if length != 0 && length != count {
            return Err(format!("has {count} wall_seconds and {length} {what}"));
        }
    }
    if arm.cause.len() > count {
        return Err(format!("has {count} wall_seconds and a cause of sample {}", arm.cause.len()));
    }
    Ok(())
}

/// Samples without a cause are undisturbed; files name the others.
pub(super) fn fill_causes(runs: &mut [BaselineRun]) {
    for arm in runs.iter_mut().flat_map(|run| &mut run.arms) {
        arm.cause.resize(arm.wall_seconds.len(), Cause::Undisturbed);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "iterators hand references")]
fn is_time(value: &f64) -> bool {
    value.is_finite() && *value > 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "iterators hand references")]
fn is_amount(value: &f64) -> bool {
    value.is_finite() && *value >= 0.0
}

/// A word of the file as an error may show it.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

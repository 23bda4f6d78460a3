//! What runs say of a case: one number a run, the logarithm of its time or of its ratio to a reference's.

use std::collections::BTreeMap;

use crate::analysis::prediction::choose_reference;
use crate::document::{BENCH, BaselineRun, Case, NO_REFERENCE, Normaliser};

/// What a run says of the arms of a case, by name: see [`Arm::quiet`](crate::document::Arm::quiet).
fn seconds<'a>(run: &'a BaselineRun, case: &'a Case) -> BTreeMap<&'a str, f64> {
    run.of_case(case).filter_map(|arm| Some((&*arm.arm, arm.quiet()?))).collect()
}

/// One value for each run that has the case: `ln(bench)`, or `ln(bench / reference)`, which is no number where the run
/// lacks the reference.
///
/// One number of a run is divided by another, not sample by sample: what was recorded without its samples is then compared in the same way.
#[must_use]
pub fn log_values(runs: &[BaselineRun], case: &Case, reference: &str) -> Vec<f64> {
    let value = |run: &BaselineRun| {
        let seconds = seconds(run, case);
        let bench = seconds.get(BENCH)?;
        let divisor =
            if reference == NO_REFERENCE { 1.0 } else { seconds.get(reference).copied().unwrap_or(f64::NAN) };
        Some((bench / divisor).ln())
    };
    runs.iter().filter_map(value).collect()
}

/// By which reference the runs of a case differ least; `None` where the runs are too few to tell.
#[must_use]
pub fn normaliser<'a>(
    runs: &[BaselineRun],
    case: &Case,
    references: impl Iterator<Item = &'a String>,
) -> Option<Normaliser> {
    let alone = log_values(runs, case, NO_REFERENCE);
    let candidates: Vec<(String, Vec<f64>)> =
        references.map(|name| (name.clone(), log_values(runs, case, name))).collect();
    let choice = choose_reference(&candidates, &alone)?;
    let spread = |values: &[f64]| choose_reference(&[], values).map(|choice| choice.spread_alone);
    let spreads = candidates.iter().filter_map(|(name, values)| Some((name.clone(), spread(values)?)));
    Some(Normaliser {
        case: case.clone(),
        chosen: choice.reference.unwrap_or_else(|| NO_REFERENCE.to_owned()),
        between_run_spread: spreads.chain([(NO_REFERENCE.to_owned(), choice.spread_alone)]).collect(),
    })
}

//! Runs as the outcomes of a results document: one sample a run, its median.

use std::collections::BTreeMap;

use crate::catalog;
use crate::document::{
    Arm, BENCH, BaselineRun, Case, Cost, Measurement, Omission, Origin, Outcome, SampleSeconds,
};

use super::Runs;

/// One outcome for each case that was measured or failed. A case that no run has is left out.
#[must_use]
pub fn outcomes(cases: &[Case], runs: &Runs) -> Vec<Outcome> {
    cases.iter().filter_map(|case| outcome(case, runs)).collect()
}

fn outcome(case: &Case, runs: &Runs) -> Option<Outcome> {
    let omission = |why: &str| Omission { case: case.clone(), origin: Origin::Perfkit, why: why.to_owned() };
    if let Some(why) = runs.failed.get(case) {
        return Some(Outcome::Failed(omission(why)));
    }
    let benchmark = catalog::find(&case.benchmark)?;
    let Some(cost) = benchmark.cost_of(&case.implementation, &case.shape) else {
        return Some(Outcome::Failed(omission("the benchmark does not take this shape")));
    };
    let unsettled = runs.unsettled.get(case).copied().unwrap_or(0);
    measured(case, cost, &runs.runs, unsettled).map(|measurement| Outcome::Measured(Box::new(measurement)))
}

/// A case's measurement out of its runs; `None` where no run has it.
fn measured(case: &Case, cost: Cost, runs: &[BaselineRun], unsettled: usize) -> Option<Measurement> {
    let arms: Vec<&Arm> =
        runs.iter().flat_map(|run| run.of_case(case)).filter(|arm| arm.arm == BENCH).collect();
    let samples: Vec<f64> = arms.iter().filter_map(|arm| arm.median()).collect();
    let mut notes = vec!["each sample is the median of a run in a fresh process".to_owned()];
    if unsettled > 0 {
        notes.push(format!("the warm-up did not settle in {unsettled} of {} runs", arms.len()));
    }
    Some(Measurement {
        case: case.clone(),
        origin: Origin::Perfkit,
        peer: None,
        seconds: SampleSeconds { samples },
        cost,
        iterations: arms.first()?.iterations,
        cpu_wall_ratio: None,
        minor_faults: 0,
        involuntary_switches: arms.iter().flat_map(|arm| &arm.involuntary_switches).sum(),
        stages: None,
        total_seconds: None,
        tokens: None,
        texts: None,
        peak_rss_bytes: None,
        latency: None,
        facts: BTreeMap::new(),
        notes,
    })
}

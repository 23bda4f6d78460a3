//! The measuring of stored mode: new runs, verdicts, and a second look at what came out slower.

use std::collections::BTreeMap;

use crate::analysis::compare::{Change, Verdict};
use crate::document::{BENCH, Baseline, Case};
use crate::session::runs::{Runs, RunsPlan, Starter, measure_runs};
use crate::session::{Observer, Stop};
use crate::sys::Monotonic;

use super::{ADVISORY, CaseRuns, StoredRequest, comparable, judge_case};

/// A baseline on trial against this build.
pub(super) struct Trial<'a> {
    baseline: &'a Baseline,
    request: &'a StoredRequest,
    start: &'a Starter<'a>,
    stop: &'a Stop,
    runs: Runs,
}

/// Its outcome.
pub(super) struct Done {
    pub(super) changes: Vec<Change>,
    pub(super) escalate: Vec<String>,
    pub(super) runs: Runs,
    pub(super) notes: Vec<String>,
}

impl<'a> Trial<'a> {
    pub(super) fn of(
        baseline: &'a Baseline,
        request: &'a StoredRequest,
        start: &'a Starter<'a>,
        stop: &'a Stop,
    ) -> Self {
        Self { baseline, request, start, stop, runs: Runs::default() }
    }

    /// Measures and judges; slower cases are confirmed, or named where they can be paired.
    pub(super) fn run(mut self, cases: &[Case], observer: &mut dyn Observer) -> anyhow::Result<Done> {
        self.measure(cases, self.request.seed, observer)?;
        let changes = self.judge(cases);
        let suspects = suspects(&changes);
        let pairable = self.request.can_pair && comparable::clean_commit(self.baseline).is_some();
        if suspects.is_empty() || pairable || self.stop.requested() {
            let escalate = if pairable { suspects } else { Vec::new() };
            return Ok(Done { changes, escalate, runs: self.runs, notes: Vec::new() });
        }
        let suspects: Vec<Case> = suspects.iter().filter_map(|case| case.parse().ok()).collect();
        self.measure(&suspects, self.request.seed.wrapping_add(1), observer)?;
        let confirmed = self.judge(cases);
        let notes = vec![format!(
            "{} case(s) that came out slower were measured in {} runs more: {} of {} verdicts stand",
            suspects.len(),
            self.request.runs,
            slower(&confirmed),
            slower(&changes),
        )];
        Ok(Done { changes: confirmed, escalate: Vec::new(), runs: self.runs, notes })
    }

    /// Adds new runs of cases, beside the references that the baseline has, with its inputs and lengths of samples.
    fn measure(&mut self, cases: &[Case], seed: u64, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let plan = RunsPlan {
            cases: cases.to_vec(),
            references: self.baseline.references.clone(),
            runs: self.request.runs,
            pause_seconds: self.request.pause_seconds,
            input_seed: self.baseline.document.run.seed,
            order_seed: seed,
            iterations: iterations(self.baseline),
            ..RunsPlan::default()
        };
        let new = measure_runs(&plan, self.start, &Monotonic::new(), self.stop, observer)?;
        self.runs.runs.extend(new.runs);
        self.runs.failed.extend(new.failed);
        for (case, count) in new.unsettled {
            *self.runs.unsettled.entry(case).or_default() += count;
        }
        Ok(())
    }

    /// Judges cases by all runs so far. Those that failed have no change.
    fn judge(&self, cases: &[Case]) -> Vec<Change> {
        let against = comparable::other_kernels(self.baseline);
        let judge = |case: &Case| {
            let runs = CaseRuns::of(case, self.baseline, &self.runs.runs);
            without_verdict(judge_case(&runs, self.request.margin), against.as_deref())
        };
        cases.iter().filter(|case| !self.runs.failed.contains_key(*case)).map(judge).collect()
    }
}

fn slower(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.verdict == Verdict::Slower).count()
}

/// Slower, or slower by less than stored mode vouches for.
fn suspects(changes: &[Change]) -> Vec<String> {
    let suspect =
        |change: &&Change| change.verdict == Verdict::Slower || change.reason.as_deref() == Some(ADVISORY);
    changes.iter().filter(suspect).map(|change| change.case.clone()).collect()
}

/// A change keeps its interval and loses its verdict where something stands against it.
fn without_verdict(change: Change, against: Option<&str>) -> Change {
    match against {
        Some(reason) => Change { verdict: Verdict::Inconclusive, reason: Some(reason.to_owned()), ..change },
        None => change,
    }
}

/// The iterations of a sample of every case and reference kernel of a baseline.
fn iterations(baseline: &Baseline) -> BTreeMap<Case, u64> {
    let mut iterations = BTreeMap::new();
    for arm in baseline.runs.iter().flat_map(|run| &run.arms) {
        let case = if arm.arm == BENCH { Some(&arm.case) } else { baseline.references.get(&arm.arm) };
        if let Some(case) = case.filter(|_| arm.iterations > 0) {
            iterations.entry(case.clone()).or_insert(arm.iterations);
        }
    }
    iterations
}

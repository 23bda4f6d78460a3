//! Budgets of a comparison in pairs: judged on the candidate, whose every block is a process of its own.

use super::paired::Judged;
use crate::analysis::budget::{self, Budget, BudgetResult, BudgetVerdict};
use crate::document::{Cost, Machine, Outcome};
use crate::measure::Samples;
use crate::session::recorder::{self, Beginning, Recorder};
use crate::session::{Observer, Stop};

/// How the candidate stands against `budgets`: those that its blocks can answer. A comparison chooses its cases for what
/// they compare, and stages or latencies of single calls are not measured in it.
pub(super) fn judge(
    budgets: &[Budget],
    judged: &[Judged],
    machine: &Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Vec<BudgetResult>> {
    if budgets.is_empty() {
        return Ok(Vec::new());
    }
    let beginning = Beginning { command: "regress".to_owned(), ..Beginning::default() };
    let mut recorder =
        Recorder::new(machine.clone(), beginning, machine.limits.effective_cpus, stop, observer);
    for outcome in judged.iter().filter_map(candidate) {
        recorder.add(outcome)?;
    }
    let mut answer = budget::judge(recorder.document(), budgets);
    answer.retain(|result| result.verdict != BudgetVerdict::NotMeasured);
    Ok(answer)
}

/// The candidate's side of a case: its sample is a block's median.
fn candidate(judged: &Judged) -> Option<Outcome> {
    let case = judged.change.case.parse().ok()?;
    let samples = Samples { seconds: judged.candidate_seconds.clone(), settled: true, ..Samples::default() };
    let mut outcome = recorder::measurement(&case, Cost::default(), &samples);
    if let Outcome::Measured(measurement) = &mut outcome {
        measurement.peak_rss_bytes = judged.candidate_peak_rss_bytes;
    }
    Some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::compare::{Change, Margin};
    use crate::analysis::sequential::{Decider, State};
    use crate::session::Silent;

    fn judged(case: &str, seconds: &[f64]) -> Judged {
        Judged {
            change: Change { case: case.to_owned(), ..Change::default() },
            state: State::Equivalent,
            evidence: Decider::new(Margin::around(0.01), 0.05, 1).evidence(),
            control: Vec::new(),
            unoptimised: [false; 2],
            candidate_seconds: seconds.to_vec(),
            candidate_peak_rss_bytes: Some(3 << 20),
        }
    }

    #[test]
    fn the_right_end_of_the_interval_decides() {
        let steady = judged("pool/mean-f32/rows@baseline/8x8/t1", &[1.9e-3; 12]);
        let spread: Vec<f64> = (0..12).map(|i| 1.5e-3 + 1e-4 * f64::from(i)).collect();
        let spread = judged("softmax/rows-f32/rows@baseline/8x8/t1", &spread);
        let budget = |name: &str, cases: &str, measure: &str, limit: &str| {
            Budget::new(name, cases, None, measure, Some(limit), None).unwrap()
        };
        let budgets = [
            budget("met", "pool/*", "seconds", "2 ms"),
            budget("broken", "pool/*", "seconds", "1.8 ms"),
            budget("between", "softmax/*", "seconds", "2.05 ms"),
            budget("size", "pool/*", "peak rss", "2 MiB"),
            budget("calls", "pool/*", "latency p95", "2 ms"),
        ];
        let machine = Machine::default();
        let answer = judge(&budgets, &[steady, spread], &machine, &Stop::default(), &mut Silent).unwrap();
        let verdicts: Vec<BudgetVerdict> = answer.iter().map(|result| result.verdict).collect();
        use BudgetVerdict::{Broken, Inconclusive, Met};
        assert_eq!(verdicts, [Met, Broken, Inconclusive, Broken], "no block tells a call's latency");
    }
}

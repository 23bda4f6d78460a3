//! A baseline small enough for version control: numbers to the digits that mean something, and what nobody will look
//! at left out.

use crate::document::{Arm, BENCH, Baseline, BaselineRun, KeptSamples, SamplesDocument};

/// Digits of a wall time: a hundredth of the smallest change that is ever judged.
const WALL_DIGITS: usize = 5;
/// Digits of a CPU time, which says whether a sample was disturbed and is not judged.
const CPU_DIGITS: usize = 3;
/// Digits of a wait: it is subtracted from the wall time, of which it can be nearly all.
const WAIT_DIGITS: usize = 5;

/// The baseline as it is written, and the samples for the file beside it where they are to be kept there.
pub(super) fn compact(baseline: &Baseline) -> (Baseline, Option<SamplesDocument>) {
    let short = |arm: &Arm| match baseline.samples {
        KeptSamples::Inline => rounded(arm),
        KeptSamples::Compressed | KeptSamples::None => median_only(arm),
    };
    let runs = baseline
        .runs
        .iter()
        .map(|run| BaselineRun { arms: run.arms.iter().map(short).collect(), ..run.clone() })
        .collect();
    let mut kept = Baseline { runs, ..baseline.clone() };
    if baseline.has_run_level_values() {
        // Medians of runs: as many digits as what they were taken from. A document's own samples are as measured.
        round_outcomes(&mut kept);
    }
    let raw = (baseline.samples == KeptSamples::Compressed).then(|| SamplesDocument {
        schema: SamplesDocument::SCHEMA.to_owned(),
        baseline: baseline.document.run.id.clone(),
        runs: baseline.runs.clone(),
    });
    (kept, raw)
}

fn round_outcomes(baseline: &mut Baseline) {
    for outcome in &mut baseline.document.outcomes {
        if let crate::document::Outcome::Measured(measurement) = outcome {
            round_all(&mut measurement.seconds.samples, WALL_DIGITS);
        }
    }
    let spreads = baseline.normalisers.iter_mut().flat_map(|n| n.between_run_spread.values_mut());
    spreads.for_each(|spread| *spread = round(*spread, CPU_DIGITS));
}

/// Of a reference kernel the wall times and their causes suffice; the rest stands beside the case's own samples.
fn rounded(arm: &Arm) -> Arm {
    let mut short = arm.clone();
    round_all(&mut short.wall_seconds, WALL_DIGITS);
    round_all(&mut short.cpu_seconds, CPU_DIGITS);
    round_all(&mut short.wait_seconds, WAIT_DIGITS);
    if arm.wait_seconds.iter().all(|&wait| wait == 0.0) {
        // What is not there was not waited for.
        short.wait_seconds.clear();
    }
    if arm.arm != BENCH {
        short.cpu_seconds.clear();
        short.cpu.clear();
    }
    short
}

fn median_only(arm: &Arm) -> Arm {
    Arm {
        iterations: arm.iterations,
        median_seconds: arm.median().map(|median| round(median, WALL_DIGITS)),
        quiet_seconds: arm.quiet().map(|quiet| round(quiet, WALL_DIGITS)),
        ..Arm::new(arm.case.clone(), &arm.arm)
    }
}

fn round_all(values: &mut [f64], digits: usize) {
    values.iter_mut().for_each(|value| *value = round(*value, digits));
}

/// To so many significant digits. By way of its text, which is where the digits count.
fn round(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_significant_digits() {
        assert_eq!(round(0.000_123_456_78, 5), 0.000_123_46);
        assert_eq!(round(123_456.0, 3), 123_000.0);
        assert_eq!(round(0.0, 5), 0.0);
    }

    #[test]
    fn a_reference_keeps_its_times_and_a_case_what_was_counted_beside_them() {
        let case: crate::document::Case = "pool/mean-f32/rows@avx512/8x8/t1".parse().unwrap();
        let arm = Arm {
            wall_seconds: vec![1.234_567e-4; 3],
            cpu_seconds: vec![1.234_567e-4; 3],
            involuntary_switches: vec![0, 1, 0],
            cpu: vec![Some(1); 3],
            iterations: 7,
            ..Arm::new(case, BENCH)
        };
        let bench = rounded(&arm);
        assert_eq!((bench.wall_seconds[0], bench.cpu_seconds[0]), (1.2346e-4, 1.23e-4));
        assert_eq!(bench.cpu.len(), 3);
        let reference = rounded(&Arm { arm: "int".to_owned(), ..arm.clone() });
        assert!(reference.cpu.is_empty() && reference.cpu_seconds.is_empty());
        assert_eq!(reference.involuntary_switches, [0, 1, 0]);
        let bare = median_only(&arm);
        assert_eq!((bare.median(), bare.iterations, bare.wall_seconds.len()), (Some(1.2346e-4), 7, 0));
    }
}

//! Stored baselines: what new runs should lie within, predicted from the runs that were recorded.
//!
//! The error term is the spread between runs and never that within one: samples of one run agree with each other to a
//! fraction of what the machine drifts by until the next, and a test that believes them calls unchanged code changed.
//! The remedy for the drift itself is a reference kernel measured in the same rounds, by which each run is divided.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Stored runs below which nothing can be predicted: the spread of two is hardly known at all.
pub const STORED_RUNS_NEEDED: usize = 3;

/// The effect of the candidate with its interval, in logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Mean of the new runs less the mean of the stored.
    pub effect: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The spread between runs that it rests on: pooled over both sides, at least the resolution.
    pub spread: f64,
}

/// The effect of new runs against stored ones, each a run's `ln` value (of a time, or of its ratio to a reference), with
/// the interval in which it lies with `confidence_each_side` on either side: Student's, the spread pooled over the
/// `K + J - 2` degrees of freedom of both groups and no smaller than `resolution`, below which two runs are not known to
/// differ.
///
/// `None` for fewer than [`STORED_RUNS_NEEDED`] stored runs or no new one, for values that are no finite numbers, and
/// for a confidence that is none (between 0.5 and 1).
#[must_use]
pub fn predict(stored: &[f64], new: &[f64], resolution: f64, confidence_each_side: f64) -> Option<Interval> {
    let finite = stored.iter().chain(new).chain([&resolution]).all(|value| value.is_finite());
    let confident = confidence_each_side > 0.5 && confidence_each_side < 1.0;
    if stored.len() < STORED_RUNS_NEEDED || new.is_empty() || !finite || !confident {
        return None;
    }
    let (k, j) = (float(stored.len()), float(new.len()));
    let freedom = k + j - 2.0;
    let pooled = ((squared_deviations(stored) + squared_deviations(new)) / freedom).sqrt();
    let spread = pooled.max(resolution);
    let quantile = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(confidence_each_side);
    let half_width = quantile * spread * (1.0 / k + 1.0 / j).sqrt();
    let effect = mean(new) - mean(stored);
    half_width.is_finite().then_some(Interval {
        effect,
        low: effect - half_width,
        high: effect + half_width,
        spread,
    })
}

/// The reference kernel that steadies a benchmark most.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its name; `None` where the benchmark alone is steadiest.
    pub reference: Option<String>,
    /// Spread between runs with it.
    pub spread: f64,
    /// Spread between runs without any.
    pub spread_alone: f64,
}

/// Chooses the reference by whose ratio the recorded runs differ least; `candidates` are names with the runs'
/// `ln(benchmark / reference)`, `alone` the runs' `ln(benchmark)`. A reference must be better than none: the wrong class
/// (an integer kernel for a memory-bound benchmark) adds its own noise and removes none. One with fewer runs than the
/// benchmark, or with a value that is no number, is passed over. `None` where the benchmark itself has too few.
#[must_use]
pub fn choose_reference(candidates: &[(String, Vec<f64>)], alone: &[f64]) -> Option<Choice> {
    let spread_alone = run_spread(alone)?;
    let mut choice = Choice { reference: None, spread: spread_alone, spread_alone };
    for (name, runs) in candidates.iter().filter(|(_, runs)| runs.len() >= alone.len()) {
        if let Some(spread) = run_spread(runs).filter(|&spread| spread < choice.spread) {
            choice = Choice { reference: Some(name.clone()), spread, spread_alone };
        }
    }
    Some(choice)
}

/// The standard deviation between runs.
fn run_spread(runs: &[f64]) -> Option<f64> {
    let known = runs.len() >= STORED_RUNS_NEEDED && runs.iter().all(|value| value.is_finite());
    known.then(|| (squared_deviations(runs) / (float(runs.len()) - 1.0)).sqrt())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

fn squared_deviations(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[expect(clippy::print_stdout, reason = "the simulated rates are worth reading")]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use proptest::prelude::*;

    fn runs(rng: &mut Rng, count: usize, centre: f64, spread: f64) -> Vec<f64> {
        (0..count).map(|_| centre + spread * rng.normal()).collect()
    }

    #[test]
    fn the_interval_is_students() {
        // Five stored runs of standard deviation 0.01 and one equal to their mean plus 0.03: t(0.95; 4) = 2.131847.
        let deviation = 0.01 / (5.0_f64 / 8.0).sqrt() / 2.0_f64.sqrt();
        let stored = [deviation, -deviation, deviation, -deviation, 0.0];
        let scale = (squared_deviations(&stored) / 4.0).sqrt();
        let interval = predict(&stored, &[0.03], 0.0, 0.95).unwrap();
        let half_width = 2.131_846_8 * scale * 1.2_f64.sqrt();
        assert!((interval.low - (0.03 - half_width)).abs() < 1e-8, "{interval:?}");
        assert!((interval.high - (0.03 + half_width)).abs() < 1e-8, "{interval:?}");
        // Two groups of three: t(0.975; 4) = 2.776445 and a pooled spread.
        let interval = predict(&[-0.01, 0.0, 0.01], &[0.0, 0.02, 0.04], 0.0, 0.975).unwrap();
        let half_width = 2.776_445_1 * (0.001_f64 / 4.0).sqrt() * (2.0_f64 / 3.0).sqrt();
        assert!((interval.high - (0.02 + half_width)).abs() < 1e-8, "{interval:?}");
    }

    #[test]
    fn quantiles_come_back_to_their_probability() {
        for freedom in [2.0, 3.0, 6.0, 40.0, 500.0] {
            let student = StudentsT::new(0.0, 1.0, freedom).unwrap();
            for p in [0.6, 0.9, 0.95, 0.995, 0.9999] {
                let back = student.cdf(student.inverse_cdf(p));
                assert!((back - p).abs() < 1e-9, "{p} with {freedom} degrees: {back}");
            }
        }
    }

    #[test]
    fn too_few_runs_predict_nothing() {
        assert!(predict(&[0.0, 0.1], &[0.0], 0.001, 0.95).is_none());
        assert!(predict(&[0.0, 0.1, 0.2], &[], 0.001, 0.95).is_none());
        assert!(predict(&[0.0, 0.1, f64::NAN], &[0.0], 0.001, 0.95).is_none());
        for confidence in [0.5, 1.0, f64::NAN] {
            assert!(predict(&[0.0, 0.1, 0.2], &[0.0], 0.001, confidence).is_none());
        }
    }

    #[test]
    fn runs_that_agree_too_well_are_not_believed() {
        let interval = predict(&[0.0; 5], &[0.0; 3], 0.002, 0.95).unwrap();
        assert_eq!(interval.spread, 0.002);
        assert!(interval.low < -0.002 && interval.high > 0.002);
    }

    #[test]
    fn the_interval_covers_what_it_says() {
        for (stored, new) in [(3, 1), (5, 1), (5, 3)] {
            let mut rng = Rng::new(21);
            let trials = 4000;
            let above = (0..trials)
                .filter(|_| {
                    let (old, fresh) = (runs(&mut rng, stored, 0.0, 0.01), runs(&mut rng, new, 0.0, 0.01));
                    predict(&old, &fresh, 1e-6, 0.95).unwrap().low > 0.0
                })
                .count();
            let rate = float(above) / float(trials);
            println!(
                "{stored} stored and {new} new runs: unchanged above the interval on {rate:.4} of {trials}"
            );
            assert!((rate - 0.05).abs() < 0.012, "{stored}+{new}: {rate}");
        }
    }

    /// What choosing among five equally steady references by five runs costs: the chosen one's spread flatters it.
    #[test]
    fn choosing_a_reference_costs_little_coverage() {
        let mut rng = Rng::new(22);
        let trials = 4000;
        let (mut beyond_zero, mut beyond_margin) = (0, 0);
        for _ in 0..trials {
            let candidates: Vec<(String, Vec<f64>)> =
                (0..4).map(|i| (format!("reference {i}"), runs(&mut rng, 5, 0.0, 0.01))).collect();
            let alone = runs(&mut rng, 5, 0.0, 0.01);
            let choice = choose_reference(&candidates, &alone).unwrap();
            let stored = choice
                .reference
                .and_then(|name| candidates.iter().find(|(other, _)| *other == name))
                .map_or(&alone, |(_, runs)| runs);
            let interval = predict(stored, &runs(&mut rng, 3, 0.0, 0.01), 1e-6, 0.95).unwrap();
            beyond_zero += usize::from(interval.low > 0.0);
            beyond_margin += usize::from(interval.low > 0.005);
        }
        let (zero, margin) = (float(beyond_zero) / float(trials), float(beyond_margin) / float(trials));
        println!("after a choice among five: {zero:.3} above the interval, {margin:.3} above half a percent");
        assert!(zero < 0.12 && margin < 0.05, "{zero} {margin}");
    }

    #[test]
    fn the_steadiest_reference_is_chosen_and_none_is_one() {
        let alone = [0.0, 0.02, -0.02];
        let steady = ("dram".to_owned(), vec![0.0, 0.001, -0.001]);
        let wild = ("integer".to_owned(), vec![0.0, 0.05, -0.05]);
        let broken = ("simd".to_owned(), vec![0.0, f64::NAN, 0.0]);
        let short = ("cache".to_owned(), vec![0.0, 0.0]);
        let choice = choose_reference(&[wild.clone(), broken, steady, short], &alone).unwrap();
        assert_eq!(choice.reference.as_deref(), Some("dram"));
        assert!((choice.spread - 0.001).abs() < 1e-12 && (choice.spread_alone - 0.02).abs() < 1e-12);
        let choice = choose_reference(&[wild, ("same".to_owned(), alone.to_vec())], &alone).unwrap();
        assert_eq!(choice.reference, None, "a tie goes to none");
        assert_eq!(choose_reference(&[], &[0.0, 0.1]), None);
    }

    proptest! {
        #[test]
        fn any_numbers_are_taken(
            stored in prop::collection::vec(any::<f64>(), 0..8),
            new in prop::collection::vec(any::<f64>(), 0..8),
            resolution in any::<f64>(),
            confidence in any::<f64>(),
        ) {
            if let Some(interval) = predict(&stored, &new, resolution, confidence) {
                prop_assert!(interval.low <= interval.effect && interval.effect <= interval.high);
            }
            let _ = choose_reference(&[("a".to_owned(), stored)], &new);
        }
    }
}

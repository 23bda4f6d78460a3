//! The rate that a core really runs at, by a chain whose cycles are known.

use std::sync::Arc;

use crate::catalog::{self, Resources};
use crate::document::{Case, Machine, ParseCaseError};
use crate::measure::{Plan, Samples, sample};
use crate::stats;
use crate::sys::{Monotonic, Team};

/// About half a millisecond of dependent instructions.
const CASE: &str = "clock/chain-u64/plain@baseline/1048576/t1";
/// The core was busy with our chain for at least this share of a sample that counts.
const UNDISTURBED: f64 = 0.99;
/// With fewer such samples there is no answer.
const LEAST_SAMPLES: usize = 5;
/// Nor when they differ by more than this share around their median.
const SPREAD: f64 = 0.04;

/// Measures the core clock in hertz, or says why there is no answer.
pub fn measure(machine: &Arc<Machine>, stop: &dyn Fn() -> bool) -> Result<f64, String> {
    let case: Case = CASE.parse().map_err(|error: ParseCaseError| error.to_string())?;
    let benchmark = catalog::find(&case.benchmark).ok_or("the catalog has no clock chain")?;
    let resources = Resources { team: Team::single(), seed: 1, machine: Arc::clone(machine) };
    let mut workload = benchmark.prepare(&case, &resources).map_err(|error| error.to_string())?;
    let samples =
        sample(&mut *workload, &Plan::DEFAULT, &Monotonic::new(), stop).map_err(|e| e.to_string())?;
    let cycles = workload.facts().extra.get("cycles").copied().ok_or("the chain does not know its cycles")?;
    clock_of(cycles, &samples)
}

/// The clock that undisturbed samples of so many cycles give.
fn clock_of(cycles: f64, samples: &Samples) -> Result<f64, String> {
    let undisturbed: Vec<f64> = samples
        .seconds
        .iter()
        .zip(&samples.records)
        .filter(|(seconds, record)| {
            record.involuntary_switches == 0 && record.cpu_seconds >= UNDISTURBED * **seconds
        })
        .map(|(&seconds, _)| seconds)
        .collect();
    if undisturbed.len() < LEAST_SAMPLES {
        return Err(format!(
            "the core was taken away in {} of {} samples: measure again when the machine is idle",
            samples.seconds.len() - undisturbed.len(),
            samples.seconds.len()
        ));
    }
    let sorted = stats::sorted(&undisturbed);
    let quantile = |q: f64| stats::quantile_of_sorted(&sorted, q).ok_or("no sample is a number");
    let (low, median, high) = (quantile(0.25)?, quantile(0.5)?, quantile(0.75)?);
    if (high - low) / median > SPREAD {
        return Err(format!(
            "the clock moved by {:.0} % while it was measured, or the hypervisor took the core away",
            (high - low) / median * 100.0
        ));
    }
    Ok(cycles / median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Record;

    fn samples(seconds: &[f64], share: f64) -> Samples {
        let record = |s: &f64| Record { cpu_seconds: s * share, ..Record::default() };
        Samples {
            records: seconds.iter().map(record).collect(),
            seconds: seconds.to_vec(),
            ..Samples::default()
        }
    }

    #[test]
    fn a_clock_is_cycles_over_seconds_and_a_stolen_core_has_none() {
        let steady = [1e-3, 1.001e-3, 0.999e-3, 1e-3, 1e-3, 1e-3];
        let hertz = clock_of(4e6, &samples(&steady, 1.0)).unwrap();
        assert!((hertz / 4e9 - 1.0).abs() < 0.01, "{hertz}");
        assert!(clock_of(4e6, &samples(&steady, 0.8)).unwrap_err().contains("taken away"));
        assert!(
            clock_of(4e6, &samples(&[1e-3, 2e-3, 1e-3, 3e-3, 1.5e-3], 1.0)).unwrap_err().contains("moved")
        );
        assert!(clock_of(4e6, &samples(&[], 1.0)).is_err());
    }
}

//! The clock of a core while it and the others work: vector instructions of some processors lower it, and so does company.
//!
//! A core works at the load for some milliseconds, then runs a short chain of dependent one-cycle instructions, whose time
//! gives the clock: a processor takes longer than the chain to raise it again. The other cores work at the load all along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::catalog::{self, Resources, Workload};
use crate::document::{Case, LoadedClock, Machine, ParseCaseError};
use crate::simd::Tier;
use crate::stats;
use crate::sys::Team;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds, process_cpu_nanoseconds, thread_cpu_nanoseconds};
use crate::sys::threads::pin;

/// Some 70 us of dependent instructions: less than any processor takes to change its clock.
const CHAIN: &str = "clock/chain-u64/plain@baseline/131072/t1";
/// Work between two chains.
const BURST_SECONDS: f64 = 4e-3;
/// Chains of one answer.
const ROUNDS: usize = 60;
/// The first ones heat the core up.
const WARM_UP: usize = 12;
/// A core that was taken away, or whose clock moved, is asked again.
const TRIES: usize = 3;
/// A chain counts when its thread had the core for this share of its time.
const UNDISTURBED: f64 = 0.99;
/// There is no answer when the cores had less than this share of the time that they should have worked.
const BUSY: f64 = 0.9;
/// Nor when the middle half of the chains differs by more than this share.
const SPREAD: f64 = 0.04;

/// The clock under each load that this processor has, on one core and on all that this process may use.
pub(super) fn measure(machine: &Arc<Machine>) -> Vec<LoadedClock> {
    let cpus: Vec<u32> = machine.limits.allowed_cpus.iter().collect();
    let all = machine.limits.effective_cpus.clamp(1, cpus.len().max(1));
    let counts = if all > 1 { vec![1, all] } else { vec![1] };
    let vector =
        [Tier::Avx2, Tier::Avx512, Tier::Neon].into_iter().filter(|tier| machine.cpu.tiers.contains(tier));
    let loads = std::iter::once(None).chain(vector.map(Some));
    let one = |load: Option<Tier>, cores: usize| {
        let name = load.map_or("scalar", Tier::name).to_owned();
        let own = &cpus[..cores.min(cpus.len())];
        // A neighbour's burst is over after a while.
        let mut asked = loaded(machine, load, own);
        for _ in 1..TRIES {
            if asked.0.is_err() {
                asked = loaded(machine, load, own);
            }
        }
        let (answer, cpu_share) = asked;
        let (hertz, why) = match answer {
            Ok(hertz) => (Some(hertz), None),
            Err(why) => (None, Some(why)),
        };
        LoadedClock { load: name, cores, hertz, cpu_share, why }
    };
    let one = &one;
    loads.flat_map(|load| counts.iter().map(move |&cores| one(load, cores))).collect()
}

/// The clock with the load on these CPUs, and the share of the time that the threads had them.
fn loaded(machine: &Arc<Machine>, load: Option<Tier>, cpus: &[u32]) -> (Result<f64, String>, Option<f64>) {
    let stop = AtomicBool::new(false);
    let (cpu_before, before) = (process_cpu_nanoseconds(), monotonic_nanoseconds());
    let answer = std::thread::scope(|scope| {
        for &cpu in cpus.get(1..).unwrap_or_default() {
            let stop = &stop;
            scope.spawn(move || {
                // Without the right to pin, the scheduler spreads the threads.
                let _ = pin(&[cpu]);
                let Ok(mut work) = workload(machine, load) else { return };
                while !stop.load(Ordering::Relaxed) {
                    work.run();
                }
            });
        }
        let measuring = scope.spawn(|| {
            let _ = cpus.first().map(|&cpu| pin(&[cpu]));
            chains(machine, load)
        });
        let answer = measuring.join().unwrap_or_else(|_| Err("the measuring thread ended".to_owned()));
        stop.store(true, Ordering::Relaxed);
        answer
    });
    let spent = process_cpu_nanoseconds().saturating_sub(cpu_before);
    let wall = monotonic_nanoseconds().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "cores are few")]
    let share = as_seconds(spent) / (as_seconds(wall) * cpus.len().max(1) as f64);
    if answer.is_ok() && share < BUSY {
        let percent = share * 100.0;
        let why =
            format!("the threads had their cores {percent:.0} % of the time: others used them, or the host");
        return (Err(why), Some(share));
    }
    (answer, Some(share))
}

/// The load's work: the chain itself is scalar work.
fn workload(machine: &Arc<Machine>, load: Option<Tier>) -> Result<Box<dyn Workload>, String> {
    match load {
        None => prepared(machine, CHAIN),
        Some(tier) => prepared(machine, &format!("peak/fma-f32/chains@{tier}/1x4096/t1")),
    }
}

fn prepared(machine: &Arc<Machine>, case: &str) -> Result<Box<dyn Workload>, String> {
    let case: Case = case.parse().map_err(|error: ParseCaseError| error.to_string())?;
    let benchmark =
        catalog::find(&case.benchmark).ok_or_else(|| format!("the catalog has no {}", case.benchmark))?;
    let resources = Resources { team: Team::single(), seed: 1, machine: Arc::clone(machine) };
    benchmark.prepare(&case, &resources).map_err(|error| error.to_string())
}

/// Bursts of work with a chain behind each.
fn chains(machine: &Arc<Machine>, load: Option<Tier>) -> Result<f64, String> {
    let mut work = workload(machine, load)?;
    let mut chain = prepared(machine, CHAIN)?;
    let cycles = chain.facts().extra.get("cycles").copied().ok_or("the chain does not know its cycles")?;
    let mut taken = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let burst = monotonic_nanoseconds();
        while as_seconds(monotonic_nanoseconds().saturating_sub(burst)) < BURST_SECONDS {
            work.run();
        }
        let (cpu, wall) = (thread_cpu_nanoseconds(), monotonic_nanoseconds());
        chain.run();
        let wall = monotonic_nanoseconds().saturating_sub(wall);
        taken.push((as_seconds(wall), as_seconds(thread_cpu_nanoseconds().saturating_sub(cpu))));
    }
    clock_of(cycles, taken.get(WARM_UP..).unwrap_or_default())
}

/// The clock that undisturbed chains of so many cycles give; each has its wall and its CPU seconds.
fn clock_of(cycles: f64, chains: &[(f64, f64)]) -> Result<f64, String> {
    let own = |&&(wall, cpu): &&(f64, f64)| cpu >= UNDISTURBED * wall;
    let undisturbed: Vec<f64> = chains.iter().filter(own).map(|chain| chain.0).collect();
    if undisturbed.len() * 2 < chains.len() || undisturbed.is_empty() {
        let lost = chains.len() - undisturbed.len();
        return Err(format!(
            "the core was taken away in {lost} of {} chains: measure when the machine is idle",
            chains.len()
        ));
    }
    let sorted = stats::sorted(&undisturbed);
    let quantile = |q: f64| stats::quantile_of_sorted(&sorted, q).ok_or("no chain has a time");
    let (low, median, high) = (quantile(0.25)?, quantile(0.5)?, quantile(0.75)?);
    if (high - low) / median > SPREAD {
        let (slow, fast) = (crate::units::hertz(cycles / high), crate::units::hertz(cycles / low));
        return Err(format!(
            "the clock moved between {slow} and {fast} meanwhile, or the hypervisor took the core away"
        ));
    }
    Ok(cycles / median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_core_has_a_clock_and_a_stolen_or_moving_one_has_none() {
        let steady: Vec<(f64, f64)> = (0..20).map(|i| (1e-4 + f64::from(i % 3) * 1e-7, 1.1e-4)).collect();
        let hertz = clock_of(4e5, &steady).unwrap();
        assert!((hertz / 4e9 - 1.0).abs() < 0.01, "{hertz}");
        let stolen: Vec<(f64, f64)> = steady.iter().map(|&(wall, _)| (wall, wall * 0.7)).collect();
        assert!(clock_of(4e5, &stolen).unwrap_err().contains("taken away"));
        let moving: Vec<(f64, f64)> = (0..20).map(|i| (1e-4 * (1.0 + f64::from(i) / 20.0), 1.0)).collect();
        assert!(clock_of(4e5, &moving).unwrap_err().contains("moved"));
        assert!(clock_of(4e5, &[]).is_err());
    }
}

//! The clock of a core while it and the others work: vector instructions of some processors lower it, and so does company.
//!
//! A core works at a load for some milliseconds, then runs two short chains of dependent one-cycle instructions, whose time
//! gives the clock: a processor takes longer than the chains to raise it again. The other cores work at the load all along.
//!
//! Clocks move in steps, within milliseconds, and hosts of virtual machines move them too. So the loads take turns, a block
//! each and many times, and what is said of a load against another comes from neighbouring blocks, in which the wander is the
//! same. Whatever disturbs a chain lengthens it: the clock is the one that the fastest tenth reaches, as ceilings are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use super::chains::{Chains, Reading, clock_of, prepared};
use crate::catalog::Workload;
use crate::document::{LoadedClock, Machine};
use crate::simd::Tier;
use crate::stats;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds, process_cpu_nanoseconds};
use crate::sys::threads::pin;

/// Work between two readings.
const BURST_SECONDS: f64 = 4e-3;
/// Bursts of a block, a reading behind each but the first ones: a clock needs some milliseconds to follow a new load.
const BURSTS: usize = 8;
const SETTLING: usize = 4;
/// Turns of every load.
const TURNS: usize = 12;
/// A load whose cores were taken away, or that held no clock, is asked again with the others.
const TRIES: usize = 3;
/// There is no answer when the cores had less than this share of the time that they should have worked.
const BUSY: f64 = 0.9;
/// No load has this number: everybody goes home.
const DONE: usize = usize::MAX;

/// The clock under each load that this processor has, on one core and on all that this process may use.
pub(super) fn measure(machine: &Arc<Machine>) -> Vec<LoadedClock> {
    let cpus: Vec<u32> = machine.limits.allowed_cpus.iter().collect();
    let all = machine.limits.effective_cpus.clamp(1, cpus.len().max(1));
    let counts = if all > 1 { vec![1, all] } else { vec![1] };
    let vector =
        [Tier::Avx2, Tier::Avx512, Tier::Neon].into_iter().filter(|tier| machine.cpu.tiers.contains(tier));
    let loads: Vec<Option<Tier>> = std::iter::once(None).chain(vector.map(Some)).collect();
    let mut clocks: Vec<LoadedClock> = Vec::new();
    for cores in counts {
        let own = &cpus[..cores.min(cpus.len())];
        let mut answers = in_turns(machine, &loads, own);
        for _ in 1..TRIES {
            if answers.iter().all(|answer| answer.hertz.is_some()) {
                break;
            }
            let again = in_turns(machine, &loads, own);
            for (answer, again) in answers.iter_mut().zip(again).filter(|(answer, _)| answer.hertz.is_none())
            {
                *answer = again;
            }
        }
        clocks.extend(answers);
    }
    // What one core does under a load stands beside what all do under it.
    let place = |clock: &LoadedClock| loads.iter().position(|&load| name(load) == clock.load);
    clocks.sort_by_key(place);
    clocks
}

fn name(load: Option<Tier>) -> &'static str {
    load.map_or("scalar", Tier::name)
}

/// What was read under one load.
#[derive(Default)]
struct Turns {
    readings: Vec<Vec<Reading>>,
    cpu_seconds: f64,
    wall_seconds: f64,
}

/// Every load on these CPUs, in turns.
fn in_turns(machine: &Arc<Machine>, loads: &[Option<Tier>], cpus: &[u32]) -> Vec<LoadedClock> {
    let stage = AtomicUsize::new(0);
    let ready = Barrier::new(cpus.len().max(1));
    let turns = std::thread::scope(|scope| {
        for &cpu in cpus.get(1..).unwrap_or_default() {
            let (stage, ready) = (&stage, &ready);
            scope.spawn(move || {
                // Without the right to pin, the scheduler spreads the threads.
                let _ = pin(&[cpu]);
                let mut works = works(machine, loads).unwrap_or_default();
                ready.wait();
                while let Some(work) = works.get_mut(stage.load(Ordering::Relaxed)) {
                    work.run();
                }
            });
        }
        let measuring = scope.spawn(|| {
            let _ = cpus.first().map(|&cpu| pin(&[cpu]));
            let prepared = works(machine, loads).and_then(|works| Ok((works, Chains::new(machine)?)));
            ready.wait();
            let turns = prepared.map(|(mut works, mut chains)| take_turns(&mut works, &mut chains, &stage));
            stage.store(DONE, Ordering::Relaxed);
            turns
        });
        measuring.join().unwrap_or_else(|_| Err("the measuring thread ended".to_owned()))
    });
    let failed = |why: &String| -> Vec<LoadedClock> {
        let silent = |&load: &Option<Tier>| LoadedClock {
            load: name(load).to_owned(),
            cores: cpus.len(),
            why: Some(why.clone()),
            ..LoadedClock::default()
        };
        loads.iter().map(silent).collect()
    };
    match turns {
        Ok(turns) => {
            let scalar = turns.first();
            let told = |(&load, own): (&Option<Tier>, &Turns)| told(load, own, scalar, cpus.len());
            loads.iter().zip(&turns).map(told).collect()
        }
        Err(why) => failed(&why),
    }
}

/// The loads' works: the chain itself is scalar work.
fn works(machine: &Arc<Machine>, loads: &[Option<Tier>]) -> Result<Vec<Box<dyn Workload>>, String> {
    let work = |load: &Option<Tier>| match load {
        None => prepared(machine, super::chains::CASE),
        Some(tier) => prepared(machine, &format!("peak/fma-f32/chains@{tier}/1x4096/t1")),
    };
    loads.iter().map(work).collect()
}

fn take_turns(works: &mut [Box<dyn Workload>], chains: &mut Chains, stage: &AtomicUsize) -> Vec<Turns> {
    let mut turns: Vec<Turns> = works.iter().map(|_| Turns::default()).collect();
    for _ in 0..TURNS {
        for (load, (work, own)) in works.iter_mut().zip(&mut turns).enumerate() {
            stage.store(load, Ordering::Relaxed);
            let (cpu, wall) = (process_cpu_nanoseconds(), monotonic_nanoseconds());
            let mut readings = Vec::new();
            for burst in 0..BURSTS {
                let start = monotonic_nanoseconds();
                while as_seconds(monotonic_nanoseconds().saturating_sub(start)) < BURST_SECONDS {
                    work.run();
                }
                if burst >= SETTLING {
                    readings.push(chains.read());
                }
            }
            own.readings.push(readings);
            own.wall_seconds += as_seconds(monotonic_nanoseconds().saturating_sub(wall));
            own.cpu_seconds += as_seconds(process_cpu_nanoseconds().saturating_sub(cpu));
        }
    }
    turns
}

/// What the readings under a load say, against those under scalar load.
fn told(load: Option<Tier>, own: &Turns, scalar: Option<&Turns>, cores: usize) -> LoadedClock {
    #[expect(clippy::cast_precision_loss, reason = "cores are few")]
    let share = own.cpu_seconds / (own.wall_seconds * cores.max(1) as f64);
    let readings: Vec<Reading> = own.readings.iter().flatten().copied().collect();
    let answer = if share < BUSY {
        let percent = share * 100.0;
        Err(format!("the threads had their cores {percent:.0} % of the time: others used them, or the host"))
    } else {
        clock_of(&readings)
    };
    let told = LoadedClock {
        load: name(load).to_owned(),
        cores,
        cpu_share: Some(share).filter(|share| share.is_finite()),
        ..LoadedClock::default()
    };
    match answer {
        Ok(clock) => LoadedClock {
            hertz: Some(clock.hertz),
            low_hertz: Some(clock.low_hertz),
            second_chain: Some(clock.second_chain),
            against_scalar: scalar.and_then(|scalar| against(&own.readings, &scalar.readings)),
            ..told
        },
        Err(why) => LoadedClock { why: Some(why), ..told },
    }
}

/// The median, over turns, of the ratio of the fastest chains of two loads' neighbouring blocks.
fn against(own: &[Vec<Reading>], other: &[Vec<Reading>]) -> Option<f64> {
    let fastest = |turn: &Vec<Reading>| turn.iter().map(Reading::hertz).max_by(f64::total_cmp);
    let ratios: Vec<f64> =
        own.iter().zip(other).filter_map(|(own, other)| Some(fastest(own)? / fastest(other)?)).collect();
    stats::median(&ratios).filter(|ratio| ratio.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::detect::chains::tests::reading;

    #[test]
    fn a_wander_that_both_loads_have_cancels_and_a_stolen_core_has_no_clock() {
        // The host's clock falls by a tenth over the turns; the load costs two hundredths of it.
        let turns = |factor: f64, share: f64| Turns {
            readings: (0..12)
                .map(|turn| vec![reading(3.5e9 * factor * (1.0 - f64::from(turn) / 120.0), 1.0); 4])
                .collect(),
            cpu_seconds: share,
            wall_seconds: 1.0,
        };
        let scalar = turns(1.0, 1.0);
        let found = told(Some(Tier::Avx512), &turns(0.98, 1.0), Some(&scalar), 1);
        assert!((found.against_scalar.unwrap() - 0.98).abs() < 1e-6, "{found:?}");
        let stolen = told(Some(Tier::Avx512), &turns(0.98, 0.7), Some(&scalar), 1);
        assert!(stolen.hertz.is_none() && stolen.why.unwrap().contains("70 % of the time"));
    }
}

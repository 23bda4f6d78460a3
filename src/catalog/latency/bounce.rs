//! From core to core: how long a line takes from the cache of the core that wrote it to that of another.

use crate::catalog::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Extent, Machine, Shape};
use crate::kernels::bounce::Word;
use crate::simd::Tier;
use crate::sys::{Team, threads};
use crate::workload::{Facts, Mismatch, OutputMut, Workload, compare_exact};

/// Numbers that each of the two threads writes in a run: some 5 ms, in which waking them is lost.
const TURNS: u64 = 1 << 15;

/// With more CPUs than this, so many of them, evenly spread: the pairs grow with the square.
const MOST_CPUS: usize = 16;

/// AxB: the two CPUs.
pub(super) struct Bounce;

/// The CPUs whose pairs are measured.
fn cpus(machine: &Machine) -> Vec<u32> {
    let allowed: Vec<u32> = machine.limits.allowed_cpus.iter().collect();
    let count = machine.limits.effective_cpus.max(1);
    let all = if allowed.is_empty() { (0..u32::try_from(count).unwrap_or(1)).collect() } else { allowed };
    let kept = all.len().min(MOST_CPUS);
    (0..kept).map(|i| all[i * all.len() / kept]).collect()
}

/// The two CPUs of a shape; unlike counts they may be 0.
fn pair(shape: &Shape) -> Option<[u32; 2]> {
    match shape.0[..] {
        [Extent::Count(a), Extent::Count(b)] if a < b => {
            Some([u32::try_from(a).ok()?, u32::try_from(b).ok()?])
        }
        _ => None,
    }
}

impl Benchmark for Bounce {
    fn id(&self) -> &str {
        "latency/bounce-u64"
    }

    fn card(&self) -> Card {
        Card {
            about: "a line that two CPUs write in turns, whose time gives the way from one core's cache to another's",
            formula: "AxB, the numbers of two CPUs: 65536 transfers of a line a run, 8 bytes written each",
            implementations: const {
                &[Implementation {
                    name: "in-turns",
                    tiers: &[Tier::Baseline],
                    threads: Threading::Parallel,
                    about: "a thread on each CPU waits for the other's number and writes the next",
                }]
            },
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let cpus = cpus(machine);
        // With a single CPU there is one shape, which says when it is prepared why it cannot be.
        let Some((&first, rest)) = cpus.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            return vec![Shape::new(&[0, 1])];
        };
        let pairs: Vec<[u32; 2]> = match extensiveness {
            Extensiveness::Quick => vec![[first, rest[0]]],
            Extensiveness::Default => rest.iter().map(|&other| [first, other]).collect(),
            Extensiveness::Full => (0..cpus.len())
                .flat_map(|a| cpus[a + 1..].iter().map(move |&b| (a, b)))
                .map(|(a, b)| [cpus[a], b])
                .collect(),
        };
        pairs.into_iter().map(|pair| Shape::new(&pair.map(|cpu| cpu as usize))).collect()
    }

    fn usual(&self, _: &Machine, _: &Implementation, extensiveness: Extensiveness) -> bool {
        extensiveness == Extensiveness::Full
    }

    fn fits_threads(&self, _: &Shape, threads: usize) -> bool {
        threads == 2
    }

    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        pair(shape)?;
        let bytes = 8.0 * 2.0 * TURNS as f64;
        Some(Cost { core_bytes: bytes, written_bytes: bytes, working_set_bytes: 64.0, ..Cost::default() })
    }

    fn prepare(&self, case: &Case, _: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let pair = pair(&case.shape).ok_or_else(|| {
            PrepareError::Failed(format!("{} is not two CPUs, the lower first", case.shape))
        })?;
        let usable = threads::affinity().unwrap_or_default();
        if let Some(absent) = pair.iter().find(|cpu| !usable.contains(cpu)) {
            let why = match usable.len() {
                1 => "a way between cores needs two: this process may use one CPU".to_owned(),
                _ => format!("this process may not use CPU {absent}"),
            };
            return Err(PrepareError::Unavailable(why));
        }
        let team = Team::on(&pair)
            .map_err(|error| PrepareError::Failed(format!("cannot start threads: {error}")))?;
        Ok(Box::new(BounceWork { team, word: Word::default(), last: [0; 2] }))
    }
}

struct BounceWork {
    team: Team,
    word: Word,
    /// The last number that each thread wrote.
    last: [u64; 2],
}

impl Workload for BounceWork {
    fn run(&mut self) {
        let Self { team, word, last } = self;
        word.reset();
        let written = [const { std::sync::atomic::AtomicU64::new(0) }; 2];
        team.broadcast(|thread| {
            if let Some(written) = written.get(thread) {
                written
                    .store(word.take_turns(thread as u64 + 1, TURNS), std::sync::atomic::Ordering::Relaxed);
            }
        });
        *last = written.map(std::sync::atomic::AtomicU64::into_inner);
    }

    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn facts(&mut self) -> Facts {
        let mut facts = Facts::default();
        facts.extra.insert("transfers", 2.0 * TURNS as f64);
        facts
    }

    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.last, &[2 * TURNS - 1, 2 * TURNS], |number| number as f64)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cpus: u32) -> Machine {
        let mut machine = Machine::default();
        machine.limits.allowed_cpus = (0..cpus).collect();
        machine.limits.effective_cpus = cpus as usize;
        machine
    }

    #[test]
    fn every_pair_is_measured_and_of_many_cpus_a_spread() {
        let pairs = |cpus| Bounce.shapes(&machine(cpus), Extensiveness::Full).len();
        assert_eq!((pairs(2), pairs(4), pairs(16), pairs(128)), (1, 6, 120, 120));
        assert_eq!(cpus(&machine(64))[..3], [0, 4, 8]);
        assert_eq!(pairs(1), 1, "one that says why it cannot be");
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_a_reason() {
        let case: Case = "latency/bounce-u64/in-turns@baseline/0x4000/t2".parse().unwrap();
        let resources = Resources::new(case.threads, 1, &machine(2)).unwrap();
        assert!(matches!(Bounce.prepare(&case, &resources), Err(PrepareError::Unavailable(_))));
        assert!(Bounce.cost(&Shape::new(&[1, 1])).is_none());
    }
}

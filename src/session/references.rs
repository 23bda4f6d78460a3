//! Reference kernels: cases of the catalog that stand beside every case of a stored baseline, in the same rounds.
//!
//! What slows the host (frequency, a neighbour on the memory bus) slows the reference of the same class alike, and
//! drops out of the ratio. A reference of another class does not help: a DRAM stream divided by an integer chain keeps
//! nearly all of its spread. So there is one of each class, and the recorded runs say which of them a case follows.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::catalog::{self, Extensiveness};
use crate::document::{Case, Machine, Shape};

/// Dependent integer steps of a run: about a seventh of a millisecond at 4 GHz.
const CHAIN_STEPS: usize = 1 << 18;
/// A stream over so many times the last cache finds nothing of itself there.
const LAST_CACHES: u64 = 2;
/// ... but it is no shorter than this, for caches that are larger than they say, ...
const FEWEST_DRAM_BYTES: u64 = 32 << 20;
/// ... and no longer: a run of it stands in every round.
const MOST_DRAM_BYTES: u64 = 128 << 20;
/// The L2 stream's size where the machine does not tell its cache.
const USUAL_L2_SHARE_BYTES: u64 = 256 << 10;

/// One class of work.
pub struct Reference {
    /// Its arm in a baseline.
    pub name: &'static str,
    /// What a case that follows it is bound by.
    pub class: &'static str,
    /// The benchmark.
    pub benchmark: &'static str,
    /// The implementation: the plain form of the class, on the best tier it has here.
    pub implementation: &'static str,
    /// Its size on a machine.
    pub shape: fn(&Machine) -> Shape,
}

/// Every reference.
pub static REFERENCES: &[Reference] = &[
    Reference {
        name: "int",
        class: "latency of dependent integer instructions",
        benchmark: "clock/chain-u64",
        implementation: "plain",
        shape: |_| Shape::new(&[CHAIN_STEPS]),
    },
    Reference {
        name: "simd",
        class: "multiply-adds at the widest tier",
        benchmark: "peak/fma-f32",
        implementation: "chains",
        shape: |machine| first_shape("peak/fma-f32", machine),
    },
    Reference {
        name: "l2",
        class: "loads from the second cache",
        benchmark: "memory/read-l2-u8",
        implementation: "stream",
        shape: |machine| Shape::new(&[1, to_usize(l2_bytes(machine))]),
    },
    Reference {
        name: "dram",
        class: "loads from memory",
        benchmark: "memory/read-dram-u8",
        implementation: "stream",
        shape: |machine| Shape::new(&[1, to_usize(dram_bytes(machine))]),
    },
];

impl Reference {
    /// The case here; `None` where no tier of it is available.
    #[must_use]
    pub fn case(&self, machine: &Machine) -> Option<Case> {
        let benchmark = catalog::find(self.benchmark)?;
        let implementation =
            benchmark.card().implementations.iter().find(|i| i.name == self.implementation)?;
        let tier = implementation.tiers.iter().copied().filter(|tier| tier.is_available()).max()?;
        Some(Case {
            benchmark: self.benchmark.to_owned(),
            implementation: self.implementation.to_owned(),
            tier: tier.into(),
            shape: (self.shape)(machine),
            threads: NonZeroUsize::MIN,
        })
    }
}

/// The references of a machine, by the names of their arms.
#[must_use]
pub fn references(machine: &Machine) -> BTreeMap<String, Case> {
    REFERENCES.iter().filter_map(|row| Some((row.name.to_owned(), row.case(machine)?))).collect()
}

/// The benchmark's own shape for one thread.
fn first_shape(id: &str, machine: &Machine) -> Shape {
    let shapes = catalog::find(id).map(|benchmark| benchmark.shapes(machine, Extensiveness::Quick));
    shapes.and_then(|shapes| shapes.into_iter().next()).unwrap_or_else(|| Shape::new(&[1, 1]))
}

/// Half of the cache: the other arms of a round have driven it out, and a run refills it once.
fn l2_bytes(machine: &Machine) -> u64 {
    whole_grains(machine.cache_bytes(2).map_or(USUAL_L2_SHARE_BYTES, |bytes| bytes / 2))
}

fn dram_bytes(machine: &Machine) -> u64 {
    let last = (1..=4).rev().find_map(|level| machine.cache_bytes(level)).unwrap_or(0);
    let memory = [machine.memory.total_bytes, machine.limits.memory_limit_bytes].into_iter().flatten().min();
    let wanted = (LAST_CACHES * last).clamp(FEWEST_DRAM_BYTES, MOST_DRAM_BYTES);
    whole_grains(wanted.min(memory.map_or(u64::MAX, |bytes| bytes / 16)))
}

/// The memory benchmarks walk over whole steps of the widest tier.
fn whole_grains(bytes: u64) -> u64 {
    const GRAIN: u64 = 4096;
    (bytes / GRAIN).max(1) * GRAIN
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixtures;
    use crate::catalog::Resources;

    #[test]
    fn every_reference_is_a_case_that_can_be_prepared_and_is_right() {
        let machine = Machine::default();
        let known = references(&machine);
        assert_eq!(known.keys().map(String::as_str).collect::<Vec<_>>(), ["dram", "int", "l2", "simd"]);
        for (name, case) in known {
            let benchmark = catalog::find(&case.benchmark).unwrap();
            assert!(benchmark.cost_of(&case.implementation, &case.shape).is_some(), "{name}: {case}");
            let resources = Resources::new(NonZeroUsize::MIN, 1, &machine).unwrap();
            let mut workload = benchmark.prepare(&case, &resources).unwrap();
            workload.run();
            workload.check().unwrap_or_else(|mismatch| panic!("{case}: {mismatch}"));
        }
    }

    #[test]
    fn sizes_follow_the_caches() {
        let known = references(&fixtures::machine());
        assert_eq!(known["l2"].shape, Shape::new(&[1, 512 << 10]));
        assert_eq!(known["dram"].shape, Shape::new(&[1, 64 << 20]));
        let mut small = fixtures::machine();
        small.limits.memory_limit_bytes = Some(256 << 20);
        assert_eq!(references(&small)["dram"].shape, Shape::new(&[1, 16 << 20]));
    }
}

//! Promises that every row of the table keeps.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::*;

fn resources(threads: NonZeroUsize) -> Resources {
    Resources { team: Team::new(threads).unwrap(), seed: 42, machine: Arc::new(test_machine()) }
}

/// The CPUs that this process may use.
fn cpus() -> Vec<u32> {
    crate::sys::threads::affinity().unwrap()
}

/// A small machine of two kinds of cores, so that sizes taken from the caches stay small in tests.
fn test_machine() -> Machine {
    use crate::document::{Cache, CacheType, CoreKind};
    let mut machine = Machine::default();
    for (level, size) in [(1, 32 << 10), (2, 128 << 10), (3, 512 << 10)] {
        machine.cpu.caches.push(Cache {
            level,
            kind: CacheType::Data,
            size_bytes: Some(size),
            line_bytes: Some(64),
            ways: Some(8),
            count: 1,
            shared_by_threads: 1,
        });
    }
    let kind = |cpu: u32| CoreKind { cpus: [cpu].into_iter().collect(), cores: 1, ..CoreKind::default() };
    machine.cpu.kinds = vec![kind(cpus()[0]), kind(cpus()[cpus().len() - 1])];
    machine.limits.allowed_cpus = cpus().into_iter().collect();
    machine.limits.effective_cpus = 2;
    machine
}

/// Every case of the table at its smallest shape that this CPU can run (embedding pipelines have tests of their own).
fn small_cases() -> Vec<(&'static dyn Benchmark, Case)> {
    let machine = test_machine();
    let mut cases = Vec::new();
    for benchmark in benchmarks().filter(|b| !b.id().starts_with("embed/")) {
        let shapes = benchmark.shapes(&machine, Extensiveness::Quick);
        let Some(shape) = shapes.into_iter().min_by_key(Shape::elements) else { continue };
        let fits = |n: &NonZeroUsize| benchmark.fits_threads(&shape, n.get());
        let threads = [1, 2].into_iter().filter_map(NonZeroUsize::new).find(fits).unwrap();
        for implementation in benchmark.card().implementations {
            for &tier in implementation.tiers.iter().filter(|tier| tier.is_available()) {
                let case = Case {
                    benchmark: benchmark.id().to_owned(),
                    implementation: implementation.name.to_owned(),
                    tier: tier.into(),
                    shape: shape.clone(),
                    threads,
                };
                cases.push((benchmark, case));
            }
        }
    }
    cases
}

#[test]
fn ids_are_well_formed_and_unique() {
    let mut seen = std::collections::BTreeSet::new();
    for family in FAMILIES {
        for benchmark in family.benchmarks {
            let id = benchmark.id();
            assert!(seen.insert(id.to_owned()), "{id} stands twice");
            assert!(id.starts_with(&format!("{}/", family.name)), "{id} is not of family {}", family.name);
            assert!(id.contains('-'), "{id} has no dtype");
            assert!(
                id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "/-".contains(c)),
                "{id}"
            );
            assert!(!benchmark.card().about.is_empty() && !benchmark.card().formula.is_empty(), "{id}");
        }
    }
}

#[test]
fn every_case_is_right_and_notices_any_altered_element() {
    let mut failures = Vec::new();
    for (benchmark, case) in small_cases() {
        let mut workload = match benchmark.prepare(&case, &resources(case.threads)) {
            Ok(workload) => workload,
            Err(PrepareError::Unavailable(why)) if why.contains("may use one CPU") && cpus().len() == 1 => {
                continue;
            }
            Err(error) => {
                failures.push(format!("{case}: {error}"));
                continue;
            }
        };
        workload.run();
        workload.run();
        if let Err(mismatch) = workload.check() {
            failures.push(format!("{case}: {mismatch}"));
            continue;
        }
        let len = workload.output().len();
        assert!(len > 0, "{case} has no output to check");
        for element in [0, len / 2, len - 1] {
            workload.run();
            workload.output().alter(element);
            if workload.check().is_ok() {
                failures.push(format!("{case}: the check did not notice element {element} of {len}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_benchmark_counts_its_cost() {
    let machine = test_machine();
    for benchmark in benchmarks() {
        assert!(
            benchmark.cost(&Shape(Vec::new())).is_none(),
            "{} accepts a shape without axes",
            benchmark.id()
        );
        for extensiveness in [Extensiveness::Quick, Extensiveness::Default, Extensiveness::Full] {
            let shapes = benchmark.shapes(&machine, extensiveness);
            assert!(!shapes.is_empty(), "{} has no shape", benchmark.id());
            for shape in shapes {
                let cost =
                    benchmark.cost(&shape).unwrap_or_else(|| panic!("{} refuses {shape}", benchmark.id()));
                assert!(cost.flops > 0.0 || cost.core_bytes > 0.0, "{} {shape}", benchmark.id());
                assert!(cost.written_bytes <= cost.core_bytes, "{} {shape}", benchmark.id());
            }
        }
    }
}

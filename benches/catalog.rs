//! The catalog under criterion: a group a family, quick shapes, the best tier of each implementation.
//!
//! `perfkit bench` measures the same cases with conditions and intervals; this is for criterion's own tooling.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use perfkit::catalog::{Benchmark, Extensiveness, FAMILIES, Implementation, Resources};
use perfkit::document::{Cache, CacheType, Case, Machine};
use perfkit::sys::Team;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .configure_from_args();
    for family in FAMILIES {
        // Embedding pipelines take seconds a run and have stages of their own: `perfkit embed` measures them.
        if family.name == "embed" {
            continue;
        }
        let mut group = criterion.benchmark_group(family.name);
        for benchmark in family.benchmarks {
            for implementation in benchmark.card().implementations {
                measure(&mut group, *benchmark, implementation);
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

fn measure(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    benchmark: &dyn Benchmark,
    implementation: &Implementation,
) {
    let machine = Arc::new(modest_machine());
    if !benchmark.usual(&machine, implementation, Extensiveness::Quick) {
        return;
    }
    let Some(&tier) = implementation.tiers.iter().rfind(|tier| tier.is_available()) else { return };
    for shape in benchmark.shapes(&machine, Extensiveness::Quick) {
        if !benchmark.fits_threads(&shape, 1) {
            continue;
        }
        let case = Case {
            benchmark: benchmark.id().to_owned(),
            implementation: implementation.name.to_owned(),
            tier: tier.into(),
            shape,
            threads: NonZeroUsize::MIN,
        };
        let resources = Resources { team: Team::single(), seed: 42, machine: Arc::clone(&machine) };
        if let Some(cost) = benchmark.cost_of(implementation.name, &case.shape) {
            group.throughput(throughput(cost.flops, cost.core_bytes));
        }
        // Inputs are made only for the cases that criterion's filter lets through.
        let mut workload = None;
        group.bench_function(case.to_string(), |bencher| {
            let workload = workload.get_or_insert_with(|| {
                benchmark.prepare(&case, &resources).unwrap_or_else(|error| panic!("{case}: {error}"))
            });
            bencher.iter(|| workload.run());
            workload.check().unwrap_or_else(|mismatch| panic!("{case}: {mismatch}"));
        });
    }
}

/// Bytes where there are any, else operations.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, never negative")]
fn throughput(flops: f64, core_bytes: f64) -> Throughput {
    if core_bytes > flops { Throughput::Bytes(core_bytes as u64) } else { Throughput::Elements(flops as u64) }
}

/// Caches of common sizes: criterion's groups then hold the same cases on every machine.
fn modest_machine() -> Machine {
    let mut machine = Machine::default();
    machine.limits.effective_cpus = 1;
    for (level, size) in [(1, 32 << 10), (2, 1 << 20), (3, 16 << 20)] {
        machine.cpu.caches.push(Cache {
            level,
            kind: CacheType::Data,
            size_bytes: Some(size),
            line_bytes: Some(64),
            ways: None,
            count: 1,
            shared_by_threads: 1,
        });
    }
    machine
}

//! Deterministic counters: what a number of runs costs in allocations.

use crate::sys::allocations;
use crate::workload::Workload;

/// What so many runs of a workload cost, by counter: those that can be read here, each per run.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn count(workload: &mut dyn Workload, iterations: u64) -> Vec<(String, f64)> {
    let before = allocations::so_far();
    for _ in 0..iterations {
        workload.run();
    }
    let after = allocations::so_far();
    let mut counts = Vec::new();
    let per_run = |count: u64| count as f64 / iterations.max(1) as f64;
    if let Some((before, after)) = before.zip(after) {
        counts.push(("allocations".to_owned(), per_run(after.count.saturating_sub(before.count))));
        counts.push(("allocated_bytes".to_owned(), per_run(after.bytes.saturating_sub(before.bytes))));
    }
    counts
}

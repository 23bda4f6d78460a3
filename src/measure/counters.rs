//! Deterministic counters: what a number of runs costs in instructions and allocations.

use crate::sys::allocations;
use crate::sys::counters::Instructions;
use crate::workload::Workload;

/// The name under which instructions by the processor's own counter are told.
pub const INSTRUCTIONS: &str = "instructions";

/// The counters of this process. Opened before threads are started, so that theirs count too.
#[derive(Debug)]
pub struct Counters {
    instructions: Option<Instructions>,
}

impl Counters {
    /// Opens those that there are here.
    #[must_use]
    pub fn open() -> Self {
        Self { instructions: Instructions::open().ok() }
    }

    /// What so many runs of a workload cost, by counter: those that can be read here, each per run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn count(&mut self, workload: &mut dyn Workload, iterations: u64) -> Vec<(String, f64)> {
        let mut runs = || (0..iterations).for_each(|_| workload.run());
        let before = allocations::so_far();
        let instructions = match &mut self.instructions {
            Some(counter) => counter.during(runs),
            None => {
                runs();
                None
            }
        };
        let after = allocations::so_far();
        let mut counts = Vec::new();
        let mut tell = |name: &str, count: u64| {
            counts.push((name.to_owned(), count as f64 / iterations.max(1) as f64));
        };
        if let Some((before, after)) = before.zip(after) {
            tell("allocations", after.count.saturating_sub(before.count));
            tell("allocated_bytes", after.bytes.saturating_sub(before.bytes));
        }
        if let Some(count) = instructions {
            tell(INSTRUCTIONS, count);
        }
        counts
    }
}

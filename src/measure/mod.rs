//! Turns time into samples: warm-up until it settles, batches well above the clock's step, facts beside each sample.

mod batch;
mod block;
pub mod counters;
pub mod protocol;
mod sampler;
#[cfg(test)]
mod tests;
mod worker_process;

use crate::workload::Facts;

pub use batch::{BatchSample, Batcher, running_nanoseconds};
pub use block::{Arm, ArmError, Block, BlockPlan, block, run_seconds, single_round};
pub use sampler::sample;
pub use worker_process::{Program, WorkerProcess};

/// How a case is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Warm-up lasts at least this long, and at least two runs.
    pub warm_up_seconds: f64,
    /// A sample's batch is at least this long (and at least 1000 clock steps).
    pub sample_seconds: f64,
    /// Sampling ends after this long ...
    pub budget_seconds: f64,
    /// ... but not with fewer samples than this ...
    pub min_samples: usize,
    /// ... nor with more than this.
    pub max_samples: usize,
}

impl Plan {
    /// Enough for a median with an interval: a suite of a hundred cases in under a minute.
    pub const QUICK: Self = Self {
        warm_up_seconds: 0.02,
        sample_seconds: 3e-4,
        budget_seconds: 0.12,
        min_samples: 8,
        max_samples: 300,
    };

    /// What a person waits for.
    pub const DEFAULT: Self = Self {
        warm_up_seconds: 0.05,
        sample_seconds: 5e-4,
        budget_seconds: 0.3,
        min_samples: 12,
        max_samples: 500,
    };

    /// Narrow intervals.
    pub const FULL: Self = Self {
        warm_up_seconds: 0.1,
        sample_seconds: 1e-3,
        budget_seconds: 0.5,
        min_samples: 15,
        max_samples: 1000,
    };

    /// The same with another sampling budget; warm-up is at most half of it.
    #[must_use]
    pub fn with_budget(self, seconds: f64) -> Self {
        Self { warm_up_seconds: self.warm_up_seconds.min(seconds / 2.0), budget_seconds: seconds, ..self }
    }

    /// Seconds that a case of ordinary size takes under this plan, its preparation apart.
    #[must_use]
    pub const fn expected_seconds(&self) -> f64 {
        self.warm_up_seconds * 1.5 + self.budget_seconds
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What sampling one workload gave.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// Seconds per iteration, one number a sample; empty when it was stopped before the first.
    pub seconds: Vec<f64>,
    /// Iterations in each sample.
    pub iterations: u64,
    /// CPU seconds (of all threads) over wall seconds of the timed samples.
    pub cpu_wall_ratio: Option<f64>,
    /// Page faults inside the timed samples.
    pub minor_faults: u64,
    /// Involuntary switches inside the timed samples.
    pub involuntary_switches: u64,
    /// Facts of every sample where the workload has stages (then iterations is 1); otherwise those of the last run
    /// alone, where it has any.
    pub facts: Vec<Facts>,
    /// The warm-up's last windows agreed.
    pub settled: bool,
    /// What the system counted beside each sample, in the same order as `seconds`.
    pub records: Vec<Record>,
}

/// What the system counted while one sample ran.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Record {
    /// CPU seconds per iteration, of all threads.
    pub cpu_seconds: f64,
    /// Times the scheduler took a CPU away.
    pub involuntary_switches: u64,
    /// The CPU that the measuring thread ended on.
    pub cpu: Option<u32>,
}

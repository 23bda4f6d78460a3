//! What can be measured: one static table of benchmarks, one family a file.
//!
//! Adding a kernel is a file (or a row) in its family; tests, `list`, `bench`, reports and the criterion benches
//! walk [`FAMILIES`].

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::document::{Case, Cost, Machine, Shape};
use crate::simd::Tier;
use crate::sys::Team;
pub use crate::workload::Workload;

mod activation;
mod attention;
mod clock;
mod embed;
mod gather;
mod inputs;
mod kinds;
mod latency;
mod matmul;
mod memory;
mod mol;
mod norm;
mod normalize;
mod peak;
pub mod peers;
mod pool;
mod prepared;
mod quantize;
mod similarity;
mod softmax;

pub use crate::kernels::matmul::{Crossover, USUAL_PARALLEL_WORK, set_parallel_work};
pub use embed::{EmbedBenchmark, MOST_TEXTS, PeerFiles, PeerIdentity, PeerWay};
pub use matmul::{StrategyTrial, Way, gemm_crossover, learn_crossover, measure_crossover};
pub use mol::{ScoreForm, Scorer, ScorerSizes};

/// A family of benchmarks.
pub struct Family {
    /// The first word of its ids.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its benchmarks.
    pub benchmarks: &'static [&'static dyn Benchmark],
}

/// Every family: ceilings first, because they are measured first.
pub static FAMILIES: &[Family] = &[
    Family {
        name: "memory",
        about: "bandwidth per memory level: the sloped roofs",
        benchmarks: memory::BENCHMARKS,
    },
    Family {
        name: "peak",
        about: "arithmetic rate per precision and tier: the flat roofs",
        benchmarks: peak::BENCHMARKS,
    },
    Family {
        name: "latency",
        about: "how long a load takes from each level",
        benchmarks: latency::BENCHMARKS,
    },
    Family { name: "clock", about: "the rate that the cores really run at", benchmarks: clock::BENCHMARKS },
    Family { name: "pool", about: "token vectors to one text vector", benchmarks: pool::BENCHMARKS },
    Family { name: "normalize", about: "vectors to unit length", benchmarks: normalize::BENCHMARKS },
    Family { name: "similarity", about: "how alike two vectors are", benchmarks: similarity::BENCHMARKS },
    Family { name: "matmul", about: "matrix products", benchmarks: matmul::BENCHMARKS },
    Family { name: "quantize", about: "numbers to fewer bits", benchmarks: quantize::BENCHMARKS },
    Family { name: "gather", about: "rows of tables by number", benchmarks: gather::BENCHMARKS },
    Family { name: "norm", about: "normalisation inside a layer", benchmarks: norm::BENCHMARKS },
    Family {
        name: "activation",
        about: "elementwise functions between matrix products",
        benchmarks: activation::BENCHMARKS,
    },
    Family { name: "softmax", about: "scores to shares", benchmarks: softmax::BENCHMARKS },
    Family {
        name: "attention",
        about: "every token's view of the others",
        benchmarks: attention::BENCHMARKS,
    },
    Family {
        name: "mol",
        about: "mixture of logits: similarity by many small products and a network",
        benchmarks: mol::BENCHMARKS,
    },
    Family { name: "embed", about: "a whole model: text in, embedding out", benchmarks: embed::BENCHMARKS },
];

/// Every benchmark in the order of the table.
pub fn benchmarks() -> impl Iterator<Item = &'static dyn Benchmark> {
    FAMILIES.iter().flat_map(|family| family.benchmarks.iter().copied())
}

/// The benchmark with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static dyn Benchmark> {
    benchmarks().find(|benchmark| benchmark.id() == id)
}

/// One way to do a benchmark's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implementation {
    /// Its name in case texts: `plain`, `rows`, `packed`.
    pub name: &'static str,
    /// The tiers it is compiled for; which of them this CPU has is another question.
    pub tiers: &'static [Tier],
    /// Whether it can use more than one thread.
    pub threads: Threading,
    /// One sentence on how it works.
    pub about: &'static str,
}

impl Implementation {
    /// The ordinary way, `plain`, as the compiler builds it for the baseline.
    #[must_use]
    pub const fn plain(about: &'static str) -> Self {
        Self { name: "plain", tiers: &[Tier::Baseline], threads: Threading::Single, about }
    }

    /// One thread over the vectors of the tiers that differ in single precision.
    #[must_use]
    pub const fn vector(name: &'static str, about: &'static str) -> Self {
        Self { name, tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon], threads: Threading::Single, about }
    }
}

/// A benchmark in words.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// One sentence for people.
    pub about: &'static str,
    /// The cost in words, per shape symbol: `2 M K N flops; ...`.
    pub formula: &'static str,
    /// The ways to do it, the plain one first.
    pub implementations: &'static [Implementation],
}

/// Whether an implementation uses a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threading {
    /// One thread only.
    Single,
    /// Any number of threads.
    Parallel,
}

/// How much of a benchmark's shapes a run wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extensiveness {
    /// One or two telling shapes.
    Quick,
    /// What a person wants to see.
    Default,
    /// Every shape that says something.
    Full,
}

/// What preparing a case may use.
#[derive(Debug, Clone)]
pub struct Resources {
    /// The threads of the case.
    pub team: Team,
    /// The seed of the inputs.
    pub seed: u64,
    /// Caches and limits of this machine.
    pub machine: Arc<Machine>,
}

impl Resources {
    /// Threads of their own, this seed, and what is known of the machine.
    ///
    /// # Errors
    /// The threads cannot be started.
    pub fn new(threads: NonZeroUsize, seed: u64, machine: &Machine) -> std::io::Result<Self> {
        Ok(Self { team: Team::new(threads)?, seed, machine: Arc::new(machine.clone()) })
    }
}

/// Why a case could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// It cannot run on this machine; the sentence says why.
    #[error("{0}")]
    Unavailable(String),
    /// It should run and does not.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::simd::TierUnavailable> for PrepareError {
    fn from(error: crate::simd::TierUnavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Something that can be measured.
pub trait Benchmark: Sync {
    /// `family/what-dtype`.
    fn id(&self) -> &str;
    /// What it is, in words.
    fn card(&self) -> Card;
    /// The shapes worth measuring on this machine.
    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape>;
    /// Whether a run that does not name the benchmark measures the implementation on this machine.
    fn usual(
        &self,
        machine: &Machine,
        implementation: &Implementation,
        extensiveness: Extensiveness,
    ) -> bool {
        let _ = (machine, implementation, extensiveness);
        true
    }
    /// What one run of a shape costs, counted. `None` when the shape has the wrong number of axes, a zero, or a size
    /// beyond what memory holds: the case is then a usage error.
    fn cost(&self, shape: &Shape) -> Option<Cost>;
    /// Whether the shape is one for so many threads: the ceilings' shapes state the work of each thread.
    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        let _ = (shape, threads);
        true
    }
    /// [`Benchmark::cost`] of one of the implementations, where they differ (streaming stores read no line first).
    fn cost_of(&self, implementation: &str, shape: &Shape) -> Option<Cost> {
        let _ = implementation;
        self.cost(shape)
    }
    /// Inputs, reference and kernel of a case. Work of any length may be done here; none of it is timed.
    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError>;
}

/// The numbers of threads of a sweep over this machine: one, doubling, and all.
fn thread_counts(machine: &Machine) -> Vec<usize> {
    let all = NonZeroUsize::new(machine.limits.effective_cpus).unwrap_or(NonZeroUsize::MIN);
    sweep(all).into_iter().map(NonZeroUsize::get).collect()
}

/// 1, 2, 4, ... and all.
#[must_use]
pub fn sweep(all: NonZeroUsize) -> Vec<NonZeroUsize> {
    let doubled = |n: &NonZeroUsize| n.checked_mul(NonZeroUsize::MIN.saturating_add(1));
    let below = std::iter::successors(Some(NonZeroUsize::MIN), doubled).take_while(|n| *n < all);
    below.chain([all]).collect()
}

/// The tier of a case of ours.
fn own_tier(case: &Case) -> Result<Tier, PrepareError> {
    case.tier.ours().ok_or_else(|| PrepareError::Failed(format!("{case} is a peer's, not ours")))
}

/// For shapes that state the threads.
fn wrong_threads(case: &Case) -> PrepareError {
    PrepareError::Failed(format!("{case}: the first number of the shape must be the number of threads"))
}

#[cfg(test)]
mod tests;

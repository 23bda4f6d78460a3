//! Benchmarks of family `peak`: arithmetic from registers to registers on every thread at once.

mod kernels;

use std::hint::black_box;
use std::sync::Mutex;

use self::kernels::{CountBits, DotBf16, DotU8S8, ExpF32, FmaF32, FmaF64, RepeatF32, RepeatF64};
use super::inputs::counts_below;
use super::kinds::Kinds;
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::peak::CHAINS;
use crate::simd::{Tier, TierUnavailable};
use crate::sys::Team;
use crate::workload::{Mismatch, OutputMut, Workload};

/// The tiers that differ in what they do with numbers that every tier has.
const TIERS: &[Tier] = &[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon];

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Peak {
        id: "peak/fma-f32",
        about: "single-precision multiply-adds per second, operands in registers",
        operations: 2.0,
        least: Extensiveness::Quick,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f32, FmaF32>,
    },
    &Peak {
        id: "peak/fma-f64",
        about: "double-precision multiply-adds per second, operands in registers",
        operations: 2.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f64, FmaF64>,
    },
    &Peak {
        id: "peak/add-f32",
        about: "single-precision additions per second, operands in registers",
        operations: 1.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f32, RepeatF32<false>>,
    },
    &Peak {
        id: "peak/mul-f32",
        about: "single-precision multiplications per second, operands in registers",
        operations: 1.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f32, RepeatF32<true>>,
    },
    &Peak {
        id: "peak/add-f64",
        about: "double-precision additions per second, operands in registers",
        operations: 1.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f64, RepeatF64<false>>,
    },
    &Peak {
        id: "peak/mul-f64",
        about: "double-precision multiplications per second, operands in registers",
        operations: 1.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f64, RepeatF64<true>>,
    },
    &Peak {
        id: "peak/exp-f32",
        about: "single-precision exponentials per second, one operation each, as softmax and logistic functions need them",
        operations: 1.0,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<f32, ExpF32>,
    },
    &Peak {
        id: "peak/popcount-bits",
        about: "words of 64 bits compared with a pattern and the bits that differ counted, per second, three operations each",
        // A chain is half a word.
        operations: 1.5,
        least: Extensiveness::Full,
        implementations: &[chains(TIERS)],
        prepare: prepare::<i32, CountBits>,
    },
    &Kinds {
        id: "peak/kind-fma-f32",
        about: "single-precision multiply-adds per second on each kind of core",
        of: "peak/fma-f32",
        shapes: |_, threads| vec![shape_at(threads)],
    },
    &Peak {
        id: "peak/dot-u8s8s32",
        about: "unsigned by signed byte products summed into 32 bits, operands in registers",
        operations: 8.0,
        least: Extensiveness::Quick,
        implementations: &[chains(&[Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod])],
        prepare: prepare::<i32, DotU8S8>,
    },
    &Peak {
        id: "peak/dot-bf16",
        about: "bfloat16 products summed in single precision, operands in registers",
        operations: 4.0,
        least: Extensiveness::Quick,
        implementations: &[chains(&[Tier::Avx512bf16])],
        prepare: prepare::<f32, DotBf16>,
    },
];

/// Iterations where one thread runs: some 12 us at one registerful a dozen cycles.
const ITERATIONS: usize = 4096;

/// Iterations where several run: waking them must be lost in it.
const ITERATIONS_PARALLEL: usize = 1 << 20;

const fn chains(tiers: &'static [Tier]) -> Implementation {
    Implementation {
        name: "chains",
        tiers,
        threads: Threading::Parallel,
        about: "independent chains, a registerful at a time, the same work on every thread",
    }
}

/// The work of each of so many threads.
fn shape_at(threads: usize) -> Shape {
    Shape::new(&[threads, if threads == 1 { ITERATIONS } else { ITERATIONS_PARALLEL }])
}

type Prepare = fn(Tier, usize, &Team) -> Result<Box<dyn Workload>, TierUnavailable>;

/// A row of the family.
struct Peak {
    id: &'static str,
    about: &'static str,
    /// Operations of one update of one chain.
    operations: f64,
    /// The least extensive run that measures it unasked.
    least: Extensiveness,
    implementations: &'static [Implementation],
    prepare: Prepare,
}

impl Benchmark for Peak {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "THREADSxITERATIONS: 384 chains x operations x T I; no bytes",
            implementations: self.implementations,
        }
    }

    fn shapes(&self, machine: &Machine, _: Extensiveness) -> Vec<Shape> {
        super::thread_counts(machine).into_iter().map(shape_at).collect()
    }

    fn usual(&self, _: &Machine, _: &Implementation, extensiveness: Extensiveness) -> bool {
        extensiveness >= self.least
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.count(0) == threads
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [threads, iterations] = counts_below(shape, usize::MAX)?;
        let updates = threads.checked_mul(iterations)?.checked_mul(CHAINS)?;
        #[expect(clippy::cast_precision_loss, reason = "a count shown with three digits")]
        let flops = updates as f64 * self.operations;
        Some(Cost { flops, ..Cost::default() })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let tier = super::own_tier(case)?;
        let iterations = match counts_below(&case.shape, usize::MAX) {
            Some([threads, iterations]) if threads == resources.team.threads().get() => iterations,
            _ => return Err(super::wrong_threads(case)),
        };
        Ok((self.prepare)(tier, iterations, &resources.team)?)
    }
}

/// A kernel with its inputs, the element type of its chains, and the right answer.
trait Kernel<T>: Sync + Sized + 'static {
    fn inputs() -> Self;
    fn start(chain: usize) -> T;
    fn run(&self, tier: Tier, iterations: usize, state: &mut [T; CHAINS]) -> Result<(), TierUnavailable>;
    fn check(&self, tier: Tier, iterations: usize, state: &[T]) -> Result<(), Mismatch>;
    fn output(state: &mut [T]) -> OutputMut<'_>;
}

fn prepare<T: Copy + Send + Sync + 'static, K: Kernel<T>>(
    tier: Tier,
    iterations: usize,
    team: &Team,
) -> Result<Box<dyn Workload>, TierUnavailable> {
    let kernel = K::inputs();
    let mut probe = std::array::from_fn(K::start);
    kernel.run(tier, 1, &mut probe)?;
    let state = (0..team.threads().get() * CHAINS).map(|i| K::start(i % CHAINS)).collect();
    Ok(Box::new(Running { kernel, tier, iterations, team: team.clone(), state }))
}

/// A prepared case: every thread's chains one after the other.
struct Running<T, K> {
    kernel: K,
    tier: Tier,
    iterations: usize,
    team: Team,
    state: Vec<T>,
}

impl<T: Copy + Send + Sync, K: Kernel<T>> Workload for Running<T, K> {
    fn run(&mut self) {
        let (kernel, tier, iterations) = (&self.kernel, self.tier, black_box(self.iterations));
        let parts: Vec<_> = self.state.as_chunks_mut::<CHAINS>().0.iter_mut().map(Mutex::new).collect();
        self.team.broadcast(|thread| {
            if let Ok(mut state) = parts[thread].lock() {
                **state = std::array::from_fn(K::start);
                // The tier was tried while preparing.
                let _ = kernel.run(tier, iterations, &mut state);
            }
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        for (thread, state) in self.state.chunks_exact(CHAINS).enumerate() {
            self.kernel
                .check(self.tier, self.iterations, state)
                .map_err(|mismatch| Mismatch { element: thread * CHAINS + mismatch.element, ..mismatch })?;
        }
        Ok(())
    }

    fn output(&mut self) -> OutputMut<'_> {
        K::output(&mut self.state)
    }
}

//! Benchmarks of family `peak`: arithmetic from registers to registers on every thread at once.

use std::hint::black_box;
use std::sync::Mutex;

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::peak::{self, CHAINS};
use crate::simd::{Tier, TierUnavailable};
use crate::sys::Team;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact, compare_floats};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Peak {
        id: "peak/fma-f32",
        about: "single-precision multiply-adds per second, operands in registers",
        operations: 2,
        implementations: &[chains(&[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon])],
        prepare: prepare::<f32, FmaF32>,
    },
    &Peak {
        id: "peak/dot-u8s8s32",
        about: "unsigned by signed byte products summed into 32 bits, operands in registers",
        operations: 8,
        implementations: &[chains(&[Tier::Avx512vnni, Tier::NeonDotprod])],
        prepare: prepare::<i32, DotU8S8>,
    },
    &Peak {
        id: "peak/dot-bf16",
        about: "bfloat16 products summed in single precision, operands in registers",
        operations: 4,
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

type Prepare = fn(Tier, usize, &Team) -> Result<Box<dyn Workload>, TierUnavailable>;

/// A row of the family.
struct Peak {
    id: &'static str,
    about: &'static str,
    /// Operations of one update of one chain.
    operations: u32,
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
        let mut shapes = vec![Shape::new(&[1, ITERATIONS])];
        if machine.limits.effective_cpus > 1 {
            shapes.push(Shape::new(&[machine.limits.effective_cpus, ITERATIONS_PARALLEL]));
        }
        shapes
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.count(0) == threads
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [threads, iterations] = super::counts(shape)?;
        let updates = threads.checked_mul(iterations)?.checked_mul(CHAINS)?;
        #[expect(clippy::cast_precision_loss, reason = "a count shown with three digits")]
        let flops = updates as f64 * f64::from(self.operations);
        Some(Cost { flops, ..Cost::default() })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let tier = super::own_tier(case)?;
        let iterations = match super::counts(&case.shape) {
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

/// Values near one that creep towards a fixed point at one, so that they stay normal and still tell how often they
/// were updated.
struct FmaF32 {
    factor: f32,
    addend: f32,
}

/// Chains start at 0.5 to 1.5.
fn start_f32(chain: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "small integers")]
    let share = chain as f32 / CHAINS as f32;
    0.5 + share
}

impl Kernel<f32> for FmaF32 {
    fn inputs() -> Self {
        let step = 0.5_f32.powi(13);
        Self { factor: black_box(1.0 - step), addend: black_box(step) }
    }

    fn start(chain: usize) -> f32 {
        start_f32(chain)
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::fma_f32(tier, iterations, self.factor, self.addend, state)
    }

    fn check(&self, _: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let answer = |chain| peak::reference_fma(iterations, self.factor, self.addend, start_f32(chain));
        let reference: Vec<f64> = (0..CHAINS).map(answer).collect();
        // Each step rounds by half a unit in the last place, and the map's contraction forgets all but the last 2^13.
        compare_floats(state, &reference, 0.0, 2e-3)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

struct DotU8S8 {
    a: [u8; 64],
    b: [u8; 64],
}

impl Kernel<i32> for DotU8S8 {
    fn inputs() -> Self {
        let byte = |i: usize| u8::try_from(i % 256).unwrap_or_default();
        black_box(Self {
            a: std::array::from_fn(|i| byte(i * 37 + 1) & 0x7F),
            b: std::array::from_fn(|i| byte(i * 91 + 13)),
        })
    }

    fn start(chain: usize) -> i32 {
        i32::try_from(chain).unwrap_or_default()
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [i32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::dot_u8s8s32(tier, iterations, &self.a, &self.b, state)
    }

    fn check(&self, tier: Tier, iterations: usize, state: &[i32]) -> Result<(), Mismatch> {
        let (a, b) = (self.a.as_chunks::<4>().0, self.b.as_chunks::<4>().0);
        let lanes = peak::lanes(tier);
        let answer = |chain: usize| {
            let at = chain % lanes;
            peak::reference_dot_u8s8(iterations, a[at], b[at], Self::start(chain))
        };
        let reference: Vec<i32> = (0..CHAINS).map(answer).collect();
        compare_exact(state, &reference, f64::from)
    }

    fn output(state: &mut [i32]) -> OutputMut<'_> {
        OutputMut::I32(state)
    }
}

struct DotBf16 {
    a: [u16; 32],
    b: [u16; 32],
}

impl Kernel<f32> for DotBf16 {
    fn inputs() -> Self {
        // Ones by one, two or three times 2^-7: every partial sum fits 24 bits, so that a million steps are exact.
        const SMALL: [u16; 3] = [0x3C00, 0x3C80, 0x3CC0];
        black_box(Self { a: [0x3F80; 32], b: std::array::from_fn(|i| SMALL[i * 5 / 2 % 3]) })
    }

    fn start(chain: usize) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "small integers")]
        let share = (chain % 128) as f32 / 128.0;
        1.0 + share
    }

    fn run(&self, tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
        peak::dot_bf16(tier, iterations, &self.a, &self.b, state)
    }

    fn check(&self, tier: Tier, iterations: usize, state: &[f32]) -> Result<(), Mismatch> {
        let (a, b) = (self.a.as_chunks::<2>().0, self.b.as_chunks::<2>().0);
        let lanes = peak::lanes(tier);
        let answer = |chain: usize| {
            let at = chain % lanes;
            peak::reference_dot_bf16(iterations, a[at], b[at], Self::start(chain))
        };
        let reference: Vec<f64> = (0..CHAINS).map(answer).collect();
        compare_floats(state, &reference, 1e-6, 0.0)
    }

    fn output(state: &mut [f32]) -> OutputMut<'_> {
        OutputMut::F32(state)
    }
}

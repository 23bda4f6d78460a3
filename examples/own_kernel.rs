//! A kernel author's own program: one kernel with its reference and its cost, offered to perfkit.
//!
//! ```sh
//! cargo build --release --example own_kernel
//! perfkit bench --worker target/release/examples/own_kernel          # on the roofline of this machine
//! perfkit regress --base ./before --candidate target/release/examples/own_kernel
//! ```
//!
//! The kernel is `out = a x + y`. It does not write into `y`, as BLAS does: every run after the first would then work on
//! other numbers than the reference did.

use std::io::Write;
use std::process::ExitCode;

use perfkit::catalog::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, Workload,
};
use perfkit::document::{Case, Cost, Extent, Machine, Shape};
use perfkit::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};
use perfkit::sys::Rng;
use perfkit::sys::allocations::Counting;
use perfkit::tensor::AlignedBuffer;
use perfkit::workload::{Mismatch, OutputMut, compare_floats};

/// Lets perfkit compare allocations too, exactly; this kernel has none.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("__worker") {
        return perfkit::worker::serve("own_kernel", env!("CARGO_PKG_VERSION"), &[&Axpy]);
    }
    let name = std::env::args().next().unwrap_or_else(|| "own_kernel".to_owned());
    let told = writeln!(
        std::io::stdout(),
        "place it on the roofline:  perfkit bench --worker {name}\njudge a change of it:      perfkit regress --base OLD --candidate {name}"
    );
    if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The factor: not a power of two, so that the product is rounded.
const A: f32 = 0.7;

/// `out = A x + y` over N numbers.
struct Axpy;

impl Benchmark for Axpy {
    fn id(&self) -> &str {
        "own/axpy-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "A vector times a number, plus another vector.",
            formula: "2 N flops; reads 8 N bytes, writes 4 N",
            implementations: &[
                Implementation {
                    name: "plain",
                    tiers: &[Tier::Baseline],
                    threads: Threading::Single,
                    about: "the loop as the compiler builds it",
                },
                Implementation {
                    name: "rows",
                    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
                    threads: Threading::Single,
                    about: "one fused multiplication and addition a vector",
                },
            ],
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        // Three vectors of 8 KiB lie in a first-level cache, of 512 KiB in one of the larger ones, of 64 MiB in none.
        let lengths: &[usize] = match extensiveness {
            Extensiveness::Quick | Extensiveness::Default => &[2 << 10, 128 << 10],
            Extensiveness::Full => &[2 << 10, 128 << 10, 16 << 20],
        };
        lengths.iter().map(|&length| Shape::new(&[length])).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let numbers = length(shape)? as f64;
        Some(Cost {
            // A multiplication and an addition a number; fused they are still two.
            flops: 2.0 * numbers,
            // x and y are read, out is written, four bytes each.
            core_bytes: 12.0 * numbers,
            // A store that misses the caches reads its line first: out passes the memory bus twice.
            dram_bytes: 16.0 * numbers,
            written_bytes: 4.0 * numbers,
            working_set_bytes: 12.0 * numbers,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let wrong = |what: &str| PrepareError::Failed(format!("{case}: no such {what}"));
        let length = length(&case.shape).ok_or_else(|| wrong("shape"))?;
        let tier = case.tier.ours().ok_or_else(|| wrong("tier"))?;
        let kernel: Kernel = match &*case.implementation {
            "plain" => plain,
            "rows" => vectors,
            _ => return Err(wrong("implementation")),
        };
        if !tier.is_available() {
            return Err(TierUnavailable(tier).into());
        }
        let mut rng = Rng::new(resources.seed);
        let mut random = || AlignedBuffer::from_fn(length, |_| rng.uniform_f32(-1.0, 1.0));
        let (x, y) = (random(), random());
        let reference = x.iter().zip(y.iter()).map(|(&x, &y)| f64::from(A) * f64::from(x) + f64::from(y));
        let reference = reference.collect();
        // What is never written is not a number, and no reference is.
        let out = AlignedBuffer::from_fn(length, |_| f32::NAN);
        Ok(Box::new(Prepared { kernel, tier, x, y, out, reference }))
    }
}

/// The one axis of a shape.
fn length(shape: &Shape) -> Option<usize> {
    match shape.0[..] {
        [Extent::Count(length)] if (1..=1 << 32).contains(&length) => Some(length),
        _ => None,
    }
}

/// `out = A x + y` on a tier; the slices are of one length.
type Kernel = fn(Tier, &[f32], &[f32], &mut [f32]);

/// A case with its inputs and its reference answer.
struct Prepared {
    kernel: Kernel,
    tier: Tier,
    x: AlignedBuffer<f32>,
    y: AlignedBuffer<f32>,
    out: AlignedBuffer<f32>,
    reference: Vec<f64>,
}

impl Workload for Prepared {
    fn run(&mut self) {
        (self.kernel)(self.tier, &self.x, &self.y, &mut self.out);
    }

    fn check(&self) -> Result<(), Mismatch> {
        // |A x| is below 1 and |out| below 2, so that two roundings err by less than 1.5 epsilon together.
        compare_floats(self.out.iter(), &self.reference, 0.0, 2.0 * f64::from(f32::EPSILON))
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.out)
    }
}

/// The loop as the compiler builds it: the base of every speed-up.
fn plain(_: Tier, x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((x, y), out) in x.iter().zip(y).zip(out) {
        *out = A * x + y;
    }
}

/// The same on the vectors of a tier.
fn vectors(tier: Tier, x: &[f32], y: &[f32], out: &mut [f32]) {
    // The tier was tested when the case was prepared; and an output that is not written fails the check.
    let _ = dispatch(tier, Vectors { x, y, out });
}

struct Vectors<'a> {
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
}

impl SimdOp for Vectors<'_> {
    type Output = ();

    // Written once and compiled for every tier: what is not inlined loses the tier's instructions.
    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let a = simd.splat(A);
        let (x, x_rest) = self.x.split_at(self.x.len() - self.x.len() % S::LANES);
        let (y, y_rest) = self.y.split_at(x.len());
        let (out, out_rest) = self.out.split_at_mut(x.len());
        let vectors = x.chunks_exact(S::LANES).zip(y.chunks_exact(S::LANES));
        for ((x, y), out) in vectors.zip(out.chunks_exact_mut(S::LANES)) {
            simd.store(simd.mul_add(a, simd.load(x), simd.load(y)), out);
        }
        if !x_rest.is_empty() {
            let rest = simd.mul_add(a, simd.load_partial(x_rest), simd.load_partial(y_rest));
            simd.store_partial(rest, out_rest);
        }
    }
}

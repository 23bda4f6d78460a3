//! Benchmarks of family `matmul`.

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, inputs};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, PackedMatrix};
use crate::simd::Tier;
use crate::sys::Team;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_floats};

mod bf16;
mod dynamic;
mod int8;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] =
    &[&GemmF32, &int8::GEMM_U8S8, &int8::GEMM_S8S8, &bf16::GemmBf16, &dynamic::LinearDynamic];

const PLAIN: &str = "plain";
const DIRECT: &str = "direct";
const PACKED: &str = "packed";

/// `C = A B` in single precision.
struct GemmF32;

impl Benchmark for GemmF32 {
    fn id(&self) -> &str {
        "matmul/gemm-f32"
    }
    fn card(&self) -> Card {
        Card {
            about: "matrix product in single precision",
            formula: "MxKxN: 2 M K N flops; 4 (M K + K N) bytes read, 4 M N written",
            implementations: &[
                Implementation {
                    name: PLAIN,
                    tiers: &[Tier::Baseline],
                    threads: Threading::Single,
                    about: "the ordinary loop, rows of B innermost",
                },
                Implementation {
                    name: DIRECT,
                    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
                    threads: Threading::Single,
                    about: "register tiles straight from both operands",
                },
                Implementation {
                    name: PACKED,
                    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
                    threads: Threading::Parallel,
                    about: "register tiles over B packed beforehand, as weights are; packing is not timed",
                },
            ],
        }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let mut shapes = vec![[512, 512, 512]];
        if extensiveness >= Extensiveness::Default {
            shapes.extend([[64, 64, 64], [128, 384, 1536], [1024, 384, 384], [1024, 1536, 384]]);
        }
        if extensiveness == Extensiveness::Full {
            shapes.extend([32, 128, 256, 1024, 2048].map(|n| [n, n, n]));
            shapes.extend([[8, 384, 1536], [128, 384, 384], [128, 1536, 384], [1024, 384, 1536]]);
            shapes.extend([[4096, 384, 384], [4096, 384, 1536], [4096, 1536, 384]]);
        }
        shapes.iter().map(|extents| Shape::new(extents)).collect()
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [m, k, n] = super::counts(shape)?;
        // Every product of two extents is an array, which must fit an address space.
        for (rows, columns) in [(m, k), (k, n), (m, n)] {
            rows.checked_mul(columns)?.checked_mul(size_of::<f32>()).filter(|&bytes| bytes < 1 << 40)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "extents below 2^40")]
        let [m, k, n] = [m, k, n].map(|extent| extent as f64);
        let (read, written) = (4.0 * (m * k + k * n), 4.0 * m * n);
        Some(Cost {
            flops: 2.0 * m * k * n,
            core_bytes: read + written,
            dram_bytes: read + 2.0 * written,
            written_bytes: written,
            working_set_bytes: read + written,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let tier = super::own_tier(case)?;
        let Some([m, k, n]) = self.cost(&case.shape).and_then(|_| super::counts(&case.shape)) else {
            return Err(PrepareError::Failed(format!("{case}: the shape must be MxKxN")));
        };
        if !tier.is_available() {
            return Err(crate::simd::TierUnavailable(tier).into());
        }
        let a = inputs::floats(m * k, resources.seed);
        let b = inputs::floats(k * n, resources.seed.wrapping_add(1));
        let method = match case.implementation.as_str() {
            PLAIN => Method::Plain,
            DIRECT => Method::Direct(tier),
            PACKED => {
                let packed = PackedMatrix::pack(tier, &b, k, n, Layout::KxN)?;
                Method::Packed(packed, resources.team.clone())
            }
            other => return Err(PrepareError::Failed(format!("{case}: no implementation {other}"))),
        };
        let reference = matmul::reference_gemm(&a, m, k, &b, n, None);
        Ok(Box::new(Product { method, a, b, c: AlignedBuffer::zeroed(m * n), m, k, n, reference }))
    }
}

enum Method {
    Plain,
    Direct(Tier),
    Packed(PackedMatrix, Team),
}

struct Product {
    method: Method,
    a: AlignedBuffer<f32>,
    b: AlignedBuffer<f32>,
    c: AlignedBuffer<f32>,
    m: usize,
    k: usize,
    n: usize,
    reference: Vec<f64>,
}

impl Workload for Product {
    fn run(&mut self) {
        let Self { method, a, b, c, m, k, n, .. } = self;
        match method {
            Method::Plain => matmul::plain_gemm(a, *m, *k, b, *n, c),
            Method::Direct(tier) => {
                let outcome = matmul::gemm_direct(*tier, a, *m, *k, b, *n, c);
                debug_assert!(outcome.is_ok(), "the tier was tried while preparing");
            }
            Method::Packed(packed, team) => matmul::gemm(team, a, *m, packed, None, c),
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let depth = self.k as f64;
        // Each of the k additions rounds by half a unit of a partial sum, which for products below one of either sign
        // grows like the root of k: k epsilons leave a wide margin, and a wrong element is off by thousands.
        compare_floats(self.c.iter(), &self.reference, 1e-6, depth.max(8.0) * f64::from(f32::EPSILON))
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.c)
    }
}

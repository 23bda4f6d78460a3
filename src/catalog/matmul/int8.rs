//! Products of bytes summed in 32 bits, with left bytes of either sign.

use super::super::inputs::{self, counts, fitting_counts};
use super::super::prepared::IntegerWork;
use super::super::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading, own_tier,
};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::matmul::{self, Layout, LeftByte, PackedBytes};
use crate::simd::Tier;
use crate::workload::Workload;

/// Unsigned by signed.
pub(super) static GEMM_U8S8: GemmBytes = GemmBytes {
    id: "matmul/gemm-u8s8s32",
    about: "matrix product of unsigned by signed bytes, summed in 32 bits",
    prepare: |case, resources| prepare(case, resources, |bits| bits),
};

/// Signed by signed.
pub(super) static GEMM_S8S8: GemmBytes = GemmBytes {
    id: "matmul/gemm-s8s8s32",
    about: "matrix product of signed by signed bytes, summed in 32 bits",
    prepare: |case, resources| prepare(case, resources, u8::cast_signed),
};

const PLAIN: Implementation = Implementation::plain("the ordinary loop, rows of B innermost");
const PACKED: Implementation = Implementation {
    name: "packed",
    tiers: BYTE_TIERS,
    threads: Threading::Parallel,
    about: "register tiles over B packed beforehand, as weights are; packing is not timed",
};

/// The tiers with kernels for bytes.
pub(super) const BYTE_TIERS: &[Tier] = &[Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod];

/// MxKxN: a square, then the layers of small encoders for few and many tokens.
pub(super) fn shapes(extensiveness: Extensiveness) -> Vec<Shape> {
    let mut shapes = vec![[512, 512, 512]];
    if extensiveness >= Extensiveness::Default {
        shapes.extend([[128, 384, 1536], [1024, 384, 384], [1024, 1536, 384]]);
    }
    if extensiveness == Extensiveness::Full {
        shapes.extend([32, 64, 128, 256, 1024, 2048].map(|n| [n, n, n]));
        shapes.extend([[8, 384, 1536], [128, 384, 384], [128, 1536, 384], [1024, 384, 1536]]);
        shapes.extend([[4096, 384, 384], [4096, 384, 1536], [4096, 1536, 384]]);
    }
    shapes.iter().map(|extents| Shape::new(extents)).collect()
}

/// The counted cost of a product whose operands have so many bytes.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
pub(super) fn cost(shape: &Shape, read: impl Fn([f64; 3]) -> f64) -> Option<Cost> {
    let [m, k, n] = counts(shape)?.map(|extent: usize| extent as f64);
    Some(Cost { flops: 2.0 * m * k * n, ..Cost::streamed(read([m, k, n]), 4.0 * m * n) })
}

type Prepared = Result<Box<dyn Workload>, PrepareError>;

/// `C = A B`.
pub(super) struct GemmBytes {
    id: &'static str,
    about: &'static str,
    prepare: fn(&Case, &Resources) -> Prepared,
}

impl Benchmark for GemmBytes {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "MxKxN: 2 M K N operations; M K + K N bytes read, 4 M N written",
            implementations: &[PLAIN, PACKED],
        }
    }
    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        shapes(extensiveness)
    }
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        cost(shape, |[m, k, n]| m * k + k * n)
    }
    fn prepare(&self, case: &Case, resources: &Resources) -> Prepared {
        (self.prepare)(case, resources)
    }
}

fn prepare<A: LeftByte + 'static>(case: &Case, resources: &Resources, left: fn(u8) -> A) -> Prepared {
    let [m, k, n] =
        fitting_counts(&case.shape, &resources.machine, |[m, k, n]| 2 * (m * k + k * n) + 8 * m * n)?;
    let tier = own_tier(case)?;
    let a: Vec<A> = inputs::bytes(m * k, resources.seed).iter().map(|&bits| left(bits)).collect();
    let b = inputs::signed_bytes(k * n, resources.seed.wrapping_add(1));
    let reference = matmul::reference_gemm_bytes(&a, m, k, &b, n);
    Ok(match &*case.implementation {
        "plain" => {
            Box::new(IntegerWork::new(reference, move |c| matmul::plain_gemm_bytes(&a, m, k, &b, n, c)))
        }
        "packed" => {
            let packed = PackedBytes::pack(tier, &b, k, n, Layout::KxN)?;
            let team = resources.team.clone();
            Box::new(IntegerWork::new(reference, move |c| matmul::gemm_bytes(&team, &a, m, &packed, c)))
        }
        _ => return Err(inputs::no_such_implementation(case)),
    })
}

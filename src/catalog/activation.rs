//! Benchmarks of family `activation`.

use super::inputs::{self, counts, fitting_counts};
use super::prepared::{FloatWork, Tolerance};
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::activation as kernel;
use crate::simd::{Tier, TierUnavailable};
use crate::workload::Workload;

macro_rules! implementations {
    ($plain:literal, $vector:literal) => {
        &[Implementation::plain($plain), Implementation::vector("vector", $vector)]
    };
}

/// A kernel: tier, input, output.
type Vector = fn(Tier, &[f32], &mut [f32]) -> Result<(), TierUnavailable>;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Activation {
        id: "activation/gelu-erf-f32",
        about: "GELU by its definition with the error function, as BERT has it.",
        formula: "14 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::GELU_FLOPS,
        tolerance: Tolerance { relative: 0.0, absolute: 5e-7 },
        reach: 4.0,
        implementations: implementations!(
            "0.5 x (1 + erf(x / sqrt(2))) with a scalar rational erf, as the compiler builds it",
            "max(x, 0) less |x| times the normal tail: pieces of degree 4 from a table where that is an instruction, else e to a polynomial"
        ),
        plain: kernel::plain_gelu_erf,
        vector: kernel::gelu_erf,
        reference: kernel::reference_gelu_erf,
    },
    &Activation {
        id: "activation/gelu-tanh-f32",
        about: "GELU's tanh form, as GPT-2 and its kin have it.",
        formula: "14 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::GELU_FLOPS,
        tolerance: Tolerance { relative: 0.0, absolute: 5e-7 },
        reach: 4.0,
        implementations: implementations!(
            "the formula with the C library's tanh, one number at a time",
            "max(x, 0) less |x| times a logistic tail: pieces as in gelu-erf, else one exponential and one division"
        ),
        plain: kernel::plain_gelu_tanh,
        vector: kernel::gelu_tanh,
        reference: kernel::reference_gelu_tanh,
    },
    &Activation {
        id: "activation/exp-f32",
        about: "e to the power of each number.",
        formula: "13 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::EXP_OF_FLOPS,
        tolerance: Tolerance { relative: 4e-7, absolute: 0.0 },
        reach: 4.0,
        implementations: implementations!(
            "the C library's exp, one number at a time",
            "2^n e^r, a polynomial of degree 5, or a table of 32 powers and one of degree 2; no denormal answers"
        ),
        plain: kernel::plain_exp,
        vector: kernel::exp_of,
        reference: f64::exp,
    },
    &Activation {
        id: "activation/gelu-quick-f32",
        about: "GELU's sigmoid form, x times the logistic function of 1.702 x, as CLIP has it.",
        formula: "20 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::GELU_QUICK_FLOPS,
        tolerance: Tolerance { relative: 0.0, absolute: 5e-7 },
        reach: 4.0,
        implementations: implementations!(
            "x / (1 + exp(-1.702 x)) with the C library's exp, one number at a time",
            "max(x, 0) less |x| times a logistic tail: one exponential and one division"
        ),
        plain: kernel::plain_gelu_quick,
        vector: kernel::gelu_quick,
        reference: kernel::reference_gelu_quick,
    },
    &Activation {
        id: "activation/erf-f32",
        about: "The error function of each number.",
        formula: "41 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::ERF_FLOPS,
        tolerance: Tolerance { relative: 4e-7, absolute: 0.0 },
        // Not to where the answer is one.
        reach: 2.0,
        implementations: implementations!(
            "a scalar rational erf, as the compiler builds it",
            "a polynomial near zero, one less e to a polynomial elsewhere"
        ),
        plain: kernel::plain_erf_of,
        vector: kernel::erf_of,
        reference: crate::kernels::math::reference_erf,
    },
    &Activation {
        id: "activation/tanh-f32",
        about: "The hyperbolic tangent of each number.",
        formula: "28 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::TANH_FLOPS,
        tolerance: Tolerance { relative: 4e-7, absolute: 0.0 },
        reach: 4.0,
        implementations: implementations!(
            "the C library's tanh, one number at a time",
            "a polynomial near zero, one exponential and one division elsewhere"
        ),
        plain: kernel::plain_tanh,
        vector: kernel::tanh_of,
        reference: f64::tanh,
    },
    &Activation {
        id: "activation/relu-f32",
        about: "The larger of a number and zero.",
        formula: "N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::RELU_FLOPS,
        tolerance: Tolerance { relative: 0.0, absolute: 0.0 },
        reach: 4.0,
        implementations: implementations!(
            "a loop over max, as the compiler builds it",
            "one maximum a vector"
        ),
        plain: kernel::plain_relu,
        vector: kernel::relu,
        reference: kernel::reference_relu,
    },
    &Activation {
        id: "activation/silu-f32",
        about: "x times its own logistic function, as gated models have it.",
        formula: "19 N flops; reads 4 N bytes, writes 4 N",
        flops: kernel::SILU_FLOPS,
        tolerance: Tolerance { relative: 0.0, absolute: 5e-7 },
        reach: 4.0,
        implementations: implementations!(
            "x / (1 + exp(-x)) with the C library's exp, one number at a time",
            "max(x, 0) less |x| times a logistic tail: one exponential and one division"
        ),
        plain: kernel::plain_silu,
        vector: kernel::silu,
        reference: kernel::reference_silu,
    },
];

/// An elementwise function over so many numbers, or as many as a matrix of two extents has.
struct Activation {
    id: &'static str,
    about: &'static str,
    formula: &'static str,
    flops: f64,
    tolerance: Tolerance,
    /// The largest magnitude of the inputs, a twentieth of which is the smallest: every part of the function is reached.
    reach: f32,
    implementations: &'static [Implementation],
    plain: fn(&[f32], &mut [f32]),
    vector: Vector,
    reference: fn(f64) -> f64,
}

/// The numbers of a shape of one or two axes; `None` for any other.
fn elements(shape: &Shape) -> Option<usize> {
    counts::<1>(shape).map(|[n]| n).or_else(|| counts::<2>(shape).map(|[rows, columns]| rows * columns))
}

impl Benchmark for Activation {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card { about: self.about, formula: self.formula, implementations: self.implementations }
    }

    fn shapes(&self, _: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let more: &[&[usize]] = match extensiveness {
            Extensiveness::Quick => &[],
            Extensiveness::Default => &[&[10_000]],
            Extensiveness::Full => &[&[10_000], &[1000], &[128, 3072], &[512, 1536], &[4096, 1536]],
        };
        // The inner width of a small BERT's feed-forward layer, for one text of 128 tokens.
        [[128, 1536].as_slice()].iter().chain(more).map(|shape| Shape::new(shape)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let elements = elements(shape)? as f64;
        let side = 4.0 * elements;
        Some(Cost { flops: self.flops * elements, ..Cost::streamed(side, side) })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        // Input and output of four bytes each, and a reference of eight.
        let fits = || match case.shape.0.len() {
            1 => fitting_counts(&case.shape, &resources.machine, |[n]| 16 * n).map(|[n]| n),
            _ => fitting_counts(&case.shape, &resources.machine, |[r, c]| 16 * r * c).map(|[r, c]| r * c),
        };
        let (len, tier) = (fits()?, inputs::tier(case)?);
        let mut input = inputs::floats(len, resources.seed);
        input.iter_mut().for_each(|x| *x *= self.reach);
        let reference = input.iter().map(|&x| (self.reference)(f64::from(x))).collect();
        let (plain, vector) = (self.plain, self.vector);
        Ok(match &*case.implementation {
            "plain" => {
                // It rounds the large part of the answer several times where the vectors round the small one.
                let Tolerance { relative, absolute } = self.tolerance;
                let tolerance = Tolerance { relative: 2.0 * relative, absolute: 4.0 * absolute };
                Box::new(FloatWork::new(reference, tolerance, move |out| plain(&input, out)))
            }
            "vector" => Box::new(FloatWork::new(reference, self.tolerance, move |out| {
                // Tested above; and an output that is not written fails the check.
                let _ = vector(tier, &input, out);
            })),
            _ => return Err(inputs::no_such_implementation(case)),
        })
    }
}

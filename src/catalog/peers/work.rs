//! A library's function over inputs of ours, with its answer held to the reference.

use crate::catalog::PrepareError;
use crate::catalog::inputs::{self, counts};
use crate::catalog::prepared::{FloatWork, IntegerWork, Tolerance};
use crate::document::{Case, Cost};
use crate::foreign::{Extents, MissingSymbol, Peer, Product};
use crate::kernels::matmul::{self, LeftByte};
use crate::kernels::similarity::{self, F32, Measure};
use crate::sys::memory::Plain;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// Makes a benchmark's work of a library's function.
pub(super) type Prepare = fn(&dyn Peer, &Case, &Cost, u64) -> Result<Box<dyn Workload>, PrepareError>;

impl From<MissingSymbol> for PrepareError {
    fn from(missing: MissingSymbol) -> Self {
        Self::Failed(missing.to_string())
    }
}

fn extents(case: &Case) -> Result<Extents, PrepareError> {
    let wrong = || PrepareError::Failed(format!("{case}: the shape must be MxKxN"));
    let [m, k, n] = counts(&case.shape).ok_or_else(wrong)?;
    Ok(Extents { m, k, n })
}

/// `C = A B` in single precision, on the inputs of our own kernels.
pub(super) fn float_product(
    peer: &dyn Peer,
    case: &Case,
    _: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let product = peer.float_product()?;
    let extents @ Extents { m, k, n } = extents(case)?;
    let a = inputs::floats(m * k, seed);
    let b = inputs::floats(k * n, seed.wrapping_add(1));
    let reference = matmul::reference_gemm(&a, m, k, &b, n, None);
    // As near as our own kernels must come, the order of whose additions is no better known.
    Ok(Box::new(FloatWork::new(reference, Tolerance::of_sum(k), move |c| product(extents, &a, &b, c))))
}

/// Unsigned bytes times signed bytes, below 2^7 so that no library's 16-bit sums saturate.
pub(super) fn unsigned_byte_product(
    peer: &dyn Peer,
    case: &Case,
    _: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let extents = extents(case)?;
    let a = inputs::bytes(extents.m * extents.k, seed);
    let a = AlignedBuffer::from_fn(a.len(), |i| a[i] & 0x7f);
    byte_product(peer.unsigned_byte_product()?, extents, a, seed)
}

/// Signed bytes times signed bytes.
pub(super) fn signed_byte_product(
    peer: &dyn Peer,
    case: &Case,
    _: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let extents = extents(case)?;
    let a = inputs::signed_bytes(extents.m * extents.k, seed);
    byte_product(peer.signed_byte_product()?, extents, a, seed)
}

fn byte_product<A: LeftByte + Plain>(
    product: Product<A, i8, i32>,
    extents: Extents,
    a: AlignedBuffer<A>,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let Extents { m, k, n } = extents;
    let b = inputs::signed_bytes(k * n, seed.wrapping_add(1));
    let reference = matmul::reference_gemm_bytes(&a, m, k, &b, n);
    Ok(Box::new(IntegerWork::new(reference, move |c| product(extents, &a, &b, c))))
}

/// Every vector of one small set with every one of another, a call each, as our own benchmark does.
pub(super) fn dot(
    peer: &dyn Peer,
    case: &Case,
    cost: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let function = peer.dot()?;
    let wrong = || PrepareError::Failed(format!("{case}: the shape must be one vector's"));
    let [width] = counts(&case.shape).ok_or_else(wrong)?;
    #[expect(clippy::cast_precision_loss, reason = "a width far below 2^52")]
    let pairs = cost.flops / (2.0 * width as f64);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the root of the pairs of a run, a small square number"
    )]
    let side = pairs.sqrt().round() as usize;
    let left = inputs::floats(side * width, seed);
    let right = inputs::floats(side * width, seed.wrapping_add(1));
    let reference = similarity::reference_pairs::<F32>(Measure::Dot, &left, &right, width);
    Ok(Box::new(FloatWork::new(reference, Tolerance::of_sum(width), move |out| {
        let mut out = out.iter_mut();
        for a in left.chunks_exact(width) {
            for (b, out) in right.chunks_exact(width).zip(&mut out) {
                *out = stored(function(a, b));
            }
        }
    })))
}

/// In the precision in which answers of ours are stored.
#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is meant")]
fn stored(answer: f64) -> f32 {
    answer as f32
}

/// The array of a memory benchmark, and how many times a run passes over it: both stand in the cost of its shape.
fn passes(cost: &Cost, arrays: usize) -> (usize, usize) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers below 2^52")]
    let [array, written] = {
        #[expect(clippy::cast_precision_loss, reason = "one or two")]
        let arrays = arrays as f64;
        [cost.working_set_bytes / arrays, cost.written_bytes].map(|bytes| bytes as usize)
    };
    (array, written / array.max(1))
}

/// A copy of one array onto another.
pub(super) fn copy(
    peer: &dyn Peer,
    _: &Case,
    cost: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let copy = peer.copy()?;
    let (bytes, passes) = passes(cost, 2);
    let from = inputs::bytes(bytes, seed);
    let run = move |from: &[u8], to: &mut [u8]| copy(from, to);
    Ok(Box::new(Moved { run, passes, to: touched(bytes), from }))
}

/// The byte that a fill writes.
const FILLING: u8 = 0x5a;

/// A fill of one array.
pub(super) fn fill(
    peer: &dyn Peer,
    _: &Case,
    cost: &Cost,
    _: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let fill = peer.fill()?;
    let (bytes, passes) = passes(cost, 1);
    let from = AlignedBuffer::from_fn(bytes, |_| FILLING);
    let run = move |_: &[u8], to: &mut [u8]| fill(FILLING, to);
    Ok(Box::new(Moved { run, passes, to: touched(bytes), from }))
}

/// Bytes that are in memory, and neither zero nor the answer.
fn touched(bytes: usize) -> AlignedBuffer<u8> {
    AlignedBuffer::from_fn(bytes, |_| 1)
}

struct Moved<F> {
    run: F,
    passes: usize,
    /// What the target must hold afterwards.
    from: AlignedBuffer<u8>,
    to: AlignedBuffer<u8>,
}

impl<F: Fn(&[u8], &mut [u8])> Workload for Moved<F> {
    fn run(&mut self) {
        for _ in 0..self.passes {
            (self.run)(&self.from, &mut self.to);
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.to, &self.from, f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U8(&mut self.to)
    }
}

//! A library's function over inputs of ours, with its answer held to the reference.

use crate::catalog::{PrepareError, counts, inputs};
use crate::document::{Case, Cost};
use crate::foreign::{self, Extents, MissingSymbol, Peer, Product};
use crate::kernels::matmul;
use crate::sys::{Rng, memory::Plain};
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact, compare_floats};

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
    let c = AlignedBuffer::from_fn(m * n, |_| f32::NAN);
    Ok(Box::new(FloatProduct { product, extents, a, b, c, reference }))
}

struct FloatProduct {
    product: Product<f32, f32, f32>,
    extents: Extents,
    a: AlignedBuffer<f32>,
    b: AlignedBuffer<f32>,
    c: AlignedBuffer<f32>,
    reference: Vec<f64>,
}

impl Workload for FloatProduct {
    fn run(&mut self) {
        (self.product)(self.extents, &self.a, &self.b, &mut self.c);
    }

    fn check(&self) -> Result<(), Mismatch> {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let depth = self.extents.k as f64;
        // As wide as for our own kernels, whose order of additions is no better known.
        compare_floats(self.c.iter(), &self.reference, 1e-6, depth.max(8.0) * f64::from(f32::EPSILON))
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.c)
    }
}

/// Unsigned bytes times signed bytes, below 2^7 so that no library's 16-bit sums saturate.
pub(super) fn unsigned_byte_product(
    peer: &dyn Peer,
    case: &Case,
    _: &Cost,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let extents = extents(case)?;
    let a = bytes(extents.m * extents.k, seed, |byte| byte & 0x7f);
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
    let a = bytes(extents.m * extents.k, seed, u8::cast_signed);
    byte_product(peer.signed_byte_product()?, extents, a, seed)
}

fn bytes<T: Plain>(len: usize, seed: u64, of: fn(u8) -> T) -> AlignedBuffer<T> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| of(rng.next_u64().to_le_bytes()[7]))
}

fn byte_product<A: Plain + Into<i32>>(
    product: Product<A, i8, i32>,
    extents: Extents,
    a: AlignedBuffer<A>,
    seed: u64,
) -> Result<Box<dyn Workload>, PrepareError> {
    let Extents { m, k, n } = extents;
    let b = bytes(k * n, seed.wrapping_add(1), u8::cast_signed);
    let mut reference = vec![0_i32; m * n];
    for (row, out) in reference.chunks_exact_mut(n).enumerate() {
        for depth in 0..k {
            let factor: i32 = a[row * k + depth].into();
            for (sum, &b) in out.iter_mut().zip(&b[depth * n..][..n]) {
                *sum += factor * i32::from(b);
            }
        }
    }
    let c = AlignedBuffer::from_fn(m * n, |_| i32::MIN);
    Ok(Box::new(ByteProduct { product, extents, a, b, c, reference }))
}

struct ByteProduct<A: Plain> {
    product: Product<A, i8, i32>,
    extents: Extents,
    a: AlignedBuffer<A>,
    b: AlignedBuffer<i8>,
    c: AlignedBuffer<i32>,
    reference: Vec<i32>,
}

impl<A: Plain> Workload for ByteProduct<A> {
    fn run(&mut self) {
        (self.product)(self.extents, &self.a, &self.b, &mut self.c);
    }

    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.c, &self.reference, f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I32(&mut self.c)
    }
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
    let exact =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let reference =
        left.chunks_exact(width).flat_map(|a| right.chunks_exact(width).map(move |b| exact(a, b))).collect();
    let out = AlignedBuffer::from_fn(side * side, |_| f32::NAN);
    Ok(Box::new(Pairs { function, width, left, right, out, reference }))
}

struct Pairs {
    function: foreign::Dot,
    width: usize,
    left: AlignedBuffer<f32>,
    right: AlignedBuffer<f32>,
    out: AlignedBuffer<f32>,
    reference: Vec<f64>,
}

impl Workload for Pairs {
    #[expect(clippy::cast_possible_truncation, reason = "the answer is stored in the precision of ours")]
    fn run(&mut self) {
        let mut out = self.out.iter_mut();
        for a in self.left.chunks_exact(self.width) {
            for (b, out) in self.right.chunks_exact(self.width).zip(&mut out) {
                *out = (self.function)(a, b) as f32;
            }
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        let depth = self.width as f64;
        compare_floats(self.out.iter(), &self.reference, 1e-6, depth.max(8.0) * f64::from(f32::EPSILON))
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.out)
    }
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

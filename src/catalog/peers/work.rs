//! A library's function over inputs of ours, with its answer held to the reference.

use super::Mode;
use crate::catalog::PrepareError;
use crate::catalog::inputs::{self, counts};
use crate::catalog::prepared::{FloatWork, IntegerWork, Tolerance, WordWork};
use crate::document::{Case, Cost, Shape};
use crate::foreign::{Extents, Pair, Peer, Product, Unsupported, Weights};
use crate::kernels::matmul::{self, LeftByte};
use crate::kernels::similarity::{self, F32, Measure, Sum};
use crate::simd::{bf16_to_f32, f32_to_bf16};
use crate::sys::memory::Plain;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// What a benchmark's work is made of.
pub(super) struct Job<'a> {
    pub(super) peer: &'a dyn Peer,
    pub(super) mode: &'static Mode,
    pub(super) case: &'a Case,
    pub(super) cost: &'a Cost,
    pub(super) seed: u64,
}

/// Makes a benchmark's work of a library's function.
pub(super) type Prepare = fn(&Job<'_>) -> Result<Box<dyn Workload>, PrepareError>;
/// Asks a library for a function that some of its builds, or some CPUs, leave out.
type Ask = fn(&dyn Peer, &Mode) -> Result<(), Unsupported>;

/// A benchmark of ours that a library can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) benchmark: &'static str,
    pub(super) prepare: Prepare,
    pub(super) ask: Option<Ask>,
    /// The most elements that the extents of a shape may have together; any where it is none.
    pub(super) most: Option<usize>,
}

impl Work {
    /// What every build of the library does.
    pub(super) const fn always(benchmark: &'static str, prepare: Prepare) -> Self {
        Self { benchmark, prepare, ask: None, most: None }
    }

    /// What a library must be asked for: it is no failure of one that it lacks it.
    pub(super) const fn of_some_builds(benchmark: &'static str, prepare: Prepare, ask: Ask) -> Self {
        Self { benchmark, prepare, ask: Some(ask), most: None }
    }

    /// Whether the library is meant for so large a shape.
    pub(super) fn takes(&self, shape: &Shape) -> bool {
        let Some(most) = self.most else { return true };
        counts::<3>(shape).is_some_and(|counts| counts.into_iter().product::<usize>() <= most)
    }

    /// The benchmark and the reason, where the library leaves it out here.
    pub(super) fn lack(&self, peer: &dyn Peer, mode: &Mode) -> Option<(String, String)> {
        let answer = self.ask?(peer, mode);
        answer.err().map(|why| (self.benchmark.to_owned(), why.to_string()))
    }
}

/// The extents of the product that a library is asked for before any is measured.
const ASKED: Extents = Extents { m: 16, k: 16, n: 16 };

/// B as a mode has it.
fn weights<'b, B>(mode: &Mode, b: &'b [B]) -> Weights<'b, B> {
    if mode.packs { Weights::PackedOnce(b) } else { Weights::EachCall }
}

/// Whether there is a product in bfloat16.
pub(super) fn has_bf16(peer: &dyn Peer, mode: &Mode) -> Result<(), Unsupported> {
    peer.bf16_product(ASKED, weights(mode, &[0; 256])).map(drop)
}

/// Whether there is a product of unsigned by signed bytes.
pub(super) fn has_unsigned_bytes(peer: &dyn Peer, mode: &Mode) -> Result<(), Unsupported> {
    peer.unsigned_byte_product(ASKED, weights(mode, &[0; 256])).map(drop)
}

/// Whether there is a product of signed bytes.
pub(super) fn has_signed_bytes(peer: &dyn Peer, mode: &Mode) -> Result<(), Unsupported> {
    peer.signed_byte_product(ASKED, weights(mode, &[0; 256])).map(drop)
}

impl From<Unsupported> for PrepareError {
    fn from(missing: Unsupported) -> Self {
        Self::Failed(missing.to_string())
    }
}

fn extents(case: &Case) -> Result<Extents, PrepareError> {
    let wrong = || PrepareError::Failed(format!("{case}: the shape must be MxKxN"));
    let [m, k, n] = counts(&case.shape).ok_or_else(wrong)?;
    Ok(Extents { m, k, n })
}

/// `C = A B` in single precision, on the inputs of our own kernels.
pub(super) fn float_product(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let extents @ Extents { m, k, n } = extents(job.case)?;
    let a = inputs::floats(m * k, job.seed);
    let b = inputs::floats(k * n, job.seed.wrapping_add(1));
    let product = job.peer.float_product(extents, weights(job.mode, &b))?;
    let reference = matmul::reference_gemm(&a, m, k, &b, n, None);
    // As near as our own kernels must come, the order of whose additions is no better known.
    Ok(Box::new(FloatWork::new(reference, Tolerance::of_sum(k), move |c| product(&a, &b, c))))
}

/// `C = A B` of bfloat16 numbers, summed in single precision.
pub(super) fn bf16_product(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let extents @ Extents { m, k, n } = extents(job.case)?;
    let numbers = |len, seed| {
        let floats = inputs::floats(len, seed);
        AlignedBuffer::from_fn(len, |i| f32_to_bf16(floats[i]))
    };
    let (a, b) = (numbers(m * k, job.seed), numbers(k * n, job.seed.wrapping_add(1)));
    let product = job.peer.bf16_product(extents, weights(job.mode, &b))?;
    let widened = |bits: &[u16]| -> Vec<f32> { bits.iter().map(|&bits| bf16_to_f32(bits)).collect() };
    let reference = matmul::reference_gemm(&widened(&a), m, k, &widened(&b), n, None);
    Ok(Box::new(FloatWork::new(reference, Tolerance::of_sum(k), move |c| product(&a, &b, c))))
}

/// Unsigned bytes times signed bytes, below 2^7 so that no library's 16-bit sums saturate.
pub(super) fn unsigned_byte_product(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let extents = extents(job.case)?;
    let a = inputs::bytes(extents.m * extents.k, job.seed);
    let a = AlignedBuffer::from_fn(a.len(), |i| a[i] & 0x7f);
    let b = right_bytes(extents, job.seed);
    byte_product(job.peer.unsigned_byte_product(extents, weights(job.mode, &b))?, extents, a, b)
}

/// Signed bytes times signed bytes.
pub(super) fn signed_byte_product(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let extents = extents(job.case)?;
    let a = inputs::signed_bytes(extents.m * extents.k, job.seed);
    let b = right_bytes(extents, job.seed);
    byte_product(job.peer.signed_byte_product(extents, weights(job.mode, &b))?, extents, a, b)
}

fn right_bytes(extents: Extents, seed: u64) -> AlignedBuffer<i8> {
    inputs::signed_bytes(extents.k * extents.n, seed.wrapping_add(1))
}

#[expect(clippy::unnecessary_wraps, reason = "what every preparation answers")]
fn byte_product<A: LeftByte + Plain>(
    product: Product<A, i8, i32>,
    Extents { m, k, n }: Extents,
    a: AlignedBuffer<A>,
    b: AlignedBuffer<i8>,
) -> Result<Box<dyn Workload>, PrepareError> {
    let reference = matmul::reference_gemm_bytes(&a, m, k, &b, n);
    Ok(Box::new(IntegerWork::new(reference, move |c| product(&a, &b, c))))
}

/// The width of a shape of one axis, and how many vectors stand on each side of a run, which its cost tells: as many
/// pairs as it writes answers of so many bytes.
fn pairs(job: &Job<'_>, answer_bytes: usize) -> Result<[usize; 2], PrepareError> {
    let wrong = || PrepareError::Failed(format!("{}: the shape must be one vector's", job.case));
    let [width] = counts(&job.case.shape).ok_or_else(wrong)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the root of the pairs of a run, a small square number"
    )]
    let side = (job.cost.written_bytes / answer_bytes as f64).sqrt().round() as usize;
    Ok([width, side])
}

/// Every vector of one small set with every one of another, a call each, as our own benchmarks do.
fn each_pair<T, R>(left: &[T], right: &[T], width: usize, out: &mut [R], function: impl Fn(&[T], &[T]) -> R) {
    let mut out = out.iter_mut();
    for a in left.chunks_exact(width) {
        for (b, out) in right.chunks_exact(width).zip(&mut out) {
            *out = function(a, b);
        }
    }
}

/// Inner products in single precision.
pub(super) fn dot(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let [width, _] = pairs(job, size_of::<f32>())?;
    float_pairs(job, job.peer.dot()?, Measure::Dot, Tolerance::of_sum(width))
}

/// Cosines in single precision.
pub(super) fn cosine(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    // Libraries divide by an approximate root, refined once.
    float_pairs(job, job.peer.cosine()?, Measure::Cosine, Tolerance { relative: 1e-5, absolute: 1e-5 })
}

fn float_pairs(
    job: &Job<'_>,
    function: Pair<f32, f64>,
    measure: Measure,
    tolerance: Tolerance,
) -> Result<Box<dyn Workload>, PrepareError> {
    let [width, side] = pairs(job, size_of::<f32>())?;
    let left = inputs::floats(side * width, job.seed);
    let right = inputs::floats(side * width, job.seed.wrapping_add(1));
    let reference = similarity::reference_pairs::<F32>(measure, &left, &right, width);
    Ok(Box::new(FloatWork::new(reference, tolerance, move |out| {
        each_pair(&left, &right, width, out, |a, b| stored(function(a, b)));
    })))
}

/// Inner products of signed bytes.
pub(super) fn byte_dot(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let function = job.peer.byte_dot()?;
    let [width, side] = pairs(job, size_of::<i32>())?;
    let left = inputs::signed_bytes(side * width, job.seed);
    let right = inputs::signed_bytes(side * width, job.seed.wrapping_add(1));
    let reference = similarity::reference_i8_pairs(Sum::Dot, &left, &right, width);
    Ok(Box::new(IntegerWork::new(reference, move |out| each_pair(&left, &right, width, out, &function))))
}

/// Hamming distances of packed bits.
pub(super) fn hamming(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let function = job.peer.hamming()?;
    let [bits, side] = pairs(job, size_of::<u64>())?;
    let words = bits.div_ceil(64);
    let left = inputs::words(side * words, job.seed);
    let right = inputs::words(side * words, job.seed.wrapping_add(1));
    let reference = similarity::reference_hamming_pairs(&left, &right, words);
    Ok(Box::new(WordWork::new(reference, move |out| each_pair(&left, &right, words, out, &function))))
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
pub(super) fn copy(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let copy = job.peer.copy()?;
    let (bytes, passes) = passes(job.cost, 2);
    let from = inputs::bytes(bytes, job.seed);
    let run = move |from: &[u8], to: &mut [u8]| copy(from, to);
    Ok(Box::new(Moved { run, passes, to: touched(bytes), from }))
}

/// The byte that a fill writes.
const FILLING: u8 = 0x5a;

/// A fill of one array.
pub(super) fn fill(job: &Job<'_>) -> Result<Box<dyn Workload>, PrepareError> {
    let fill = job.peer.fill()?;
    let (bytes, passes) = passes(job.cost, 1);
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

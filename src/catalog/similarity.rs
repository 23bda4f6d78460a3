//! Benchmarks of family `similarity`.
//!
//! A single pair takes nanoseconds, so a run compares many: the shape is that of one vector, and the run takes every
//! vector of one small set with every vector of another, as [`side`] and [`BYTES_OF_BOTH_SIDES`] say. Scans have the
//! shape of what is scanned.

use super::prepared::Tolerance;
use super::{Benchmark, Implementation, inputs};
use crate::document::Machine;
use crate::kernels::similarity::{Bf16, F16, F32, Measure};
use crate::simd::{f32_to_bf16, f32_to_f16};
use crate::tensor::AlignedBuffer;

mod bits;
mod bytes;
mod jaccard;
mod many;
mod pairs;
mod rows;
mod top;

use bytes::{BytePairs, ByteRows};
use jaccard::{Jaccard, JaccardRows};
use many::{Many, ManyBytes};
use pairs::{Pairs, SCALAR, VECTORS};
use rows::{Answer, Rows};
pub(super) use top::TopWork;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[
    &Pairs::<F32> {
        id: "similarity/dot-f32",
        about: "The dot product of two vectors in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(3072 / D))); a pair: 2 D flops, reads 8 D bytes, writes 4",
        measure: Measure::Dot,
        implementations: &[PLAIN, SCALAR, VECTORS],
        numbers: inputs::floats,
    },
    &Pairs::<F32> {
        id: "similarity/cosine-f32",
        about: "The cosine of two vectors in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(3072 / D))); a pair: 6 D + 4 flops, reads 8 D bytes, writes 4",
        measure: Measure::Cosine,
        implementations: &[PLAIN, VECTORS],
        numbers: inputs::floats,
    },
    &Pairs::<F32> {
        id: "similarity/l2-f32",
        about: "The sum of the squared differences of two vectors in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(3072 / D))); a pair: 3 D flops, reads 8 D bytes, writes 4",
        measure: Measure::SquaredL2,
        implementations: &[PLAIN, VECTORS],
        numbers: inputs::floats,
    },
    &Pairs::<F16> {
        id: "similarity/dot-f16",
        about: "The dot product of two vectors stored in binary16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 2 D flops, reads 4 D bytes, writes 4",
        measure: Measure::Dot,
        implementations: &[PLAIN, VECTORS],
        numbers: halves,
    },
    &Pairs::<F16> {
        id: "similarity/cosine-f16",
        about: "The cosine of two vectors stored in binary16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 6 D + 4 flops, reads 4 D bytes, writes 4",
        measure: Measure::Cosine,
        implementations: &[PLAIN, VECTORS],
        numbers: halves,
    },
    &Pairs::<F16> {
        id: "similarity/l2-f16",
        about: "The sum of the squared differences of two vectors stored in binary16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 3 D flops, reads 4 D bytes, writes 4",
        measure: Measure::SquaredL2,
        implementations: &[PLAIN, VECTORS],
        numbers: halves,
    },
    &Pairs::<Bf16> {
        id: "similarity/dot-bf16",
        about: "The dot product of two vectors stored in bfloat16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 2 D flops, reads 4 D bytes, writes 4",
        measure: Measure::Dot,
        implementations: &[PLAIN, VECTORS],
        numbers: brains,
    },
    &Pairs::<Bf16> {
        id: "similarity/cosine-bf16",
        about: "The cosine of two vectors stored in bfloat16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 6 D + 4 flops, reads 4 D bytes, writes 4",
        measure: Measure::Cosine,
        implementations: &[PLAIN, VECTORS],
        numbers: brains,
    },
    &Pairs::<Bf16> {
        id: "similarity/l2-bf16",
        about: "The sum of the squared differences of two vectors stored in bfloat16 in L1, many pairs a run.",
        formula: "S^2 pairs, S = min(8, max(1, floor(6144 / D))); a pair: 3 D flops, reads 4 D bytes, writes 4",
        measure: Measure::SquaredL2,
        implementations: &[PLAIN, VECTORS],
        numbers: brains,
    },
    &BytePairs {
        id: "similarity/dot-i8",
        about: "The dot product of two vectors of signed bytes in L1, many pairs a run, exact.",
        formula: "S^2 pairs, S = min(8, max(1, floor(12288 / D))); a pair: 2 D operations, reads 2 D bytes, writes 4",
        measure: Measure::Dot,
    },
    &BytePairs {
        id: "similarity/cosine-i8",
        about: "The cosine of two vectors of signed bytes in L1, many pairs a run, from exact sums.",
        formula: "S^2 pairs, S = min(8, max(1, floor(12288 / D))); a pair: 6 D + 4 operations, reads 2 D bytes, writes 4",
        measure: Measure::Cosine,
    },
    &BytePairs {
        id: "similarity/l2-i8",
        about: "The sum of the squared differences of two vectors of signed bytes in L1, many pairs a run, exact.",
        formula: "S^2 pairs, S = min(8, max(1, floor(12288 / D))); a pair: 3 D operations, reads 2 D bytes, writes 4",
        measure: Measure::SquaredL2,
    },
    &bits::Hamming,
    &Jaccard,
    &Rows::<F32> {
        id: "similarity/dot-rows-f32",
        about: "A scan: the dot products of one query with every row of a table.",
        formula: "2 R C flops; reads 4 (R + 1) C bytes, writes 4 R",
        measure: Measure::Dot,
        answer: Answer::Scores,
        numbers: inputs::floats,
    },
    &Rows::<F16> {
        id: "similarity/dot-rows-f16",
        about: "A scan: the dot products of one query with every row of a table stored in binary16.",
        formula: "2 R C flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::Dot,
        answer: Answer::Scores,
        numbers: halves,
    },
    &Rows::<Bf16> {
        id: "similarity/dot-rows-bf16",
        about: "A scan: the dot products of one query with every row of a table stored in bfloat16.",
        formula: "2 R C flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::Dot,
        answer: Answer::Scores,
        numbers: brains,
    },
    &Rows::<F32> {
        id: "similarity/cosine-rows-f32",
        about: "A scan: the cosines of one query with every row of a table.",
        formula: "R (4 C + 4) flops; reads 4 (R + 1) C bytes, writes 4 R",
        measure: Measure::Cosine,
        answer: Answer::Scores,
        numbers: inputs::floats,
    },
    &Rows::<F32> {
        id: "similarity/l2-rows-f32",
        about: "A scan: the squared distances of one query with every row of a table.",
        formula: "3 R C flops; reads 4 (R + 1) C bytes, writes 4 R",
        measure: Measure::SquaredL2,
        answer: Answer::Scores,
        numbers: inputs::floats,
    },
    &Rows::<F16> {
        id: "similarity/cosine-rows-f16",
        about: "A scan: the cosines of one query with every row of a table stored in binary16.",
        formula: "R (4 C + 4) flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::Cosine,
        answer: Answer::Scores,
        numbers: halves,
    },
    &Rows::<F16> {
        id: "similarity/l2-rows-f16",
        about: "A scan: the squared distances of one query with every row of a table stored in binary16.",
        formula: "3 R C flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::SquaredL2,
        answer: Answer::Scores,
        numbers: halves,
    },
    &Rows::<Bf16> {
        id: "similarity/cosine-rows-bf16",
        about: "A scan: the cosines of one query with every row of a table stored in bfloat16.",
        formula: "R (4 C + 4) flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::Cosine,
        answer: Answer::Scores,
        numbers: brains,
    },
    &Rows::<Bf16> {
        id: "similarity/l2-rows-bf16",
        about: "A scan: the squared distances of one query with every row of a table stored in bfloat16.",
        formula: "3 R C flops; reads 2 (R + 1) C bytes, writes 4 R",
        measure: Measure::SquaredL2,
        answer: Answer::Scores,
        numbers: brains,
    },
    &ByteRows {
        id: "similarity/dot-rows-i8",
        about: "A scan: the dot products of one query of signed bytes with every row of a table, exact.",
        formula: "2 R C operations; reads (R + 1) C bytes, writes 4 R",
        measure: Measure::Dot,
        answer: Answer::Scores,
    },
    &ByteRows {
        id: "similarity/cosine-rows-i8",
        about: "A scan: the cosines of one query of signed bytes with every row of a table, from exact sums.",
        formula: "R (4 C + 4) operations; reads (R + 1) C bytes, writes 4 R",
        measure: Measure::Cosine,
        answer: Answer::Scores,
    },
    &ByteRows {
        id: "similarity/l2-rows-i8",
        about: "A scan: the squared distances of one query of signed bytes with every row of a table, exact.",
        formula: "3 R C operations; reads (R + 1) C bytes, writes 4 R",
        measure: Measure::SquaredL2,
        answer: Answer::Scores,
    },
    &bits::HammingRows,
    &JaccardRows {
        id: "similarity/jaccard-rows-bits",
        about: "A scan: the Jaccard similarities of one query with every row of a table of packed bits.",
        formula: "R (6 W + 2) operations, W = ceil(B/64); reads 8 (R + 1) W bytes, writes 4 R",
        answer: Answer::Scores,
    },
    &Rows::<F32> {
        id: "similarity/dot-top-10-f32",
        about: "A search: the ten rows of a table with the largest dot products with a query.",
        formula: "2 R C flops; reads 4 (R + 1) C bytes, writes 80",
        measure: Measure::Dot,
        answer: Answer::Best,
        numbers: inputs::floats,
    },
    &Rows::<F16> {
        id: "similarity/dot-top-10-f16",
        about: "A search: the ten rows of a table stored in binary16 with the largest dot products with a query.",
        formula: "2 R C flops; reads 2 (R + 1) C bytes, writes 80",
        measure: Measure::Dot,
        answer: Answer::Best,
        numbers: halves,
    },
    &Rows::<Bf16> {
        id: "similarity/dot-top-10-bf16",
        about: "A search: the ten rows of a table stored in bfloat16 with the largest dot products with a query.",
        formula: "2 R C flops; reads 2 (R + 1) C bytes, writes 80",
        measure: Measure::Dot,
        answer: Answer::Best,
        numbers: brains,
    },
    &ByteRows {
        id: "similarity/dot-top-10-i8",
        about: "A search: the ten rows of a table of signed bytes with the largest dot products with a query.",
        formula: "2 R C operations; reads (R + 1) C bytes, writes 80",
        measure: Measure::Dot,
        answer: Answer::Best,
    },
    &bits::HammingTop,
    &JaccardRows {
        id: "similarity/jaccard-top-10-bits",
        about: "A search: the ten rows of a table of packed bits most similar to a query by Jaccard similarity.",
        formula: "R (6 W + 2) operations, W = ceil(B/64); reads 8 (R + 1) W bytes, writes 80",
        answer: Answer::Best,
    },
    &Many {
        id: "similarity/dot-many-f32",
        about: "The dot products of every one of many queries with every row of a table.",
        formula: "2 Q R C flops; reads 4 (Q + R) C bytes, writes 4 Q R",
        answer: Answer::Scores,
    },
    &ManyBytes {
        id: "similarity/dot-many-i8",
        about: "The dot products of every one of many queries of signed bytes with every row of a table, exact.",
        formula: "2 Q R C operations; reads (Q + R) C bytes, writes 4 Q R",
        answer: Answer::Scores,
    },
    &Many {
        id: "similarity/dot-many-top-10-f32",
        about: "A search for many queries: the ten rows with the largest dot products with each.",
        formula: "2 Q R C flops; reads 4 (Q + R) C + 4 Q R bytes, writes 4 Q R + 80 Q",
        answer: Answer::Best,
    },
    &ManyBytes {
        id: "similarity/dot-many-top-10-i8",
        about: "A search for many queries of signed bytes: the ten rows with the largest dot products with each.",
        formula: "2 Q R C operations; reads (Q + R) C + 4 Q R bytes, writes 4 Q R + 80 Q",
        answer: Answer::Best,
    },
];

const PLAIN: Implementation = Implementation::plain("iterators, as the compiler builds them");

/// [`inputs::floats`] in binary16.
fn halves(len: usize, seed: u64) -> AlignedBuffer<u16> {
    let floats = inputs::floats(len, seed);
    AlignedBuffer::from_fn(len, |i| f32_to_f16(floats[i]))
}

/// [`inputs::floats`] in bfloat16.
fn brains(len: usize, seed: u64) -> AlignedBuffer<u16> {
    let floats = inputs::floats(len, seed);
    AlignedBuffer::from_fn(len, |i| f32_to_bf16(floats[i]))
}

/// Both sides of a run of pairs together: half of the smallest first-level cache in use.
const BYTES_OF_BOTH_SIDES: usize = 24 << 10;

/// Vectors on each side of a run: as many as fit, at least one, at most `most`.
const fn side(vector_bytes: usize, most: usize) -> usize {
    let fitting = BYTES_OF_BOTH_SIDES / (2 * vector_bytes);
    if fitting > most {
        most
    } else if fitting == 0 {
        1
    } else {
        fitting
    }
}

/// Inputs are at most 1 in magnitude: a partial sum of n random signs stays near the root of n, and the roundings of
/// n additions to it, random themselves, add up to some n x epsilon. A cosine is that over lengths near the root of
/// n / 3 each.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^36")]
fn tolerance(measure: Measure, width: usize) -> Tolerance {
    let epsilon = f64::from(f32::EPSILON);
    // The plain loop of squares adds them one after the other, and each addition rounds a sum of one sign.
    let relative = if measure == Measure::SquaredL2 { 4.0 * (width as f64).sqrt() + 16.0 } else { 16.0 };
    let absolute = match measure {
        Measure::Dot => 4.0 * width as f64 * epsilon,
        Measure::Cosine => 16.0 * epsilon,
        // Terms are up to 4 and all of one sign: the answer itself is large, and errors are relative to it.
        Measure::SquaredL2 => 0.0,
    };
    Tolerance { relative: relative * epsilon, absolute }
}

/// Rows for which vectors of `row_bytes` fill four times the last cache, so that they come from memory.
fn rows_beyond_caches(machine: &Machine, row_bytes: usize) -> usize {
    const WHERE_UNKNOWN: u64 = 32 << 20;
    let last = machine.cache_bytes(3).or_else(|| machine.cache_bytes(2));
    let bytes = usize::try_from(4 * last.unwrap_or(WHERE_UNKNOWN)).unwrap_or(usize::MAX / 2);
    (bytes / row_bytes).next_power_of_two()
}

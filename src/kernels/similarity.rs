//! How alike two vectors are: dot product, cosine, squared Euclidean, Hamming and Jaccard distance; for one pair, for all
//! pairs of two sets, and for one query against many rows, with their scores or the best of them.
//!
//! Vectors are of floats ([`F32`], [`F16`], [`Bf16`], computed with in single precision), of signed bytes (exact) or of
//! packed bits (exact). A single call on a few hundred numbers takes some ten nanoseconds, of which entering a tier is a
//! good part: whoever compares many should call the forms for many.

mod bits;
mod bytes;
mod many;
mod number;
mod pairs;
mod reference;
mod rows;
mod top;

pub use bits::{
    hamming, hamming_pairs, hamming_top, jaccard, jaccard_pairs, jaccard_top, plain_hamming_pairs,
    plain_jaccard_pairs, reference_hamming_pairs, reference_jaccard_pairs, table_hamming_pairs,
};
pub use bytes::{
    LONGEST_BYTES, Sum, cosine_i8_pairs, cosine_i8_rows, dot_i8, dot_i8_rows, dot_i8_top, i8_pairs, i8_rows,
    plain_cosine_i8_pairs, plain_i8_pairs, reference_cosine_i8_pairs, reference_i8_pairs,
};
pub use many::{NO_ROW, QUERIES_AT_ONCE, dot_many_top, dot_many_top_i8};
pub use number::{Bf16, F16, F32, Number};
pub use pairs::{cosine, dot, pairs, pairs_of, squared_l2};
pub use reference::{plain_pairs, reference_pairs, scalar_dot_pairs};
pub use rows::{dot_rows, rows_of, top_of};
pub use top::{Best, Hit, best_by_sorting, plain_top};
pub(in crate::kernels) use top::{Largest, Top};

/// What is computed of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The dot product.
    Dot,
    /// The cosine; 0 where one vector is zero.
    Cosine,
    /// The sum of the squared differences: the square of the Euclidean distance, by which rows are in the same order.
    SquaredL2,
}

fn check_pairs(left: usize, right: usize, width: usize, out: usize) {
    assert!(left.is_multiple_of(width) && right.is_multiple_of(width), "both sides are whole rows");
    assert_eq!((left / width) * (right / width), out, "the output is one number a pair");
}

/// Calls `measure` for every row of `left` with every row of `right`.
#[inline(always)]
fn each_pair<T, R>(left: &[T], right: &[T], width: usize, out: &mut [R], measure: impl Fn(&[T], &[T]) -> R) {
    let rights = right.len() / width;
    if rights == 0 {
        return;
    }
    for (a, out) in left.chunks_exact(width).zip(out.chunks_exact_mut(rights)) {
        for (b, out) in right.chunks_exact(width).zip(out) {
            *out = measure(a, b);
        }
    }
}

/// The cosine from the three sums. The roots are taken one by one: a product of two large sums would overflow.
#[inline(always)]
fn cosine_of(dot: f32, aa: f32, bb: f32) -> f32 {
    let lengths = aa.sqrt() * bb.sqrt();
    if lengths == 0.0 { 0.0 } else { dot / lengths }
}

#[cfg(test)]
mod tests;

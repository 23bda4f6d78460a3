//! The right answers, and the loops as the compiler builds them.

use super::super::{check_pairs, each_pair};
use super::{Sum, cosine_of};

/// A sum over the bytes of every pair, exact: `term` of each two bytes, in 64 bits.
fn exact_pairs(left: &[i8], right: &[i8], width: usize, term: fn(i64, i64) -> i64) -> Vec<i64> {
    let one =
        |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(&a, &b)| term(i64::from(a), i64::from(b))).sum::<i64>();
    let width = width.max(1);
    left.chunks_exact(width).flat_map(|a| right.chunks_exact(width).map(move |b| one(a, b))).collect()
}

/// The dot product (`Dot`) or the sum of squared differences of every pair, exact.
///
/// # Panics
/// When a sum does not fit 32 bits.
#[must_use]
pub fn reference_i8_pairs(sum: Sum, left: &[i8], right: &[i8], width: usize) -> Vec<i32> {
    let sums = match sum {
        Sum::Dot => exact_pairs(left, right, width, |a, b| a * b),
        Sum::SquaredL2 => exact_pairs(left, right, width, |a, b| (a - b) * (a - b)),
    };
    sums.into_iter().map(|sum| i32::try_from(sum).expect("rows are at most the longest")).collect()
}

/// The cosine of every pair in double precision; 0 where one vector is zero.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sums are below 2^31")]
pub fn reference_cosine_i8_pairs(left: &[i8], right: &[i8], width: usize) -> Vec<f64> {
    let lengths = |rows: &[i8]| -> Vec<f64> {
        let squares =
            rows.chunks_exact(width.max(1)).map(|row| exact_pairs(row, row, width, |a, b| a * b)[0]);
        squares.map(|square| (square as f64).sqrt()).collect()
    };
    let (lefts, rights) = (lengths(left), lengths(right));
    let products = lefts.iter().flat_map(|a| rights.iter().map(move |b| a * b));
    let dots = exact_pairs(left, right, width, |a, b| a * b);
    dots.into_iter().zip(products).map(|(dot, p)| if p == 0.0 { 0.0 } else { dot as f64 / p }).collect()
}

/// `sum` of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`i8_pairs`](super::i8_pairs), and when `width` is 0.
pub fn plain_i8_pairs(sum: Sum, left: &[i8], right: &[i8], width: usize, out: &mut [i32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    let terms = |a: &[i8], b: &[i8], term: fn(i32, i32) -> i32| {
        a.iter().zip(b).map(|(&a, &b)| term(i32::from(a), i32::from(b))).sum()
    };
    match sum {
        Sum::Dot => each_pair(left, right, width, out, |a, b| terms(a, b, |a, b| a * b)),
        Sum::SquaredL2 => {
            each_pair(left, right, width, out, |a, b| terms(a, b, |a, b| (a - b) * (a - b)));
        }
    }
}

/// The cosine of every pair by iterators, as the compiler builds them.
///
/// # Panics
/// As for [`plain_i8_pairs`].
pub fn plain_cosine_i8_pairs(left: &[i8], right: &[i8], width: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    let dot =
        |a: &[i8], b: &[i8]| -> i32 { a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum() };
    each_pair(left, right, width, out, |a, b| cosine_of([dot(a, b), dot(a, a), dot(b, b)]));
}

//! The right answers for vectors of floats, and the plain loops.

use super::number::Number;
use super::{Measure, check_pairs, cosine_of, each_pair};

/// `measure` of every pair in double precision; arguments and rules are those of [`super::pairs_of`].
#[must_use]
pub fn reference_pairs<N: Number>(
    measure: Measure,
    left: &[N::Stored],
    right: &[N::Stored],
    width: usize,
) -> Vec<f64> {
    let wide = |x: &N::Stored| f64::from(N::widened(*x));
    let sum = |a: &[N::Stored], b: &[N::Stored], term: fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| term(wide(a), wide(b))).sum()
    };
    let product = |a: &[N::Stored], b: &[N::Stored]| sum(a, b, |a, b| a * b);
    let one = |a: &[N::Stored], b: &[N::Stored]| match measure {
        Measure::Dot => product(a, b),
        Measure::SquaredL2 => sum(a, b, |a, b| (a - b) * (a - b)),
        Measure::Cosine => {
            let lengths = product(a, a).sqrt() * product(b, b).sqrt();
            if lengths == 0.0 { 0.0 } else { product(a, b) / lengths }
        }
    };
    let width = width.max(1);
    left.chunks_exact(width).flat_map(|a| right.chunks_exact(width).map(move |b| one(a, b))).collect()
}

/// `measure` of every pair by iterators, as the compiler builds them; arguments and rules are those of
/// [`super::pairs_of`].
///
/// # Panics
/// As for [`super::pairs_of`], and when `width` is 0.
pub fn plain_pairs<N: Number>(
    measure: Measure,
    left: &[N::Stored],
    right: &[N::Stored],
    width: usize,
    out: &mut [f32],
) {
    check_pairs(left.len(), right.len(), width, out.len());
    let product = |a: &[N::Stored], b: &[N::Stored]| -> f32 {
        a.iter().zip(b).map(|(a, b)| N::widened(*a) * N::widened(*b)).sum()
    };
    match measure {
        Measure::Dot => each_pair(left, right, width, out, product),
        Measure::SquaredL2 => each_pair(left, right, width, out, |a, b| {
            a.iter().zip(b).map(|(a, b)| N::widened(*a) - N::widened(*b)).map(|d| d * d).sum()
        }),
        Measure::Cosine => {
            each_pair(left, right, width, out, |a, b| cosine_of(product(a, b), product(a, a), product(b, b)))
        }
    }
}

/// The dot product of every pair, one element at a time by index, each addition after the one before it.
///
/// # Panics
/// As for [`plain_pairs`].
pub fn scalar_dot_pairs(left: &[f32], right: &[f32], width: usize, out: &mut [f32]) {
    check_pairs(left.len(), right.len(), width, out.len());
    each_pair(left, right, width, out, |a, b| {
        let mut sum = 0.0;
        for i in 0..width {
            sum += a[i] * b[i];
        }
        sum
    });
}

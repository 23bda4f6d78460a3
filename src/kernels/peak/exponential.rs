//! Exponentials: what transcendental functions between matrix products are made of.

use super::CHAINS;
use crate::kernels::math::exp_share;
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Vectors that are computed side by side.
const TOGETHER: usize = 4;

/// `x = e^(1 - x)` for each of the chains, `iterations` times, by the exponential that softmax and the logistic functions
/// have.
///
/// The map has its fixed point at one and a slope of -1 there: numbers creep towards it from alternating sides, so that they still tell
/// how often they were updated.
pub fn exp_f32(tier: Tier, iterations: usize, state: &mut [f32; CHAINS]) -> Result<(), TierUnavailable> {
    dispatch(tier, Exponentials { iterations, state })
}

/// The chain of [`exp_f32`] in double precision.
#[must_use]
pub fn reference_exp(iterations: usize, start: f32) -> f64 {
    (0..iterations).fold(f64::from(start), |x, _| (1.0 - x).exp())
}

struct Exponentials<'a> {
    iterations: usize,
    state: &'a mut [f32; CHAINS],
}

impl SimdOp for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let (one, floor) = (s.splat(1.0), -80.0);
        for _ in 0..self.iterations {
            for group in self.state.chunks_exact_mut(TOGETHER * S::LANES) {
                let mut x = [one; TOGETHER];
                for (vector, x) in x.iter_mut().enumerate() {
                    *x = exp_share(s, s.sub(one, s.load(&group[vector * S::LANES..])), floor);
                }
                for (x, to) in x.into_iter().zip(group.chunks_exact_mut(S::LANES)) {
                    s.store(x, to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_follow_the_map_and_tell_how_often() {
        for tier in Tier::available() {
            for iterations in [0, 1, 7, 4096] {
                let mut state: [f32; CHAINS] = std::array::from_fn(|i| 0.5 + (i % 8) as f32 / 8.0);
                let start = state;
                exp_f32(tier, iterations, &mut state).unwrap();
                for (got, start) in state.iter().zip(start).filter(|(_, start)| *start != 1.0) {
                    let (want, other) =
                        (reference_exp(iterations, start), reference_exp(iterations + 1, start));
                    assert!((f64::from(*got) - want).abs() < 1e-4, "{tier} {iterations}: {got} {want}");
                    assert!((want - other).abs() > 1e-2, "{iterations}: {want} {other}");
                }
            }
        }
    }
}

//! Stores with next to no arithmetic, alone or of what was just loaded: what the sloped roofs are measured with, beside
//! the loads alone of [`super::loads`].
//!
//! Every kernel goes over its arrays `repeats` times, so that a pass over a small array is long enough to time. Eight
//! vectors a step keep the loads in flight; the one cheap operation on each value keeps the compiler from turning the
//! loops into calls of `memcpy` or `memset`, which choose instructions of their own.

use std::hint::black_box;

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Vectors a step.
const UNROLL: usize = 8;

/// How results are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// Through the caches: the line is read first (write-allocate).
    Ordinary,
    /// Past the caches, where the tier can and the array is aligned to a vector.
    Streaming,
}

/// Fills `to` with `value`, `repeats` times.
pub fn write(
    tier: Tier,
    stores: Stores,
    value: f32,
    repeats: usize,
    to: &mut [f32],
) -> Result<(), TierUnavailable> {
    dispatch(tier, Write { stores, value, repeats, to })
}

/// `to[i] = from[i]` (negative zero becomes zero), `repeats` times, as far as the shorter slice goes.
pub fn copy(
    tier: Tier,
    stores: Stores,
    from: &[f32],
    repeats: usize,
    to: &mut [f32],
) -> Result<(), TierUnavailable> {
    dispatch(tier, Copy { stores, from, repeats, to })
}

/// `a[i] = b[i] + scale * c[i]`, `repeats` times, as far as the shortest slice goes.
pub fn triad(
    tier: Tier,
    stores: Stores,
    scale: f32,
    b: &[f32],
    c: &[f32],
    repeats: usize,
    a: &mut [f32],
) -> Result<(), TierUnavailable> {
    dispatch(tier, Triad { stores, scale, b, c, repeats, a })
}

/// The triad in f64.
#[must_use]
pub fn reference_triad(scale: f32, b: f32, c: f32) -> f64 {
    f64::from(b) + f64::from(scale) * f64::from(c)
}

/// Stores a vector the way that was asked for; the branch is on a constant of the loop and is taken out of it.
#[inline(always)]
fn put<S: Simd>(simd: S, stores: Stores, value: S::F32, to: &mut [f32]) {
    match stores {
        Stores::Ordinary => simd.store(value, to),
        Stores::Streaming => simd.store_streaming(value, to),
    }
}

struct Write<'a> {
    stores: Stores,
    value: f32,
    repeats: usize,
    to: &'a mut [f32],
}

impl SimdOp for Write<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let value = simd.splat(self.value);
        for _ in 0..self.repeats {
            let mut steps = black_box(&mut *self.to).chunks_exact_mut(UNROLL * S::LANES);
            for step in &mut steps {
                for to in step.chunks_exact_mut(S::LANES) {
                    put(simd, self.stores, value, to);
                }
            }
            steps.into_remainder().fill(self.value);
        }
        simd.fence();
    }
}

struct Copy<'a> {
    stores: Stores,
    from: &'a [f32],
    repeats: usize,
    to: &'a mut [f32],
}

impl SimdOp for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let nothing = simd.splat(black_box(0.0));
        let len = self.from.len().min(self.to.len());
        let whole = len / (UNROLL * S::LANES) * (UNROLL * S::LANES);
        for _ in 0..self.repeats {
            let (to, to_rest) = black_box(&mut *self.to)[..len].split_at_mut(whole);
            let (from, from_rest) = self.from[..len].split_at(whole);
            let steps = to.chunks_exact_mut(UNROLL * S::LANES).zip(from.chunks_exact(UNROLL * S::LANES));
            for (to, from) in steps {
                for (to, from) in to.chunks_exact_mut(S::LANES).zip(from.chunks_exact(S::LANES)) {
                    put(simd, self.stores, simd.add(simd.load(from), nothing), to);
                }
            }
            for (to, &from) in to_rest.iter_mut().zip(from_rest) {
                *to = from + 0.0;
            }
        }
        simd.fence();
    }
}

struct Triad<'a> {
    stores: Stores,
    scale: f32,
    b: &'a [f32],
    c: &'a [f32],
    repeats: usize,
    a: &'a mut [f32],
}

impl SimdOp for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let scale = simd.splat(self.scale);
        let len = self.a.len().min(self.b.len()).min(self.c.len());
        let whole = len / (UNROLL * S::LANES) * (UNROLL * S::LANES);
        for _ in 0..self.repeats {
            let (a, a_rest) = black_box(&mut *self.a)[..len].split_at_mut(whole);
            let (b, b_rest) = self.b[..len].split_at(whole);
            let (c, c_rest) = self.c[..len].split_at(whole);
            let operands = b.chunks_exact(UNROLL * S::LANES).zip(c.chunks_exact(UNROLL * S::LANES));
            for (a, (b, c)) in a.chunks_exact_mut(UNROLL * S::LANES).zip(operands) {
                let operands = b.chunks_exact(S::LANES).zip(c.chunks_exact(S::LANES));
                for (a, (b, c)) in a.chunks_exact_mut(S::LANES).zip(operands) {
                    put(simd, self.stores, simd.mul_add(scale, simd.load(c), simd.load(b)), a);
                }
            }
            for (a, (&b, &c)) in a_rest.iter_mut().zip(b_rest.iter().zip(c_rest)) {
                *a = b + self.scale * c;
            }
        }
        simd.fence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::tensor::AlignedBuffer;

    const LENGTHS: [usize; 9] = [0, 1, 15, 16, 17, 127, 128, 129, 1000];

    #[test]
    fn every_tier_writes_every_element_whichever_the_stores() {
        for len in LENGTHS {
            let mut rng = Rng::new(len as u64);
            let b = AlignedBuffer::from_fn(len, |_| rng.uniform_f32(0.1, 1.0));
            let c = AlignedBuffer::from_fn(len, |_| rng.uniform_f32(0.1, 1.0));
            let sums: Vec<f64> = b.iter().zip(&*c).map(|(&b, &c)| reference_triad(3.0, b, c)).collect();
            for tier in Tier::available() {
                for stores in [Stores::Ordinary, Stores::Streaming] {
                    let mut to = AlignedBuffer::<f32>::zeroed(len);
                    write(tier, stores, 2.5, 2, &mut to).unwrap();
                    assert!(to.iter().all(|&x| x == 2.5), "{tier} {len} {stores:?} write");
                    copy(tier, stores, &b, 1, &mut to).unwrap();
                    assert_eq!(*to, *b, "{tier} {len} {stores:?} copy");
                    triad(tier, stores, 3.0, &b, &c, 1, &mut to).unwrap();
                    crate::workload::compare_floats(to.iter(), &sums, 1e-6, 0.0).unwrap();
                }
            }
        }
    }
}

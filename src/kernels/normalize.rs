//! Vectors to unit length.
//!
//! A row is divided by its Euclidean norm or by [`SMALLEST_NORM`], whichever is larger: the rule of PyTorch's
//! `functional.normalize`, which sentence-transformers calls. A zero row thus stays zero.

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// What a smaller norm counts as.
pub const SMALLEST_NORM: f32 = 1e-12;

/// Divides every row of `width` numbers by its length, in place.
///
/// A row that holds something that is not a number becomes all such; one whose squares add up to more than single
/// precision holds (numbers beyond 1e19) becomes zero. Denormal numbers (below 2^-126, some 1e-38) may count as zero:
/// with AVX-512 they do, so that they take no more time than others.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows.
pub fn l2(tier: Tier, rows: &mut [f32], width: usize) -> Result<(), TierUnavailable> {
    check_rows(rows.len(), width);
    dispatch(tier, InPlace { rows, width })
}

/// Like [`l2`], from `rows` into `out` of the same length.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `rows` is not whole rows or `out` has another length.
pub fn l2_into(tier: Tier, rows: &[f32], width: usize, out: &mut [f32]) -> Result<(), TierUnavailable> {
    check_rows(rows.len(), width);
    assert_eq!(rows.len(), out.len(), "the output is as long as the input");
    dispatch(tier, OutOfPlace { rows, width, out })
}

fn check_rows(len: usize, width: usize) {
    assert!(len == 0 || len.is_multiple_of(width), "the input is whole rows");
}

struct InPlace<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl SimdOp for InPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width.max(1)) {
            let inverse = inverse_length(sum_of_squares(simd, row));
            let factor = simd.splat(inverse);
            let mut vectors = row.chunks_exact_mut(S::LANES);
            for vector in &mut vectors {
                simd.store(simd.mul(without_denormals(simd, simd.load(vector)), factor), vector);
            }
            let rest = vectors.into_remainder();
            simd.store_partial(simd.mul(without_denormals(simd, simd.load_partial(rest)), factor), rest);
        }
    }
}

struct OutOfPlace<'a> {
    rows: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl SimdOp for OutOfPlace<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let width = self.width.max(1);
        for (row, out) in self.rows.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let inverse = inverse_length(sum_of_squares(simd, row));
            let factor = simd.splat(inverse);
            let vectors = row.chunks_exact(S::LANES);
            let mut out = out.chunks_exact_mut(S::LANES);
            let rest = vectors.remainder();
            for (vector, out) in vectors.zip(&mut out) {
                simd.store(simd.mul(without_denormals(simd, simd.load(vector)), factor), out);
            }
            let last = simd.mul(without_denormals(simd, simd.load_partial(rest)), factor);
            simd.store_partial(last, out.into_remainder());
        }
    }
}

/// The vector with zero for its denormal lanes, on AVX-512; as it is elsewhere.
///
/// Intel's CPUs multiply a denormal number some fifty times as slowly as another. Three instructions a vector avoid that
/// there, which work on data beyond L1 does not notice. On narrower x86 vectors it would, so that there denormal numbers
/// stay slow; NEON multiplies them as fast as any. The mode of the CPU that does the same for nothing (flush to zero) is
/// not to be had in Rust, which compiles as if nobody ever changed it. The error is that of the flushed operands: below
/// 2^-126 times the magnitude of what each is multiplied by.
#[inline(always)]
pub(super) fn without_denormals<S: Simd>(s: S, x: S::F32) -> S::F32 {
    match S::TIER.f32_tier() {
        Tier::Avx512 => s.select(s.less(s.abs(x), s.splat(f32::MIN_POSITIVE)), s.zero(), x),
        Tier::Baseline
        | Tier::Sse41
        | Tier::Avx2
        | Tier::Avx512vnni
        | Tier::Avx512bf16
        | Tier::Neon
        | Tier::NeonDotprod => x,
    }
}

/// The reciprocal of the length that a row with this sum of squares is divided by.
#[inline(always)]
fn inverse_length(sum_of_squares: f32) -> f32 {
    let norm = sum_of_squares.sqrt();
    // Not `max`, which would take the constant where the norm is not a number.
    1.0 / if norm < SMALLEST_NORM { SMALLEST_NORM } else { norm }
}

/// The sum of the squares of a row: the one reduction that normalising and cosine share.
#[inline(always)]
pub(super) fn sum_of_squares<S: Simd>(simd: S, row: &[f32]) -> f32 {
    // Eight sums that do not wait for each other cover the latency of two FMA pipes.
    let mut sums = [simd.zero(); 8];
    let blocks = row.chunks_exact(8 * S::LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for (i, sum) in sums.iter_mut().enumerate() {
            let x = without_denormals(simd, simd.load(&block[i * S::LANES..]));
            *sum = simd.mul_add(x, x, *sum);
        }
    }
    // By number, never by a counter: an array that a loop indexes lives in memory, not in registers.
    let vectors = rest.chunks_exact(S::LANES);
    let tail = vectors.remainder();
    for vector in vectors {
        let x = without_denormals(simd, simd.load(vector));
        sums[0] = simd.mul_add(x, x, sums[0]);
    }
    if !tail.is_empty() {
        let x = without_denormals(simd, simd.load_partial(tail));
        sums[1] = simd.mul_add(x, x, sums[1]);
    }
    simd.sum(add_pairwise(simd, sums))
}

/// The sum of eight vectors, as a tree.
#[inline(always)]
pub(super) fn add_pairwise<S: Simd>(simd: S, v: [S::F32; 8]) -> S::F32 {
    let four = [simd.add(v[0], v[4]), simd.add(v[1], v[5]), simd.add(v[2], v[6]), simd.add(v[3], v[7])];
    simd.add(simd.add(four[0], four[2]), simd.add(four[1], four[3]))
}

/// The answer in double precision.
#[must_use]
pub fn reference_l2(rows: &[f32], width: usize) -> Vec<f64> {
    rows.chunks_exact(width.max(1))
        .flat_map(|row| {
            let sum: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let norm = sum.sqrt().max(f64::from(SMALLEST_NORM));
            row.iter().map(move |&x| f64::from(x) / norm)
        })
        .collect()
}

/// The two loops as the compiler builds them, from `rows` into `out` of the same length.
pub fn plain_l2(rows: &[f32], width: usize, out: &mut [f32]) {
    let width = width.max(1);
    for (row, out) in rows.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let inverse = inverse_length(row.iter().map(|x| x * x).sum());
        for (out, x) in out.iter_mut().zip(row) {
            *out = x * inverse;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn every_tier_equals_the_reference_in_place_and_out_of_place() {
        let mut failures = Vec::new();
        for width in [0, 1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 127, 128, 129, 384, 385] {
            let mut rng = Rng::new(11);
            let rows: Vec<f32> = (0..3 * width).map(|_| rng.uniform_f32(-1.0, 1.0)).collect();
            let reference = reference_l2(&rows, width);
            // The sum of `width` squares is off by at most width x epsilon, its root by half of that.
            let tolerance = (4 + width) as f64 * f64::from(f32::EPSILON);
            let mut judge = |name: &str, tier: Tier, out: &[f32]| {
                if let Err(mismatch) = compare_floats(out, &reference, tolerance, 0.0) {
                    failures.push(format!("{name}@{tier} width {width}: {mismatch}"));
                }
            };
            for tier in Tier::available() {
                let mut out = vec![f32::NAN; rows.len()];
                l2_into(tier, &rows, width, &mut out).unwrap();
                judge("into", tier, &out);
                out.copy_from_slice(&rows);
                l2(tier, &mut out, width).unwrap();
                judge("in place", tier, &out);
            }
            let mut out = vec![f32::NAN; rows.len()];
            plain_l2(&rows, width, &mut out);
            judge("plain", Tier::Baseline, &out);
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn zero_rows_stay_zero_tiny_rows_finite_and_nan_rows_nan() {
        for tier in Tier::available() {
            let mut rows = [0.0; 20];
            l2(tier, &mut rows, 20).unwrap();
            assert_eq!(rows, [0.0; 20], "{tier}");
            let mut rows = [1e-30; 20];
            l2(tier, &mut rows, 20).unwrap();
            assert!(rows.iter().all(|x| (x - 1e-18).abs() < 1e-24), "{tier} {rows:?}");
            let mut rows = [1.0; 40];
            rows[19] = f32::NAN;
            l2(tier, &mut rows, 20).unwrap();
            assert!(rows[..20].iter().all(|x| x.is_nan()), "{tier} {rows:?}");
            assert!(rows[20..].iter().all(|x| x.is_finite()), "{tier} {rows:?}");
        }
    }

    #[test]
    fn denormal_numbers_beside_others_do_not_change_a_row_and_alone_stay_below_any_number() {
        for width in [3, 16, 35, 384] {
            let mut rng = Rng::new(12);
            let mut rows: Vec<f32> = (0..2 * width).map(|_| rng.uniform_f32(0.1, 1.0)).collect();
            rows[..width].iter_mut().step_by(2).for_each(|x| *x *= 1e-39);
            rows[width..].iter_mut().for_each(|x| *x *= 1e-39);
            let reference = reference_l2(&rows, width);
            for tier in Tier::available() {
                let mut out = vec![f32::NAN; rows.len()];
                l2_into(tier, &rows, width, &mut out).unwrap();
                // A denormal number over the smallest norm is below 2^-126 / 1e-12, which is 1.2e-26.
                let tolerance = (4 + width) as f64 * f64::from(f32::EPSILON);
                compare_floats(&out, &reference, tolerance, 1.2e-26)
                    .unwrap_or_else(|mismatch| panic!("{tier} {width}: {mismatch}"));
                let mut in_place = rows.clone();
                l2(tier, &mut in_place, width).unwrap();
                assert_eq!(in_place, out, "{tier} {width}");
            }
        }
    }
}

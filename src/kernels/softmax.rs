//! Softmax: a row of scores to shares that add up to one.
//!
//! Each row is shifted by its largest score first, so that no exponential overflows. Scores more than 80 below the
//! largest get a share of exactly zero (it would be below 2e-35), which keeps denormal numbers out of the sums and
//! products that follow. A row of `-inf` alone (every position masked) becomes zeros; a row with a NaN or `+inf`
//! becomes NaN in those places at least.

use super::lanes::{keep_first, scale_in_place, whole_lanes};
use super::math::exp_share;
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// Shifted scores below it count as zero.
const FLOOR: f32 = -80.0;

/// Rows that go through each step together: a row's largest score, its sum and their consequences each wait long for
/// the last step, and rows do not wait for one another.
const BLOCK: usize = 4;

struct Rows<'a> {
    data: &'a mut [f32],
    width: usize,
}

impl SimdOp for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        for block in self.data.chunks_mut(BLOCK * self.width) {
            let shifts = shifts(s, block, self.width);
            let mut scales = [0.0; BLOCK];
            for ((row, &shift), scale) in block.chunks_exact_mut(self.width).zip(&shifts).zip(&mut scales) {
                *scale = reciprocal(exp_sum_in_place(s, row, shift));
            }
            scale(s, block, self.width, &scales);
        }
    }
}

struct RowsInto<'a> {
    input: &'a [f32],
    out: &'a mut [f32],
    width: usize,
}

impl SimdOp for RowsInto<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let blocks = self.input.chunks(BLOCK * self.width).zip(self.out.chunks_mut(BLOCK * self.width));
        for (block, out) in blocks {
            let shifts = shifts(s, block, self.width);
            let mut scales = [0.0; BLOCK];
            let rows = block.chunks_exact(self.width).zip(out.chunks_exact_mut(self.width));
            for (((row, out), &shift), scale) in rows.zip(&shifts).zip(&mut scales) {
                *scale = reciprocal(exp_sum(s, row, out, shift));
            }
            scale(s, out, self.width, &scales);
        }
    }
}

/// The [`shift`] of each row of a block.
#[inline(always)]
fn shifts<S: Simd>(s: S, block: &[f32], width: usize) -> [f32; BLOCK] {
    let mut shifts = [0.0; BLOCK];
    for (row, to) in block.chunks_exact(width).zip(&mut shifts) {
        *to = shift(s, row);
    }
    shifts
}

/// Multiplies each row of a block by its number.
#[inline(always)]
fn scale<S: Simd>(s: S, block: &mut [f32], width: usize, scales: &[f32; BLOCK]) {
    for (row, &scale) in block.chunks_exact_mut(width).zip(scales) {
        scale_in_place(s, row, scale);
    }
}

/// The softmax of each row of `data`, in place; rows are `width` long.
///
/// # Panics
/// Where `data` is no whole number of rows.
pub fn rows(tier: Tier, data: &mut [f32], width: usize) -> Result<(), TierUnavailable> {
    if data.is_empty() {
        return Ok(());
    }
    assert!(width > 0 && data.len().is_multiple_of(width), "{} floats are no rows of {width}", data.len());
    dispatch(tier, Rows { data, width })
}

/// [`rows`] from `input` into `out`, of the same length.
///
/// # Panics
/// Where the slices differ in length or are no whole number of rows.
pub fn rows_into(tier: Tier, input: &[f32], width: usize, out: &mut [f32]) -> Result<(), TierUnavailable> {
    assert_eq!(input.len(), out.len(), "input and output are of one length");
    if input.is_empty() {
        return Ok(());
    }
    assert!(width > 0 && input.len().is_multiple_of(width), "{} floats are no rows of {width}", input.len());
    dispatch(tier, RowsInto { input, out, width })
}

/// [`rows_into`] of the columns that `mask` keeps (one byte a column, the same for every row; a text's padding is 0):
/// the others get a share of zero, whatever their score. A row of which nothing is kept becomes zeros.
///
/// # Panics
/// Where `input` and `out` differ in length or are no whole number of rows of `mask.len()`.
pub fn masked_rows_into(
    tier: Tier,
    input: &[f32],
    mask: &[u8],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(input.len(), out.len(), "input and output are of one length");
    if input.is_empty() {
        return Ok(());
    }
    let width = mask.len();
    assert!(width > 0 && input.len().is_multiple_of(width), "{} floats are no rows of {width}", input.len());
    dispatch(tier, MaskedRowsInto { input, mask, out })
}

struct MaskedRowsInto<'a> {
    input: &'a [f32],
    mask: &'a [u8],
    out: &'a mut [f32],
}

impl SimdOp for MaskedRowsInto<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let width = self.mask.len();
        let blocks = self.input.chunks(BLOCK * width).zip(self.out.chunks_mut(BLOCK * width));
        for (block, out) in blocks {
            // What is masked becomes -inf on the way to the output, which is then shared out in place.
            for (row, out) in block.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                mask_row(s, row, self.mask, out);
            }
            let shifts = shifts(s, out, width);
            let mut scales = [0.0; BLOCK];
            for ((row, &shift), scale) in out.chunks_exact_mut(width).zip(&shifts).zip(&mut scales) {
                *scale = reciprocal(exp_sum_in_place(s, row, shift));
            }
            scale(s, out, width, &scales);
        }
    }
}

/// `out` is `row` where the mask keeps it, else `-inf`.
#[inline(always)]
fn mask_row<S: Simd>(s: S, row: &[f32], mask: &[u8], out: &mut [f32]) {
    let whole = whole_lanes::<S>(row.len());
    let none = s.splat(f32::NEG_INFINITY);
    let kept = |mask: &[u8]| s.less(s.zero(), s.to_f32(s.load_u8(mask)));
    let vectors = row[..whole].chunks_exact(S::LANES).zip(mask.chunks_exact(S::LANES));
    for ((x, mask), y) in vectors.zip(out.chunks_exact_mut(S::LANES)) {
        s.store(s.select(kept(mask), s.load(x), none), y);
    }
    if whole < row.len() {
        let mut last = [0; 16];
        last[..row.len() - whole].copy_from_slice(&mask[whole..]);
        s.store_partial(s.select(kept(&last), s.load_partial(&row[whole..]), none), &mut out[whole..]);
    }
}

/// What to subtract from a row: its largest score, or 0 where that is `-inf` (and every exponential zero).
#[inline(always)]
pub(super) fn shift<S: Simd>(s: S, row: &[f32]) -> f32 {
    let (whole, rest) = row.split_at(whole_lanes::<S>(row.len()));
    let mut largest = s.splat(f32::NEG_INFINITY);
    for x in whole.chunks_exact(S::LANES) {
        largest = s.max(largest, s.load(x));
    }
    if !rest.is_empty() {
        let x = keep_first(s, s.load_partial(rest), rest.len(), f32::NEG_INFINITY);
        largest = s.max(largest, x);
    }
    let largest = s.largest(largest);
    // Lost where scores matter; where all are so small that their differences would be denormal, on which each operation
    // takes a hundred cycles on some cores, it keeps them normal, and their exponentials are one.
    if largest == f32::NEG_INFINITY { 0.0 } else { largest - 1e-30 }
}

/// `out = e^(input - shift)`; returns its sum.
#[inline(always)]
fn exp_sum<S: Simd>(s: S, input: &[f32], out: &mut [f32], shift: f32) -> f32 {
    let shift = s.splat(shift);
    let whole = whole_lanes::<S>(input.len());
    let (input, input_rest) = input.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let mut sum = s.zero();
    for (x, y) in input.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES)) {
        let e = exp_share(s, s.sub(s.load(x), shift), FLOOR);
        sum = s.add(sum, e);
        s.store(e, y);
    }
    if !input_rest.is_empty() {
        let e = exp_share(s, s.sub(s.load_partial(input_rest), shift), FLOOR);
        sum = s.add(sum, keep_first(s, e, input_rest.len(), 0.0));
        s.store_partial(e, out_rest);
    }
    s.sum(sum)
}

/// `row = e^(row - shift)`; returns its sum.
#[inline(always)]
pub(super) fn exp_sum_in_place<S: Simd>(s: S, row: &mut [f32], shift: f32) -> f32 {
    let shift = s.splat(shift);
    let (row, rest) = row.split_at_mut(whole_lanes::<S>(row.len()));
    let mut sum = s.zero();
    for x in row.chunks_exact_mut(S::LANES) {
        let e = exp_share(s, s.sub(s.load(x), shift), FLOOR);
        sum = s.add(sum, e);
        s.store(e, x);
    }
    if !rest.is_empty() {
        let e = exp_share(s, s.sub(s.load_partial(rest), shift), FLOOR);
        sum = s.add(sum, keep_first(s, e, rest.len(), 0.0));
        s.store_partial(e, rest);
    }
    s.sum(sum)
}

/// What to multiply exponentials by: one over their sum, or 0 where every position was masked.
#[inline(always)]
pub(super) fn reciprocal(sum: f32) -> f32 {
    if sum == 0.0 { 0.0 } else { 1.0 / sum }
}

/// [`rows_into`] in double precision, a row of `-inf` giving zeros.
#[must_use]
pub fn reference_rows(input: &[f32], width: usize) -> Vec<f64> {
    let softmax = |row: &[f32]| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shift = if largest == f32::NEG_INFINITY { 0.0 } else { f64::from(largest) };
        let powers: Vec<f64> = row.iter().map(|&x| (f64::from(x) - shift).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(move |e| if sum == 0.0 { 0.0 } else { e / sum })
    };
    input.chunks(width.max(1)).flat_map(softmax).collect()
}

/// [`masked_rows_into`] in double precision.
#[must_use]
pub fn reference_masked_rows(input: &[f32], mask: &[u8]) -> Vec<f64> {
    let kept = input.iter().zip(mask.iter().cycle());
    let scores: Vec<f32> = kept.map(|(&x, &keep)| if keep == 0 { f32::NEG_INFINITY } else { x }).collect();
    reference_rows(&scores, mask.len())
}

/// The plain loop for [`masked_rows_into`].
pub fn plain_masked_rows(input: &[f32], mask: &[u8], out: &mut [f32]) {
    let width = mask.len().max(1);
    for (row, out) in input.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let kept = row.iter().zip(mask).filter(|&(_, &keep)| keep != 0);
        let largest = kept.map(|(&x, _)| x).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for ((x, y), &keep) in row.iter().zip(out.iter_mut()).zip(mask) {
            *y = if keep == 0 { 0.0 } else { (x - largest).exp() };
            sum += *y;
        }
        for y in out.iter_mut().filter(|y| **y != 0.0) {
            *y /= sum;
        }
    }
}

/// The plain loop for [`rows_into`].
pub fn plain_rows(input: &[f32], width: usize, out: &mut [f32]) {
    for (row, out) in input.chunks_exact(width.max(1)).zip(out.chunks_exact_mut(width.max(1))) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for (x, y) in row.iter().zip(out.iter_mut()) {
            *y = (x - largest).exp();
            sum += *y;
        }
        for y in out {
            *y /= sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn rows_equal_their_reference_on_every_tier_and_width() {
        for width in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 128, 200] {
            let mut rng = Rng::new(3);
            let input: Vec<f32> = (0..5 * width).map(|_| rng.uniform_f32(-9.0, 9.0)).collect();
            let reference = reference_rows(&input, width);
            let mut out = vec![f32::NAN; input.len()];
            plain_rows(&input, width, &mut out);
            compare_floats(&out, &reference, 1e-5, 1e-9).unwrap();
            for tier in Tier::available() {
                rows_into(tier, &input, width, &mut out).unwrap();
                compare_floats(&out, &reference, 2e-6, 1e-9)
                    .unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
                let mut data = input.clone();
                rows(tier, &mut data, width).unwrap();
                assert_eq!(data, out, "{tier} {width}: in place differs");
            }
        }
    }

    #[test]
    fn large_and_masked_scores_are_safe_on_every_tier() {
        let inf = f32::INFINITY;
        for tier in Tier::available() {
            for width in [3, 16, 19] {
                let mut row = vec![-inf; width];
                rows(tier, &mut row, width).unwrap();
                assert_eq!(row, vec![0.0; width], "{tier}: a masked row");
                let mut row = vec![-inf; width];
                row[1] = 5.0;
                rows(tier, &mut row, width).unwrap();
                assert!(
                    row.iter().enumerate().all(|(i, &x)| x == f32::from(u8::from(i == 1))),
                    "{tier}: {row:?}"
                );
                let mut row = vec![f32::MAX; width];
                rows(tier, &mut row, width).unwrap();
                assert!(row.iter().all(|x| (x * width as f32 - 1.0).abs() < 1e-6), "{tier}: {row:?}");
                let mut row = vec![-3e38; width];
                row[0] = 3e38;
                rows(tier, &mut row, width).unwrap();
                assert!(row[0] == 1.0 && row[1..].iter().all(|&x| x == 0.0), "{tier}: {row:?}");
                for bad in [f32::NAN, inf] {
                    let mut row = vec![1.0; width];
                    row[width - 1] = bad;
                    rows(tier, &mut row, width).unwrap();
                    assert!(row[width - 1].is_nan(), "{tier}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn masked_rows_equal_their_reference_on_every_tier_and_width() {
        for width in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 128, 200] {
            let mut rng = Rng::new(3);
            let mut input: Vec<f32> = (0..5 * width).map(|_| rng.uniform_f32(-9.0, 9.0)).collect();
            for kept in [0, 1, width / 2, width] {
                let mask: Vec<u8> = (0..width).map(|i| if i < kept { 200 } else { 0 }).collect();
                // What is masked does not count, whatever it is.
                for (i, x) in input.iter_mut().enumerate().filter(|(i, _)| i % width >= kept) {
                    *x = [f32::NAN, f32::INFINITY, 1e30][i % 3];
                }
                let reference = reference_masked_rows(&input, &mask);
                let mut out = vec![f32::NAN; input.len()];
                plain_masked_rows(&input, &mask, &mut out);
                compare_floats(&out, &reference, 1e-5, 1e-9).unwrap_or_else(|m| panic!("plain {width}: {m}"));
                for tier in Tier::available() {
                    masked_rows_into(tier, &input, &mask, &mut out).unwrap();
                    compare_floats(&out, &reference, 2e-6, 1e-9)
                        .unwrap_or_else(|m| panic!("{tier} {width} {kept}: {m}"));
                }
                input.iter_mut().for_each(|x| *x = rng.uniform_f32(-9.0, 9.0));
            }
        }
    }
}

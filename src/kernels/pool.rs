//! Token vectors to one text vector: the mean, the mean over the root of the count, the largest, the first.
//!
//! Tokens lie row after row. The vector form keeps a block of columns in registers and walks down all rows, so that
//! every number is loaded once and nothing is written until the end; a block is as wide as the tier's registers
//! allow, because short blocks read the rows in short strides.

use std::marker::PhantomData;

use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// How many rows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The sum over the number of rows.
    Mean,
    /// The sum over the square root of the number of rows.
    MeanSqrt,
    /// The largest of each column; what is not a number is passed over.
    Max,
    /// The first row, whatever the mask says: the classification token.
    Cls,
}

/// The mean of the rows of `tokens` whose mask is not zero (of all rows without a mask), into `out`.
///
/// `tokens` holds rows of `width` numbers, `mask` one byte a row, `out` `width` numbers. Without any row that counts
/// the answer is zero. Masked rows are not read, so that what stands in them never reaches the answer.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When `out` is not `width` long, `tokens` is not whole rows, or `mask` is not one byte a row.
pub fn mean(
    tier: Tier,
    tokens: &[f32],
    width: usize,
    mask: Option<&[u8]>,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    pool(tier, Pooling::Mean, tokens, width, mask, out)
}

/// Like [`mean`], divided by the square root of the number of rows instead of the number.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`mean`].
pub fn mean_sqrt(
    tier: Tier,
    tokens: &[f32],
    width: usize,
    mask: Option<&[u8]>,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    pool(tier, Pooling::MeanSqrt, tokens, width, mask, out)
}

/// The largest number of every column, over the same rows as [`mean`]; what is not a number is passed over.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`mean`].
pub fn max(
    tier: Tier,
    tokens: &[f32],
    width: usize,
    mask: Option<&[u8]>,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    pool(tier, Pooling::Max, tokens, width, mask, out)
}

/// The first row, whatever the mask says; zero when there is none.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`mean`].
pub fn cls(
    tier: Tier,
    tokens: &[f32],
    width: usize,
    mask: Option<&[u8]>,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    pool(tier, Pooling::Cls, tokens, width, mask, out)
}

/// Pools in the way that `how` says; the arguments are those of [`mean`].
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// As for [`mean`].
pub fn pool(
    tier: Tier,
    how: Pooling,
    tokens: &[f32],
    width: usize,
    mask: Option<&[u8]>,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    check_lengths(tokens, width, mask, out);
    match how {
        Pooling::Mean => dispatch(tier, Pool::<Mean> { tokens, width, mask, out, how: PhantomData }),
        Pooling::MeanSqrt => dispatch(tier, Pool::<MeanSqrt> { tokens, width, mask, out, how: PhantomData }),
        Pooling::Max => dispatch(tier, Pool::<Max> { tokens, width, mask, out, how: PhantomData }),
        Pooling::Cls => dispatch(tier, Pool::<Cls> { tokens, width, mask, out, how: PhantomData }),
    }
}

/// The mean of each of several texts of `rows` tokens, in one entry of the tier: `out[t * width..][..width]` is that of
/// `tokens[t * rows * width..][..rows * width]`.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When the tokens are not whole texts or `out` does not hold one row a text.
pub fn mean_batch(
    tier: Tier,
    tokens: &[f32],
    rows: usize,
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    let texts = out.len().checked_div(width).unwrap_or(0);
    assert_eq!(out.len(), texts * width, "the output is whole rows");
    assert_eq!(tokens.len(), texts * rows * width, "the tokens are whole texts");
    dispatch(tier, MeanBatch { tokens, rows, width, out })
}

struct MeanBatch<'a> {
    tokens: &'a [f32],
    rows: usize,
    width: usize,
    out: &'a mut [f32],
}

impl SimdOp for MeanBatch<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        if self.rows == 0 || self.width == 0 {
            return self.out.fill(0.0);
        }
        let texts = self.tokens.chunks_exact(self.rows * self.width);
        for (tokens, out) in texts.zip(self.out.chunks_exact_mut(self.width)) {
            Pool::<Mean> { tokens, width: self.width, mask: None, out, how: PhantomData }.eval(simd);
        }
    }
}

fn check_lengths(tokens: &[f32], width: usize, mask: Option<&[u8]>, out: &[f32]) {
    assert_eq!(out.len(), width, "the output is one row");
    assert_eq!(tokens.len(), rows(tokens, width) * width, "the tokens are whole rows");
    if let Some(mask) = mask {
        assert_eq!(mask.len(), rows(tokens, width), "the mask is one byte a row");
    }
}

fn rows(tokens: &[f32], width: usize) -> usize {
    tokens.len().checked_div(width).unwrap_or(0)
}

/// The rows that count.
fn kept(tokens: &[f32], width: usize, mask: Option<&[u8]>) -> usize {
    mask.map_or(rows(tokens, width), |mask| mask.iter().filter(|&&m| m != 0).count())
}

/// What the sum of `count` rows is multiplied by.
#[inline(always)]
#[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^24 tokens")]
fn factor(how: Pooling, count: usize) -> f32 {
    match how {
        Pooling::Mean => 1.0 / count as f32,
        Pooling::MeanSqrt => 1.0 / (count as f32).sqrt(),
        Pooling::Max | Pooling::Cls => 1.0,
    }
}

/// A way of pooling that the compiler knows: with one that is only known at run time, the loops of all of them share
/// a function, and the accumulators leave their registers.
trait Way {
    const HOW: Pooling;
}

macro_rules! ways {
    ($($name:ident)*) => { $(
        struct $name;
        impl Way for $name {
            const HOW: Pooling = Pooling::$name;
        }
    )* };
}
ways!(Mean MeanSqrt Max Cls);

struct Pool<'a, W> {
    tokens: &'a [f32],
    width: usize,
    mask: Option<&'a [u8]>,
    out: &'a mut [f32],
    how: PhantomData<W>,
}

impl<W: Way> SimdOp for Pool<'_, W> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, simd: S) {
        let count = match W::HOW {
            Pooling::Cls => rows(self.tokens, self.width).min(1),
            Pooling::Mean | Pooling::MeanSqrt | Pooling::Max => kept(self.tokens, self.width, self.mask),
        };
        if count == 0 {
            self.out.fill(0.0);
            return;
        }
        let all = self.tokens.chunks_exact(self.width);
        // A masked and an unmasked copy of the loop: the test of the mask costs a branch a row.
        match self.mask.filter(|_| W::HOW != Pooling::Cls) {
            Some(mask) => {
                let real = all.zip(mask).filter(|(_, mask)| **mask != 0).map(|(row, _)| row);
                reduce(simd, W::HOW, real, count, self.out);
            }
            None => reduce(simd, W::HOW, all.take(count), count, self.out),
        }
    }
}

#[inline(always)]
fn reduce<'a, S: Simd>(
    simd: S,
    how: Pooling,
    rows: impl Iterator<Item = &'a [f32]> + Clone,
    count: usize,
    out: &mut [f32],
) {
    match how {
        Pooling::Mean | Pooling::MeanSqrt | Pooling::Cls => {
            columns(simd, rows, |sum, x| simd.add(sum, x), 0.0, factor(how, count), out);
        }
        // The accumulator is the second operand, so that it wins against what is not a number.
        Pooling::Max => columns(simd, rows, |top, x| simd.max(x, top), f32::NEG_INFINITY, 1.0, out),
    }
}

/// Every column folded from `start` over all rows and multiplied by `factor`.
#[inline(always)]
fn columns<'a, S: Simd>(
    simd: S,
    rows: impl Iterator<Item = &'a [f32]> + Clone,
    fold: impl Fn(S::F32, S::F32) -> S::F32 + Copy,
    start: f32,
    factor: f32,
    out: &mut [f32],
) {
    // One arm is left after compilation. 24 of 32 registers hold the whole of a row of 384 in AVX-512; 12 and 8 of
    // 16 leave room for the loads.
    let mut done = match S::TIER.f32_tier() {
        Tier::Avx512 | Tier::Neon => blocks::<S, 24>(simd, rows.clone(), fold, start, factor, 0, out),
        Tier::Avx2 => blocks::<S, 12>(simd, rows.clone(), fold, start, factor, 0, out),
        Tier::Baseline | Tier::Sse41 | Tier::Avx512vnni | Tier::Avx512bf16 | Tier::NeonDotprod => 0,
    };
    done = blocks::<S, 8>(simd, rows.clone(), fold, start, factor, done, out);
    done = blocks::<S, 1>(simd, rows.clone(), fold, start, factor, done, out);
    if done < out.len() {
        let mut total = simd.splat(start);
        for row in rows {
            total = fold(total, simd.load_partial(&row[done..]));
        }
        simd.store_partial(simd.mul(total, simd.splat(factor)), &mut out[done..]);
    }
}

/// Folds blocks of `N` vectors from column `from` on for as long as whole blocks remain; returns the next column.
#[inline(always)]
fn blocks<'a, S: Simd, const N: usize>(
    simd: S,
    rows: impl Iterator<Item = &'a [f32]> + Clone,
    fold: impl Fn(S::F32, S::F32) -> S::F32 + Copy,
    start: f32,
    factor: f32,
    from: usize,
    out: &mut [f32],
) -> usize {
    let wide = N * S::LANES;
    let mut column = from;
    while out.len() - column >= wide {
        let mut totals = [simd.splat(start); N];
        for row in rows.clone() {
            let part = &row[column..column + wide];
            for (i, total) in totals.iter_mut().enumerate() {
                *total = fold(*total, simd.load(&part[i * S::LANES..]));
            }
        }
        let part = &mut out[column..column + wide];
        for (i, total) in totals.into_iter().enumerate() {
            simd.store(simd.mul(total, simd.splat(factor)), &mut part[i * S::LANES..]);
        }
        column += wide;
    }
    column
}

/// The answer in double precision; arguments and rules are those of [`mean`].
#[must_use]
pub fn reference_pool(how: Pooling, tokens: &[f32], width: usize, mask: Option<&[u8]>) -> Vec<f64> {
    let real = |row: &usize| mask.is_none_or(|mask| mask[*row] != 0);
    let column = |column: usize| -> f64 {
        let values = (0..rows(tokens, width)).filter(real).map(|row| f64::from(tokens[row * width + column]));
        #[expect(clippy::cast_precision_loss, reason = "a text has far fewer than 2^52 tokens")]
        let count = values.clone().count() as f64;
        match how {
            Pooling::Cls => tokens.get(column).copied().map_or(0.0, f64::from),
            _ if count == 0.0 => 0.0,
            Pooling::Mean => values.sum::<f64>() / count,
            Pooling::MeanSqrt => values.sum::<f64>() / count.sqrt(),
            Pooling::Max => values.fold(f64::NEG_INFINITY, f64::max),
        }
    };
    (0..width).map(column).collect()
}

/// Row after row added into the output, as the compiler builds it; arguments and rules are those of [`mean`].
///
/// # Panics
/// As for [`mean`].
pub fn plain_pool(how: Pooling, tokens: &[f32], width: usize, mask: Option<&[u8]>, out: &mut [f32]) {
    check_lengths(tokens, width, mask, out);
    out.fill(0.0);
    let count = kept(tokens, width, mask);
    if width == 0 || (count == 0 && how != Pooling::Cls) {
        return;
    }
    if how == Pooling::Max {
        out.fill(f32::NEG_INFINITY);
    }
    for (i, row) in tokens.chunks_exact(width).enumerate() {
        if how != Pooling::Cls && mask.is_some_and(|mask| mask[i] == 0) {
            continue;
        }
        match how {
            Pooling::Cls => {
                out.copy_from_slice(row);
                return;
            }
            Pooling::Mean | Pooling::MeanSqrt => {
                for (out, x) in out.iter_mut().zip(row) {
                    *out += x;
                }
            }
            Pooling::Max => {
                for (out, &x) in out.iter_mut().zip(row) {
                    if x > *out {
                        *out = x;
                    }
                }
            }
        }
    }
    let factor = factor(how, count);
    for out in out {
        *out *= factor;
    }
}

/// The mean one column after the other, one element at a time: the form that people write first. It loads a number
/// from every row for each number of the answer, and the additions of a column wait for each other.
///
/// # Panics
/// As for [`mean`].
pub fn scalar_mean(tokens: &[f32], width: usize, out: &mut [f32]) {
    check_lengths(tokens, width, None, out);
    let count = rows(tokens, width);
    if count == 0 {
        out.fill(0.0);
        return;
    }
    let factor = factor(Pooling::Mean, count);
    for (column, out) in out.iter_mut().enumerate() {
        let mut sum = 0.0;
        for row in 0..count {
            sum += tokens[row * width + column];
        }
        *out = sum * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    const WAYS: [Pooling; 4] = [Pooling::Mean, Pooling::MeanSqrt, Pooling::Max, Pooling::Cls];

    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
    }

    /// Widths around the lanes and the blocks of every tier, and real ones.
    const WIDTHS: [usize; 20] = [0, 1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 35, 95, 97, 129, 383, 384, 385];

    #[test]
    fn every_way_on_every_tier_equals_its_reference() {
        let mut failures = Vec::new();
        for how in WAYS {
            for width in WIDTHS {
                for rows in [0, 1, 2, 7, 32] {
                    let tokens = numbers(rows * width, 3 + width as u64);
                    let mask: Vec<u8> = (0..rows).map(|row| u8::from(row % 3 != 1) * 255).collect();
                    let rows = if width == 0 { 0 } else { rows };
                    for mask in [None, Some(&mask[..rows])] {
                        let reference = reference_pool(how, &tokens, width, mask);
                        // A sum of n terms of at most 1 is off by at most n roundings of a partial sum, which is at
                        // most n; the factor shrinks both by n or its root.
                        let tolerance = (rows * rows) as f64 * f64::from(f32::EPSILON);
                        let mut judge = |name: String, out: &[f32]| {
                            if let Err(mismatch) = compare_floats(out, &reference, 1e-6, tolerance) {
                                let masked = mask.is_some();
                                failures.push(format!(
                                    "{name} {how:?} {rows}x{width} masked {masked}: {mismatch}"
                                ));
                            }
                        };
                        for tier in Tier::available() {
                            let mut out = vec![f32::NAN; width];
                            pool(tier, how, &tokens, width, mask, &mut out).unwrap();
                            judge(tier.to_string(), &out);
                        }
                        let mut out = vec![f32::NAN; width];
                        plain_pool(how, &tokens, width, mask, &mut out);
                        judge("plain".to_owned(), &out);
                        if how == Pooling::Mean && mask.is_none() {
                            scalar_mean(&tokens, width, &mut out);
                            judge("scalar".to_owned(), &out);
                        }
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn what_stands_in_masked_rows_never_reaches_the_answer() {
        for tier in Tier::available() {
            for how in [Pooling::Mean, Pooling::MeanSqrt, Pooling::Max] {
                let mut tokens = numbers(3 * 40, 5);
                tokens[40..80].fill(f32::NAN);
                let mut out = [0.0; 40];
                pool(tier, how, &tokens, 40, Some(&[1, 0, 1]), &mut out).unwrap();
                assert!(out.iter().all(|x| x.is_finite()), "{tier} {how:?}");
            }
        }
    }

    #[test]
    fn a_text_without_tokens_is_zero() {
        for tier in Tier::available() {
            for how in WAYS {
                let mut out = [1.0; 20];
                pool(tier, how, &[], 20, None, &mut out).unwrap();
                assert_eq!(out, [0.0; 20], "{tier} {how:?}");
            }
            let mut out = [1.0; 20];
            max(tier, &[5.0; 40], 20, Some(&[0, 0]), &mut out).unwrap();
            assert_eq!(out, [0.0; 20], "{tier}");
        }
    }
}

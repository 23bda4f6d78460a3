//! Scaled dot-product attention of one sequence, all heads, without a mask.
//!
//! For each head `out = softmax(q kT / sqrt(head_width)) v`. The keys of a head are packed into panels in scratch, scaled
//! on the way; then, as many queries at a time as a register tile of matrix products has rows: their scores into scratch,
//! the softmax there, and the weighted sum of the values. Shares are left unnormalised until the end: one product per
//! output element instead of one per key. Both products are tiles of [`super::matmul`], from the first-level cache.

use std::ops::Range;

use super::lanes::{scale_in_place, whole_lanes};
use super::matmul::block::{PackedPanel, StridedPanel};
use super::matmul::tile::{Rows, Start, Target, VECTORS, multiply, tile_rows};
use super::softmax::{exp_sum_in_place, reciprocal, shift};
use crate::simd::{MOST_LANES, Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// The most queries of a tile on any tier.
const ROWS: usize = 12;
/// Keys are padded to whole pairs of the widest vectors.
const KEY_PADDING: usize = 32;

/// Where the projections of a sequence lie: token `t` of head `h` starts at `t * stride + h * head_width` in each.
#[derive(Debug, Clone, Copy)]
pub struct Qkv<'a> {
    /// Queries.
    pub q: &'a [f32],
    /// Keys.
    pub k: &'a [f32],
    /// Values.
    pub v: &'a [f32],
    /// Floats from one token to the next: `heads * head_width`, or three times that where the three are interleaved
    /// (`k` and `v` are then the same slice as `q`, begun later).
    pub stride: usize,
}

/// Floats of scratch that [`attend`] needs: one head's keys and the scores of a tile (heads take turns).
#[must_use]
pub const fn attention_scratch_len(tokens: usize, heads: usize, head_width: usize) -> usize {
    if heads == 0 { 0 } else { padded_keys(tokens) * (head_width + ROWS) }
}

const fn padded_keys(tokens: usize) -> usize {
    tokens.next_multiple_of(KEY_PADDING)
}

struct Attend<'a> {
    qkv: Qkv<'a>,
    tokens: usize,
    heads: usize,
    head_width: usize,
    /// Added to the scores: a row a head, as [`attend_biased`] takes them; empty for none.
    bias: &'a [f32],
    scratch: &'a mut [f32],
    out: &'a mut [f32],
}

impl SimdOp for Attend<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let padded = padded_keys(self.tokens);
        let (keys, scores) = self.scratch.split_at_mut(padded * self.head_width);
        let model_width = self.heads * self.head_width;
        let distances = self.bias.len() / self.heads;
        for head in 0..self.heads {
            let column = head * self.head_width;
            let bias = self.bias.get(head * distances..(head + 1) * distances).unwrap_or_default();
            let head = Head {
                q: &self.qkv.q[column..],
                k: &self.qkv.k[column..],
                v: &self.qkv.v[column..],
                stride: self.qkv.stride,
                tokens: self.tokens,
                width: self.head_width,
            };
            head.pack_keys(s, keys, padded);
            let most = tile_rows(S::TIER, VECTORS);
            // Tiles of like height.
            let tiles = self.tokens.div_ceil(most);
            for tile in 0..tiles {
                let queries = tile * self.tokens / tiles..(tile + 1) * self.tokens / tiles;
                let (first, count) = (queries.start, queries.len());
                head.scores(s, queries.clone(), keys, padded, scores);
                if !bias.is_empty() {
                    for (row, query) in scores.chunks_exact_mut(padded).zip(queries) {
                        let bias = &bias[distances / 2 - query..][..self.tokens];
                        add_in_place(s, &mut row[..self.tokens], bias);
                    }
                }
                // All largest scores first: they do not wait for one another, and the exponentials of a row do.
                let mut shifts = [0.0; ROWS];
                for (row, to) in scores.chunks_exact(padded).zip(&mut shifts[..count]) {
                    *to = shift(s, &row[..self.tokens]);
                }
                let mut scales = [0.0; ROWS];
                let rows = scores.chunks_exact_mut(padded).zip(&shifts[..count]);
                for ((row, &shift), scale) in rows.zip(&mut scales) {
                    *scale = reciprocal(exp_sum_in_place(s, &mut row[..self.tokens], shift));
                }
                let out = &mut self.out[first * model_width + column..];
                head.context(s, (scores, padded), &scales[..count], out, model_width);
            }
        }
    }
}

/// Attention of one sequence of `tokens`, without a mask, scaled by `1 / sqrt(head_width)`, into `out`
/// (`tokens x heads * head_width`, row-major). `scratch` holds at least [`attention_scratch_len`] floats of any value.
///
/// # Panics
/// Where a slice is too short for the shape, or tokens overlap (`stride` below `heads * head_width`).
pub fn attend(
    tier: Tier,
    qkv: Qkv<'_>,
    tokens: usize,
    heads: usize,
    head_width: usize,
    scratch: &mut [f32],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    attend_biased(tier, qkv, tokens, heads, head_width, &[], scratch, out)
}

/// [`attend`] with a number added to each score (after its scaling) that depends on the head and on how far the key is
/// from the query: `bias` has a row of `2 * tokens - 1` a head, and that of key `t` and query `i` stands at
/// `tokens - 1 + t - i`. An empty one adds nothing.
///
/// # Panics
/// As [`attend`], and where `bias` is neither empty nor of that size.
#[expect(clippy::too_many_arguments, reason = "the shape of attention, and its operands")]
pub fn attend_biased(
    tier: Tier,
    qkv: Qkv<'_>,
    tokens: usize,
    heads: usize,
    head_width: usize,
    bias: &[f32],
    scratch: &mut [f32],
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    let model_width = heads * head_width;
    if tokens == 0 || model_width == 0 {
        return Ok(());
    }
    assert!(qkv.stride >= model_width, "tokens {} floats apart overlap", qkv.stride);
    let needed = (tokens - 1) * qkv.stride + model_width;
    for (name, slice) in [("queries", qkv.q), ("keys", qkv.k), ("values", qkv.v)] {
        assert!(slice.len() >= needed, "{name} hold {} floats of {needed}", slice.len());
    }
    assert_eq!(out.len(), tokens * model_width, "the output is tokens x heads * head_width");
    let distances = bias.len() / heads;
    let is_table = bias.len() == heads * distances && distances % 2 == 1 && distances >= 2 * tokens - 1;
    assert!(bias.is_empty() || is_table, "{} biases are no row of 2 * reach - 1 a head", bias.len());
    let scratch = &mut scratch[..attention_scratch_len(tokens, heads, head_width)];
    dispatch(tier, Attend { qkv, tokens, heads, head_width, bias, scratch, out })
}

/// `to += by`; both of one length.
#[inline(always)]
fn add_in_place<S: Simd>(s: S, to: &mut [f32], by: &[f32]) {
    let whole = whole_lanes::<S>(to.len());
    let (to, to_rest) = to.split_at_mut(whole);
    let (by, by_rest) = by.split_at(whole);
    for (to, by) in to.chunks_exact_mut(S::LANES).zip(by.chunks_exact(S::LANES)) {
        s.store(s.add(s.load(to), s.load(by)), to);
    }
    s.store_partial(s.add(s.load_partial(to_rest), s.load_partial(by_rest)), to_rest);
}

/// A vector of `from`; zeroes beyond its end.
#[inline(always)]
fn load_whole_or_part<S: Simd>(s: S, from: &[f32]) -> S::F32 {
    if from.len() < S::LANES { s.load_partial(from) } else { s.load(from) }
}

/// One head of a sequence: token `t` starts at `t * stride` of each slice.
#[derive(Clone, Copy)]
struct Head<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    stride: usize,
    tokens: usize,
    width: usize,
}

impl Head<'_> {
    /// Panels as wide as a tile: row `d` of a panel holds `k[t][d] / sqrt(width)` of its keys; the padding repeats the last
    /// key, and nobody reads its scores.
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^24")]
    fn pack_keys<S: Simd>(self, s: S, keys: &mut [f32], padded: usize) {
        let scale = s.splat(1.0 / (self.width as f32).sqrt());
        let wide = VECTORS * S::LANES;
        for first in (0..padded).step_by(4) {
            let tokens: [&[f32]; 4] = std::array::from_fn(|i| {
                let token = (first + i).min(self.tokens - 1);
                &self.k[token * self.stride..][..self.width]
            });
            let panel = &mut keys[first / wide * wide * self.width..][..wide * self.width];
            for from in (0..self.width).step_by(S::LANES) {
                let mut rows = [s.zero(); 4];
                for (row, token) in rows.iter_mut().zip(tokens) {
                    *row = s.mul(load_whole_or_part(s, &token[from..]), scale);
                }
                let mut fours = [[0.0; MOST_LANES]; 4];
                for (vector, to) in s.transpose_fours(rows).into_iter().zip(&mut fours) {
                    s.store(vector, to);
                }
                let to = &mut panel[from * wide..];
                for (d, row) in to.chunks_exact_mut(wide).take(S::LANES).enumerate() {
                    row[first % wide..][..4].copy_from_slice(&fours[d % 4][d / 4 * 4..][..4]);
                }
            }
        }
    }

    /// The scores of some queries against every key: a row of `padded` each.
    #[inline(always)]
    fn scores<S: Simd>(self, s: S, queries: Range<usize>, keys: &[f32], padded: usize, scores: &mut [f32]) {
        let wide = VECTORS * S::LANES;
        let left = Rows {
            values: &self.q[queries.start * self.stride..],
            stride: self.stride,
            count: queries.len(),
        };
        for (panel, keys) in keys.chunks_exact(wide * self.width).enumerate() {
            let mut target =
                Target { c: &mut scores[panel * wide..], stride: padded, width: wide, near: true };
            multiply(s, left, PackedPanel::new(keys, (0, 0)), Start::Zero, &mut target);
        }
    }

    /// The sums of the values weighted by rows of shares (so far apart), times `scales`: a row of `out` for each scale.
    #[inline(always)]
    fn context<S: Simd>(
        self,
        s: S,
        (shares, stride): (&[f32], usize),
        scales: &[f32],
        out: &mut [f32],
        out_stride: usize,
    ) {
        let left = Rows { values: shares, stride, count: scales.len() };
        let wide = VECTORS * S::LANES;
        for first in (0..self.width).step_by(wide) {
            let values = StridedPanel { values: &self.v[first..], columns: self.stride, depth: self.tokens };
            let width = wide.min(self.width - first);
            let mut target = Target { c: &mut out[first..], stride: out_stride, width, near: false };
            multiply(s, left, values, Start::Zero, &mut target);
        }
        for (row, &scale) in out.chunks_mut(out_stride).zip(scales) {
            scale_in_place(s, &mut row[..self.width], scale);
        }
    }
}

/// [`attend`] in double precision.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^52")]
pub fn reference_attend(qkv: Qkv<'_>, tokens: usize, heads: usize, head_width: usize) -> Vec<f64> {
    let mut out = vec![0.0; tokens * heads * head_width];
    let at = |token: usize, head: usize| token * qkv.stride + head * head_width;
    for (query, out) in out.chunks_mut((heads * head_width).max(1)).enumerate() {
        for (head, out) in out.chunks_mut(head_width).enumerate() {
            let q = &qkv.q[at(query, head)..][..head_width];
            let scores: Vec<f64> = (0..tokens)
                .map(|t| {
                    let k = &qkv.k[at(t, head)..][..head_width];
                    let dot: f64 = q.iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum();
                    dot / (head_width as f64).sqrt()
                })
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores.iter().map(|x| (x - largest).exp()).sum();
            for (t, score) in scores.iter().enumerate() {
                let share = (score - largest).exp() / sum;
                let v = &qkv.v[at(t, head)..][..head_width];
                out.iter_mut().zip(v).for_each(|(out, &v)| *out += share * f64::from(v));
            }
        }
    }
    out
}

/// The plain loop for [`attend`]; `scores` holds at least `tokens` floats.
#[expect(clippy::cast_precision_loss, reason = "a head is far narrower than 2^24")]
pub fn plain_attend(
    qkv: Qkv<'_>,
    tokens: usize,
    heads: usize,
    head_width: usize,
    scores: &mut [f32],
    out: &mut [f32],
) {
    let scale = 1.0 / (head_width as f32).sqrt();
    let at = |token: usize, head: usize| token * qkv.stride + head * head_width;
    let scores = &mut scores[..tokens];
    for (query, out) in out.chunks_exact_mut((heads * head_width).max(1)).enumerate() {
        for (head, out) in out.chunks_exact_mut(head_width).enumerate() {
            let q = &qkv.q[at(query, head)..][..head_width];
            let mut largest = f32::NEG_INFINITY;
            for (t, score) in scores.iter_mut().enumerate() {
                let k = &qkv.k[at(t, head)..][..head_width];
                *score = q.iter().zip(k).map(|(q, k)| q * k).sum::<f32>() * scale;
                largest = largest.max(*score);
            }
            let mut sum = 0.0;
            out.fill(0.0);
            for (t, score) in scores.iter().enumerate() {
                let share = (score - largest).exp();
                sum += share;
                let v = &qkv.v[at(t, head)..][..head_width];
                out.iter_mut().zip(v).for_each(|(out, v)| *out += share * v);
            }
            out.iter_mut().for_each(|out| *out /= sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    #[test]
    fn attention_equals_its_reference_on_every_tier_and_shape() {
        let shapes = [
            (1, 1, 1),
            (1, 2, 32),
            (5, 3, 4),
            (6, 1, 32),
            (7, 2, 12),
            (31, 2, 20),
            (33, 2, 40),
            (128, 2, 32),
            (70, 1, 64),
        ];
        let mut failures = Vec::new();
        for (tokens, heads, head_width) in shapes {
            let width = heads * head_width;
            let mut rng = Rng::new(5);
            let values: Vec<f32> = (0..tokens * 3 * width).map(|_| rng.uniform_f32(-2.0, 2.0)).collect();
            let qkv = Qkv { q: &values, k: &values[width..], v: &values[2 * width..], stride: 3 * width };
            let reference = reference_attend(qkv, tokens, heads, head_width);
            let mut out = vec![f32::NAN; tokens * width];
            plain_attend(qkv, tokens, heads, head_width, &mut vec![f32::NAN; tokens], &mut out);
            if let Err(mismatch) = compare_floats(&out, &reference, 0.0, 2e-6) {
                failures.push(format!("plain {tokens}x{heads}x{head_width}: {mismatch}"));
            }
            for tier in Tier::available() {
                let mut scratch = vec![f32::NAN; attention_scratch_len(tokens, heads, head_width)];
                out.fill(f32::NAN);
                attend(tier, qkv, tokens, heads, head_width, &mut scratch, &mut out).unwrap();
                if let Err(mismatch) = compare_floats(&out, &reference, 0.0, 2e-6) {
                    failures.push(format!("{tier} {tokens}x{heads}x{head_width}: {mismatch}"));
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn a_bias_is_added_to_every_score_by_distance() {
        let (tokens, heads, head_width, reach) = (13, 2, 4, 20);
        let width = heads * head_width;
        let mut rng = Rng::new(6);
        let mut random =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.uniform_f32(-2.0, 2.0)).collect() };
        let (values, bias) = (random(tokens * 3 * width), random(heads * (2 * reach - 1)));
        let qkv = Qkv { q: &values, k: &values[width..], v: &values[2 * width..], stride: 3 * width };
        let mut reference = Vec::new();
        for query in 0..tokens {
            for head in 0..heads {
                let at = |token: usize| token * 3 * width + head * head_width;
                let weight = |key: usize| {
                    let dot: f64 = (0..head_width)
                        .map(|d| f64::from(qkv.q[at(query) + d]) * f64::from(qkv.k[at(key) + d]))
                        .sum();
                    let distance = reach - 1 + key - query;
                    (dot / 2.0 + f64::from(bias[head * (2 * reach - 1) + distance])).exp()
                };
                let total: f64 = (0..tokens).map(weight).sum();
                for d in 0..head_width {
                    let sum: f64 = (0..tokens).map(|key| weight(key) * f64::from(qkv.v[at(key) + d])).sum();
                    reference.push(sum / total);
                }
            }
        }
        for tier in Tier::available() {
            let mut scratch = vec![f32::NAN; attention_scratch_len(tokens, heads, head_width)];
            let mut out = vec![f32::NAN; tokens * width];
            attend_biased(tier, qkv, tokens, heads, head_width, &bias, &mut scratch, &mut out).unwrap();
            compare_floats(&out, &reference, 0.0, 3e-6).unwrap_or_else(|wrong| panic!("{tier}: {wrong}"));
        }
    }

    #[test]
    fn equal_keys_give_the_mean_of_the_values() {
        let (tokens, width) = (9, 32);
        let q = vec![3.0; tokens * width];
        let k = vec![100.0; tokens * width];
        let v: Vec<f32> = (0..tokens).flat_map(|t| vec![t as f32; width]).collect();
        for tier in Tier::available() {
            let mut out = vec![0.0; tokens * width];
            let mut scratch = vec![0.0; attention_scratch_len(tokens, 1, width)];
            let qkv = Qkv { q: &q, k: &k, v: &v, stride: width };
            attend(tier, qkv, tokens, 1, width, &mut scratch, &mut out).unwrap();
            assert!(out.iter().all(|x| (x - 4.0).abs() < 1e-5), "{tier}: {out:?}");
        }
    }
}

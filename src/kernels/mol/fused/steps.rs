//! What stands between the products: logistic functions, gates and weighted sums, down rows of lanes.

use crate::kernels::math::power_of_two;
use crate::kernels::matmul::PANEL_VECTORS;
use crate::simd::{RowsMut, Simd};

/// Rows whose functions are computed side by side, with one division.
pub(super) const TOGETHER: usize = 4;

/// Beyond it `2^y` counts as this power: four divisors still multiply without overflow, and the answer is off by less than
/// the rounding of `y`.
const LARGEST_POWER: f32 = 31.0;

/// `y / (1 + 2^y)` of four vectors and four more, within `4e-7 + 2^-31 |y|`.
///
/// One division for each four: quotients are the slowest part by far, and a product of four divisors is below `2^125`. Two
/// fours, because each step waits for the last: what comes after one division fills the time of the other.
#[inline(always)]
fn logistic<S: Simd>(s: S, y: [[S::F32; TOGETHER]; 2]) -> [[S::F32; TOGETHER]; 2] {
    let one = s.splat(1.0);
    let mut divisors = [[one; TOGETHER]; 2];
    for (y, divisors) in y.iter().zip(&mut divisors) {
        for (&y, divisor) in y.iter().zip(divisors) {
            *divisor = s.add(one, power_of_two(s, s.within(y, s.splat(LARGEST_POWER))));
        }
    }
    let mut inverses = [one; 2];
    for (inverse, [a, b, c, d]) in inverses.iter_mut().zip(divisors) {
        *inverse = s.div(one, s.mul(s.mul(a, b), s.mul(c, d)));
    }
    let mut out = y;
    for ((y, [a, b, c, d]), inverse) in out.iter_mut().zip(divisors).zip(inverses) {
        let (of_ab, of_cd) = (s.mul(inverse, s.mul(c, d)), s.mul(inverse, s.mul(a, b)));
        y[0] = s.mul(s.mul(y[0], b), of_ab);
        y[1] = s.mul(s.mul(y[1], a), of_ab);
        y[2] = s.mul(s.mul(y[2], d), of_cd);
        y[3] = s.mul(s.mul(y[3], c), of_cd);
    }
    out
}

/// [`logistic`] in place; rows are pairs of vectors.
#[inline(always)]
pub(super) fn logistic_rows<S: Simd>(s: S, rows: &mut [f32], columns: usize) {
    for rows in rows.chunks_exact_mut(TOGETHER * columns) {
        let mut rows = RowsMut::<TOGETHER>::new(rows, columns, columns);
        for lane in (0..columns).step_by(PANEL_VECTORS * S::LANES) {
            let next = lane + S::LANES;
            let y = [load_four(s, &mut rows, lane), load_four(s, &mut rows, next)];
            let [low, high] = logistic(s, y);
            store_four(s, low, &mut rows, lane);
            store_four(s, high, &mut rows, next);
        }
    }
}

/// A vector of each of four rows.
#[inline(always)]
fn load_four<S: Simd>(s: S, rows: &mut RowsMut<'_, TOGETHER>, lane: usize) -> [S::F32; TOGETHER] {
    [
        s.load(&rows.row(0)[lane..]),
        s.load(&rows.row(1)[lane..]),
        s.load(&rows.row(2)[lane..]),
        s.load(&rows.row(3)[lane..]),
    ]
}

/// A vector of each of four rows.
#[inline(always)]
fn store_four<S: Simd>(s: S, [a, b, c, d]: [S::F32; TOGETHER], to: &mut RowsMut<'_, TOGETHER>, lane: usize) {
    s.store(a, &mut to.row(0)[lane..]);
    s.store(b, &mut to.row(1)[lane..]);
    s.store(c, &mut to.row(2)[lane..]);
    s.store(d, &mut to.row(3)[lane..]);
}

/// What goes into the gates besides the network of the logits.
pub(super) struct Gates<'a> {
    /// Query by query, a number a row.
    pub(super) of_queries: &'a [f32],
    /// A row of `width` a row.
    pub(super) of_items: &'a [f32],
    pub(super) width: usize,
}

impl Gates<'_> {
    /// `-log2(e) silu(q x + network)` in place, and the least of each lane over the rows. Rows of zeroes that fill up
    /// a group make it zero at most, which it is close to or below anyway.
    #[inline(always)]
    pub(super) fn in_place<S: Simd>(&self, s: S, gates: &mut [f32], least: &mut [f32]) {
        let (width, columns) = (self.width, least.len());
        least.fill(0.0);
        let groups =
            gates.chunks_exact_mut(TOGETHER * columns).zip(self.of_items.chunks_exact(TOGETHER * width));
        let queries = columns / width;
        let rows = self.of_queries.len() / queries.max(1);
        for (group, (gates, items)) in groups.enumerate() {
            let mut gates = RowsMut::<TOGETHER>::new(gates, columns, columns);
            for (query, least) in least.chunks_exact_mut(width).enumerate() {
                let q = &self.of_queries[query * rows + group * TOGETHER..];
                let Some(q) = q.first_chunk::<TOGETHER>() else { continue };
                // A panel's row is as many vectors as are computed side by side.
                let lane = query * width;
                let mut y = [load_four(s, &mut gates, lane), load_four(s, &mut gates, lane + S::LANES)];
                for ((row, &q), items) in
                    q.iter().enumerate().zip(items.chunks_exact(PANEL_VECTORS * S::LANES))
                {
                    y[0][row] = s.mul_add(s.splat(q), s.load(items), y[0][row]);
                    y[1][row] = s.mul_add(s.splat(q), s.load(&items[S::LANES..]), y[1][row]);
                }
                let [low, high] = logistic(s, y);
                store_four(s, low, &mut gates, lane);
                store_four(s, high, &mut gates, lane + S::LANES);
                for (four, least) in [low, high].into_iter().zip(least.chunks_exact_mut(S::LANES)) {
                    let [a, b, c, d] = four;
                    s.store(s.min(s.min(s.min(a, b), s.min(c, d)), s.load(least)), least);
                }
            }
        }
    }
}

/// The scores: the logits (query by query, a row of `width` each) weighted by `2^(least - gate)`, over the sum of the weights.
#[inline(always)]
pub(super) fn weigh<S: Simd>(
    s: S,
    gates: &[f32],
    logits: &[f32],
    least: &[f32],
    sums: &mut [f32],
    scores: &mut [f32],
    width: usize,
) {
    let columns = least.len();
    sums.fill(0.0);
    scores.fill(0.0);
    let p = logits.len() / columns;
    let lanes = least.chunks_exact(S::LANES).zip(sums.chunks_exact_mut(S::LANES));
    for ((vector, (least, sums)), scores) in lanes.enumerate().zip(scores.chunks_exact_mut(S::LANES)) {
        let (query, at) = (vector / PANEL_VECTORS, vector % PANEL_VECTORS * S::LANES);
        let least = s.load(least);
        let mut sum = [s.zero(); TOGETHER];
        let mut score = [s.zero(); TOGETHER];
        let rows = gates
            .chunks(TOGETHER * columns)
            .zip(logits[query * p * width..][..p * width].chunks(TOGETHER * width));
        for (gates, logits) in rows {
            let gates = &gates[vector * S::LANES..];
            let logits = &logits[at..];
            if logits.len() > (TOGETHER - 1) * width {
                for row in 0..TOGETHER {
                    let share = share(s, least, s.load(&gates[row * columns..]));
                    sum[row] = s.add(sum[row], share);
                    score[row] = s.mul_add(share, s.load(&logits[row * width..]), score[row]);
                }
            } else {
                for (row, logits) in logits.chunks(width).enumerate() {
                    let share = share(s, least, s.load(&gates[row * columns..]));
                    sum[0] = s.add(sum[0], share);
                    score[0] = s.mul_add(share, s.load(logits), score[0]);
                }
            }
        }
        s.store(s.add(s.add(sum[0], sum[1]), s.add(sum[2], sum[3])), sums);
        s.store(s.add(s.add(score[0], score[1]), s.add(score[2], score[3])), scores);
    }
    for (score, sum) in scores.chunks_exact_mut(S::LANES).zip(sums.chunks_exact(S::LANES)) {
        s.store(s.div(s.load(score), s.load(sum)), score);
    }
}

/// `2^(least - gate)`.
#[inline(always)]
fn share<S: Simd>(s: S, least: S::F32, gate: S::F32) -> S::F32 {
    power_of_two(s, s.within(s.sub(least, gate), s.splat(LEAST_SHARE)))
}

/// The power of two below which a share counts as this one.
const LEAST_SHARE: f32 = 120.0;

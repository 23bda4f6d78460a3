//! Every step of a few items before the next few: nothing between their components and their scores leaves the nearest
//! caches.
//!
//! Items stand in lanes, as many as a register tile of the matrix product is wide, and what a step makes of them stands in rows of that
//! width for each of a few queries: logits, hidden units, gates. Each step is then a small product with such rows on the right, whose answer is
//! the right operand of the next; and the functions between, the softmax and the weighted sum go down the rows, lane by lane,
//! without ever adding up a vector.
//!
//! Two things are folded into the numbers that are arranged once: the temperature into the items' components, and `-log2(e)` into
//! what goes into a logistic function, which is then `1 / (1 + 2^y)`. In between, `-log2(e)` times the hidden units' `x` cancels with what the
//! gates want of them. Logits stand in the order of the query's components, so that the products of all of them are one; what
//! belongs to a logit is arranged in that order too.

use std::f32::consts::LOG2_E;

use crate::kernels::math::power_of_two;
use crate::kernels::matmul::{PANEL_VECTORS, Right, multiply_within};
use crate::kernels::similarity::{Hit, Largest, NO_ROW, Top};
use crate::simd::{RowsMut, Simd, SimdOp, Tier, TierUnavailable, dispatch};
use crate::tensor::AlignedBuffer;

use super::{Extents, Network, Side, TEMPERATURE, check};

/// A network and the items that queries are scored against, arranged once.
#[derive(Debug)]
pub struct Fused {
    extents: Extents,
    tier: Tier,
    network: Turned,
    items: Panels,
    scratch: AlignedBuffer<f32>,
}

/// A network with a row of weights an output. Outputs are filled up to whole groups of [`TOGETHER`] with rows of zeroes.
#[derive(Debug)]
struct Turned {
    /// `H x P`, times `-log2(e)`.
    into_hidden: AlignedBuffer<f32>,
    /// Times `-log2(e)`.
    hidden_bias: AlignedBuffer<f32>,
    /// `P x H`.
    out_of_hidden: AlignedBuffer<f32>,
    /// Times `-log2(e)`.
    bias: AlignedBuffer<f32>,
}

/// Items in panels of `width`; what is missing of the last is zero.
#[derive(Debug)]
struct Panels {
    count: usize,
    width: usize,
    /// Panel by panel, component by component, a row of `width` a dimension; divided by the temperature.
    components: AlignedBuffer<f32>,
    /// Panel by panel a row of `width` a logit, filled up as the network's outputs are; times `-log2(e)`.
    gates: AlignedBuffer<f32>,
}

/// Rows filled up to whole groups.
const fn grouped(rows: usize) -> usize {
    rows.next_multiple_of(TOGETHER)
}

/// The logit that stands in a row: rows go by the query's components, logits by the item's.
const fn logit_of(extents: Extents, row: usize) -> usize {
    let (of_query, of_item) = (row / extents.item_components, row % extents.item_components);
    of_item * extents.query_components + of_query
}

impl Panels {
    fn pack(extents: Extents, items: Side<'_>, width: usize) -> Self {
        let p = extents.logits();
        let count = items.count(extents.item_width(), p);
        let panels = count.div_ceil(width);
        let mut components = AlignedBuffer::zeroed(panels * extents.item_width() * width);
        let mut gates = AlignedBuffer::zeroed(panels * grouped(p) * width);
        for item in 0..count {
            let values = &items.components[item * extents.item_width()..][..extents.item_width()];
            let panel = &mut components[item / width * extents.item_width() * width..];
            for (row, value) in panel.chunks_exact_mut(width).zip(values) {
                row[item % width] = value / TEMPERATURE;
            }
            let panel = &mut gates[item / width * grouped(p) * width..];
            for (row, to) in panel.chunks_exact_mut(width).take(p).enumerate() {
                to[item % width] = items.gates[item * p + logit_of(extents, row)] * -LOG2_E;
            }
        }
        Self { count, width, components, gates }
    }
}

impl Fused {
    /// Arranges a network and the items for the vectors of a tier.
    ///
    /// # Errors
    /// When this CPU lacks the tier.
    ///
    /// # Panics
    /// When a slice is not of the extents.
    pub fn new(
        tier: Tier,
        extents: Extents,
        network: &Network<'_>,
        items: Side<'_>,
    ) -> Result<Self, TierUnavailable> {
        check(extents, network);
        let width = dispatch(tier, PanelWidth)?;
        let (p, h) = (extents.logits(), extents.hidden);
        let (rows, units) = (grouped(p), grouped(h));
        let logit = |row| logit_of(extents, row);
        let mut turned = Turned {
            into_hidden: AlignedBuffer::zeroed(units * p),
            hidden_bias: AlignedBuffer::zeroed(units),
            out_of_hidden: AlignedBuffer::zeroed(rows * units),
            bias: AlignedBuffer::zeroed(rows),
        };
        for unit in 0..h {
            turned.hidden_bias[unit] = network.hidden_bias[unit] * -LOG2_E;
            for row in 0..p {
                turned.into_hidden[unit * p + row] = network.into_hidden[logit(row) * h + unit] * -LOG2_E;
                turned.out_of_hidden[row * units + unit] = network.out_of_hidden[unit * p + logit(row)];
            }
        }
        for row in 0..p {
            turned.bias[row] = network.bias[logit(row)] * -LOG2_E;
        }
        let items = Panels::pack(extents, items, width);
        let scratch =
            AlignedBuffer::zeroed((p + units + rows + 3) * QUERIES_AT_ONCE * width + QUERIES_AT_ONCE * rows);
        Ok(Self { extents, tier, network: turned, items, scratch })
    }

    /// The scores of every query with every item, a row a query.
    ///
    /// # Panics
    /// When `queries` is not of the extents or `out` not a score a pair.
    pub fn scores(&mut self, queries: Side<'_>, out: &mut [f32]) {
        let count = self.items.count;
        let needed = queries.count(self.extents.query_width(), self.extents.logits()) * count;
        assert_eq!(out.len(), needed, "a score for every query with every item");
        self.run(queries, |query, first, scores| {
            out[query * count + first..][..scores.len()].copy_from_slice(scores);
        });
    }

    /// The items with the largest scores for each query, largest first, as many as `best` has places a query; a place that
    /// none takes is of row [`NO_ROW`]. No score is stored but those of a few items at a time.
    ///
    /// # Panics
    /// When `queries` is not of the extents or `best` not as many places for each.
    pub fn top(&mut self, queries: Side<'_>, best: &mut [Hit<f32>]) {
        let count = queries.count(self.extents.query_width(), self.extents.logits());
        if count == 0 || best.is_empty() {
            assert!(best.is_empty(), "no queries have no hits");
            return;
        }
        let places = best.len() / count;
        assert_eq!(best.len(), count * places, "as many places for each query");
        best.fill(Hit { row: NO_ROW, score: 0.0 });
        let mut lists: Vec<_> = best.chunks_exact_mut(places).map(Top::<Largest, _>::new).collect();
        self.run(queries, |query, _, scores| lists[query].offer(scores));
    }

    /// Hands the scores of a query with the items from `first` on to `take`, for every query and all items in order.
    fn run(&mut self, queries: Side<'_>, take: impl FnMut(usize, usize, &[f32])) {
        let Self { extents, tier, network, items, scratch } = self;
        let op = Score { extents: *extents, network, items, queries, scratch, take };
        dispatch(*tier, op).expect("arranging tested the tier");
    }
}

struct PanelWidth;

impl SimdOp for PanelWidth {
    type Output = usize;
    #[inline(always)]
    fn eval<S: Simd>(self, _: S) -> usize {
        PANEL_VECTORS * S::LANES
    }
}

/// Queries that go through each step together, so that the weights that a tile brings into the first-level cache serve them all.
const QUERIES_AT_ONCE: usize = 2;

struct Score<'a, T> {
    extents: Extents,
    network: &'a Turned,
    items: &'a Panels,
    queries: Side<'a>,
    scratch: &'a mut [f32],
    take: T,
}

impl<T: FnMut(usize, usize, &[f32])> SimdOp for Score<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { extents, network, items, queries, scratch, mut take } = self;
        let (p, width) = (extents.logits(), items.width);
        let (rows, units) = (grouped(p), grouped(extents.hidden));
        let panels = items.components.chunks_exact(extents.item_width() * width);
        for (panel, (components, item_gates)) in
            panels.zip(items.gates.chunks_exact(rows * width)).enumerate()
        {
            let (first_item, count) = (panel * width, width.min(items.count - panel * width));
            let some = queries.components.chunks(QUERIES_AT_ONCE * extents.query_width());
            for (block, (q, gates_of)) in some.zip(queries.gates.chunks(QUERIES_AT_ONCE * p)).enumerate() {
                let several = gates_of.len() / p;
                let columns = several * width;
                let (logits, rest) = scratch.split_at_mut(p * columns);
                let (hidden, rest) = rest.split_at_mut(units * columns);
                let (gates, rest) = rest.split_at_mut(rows * columns);
                let (query_gates, rest) = rest.split_at_mut(rows * several);
                // Panel by panel a query: what is a row of all components to this product is a panel to the next.
                let shape =
                    [several * extents.query_components, extents.width, extents.item_components * width];
                multiply_within(s, q, shape, Right::Panels(components), logits);
                multiply_within(s, &network.into_hidden, [units, p, columns], Right::Panels(logits), hidden);
                logistic_rows(s, hidden, &network.hidden_bias, columns);
                let right = if several == 1 { Right::Panels(hidden) } else { Right::Rows(hidden) };
                multiply_within(s, &network.out_of_hidden, [rows, units, columns], right, gates);
                order_gates(extents, gates_of, query_gates);
                let gate =
                    Gates { of_queries: query_gates, of_items: item_gates, bias: &network.bias, width };
                let (least, rest) = rest.split_at_mut(columns);
                gate.in_place(s, gates, least);
                let (sums, scores) = rest.split_at_mut(columns);
                weigh(s, gates, logits, least, sums, &mut scores[..columns], width);
                for (query, scores) in scores.chunks_exact(width).take(several).enumerate() {
                    take(block * QUERIES_AT_ONCE + query, first_item, &scores[..count]);
                }
            }
        }
    }
}

/// What each query brings to the gates, in the order of the rows; what is missing of a group is zero.
fn order_gates(extents: Extents, from: &[f32], to: &mut [f32]) {
    let p = extents.logits();
    for (from, to) in from.chunks_exact(p).zip(to.chunks_exact_mut(grouped(p))) {
        let (rows, rest) = to.split_at_mut(p);
        for (i, of_query) in rows.chunks_exact_mut(extents.item_components).enumerate() {
            for (j, to) in of_query.iter_mut().enumerate() {
                *to = from[j * extents.query_components + i];
            }
        }
        rest.fill(0.0);
    }
}

/// Rows whose functions are computed side by side, with one division.
const TOGETHER: usize = 4;

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

/// [`logistic`] of `y + bias` in place, where each row has its own bias; rows are pairs of vectors.
#[inline(always)]
fn logistic_rows<S: Simd>(s: S, rows: &mut [f32], bias: &[f32], columns: usize) {
    for (rows, bias) in rows.chunks_exact_mut(TOGETHER * columns).zip(bias.as_chunks::<TOGETHER>().0) {
        let mut rows = RowsMut::<TOGETHER>::new(rows, columns, columns);
        for lane in (0..columns).step_by(PANEL_VECTORS * S::LANES) {
            let next = lane + S::LANES;
            let y = [load_four(s, &mut rows, lane, bias), load_four(s, &mut rows, next, bias)];
            let [low, high] = logistic(s, y);
            store_four(s, low, &mut rows, lane);
            store_four(s, high, &mut rows, next);
        }
    }
}

/// A vector of each of four rows, and their biases.
#[inline(always)]
fn load_four<S: Simd>(
    s: S,
    rows: &mut RowsMut<'_, TOGETHER>,
    lane: usize,
    bias: &[f32; TOGETHER],
) -> [S::F32; TOGETHER] {
    [
        s.add(s.load(&rows.row(0)[lane..]), s.splat(bias[0])),
        s.add(s.load(&rows.row(1)[lane..]), s.splat(bias[1])),
        s.add(s.load(&rows.row(2)[lane..]), s.splat(bias[2])),
        s.add(s.load(&rows.row(3)[lane..]), s.splat(bias[3])),
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
struct Gates<'a> {
    /// Query by query, a number a row.
    of_queries: &'a [f32],
    /// A row of `width` a row.
    of_items: &'a [f32],
    bias: &'a [f32],
    width: usize,
}

impl Gates<'_> {
    /// `-log2(e) silu(q x + network + bias)` in place, and the least of each lane over the rows. Rows of zeroes that fill up
    /// a group make it zero at most, which it is close to or below anyway.
    #[inline(always)]
    fn in_place<S: Simd>(&self, s: S, gates: &mut [f32], least: &mut [f32]) {
        let (width, columns) = (self.width, least.len());
        least.fill(0.0);
        let groups =
            gates.chunks_exact_mut(TOGETHER * columns).zip(self.of_items.chunks_exact(TOGETHER * width));
        let biases = self.bias.as_chunks::<TOGETHER>().0;
        for (group, ((gates, items), bias)) in groups.zip(biases).enumerate() {
            let mut gates = RowsMut::<TOGETHER>::new(gates, columns, columns);
            for (query, least) in least.chunks_exact_mut(width).enumerate() {
                let q = &self.of_queries[query * self.bias.len() + group * TOGETHER..];
                let Some(q) = q.first_chunk::<TOGETHER>() else { continue };
                // A panel's row is as many vectors as are computed side by side.
                let lane = query * width;
                let mut y =
                    [load_four(s, &mut gates, lane, bias), load_four(s, &mut gates, lane + S::LANES, bias)];
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
fn weigh<S: Simd>(
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

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

mod pairs;
mod single;
mod steps;

use std::f32::consts::LOG2_E;
use std::ops::Range;

use crate::kernels::matmul::PANEL_VECTORS;
use crate::kernels::similarity::{Hit, Largest, NO_ROW, Top};
use crate::simd::{DotBf16, DotBf16Op, Simd, SimdOp, Tier, TierUnavailable, dispatch, dispatch_bf16};
use crate::tensor::AlignedBuffer;

use super::{Extents, Network, Side, TEMPERATURE, check};
use pairs::Pairs;
use single::Single;
use steps::{Gates, TOGETHER, logistic_rows, weigh};

/// A network and the items that queries are scored against, arranged once.
#[derive(Debug)]
pub struct Fused {
    extents: Extents,
    tier: Tier,
    operands: Operands,
    /// Times `-log2(e)`, as `gate_bias`.
    hidden_bias: AlignedBuffer<f32>,
    gate_bias: AlignedBuffer<f32>,
    items: Items,
    scratch: AlignedBuffer<f32>,
}

/// What stands on either side of the products, besides what the steps between leave.
#[derive(Debug)]
enum Operands {
    Single(Single),
    Pairs(Pairs),
}

/// A network with a row of weights an output. Outputs are filled up to whole groups of [`TOGETHER`] with rows of zeroes.
struct Turned {
    /// `H x P`, times `-log2(e)`.
    into_hidden: AlignedBuffer<f32>,
    /// `P x H`.
    out_of_hidden: AlignedBuffer<f32>,
}

/// Items in panels of `width`; what is missing of the last is zero.
#[derive(Debug)]
struct Items {
    count: usize,
    width: usize,
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

/// Panel by panel, component by component, a row of `width` a dimension; divided by the temperature.
fn panels_of_components(extents: Extents, items: Side<'_>, width: usize) -> AlignedBuffer<f32> {
    let numbers = extents.item_width();
    let count = items.components.len() / numbers.max(1);
    let mut components = AlignedBuffer::zeroed(count.div_ceil(width) * numbers * width);
    for (item, values) in items.components.chunks_exact(numbers.max(1)).enumerate() {
        let panel = &mut components[item / width * numbers * width..];
        for (row, value) in panel.chunks_exact_mut(width).zip(values) {
            row[item % width] = value / TEMPERATURE;
        }
    }
    components
}

impl Items {
    fn arrange(extents: Extents, items: Side<'_>, width: usize) -> Self {
        let p = extents.logits();
        let count = items.count(extents.item_width(), p);
        let mut gates = AlignedBuffer::zeroed(count.div_ceil(width) * grouped(p) * width);
        for item in 0..count {
            let panel = &mut gates[item / width * grouped(p) * width..];
            for (row, to) in panel.chunks_exact_mut(width).take(p).enumerate() {
                to[item % width] = items.gates[item * p + logit_of(extents, row)] * -LOG2_E;
            }
        }
        Self { count, width, gates }
    }
}

impl Fused {
    /// Arranges a network and the items for the vectors of a tier, in single precision.
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
        let width = dispatch(tier, PanelWidth)?;
        Ok(Self::arrange(tier, extents, network, items, width, |turned, components| {
            Operands::Single(Single::new(extents, turned, components, width))
        }))
    }

    /// The same with the operands of every product rounded to bfloat16 and multiplied by the tier's dot products of pairs; what
    /// lies between the products is of single precision.
    ///
    /// # Errors
    /// When this CPU lacks the tier, or the tier such dot products.
    ///
    /// # Panics
    /// When a slice is not of the extents.
    pub fn bf16(
        tier: Tier,
        extents: Extents,
        network: &Network<'_>,
        items: Side<'_>,
    ) -> Result<Self, TierUnavailable> {
        let width = dispatch_bf16(tier, PanelWidth)?;
        Ok(Self::arrange(tier, extents, network, items, width, |turned, components| {
            Operands::Pairs(Pairs::new(extents, &turned, &components, width))
        }))
    }

    fn arrange(
        tier: Tier,
        extents: Extents,
        network: &Network<'_>,
        items: Side<'_>,
        width: usize,
        operands: impl FnOnce(Turned, AlignedBuffer<f32>) -> Operands,
    ) -> Self {
        check(extents, network);
        let (p, h) = (extents.logits(), extents.hidden);
        let (rows, units) = (grouped(p), grouped(h));
        let logit = |row| logit_of(extents, row);
        let mut turned = Turned {
            into_hidden: AlignedBuffer::zeroed(units * p),
            out_of_hidden: AlignedBuffer::zeroed(rows * units),
        };
        let (mut hidden_bias, mut gate_bias) = (AlignedBuffer::zeroed(units), AlignedBuffer::zeroed(rows));
        for unit in 0..h {
            hidden_bias[unit] = network.hidden_bias[unit] * -LOG2_E;
            for row in 0..p {
                turned.into_hidden[unit * p + row] = network.into_hidden[logit(row) * h + unit] * -LOG2_E;
                turned.out_of_hidden[row * units + unit] = network.out_of_hidden[unit * p + logit(row)];
            }
        }
        for row in 0..p {
            gate_bias[row] = network.bias[logit(row)] * -LOG2_E;
        }
        let operands = operands(turned, panels_of_components(extents, items, width));
        let items = Items::arrange(extents, items, width);
        let scratch =
            AlignedBuffer::zeroed((p + units + rows + 3) * QUERIES_AT_ONCE * width + QUERIES_AT_ONCE * rows);
        Self { extents, tier, operands, hidden_bias, gate_bias, items, scratch }
    }

    /// The scores of every query with every item, a row a query.
    ///
    /// # Panics
    /// When `queries` is not of the extents or `out` not a score a pair.
    pub fn scores(&mut self, queries: Side<'_>, out: &mut [f32]) {
        let count = self.items.count;
        let needed = queries.count(self.extents.query_width(), self.extents.logits()) * count;
        assert_eq!(out.len(), needed, "a score for every query with every item");
        self.run(queries, &mut |query, first, scores| {
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
        self.run(queries, &mut |query, _, scores| lists[query].offer(scores));
    }

    /// Hands the scores of a query with the items from `first` on to `take`, for every query and all items in order.
    fn run(&mut self, queries: Side<'_>, take: &mut dyn FnMut(usize, usize, &[f32])) {
        let Self { extents, tier, operands, hidden_bias, gate_bias, items, scratch } = self;
        let steps = Steps { extents: *extents, hidden_bias, gate_bias, items, queries, scratch, take };
        let outcome = match operands {
            Operands::Single(single) => dispatch(*tier, Score { steps, products: single.with(queries) }),
            Operands::Pairs(pairs) => dispatch_bf16(*tier, Score { steps, products: pairs.with(queries) }),
        };
        outcome.expect("arranging tested the tier");
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

impl DotBf16Op for PanelWidth {
    type Output = usize;
    #[inline(always)]
    fn eval<S: DotBf16>(self, _: S) -> usize {
        PANEL_VECTORS * S::LANES
    }
}

/// Queries that go through each step together: their components make whole tiles of the logits' product, and the weights that
/// a tile brings into the first-level cache serve them all.
const QUERIES_AT_ONCE: usize = 6;

/// The products of a form. What they read and write stands in rows of lanes: of logits panel by panel a query, otherwise the
/// panels of some queries side by side.
trait Products<S: Simd> {
    /// The logits of some queries with a panel of items.
    fn logits(&mut self, s: S, queries: Range<usize>, panel: usize, logits: &mut [f32]);
    /// What goes into the hidden units, of so many queries.
    fn hidden(&mut self, s: S, several: usize, logits: &[f32], bias: &[f32], hidden: &mut [f32]);
    /// What the network brings to the gates.
    fn gates(&mut self, s: S, several: usize, hidden: &[f32], bias: &[f32], gates: &mut [f32]);
}

/// Everything but the products.
struct Steps<'a> {
    extents: Extents,
    hidden_bias: &'a [f32],
    gate_bias: &'a [f32],
    items: &'a Items,
    queries: Side<'a>,
    scratch: &'a mut [f32],
    take: &'a mut dyn FnMut(usize, usize, &[f32]),
}

struct Score<'a, P> {
    steps: Steps<'a>,
    products: P,
}

impl SimdOp for Score<'_, single::OfQueries<'_>> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        self.steps.run(s, self.products);
    }
}

impl DotBf16Op for Score<'_, pairs::OfQueries<'_>> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotBf16>(self, s: S) {
        self.steps.run(s, self.products);
    }
}

impl Steps<'_> {
    #[inline(always)]
    fn run<S: Simd, P: Products<S>>(self, s: S, mut products: P) {
        let Self { extents, hidden_bias, gate_bias, items, queries, scratch, take } = self;
        let (p, width) = (extents.logits(), items.width);
        let (rows, units) = (grouped(p), grouped(extents.hidden));
        for (panel, item_gates) in items.gates.chunks_exact(rows * width).enumerate() {
            let (first_item, count) = (panel * width, width.min(items.count - panel * width));
            for (block, gates_of) in queries.gates.chunks(QUERIES_AT_ONCE * p).enumerate() {
                let (first, several) = (block * QUERIES_AT_ONCE, gates_of.len() / p);
                let columns = several * width;
                let (logits, rest) = scratch.split_at_mut(p * columns);
                let (hidden, rest) = rest.split_at_mut(units * columns);
                let (gates, rest) = rest.split_at_mut(rows * columns);
                let (query_gates, rest) = rest.split_at_mut(rows * several);
                products.logits(s, first..first + several, panel, logits);
                products.hidden(s, several, logits, hidden_bias, hidden);
                logistic_rows(s, hidden, columns);
                products.gates(s, several, hidden, gate_bias, gates);
                order_gates(extents, gates_of, query_gates);
                let gate = Gates { of_queries: query_gates, of_items: item_gates, width };
                let (least, rest) = rest.split_at_mut(columns);
                gate.in_place(s, gates, least);
                let (sums, scores) = rest.split_at_mut(columns);
                weigh(s, gates, logits, least, sums, &mut scores[..columns], width);
                for (query, scores) in scores.chunks_exact(width).take(several).enumerate() {
                    take(first + query, first_item, &scores[..count]);
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

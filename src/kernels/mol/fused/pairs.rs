//! The products of bfloat16 numbers: pairs of depths side by side, multiplied by the tier's dot products of pairs. What the steps
//! leave is rounded as it becomes an operand.

use std::ops::Range;

use super::{Extents, Products, QUERIES_AT_ONCE, Side, Turned, grouped};
use crate::kernels::matmul::{LeftPairs, PairPanel, multiply_pairs_within};
use crate::simd::{DotBf16, f32_to_bf16};
use crate::tensor::AlignedBuffer;

/// Operands of the products, rounded.
#[derive(Debug)]
pub(super) struct Pairs {
    extents: Extents,
    width: usize,
    /// Rows of pairs along the logits and along the hidden units.
    into_hidden: AlignedBuffer<f32>,
    out_of_hidden: AlignedBuffer<f32>,
    /// Panel by panel, component by component, a row of `2 width` numbers a pair of dimensions.
    components: AlignedBuffer<u16>,
    /// The components of all queries, in rows of pairs.
    queries: AlignedBuffer<f32>,
    /// What a product reads of the step before it.
    between: AlignedBuffer<u16>,
}

/// The same with the components of queries in place.
pub(super) struct OfQueries<'a> {
    extents: Extents,
    width: usize,
    into_hidden: &'a [f32],
    out_of_hidden: &'a [f32],
    components: &'a [u16],
    queries: &'a [f32],
    between: &'a mut [u16],
}

/// The bits of two numbers as bfloat16, in the place of one.
fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(u32::from(f32_to_bf16(low)) | u32::from(f32_to_bf16(high)) << 16)
}

/// Rows of `depth` numbers as rows of pairs; the last of an odd depth has a zero beside it.
fn pair_rows(rows: &[f32], depth: usize, to: &mut [f32]) {
    for (row, to) in rows.chunks_exact(depth).zip(to.chunks_exact_mut(depth.div_ceil(2))) {
        for (two, to) in row.chunks(2).zip(to) {
            *to = pair(two[0], two.get(1).copied().unwrap_or(0.0));
        }
    }
}

impl Pairs {
    pub(super) fn new(extents: Extents, turned: &Turned, components: &[f32], width: usize) -> Self {
        let (p, d, units) = (extents.logits(), extents.width, grouped(extents.hidden));
        let paired = |rows: &[f32], depth: usize| {
            let mut to = AlignedBuffer::zeroed(rows.len() / depth * depth.div_ceil(2));
            pair_rows(rows, depth, &mut to);
            to
        };
        let of_component = d.div_ceil(2) * 2 * width;
        let mut turned_components = AlignedBuffer::zeroed(components.len() / (d * width) * of_component);
        for (from, to) in
            components.chunks_exact(d * width).zip(turned_components.chunks_exact_mut(of_component))
        {
            for (dimension, row) in from.chunks_exact(width).enumerate() {
                let to = &mut to[dimension / 2 * 2 * width..];
                for (two, value) in to.chunks_exact_mut(2).zip(row) {
                    two[dimension % 2] = f32_to_bf16(*value);
                }
            }
        }
        Self {
            extents,
            width,
            into_hidden: paired(&turned.into_hidden, p),
            out_of_hidden: paired(&turned.out_of_hidden, units),
            components: turned_components,
            queries: AlignedBuffer::zeroed(0),
            between: AlignedBuffer::zeroed(p.next_multiple_of(2).max(units) * QUERIES_AT_ONCE * width),
        }
    }

    /// Allocates only where there are more queries than ever before.
    pub(super) fn with(&mut self, queries: Side<'_>) -> OfQueries<'_> {
        let Self { extents, width, into_hidden, out_of_hidden, components, queries: words, between } = self;
        let needed = queries.components.len() / extents.width * extents.width.div_ceil(2);
        if words.len() < needed {
            *words = AlignedBuffer::zeroed(needed);
        }
        pair_rows(queries.components, extents.width, &mut words[..needed]);
        OfQueries {
            extents: *extents,
            width: *width,
            into_hidden,
            out_of_hidden,
            components,
            queries: words,
            between,
        }
    }
}

/// Rows of `columns` numbers as rows of pairs, two rows in one; the last of an odd count has zeroes beside it.
#[inline(always)]
fn pair_up<S: DotBf16>(s: S, rows: &[f32], columns: usize, to: &mut [u16]) {
    for (two, to) in rows.chunks(2 * columns).zip(to.chunks_exact_mut(2 * columns)) {
        let (low, high) = two.split_at(columns);
        for lane in (0..columns).step_by(S::LANES) {
            let high = if high.is_empty() { s.zero() } else { s.load(&high[lane..]) };
            s.store_pairs(s.load(&low[lane..]), high, &mut to[2 * lane..]);
        }
    }
}

impl<S: DotBf16> Products<S> for OfQueries<'_> {
    #[inline(always)]
    fn logits(&mut self, s: S, queries: Range<usize>, panel: usize, logits: &mut [f32]) {
        let Self { extents, width, components, .. } = *self;
        let pairs = extents.width.div_ceil(2);
        let rows = queries.len() * extents.query_components;
        let first = queries.start * extents.query_components * pairs;
        let a = LeftPairs { values: &self.queries[first..][..rows * pairs], rows, pairs, bias: None };
        let of_component = pairs * 2 * width;
        let panel = &components[panel * extents.item_components * of_component..];
        for (component, values) in panel.chunks_exact(of_component).take(extents.item_components).enumerate()
        {
            let b = PairPanel { values, stride: 2 * width };
            multiply_pairs_within(s, a, b, &mut logits[component * width..], extents.item_components * width);
        }
    }

    #[inline(always)]
    fn hidden(&mut self, s: S, several: usize, logits: &[f32], bias: &[f32], hidden: &mut [f32]) {
        let Self { extents, width, into_hidden, .. } = *self;
        let (p, pairs) = (extents.logits(), extents.logits().div_ceil(2));
        let a = LeftPairs { values: into_hidden, rows: bias.len(), pairs, bias: Some(bias) };
        for (query, logits) in logits.chunks_exact(p * width).take(several).enumerate() {
            let values = &mut self.between[..pairs * 2 * width];
            pair_up(s, logits, width, values);
            let b = PairPanel { values, stride: 2 * width };
            multiply_pairs_within(s, a, b, &mut hidden[query * width..], several * width);
        }
    }

    #[inline(always)]
    fn gates(&mut self, s: S, several: usize, hidden: &[f32], bias: &[f32], gates: &mut [f32]) {
        let Self { width, out_of_hidden, .. } = *self;
        let columns = several * width;
        let pairs = hidden.len() / columns / 2;
        let values = &mut self.between[..pairs * 2 * columns];
        pair_up(s, hidden, columns, values);
        let a = LeftPairs { values: out_of_hidden, rows: bias.len(), pairs, bias: Some(bias) };
        for query in 0..several {
            let b = PairPanel { values: &values[2 * query * width..], stride: 2 * columns };
            multiply_pairs_within(s, a, b, &mut gates[query * width..], columns);
        }
    }
}

//! A step at a time over many pairs, each pair's numbers in a row: products by the packed weights, and the functions between over
//! whatever lies in memory.
//!
//! Over every pair at once it is what a framework does without fusing anything: each step reads and writes tensors of the size of pairs x P or
//! pairs x H. Over a block of pairs at a time the same tensors stay in the caches.

use std::ops::Range;

use crate::kernels::matmul::{self, Bf16Method, Layout, PackedBf16, PackedMatrix};
use crate::kernels::{activation, softmax};
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch, f32_to_bf16};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

use super::{Extents, Network, Side, TEMPERATURE, check};

/// Every pair in one block.
pub const EVERY_PAIR: usize = usize::MAX;

/// What the products multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single-precision numbers.
    Single,
    /// bfloat16 numbers, summed in single precision; what lies between the products is of single precision too.
    Bf16(Bf16Method),
}

/// A matrix on the right of a product.
#[derive(Debug)]
enum Packed {
    Single(PackedMatrix),
    Bf16(PackedBf16),
}

/// Numbers on the left of one.
#[derive(Debug)]
enum Left {
    Single(AlignedBuffer<f32>),
    Bf16(AlignedBuffer<u16>),
}

/// A network and the items that queries are scored against, arranged once.
#[derive(Debug)]
pub struct Staged {
    extents: Extents,
    tier: Tier,
    precision: Precision,
    into_hidden: Packed,
    hidden_bias: Vec<f32>,
    out_of_hidden: Packed,
    bias: Vec<f32>,
    /// Divided by the temperature.
    components: Left,
    item_gates: AlignedBuffer<f32>,
    items: usize,
    pairs_at_once: usize,
    tensors: Tensors,
}

/// What the steps leave behind: a row a pair.
#[derive(Debug)]
struct Tensors {
    logits: AlignedBuffer<f32>,
    hidden: AlignedBuffer<f32>,
    gates: AlignedBuffer<f32>,
    /// The logits or the hidden units as the products take them, where that is not as they are.
    narrow: AlignedBuffer<u16>,
}

impl Staged {
    /// Arranges a network and the items; queries will come `queries` at a time, and so many pairs go through each step together.
    ///
    /// # Errors
    /// When this CPU lacks the tier, or the tier the way to multiply.
    ///
    /// # Panics
    /// When a slice is not of the extents.
    pub fn new(
        tier: Tier,
        precision: Precision,
        extents: Extents,
        network: &Network<'_>,
        items: Side<'_>,
        [queries, pairs_at_once]: [usize; 2],
    ) -> Result<Self, TierUnavailable> {
        check(extents, network);
        let (p, h) = (extents.logits(), extents.hidden);
        let count = items.count(extents.item_width(), p);
        let pairs = count.saturating_mul(queries).min(pairs_at_once);
        let narrow = if precision == Precision::Single { 0 } else { pairs * p.max(h) };
        let scaled: Vec<f32> = items.components.iter().map(|x| x / TEMPERATURE).collect();
        Ok(Self {
            extents,
            tier,
            precision,
            into_hidden: pack(tier, precision, network.into_hidden, [p, h], Layout::KxN)?,
            hidden_bias: network.hidden_bias.to_vec(),
            out_of_hidden: pack(tier, precision, network.out_of_hidden, [h, p], Layout::KxN)?,
            bias: network.bias.to_vec(),
            components: match precision {
                Precision::Single => Left::Single(AlignedBuffer::from_fn(scaled.len(), |i| scaled[i])),
                Precision::Bf16(_) => {
                    Left::Bf16(AlignedBuffer::from_fn(scaled.len(), |i| f32_to_bf16(scaled[i])))
                }
            },
            item_gates: AlignedBuffer::from_fn(items.gates.len(), |i| items.gates[i]),
            items: count,
            pairs_at_once,
            tensors: Tensors {
                logits: AlignedBuffer::zeroed(pairs * p),
                hidden: AlignedBuffer::zeroed(pairs * h),
                gates: AlignedBuffer::zeroed(pairs * p),
                narrow: AlignedBuffer::zeroed(narrow),
            },
        })
    }

    /// The scores of every query with every item, a row a query. The queries' components are packed first, once for all items.
    ///
    /// # Errors
    /// When this CPU lacks the tier: never, as arranging tested it.
    ///
    /// # Panics
    /// When there are more queries than were announced, or `out` is not a score a pair.
    pub fn scores(&mut self, queries: Side<'_>, out: &mut [f32]) -> Result<(), TierUnavailable> {
        let (tier, of_query) = (self.tier, [self.extents.width, self.extents.query_components]);
        let count = queries.count(self.extents.query_width(), self.extents.logits());
        assert_eq!(out.len(), count * self.items, "a score for every query with every item");
        let packed = queries
            .components
            .chunks_exact(self.extents.query_width())
            .map(|query| pack(tier, self.precision, query, of_query, Layout::NxK))
            .collect::<Result<Vec<_>, _>>()?;
        if self.pairs_at_once >= out.len() {
            return self.block(&packed, queries.gates, 0..self.items, out);
        }
        let at_once = self.pairs_at_once.max(1);
        for first in (0..self.items).step_by(at_once) {
            let items = first..self.items.min(first + at_once);
            for (query, packed) in packed.iter().enumerate() {
                let gates = &queries.gates[query * self.extents.logits()..][..self.extents.logits()];
                let out = &mut out[query * self.items + first..][..items.len()];
                self.block(std::slice::from_ref(packed), gates, items.clone(), out)?;
            }
        }
        Ok(())
    }

    /// Some queries with some of the items.
    fn block(
        &mut self,
        queries: &[Packed],
        query_gates: &[f32],
        items: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), TierUnavailable> {
        let Self { extents, tier, tensors, .. } = self;
        let (p, h, pairs) = (extents.logits(), extents.hidden, out.len());
        let Tensors { logits, hidden, gates, narrow } = tensors;
        let (logits, hidden) = (&mut logits[..pairs * p], &mut hidden[..pairs * h]);
        let gates = &mut gates[..pairs * p];
        let rows = items.len() * extents.item_components;
        let components = items.start * extents.item_width()..items.end * extents.item_width();
        for (query, logits) in queries.iter().zip(logits.chunks_exact_mut((items.len() * p).max(1))) {
            multiply(self.components.part(components.clone()), rows, query, None, logits);
        }
        let left = as_left(*tier, self.precision, logits, narrow)?;
        multiply(left, pairs, &self.into_hidden, Some(&self.hidden_bias), hidden);
        activation::silu_in_place(*tier, hidden)?;
        let left = as_left(*tier, self.precision, hidden, narrow)?;
        multiply(left, pairs, &self.out_of_hidden, Some(&self.bias), gates);
        let item_gates = &self.item_gates[items.start * p..items.end * p];
        for (query, gates) in query_gates.chunks_exact(p).zip(gates.chunks_exact_mut(item_gates.len().max(1)))
        {
            dispatch(*tier, AddProducts { query, items: item_gates, gates })?;
        }
        activation::silu_in_place(*tier, gates)?;
        softmax::rows(*tier, gates, p)?;
        dispatch(*tier, WeightedSums { shares: gates, logits, width: p, out })
    }
}

/// A matrix of `k` rows and `n` columns.
fn pack(
    tier: Tier,
    precision: Precision,
    values: &[f32],
    [k, n]: [usize; 2],
    layout: Layout,
) -> Result<Packed, TierUnavailable> {
    Ok(match precision {
        Precision::Single => Packed::Single(PackedMatrix::pack(tier, values, k, n, layout)?),
        Precision::Bf16(method) => {
            let values: Vec<u16> = values.iter().map(|&x| f32_to_bf16(x)).collect();
            Packed::Bf16(PackedBf16::pack(tier, method, &values, k, n, layout)?)
        }
    })
}

/// Rows on the left of a product.
#[derive(Clone, Copy)]
enum LeftRows<'a> {
    Single(&'a [f32]),
    Bf16(&'a [u16]),
}

impl Left {
    fn part(&self, range: Range<usize>) -> LeftRows<'_> {
        match self {
            Self::Single(values) => LeftRows::Single(&values[range]),
            Self::Bf16(values) => LeftRows::Bf16(&values[range]),
        }
    }
}

/// Numbers as the products of a precision take them.
fn as_left<'a>(
    tier: Tier,
    precision: Precision,
    values: &'a [f32],
    narrow: &'a mut [u16],
) -> Result<LeftRows<'a>, TierUnavailable> {
    match precision {
        Precision::Single => Ok(LeftRows::Single(values)),
        Precision::Bf16(_) => {
            let narrow = &mut narrow[..values.len()];
            dispatch(tier, Narrow { values, narrow })?;
            Ok(LeftRows::Bf16(narrow))
        }
    }
}

/// `c = a b + bias`.
///
/// # Panics
/// When one side is of another precision than the other.
fn multiply(a: LeftRows<'_>, rows: usize, b: &Packed, bias: Option<&[f32]>, c: &mut [f32]) {
    let team = Team::single();
    match (a, b) {
        (LeftRows::Single(a), Packed::Single(b)) => matmul::gemm(&team, a, rows, b, bias, c),
        (LeftRows::Bf16(a), Packed::Bf16(b)) => matmul::gemm_bf16(&team, a, rows, b, bias, c),
        _ => unreachable!("both sides are of the precision that they were arranged for"),
    }
}

/// Rounds to bfloat16.
struct Narrow<'a> {
    values: &'a [f32],
    narrow: &'a mut [u16],
}

impl SimdOp for Narrow<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let mut to = self.narrow.chunks_exact_mut(S::LANES);
        let from = self.values.chunks_exact(S::LANES);
        let rest = from.remainder();
        for (from, to) in from.zip(&mut to) {
            s.store_bf16(s.load(from), to);
        }
        for (&from, to) in rest.iter().zip(to.into_remainder()) {
            *to = f32_to_bf16(from);
        }
    }
}

/// `gates += query o items`, row by row.
struct AddProducts<'a> {
    query: &'a [f32],
    items: &'a [f32],
    gates: &'a mut [f32],
}

impl SimdOp for AddProducts<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let width = self.query.len();
        for (gates, items) in self.gates.chunks_exact_mut(width).zip(self.items.chunks_exact(width)) {
            for from in (0..width).step_by(S::LANES) {
                let to = &mut gates[from..width.min(from + S::LANES)];
                let (query, item) = (&self.query[from..][..to.len()], &items[from..][..to.len()]);
                let product = s.mul_add(s.load_partial(query), s.load_partial(item), s.load_partial(to));
                s.store_partial(product, to);
            }
        }
    }
}

/// The sum of each row of logits, weighted by the row of shares.
struct WeightedSums<'a> {
    shares: &'a [f32],
    logits: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl SimdOp for WeightedSums<'_> {
    type Output = ();
    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let rows = self.shares.chunks_exact(self.width).zip(self.logits.chunks_exact(self.width));
        for ((shares, logits), out) in rows.zip(self.out) {
            let mut sum = s.zero();
            for (shares, logits) in shares.chunks(S::LANES).zip(logits.chunks(S::LANES)) {
                sum = s.mul_add(s.load_partial(shares), s.load_partial(logits), sum);
            }
            *out = s.sum(sum);
        }
    }
}

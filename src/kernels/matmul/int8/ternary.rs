//! A right operand of two bits a weight: a quarter of the bytes that bytes take, which is what a product with few rows
//! waits for.
//!
//! A product with many rows makes bytes of a block of panels once, which then stays in the second-level cache, and
//! multiplies those as [`super::PackedBytes`]; one with few makes them in registers, as it reads them.

use std::cell::RefCell;
use std::ops::Range;

use crate::simd::{DotU8S8, Tier, TierUnavailable};
use crate::tensor::AlignedBuffer;

use super::block::{COLUMN_BLOCK_BYTES, Right};
use super::pack::{Order, PackedBytes};
use super::tile::{Panel, VECTORS, Whole};

/// Quads of a step: with two vectors each they are the fields of two vectors of bytes.
const STEP_QUADS: usize = 4;

/// A `K x N` matrix of weights -1, 0 and 1 in two bits each, for one tier's kernels.
///
/// A panel holds its steps of four quads (16 depths) one after the other; a step is the bytes of half as many vectors, and
/// bits `2 f` and up of byte `b` of one of them are byte `b` of vector `f` of the four that it stands for, plus one. What
/// is missing of the last panel and the last step is the weight 0.
#[derive(Debug, Clone)]
pub struct PackedTernary {
    fields: AlignedBuffer<u8>,
    /// Bytes of a panel.
    panel_bytes: usize,
    /// The panels' shape and corrections; it holds no bytes.
    outline: PackedBytes,
}

impl PackedTernary {
    /// Packs the rows of two-bit fields that [`crate::kernels::quantize::ternary_rows`] writes of a layer's weights: `n`
    /// rows, an output each, of `k` fields that hold a weight plus one, the first in the lowest bits of a byte, each row
    /// beginning with a new byte. A field of 3 counts as the weight 2.
    ///
    /// # Errors
    /// When this CPU lacks the tier or the tier has no kernels for bytes.
    ///
    /// # Panics
    /// When `fields` is shorter than `n` rows.
    pub fn pack(tier: Tier, fields: &[u8], k: usize, n: usize) -> Result<Self, TierUnavailable> {
        let row_bytes = k.div_ceil(4);
        let fields = &fields[..n * row_bytes];
        let bytes = PackedBytes::arrange(tier, k, n, Order::Natural, |depth, column| {
            let byte = fields[column * row_bytes + depth / 4];
            (byte >> (2 * (depth % 4)) & 3).cast_signed() - 1
        })?;
        let (values, width, outline) = bytes.into_outline();
        let quad_bytes = 4 * width;
        let (panels, steps) = (n.div_ceil(width), k.div_ceil(4).div_ceil(STEP_QUADS));
        let panel_bytes = steps * quad_bytes;
        let vector_bytes = quad_bytes / VECTORS;
        // Zeroes plus one in every field, for what is missing.
        let mut packed = AlignedBuffer::from_fn(panels * panel_bytes, |_| 0b0101_0101_u8);
        let panels = values.chunks_exact((k.div_ceil(4) * quad_bytes).max(1));
        for (panel, to) in panels.zip(packed.chunks_exact_mut(panel_bytes.max(1))) {
            for (vector, from) in panel.chunks_exact(vector_bytes).enumerate() {
                let (to, field) = (&mut to[vector / 4 * vector_bytes..][..vector_bytes], vector % 4);
                for (to, &weight) in to.iter_mut().zip(from) {
                    *to = *to & !(3 << (2 * field)) | (weight.wrapping_add(1) & 3) << (2 * field);
                }
            }
        }
        Ok(Self { fields: packed, panel_bytes, outline })
    }

    /// Rows.
    #[must_use]
    pub const fn k(&self) -> usize {
        self.outline.k()
    }

    /// Columns.
    #[must_use]
    pub const fn n(&self) -> usize {
        self.outline.n()
    }

    /// The tier whose kernels read this arrangement; this CPU has it.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.outline.tier()
    }

    /// The steps of one panel within the depths `from..from + depth`; blocks of the depth begin with a step.
    #[inline(always)]
    fn steps(&self, panel: usize, from: usize, depth: usize) -> &[u8] {
        let step = 4 * self.outline.width();
        let first = from / (4 * STEP_QUADS) * step;
        &self.fields[panel * self.panel_bytes + first..][..depth.div_ceil(4 * STEP_QUADS) * step]
    }
}

impl Right for &PackedTernary {
    type Panel<'a>
        = Fields<'a>
    where
        Self: 'a;
    #[inline(always)]
    fn panel(&self, panel: usize, from: usize, depth: usize) -> Fields<'_> {
        Fields(self.steps(panel, from, depth))
    }
    #[inline(always)]
    fn corrections(&self, panel: usize, from: usize) -> &[i32] {
        self.outline.corrections(panel, from)
    }
}

/// Weights that become bytes as they are multiplied.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl Panel for Fields<'_> {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.0
    }
    #[inline(always)]
    fn step_bytes<S: DotU8S8>() -> usize {
        VECTORS * 4 * S::LANES
    }
    #[inline(always)]
    fn quad<S: DotU8S8, const QUAD: usize>(simd: S, step: &[u8]) -> [S::Bytes; VECTORS] {
        let fields = simd.load_bytes(&step[QUAD / 2 * 4 * S::LANES..]);
        if QUAD.is_multiple_of(2) {
            [simd.two_bit_steps::<0>(fields), simd.two_bit_steps::<1>(fields)]
        } else {
            [simd.two_bit_steps::<2>(fields), simd.two_bit_steps::<3>(fields)]
        }
    }
}

thread_local! {
    /// Each thread's block of panels as bytes, allocated when it first has one.
    static BLOCK: RefCell<AlignedBuffer<u8>> = RefCell::new(AlignedBuffer::zeroed(0));
}

/// Panels made bytes, a block at a time.
pub(super) struct Unpacked<'a> {
    matrix: &'a PackedTernary,
    bytes: &'a mut [u8],
    first_panel: usize,
    panel_bytes: usize,
}

impl<'a> Unpacked<'a> {
    /// Calls `work` with this thread's block.
    pub(super) fn with(matrix: &'a PackedTernary, work: impl FnOnce(Unpacked<'_>)) {
        BLOCK.with_borrow_mut(|block| {
            if block.is_empty() {
                *block = AlignedBuffer::zeroed(COLUMN_BLOCK_BYTES);
            }
            work(Unpacked { matrix, bytes: block, first_panel: 0, panel_bytes: 0 });
        });
    }
}

impl Right for Unpacked<'_> {
    type Panel<'a>
        = Whole<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn prepare<S: DotU8S8>(&mut self, simd: S, panels: Range<usize>, from: usize, depth: usize) {
        let vector = 4 * S::LANES;
        self.first_panel = panels.start;
        self.panel_bytes = depth.div_ceil(4 * STEP_QUADS) * STEP_QUADS * VECTORS * vector;
        for (panel, to) in panels.zip(self.bytes.chunks_exact_mut(self.panel_bytes.max(1))) {
            let fields = self.matrix.steps(panel, from, depth);
            for (fields, to) in fields.chunks_exact(vector).zip(to.chunks_exact_mut(4 * vector)) {
                let fields = simd.load_bytes(fields);
                simd.store_bytes(simd.two_bit_steps::<0>(fields), to);
                simd.store_bytes(simd.two_bit_steps::<1>(fields), &mut to[vector..]);
                simd.store_bytes(simd.two_bit_steps::<2>(fields), &mut to[2 * vector..]);
                simd.store_bytes(simd.two_bit_steps::<3>(fields), &mut to[3 * vector..]);
            }
        }
    }

    #[inline(always)]
    fn panel(&self, panel: usize, _: usize, _: usize) -> Whole<'_> {
        Whole(&self.bytes[(panel - self.first_panel) * self.panel_bytes..][..self.panel_bytes])
    }

    #[inline(always)]
    fn corrections(&self, panel: usize, from: usize) -> &[i32] {
        self.matrix.outline.corrections(panel, from)
    }
}

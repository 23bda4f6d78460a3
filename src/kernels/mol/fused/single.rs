//! The products in single precision.

use std::ops::Range;

use super::{Extents, Products, Side, Turned};
use crate::kernels::matmul::{Right, multiply_within};
use crate::simd::Simd;
use crate::tensor::AlignedBuffer;

/// Operands of the products as they are.
#[derive(Debug)]
pub(super) struct Single {
    extents: Extents,
    width: usize,
    into_hidden: AlignedBuffer<f32>,
    out_of_hidden: AlignedBuffer<f32>,
    /// Panel by panel, component by component, a row of `width` a dimension.
    components: AlignedBuffer<f32>,
}

/// The same with the components of queries.
pub(super) struct OfQueries<'a> {
    operands: &'a Single,
    queries: &'a [f32],
}

impl Single {
    pub(super) fn new(
        extents: Extents,
        turned: Turned,
        components: AlignedBuffer<f32>,
        width: usize,
    ) -> Self {
        let Turned { into_hidden, out_of_hidden } = turned;
        Self { extents, width, into_hidden, out_of_hidden, components }
    }

    pub(super) fn with<'a>(&'a self, queries: Side<'a>) -> OfQueries<'a> {
        OfQueries { operands: self, queries: queries.components }
    }
}

impl<S: Simd> Products<S> for OfQueries<'_> {
    #[inline(always)]
    fn logits(&mut self, s: S, queries: Range<usize>, panel: usize, logits: &mut [f32]) {
        let Single { extents, width, components, .. } = self.operands;
        let numbers = extents.item_width() * width;
        let rows = queries.len() * extents.query_components;
        let q = &self.queries[queries.start * extents.query_width()..][..rows * extents.width];
        // Panel by panel a query: what is a row of all components to this product is a panel to the next.
        let shape = [rows, extents.width, extents.item_components * width];
        multiply_within(s, q, shape, Right::Panels(&components[panel * numbers..][..numbers]), None, logits);
    }

    #[inline(always)]
    fn hidden(&mut self, s: S, several: usize, logits: &[f32], bias: &[f32], hidden: &mut [f32]) {
        let Single { extents, width, into_hidden, .. } = self.operands;
        let shape = [bias.len(), extents.logits(), several * width];
        multiply_within(s, into_hidden, shape, Right::Panels(logits), Some(bias), hidden);
    }

    #[inline(always)]
    fn gates(&mut self, s: S, several: usize, hidden: &[f32], bias: &[f32], gates: &mut [f32]) {
        let Single { width, out_of_hidden, .. } = self.operands;
        let columns = several * width;
        let right = if several == 1 { Right::Panels(hidden) } else { Right::Rows(hidden) };
        let shape = [bias.len(), hidden.len() / columns, columns];
        multiply_within(s, out_of_hidden, shape, right, Some(bias), gates);
    }
}

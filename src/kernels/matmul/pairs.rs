//! Products of bfloat16 pairs inside a larger computation, from operands as its steps leave them: two depths side by side in
//! each 32 bits.

use crate::simd::{Columns, DotBf16, DotBf16Op, RowsMut};

use super::PANEL_VECTORS;

/// Rows of a tile: the accumulators, a row of B and one broadcast fit the registers.
const TILE_ROWS: usize = 12;

/// The left operand: rows of pairs, one after the other.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct LeftPairs<'a> {
    /// Each pair's bits, the first depth in the lower half, in the place of a number.
    pub(in crate::kernels) values: &'a [f32],
    pub(in crate::kernels) rows: usize,
    /// Of a row.
    pub(in crate::kernels) pairs: usize,
    /// What the sums of each row begin with, where it is not nothing.
    pub(in crate::kernels) bias: Option<&'a [f32]>,
}

/// The columns of the right operand that a panel is wide: a row a pair of depths.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct PairPanel<'a> {
    /// From the first pair of the first column on.
    pub(in crate::kernels) values: &'a [u16],
    /// Numbers from row to row.
    pub(in crate::kernels) stride: usize,
}

/// `c = a b` of a panel's columns, inside a computation that has entered its tier; `c` has rows so far apart.
#[inline(always)]
pub(in crate::kernels) fn multiply_pairs_within<S: DotBf16>(
    simd: S,
    a: LeftPairs<'_>,
    b: PairPanel<'_>,
    c: &mut [f32],
    stride: usize,
) {
    let tiles = a.rows.div_ceil(TILE_ROWS);
    // Tiles of like height: a last one of two rows would run at a fraction of the speed.
    let top = |tile: usize| tile * a.rows / tiles;
    for tile in 0..tiles {
        let (first, rows) = (top(tile), top(tile + 1) - top(tile));
        let (values, bias) = (&a.values[first * a.pairs..], a.bias.map(|bias| &bias[first..]));
        let a = LeftPairs { values, rows, bias, ..a };
        let c = &mut c[first * stride..];
        macro_rules! tiles {
            ($($rows:literal)*) => {
                match rows {
                    $($rows => simd.run_bf16(Tile::<$rows> { a, b, c, stride }),)*
                    _ => {}
                }
            };
        }
        tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
    }
}

/// A few rows of C, as wide as a panel.
struct Tile<'a, const ROWS: usize> {
    a: LeftPairs<'a>,
    b: PairPanel<'a>,
    c: &'a mut [f32],
    stride: usize,
}

impl<const ROWS: usize> DotBf16Op for Tile<'_, ROWS> {
    type Output = ();

    #[inline(always)]
    fn eval<S: DotBf16>(self, simd: S) {
        let Self { a, b: PairPanel { mut values, stride: step }, c, stride } = self;
        let mut sums = [[simd.zero(); PANEL_VECTORS]; ROWS];
        if let Some(bias) = a.bias.and_then(|bias| bias.first_chunk::<ROWS>()) {
            for row in 0..ROWS {
                sums[row] = [simd.splat(bias[row]); PANEL_VECTORS];
            }
        }
        let mut columns = Columns::<ROWS>::new(a.values, a.pairs, a.pairs);
        while let Some(row) = values.get(..PANEL_VECTORS * 2 * S::LANES)
            && let Some(a) = columns.next()
        {
            let (low, high) = (simd.load_pairs(row), simd.load_pairs(&row[2 * S::LANES..]));
            for row in 0..ROWS {
                let a = simd.splat_pair(a[row].to_bits());
                sums[row][0] = simd.dot_bf16(sums[row][0], a, low);
                sums[row][1] = simd.dot_bf16(sums[row][1], a, high);
            }
            values = values.get(step..).unwrap_or_default();
        }
        let mut rows = RowsMut::<ROWS>::new(c, stride, PANEL_VECTORS * S::LANES);
        for (row, [low, high]) in sums.into_iter().enumerate() {
            let c = rows.row(row);
            simd.store(low, c);
            simd.store(high, &mut c[S::LANES..]);
        }
    }
}

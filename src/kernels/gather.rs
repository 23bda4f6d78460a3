//! Rows of tables by number: the embedding lookup that a text model begins with, and the sum of a word's, a position's and a
//! segment's row.
//!
//! Rows of a large table come from memory in no order that hardware could foresee; but the numbers of the next ones are
//! known, so that their lines are asked for while earlier rows are copied.

use super::lanes::whole_lanes;
use crate::simd::{Simd, SimdOp, Tier, TierUnavailable, dispatch};

/// A row's number as tokenisers and models have it.
pub trait RowNumber: Copy {
    /// The number.
    ///
    /// # Panics
    /// When it is negative.
    fn row(self) -> usize;
}

impl RowNumber for u32 {
    #[inline(always)]
    fn row(self) -> usize {
        self as usize
    }
}

impl RowNumber for i32 {
    #[inline(always)]
    fn row(self) -> usize {
        assert!(self >= 0, "a row's number is not negative");
        self.cast_unsigned() as usize
    }
}

/// The tables of a BERT-like model's input, rows of one width.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// A row a word of the vocabulary.
    pub words: &'a [f32],
    /// A row a position, from the first on.
    pub positions: &'a [f32],
    /// A row a segment.
    pub segments: &'a [f32],
}

/// `out[i]` is row `ids[i]` of `table`, rows of `width` numbers.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an id names no row of the table, or `out` is not a row an id.
pub fn rows<I: RowNumber>(
    tier: Tier,
    table: &[f32],
    ids: &[I],
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(ids.len() * width, out.len(), "the output is a row an id");
    if out.is_empty() {
        return Ok(());
    }
    dispatch(tier, Rows { table, ids, width, out })
}

/// `out[i]` is the sum of row `ids[i]` of the words, row `i % tokens` of the positions and row `segments[i]` of the segments:
/// texts of `tokens` tokens one after the other.
///
/// # Errors
/// When this CPU lacks the tier.
///
/// # Panics
/// When an id names no row of its table, `tokens` is zero, there are not as many ids as segments, or `out` is not a row
/// an id.
pub fn sums<I: RowNumber>(
    tier: Tier,
    tables: Tables<'_>,
    ids: &[I],
    segments: &[I],
    tokens: usize,
    width: usize,
    out: &mut [f32],
) -> Result<(), TierUnavailable> {
    assert_eq!(ids.len(), segments.len(), "a segment an id");
    assert_eq!(ids.len() * width, out.len(), "the output is a row an id");
    assert!(tokens > 0, "a text has tokens");
    if out.is_empty() {
        return Ok(());
    }
    dispatch(tier, Sums { tables, ids, segments, tokens, width, out })
}

/// Rows between the one that is asked for and the one that is copied: together some kilobytes, which L1 holds.
const ROWS_AHEAD: usize = 2;

struct Rows<'a, I> {
    table: &'a [f32],
    ids: &'a [I],
    width: usize,
    out: &'a mut [f32],
}

impl<I: RowNumber> SimdOp for Rows<'_, I> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { table, ids, width, out } = self;
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            ask_for(s, table, ids.get(i + ROWS_AHEAD), width);
            copy(s, row_of(table, ids[i], width), out);
        }
    }
}

struct Sums<'a, I> {
    tables: Tables<'a>,
    ids: &'a [I],
    segments: &'a [I],
    tokens: usize,
    width: usize,
    out: &'a mut [f32],
}

impl<I: RowNumber> SimdOp for Sums<'_, I> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) {
        let Self { tables, ids, segments, tokens, width, out } = self;
        let positions = tables.positions[..tokens.min(ids.len()) * width].chunks_exact(width).cycle();
        for (i, (out, position)) in out.chunks_exact_mut(width).zip(positions).enumerate() {
            ask_for(s, tables.words, ids.get(i + ROWS_AHEAD), width);
            let word = row_of(tables.words, ids[i], width);
            add(s, word, position, row_of(tables.segments, segments[i], width), out);
        }
    }
}

#[inline(always)]
fn row_of<I: RowNumber>(table: &[f32], id: I, width: usize) -> &[f32] {
    &table[id.row() * width..][..width]
}

/// Asks for every line of a row, where there is one.
#[inline(always)]
fn ask_for<S: Simd, I: RowNumber>(s: S, table: &[f32], id: Option<&I>, width: usize) {
    const NUMBERS_OF_A_LINE: usize = 16;
    if let Some(&id) = id {
        let start = id.row() * width;
        for at in (0..width).step_by(NUMBERS_OF_A_LINE) {
            s.prefetch_beyond(table, start + at);
        }
    }
}

#[inline(always)]
fn copy<S: Simd>(s: S, row: &[f32], out: &mut [f32]) {
    let (row, rest) = row.split_at(whole_lanes::<S>(row.len()));
    let (out, rest_out) = out.split_at_mut(row.len());
    for (x, y) in row.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES)) {
        s.store(s.load(x), y);
    }
    s.store_partial(s.load_partial(rest), rest_out);
}

/// `out = word + position + segment`, the latter two first: they are the same for many words.
#[inline(always)]
fn add<S: Simd>(s: S, word: &[f32], position: &[f32], segment: &[f32], out: &mut [f32]) {
    let whole = whole_lanes::<S>(word.len());
    let (word, word_rest) = word.split_at(whole);
    let (position, position_rest) = position.split_at(whole);
    let (segment, segment_rest) = segment.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let others = position.chunks_exact(S::LANES).zip(segment.chunks_exact(S::LANES));
    let words = word.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES));
    for ((w, y), (p, t)) in words.zip(others) {
        s.store(s.add(s.load(w), s.add(s.load(p), s.load(t))), y);
    }
    let others = s.add(s.load_partial(position_rest), s.load_partial(segment_rest));
    s.store_partial(s.add(s.load_partial(word_rest), others), out_rest);
}

/// [`rows`] in double precision.
///
/// # Panics
/// When an id names no row.
#[must_use]
pub fn reference_rows<I: RowNumber>(table: &[f32], ids: &[I], width: usize) -> Vec<f64> {
    ids.iter().flat_map(|id| table[id.row() * width..][..width].iter().map(|&x| f64::from(x))).collect()
}

/// [`sums`] in double precision.
///
/// # Panics
/// When an id names no row.
#[must_use]
pub fn reference_sums<I: RowNumber>(
    tables: Tables<'_>,
    ids: &[I],
    segments: &[I],
    tokens: usize,
    width: usize,
) -> Vec<f64> {
    let mut out = Vec::with_capacity(ids.len() * width);
    for (i, (id, segment)) in ids.iter().zip(segments).enumerate() {
        for column in 0..width {
            let word = f64::from(tables.words[id.row() * width + column]);
            let position = f64::from(tables.positions[i % tokens * width + column]);
            out.push(word + position + f64::from(tables.segments[segment.row() * width + column]));
        }
    }
    out
}

/// [`rows`] as the compiler builds it: a copy a row.
///
/// # Panics
/// As for [`rows`].
pub fn plain_rows<I: RowNumber>(table: &[f32], ids: &[I], width: usize, out: &mut [f32]) {
    for (&id, out) in ids.iter().zip(out.chunks_exact_mut(width.max(1))) {
        out.copy_from_slice(row_of(table, id, width));
    }
}

/// [`sums`] as the compiler builds it: three loops a row, as frameworks have an operator each.
///
/// # Panics
/// As for [`sums`].
pub fn plain_sums<I: RowNumber>(
    tables: Tables<'_>,
    ids: &[I],
    segments: &[I],
    tokens: usize,
    width: usize,
    out: &mut [f32],
) {
    for (i, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
        out.copy_from_slice(row_of(tables.words, ids[i], width));
        let position = &tables.positions[i % tokens * width..][..width];
        let segment = row_of(tables.segments, segments[i], width);
        out.iter_mut().zip(position).for_each(|(y, x)| *y += x);
        out.iter_mut().zip(segment).for_each(|(y, x)| *y += x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::workload::compare_floats;

    fn numbers(len: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
    }

    #[test]
    fn rows_and_sums_equal_their_reference_on_every_tier() {
        for width in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 384] {
            let (words, positions, segments) =
                (numbers(50 * width, 1), numbers(6 * width, 2), numbers(2 * width, 3));
            let tables = Tables { words: &words, positions: &positions, segments: &segments };
            for ids in [0_u32, 1, 3, 12] {
                let numbers: Vec<u32> = (0..ids).map(|i| i * 37 % 50).collect();
                let signed: Vec<i32> = numbers.iter().map(|id| id.cast_signed()).collect();
                let kinds: Vec<u32> = (0..ids).map(|i| i / 3 % 2).collect();
                let copies = reference_rows(&words, &numbers, width);
                let totals = reference_sums(tables, &numbers, &kinds, 6, width);
                let mut out = vec![f32::NAN; numbers.len() * width];
                for tier in Tier::available() {
                    rows(tier, &words, &numbers, width, &mut out).unwrap();
                    compare_floats(&out, &copies, 0.0, 0.0).unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
                    out.fill(f32::NAN);
                    rows(tier, &words, &signed, width, &mut out).unwrap();
                    compare_floats(&out, &copies, 0.0, 0.0).unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
                    sums(tier, tables, &numbers, &kinds, 6, width, &mut out).unwrap();
                    compare_floats(&out, &totals, 0.0, 3e-7)
                        .unwrap_or_else(|m| panic!("{tier} {width}: {m}"));
                }
                plain_rows(&words, &numbers, width, &mut out);
                compare_floats(&out, &copies, 0.0, 0.0).unwrap_or_else(|m| panic!("plain {width}: {m}"));
                plain_sums(tables, &numbers, &kinds, 6, width, &mut out);
                compare_floats(&out, &totals, 0.0, 3e-7).unwrap_or_else(|m| panic!("plain {width}: {m}"));
            }
        }
    }

    #[test]
    #[should_panic(expected = "range")]
    fn an_id_beyond_the_table_panics() {
        let _ = rows(Tier::Baseline, &[0.0; 32], &[2_u32], 16, &mut [0.0; 16]);
    }

    #[test]
    #[should_panic(expected = "negative")]
    fn a_negative_id_panics() {
        let _ = rows(Tier::Baseline, &[0.0; 32], &[-1_i32], 16, &mut [0.0; 16]);
    }
}

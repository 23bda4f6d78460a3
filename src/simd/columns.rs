//! Several rows of a matrix read side by side.

use std::marker::PhantomData;

/// The columns of `ROWS` rows: an iterator over one element of each row at a time. What a matrix product multiplies with
/// a row of its right operand.
///
/// The bounds are tested once, where it is made: a test for each element would take the ports that the arithmetic needs.
#[derive(Debug, Clone)]
pub struct Columns<'a, const ROWS: usize> {
    /// The next element of the first row, and of the first of the upper half.
    halves: [*const f32; 2],
    /// Odd multiples of the stride. Together with the scales of an address (1, 2, 4) they reach every row of a half from one
    /// pointer; left to itself, the compiler keeps an address a row, for which there are not registers enough.
    odd_multiples: [usize; HALF / 2],
    left: usize,
    values: PhantomData<&'a [f32]>,
}

/// Rows that are reached from one pointer. No tile has more than twice as many.
const HALF: usize = 8;

/// The same number, of which the compiler forgets where it came from.
#[inline(always)]
fn opaque(mut number: usize) -> usize {
    // SAFETY: there is no instruction; the register is said to be read and written.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) number, options(pure, nomem, nostack, preserves_flags));
    }
    number
}

/// [`opaque`] for the element after `at`, which is at most one past the end.
#[inline(always)]
#[expect(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written through it there")]
fn opaque_next(at: *const f32) -> *const f32 {
    let mut next = at.wrapping_add(1);
    // SAFETY: there is no instruction; the register is said to be read and written.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) next, options(pure, nomem, nostack, preserves_flags));
    }
    next
}

impl<'a, const ROWS: usize> Columns<'a, ROWS> {
    /// The first `depth` elements of each of `ROWS` rows that begin `stride` elements apart in `values`.
    ///
    /// # Panics
    /// When `values` is shorter than that.
    #[must_use]
    #[inline(always)]
    pub fn new(values: &'a [f32], stride: usize, depth: usize) -> Self {
        const { assert!(ROWS > 0 && ROWS <= 2 * HALF) };
        let needed = (ROWS - 1).saturating_mul(stride).saturating_add(depth);
        assert!(depth == 0 || values.len() >= needed, "the rows end before their depth");
        let first = values.as_ptr();
        let upper = if ROWS > HALF { first.wrapping_add(HALF.wrapping_mul(stride)) } else { first };
        let mut odd_multiples = [0; HALF / 2];
        for (half, multiple) in odd_multiples.iter_mut().enumerate() {
            let odd = 2 * half + 1;
            if odd < ROWS {
                *multiple = opaque(odd.wrapping_mul(stride));
            }
        }
        Self { halves: [first, upper], odd_multiples, left: depth, values: PhantomData }
    }

    /// Elements from the first row of a half to another one.
    #[inline(always)]
    fn offset(&self, row: usize) -> usize {
        if row == 0 {
            return 0;
        }
        let doublings = row.trailing_zeros();
        self.odd_multiples[(row >> doublings) / 2] << doublings
    }
}

impl<const ROWS: usize> Iterator for Columns<'_, ROWS> {
    type Item = [f32; ROWS];

    #[inline(always)]
    fn next(&mut self) -> Option<[f32; ROWS]> {
        if self.left == 0 {
            return None;
        }
        // A loop and no closure: a closure that is not inlined has lost the tier.
        let mut column = [0.0; ROWS];
        for (row, element) in column.iter_mut().enumerate() {
            // SAFETY: `new` saw that `left` elements lie at the start of each row, and every offset is the row's.
            let at = unsafe { self.halves[row / HALF].add(self.offset(row % HALF)) };
            // SAFETY: likewise, so that this one is readable.
            *element = unsafe { *at };
        }
        self.left -= 1;
        self.halves[0] = opaque_next(self.halves[0]);
        if ROWS > HALF {
            self.halves[1] = opaque_next(self.halves[1]);
        }
        Some(column)
    }
}

/// `ROWS` rows of a matrix to write to, whose bounds are tested once.
#[derive(Debug)]
pub struct RowsMut<'a, const ROWS: usize> {
    first: *mut f32,
    stride: usize,
    width: usize,
    values: PhantomData<&'a mut [f32]>,
}

impl<'a, const ROWS: usize> RowsMut<'a, ROWS> {
    /// The first `width` elements of each of `ROWS` rows that begin `stride` elements apart in `values`.
    ///
    /// # Panics
    /// When `values` is shorter than that, or the rows overlap.
    #[must_use]
    #[inline(always)]
    pub fn new(values: &'a mut [f32], stride: usize, width: usize) -> Self {
        let needed = (ROWS - 1).saturating_mul(stride).saturating_add(width);
        assert!(values.len() >= needed && (width <= stride || ROWS == 1), "the rows end early or overlap");
        Self { first: values.as_mut_ptr(), stride, width, values: PhantomData }
    }

    /// A row.
    ///
    /// # Panics
    /// When there is none of this number; nothing is tested where the number is known to the compiler.
    #[must_use]
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < ROWS, "there are only {ROWS} rows");
        // SAFETY: `new` saw that every row lies within the values.
        let first = unsafe { self.first.add(row * self.stride) };
        // SAFETY: likewise, and `self` is borrowed for as long as the row is.
        unsafe { std::slice::from_raw_parts_mut(first, self.width) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_one_element_of_each_row() {
        let values: Vec<f32> = (0..14_u8).map(f32::from).collect();
        let columns: Vec<[f32; 3]> = Columns::new(&values, 5, 4).collect();
        assert_eq!(columns, [[0.0, 5.0, 10.0], [1.0, 6.0, 11.0], [2.0, 7.0, 12.0], [3.0, 8.0, 13.0]]);
        assert_eq!(Columns::<3>::new(&[], 5, 0).count(), 0);
        assert_eq!(Columns::<1>::new(&values, usize::MAX, 14).count(), 14);
    }

    #[test]
    fn every_row_is_reached_from_one_pointer() {
        let values: Vec<f32> = (0..16_u8 * 3).map(f32::from).collect();
        let first: [f32; 16] = Columns::new(&values, 3, 1).next().unwrap();
        assert!(first.iter().enumerate().all(|(row, &x)| x == (3 * row) as f32), "{first:?}");
    }

    #[test]
    fn rows_are_written_where_they_lie() {
        let mut values = [0.0; 13];
        let mut rows = RowsMut::<3>::new(&mut values, 5, 3);
        for row in 0..3_u8 {
            rows.row(usize::from(row)).fill(f32::from(row) + 1.0);
        }
        assert_eq!(values, [1.0, 1.0, 1.0, 0.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "the rows end early or overlap")]
    fn rows_to_write_that_overlap_are_refused() {
        let _ = RowsMut::<2>::new(&mut [0.0; 13], 2, 3);
    }

    #[test]
    #[should_panic(expected = "the rows end early or overlap")]
    fn rows_to_write_that_end_early_are_refused() {
        let _ = RowsMut::<3>::new(&mut [0.0; 12], 5, 3);
    }

    #[test]
    #[should_panic(expected = "there are only 2 rows")]
    fn a_row_that_is_not_there_is_refused() {
        let _ = RowsMut::<2>::new(&mut [0.0; 12], 5, 3).row(2);
    }

    #[test]
    #[should_panic(expected = "the rows end before their depth")]
    fn rows_that_end_early_are_refused() {
        let _ = Columns::<3>::new(&[0.0; 13], 5, 4);
    }

    #[test]
    #[should_panic(expected = "the rows end before their depth")]
    fn a_stride_beyond_all_memory_is_refused() {
        let _ = Columns::<3>::new(&[0.0; 13], usize::MAX, 4);
    }
}

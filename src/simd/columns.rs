//! Several rows of a matrix read side by side.

use std::marker::PhantomData;

/// The columns of `ROWS` rows: an iterator over one element of each row at a time. What a matrix product multiplies with
/// a row of its right operand.
///
/// The bounds are tested once, where it is made: a test for each element would take the ports that the arithmetic needs.
#[derive(Debug, Clone)]
pub struct Columns<'a, const ROWS: usize> {
    next: *const f32,
    /// Odd multiples of the stride. Together with the scales of an address (1, 2, 4, 8) they reach every row from one
    /// pointer; left to itself, the compiler computes each row's address from the one before, all of them in a chain.
    odd_multiples: [usize; MOST_ROWS / 2],
    left: usize,
    values: PhantomData<&'a [f32]>,
}

/// More rows than any tile has.
const MOST_ROWS: usize = 16;

impl<'a, const ROWS: usize> Columns<'a, ROWS> {
    /// The first `depth` elements of each of `ROWS` rows that begin `stride` elements apart in `values`.
    ///
    /// # Panics
    /// When `values` is shorter than that.
    #[must_use]
    #[inline(always)]
    pub fn new(values: &'a [f32], stride: usize, depth: usize) -> Self {
        const { assert!(ROWS > 0 && ROWS <= MOST_ROWS) };
        let needed = (ROWS - 1).saturating_mul(stride).saturating_add(depth);
        assert!(depth == 0 || values.len() >= needed, "the rows end before their depth");
        let mut odd_multiples = [0; MOST_ROWS / 2];
        for (half, multiple) in odd_multiples.iter_mut().enumerate() {
            let odd = 2 * half + 1;
            if odd < ROWS {
                // The box hides from the compiler that these are multiples of one number.
                *multiple = std::hint::black_box(odd.wrapping_mul(stride));
            }
        }
        Self { next: values.as_ptr(), odd_multiples, left: depth, values: PhantomData }
    }

    /// Elements from the first row to another.
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
        let first = self.next;
        // A loop and no closure: a closure that is not inlined has lost the tier.
        let mut column = [0.0; ROWS];
        for (row, element) in column.iter_mut().enumerate() {
            // SAFETY: `new` saw that `left` elements lie at the start of each row, and every offset is the row's.
            let at = unsafe { first.add(self.offset(row)) };
            // SAFETY: likewise, so that this one is readable.
            *element = unsafe { *at };
        }
        self.left -= 1;
        // SAFETY: at most one past the last element of the first row.
        self.next = unsafe { first.add(1) };
        Some(column)
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

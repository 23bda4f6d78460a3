//! How the rows of a product are dealt to the threads of a team.

use std::num::NonZeroUsize;

/// Rows of C in each task of a team, for a product of `[m, k, n]` in tiles of so many rows: all of them where its
/// multiply-adds are fewer than `parallel_work`, from which on threads pay.
pub(in crate::kernels) fn rows_per_task(
    threads: NonZeroUsize,
    [m, k, n]: [usize; 3],
    parallel_work: usize,
    tile_rows: usize,
) -> usize {
    let (threads, work) = (threads.get(), m.saturating_mul(k).saturating_mul(n));
    if threads == 1 || work < parallel_work {
        return m;
    }
    // A few tasks a thread let a thread that was held up do fewer; below four tiles each the walks over B add up.
    let tasks_per_thread = (m / (threads * 4 * tile_rows)).clamp(1, 4);
    m.div_ceil(threads * tasks_per_thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_pays_for_it_is_split() {
        let rows = |threads, shape| {
            rows_per_task(NonZeroUsize::new(threads).expect("some threads"), shape, 16 << 20, 14)
        };
        assert_eq!(rows(2, [64, 64, 64]), 64);
        assert_eq!(rows(1, [4096, 384, 1536]), 4096);
        assert_eq!(rows(2, [128, 384, 384]), 64);
        assert_eq!(rows(2, [1024, 1024, 1024]), 128);
        assert_eq!(rows(2, [0, usize::MAX, 9]), 0);
    }
}

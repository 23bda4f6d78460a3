//! A workspace arena: one buffer that a piece of work divides anew each time, and that is kept between times.

use super::{BufferPool, OutOfMemory, Pooled};
use crate::sys::memory::Plain;

/// Every slice begins at a cache line.
const LINE_BYTES: usize = 64;

/// One buffer of a pool, divided into slices for one piece of work after the other. It grows and never shrinks, so that a
/// warm one allocates nothing.
#[derive(Debug)]
pub struct Arena<T: Plain> {
    pool: BufferPool<T>,
    buffer: Option<Pooled<T>>,
    statistics: ArenaStatistics,
}

/// How an arena was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArenaStatistics {
    /// Bytes that it holds.
    pub capacity_bytes: usize,
    /// Bytes of the slices last asked for, without what their alignment and the room to grow take.
    pub used_bytes: usize,
    /// How often it was divided.
    pub divisions: u64,
    /// How often it had to grow for that.
    pub growths: u64,
}

impl ArenaStatistics {
    /// Those of two arenas together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            capacity_bytes: self.capacity_bytes + other.capacity_bytes,
            used_bytes: self.used_bytes + other.used_bytes,
            divisions: self.divisions + other.divisions,
            growths: self.growths + other.growths,
        }
    }

    /// The share of what it holds that the last division left unused: alignment, and room for larger ones.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn unused_share(&self) -> f64 {
        if self.capacity_bytes == 0 {
            return 0.0;
        }
        1.0 - self.used_bytes as f64 / self.capacity_bytes as f64
    }

    /// The share of divisions that the buffer of the one before served.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn reused_share(&self) -> f64 {
        if self.divisions == 0 {
            return 0.0;
        }
        1.0 - self.growths as f64 / self.divisions as f64
    }
}

impl<T: Plain> Arena<T> {
    /// An arena that holds nothing yet, with a pool of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::of(BufferPool::new())
    }

    /// An arena that holds nothing yet and takes its buffer from a pool.
    #[must_use]
    pub fn of(pool: BufferPool<T>) -> Self {
        Self { pool, buffer: None, statistics: ArenaStatistics::default() }
    }

    /// Where its buffer comes from.
    #[must_use]
    pub const fn pool(&self) -> &BufferPool<T> {
        &self.pool
    }

    /// Makes room for slices of these lengths.
    ///
    /// # Errors
    /// There is no memory for them; the arena then holds nothing.
    pub fn reserve(&mut self, lens: &[usize]) -> Result<(), OutOfMemory> {
        let line = LINE_BYTES / size_of::<T>();
        let padded =
            lens.iter().try_fold(0_usize, |sum, len| sum.checked_add(len.checked_next_multiple_of(line)?));
        let needed = padded.ok_or(OutOfMemory { bytes: usize::MAX })?;
        let held = self.buffer.as_ref().map_or(0, |buffer| buffer.len());
        if needed > held {
            // Some room to spare, so that slowly growing batches do not replace it every time; none where there is none.
            // The old buffer goes back first, for a pool with a limit.
            self.buffer = None;
            let spacious = self.pool.take(needed.saturating_add(needed / 8));
            self.buffer = Some(spacious.or_else(|_| self.pool.take(needed))?);
            self.statistics.growths += 1;
        }
        Ok(())
    }

    /// Slices of these lengths, one behind the other, each from a cache line on. The same lengths give the same slices
    /// with what was written to them; where the arena has to grow, anything may stand there.
    ///
    /// # Panics
    /// There is no memory for them; [`Arena::reserve`] finds out before.
    pub fn divide<const N: usize>(&mut self, lens: [usize; N]) -> [&mut [T]; N] {
        let line = LINE_BYTES / size_of::<T>();
        self.reserve(&lens).expect("memory for a workspace");
        self.statistics.divisions += 1;
        let whole: &mut [T] = self.buffer.as_deref_mut().unwrap_or_default();
        self.statistics.capacity_bytes = size_of_val(whole);
        self.statistics.used_bytes = lens.iter().sum::<usize>() * size_of::<T>();
        let mut rest = whole;
        lens.map(|len| {
            let (slice, later) = std::mem::take(&mut rest).split_at_mut(len.next_multiple_of(line));
            rest = later;
            &mut slice[..len]
        })
    }

    /// How it was used so far.
    #[must_use]
    pub const fn statistics(&self) -> ArenaStatistics {
        self.statistics
    }
}

impl<T: Plain> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_disjoint_aligned_and_keep_what_is_written() {
        let mut arena = Arena::<f32>::new();
        for (i, slice) in arena.divide([3, 0, 17, 16]).into_iter().enumerate() {
            assert_eq!(slice.as_ptr().addr() % LINE_BYTES, 0);
            slice.fill(i as f32 + 1.0);
        }
        let slices = arena.divide([3, 0, 17, 16]);
        assert_eq!(slices.map(|slice| slice.iter().sum::<f32>()), [3.0, 0.0, 51.0, 64.0]);
    }

    #[test]
    fn statistics_tell_reuse_and_what_is_unused() {
        let mut arena = Arena::<f32>::new();
        assert_eq!((arena.statistics().reused_share(), arena.statistics().unused_share()), (0.0, 0.0));
        arena.divide([160, 160]);
        arena.divide([16, 64]);
        arena.divide([320]);
        arena.divide([1000]);
        let statistics = arena.statistics();
        assert_eq!((statistics.divisions, statistics.growths), (4, 2));
        // 1008 and an eighth, in the pool's class.
        assert_eq!((statistics.used_bytes, statistics.capacity_bytes), (4000, 4 * 1280));
        assert!((statistics.reused_share() - 0.5).abs() < 1e-12);
        assert!((statistics.unused_share() - (1.0 - 4000.0 / 5120.0)).abs() < 1e-12);
    }

    #[test]
    fn a_pool_with_a_limit_refuses_what_is_too_much_and_serves_the_next() {
        let mut arena = Arena::<f32>::of(BufferPool::limited(5000));
        assert!(arena.reserve(&[500, 500]).is_ok());
        assert!(arena.reserve(&[2000]).is_err() && arena.reserve(&[usize::MAX, 1]).is_err());
        assert_eq!(arena.divide([500]).map(|slice| slice.len()), [500]);
        assert!(arena.pool().statistics().peak_bytes <= 5000);
    }
}

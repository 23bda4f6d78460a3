//! A workspace arena: one buffer that a piece of work divides anew each time, and that is kept between times.

use super::AlignedBuffer;
use crate::sys::memory::Plain;

/// Every slice begins at a cache line.
const LINE_BYTES: usize = 64;

/// One buffer, divided into slices for one piece of work after the other. It grows and never shrinks, so that a warm one
/// allocates nothing.
#[derive(Debug)]
pub struct Arena<T: Plain> {
    buffer: AlignedBuffer<T>,
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
    /// An arena that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { buffer: AlignedBuffer::zeroed(0), statistics: ArenaStatistics::default() }
    }

    /// Slices of these lengths, one behind the other, each from a cache line on. The same lengths give the same slices
    /// with what was written to them; where the arena has to grow, all is zero.
    pub fn divide<const N: usize>(&mut self, lens: [usize; N]) -> [&mut [T]; N] {
        let line = LINE_BYTES / size_of::<T>();
        let needed: usize = lens.iter().map(|len| len.next_multiple_of(line)).sum();
        self.statistics.divisions += 1;
        if needed > self.buffer.len() {
            // Some room to spare, so that slowly growing batches do not replace it every time.
            self.buffer = AlignedBuffer::zeroed(needed + needed / 8);
            self.statistics.growths += 1;
        }
        self.statistics.capacity_bytes = size_of_val(&*self.buffer);
        self.statistics.used_bytes = lens.iter().sum::<usize>() * size_of::<T>();
        let mut rest = &mut *self.buffer;
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
        assert_eq!((statistics.used_bytes, statistics.capacity_bytes), (4000, 4 * (1008 + 126)));
        assert!((statistics.reused_share() - 0.5).abs() < 1e-12);
        assert!((statistics.unused_share() - (1.0 - 4000.0 / 4536.0)).abs() < 1e-12);
    }
}

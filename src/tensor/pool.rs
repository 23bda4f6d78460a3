//! A pool of aligned buffers in size classes: what one piece of work gives back, the next one takes.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::AlignedBuffer;
use crate::sys::memory::Plain;
use crate::sys::resources::memory_room_bytes;

/// The system is asked what room there is before so many bytes are taken: a limit of a control group ends the process
/// that touches too much, instead of refusing it.
const ASK_FROM_BYTES: usize = 32 << 20;

/// There is no memory for a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory for a buffer of {bytes} bytes")]
pub struct OutOfMemory {
    /// That was asked for.
    pub bytes: usize,
}

/// Buffers of one number type. Cloned handles share them.
#[derive(Debug)]
pub struct BufferPool<T: Plain>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T: Plain> {
    free: Vec<AlignedBuffer<T>>,
    limit_bytes: usize,
    statistics: PoolStatistics,
}

/// How a pool was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStatistics {
    /// Buffers that were asked for.
    pub requests: u64,
    /// Of those, how many were there already.
    pub reuses: u64,
    /// Bytes of the buffers that are given out.
    pub used_bytes: usize,
    /// Of those, bytes that were asked for.
    pub asked_bytes: usize,
    /// Bytes that wait to be taken again.
    pub free_bytes: usize,
    /// The most that both were together.
    pub peak_bytes: usize,
}

impl PoolStatistics {
    /// The share of requests that a buffer of before served.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    pub fn reused_share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.reuses as f64 / self.requests as f64 }
    }

    /// The share of what is given out that nobody asked for: internal fragmentation, at most a fifth from the classes.
    #[must_use]
    pub fn rounding_share(&self) -> f64 {
        share(self.used_bytes - self.asked_bytes, self.used_bytes)
    }

    /// The share of all that is held that waits: external fragmentation.
    #[must_use]
    pub fn free_share(&self) -> f64 {
        share(self.free_bytes, self.used_bytes + self.free_bytes)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

impl<T: Plain> BufferPool<T> {
    /// A pool that takes what the system gives.
    #[must_use]
    pub fn new() -> Self {
        Self::limited(usize::MAX)
    }

    /// A pool that never holds more bytes than `limit_bytes`.
    #[must_use]
    pub fn limited(limit_bytes: usize) -> Self {
        let state = State { free: Vec::new(), limit_bytes, statistics: PoolStatistics::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A buffer of at least `len` numbers from a cache line on, with whatever stood in it before.
    ///
    /// # Errors
    /// The pool's limit or the system does not allow it.
    pub fn take(&self, len: usize) -> Result<Pooled<T>, OutOfMemory> {
        let asked_bytes = len.saturating_mul(size_of::<T>());
        let none = OutOfMemory { bytes: asked_bytes };
        let mut state = self.state();
        state.statistics.requests += 1;
        let wanted = class_len(len).ok_or(none)?;
        let buffer = match state.free.iter().position(|buffer| buffer.len() == wanted) {
            Some(at) => {
                let buffer = state.free.swap_remove(at);
                state.statistics.reuses += 1;
                state.statistics.free_bytes -= size_of_val(&*buffer);
                buffer
            }
            None => state.allocate(wanted).ok_or(none)?,
        };
        let statistics = &mut state.statistics;
        statistics.used_bytes += size_of_val(&*buffer);
        statistics.asked_bytes += asked_bytes;
        statistics.peak_bytes = statistics.peak_bytes.max(statistics.used_bytes + statistics.free_bytes);
        Ok(Pooled { buffer, asked_bytes, pool: self.clone() })
    }

    /// How it was used so far.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.state().statistics
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // The counts are whole even if a thread died beside them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Plain> State<T> {
    /// A new buffer; those that wait give way where there is no room beside them.
    fn allocate(&mut self, len: usize) -> Option<AlignedBuffer<T>> {
        let bytes = len.checked_mul(size_of::<T>())?;
        let fits = |state: &Self| {
            let held = state.statistics.used_bytes + state.statistics.free_bytes;
            held.checked_add(bytes).is_some_and(|all| all <= state.limit_bytes) && system_has(bytes)
        };
        if !fits(self) {
            self.free.clear();
            self.statistics.free_bytes = 0;
            if !fits(self) {
                return None;
            }
        }
        AlignedBuffer::try_zeroed(len)
    }

    /// Keeps a buffer for the next request. What waits never exceeds the largest buffer that came back: work that grows
    /// step by step leaves its smaller ones behind.
    fn release(&mut self, buffer: AlignedBuffer<T>) {
        let bytes = size_of_val(&*buffer);
        let largest = self.free.iter().map(|other| size_of_val(&**other)).max().unwrap_or(0).max(bytes);
        self.free.push(buffer);
        self.statistics.free_bytes += bytes;
        while self.statistics.free_bytes > largest {
            let smallest = self.free.iter().enumerate().min_by_key(|(_, buffer)| buffer.len());
            let Some((at, _)) = smallest else { break };
            let gone = self.free.swap_remove(at);
            self.statistics.free_bytes -= size_of_val(&*gone);
        }
    }
}

fn system_has(bytes: usize) -> bool {
    bytes < ASK_FROM_BYTES || memory_room_bytes().is_none_or(|room| bytes as u64 <= room)
}

/// The class of a request, in numbers: four to a doubling, so that no buffer is more than a quarter too large.
fn class_len(len: usize) -> Option<usize> {
    const SMALLEST: usize = 64;
    if len <= SMALLEST {
        return Some(SMALLEST);
    }
    let below = len.checked_next_power_of_two()? / 2;
    len.checked_next_multiple_of((below / 4).max(1))
}

impl<T: Plain> Clone for BufferPool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Plain> Default for BufferPool<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A buffer of a pool, that goes back when dropped.
#[derive(Debug)]
pub struct Pooled<T: Plain> {
    buffer: AlignedBuffer<T>,
    asked_bytes: usize,
    pool: BufferPool<T>,
}

impl<T: Plain> Deref for Pooled<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.buffer
    }
}

impl<T: Plain> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer
    }
}

impl<T: Plain> Drop for Pooled<T> {
    fn drop(&mut self) {
        let buffer = std::mem::replace(&mut self.buffer, AlignedBuffer::zeroed(0));
        let mut state = self.pool.state();
        state.statistics.used_bytes -= size_of_val(&*buffer);
        state.statistics.asked_bytes -= self.asked_bytes;
        state.release(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_for_and_at_most_a_quarter_more() {
        let mut last = 0;
        for len in 0..20_000 {
            let class = class_len(len).unwrap();
            assert!(class >= len && class >= last, "{len}: {class}");
            assert!(len <= 64 || 4 * class <= 5 * len + 4, "{len}: {class}");
            last = class;
        }
        assert_eq!(class_len(usize::MAX), None);
    }

    #[test]
    fn what_is_given_back_is_taken_again_and_counted() {
        let pool = BufferPool::<f32>::new();
        let (a, b) = (pool.take(1000).unwrap(), pool.take(100).unwrap());
        assert_eq!((a.as_ptr().addr() % 64, b.as_ptr().addr() % 64), (0, 0));
        let statistics = pool.statistics();
        assert_eq!((statistics.requests, statistics.reuses), (2, 0));
        assert_eq!((statistics.used_bytes, statistics.asked_bytes), (4 * (1024 + 112), 4 * 1100));
        assert!((statistics.rounding_share() - 36.0 / 1136.0).abs() < 1e-12);
        let place = a.as_ptr();
        drop(a);
        assert_eq!(pool.statistics().free_bytes, 4096);
        // The same class, another length.
        let again = pool.take(900).unwrap();
        assert_eq!(again.as_ptr(), place);
        assert!((pool.statistics().reused_share() - 1.0 / 3.0).abs() < 1e-12);
        drop((again, b));
        let statistics = pool.statistics();
        assert_eq!((statistics.used_bytes, statistics.asked_bytes), (0, 0));
        assert_eq!((statistics.free_bytes, statistics.free_share()), (4096, 1.0), "the smaller one gave way");
        assert_eq!(statistics.peak_bytes, 4 * (1024 + 112));
    }

    #[test]
    fn a_limit_is_kept_and_what_waits_gives_way_first() {
        let pool = BufferPool::<u8>::limited(1000);
        let first = pool.take(512).unwrap();
        assert_eq!(pool.take(512).unwrap_err(), OutOfMemory { bytes: 512 });
        drop(first);
        // 640 beside the 512 that wait are too much, without them they are not.
        assert_eq!(pool.take(640).unwrap().len(), 640);
        assert!(pool.take(usize::MAX).is_err() && pool.statistics().peak_bytes <= 1000);
    }

    #[test]
    fn threads_share_a_pool() {
        let pool = BufferPool::<u32>::new();
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let pool = pool.clone();
                scope.spawn(move || {
                    for len in 1..200 {
                        let mut buffer = pool.take(len).unwrap();
                        buffer.fill(thread);
                        assert!(buffer.iter().all(|&x| x == thread));
                    }
                });
            }
        });
        let statistics = pool.statistics();
        assert_eq!((statistics.used_bytes, statistics.requests), (0, 4 * 199));
    }
}

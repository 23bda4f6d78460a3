//! Memory for numbers: aligned buffers that the kernels read and write, the pool that keeps them, and the arena
//! that divides one.

mod arena;
mod pool;

pub use crate::sys::memory::AlignedBuffer;
pub use arena::{Arena, ArenaStatistics};
pub use pool::{BufferPool, OutOfMemory, PoolStatistics, Pooled};

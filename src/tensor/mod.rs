//! Memory for numbers: aligned buffers that the kernels read and write, and the arena that divides one.

mod arena;

pub use crate::sys::memory::AlignedBuffer;
pub use arena::{Arena, ArenaStatistics};

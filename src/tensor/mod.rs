//! Memory for numbers: aligned buffers that the kernels read and write.

pub use crate::sys::memory::AlignedBuffer;

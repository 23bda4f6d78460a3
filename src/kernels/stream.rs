//! Kernels: stream.

//! Kernels: attention.

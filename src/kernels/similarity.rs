//! Kernels: similarity.

//! Kernels: norm.

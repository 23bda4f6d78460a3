//! Kernels: normalize.

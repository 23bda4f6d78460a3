//! Kernels: quantize.

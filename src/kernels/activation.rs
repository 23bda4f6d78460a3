//! Kernels: activation.

//! Kernels: peak.

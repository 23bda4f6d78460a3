//! Benchmarks of family `matmul`.

use super::Benchmark;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];

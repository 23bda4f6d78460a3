//! Benchmarks of family `quantize`.

use super::Benchmark;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];

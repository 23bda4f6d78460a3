//! Benchmarks of family `pool`.

use super::Benchmark;

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];

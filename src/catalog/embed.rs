//! Embedding pipelines as benchmarks.

use super::Benchmark;

/// The rows that need no model of the user's.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[];

/// A pipeline over one engine and model; the built-in rows and a user's model are both of this type.
pub struct EmbedBenchmark;

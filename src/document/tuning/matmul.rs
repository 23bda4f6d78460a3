//! `tune matmul`: the time of every strategy by the size of a product, and where one begins to pay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Unknown;

/// A search over the strategies of matrix products in single precision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatmulTuning {
    /// The instruction tier of the kernels.
    pub tier: String,
    /// Threads of the parallel strategy.
    pub threads: usize,
    /// Square products, smallest first.
    pub sizes: Vec<MatmulSize>,
    /// The size from which packing the right operand on the way is faster at every larger one; null where at none.
    pub packing_from_size: Option<usize>,
    /// The size from which threads are faster at every larger one; null where at none.
    pub parallel_from_size: Option<usize>,
    /// Multiply-adds from which the kernels share a product among threads; null where they never should.
    pub parallel_work: Option<usize>,
    /// Rows of the left operand from which packing pays, by how the right one lies.
    pub crossovers: Vec<RowsCrossover>,
    /// It was kept for the kernels.
    pub kept: bool,
    /// Why a field is null.
    pub unknown: Vec<Unknown>,
}

/// A square product.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatmulSize {
    /// Rows and columns.
    pub size: usize,
    /// Straight from both operands, on one thread.
    pub direct_seconds: f64,
    /// Packing the right operand on the way, on one thread.
    pub packing_seconds: f64,
    /// From an operand that was packed before, on one thread.
    pub packed_seconds: f64,
    /// From an operand that was packed before, on all threads; null where there is one.
    pub parallel_seconds: Option<f64>,
    /// What the kernels choose with what was learned: `direct` or `packing`.
    pub choice: String,
    /// They share it among threads.
    pub shared: bool,
    /// By that choice.
    pub chosen_seconds: f64,
    /// The direct form in the same rounds as the choice.
    pub direct_beside_seconds: f64,
}

impl MatmulSize {
    /// How many times as long as the direct form the choice takes.
    #[must_use]
    pub fn of_direct(&self) -> f64 {
        self.chosen_seconds / self.direct_beside_seconds
    }
}

/// Rows from which packing pays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowsCrossover {
    /// How the right operand lies.
    pub operand: String,
    /// Rows; null where packing never pays.
    pub rows: Option<usize>,
}

//! Which execution providers a machine can use, of `perfkit.machine/1`: those of ONNX Runtime, by which other engines'
//! back ends can be chosen as well.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The choice of an execution provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Execution {
    /// Every provider in the order in which it should be tried; those that cannot be used with their reason.
    pub providers: Vec<Provider>,
    /// Threads for the work inside one operation.
    pub intra_op_threads: usize,
    /// Why so many.
    pub intra_op_reason: String,
    /// What each GPU can compute in, in the order of `gpus`.
    pub precisions: Vec<PrecisionAdvice>,
    /// How much of each GPU's memory one process should take, in the order of `gpus`.
    pub memory_limits: Vec<GpuMemoryLimit>,
}

/// An execution provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Provider {
    /// `CUDA`, `TensorRT`, `MIGraphX`, `ROCm`, `CoreML`, `OpenVINO`, `CPU`.
    pub name: String,
    /// Whether the machine has what it needs.
    pub usable: bool,
    /// What speaks for it, or why it is rejected.
    pub reason: String,
}

/// What a GPU can compute in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PrecisionAdvice {
    /// Index in `gpus`.
    pub gpu: usize,
    /// The precision to try first.
    pub advised: Option<String>,
    /// Matrix units (tensor cores, matrix cores).
    pub matrix_units: Option<bool>,
    /// Precisions that the matrix units take.
    pub matrix_precisions: Vec<String>,
    /// Two of four weights may be zero for twice the rate.
    pub structured_sparsity: Option<bool>,
    /// Whether FlashAttention's kernels exist for it, and of which generation.
    pub flash_attention: Option<String>,
    /// From what this follows.
    pub reason: String,
}

/// A GPU's memory and what a process may plan with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GpuMemoryLimit {
    /// Index in `gpus`.
    pub gpu: usize,
    /// The limit.
    pub limit_bytes: Option<u64>,
    /// Memory of the model's weights that it was computed for; 0 where none was given.
    pub model_bytes: u64,
    /// Memory of a batch's activations that it was computed for; 0 where none was given.
    pub batch_bytes: u64,
    /// The formula with its numbers.
    pub formula: String,
}

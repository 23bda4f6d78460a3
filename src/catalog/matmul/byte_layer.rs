//! What linear layers on bytes are given, whichever way they quantise it.

use super::super::inputs::{self, fitting_counts};
use super::super::prepared::Tolerance;
use super::super::{PrepareError, Resources, own_tier};
use crate::document::Case;
use crate::simd::Tier;
use crate::tensor::AlignedBuffer;

/// The inputs of `Y = X W + bias` in single precision.
pub(super) struct ByteLayer {
    pub(super) tier: Tier,
    /// Rows of `X`, its columns, and those of `W`.
    pub(super) shape: [usize; 3],
    pub(super) x: AlignedBuffer<f32>,
    pub(super) weights: AlignedBuffer<f32>,
    pub(super) bias: AlignedBuffer<f32>,
    /// A few roundings of a sum of as many products below one as `W` has rows; sums of bytes themselves are exact.
    pub(super) tolerance: Tolerance,
}

/// The inputs for a case.
pub(super) fn byte_layer(case: &Case, resources: &Resources) -> Result<ByteLayer, PrepareError> {
    let bytes = |[m, k, n]: [usize; 3]| 5 * (m * k + k * n) + 12 * m * n;
    let [m, k, n] = fitting_counts(&case.shape, &resources.machine, bytes)?;
    let seed = |i| resources.seed.wrapping_add(i);
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let depth = k as f64;
    Ok(ByteLayer {
        tier: own_tier(case)?,
        shape: [m, k, n],
        x: inputs::floats(m * k, seed(0)),
        weights: inputs::floats(k * n, seed(1)),
        bias: inputs::floats(n, seed(2)),
        tolerance: Tolerance { relative: 1e-6, absolute: 6.0 * depth.max(1.0) * f64::from(f32::EPSILON) },
    })
}

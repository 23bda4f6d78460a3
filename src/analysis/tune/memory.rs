//! Peak memory as a line over the size of the batch.

use crate::document::{EmbedSettings, MemoryLine, MemoryPoint};

/// The line of least squares through the points of settings that differ in their batch alone, and how far the farthest lies
/// from it; `None` with fewer than two sizes.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "bytes and texts are far below 2^53")]
pub fn fit_memory(settings: &EmbedSettings, points: &[MemoryPoint]) -> Option<MemoryLine> {
    let count = points.len() as f64;
    let xs = || points.iter().map(|point| point.batch as f64);
    let ys = || points.iter().map(|point| point.bytes as f64);
    let (x_mean, y_mean) = (xs().sum::<f64>() / count, ys().sum::<f64>() / count);
    let spread: f64 = xs().map(|x| (x - x_mean).powi(2)).sum();
    if points.len() < 2 || spread == 0.0 {
        return None;
    }
    // Memory never falls with the size of a batch; where the points do, that is their noise.
    let slope = (xs().zip(ys()).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / spread).max(0.0);
    let base = y_mean - slope * x_mean;
    let error = xs().zip(ys()).map(|(x, y)| (base + slope * x - y).abs()).fold(0.0, f64::max);
    Some(MemoryLine {
        precision: settings.precision.clone(),
        optimization: settings.optimization.clone(),
        part_tokens: settings.part_tokens,
        base_bytes: base,
        bytes_per_text: slope,
        error_bytes: error,
        points: points.to_vec(),
    })
}

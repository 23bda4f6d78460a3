//! The right answer of a grouped layer, from exact sums of codes, and the ordinary loops.

use super::pack::quantize_channel;
use super::{Codes, GROUP, Smoothing, scale_and_factor};

/// The answer by the module's rule, in double precision over exact sums of bytes; `weights` is `n` rows of `k`.
///
/// # Panics
/// When a slice is shorter than its shape says.
#[must_use]
pub fn reference_linear_grouped(
    x: &[f32],
    m: usize,
    weights: &[f32],
    bias: &[f32],
    smoothing: &Smoothing,
) -> Vec<f64> {
    let k = smoothing.multipliers.len();
    let channels: Vec<(f32, Vec<i8>)> = (0..bias.len())
        .map(|j| {
            let row = weights[j * k..][..k].iter().zip(&smoothing.multipliers);
            quantize_channel(&row.map(|(weight, multiplier)| weight / multiplier).collect::<Vec<_>>())
        })
        .collect();
    let mut out = Vec::with_capacity(m * bias.len());
    for i in 0..m {
        let mapped: Vec<f32> = x[i * k..][..k]
            .iter()
            .zip(&smoothing.multipliers)
            .map(|(x, multiplier)| x.mul_add(*multiplier, -smoothing.lowest * multiplier))
            .collect();
        let groups: Vec<(f32, Vec<i32>)> = mapped.chunks(GROUP).map(|x| codes(smoothing.codes, x)).collect();
        for (j, (scale, bytes)) in channels.iter().enumerate() {
            let total: f64 = groups
                .iter()
                .zip(bytes.chunks(GROUP))
                .map(|((row_scale, codes), bytes)| {
                    let sum: i32 = codes.iter().zip(bytes).map(|(&a, &b)| a * i32::from(b)).sum();
                    f64::from(sum) * f64::from(*row_scale)
                })
                .sum();
            let lowered: f64 =
                weights[j * k..][..k].iter().map(|&w| f64::from(w) * f64::from(smoothing.lowest)).sum();
            out.push(total * f64::from(*scale) + f64::from(bias[j]) + lowered);
        }
    }
    out
}

/// The scale and the codes of a group.
fn codes(codes: Codes, x: &[f32]) -> (f32, Vec<i32>) {
    let floor = match codes {
        Codes::Signed => f32::NEG_INFINITY,
        Codes::Unsigned => 0.0,
    };
    let x: Vec<f32> = x.iter().map(|&x| if x.is_nan() { x } else { x.max(floor) }).collect();
    let largest = f32::from_bits(x.iter().map(|x| x.abs().to_bits()).max().unwrap_or(0));
    let (scale, factor) = scale_and_factor(codes, largest);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within -127 and 255, or zero for what is not a number"
    )]
    let code = |&x: &f32| (f64::from(x) * f64::from(factor)).round_ties_even() as i32;
    (scale, x.iter().map(code).collect())
}

/// The plain loops for [`super::linear_grouped`] without smoothing.
#[derive(Debug)]
pub struct PlainGrouped {
    /// The scale and the codes of each output's weights.
    channels: Vec<(f32, Vec<i8>)>,
    bias: Vec<f32>,
    /// The codes of a row, and the scales of its groups.
    row: Vec<i8>,
    scales: Vec<f32>,
}

impl PlainGrouped {
    /// Quantises `weights`, rows of `k`, one for each number of `bias`.
    ///
    /// # Panics
    /// When there are fewer weights than that.
    #[must_use]
    pub fn new(weights: &[f32], bias: &[f32], k: usize) -> Self {
        let channels = (0..bias.len()).map(|j| quantize_channel(&weights[j * k..][..k])).collect();
        Self { channels, bias: bias.to_vec(), row: vec![0; k], scales: vec![0.0; k.div_ceil(GROUP)] }
    }

    /// The outputs of the rows of `x`.
    ///
    /// # Panics
    /// When `x` has fewer rows than `out`.
    pub fn apply(&mut self, x: &[f32], out: &mut [f32]) {
        let k = self.row.len();
        for (i, out) in out.chunks_exact_mut(self.bias.len().max(1)).enumerate() {
            let groups = x[i * k..][..k].chunks(GROUP).zip(self.row.chunks_mut(GROUP));
            for ((x, codes), scale) in groups.zip(&mut self.scales) {
                let largest = x.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
                let (row_scale, factor) = scale_and_factor(Codes::Signed, largest);
                *scale = row_scale;
                for (x, code) in x.iter().zip(codes) {
                    // Exact before it is rounded: the product of two single-precision numbers fits double precision.
                    #[expect(clippy::cast_possible_truncation, reason = "within -127..=127")]
                    let rounded = (f64::from(*x) * f64::from(factor)).round_ties_even() as i8;
                    *code = rounded;
                }
            }
            for (((scale, weights), bias), out) in self.channels.iter().zip(&self.bias).zip(out) {
                let groups = self.row.chunks(GROUP).zip(weights.chunks(GROUP)).zip(&self.scales);
                let mut total = 0.0;
                for ((codes, weights), row_scale) in groups {
                    let sum: i32 =
                        codes.iter().zip(weights).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                    #[expect(clippy::cast_precision_loss, reason = "at most 192 products of bytes")]
                    let sum = sum as f32;
                    total += sum * row_scale;
                }
                *out = total * scale + bias;
            }
        }
    }
}

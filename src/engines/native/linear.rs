//! A linear layer in each precision.

use std::sync::OnceLock;

use crate::engines::{EngineError, Precision};
use crate::kernels::grouped::{Codes, GroupedInt8, Smoothing, linear_grouped_with};
use crate::kernels::matmul::{
    Bf16Method, Epilogue, Finish, Layout, PackedBf16, PackedF16, PackedMatrix, gemm_bf16, gemm_bf16_with,
    gemm_f16_with, gemm_with,
};
use crate::kernels::quantize::{Half, to_half};
use crate::simd::{Tier, TierUnavailable};
use crate::sys::{Clock, Monotonic, Team};
use crate::tensor::{AlignedBuffer, Arena};

use super::encoder::{PROVEN, per_thread};

/// A matrix product with its bias.
pub(super) struct Linear {
    matrix: Matrix,
    bias: AlignedBuffer<f32>,
}

/// Weights, packed for a precision.
enum Matrix {
    F32(PackedMatrix),
    F16(PackedF16),
    Bf16(PackedBf16, Tier),
    /// Its bias is inside.
    Int8(GroupedInt8),
}

impl Linear {
    /// Packs `weights` (an output a row) for a precision on `tier`, which is one of the precision's; `smoothing` is asked
    /// for where the precision has steps.
    pub(super) fn pack(
        precision: Precision,
        tier: Tier,
        weights: &[f32],
        bias: AlignedBuffer<f32>,
        smoothing: impl FnOnce(&[f32]) -> Smoothing,
    ) -> Result<Self, EngineError> {
        let n = bias.len();
        let k = weights.len().checked_div(n).unwrap_or(0);
        let matrix = match precision {
            Precision::F32 => PackedMatrix::pack(tier, weights, k, n, Layout::NxK).map(Matrix::F32),
            Precision::F16 => PackedF16::pack(tier, weights, k, n, Layout::NxK).map(Matrix::F16),
            Precision::Bf16 => pack_bf16(tier, weights, k, n),
            Precision::Int8 => {
                GroupedInt8::quantize_pack(tier, weights, &bias, &smoothing(weights)).map(Matrix::Int8)
            }
        };
        let matrix = matrix.map_err(|e| EngineError::Unavailable(e.to_string()))?;
        Ok(Self { matrix, bias })
    }

    /// Appends the packed weights to `to`: [`Linear::read`] takes them back.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        match &self.matrix {
            Matrix::Int8(matrix) => return matrix.write(to),
            Matrix::F32(matrix) => to.extend(matrix.arrangement().iter().flat_map(|x| x.to_le_bytes())),
            Matrix::F16(matrix) => to.extend(matrix.arrangement().iter().flat_map(|x| x.to_le_bytes())),
            Matrix::Bf16(matrix, _) => to.extend(matrix.arrangement().iter().flat_map(|x| x.to_le_bytes())),
        }
        to.extend(self.bias.iter().flat_map(|x| x.to_le_bytes()));
    }

    /// Packed weights off the front of `from`; `None` where that is too short or the tier is not to be had.
    pub(super) fn read(
        precision: Precision,
        tier: Tier,
        shape: [usize; 2],
        codes: Codes,
        from: &mut &[u8],
    ) -> Option<Self> {
        let matrix = match precision {
            Precision::Int8 => {
                let matrix = GroupedInt8::read(tier, shape, codes, from).ok().flatten()?;
                return Some(Self { matrix: Matrix::Int8(matrix), bias: AlignedBuffer::zeroed(0) });
            }
            Precision::F32 => {
                PackedMatrix::arranged(tier, shape, |to| singles(from, to)).ok()?.map(Matrix::F32)
            }
            Precision::F16 => PackedF16::arranged(tier, shape, |to| words(from, to)).ok()?.map(Matrix::F16),
            Precision::Bf16 => PackedBf16::arranged(tier, bf16_method(tier), shape, |to| words(from, to))
                .ok()?
                .map(|matrix| Matrix::Bf16(matrix, tier)),
        }?;
        let mut bias = AlignedBuffer::zeroed(shape[1]);
        singles(from, &mut bias)?;
        Some(Self { matrix, bias })
    }

    /// `input` is `tokens` rows of the matrix' inputs, `out` as many of its outputs; `finish` is what becomes of those.
    pub(super) fn apply(
        &self,
        team: &Team,
        input: &[f32],
        tokens: usize,
        halves: &mut Arena<u16>,
        finish: Option<Finish<'_>>,
        out: &mut [f32],
    ) {
        let epilogue = Epilogue { bias: Some(&self.bias), finish };
        match &self.matrix {
            Matrix::F32(matrix) => gemm_with(team, input, tokens, matrix, epilogue, out),
            Matrix::F16(matrix) => gemm_f16_with(team, input, tokens, matrix, epilogue, out),
            Matrix::Int8(matrix) => linear_grouped_with(team, input, tokens, matrix, finish, out),
            Matrix::Bf16(matrix, tier) => {
                let [narrow] = halves.divide([tokens * matrix.k()]);
                let step = per_thread(narrow.len(), matrix.k(), team);
                team.for_each_chunk(narrow, step, |i, narrow| {
                    let input = &input[i * step.get()..][..narrow.len()];
                    to_half(*tier, Half::Bf16, input, narrow).expect(PROVEN);
                });
                gemm_bf16_with(team, narrow, tokens, matrix, epilogue, out);
            }
        }
    }
}

/// Whether this CPU multiplies pairs of bfloat16 faster than it widens them and multiplies those: found once, by a small
/// product of each. There are CPUs where a dot product of pairs takes four times as long as a multiply-add.
pub(in crate::engines) fn pairs_pay() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    const ROWS: usize = 42;
    const WIDTH: usize = 256;
    const RUNS: usize = 7;
    *ANSWER.get_or_init(|| {
        let clock = Monotonic::new();
        // Ones: no denormal number, and no difference in speed from other numbers.
        let values = vec![0x3F80_u16; WIDTH * WIDTH];
        let mut out = vec![0.0; ROWS * WIDTH];
        let mut shortest = |tier, method| {
            let matrix = PackedBf16::pack(tier, method, &values, WIDTH, WIDTH, Layout::NxK).ok()?;
            let mut run = || {
                let start = clock.now();
                gemm_bf16(&Team::single(), &values[..ROWS * WIDTH], ROWS, &matrix, None, &mut out);
                clock.now().saturating_sub(start)
            };
            (0..RUNS).map(|_| run()).min()
        };
        let pairs = shortest(Tier::Avx512bf16, Bf16Method::Pairs);
        let widened = shortest(Tier::Avx512, Bf16Method::Widened);
        pairs.is_some_and(|pairs| widened.is_none_or(|widened| pairs < widened))
    })
}

/// Numbers off the front of `from`; `None` where those are too few.
fn singles(from: &mut &[u8], to: &mut [f32]) -> Option<()> {
    let (taken, rest) = from.split_at_checked(size_of_val(to))?;
    *from = rest;
    to.iter_mut().zip(taken.as_chunks::<4>().0).for_each(|(to, four)| *to = f32::from_le_bytes(*four));
    Some(())
}

/// The same of sixteen bits.
fn words(from: &mut &[u8], to: &mut [u16]) -> Option<()> {
    let (taken, rest) = from.split_at_checked(size_of_val(to))?;
    *from = rest;
    to.iter_mut().zip(taken.as_chunks::<2>().0).for_each(|(to, two)| *to = u16::from_le_bytes(*two));
    Some(())
}

/// By pairs where the tier multiplies those, widened elsewhere.
fn bf16_method(tier: Tier) -> Bf16Method {
    if tier == Tier::Avx512bf16 { Bf16Method::Pairs } else { Bf16Method::Widened }
}

fn pack_bf16(tier: Tier, weights: &[f32], k: usize, n: usize) -> Result<Matrix, TierUnavailable> {
    let method = bf16_method(tier);
    let mut narrow = AlignedBuffer::zeroed(weights.len());
    to_half(tier, Half::Bf16, weights, &mut narrow)?;
    Ok(Matrix::Bf16(PackedBf16::pack(tier, method, &narrow, k, n, Layout::NxK)?, tier))
}

//! Where packing on the way begins to pay on this machine: learned before, or measured once a process, in some ten milliseconds.

use std::sync::Mutex;

use crate::kernels::matmul::{Crossover, Layout, PackedMatrix, Strategy, Unpacked, gemm, gemm_unpacked};
use crate::simd::{Tier, TierUnavailable};
use crate::sys::{Team, clock};
use crate::tensor::AlignedBuffer;

/// What was measured, by the tier of single precision.
static MEASURED: Mutex<Vec<(Tier, Crossover)>> = Mutex::new(Vec::new());

/// The rows of A from which packing B on the way pays with the kernels of `tier`, on one thread.
///
/// # Errors
/// When this CPU lacks the tier.
pub fn gemm_crossover(tier: Tier) -> Result<Crossover, TierUnavailable> {
    let tier = tier.f32_tier();
    let mut measured = MEASURED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, crossover)) = measured.iter().find(|(of, _)| *of == tier) {
        return Ok(*crossover);
    }
    let crossover = measure_crossover(tier)?;
    measured.push((tier, crossover));
    Ok(crossover)
}

/// Takes what was measured before for that of this process.
pub fn learn_crossover(tier: Tier, crossover: Crossover) {
    let tier = tier.f32_tier();
    let mut measured = MEASURED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    measured.retain(|(of, _)| *of != tier);
    measured.push((tier, crossover));
}

/// Measures it now, whatever is known.
///
/// # Errors
/// When this CPU lacks the tier.
pub fn measure_crossover(tier: Tier) -> Result<Crossover, TierUnavailable> {
    let tier = tier.f32_tier();
    // One operand of each kind.
    Ok(Crossover {
        small: pays_from(tier, [64, 72, 72])?,
        aligned: pays_from(tier, [48, 256, 256])?,
        ragged: pays_from(tier, [48, 257, 257])?,
        large: pays_from(tier, [24, 512, 1000])?,
        competing: pays_from(tier, [24, 512, 1024])?,
    })
}

/// Rounds of the three timings, of which the fastest counts: what disturbs only adds.
const ROUNDS: usize = 7;

fn pays_from(tier: Tier, [m, k, n]: [usize; 3]) -> Result<usize, TierUnavailable> {
    let numbers = |len| AlignedBuffer::from_fn(len, |_| 0.5_f32);
    let (a, values, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
    let b = Unpacked { values: &values, k, n, layout: Layout::KxN };
    let mut scratch = PackedMatrix::empty(tier)?;
    let team = Team::single();
    let (mut packing, mut packed, mut direct) = (u64::MAX, u64::MAX, u64::MAX);
    for _ in 0..ROUNDS {
        packing = packing.min(timed(|| scratch.repack(&team, &values, k, n, Layout::KxN)));
        packed = packed.min(timed(|| gemm(&team, &a, m, &scratch, None, &mut c)));
        direct = direct.min(timed(|| gemm_unpacked(&team, Strategy::Direct, &a, m, b, &mut scratch, &mut c)));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 nanoseconds")]
    let [packing, packed, direct] = [packing, packed, direct].map(|nanoseconds| nanoseconds as f64);
    Ok(Crossover::of_times(m, packing, packed, direct))
}

fn timed(work: impl FnOnce()) -> u64 {
    let start = clock::thread_cpu_nanoseconds();
    work();
    clock::thread_cpu_nanoseconds() - start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_measured_once() {
        let tier = Tier::best_f32();
        let first = gemm_crossover(tier).unwrap();
        assert_eq!(gemm_crossover(tier).unwrap(), first);
    }
}

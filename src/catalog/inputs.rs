//! Inputs of benchmarks: random, seeded, never zero, never denormal; and the sizes that shapes ask for.

use super::PrepareError;
use crate::document::{Extent, Machine, Shape};
use crate::simd::Tier;
use crate::sys::Rng;
use crate::tensor::AlignedBuffer;

/// `len` numbers of magnitude 0.05 to 1, either sign.
pub(super) fn floats(len: usize, seed: u64) -> AlignedBuffer<f32> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| {
        let magnitude = rng.uniform_f32(0.05, 1.0);
        if rng.next_u64() & 1 == 0 { magnitude } else { -magnitude }
    })
}

/// `len` random bytes.
pub(super) fn bytes(len: usize, seed: u64) -> AlignedBuffer<u8> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| rng.next_u64().to_le_bytes()[7])
}

/// `len` random signed bytes.
pub(super) fn signed_bytes(len: usize, seed: u64) -> AlignedBuffer<i8> {
    let bytes = bytes(len, seed);
    AlignedBuffer::from_fn(len, |i| bytes[i].cast_signed())
}

/// `len` random words.
pub(super) fn words(len: usize, seed: u64) -> AlignedBuffer<u64> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| rng.next_u64())
}

/// The counts of a shape of exactly `N` axes; `None` with another number of axes, with a zero, or with more than
/// 2^36 elements, which no memory holds together with their reference.
pub(super) fn counts<const N: usize>(shape: &Shape) -> Option<[usize; N]> {
    counts_below(shape, 1 << 36)
}

/// As [`counts`], with at most so large a product: for shapes whose axes are not all of one array.
pub(super) fn counts_below<const N: usize>(shape: &Shape, most: usize) -> Option<[usize; N]> {
    let counts = shape.0.iter().map(|extent| match extent {
        Extent::Count(count) if *count > 0 => Some(*count),
        Extent::Count(_) | Extent::Mixed => None,
    });
    let counts: [usize; N] = counts.collect::<Option<Vec<_>>>()?.try_into().ok()?;
    counts.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).filter(|&n| n <= most)?;
    Some(counts)
}

/// The counts of a case's shape, where its benchmark accepts it and this machine holds `bytes(counts)`.
pub(super) fn fitting_counts<const N: usize>(
    shape: &Shape,
    machine: &Machine,
    bytes: impl Fn([usize; N]) -> usize,
) -> Result<[usize; N], PrepareError> {
    let Some(counts) = counts(shape) else {
        return Err(PrepareError::Failed(format!("{shape} is not a shape of {N} counts above zero")));
    };
    fits(shape, machine, bytes(counts))?;
    Ok(counts)
}

/// Whether this machine holds so many bytes.
pub(super) fn fits(shape: &Shape, machine: &Machine, needed: usize) -> Result<(), PrepareError> {
    let limits = [machine.limits.memory_limit_bytes, machine.memory.total_bytes];
    let held = limits.into_iter().flatten().min();
    match held.filter(|&held| needed as u64 > held) {
        Some(held) => Err(PrepareError::Unavailable(format!(
            "{shape} needs {needed} bytes, more than the {held} of this machine or its limit"
        ))),
        None => Ok(()),
    }
}

/// Our tier of a case, where this CPU has it.
pub(super) fn tier(case: &crate::document::Case) -> Result<Tier, PrepareError> {
    match case.tier.ours() {
        Some(tier) if tier.is_available() => Ok(tier),
        Some(tier) => Err(crate::simd::TierUnavailable(tier).into()),
        None => Err(PrepareError::Failed(format!("{case} names a peer, which is no implementation of ours"))),
    }
}

/// What a case without such an implementation gets as its answer.
pub(super) fn no_such_implementation(case: &crate::document::Case) -> PrepareError {
    PrepareError::Failed(format!("{} has no implementation {}", case.benchmark, case.implementation))
}

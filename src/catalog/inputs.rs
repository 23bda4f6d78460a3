//! Inputs of benchmarks: random, seeded, never zero, never denormal.

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
#[allow(dead_code, reason = "the families that take them follow")]
pub(super) fn bytes(len: usize, seed: u64) -> AlignedBuffer<u8> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| rng.next_u64().to_le_bytes()[7])
}

/// `len` random words.
#[allow(dead_code, reason = "the families that take them follow")]
pub(super) fn words(len: usize, seed: u64) -> AlignedBuffer<u64> {
    let mut rng = Rng::new(seed);
    AlignedBuffer::from_fn(len, |_| rng.next_u64())
}

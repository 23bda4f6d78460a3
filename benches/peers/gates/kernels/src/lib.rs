//! The kernels that every gate judges, and the slowdown stamped into a program.
//!
//! Base and candidate are copies of one compiled program. They differ in the ten characters of the stamp and in nothing
//! else, so a gate judges the amount of work and never another layout of the code.

use std::hint::black_box;
use std::sync::LazyLock;

/// The dependent steps of one `spin` call: about 0.3 ms on a core of 4 GHz.
const SPIN_STEPS: u64 = 240_000;

/// The bytes that one `stream` call reads: more than the last-level caches of most machines hold.
const STREAM_BYTES: usize = 64 << 20;

/// The buffer is longer than what is read, so that a slowdown changes how far the reading goes and not the allocation.
const BUFFER_BYTES: usize = STREAM_BYTES / 2 * 3;

/// One buffer for all calls of a process. Where both arms live in one process, as under zenbench, a buffer for each would
/// lay them on different pages of memory, and that alone makes one of them slower.
static BUFFER: LazyLock<Vec<u64>> = LazyLock::new(|| random_words(BUFFER_BYTES / size_of::<u64>()));

/// A label to be found by, and a signed count of millionths that `stamp.py` overwrites in a copy of the program.
///
/// The label must stand in no other constant of the program, since the script insists on finding it once.
static STAMP: [u8; 29] = *b"GATES-SLOWDOWN-PPM=+000000000";

/// What follows the label.
const STAMP_DIGITS: std::ops::Range<usize> = 19..29;

/// The share of work that this copy of the program does on top: 0.02 is 2 % more.
///
/// # Panics
/// If somebody stamped anything but a sign and nine digits, or a slowdown that the buffer has no room for.
pub fn slowdown() -> f64 {
    // Without the black box the compiler would read the stamp at build time.
    let digits = &black_box(&STAMP)[STAMP_DIGITS];
    let millionths: i32 = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("the stamp holds a sign and nine digits");
    let share = f64::from(millionths) / 1e6;
    assert!(share.abs() <= 0.5, "a slowdown of {share} is outside -0.5 to 0.5");
    share
}

/// Something to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A chain of integer steps, each waiting for the one before: bound by the core's clock alone.
    Spin,
    /// A sum over a buffer that the caches do not hold: bound by memory.
    Stream,
}

impl Kernel {
    /// Every kernel.
    pub const ALL: [Self; 2] = [Self::Spin, Self::Stream];

    /// The name by which the peers know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Stream => "stream",
        }
    }

    /// The name by which perfkit knows it. The slowdown is not part of it, for base and candidate are one case.
    pub fn case(self) -> &'static str {
        match self {
            Self::Spin => "gates/spin-u64/chain@baseline/1/t1",
            Self::Stream => "gates/stream-u8/sum@baseline/67108864/t1",
        }
    }

    /// Makes ready one call of this kernel with a share of extra work. The first time, memory is allocated and touched.
    pub fn prepare(self, slowdown: f64) -> Box<dyn FnMut() -> u64 + Send> {
        match self {
            Self::Spin => {
                let steps = scaled(SPIN_STEPS, slowdown);
                Box::new(move || spin(black_box(steps)))
            }
            Self::Stream => {
                let read = scaled((STREAM_BYTES / size_of::<u64>()) as u64, slowdown) as usize;
                let words = &BUFFER[..read];
                Box::new(move || sum(black_box(words)))
            }
        }
    }
}

fn scaled(work: u64, slowdown: f64) -> u64 {
    (work as f64 * (1.0 + slowdown)).round() as u64
}

/// The exclusive-or between the multiplications keeps a compiler from folding several steps into one.
#[inline(never)]
fn spin(steps: u64) -> u64 {
    (0..steps).fold(1, |state: u64, _| (state ^ (state >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Eight bytes at a time, because a sum of single bytes would be bound by the core.
#[inline(never)]
fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Neither zeros, which some memory systems fold, nor a pattern.
fn random_words(count: usize) -> Vec<u64> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
    .take(count)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unstamped_program_adds_no_work() {
        assert_eq!(slowdown(), 0.0);
    }

    #[test]
    fn work_grows_by_the_slowdown() {
        assert_eq!(scaled(SPIN_STEPS, 0.01), 242_400);
        assert_eq!(scaled(SPIN_STEPS, -0.02), 235_200);
    }

    #[test]
    fn every_kernel_computes_the_same_twice() {
        for kernel in Kernel::ALL {
            let mut call = kernel.prepare(0.05);
            assert_eq!(call(), call(), "{kernel:?}");
        }
    }
}

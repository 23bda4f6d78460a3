//! A chain of dependent one-cycle instructions: its time counts the cycles of the core.
//!
//! Each step is an exclusive or and an addition, each of which waits for the one before and takes one cycle on every
//! processor with a 64-bit integer unit (uops.info; Arm's optimisation guides): two cycles a step. Neither operation
//! distributes over the other and the operands are known at run time only, so that a compiler can shorten nothing, and
//! they lie in registers: some cores add small immediates while they rename, at no cycle at all. Multiplications would
//! do as well but take three or four cycles, by processor.

/// Cycles of latency in one step.
pub const CYCLES_PER_STEP: usize = 2;

/// Steps that stand in line without a branch; the loop around them runs beside the chain.
const UNROLLED: usize = 32;

/// Runs `steps` steps (rounded up to a multiple of 32) from `seed`.
#[inline(never)]
#[must_use]
pub fn chain(seed: u64, steps: usize, xor: u64, add: u64) -> u64 {
    let mut value = seed;
    for _ in 0..steps.div_ceil(UNROLLED) {
        for _ in 0..UNROLLED {
            value = (value ^ xor).wrapping_add(add);
        }
    }
    value
}

/// The cycles that [`chain`] takes for so many steps.
#[must_use]
pub const fn cycles(steps: usize) -> usize {
    steps.div_ceil(UNROLLED) * UNROLLED * CYCLES_PER_STEP
}

/// The same answer bit by bit: a ripple-carry adder for each step, written for its plainness.
#[must_use]
pub fn reference_chain(seed: u64, steps: usize, xor: u64, add: u64) -> u64 {
    let mut value = seed;
    for _ in 0..steps.div_ceil(UNROLLED) * UNROLLED {
        let (a, b) = (value ^ xor, add);
        let (mut sum, mut carry) = (a ^ b, a & b);
        while carry != 0 {
            let shifted = carry << 1;
            (sum, carry) = (sum ^ shifted, sum & shifted);
        }
        value = sum;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_what_its_steps_say() {
        for steps in [0, 1, 31, 32, 33, 1000] {
            let inputs = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x9e37_79b9_7f4a_7c15);
            let got = chain(inputs.0, steps, inputs.1, inputs.2);
            assert_eq!(got, reference_chain(inputs.0, steps, inputs.1, inputs.2), "{steps}");
        }
        assert_eq!(cycles(33), 128);
    }
}

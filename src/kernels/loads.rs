//! Loads with next to no arithmetic, in several orders: what the roofs of reading are measured with.
//!
//! Whole lines are folded by exclusive or, two vectors an operation where the tier can: a core starts as many loads a
//! cycle as it starts vector operations, so that one operation for each load leaves none for the loop itself. At the end
//! of each pass its folds are added to totals, which tell how many passes there were.

use std::hint::black_box;

use crate::simd::{Gauge, GaugeOp, Tier, TierUnavailable, dispatch_gauge};

/// Elements of a line of 64 bytes.
pub const LINE: usize = 16;

/// Sums that every kernel here leaves: one for each lane of the widest tier, an element of a line each.
pub const SUMS: usize = LINE;

/// Vectors that folds are kept in. A multiple of the vectors of a line on every tier, so that each always holds the same
/// elements of lines.
const FOLDS: usize = 8;

/// Folds by exclusive or the elements `i` of `data` with the same `i % 16`, and adds the folds to the sums, `repeats`
/// times, front to back.
pub fn read(tier: Tier, data: &[i32], repeats: usize, sums: &mut [i32; SUMS]) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Read { data, repeats, sums })
}

/// As [`read`], whole lines of 64 bytes, every `stride`-th of them and then those beside, until all were read.
pub fn strided(
    tier: Tier,
    data: &[i32],
    stride: usize,
    repeats: usize,
    sums: &mut [i32; SUMS],
) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Strided { data, stride: stride.max(1), repeats, sums })
}

/// As [`read`], the whole lines of 64 bytes that `order` names, in its order.
///
/// # Panics
/// When `order` names a line that `data` does not have.
pub fn ordered(
    tier: Tier,
    data: &[i32],
    order: &[u32],
    repeats: usize,
    sums: &mut [i32; SUMS],
) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Ordered { data, order, repeats, sums })
}

/// The sums of [`read`], of [`strided`] and, where the order names every line once, of [`ordered`], by the plain loop.
#[must_use]
pub fn reference_read(data: &[i32], repeats: usize) -> [i32; SUMS] {
    let mut folds = [0_i32; SUMS];
    for chunk in data.chunks(SUMS) {
        for (fold, &x) in folds.iter_mut().zip(chunk) {
            *fold ^= x;
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "sums wrap at 32 bits")]
    let repeats = repeats as i32;
    folds.map(|fold| fold.wrapping_mul(repeats))
}

/// Adds `data[order[i]]` to sum `i % 16`, `repeats` times, by the tier's gathered loads. Exact where the numbers are
/// multiples of 1/256 below one.
///
/// # Panics
/// When `data` is empty and `order` is not.
pub fn gather(
    tier: Tier,
    data: &[f32],
    order: &[i32],
    repeats: usize,
    sums: &mut [f64; SUMS],
) -> Result<(), TierUnavailable> {
    dispatch_gauge(tier, Gather { data, order, repeats, sums })
}

/// The sums of [`gather`] by the plain loop.
///
/// # Panics
/// When an index lies outside of `data`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "repeats are far below 2^52")]
pub fn reference_gather(data: &[f32], order: &[i32], repeats: usize) -> [f64; SUMS] {
    let mut sums = [0.0; SUMS];
    for (i, &at) in order.iter().enumerate() {
        sums[i % SUMS] += f64::from(data[at.cast_unsigned() as usize]);
    }
    sums.map(|sum| sum * repeats as f64)
}

/// Folds of the current pass and totals of those before.
struct Folds<S: Gauge> {
    current: [S::I32; FOLDS],
    /// One for each vector of a line; at most four are used.
    totals: [S::I32; 4],
}

impl<S: Gauge> Folds<S> {
    /// Vectors of a line.
    const VECTORS: usize = LINE / S::LANES;

    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_i32(0);
        Self { current: [zero; FOLDS], totals: [zero; 4] }
    }

    /// Takes a line into the folds for line `k` of a step, a constant: folds that are chosen while running would have to
    /// lie in memory.
    #[inline(always)]
    fn line(&mut self, simd: S, k: usize, line: &[i32; LINE]) {
        for vector in 0..Self::VECTORS {
            let fold = &mut self.current[(k * Self::VECTORS + vector) % FOLDS];
            *fold = simd.xor_i32(*fold, simd.load_i32(&line[vector * S::LANES..]));
        }
    }

    /// Ends a pass: its folds, and those of what stood behind the last whole step, become part of the totals.
    #[inline(always)]
    fn end_pass(&mut self, simd: S, rest: &[i32]) {
        let mut folds = [simd.splat_i32(0); 4];
        for (i, &fold) in self.current.iter().enumerate() {
            let vector = i % Self::VECTORS;
            folds[vector] = simd.xor_i32(folds[vector], fold);
        }
        for line in rest.chunks(LINE) {
            let mut whole = [0; LINE];
            whole[..line.len()].copy_from_slice(line);
            for (vector, fold) in folds.iter_mut().enumerate().take(Self::VECTORS) {
                *fold = simd.xor_i32(*fold, simd.load_i32(&whole[vector * S::LANES..]));
            }
        }
        for (total, fold) in self.totals.iter_mut().zip(folds).take(Self::VECTORS) {
            *total = simd.add_i32(*total, fold);
        }
        self.current = [simd.splat_i32(0); FOLDS];
    }

    #[inline(always)]
    fn store(self, simd: S, sums: &mut [i32; SUMS]) {
        for (total, sums) in self.totals.into_iter().zip(sums.chunks_exact_mut(S::LANES)) {
            simd.store_i32(total, sums);
        }
    }
}

struct Read<'a> {
    data: &'a [i32],
    repeats: usize,
    sums: &'a mut [i32; SUMS],
}

impl GaugeOp for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Gauge>(self, simd: S) {
        let mut folds = Folds::<S>::new(simd);
        for _ in 0..self.repeats {
            // A step takes two vectors into each fold, which is one operation where the tier has one of three operands.
            let mut steps = black_box(self.data).chunks_exact(2 * FOLDS * S::LANES);
            for step in &mut steps {
                for (i, fold) in folds.current.iter_mut().enumerate() {
                    let near = simd.load_i32(&step[i * S::LANES..]);
                    let far = simd.load_i32(&step[(FOLDS + i) * S::LANES..]);
                    *fold = simd.xor_i32(*fold, simd.xor_i32(near, far));
                }
            }
            folds.end_pass(simd, steps.remainder());
        }
        folds.store(simd, self.sums);
    }
}

struct Strided<'a> {
    data: &'a [i32],
    stride: usize,
    repeats: usize,
    sums: &'a mut [i32; SUMS],
}

impl GaugeOp for Strided<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Gauge>(self, simd: S) {
        let mut folds = Folds::<S>::new(simd);
        let (lines, rest) = self.data.as_chunks::<LINE>();
        for _ in 0..self.repeats {
            let lines = black_box(lines);
            for first in 0..self.stride.min(lines.len()) {
                let mut steps = lines[first..].chunks_exact(FOLDS * self.stride);
                for step in &mut steps {
                    for k in 0..FOLDS {
                        folds.line(simd, k, &step[k * self.stride]);
                    }
                }
                for line in steps.remainder().iter().step_by(self.stride) {
                    folds.line(simd, 0, line);
                }
            }
            folds.end_pass(simd, rest);
        }
        folds.store(simd, self.sums);
    }
}

struct Ordered<'a> {
    data: &'a [i32],
    order: &'a [u32],
    repeats: usize,
    sums: &'a mut [i32; SUMS],
}

impl GaugeOp for Ordered<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Gauge>(self, simd: S) {
        let mut folds = Folds::<S>::new(simd);
        let (lines, rest) = self.data.as_chunks::<LINE>();
        for _ in 0..self.repeats {
            let (steps, last) = black_box(self.order).as_chunks::<FOLDS>();
            for step in steps {
                for (k, &line) in step.iter().enumerate() {
                    folds.line(simd, k, &lines[line as usize]);
                }
            }
            for (k, &line) in last.iter().enumerate() {
                folds.line(simd, k, &lines[line as usize]);
            }
            folds.end_pass(simd, rest);
        }
        folds.store(simd, self.sums);
    }
}

/// Indices after which sums of single precision are added to those of double precision: 4096 numbers below one that are
/// multiples of 1/256 have a sum of 20 bits.
const EXACT: usize = 4096;

struct Gather<'a> {
    data: &'a [f32],
    order: &'a [i32],
    repeats: usize,
    sums: &'a mut [f64; SUMS],
}

impl GaugeOp for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<S: Gauge>(self, simd: S) {
        self.sums.fill(0.0);
        for _ in 0..self.repeats {
            for block in black_box(self.order).chunks(EXACT) {
                let mut sums = [simd.zero(); FOLDS];
                let mut steps = block.chunks_exact(FOLDS * S::LANES);
                for step in &mut steps {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = simd.load_i32(&step[i * S::LANES..]);
                        *sum = simd.add(*sum, simd.gather(self.data, at));
                    }
                }
                for (i, sum) in sums.into_iter().enumerate() {
                    let mut lanes = [0.0; SUMS];
                    simd.store(sum, &mut lanes);
                    for (lane, &x) in lanes[..S::LANES].iter().enumerate() {
                        self.sums[(i * S::LANES + lane) % SUMS] += f64::from(x);
                    }
                }
                for (i, &at) in steps.remainder().iter().enumerate() {
                    self.sums[i % SUMS] += f64::from(self.data[at.cast_unsigned() as usize]);
                }
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "random bits, small indices")]
mod tests {
    use super::*;
    use crate::sys::Rng;
    use crate::tensor::AlignedBuffer;

    const LENGTHS: [usize; 10] = [0, 1, 15, 16, 17, 127, 255, 256, 257, 3000];

    fn integers(len: usize) -> AlignedBuffer<i32> {
        let mut rng = Rng::new(len as u64 + 1);
        AlignedBuffer::from_fn(len, |_| rng.next_u64() as i32)
    }

    #[test]
    fn every_tier_reads_every_element_as_often_as_told() {
        for len in LENGTHS {
            let data = integers(len);
            for tier in Tier::available() {
                for repeats in [0, 1, 2, 3] {
                    let mut sums = [7; SUMS];
                    read(tier, &data, repeats, &mut sums).unwrap();
                    assert_eq!(sums, reference_read(&data, repeats), "{tier} {len} {repeats}");
                    for stride in [1, 2, 3, 16, 1000] {
                        sums.fill(7);
                        strided(tier, &data, stride, repeats, &mut sums).unwrap();
                        let case = format!("{tier} {len} {repeats} by {stride}");
                        assert_eq!(sums, reference_read(&data, repeats), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_tier_reads_the_lines_of_an_order() {
        for lines in [0, 1, 7, 8, 9, 100_u32] {
            let data = integers(lines as usize * LINE);
            let mut order: Vec<u32> = (0..lines).collect();
            Rng::new(3).shuffle(&mut order);
            for tier in Tier::available() {
                let mut sums = [7; SUMS];
                ordered(tier, &data, &order, 3, &mut sums).unwrap();
                assert_eq!(sums, reference_read(&data, 3), "{tier} {lines} lines");
            }
        }
    }

    #[test]
    fn a_line_that_is_left_out_is_noticed() {
        let data = integers(64);
        let mut sums = [0; SUMS];
        ordered(Tier::Baseline, &data, &[0, 1, 2], 1, &mut sums).unwrap();
        assert_ne!(sums, reference_read(&data, 1));
    }

    #[test]
    fn every_tier_gathers_exactly() {
        let mut rng = Rng::new(9);
        let data = AlignedBuffer::from_fn(5000, |_| (rng.next_u64() % 256) as f32 / 256.0 - 0.5);
        for len in [0, 1, 15, 16, 129, 4095, 4096, 4097, 9000] {
            let order: Vec<i32> = (0..len).map(|_| (rng.next_u64() % 5000) as i32).collect();
            for tier in Tier::available() {
                let mut sums = [7.0; SUMS];
                gather(tier, &data, &order, 2, &mut sums).unwrap();
                assert_eq!(sums, reference_gather(&data, &order, 2), "{tier} {len}");
            }
        }
    }
}

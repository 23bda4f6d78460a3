//! One square product by each strategy in turn, for the search that learns where they pay.

use super::{Layout, PackedMatrix, Unpacked, inputs, matmul};
use crate::kernels::matmul::{Crossover, Strategy};
use crate::simd::{Tier, TierUnavailable};
use crate::sys::Team;
use crate::tensor::AlignedBuffer;

/// How to multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight from both operands, on one thread.
    Direct,
    /// Packing the right operand on the way, on one thread.
    Packing,
    /// From an operand packed before, on one thread.
    Packed,
    /// The same on every thread, however small it is.
    Parallel,
    /// As the kernels choose, on as many threads as they choose.
    Chosen,
}

/// A square product with its operands.
pub struct StrategyTrial {
    size: usize,
    tier: Tier,
    team: Team,
    operands: [AlignedBuffer<f32>; 2],
    answer: AlignedBuffer<f32>,
    packed: PackedMatrix,
    scratch: PackedMatrix,
}

impl StrategyTrial {
    /// A product of `size` rows and columns; `team` are all threads.
    ///
    /// # Errors
    /// This CPU lacks the tier.
    pub fn new(size: usize, tier: Tier, team: &Team, seed: u64) -> Result<Self, TierUnavailable> {
        let operands = [inputs::floats(size * size, seed), inputs::floats(size * size, seed ^ 1)];
        let packed = PackedMatrix::pack(tier, &operands[1], size, size, Layout::KxN)?;
        let (team, scratch) = (team.clone(), PackedMatrix::empty(tier)?);
        Ok(Self { size, tier, team, operands, answer: AlignedBuffer::zeroed(size * size), packed, scratch })
    }

    /// What is chosen with such crossovers, and whether threads share it.
    #[must_use]
    pub fn choice(&self, crossover: &Crossover) -> (Strategy, bool) {
        let shared = self.team.threads().get() > 1 && self.work() >= matmul::parallel_work();
        (crossover.choose(self.size, &self.unpacked()), shared)
    }

    /// Multiply-adds.
    #[must_use]
    pub const fn work(&self) -> usize {
        self.size * self.size * self.size
    }

    const fn of<'a>(size: usize, values: &'a [f32]) -> Unpacked<'a> {
        Unpacked { values, k: size, n: size, layout: Layout::KxN }
    }

    fn unpacked(&self) -> Unpacked<'_> {
        Self::of(self.size, &self.operands[1])
    }

    /// Multiplies once.
    pub fn multiply(&mut self, way: Way, crossover: &Crossover) {
        let strategy = self.choice(crossover).0;
        let Self { size, tier, team, operands: [a, b], answer, packed, scratch } = self;
        let (m, alone, right) = (*size, Team::single(), Self::of(*size, b));
        match way {
            Way::Direct => {
                // Making it tested the tier.
                let _ = matmul::gemm_direct(*tier, a, m, m, b, m, answer);
            }
            Way::Packing => matmul::gemm_unpacked(&alone, Strategy::Packing, a, m, right, scratch, answer),
            Way::Packed => matmul::gemm(&alone, a, m, packed, None, answer),
            Way::Parallel => {
                let work = matmul::parallel_work();
                matmul::set_parallel_work(0);
                matmul::gemm(team, a, m, packed, None, answer);
                matmul::set_parallel_work(work);
            }
            Way::Chosen => matmul::gemm_unpacked(team, strategy, a, m, right, scratch, answer),
        }
    }

    /// The last answer.
    #[must_use]
    pub fn answer(&self) -> &[f32] {
        &self.answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    #[test]
    fn every_way_gives_the_same_product() {
        let tier = Tier::best_f32();
        let team = Team::new(NonZeroUsize::new(2).unwrap()).unwrap();
        let never = Crossover {
            small: usize::MAX,
            aligned: usize::MAX,
            ragged: usize::MAX,
            large: usize::MAX,
            competing: usize::MAX,
        };
        for size in [8, 33, 96] {
            let mut trial = StrategyTrial::new(size, tier, &team, 3).unwrap();
            let right =
                matmul::reference_gemm(&trial.operands[0], size, size, &trial.operands[1], size, None);
            for way in [Way::Direct, Way::Packing, Way::Packed, Way::Parallel, Way::Chosen] {
                trial.answer.fill(f32::NAN);
                trial.multiply(way, &never);
                let apart = trial.answer().iter().zip(&right).map(|(a, b)| (f64::from(*a) - b).abs());
                let worst = apart.fold(0.0, f64::max);
                assert!(worst < 1e-3, "{size} {way:?}: {worst}");
            }
            assert_eq!(trial.choice(&never).0, Strategy::Direct);
            assert_eq!(
                trial.choice(&Crossover { small: 0, aligned: 0, ragged: 0, large: 0, competing: 0 }).0,
                Strategy::Packing
            );
        }
    }
}

//! How many of a vector's nearest neighbours a similarity of low rank still finds: what a mixture of so many components of such a
//! width can tell apart at most before its gates add anything.
//!
//! Vectors of unit length are turned to their own principal directions, and component `i` is the `i`-th group of so many of them,
//! the strongest first. The score of two vectors is the sum of the dot products of their components of the same number, which
//! is the dot product of rank `min(P_Q, P_X) d` that keeps the most of them. A network is not trained here.

use crate::kernels::matmul::{Layout, PackedMatrix, gemm};
use crate::kernels::normalize;
use crate::kernels::similarity::{Best, best_by_sorting, dot_rows};
use crate::simd::{Tier, TierUnavailable};
use crate::sys::{Rng, Team};

/// Rounds of the iteration for the principal directions: their order among near equals does not matter here.
const ROUNDS: usize = 12;

/// Vectors turned to their principal directions.
#[derive(Debug, Clone)]
pub struct LowRank {
    tier: Tier,
    unit: Vec<f32>,
    dimensions: usize,
    /// A row a vector, a column a direction, the strongest first.
    turned: Vec<f32>,
    rank: usize,
}

impl LowRank {
    /// Finds the `rank` strongest directions of the vectors, at most as many as they have dimensions.
    ///
    /// # Errors
    /// This CPU lacks the tier.
    ///
    /// # Panics
    /// When `vectors` is not whole vectors of `dimensions` numbers.
    pub fn of(
        tier: Tier,
        vectors: &[f32],
        dimensions: usize,
        rank: usize,
        seed: u64,
    ) -> Result<Self, TierUnavailable> {
        let mut unit = vectors.to_vec();
        normalize::l2(tier, &mut unit, dimensions)?;
        let rank = rank.min(dimensions);
        let rows = unit.len().checked_div(dimensions).unwrap_or(0);
        let team = Team::single();
        let turned_right = PackedMatrix::pack(tier, &unit, rows, dimensions, Layout::KxN)?;
        let mut rng = Rng::new(seed);
        // A row a direction.
        #[expect(clippy::cast_possible_truncation, reason = "a start by chance")]
        let mut directions: Vec<f32> = (0..rank * dimensions).map(|_| rng.normal() as f32).collect();
        orthonormalise(&mut directions, dimensions);
        let (mut onto, mut back) = (vec![0.0; rank * rows], vec![0.0; rank * dimensions]);
        let across = PackedMatrix::pack(tier, &unit, dimensions, rows, Layout::NxK)?;
        for _ in 0..ROUNDS {
            gemm(&team, &directions, rank, &across, None, &mut onto);
            gemm(&team, &onto, rank, &turned_right, None, &mut back);
            directions.copy_from_slice(&back);
            orthonormalise(&mut directions, dimensions);
        }
        let directions = PackedMatrix::pack(tier, &directions, dimensions, rank, Layout::NxK)?;
        let mut turned = vec![0.0; rows * rank];
        gemm(&team, &unit, rows, &directions, None, &mut turned);
        Ok(Self { tier, unit, dimensions, turned, rank })
    }

    /// The share of the `depth` nearest neighbours in all dimensions that a search in the `rank` strongest finds, over at most
    /// `queries` of the vectors, each a query against all others; `None` where there are no more vectors than that.
    ///
    /// # Errors
    /// This CPU lacks the tier.
    pub fn recall(&self, rank: usize, depth: usize, queries: usize) -> Result<Option<f64>, TierUnavailable> {
        let rank = rank.clamp(1, self.rank.max(1));
        let count = self.unit.len().checked_div(self.dimensions).unwrap_or(0);
        if count <= depth || depth == 0 || queries == 0 {
            return Ok(None);
        }
        let kept: Vec<f32> =
            self.turned.chunks_exact(self.rank).flat_map(|row| row[..rank].iter().copied()).collect();
        let (mut exact, mut coarse) = (vec![0.0; count], vec![0.0; count]);
        let step = count.div_ceil(queries);
        let (mut found, mut asked) = (0, 0);
        for query in (0..count).step_by(step) {
            let vector = &self.unit[query * self.dimensions..][..self.dimensions];
            dot_rows(self.tier, vector, &self.unit, &mut exact)?;
            dot_rows(self.tier, &kept[query * rank..][..rank], &kept, &mut coarse)?;
            let right = nearest(&mut exact, query, depth);
            found += nearest(&mut coarse, query, depth).iter().filter(|row| right.contains(row)).count();
            asked += depth;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of neighbours")]
        Ok(Some(found as f64 / asked as f64))
    }
}

/// The rows with the best scores but the query's own.
fn nearest(scores: &mut [f32], query: usize, count: usize) -> Vec<usize> {
    // What is not a number is no neighbour.
    scores[query] = f32::NAN;
    best_by_sorting(scores, count, Best::Largest).iter().map(|hit| hit.row).collect()
}

/// Rows of unit length, each orthogonal to those before it (Gram and Schmidt, twice: once loses digits); a row that lies within
/// the others becomes zero.
fn orthonormalise(rows: &mut [f32], width: usize) {
    for own in 0..rows.len().checked_div(width).unwrap_or(0) {
        let (before, rest) = rows.split_at_mut(own * width);
        let row = &mut rest[..width];
        let began = length(row);
        for _ in 0..2 {
            for other in before.chunks_exact(width) {
                let along: f32 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let left = length(row);
        let factor = if left > 1e-6 * began { 1.0 / left } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

fn length(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of `dimensions` numbers that vary along three of them, and hardly along the others.
    fn flat(count: usize, dimensions: usize) -> Vec<f32> {
        let mut rng = Rng::new(3);
        let mut vectors = Vec::new();
        for _ in 0..count {
            for dimension in 0..dimensions {
                let spread = if dimension % 7 == 1 { 1.0 } else { 1e-4 };
                vectors.push(spread * rng.uniform_f32(-1.0, 1.0));
            }
        }
        vectors
    }

    #[test]
    fn what_the_vectors_vary_along_is_enough_and_less_is_not() {
        let tier = Tier::best_f32();
        let low = LowRank::of(tier, &flat(300, 20), 20, 20, 1).unwrap();
        let recall = |rank| low.recall(rank, 10, 100).unwrap().unwrap();
        assert!(recall(20) > 0.999, "{}", recall(20));
        assert!(recall(3) > 0.98, "{}", recall(3));
        assert!(recall(1) < 0.6, "{}", recall(1));
        assert!(recall(2) < recall(3));
    }

    #[test]
    fn too_few_vectors_say_nothing() {
        let tier = Tier::best_f32();
        for count in [0, 1, 10] {
            let low = LowRank::of(tier, &flat(count, 20), 20, 8, 1).unwrap();
            assert_eq!(low.recall(4, 10, 100).unwrap(), None, "{count}");
        }
        // Equal vectors have one direction, and zeroes none.
        assert!(LowRank::of(tier, &[1.0; 400], 20, 8, 1).unwrap().recall(8, 5, 9).unwrap().is_some());
        assert!(LowRank::of(tier, &[0.0; 400], 20, 8, 1).unwrap().recall(8, 5, 9).unwrap().is_some());
    }
}

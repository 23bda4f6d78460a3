//! How many of a vector's nearest neighbours are still found when vectors are kept in fewer bits.

use super::quantized::OutputPrecision;
use crate::kernels::normalize;
use crate::kernels::quantize::{bits_rows, int8_rows};
use crate::kernels::similarity::{Best, best_by_sorting, cosine_i8_rows, dot_rows, hamming_pairs};
use crate::simd::{Tier, TierUnavailable};

/// Depths at which neighbours are counted.
pub const DEPTHS: [usize; 3] = [1, 10, 100];
/// A search that is scored again takes so many times as many candidates by the fewer bits.
pub const CANDIDATES: usize = 4;

/// The share of the nearest neighbours in single precision that a search in fewer bits finds, over all queries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// So many nearest.
    pub depth: usize,
    /// By the fewer bits alone.
    pub share: f64,
    /// Where [`CANDIDATES`] times as many by the fewer bits are scored again: the query in single precision against what
    /// the bits stand for.
    pub rescored: f64,
}

/// What a precision finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recall {
    /// The precision.
    pub precision: OutputPrecision,
    /// By depth; depths that the texts are too few for are left out.
    pub found: Vec<Found>,
    /// Texts, each of them a query against all others.
    pub texts: usize,
    /// Bytes of a vector's numbers.
    pub vector_bytes: usize,
}

/// Searches for every vector among all others, in single precision by the cosine and in the other one by its own measure.
///
/// # Errors
/// This CPU lacks the tier.
///
/// # Panics
/// When `vectors` is not whole vectors of `dimensions` numbers.
pub fn recall(
    tier: Tier,
    vectors: &[f32],
    dimensions: usize,
    precision: OutputPrecision,
) -> Result<Recall, TierUnavailable> {
    let mut unit = vectors.to_vec();
    normalize::l2(tier, &mut unit, dimensions)?;
    let index = Index::new(tier, &unit, dimensions, precision)?;
    let texts = vectors.len().checked_div(dimensions).unwrap_or(0);
    let depths: Vec<usize> = DEPTHS.into_iter().filter(|&depth| depth < texts).collect();
    let deepest = depths.last().copied().unwrap_or(0);
    let mut sums = vec![(0, 0); depths.len()];
    let (mut exact, mut coarse) = (vec![0.0; texts], vec![0.0; texts]);
    for (query, vector) in unit.chunks_exact(dimensions.max(1)).enumerate() {
        dot_rows(tier, vector, &unit, &mut exact)?;
        index.scores(tier, query, &mut coarse)?;
        let right = nearest(&mut exact, query, deepest);
        let candidates = nearest(&mut coarse, query, CANDIDATES * deepest);
        for (&depth, (found, rescored)) in depths.iter().zip(&mut sums) {
            let right = &right[..depth];
            *found += common(right, &candidates[..depth.min(candidates.len())]);
            let candidates = &candidates[..(CANDIDATES * depth).min(candidates.len())];
            *rescored += common(right, &index.rescored(vector, candidates, depth));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of neighbours")]
    let share = |count: usize, depth: usize| count as f64 / (texts * depth) as f64;
    let found = depths.iter().zip(sums).map(|(&depth, (found, rescored))| Found {
        depth,
        share: share(found, depth),
        rescored: share(rescored, depth),
    });
    Ok(Recall { precision, found: found.collect(), texts, vector_bytes: precision.vector_bytes(dimensions) })
}

/// The rows with the best scores but the query's own, best first.
fn nearest(scores: &mut [f32], query: usize, count: usize) -> Vec<usize> {
    // What is not a number is no neighbour.
    scores[query] = f32::NAN;
    best_by_sorting(scores, count, Best::Largest).iter().map(|hit| hit.row).collect()
}

fn common(right: &[usize], found: &[usize]) -> usize {
    found.iter().filter(|row| right.contains(row)).count()
}

/// All vectors as they are kept.
enum Index<'a> {
    F32 { vectors: &'a [f32], dimensions: usize },
    Int8 { bytes: Vec<i8>, dimensions: usize },
    Binary { words: Vec<u64>, dimensions: usize },
}

impl<'a> Index<'a> {
    fn new(
        tier: Tier,
        vectors: &'a [f32],
        dimensions: usize,
        precision: OutputPrecision,
    ) -> Result<Self, TierUnavailable> {
        let rows = vectors.len().checked_div(dimensions).unwrap_or(0);
        match precision {
            OutputPrecision::F32 => Ok(Self::F32 { vectors, dimensions }),
            OutputPrecision::Int8 => {
                let (mut bytes, mut scales) = (vec![0; vectors.len()], vec![0.0; rows]);
                int8_rows(tier, vectors, dimensions, &mut bytes, &mut scales)?;
                Ok(Self::Int8 { bytes, dimensions })
            }
            OutputPrecision::Binary => {
                let mut words = vec![0; rows * dimensions.div_ceil(64)];
                bits_rows(tier, vectors, dimensions, &mut words)?;
                Ok(Self::Binary { words, dimensions })
            }
        }
    }

    /// The score of a row with every row, the larger the nearer.
    fn scores(&self, tier: Tier, query: usize, out: &mut [f32]) -> Result<(), TierUnavailable> {
        match self {
            Self::F32 { vectors, dimensions } => {
                dot_rows(tier, &vectors[query * dimensions..][..*dimensions], vectors, out)
            }
            Self::Int8 { bytes, dimensions } => {
                cosine_i8_rows(tier, &bytes[query * dimensions..][..*dimensions], bytes, out)
            }
            Self::Binary { words, dimensions } => {
                let width = dimensions.div_ceil(64);
                let mut distances = vec![0; out.len()];
                hamming_pairs(tier, &words[query * width..][..width], words, width, &mut distances)?;
                #[expect(clippy::cast_precision_loss, reason = "a distance is at most a vector's length")]
                out.iter_mut().zip(distances).for_each(|(out, distance)| *out = -(distance as f32));
                Ok(())
            }
        }
    }

    /// The best `count` of the candidates by the cosine of the query in single precision with what is kept.
    fn rescored(&self, query: &[f32], candidates: &[usize], count: usize) -> Vec<usize> {
        let score = |&row: &usize| -> f64 {
            let (mut dot, mut square) = (0.0, 0.0);
            for (column, &x) in query.iter().enumerate() {
                let kept = self.number(row, column);
                dot += f64::from(x) * kept;
                square += kept * kept;
            }
            if square > 0.0 { dot / square.sqrt() } else { 0.0 }
        };
        let scores: Vec<f64> = candidates.iter().map(score).collect();
        best_by_sorting(&scores, count, Best::Largest).iter().map(|hit| candidates[hit.row]).collect()
    }

    /// What a place of a row stands for, up to the row's scale.
    fn number(&self, row: usize, column: usize) -> f64 {
        match self {
            Self::F32 { vectors, dimensions } => f64::from(vectors[row * dimensions + column]),
            Self::Int8 { bytes, dimensions } => f64::from(bytes[row * dimensions + column]),
            Self::Binary { words, dimensions } => {
                let word = words[row * dimensions.div_ceil(64) + column / 64];
                if word >> (column % 64) & 1 == 1 { 1.0 } else { -1.0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;

    const DIMENSIONS: usize = 100;

    /// Vectors about a few centres, as texts of a few subjects have.
    fn vectors(count: usize) -> Vec<f32> {
        let mut rng = Rng::new(5);
        let centres: Vec<f32> = (0..8 * DIMENSIONS).map(|_| rng.uniform_f32(-1.0, 1.0)).collect();
        (0..count)
            .flat_map(|i| centres[i % 8 * DIMENSIONS..][..DIMENSIONS].to_vec())
            .map(|x| x + rng.uniform_f32(-0.7, 0.7))
            .collect()
    }

    /// Recall at a depth, counted pair by pair with loops of its own.
    fn counted(vectors: &[f32], depth: usize, code: impl Fn(&[f32]) -> Vec<f64>) -> f64 {
        let rows: Vec<Vec<f64>> =
            vectors.chunks_exact(DIMENSIONS).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
        let codes: Vec<Vec<f64>> = vectors.chunks_exact(DIMENSIONS).map(code).collect();
        let cosine = |a: &[f64], b: &[f64]| {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let top = |all: &[Vec<f64>], query: usize| {
            let mut others: Vec<usize> = (0..all.len()).filter(|&row| row != query).collect();
            others.sort_by(|&a, &b| {
                cosine(&all[query], &all[b]).total_cmp(&cosine(&all[query], &all[a])).then(a.cmp(&b))
            });
            others.truncate(depth);
            others
        };
        let hits: usize = (0..rows.len())
            .map(|query| {
                let right = top(&rows, query);
                top(&codes, query).iter().filter(|row| right.contains(row)).count()
            })
            .sum();
        hits as f64 / (rows.len() * depth) as f64
    }

    #[test]
    fn shares_are_those_of_a_search_pair_by_pair() {
        let vectors = vectors(130);
        let bytes = |row: &[f32]| {
            let top = row.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
            row.iter().map(|x| f64::from((x / top * 127.0).round())).collect()
        };
        let signs = |row: &[f32]| row.iter().map(|&x| if x > 0.0 { 1.0 } else { -1.0 }).collect();
        let int8 = recall(Tier::Baseline, &vectors, DIMENSIONS, OutputPrecision::Int8).unwrap();
        let binary = recall(Tier::Baseline, &vectors, DIMENSIONS, OutputPrecision::Binary).unwrap();
        for (at, depth) in [1, 10, 100].into_iter().enumerate() {
            assert_eq!((int8.found[at].depth, binary.found[at].depth), (depth, depth));
            // A tie or a rounding at the edge may fall the other way.
            let near = |got: f64, want: f64| (got - want).abs() < 0.004;
            assert!(near(int8.found[at].share, counted(&vectors, depth, bytes)), "{depth}: {int8:?}");
            assert!(near(binary.found[at].share, counted(&vectors, depth, signs)), "{depth}: {binary:?}");
        }
        assert_eq!((int8.vector_bytes, binary.vector_bytes, int8.texts), (100, 13, 130));
    }

    #[test]
    fn fewer_bits_find_less_and_scoring_again_finds_more() {
        let vectors = vectors(200);
        let of = |precision| recall(Tier::best_f32(), &vectors, DIMENSIONS, precision).unwrap();
        let [f32, int8, binary] =
            [OutputPrecision::F32, OutputPrecision::Int8, OutputPrecision::Binary].map(of);
        assert!(f32.found.iter().all(|found| found.share == 1.0 && found.rescored == 1.0), "{f32:?}");
        for at in 0..2 {
            assert!(int8.found[at].share > 0.95 && binary.found[at].share < int8.found[at].share);
            assert!(binary.found[at].rescored > binary.found[at].share, "{binary:?}");
        }
    }

    #[test]
    fn depths_beyond_the_texts_are_left_out() {
        for (texts, depths) in [(0, 0), (1, 0), (2, 1), (11, 2), (101, 3)] {
            let found = recall(Tier::Baseline, &vectors(texts), DIMENSIONS, OutputPrecision::Int8).unwrap();
            assert_eq!((found.found.len(), found.texts), (depths, texts));
        }
        assert!(recall(Tier::Baseline, &[], 0, OutputPrecision::Binary).unwrap().found.is_empty());
    }
}

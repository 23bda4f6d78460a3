//! The best of many scores.

use std::marker::PhantomData;

/// A row and its score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hit<T> {
    /// Which row of the table.
    pub row: usize,
    /// What it scores.
    pub score: T,
}

/// The `k` best scores with their rows, best first, by a stable sort: the reference of every search. What is not a
/// number is left out.
#[must_use]
pub fn best_by_sorting<T: Copy + PartialOrd>(scores: &[T], k: usize, best: Best) -> Vec<Hit<T>> {
    use std::cmp::Ordering;
    let mut hits: Vec<Hit<T>> =
        scores.iter().copied().enumerate().map(|(row, score)| Hit { row, score }).collect();
    hits.retain(|hit| hit.score.partial_cmp(&hit.score).is_some());
    hits.sort_by(|a, b| {
        let order = a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal);
        match best {
            Best::Largest => order.reverse(),
            Best::Smallest => order,
        }
    });
    hits.truncate(k);
    hits
}

/// The best of `scores` in `hits`, best first, one score after the other, each compared with the worst hit; how many
/// there are is returned. What is not a number is none of them.
pub fn plain_top<T: Copy + PartialOrd>(scores: &[T], best: Best, hits: &mut [Hit<T>]) -> usize {
    let better = |a: T, b: T| match best {
        Best::Largest => a > b,
        Best::Smallest => a < b,
    };
    let mut found = 0;
    for (row, &score) in scores.iter().enumerate() {
        let full = found == hits.len();
        if full && !hits.last().is_some_and(|worst| better(score, worst.score)) {
            continue;
        }
        if score.partial_cmp(&score).is_none() {
            continue;
        }
        let mut at = if full { found - 1 } else { found };
        found = at + 1;
        while at > 0 && better(score, hits[at - 1].score) {
            hits[at] = hits[at - 1];
            at -= 1;
        }
        hits[at] = Hit { row, score };
    }
    found
}

/// Which scores are best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Best {
    /// The largest.
    Largest,
    /// The smallest.
    Smallest,
}

/// Which of two scores is better.
pub(in crate::kernels) trait Order {
    /// Whether `a` is strictly better than `b`; false where one of them is not a number.
    fn better<T: PartialOrd>(a: T, b: T) -> bool;
}

/// The larger is better.
pub(in crate::kernels) struct Largest;

/// The smaller is better.
pub(super) struct Smallest;

impl Order for Largest {
    #[inline(always)]
    fn better<T: PartialOrd>(a: T, b: T) -> bool {
        a > b
    }
}

impl Order for Smallest {
    #[inline(always)]
    fn better<T: PartialOrd>(a: T, b: T) -> bool {
        a < b
    }
}

/// Rows whose scores are written before the best are looked for among them: they stay in L1.
pub(super) const ROWS_AT_ONCE: usize = 256;

/// Scores that are compared with the worst hit at once: a vector or two of every tier.
const AT_ONCE: usize = 32;

/// Collects the best of the scores that are offered, best first.
///
/// A sorted list and not a heap: after the first few rows hardly any score gets in (of n in random order k ln(n / k)),
/// and for lists as short as people ask for moving a few hits is as fast.
pub(in crate::kernels) struct Top<'a, O, T> {
    best: &'a mut [Hit<T>],
    found: usize,
    offered: usize,
    order: PhantomData<O>,
}

impl<'a, O: Order, T: Copy + PartialOrd> Top<'a, O, T> {
    #[inline(always)]
    pub(in crate::kernels) fn new(best: &'a mut [Hit<T>]) -> Self {
        Self { best, found: 0, offered: 0, order: PhantomData }
    }

    /// How many hits there are.
    #[inline(always)]
    pub(super) fn found(&self) -> usize {
        self.found
    }

    /// Offers the scores of the rows that follow those offered before.
    #[inline(always)]
    pub(in crate::kernels) fn offer(&mut self, scores: &[T]) {
        for scores in scores.chunks(AT_ONCE) {
            if self.any_gets_in(scores) {
                self.take(scores);
            }
            self.offered += scores.len();
        }
    }

    /// Whether one of the scores is better than the worst hit, or any would be taken.
    #[inline(always)]
    fn any_gets_in(&self, scores: &[T]) -> bool {
        match self.best.last() {
            Some(worst) if self.found == self.best.len() => {
                // Without an early end, so that it becomes a comparison of vectors.
                scores.iter().fold(false, |any, &score| any | O::better(score, worst.score))
            }
            Some(_) => true,
            None => false,
        }
    }

    #[cold]
    fn take(&mut self, scores: &[T]) {
        for (i, &score) in scores.iter().enumerate() {
            let full = self.found == self.best.len();
            // Most scores beside one that gets in do not.
            let misses = match self.best.last() {
                Some(worst) if full => !O::better(score, worst.score),
                Some(_) => score.partial_cmp(&score).is_none(),
                None => true,
            };
            if misses {
                continue;
            }
            let mut at = if full { self.found - 1 } else { self.found };
            self.found = at + 1;
            // Behind its equals, which stand before it in the table.
            while at > 0 && O::better(score, self.best[at - 1].score) {
                self.best[at] = self.best[at - 1];
                at -= 1;
            }
            self.best[at] = Hit { row: self.offered + i, score };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Rng;

    fn best_of<O: Order, T: Copy + PartialOrd + Default>(
        scores: &[T],
        k: usize,
        at_once: usize,
    ) -> Vec<(usize, T)> {
        let mut best = vec![Hit::default(); k];
        let mut top = Top::<O, T>::new(&mut best);
        for scores in scores.chunks(at_once) {
            top.offer(scores);
        }
        let found = top.found();
        best[..found].iter().map(|hit| (hit.row, hit.score)).collect()
    }

    #[test]
    fn the_best_are_those_of_a_stable_sort() {
        let mut rng = Rng::new(1);
        let pairs =
            |hits: Vec<Hit<i32>>| -> Vec<(usize, i32)> { hits.iter().map(|h| (h.row, h.score)).collect() };
        for len in [0, 1, 9, 10, 11, 31, 32, 33, 1000] {
            // Few values, so that many are equal.
            let scores: Vec<i32> =
                (0..len).map(|_| i32::from(rng.next_u64().to_le_bytes()[7] % 50)).collect();
            for k in [0, 1, 10, 100] {
                let smallest = pairs(best_by_sorting(&scores, k, Best::Smallest));
                let largest = pairs(best_by_sorting(&scores, k, Best::Largest));
                for (best, want) in [(Best::Smallest, &smallest), (Best::Largest, &largest)] {
                    let mut hits = vec![Hit::default(); k];
                    let found = plain_top(&scores, best, &mut hits);
                    hits.truncate(found);
                    assert_eq!(&pairs(hits), want, "plain {len} {k}");
                }
                for at_once in [1, 7, 256] {
                    assert_eq!(best_of::<Smallest, _>(&scores, k, at_once), smallest, "{len} {k}");
                    assert_eq!(best_of::<Largest, _>(&scores, k, at_once), largest, "{len} {k}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_number_is_none_of_the_best() {
        let scores = [f32::NAN, 1.0, f32::NEG_INFINITY, f32::NAN, 2.0];
        assert_eq!(best_of::<Largest, _>(&scores, 4, 5), [(4, 2.0), (1, 1.0), (2, f32::NEG_INFINITY)]);
        assert_eq!(best_of::<Smallest, _>(&scores, 2, 2), [(2, f32::NEG_INFINITY), (1, 1.0)]);
    }
}

//! Work that finds the best rows.

use crate::kernels::similarity::{Best, Hit, best_by_sorting};
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload};

/// How many rows a search returns.
pub(super) const BEST: usize = 10;

/// A search whose answer is rows, for one query or many. A row is right at its place when its own reference score is that of the place, within
/// a tolerance: rows that differ by less than rounding may stand in any order.
pub(in crate::catalog) struct TopWork<T, R> {
    run: R,
    hits: Vec<Hit<T>>,
    rows: AlignedBuffer<u64>,
    /// Of every query with every row of the table.
    scores: Vec<f64>,
    queries: usize,
    /// Of every query.
    best: Vec<f64>,
    tolerance: f64,
}

impl<T: Copy + Default, R: FnMut(&mut [Hit<T>]) -> usize> TopWork<T, R> {
    /// A search among rows that score `scores`; `run` returns how many hits it wrote.
    pub(super) fn new(scores: Vec<f64>, best: Best, tolerance: f64, run: R) -> Self {
        Self::of_many(scores, 1, best, tolerance, run)
    }

    /// A search for each of `queries`, whose hits stand one query's after the other's.
    pub(in crate::catalog) fn of_many(
        scores: Vec<f64>,
        queries: usize,
        best: Best,
        tolerance: f64,
        run: R,
    ) -> Self {
        let of_query = |scores| best_by_sorting(scores, BEST, best).into_iter().map(|hit| hit.score);
        let best: Vec<f64> = scores.chunks_exact(scores.len() / queries).flat_map(of_query).collect();
        let hits = vec![Hit::default(); best.len()];
        let rows = AlignedBuffer::from_fn(best.len(), |_| u64::MAX);
        Self { run, hits, rows, scores, queries, best, tolerance }
    }
}

impl<T: Copy + Default, R: FnMut(&mut [Hit<T>]) -> usize> Workload for TopWork<T, R> {
    fn run(&mut self) {
        let found = (self.run)(&mut self.hits);
        for (place, row) in self.rows.iter_mut().enumerate() {
            *row = if place < found { self.hits[place].row as u64 } else { u64::MAX };
        }
    }

    fn check(&self) -> Result<(), Mismatch> {
        let mut seen = std::collections::BTreeSet::new();
        let (table, places) = (self.scores.len() / self.queries, self.best.len() / self.queries);
        for (element, (&row, &reference)) in self.rows.iter().zip(&self.best).enumerate() {
            let query = element / places;
            let scores = &self.scores[query * table..][..table];
            let score = usize::try_from(row).ok().and_then(|row| scores.get(row)).copied();
            let right = score.is_some_and(|score| (score - reference).abs() <= self.tolerance);
            if !right || !seen.insert((query, row)) {
                let got = score.unwrap_or(f64::NAN);
                return Err(Mismatch { element, got, reference, tolerance: self.tolerance });
            }
        }
        Ok(())
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.rows)
    }
}

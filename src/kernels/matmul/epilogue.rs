//! What is done to a product's rows before they leave the caches.

/// What becomes of the elements of a product: `C = finish(A B + bias)`.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// One number a column, added as the sums leave the registers.
    pub bias: Option<&'a [f32]>,
    /// What whole rows become.
    pub finish: Option<Finish<'a>>,
}

impl<'a> Epilogue<'a> {
    /// A bias, or nothing at all.
    #[must_use]
    pub const fn bias(bias: Option<&'a [f32]>) -> Self {
        Self { bias, finish: None }
    }

    /// The same for the rows from `first` on.
    pub(in crate::kernels) fn beginning_at(self, first: usize) -> Self {
        Self { finish: self.finish.map(|finish| finish.beginning_at(first)), ..self }
    }
}

/// What becomes of whole rows, in place, some dozens at a time: as soon as they are done, by the thread that did them, while
/// the cache next to it holds them.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// The row that the next rows begin with.
    first: usize,
    work: &'a (dyn Fn(usize, &mut [f32]) + Sync),
}

impl<'a> Finish<'a> {
    /// `work` is given the number of the first of some rows, and those.
    #[must_use]
    pub const fn new(work: &'a (dyn Fn(usize, &mut [f32]) + Sync)) -> Self {
        Self { first: 0, work }
    }

    /// The same for the rows from `first` on.
    pub(in crate::kernels) const fn beginning_at(self, first: usize) -> Self {
        Self { first: self.first + first, ..self }
    }

    /// Finishes the rows.
    pub(in crate::kernels) fn rows(self, rows: &mut [f32]) {
        (self.work)(self.first, rows);
    }
}

impl std::fmt::Debug for Finish<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finish").field("first", &self.first).finish_non_exhaustive()
    }
}

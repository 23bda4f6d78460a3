//! Workloads made of a closure that writes one output, and the reference answer that it is checked against.

use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact, compare_floats};

/// How far a number may be from the reference: within `relative` of it or `absolute`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
}

impl Tolerance {
    /// For a sum of so many single-precision products of magnitude below one. Each of the additions rounds by half a
    /// unit of a partial sum, which for products of either sign grows like the root of their number: as many epsilons
    /// leave a wide margin, and a wrong element is off by thousands.
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    pub(super) fn of_sum(products: usize) -> Self {
        Self { relative: 1e-6, absolute: products.max(8) as f64 * f64::from(f32::EPSILON) }
    }
}

/// Work whose output is single-precision numbers.
pub(super) struct FloatWork<R> {
    run: R,
    out: AlignedBuffer<f32>,
    reference: Vec<f64>,
    tolerance: Tolerance,
}

impl<R: FnMut(&mut [f32])> FloatWork<R> {
    /// Work that writes as many numbers as `reference` has. The output begins as NaN, so that what is never written
    /// is never right.
    pub(super) fn new(reference: Vec<f64>, tolerance: Tolerance, run: R) -> Self {
        Self { run, out: AlignedBuffer::from_fn(reference.len(), |_| f32::NAN), reference, tolerance }
    }
}

impl<R: FnMut(&mut [f32])> Workload for FloatWork<R> {
    fn run(&mut self) {
        (self.run)(&mut self.out);
    }

    fn check(&self) -> Result<(), Mismatch> {
        compare_floats(&*self.out, &self.reference, self.tolerance.relative, self.tolerance.absolute)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.out)
    }
}

/// Work whose output is words that are right to the bit.
pub(super) struct WordWork<R> {
    run: R,
    out: AlignedBuffer<u64>,
    reference: Vec<u64>,
}

impl<R: FnMut(&mut [u64])> WordWork<R> {
    /// Work that writes as many words as `reference` has. The output begins as the reference's complement, so that
    /// what is never written is never right.
    pub(super) fn new(reference: Vec<u64>, run: R) -> Self {
        Self { run, out: AlignedBuffer::from_fn(reference.len(), |i| !reference[i]), reference }
    }
}

impl<R: FnMut(&mut [u64])> Workload for WordWork<R> {
    fn run(&mut self) {
        (self.run)(&mut self.out);
    }

    #[expect(clippy::cast_precision_loss, reason = "for the message alone")]
    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.out, &self.reference, |word| word as f64)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.out)
    }
}

/// Work whose output is integers that are right to the bit.
pub(super) struct IntegerWork<R> {
    run: R,
    out: AlignedBuffer<i32>,
    reference: Vec<i32>,
}

impl<R: FnMut(&mut [i32])> IntegerWork<R> {
    /// Work that writes as many integers as `reference` has. The output begins as the reference's complement, so that
    /// what is never written is never right.
    pub(super) fn new(reference: Vec<i32>, run: R) -> Self {
        Self { run, out: AlignedBuffer::from_fn(reference.len(), |i| !reference[i]), reference }
    }
}

impl<R: FnMut(&mut [i32])> Workload for IntegerWork<R> {
    fn run(&mut self) {
        (self.run)(&mut self.out);
    }

    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.out, &self.reference, f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I32(&mut self.out)
    }
}

//! Workloads made of a closure that writes one output, and the reference answer that it is checked against.

use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact, compare_floats};

/// How far a number may be from the reference: within `relative` of it or `absolute`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    pub(super) relative: f64,
    pub(super) absolute: f64,
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

//! Prepared cases of the family: arrays that each thread wrote first, walked over as often as the plan says.

use std::sync::Mutex;

use super::Plan;
use crate::kernels::loads::{self, SUMS};
use crate::kernels::stream::{self, Stores};
use crate::simd::Tier;
use crate::sys::Team;
use crate::sys::memory::PageAdvice;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// A number of magnitude 0.5 to 1, either sign.
#[inline]
pub(super) fn float(bits: u32) -> f32 {
    f32::from_bits(0x3F00_0000 | (bits & 0x807F_FFFF))
}

/// An odd number.
#[inline]
pub(super) fn integer(bits: u32) -> i32 {
    (bits | 1).cast_signed()
}

/// How a prepared case runs.
pub(super) struct Running {
    pub(super) tier: Tier,
    pub(super) stores: Stores,
    pub(super) plan: Plan,
    pub(super) pages: PageAdvice,
    pub(super) team: Team,
}

impl Running {
    /// An array of every thread's slices, each written first by its thread.
    pub(super) fn filled<T: crate::sys::memory::Plain>(
        &self,
        seed: u64,
        value: fn(u32) -> T,
    ) -> AlignedBuffer<T> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the seed and index will do")]
        let mixed = move |thread: usize, index: usize| {
            let mut bits =
                (index as u32).wrapping_mul(0x9E37_79B1) ^ (seed as u32).wrapping_add(thread as u32);
            bits = (bits ^ (bits >> 15)).wrapping_mul(0x85EB_CA77);
            bits ^ (bits >> 13)
        };
        let len = self.plan.threads * self.plan.elements;
        let mut array = match self.pages {
            PageAdvice::Huge => AlignedBuffer::zeroed(len),
            PageAdvice::Small => AlignedBuffer::zeroed_on_small_pages(len),
        };
        self.each_part(&mut array, self.plan.elements, |thread, part| {
            for (index, slot) in part.iter_mut().enumerate() {
                *slot = value(mixed(thread, index));
            }
        });
        array
    }

    /// Hands every thread its own part of `data`, `len` elements long.
    pub(super) fn each_part<T: Send>(
        &self,
        data: &mut [T],
        len: usize,
        work: impl Fn(usize, &mut [T]) + Sync + Send,
    ) {
        if self.team.runs_here() {
            return work(0, data);
        }
        let parts: Vec<_> = data.chunks_exact_mut(len).map(Mutex::new).collect();
        self.team.broadcast(|thread| {
            if let Some(Ok(mut part)) = parts.get(thread).map(Mutex::lock) {
                work(thread, &mut part);
            }
        });
    }

    /// The thread's slice of an operand.
    pub(super) fn part<'a, T: crate::sys::memory::Plain>(
        &self,
        operand: &'a AlignedBuffer<T>,
        thread: usize,
    ) -> &'a [T] {
        &operand[thread * self.plan.elements..][..self.plan.elements]
    }
}

/// The tier was tried while preparing.
pub(super) fn tried(outcome: Result<(), crate::simd::TierUnavailable>) {
    debug_assert!(outcome.is_ok());
}

pub(super) struct Reading {
    pub(super) running: Running,
    pub(super) data: AlignedBuffer<i32>,
    pub(super) sums: Vec<i32>,
}

impl Workload for Reading {
    fn run(&mut self) {
        let Self { running, data, sums } = self;
        running.each_part(sums, SUMS, |thread, sums| {
            if let Some(sums) = sums.first_chunk_mut() {
                tried(loads::read(running.tier, running.part(data, thread), running.plan.repeats, sums));
            }
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        let parts = self.data.chunks_exact(self.running.plan.elements);
        let reference: Vec<i32> =
            parts.flat_map(|part| loads::reference_read(part, self.running.plan.repeats)).collect();
        compare_exact(&self.sums, &reference, f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I32(&mut self.sums)
    }
}

/// What is read to make what is written.
pub(super) enum Operands {
    /// Nothing: a constant is written.
    None,
    /// A copy's source.
    One(AlignedBuffer<f32>),
    /// A triad's `b` and `c`.
    Two(AlignedBuffer<f32>, AlignedBuffer<f32>),
}

/// What [`Operands::None`] writes.
const CONSTANT: f32 = 1.5;

/// The triad's factor.
const SCALE: f32 = 3.0;

pub(super) struct Writing {
    pub(super) running: Running,
    pub(super) target: AlignedBuffer<f32>,
    pub(super) operands: Operands,
}

impl Workload for Writing {
    fn run(&mut self) {
        let Self { running, target, operands } = self;
        let operands = &*operands;
        let (tier, stores, repeats) = (running.tier, running.stores, running.plan.repeats);
        running.each_part(target, running.plan.elements, |thread, to| {
            tried(match operands {
                Operands::None => stream::write(tier, stores, CONSTANT, repeats, to),
                Operands::One(from) => stream::copy(tier, stores, running.part(from, thread), repeats, to),
                Operands::Two(b, c) => {
                    let (b, c) = (running.part(b, thread), running.part(c, thread));
                    stream::triad(tier, stores, SCALE, b, c, repeats, to)
                }
            });
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        // Two roundings of numbers below four.
        const TRIAD_TOLERANCE: f64 = 1e-6;
        for (element, &got) in self.target.iter().enumerate() {
            let (reference, tolerance) = match &self.operands {
                Operands::None => (f64::from(CONSTANT), 0.0),
                Operands::One(from) => (f64::from(from[element]), 0.0),
                Operands::Two(b, c) => {
                    (stream::reference_triad(SCALE, b[element], c[element]), TRIAD_TOLERANCE)
                }
            };
            let got = f64::from(got);
            let difference = (got - reference).abs();
            if difference > tolerance || difference.is_nan() {
                return Err(Mismatch { element, got, reference, tolerance });
            }
        }
        Ok(())
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F32(&mut self.target)
    }
}

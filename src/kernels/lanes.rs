//! Loops over whole vectors with a partial one at the end, written once for the elementwise kernels.

use std::iter::Zip;
use std::slice::{ChunksExact, ChunksExactMut};

use crate::simd::Simd;

/// A function of one number, on vectors. A trait and not a closure: a closure cannot be `#[inline(always)]`, and what
/// is not inlined loses the tier's instructions.
pub(super) trait Lanewise: Copy {
    /// The function: `#[inline(always)]` in every implementation.
    fn apply<S: Simd>(self, s: S, x: S::F32) -> S::F32;
}

/// Vectors whose functions are computed side by side: each step of a polynomial waits for the last, and four that wait
/// for one another in turn fill the pipes without filling the scheduler.
const TOGETHER: usize = 4;

/// The function of four vectors one after the other.
#[inline(always)]
fn four<S: Simd, F: Lanewise>(s: S, f: F, x: &[f32]) -> [S::F32; TOGETHER] {
    let at = |i: usize| s.load(&x[i * S::LANES..]);
    [f.apply(s, at(0)), f.apply(s, at(1)), f.apply(s, at(2)), f.apply(s, at(3))]
}

/// `out[i] = f(input[i])`; the slices are of one length.
#[inline(always)]
pub(super) fn map<S: Simd, F: Lanewise>(s: S, f: F, input: &[f32], out: &mut [f32]) {
    let whole = whole_lanes::<S>(input.len());
    let (input, input_rest) = input.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole);
    let (blocks, mut out_blocks) =
        (input.chunks_exact(TOGETHER * S::LANES), out.chunks_exact_mut(TOGETHER * S::LANES));
    let vectors = blocks.remainder();
    for (x, y) in blocks.zip(&mut out_blocks) {
        let values = four(s, f, x);
        for (value, y) in values.into_iter().zip(y.chunks_exact_mut(S::LANES)) {
            s.store(value, y);
        }
    }
    let out = out_blocks.into_remainder();
    for (x, y) in vectors.chunks_exact(S::LANES).zip(out.chunks_exact_mut(S::LANES)) {
        s.store(f.apply(s, s.load(x)), y);
    }
    if !input_rest.is_empty() {
        s.store_partial(f.apply(s, s.load_partial(input_rest)), out_rest);
    }
}

/// `data[i] = f(data[i])`.
#[inline(always)]
pub(super) fn map_in_place<S: Simd, F: Lanewise>(s: S, f: F, data: &mut [f32]) {
    let (data, rest) = data.split_at_mut(whole_lanes::<S>(data.len()));
    let mut blocks = data.chunks_exact_mut(TOGETHER * S::LANES);
    for x in &mut blocks {
        let values = four(s, f, x);
        for (value, x) in values.into_iter().zip(x.chunks_exact_mut(S::LANES)) {
            s.store(value, x);
        }
    }
    for x in blocks.into_remainder().chunks_exact_mut(S::LANES) {
        s.store(f.apply(s, s.load(x)), x);
    }
    if !rest.is_empty() {
        s.store_partial(f.apply(s, s.load_partial(rest)), rest);
    }
}

/// Whole vectors of four rows side by side: an iterator, which tests the bounds of all rows at once.
pub(super) struct FourRows<'a>(FourZipped<ChunksExact<'a, f32>>);

/// [`FourRows`] to write to.
pub(super) struct FourRowsMut<'a>(FourZipped<ChunksExactMut<'a, f32>>);

type FourZipped<T> = Zip<Zip<Zip<T, T>, T>, T>;

impl<'a> FourRows<'a> {
    /// The four rows of `block`, each `width` long, in pieces of `lanes`.
    #[inline(always)]
    pub(super) fn new(block: &'a [f32], width: usize, lanes: usize) -> Self {
        let (first, rest) = block.split_at(width);
        let (second, rest) = rest.split_at(width);
        let (third, fourth) = rest.split_at(width);
        Self(
            first
                .chunks_exact(lanes)
                .zip(second.chunks_exact(lanes))
                .zip(third.chunks_exact(lanes))
                .zip(fourth.chunks_exact(lanes)),
        )
    }
}

impl<'a> FourRowsMut<'a> {
    /// The four rows of `block`, each `width` long, in pieces of `lanes`.
    #[inline(always)]
    pub(super) fn new(block: &'a mut [f32], width: usize, lanes: usize) -> Self {
        let (first, rest) = block.split_at_mut(width);
        let (second, rest) = rest.split_at_mut(width);
        let (third, fourth) = rest.split_at_mut(width);
        Self(
            first
                .chunks_exact_mut(lanes)
                .zip(second.chunks_exact_mut(lanes))
                .zip(third.chunks_exact_mut(lanes))
                .zip(fourth.chunks_exact_mut(lanes)),
        )
    }
}

impl<'a> Iterator for FourRows<'a> {
    type Item = [&'a [f32]; 4];
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next() {
            Some((((first, second), third), fourth)) => Some([first, second, third, fourth]),
            None => None,
        }
    }
}

impl<'a> Iterator for FourRowsMut<'a> {
    type Item = [&'a mut [f32]; 4];
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next() {
            Some((((first, second), third), fourth)) => Some([first, second, third, fourth]),
            None => None,
        }
    }
}

/// The part of `len` that whole vectors cover.
#[inline(always)]
pub(super) const fn whole_lanes<S: Simd>(len: usize) -> usize {
    len - len % S::LANES
}

/// The first `n` lanes of `value`, the others `fill`.
#[inline(always)]
pub(super) fn keep_first<S: Simd>(s: S, value: S::F32, n: usize, fill: f32) -> S::F32 {
    const FIRST: [f32; 32] = {
        let mut flags = [0.0; 32];
        let mut i = 0;
        while i < 16 {
            flags[i] = 1.0;
            i += 1;
        }
        flags
    };
    let flags = s.load(&FIRST[16 - n.min(16)..]);
    s.select(s.less(s.zero(), flags), value, s.splat(fill))
}
/// `data *= by`
#[inline(always)]
pub(super) fn scale_in_place<S: Simd>(s: S, data: &mut [f32], by: f32) {
    let by = s.splat(by);
    let (data, rest) = data.split_at_mut(whole_lanes::<S>(data.len()));
    for x in data.chunks_exact_mut(S::LANES) {
        s.store(s.mul(s.load(x), by), x);
    }
    if !rest.is_empty() {
        s.store_partial(s.mul(s.load_partial(rest), by), rest);
    }
}

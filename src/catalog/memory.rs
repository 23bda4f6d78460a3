//! Benchmarks of family `memory`: each pattern of traffic at each memory level.
//!
//! A shape is THREADSxBYTES: how many threads, and the bytes of all arrays that each of them walks over. Its slice is
//! a thread's own, written first by that thread, with numbers that are neither zero nor alike.

use std::sync::Mutex;

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::stream::{self, SUMS, Stores};
use crate::simd::Tier;
use crate::sys::Team;
use crate::sys::memory::PageAdvice;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// What is done with the arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pattern {
    Read,
    Write,
    Copy,
    Triad,
}

impl Pattern {
    /// Arrays, of which those but the first (the target) are read.
    const fn arrays(self) -> usize {
        match self {
            Self::Read | Self::Write => 1,
            Self::Copy => 2,
            Self::Triad => 3,
        }
    }

    /// Arrays that are written.
    const fn written(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Write | Self::Copy | Self::Triad => 1,
        }
    }
}

/// Where the arrays fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    L1,
    L2,
    L3,
    Dram,
}

const TIERS: &[Tier] = &[Tier::Baseline, Tier::Avx2, Tier::Avx512, Tier::Neon];

const STREAM: Implementation = Implementation {
    name: "stream",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "front to back, eight vectors a step, ordinary stores",
};

const STREAM_NT: Implementation = Implementation {
    name: "stream-nt",
    // The baseline has no streaming store, and on aarch64 it is a hint that cores ignore.
    tiers: &[Tier::Avx2, Tier::Avx512],
    threads: Threading::Parallel,
    about: "front to back, eight vectors a step, stores past the caches",
};

/// The same loads where every page needs a translation of its own: what huge pages are worth.
const STREAM_SMALL_PAGES: Implementation = Implementation {
    name: "stream-small-pages",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "front to back as `stream`, on ordinary pages instead of huge ones",
};

macro_rules! levels {
    ($($level:ident $name:literal),*) => {
        /// The family's rows.
        pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[ $(
            &Memory {
                id: concat!("memory/read-", $name, "-u8"),
                about: "bytes per second that loads bring",
                pattern: Pattern::Read,
                level: Level::$level,
            },
            &Memory {
                id: concat!("memory/write-", $name, "-u8"),
                about: "bytes per second that stores take",
                pattern: Pattern::Write,
                level: Level::$level,
            },
            &Memory {
                id: concat!("memory/copy-", $name, "-u8"),
                about: "bytes per second of a[i] = b[i], loads and stores",
                pattern: Pattern::Copy,
                level: Level::$level,
            },
            &Memory {
                id: concat!("memory/triad-", $name, "-u8"),
                about: "bytes per second of a[i] = b[i] + s c[i], loads and stores",
                pattern: Pattern::Triad,
                level: Level::$level,
            },
        )* ];
    };
}
levels!(L1 "l1", L2 "l2", L3 "l3", Dram "dram");

/// A row of the family.
struct Memory {
    id: &'static str,
    about: &'static str,
    pattern: Pattern,
    level: Level,
}

impl Level {
    /// Bytes that `threads` threads together should walk over, smallest first; several, because which of them shows a
    /// level's best rate depends on associativity, page placement and who else uses the cache.
    fn footprints(self, machine: &Machine, threads: usize, extensiveness: Extensiveness) -> Vec<u64> {
        let quick = extensiveness == Extensiveness::Quick;
        let of = |level: u32, shares: &[(u64, u64)]| {
            let Some(bytes) = machine.cache_bytes(level) else { return Vec::new() };
            let instances = (threads / shared_by(machine, level).max(1)).max(1) as u64;
            shares.iter().map(|(part, of)| bytes * part / of * instances).collect()
        };
        match self {
            Self::L1 | Self::L2 if quick => of(self.number(), &[(1, 2), (3, 4)]),
            Self::L1 | Self::L2 => of(self.number(), &[(1, 3), (1, 2), (3, 4)]),
            // A guest shares this level with whoever else is on the host: small shares are what it can count on.
            Self::L3 if quick => of(3, &[(1, 8), (1, 4)]),
            Self::L3 => of(3, &[(1, 8), (1, 4), (1, 2)]),
            Self::Dram => vec![dram_footprint(machine)],
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::Dram => 4,
        }
    }
}

/// Threads that share one instance of a level, at least 1.
fn shared_by(machine: &Machine, level: u32) -> usize {
    let caches = machine.cpu.caches.iter();
    caches.filter(|cache| cache.level == level).map(|cache| cache.shared_by_threads).max().unwrap_or(1)
}

/// Four times the last cache, within 64 MiB to 1 GiB and an eighth of what memory there is.
pub(super) fn dram_footprint(machine: &Machine) -> u64 {
    let last_cache = (1..=4).rev().find_map(|level| machine.cache_bytes(level)).unwrap_or(0);
    let memory = [machine.memory.total_bytes, machine.limits.memory_limit_bytes].into_iter().flatten().min();
    (4 * last_cache).clamp(64 << 20, 1 << 30).min(memory.map_or(u64::MAX, |bytes| bytes / 8))
}

/// Bytes per array of each thread: whole steps of the widest tier.
const GRAIN: usize = 1024;

/// Traffic of one run of one thread: long enough to time, and with several threads to lose their waking in it.
const fn traffic(threads: usize) -> usize {
    if threads == 1 { 4 << 20 } else { 256 << 20 }
}

/// What a shape means for a pattern.
#[derive(Debug, Clone, Copy)]
struct Plan {
    threads: usize,
    /// Elements of one array of one thread.
    elements: usize,
    repeats: usize,
}

impl Memory {
    fn plan(&self, shape: &Shape) -> Option<Plan> {
        let [threads, bytes] = super::counts(shape)?;
        let elements = bytes / self.pattern.arrays() / GRAIN * GRAIN / size_of::<f32>();
        // 2^40 bytes are beyond any buffer made here and keep the products below exact.
        if elements == 0 || threads.checked_mul(bytes)? > 1 << 40 {
            return None;
        }
        Some(Plan { threads, elements, repeats: traffic(threads).div_ceil(bytes) })
    }

    fn cost_with(&self, shape: &Shape, stores: Stores) -> Option<Cost> {
        let Plan { threads, elements, repeats } = self.plan(shape)?;
        let array = threads * elements * size_of::<f32>();
        #[expect(clippy::cast_precision_loss, reason = "byte counts below 2^52")]
        let times = |arrays: usize, repeats: usize| array as f64 * arrays as f64 * repeats as f64;
        let (arrays, written) = (self.pattern.arrays(), self.pattern.written());
        let allocated = match stores {
            Stores::Ordinary => written,
            Stores::Streaming => 0,
        };
        let flops_per_element = if self.pattern == Pattern::Triad { 2.0 } else { 0.0 };
        Some(Cost {
            flops: times(1, repeats) / 4.0 * flops_per_element,
            core_bytes: times(arrays, repeats),
            dram_bytes: times(arrays + allocated, repeats),
            written_bytes: times(written, repeats),
            working_set_bytes: times(arrays, 1),
        })
    }
}

impl Benchmark for Memory {
    fn id(&self) -> &str {
        self.id
    }
    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: "THREADSxBYTES of all arrays of a thread: T B repeats bytes asked; in memory the written array counts twice \
         with ordinary stores; triad 2 flops an element",
            implementations: match (self.level, self.pattern) {
                (Level::Dram, Pattern::Write | Pattern::Copy | Pattern::Triad) => &[STREAM, STREAM_NT],
                (Level::Dram, Pattern::Read) => &[STREAM, STREAM_SMALL_PAGES],
                (Level::L1 | Level::L2 | Level::L3, _) => &[STREAM],
            },
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let mut counts = vec![1, machine.limits.effective_cpus.max(1)];
        counts.dedup();
        let mut shapes = Vec::new();
        for threads in counts {
            for bytes in self.level.footprints(machine, threads, extensiveness) {
                let Ok(bytes) = usize::try_from(bytes / threads as u64) else { continue };
                // Whole grains in every array, so that the shape says what is touched.
                let grain = GRAIN * self.pattern.arrays();
                shapes.push(Shape::new(&[threads, bytes / grain * grain]));
            }
        }
        shapes
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.count(0) == threads
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        self.cost_with(shape, Stores::Ordinary)
    }

    fn cost_of(&self, implementation: &str, shape: &Shape) -> Option<Cost> {
        self.cost_with(shape, stores_of(implementation))
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let tier = super::own_tier(case)?;
        if !tier.is_available() {
            return Err(crate::simd::TierUnavailable(tier).into());
        }
        let plan = match self.plan(&case.shape) {
            Some(plan) if plan.threads == resources.team.threads().get() => plan,
            _ => return Err(super::wrong_threads(case)),
        };
        let stores = stores_of(&case.implementation);
        let pages = pages_of(&case.implementation);
        let running = Running { tier, stores, plan, pages, team: resources.team.clone() };
        let array = |index: u64| running.filled(resources.seed.wrapping_add(index), float);
        Ok(match self.pattern {
            Pattern::Read => Box::new(Reading {
                data: running.filled(resources.seed, integer),
                sums: vec![0; plan.threads * SUMS],
                running,
            }),
            Pattern::Write => Box::new(Writing { target: array(0), operands: Operands::None, running }),
            Pattern::Copy => {
                Box::new(Writing { target: array(0), operands: Operands::One(array(1)), running })
            }
            Pattern::Triad => {
                Box::new(Writing { target: array(0), operands: Operands::Two(array(1), array(2)), running })
            }
        })
    }
}

fn stores_of(implementation: &str) -> Stores {
    if implementation == STREAM_NT.name { Stores::Streaming } else { Stores::Ordinary }
}

fn pages_of(implementation: &str) -> PageAdvice {
    if implementation == STREAM_SMALL_PAGES.name { PageAdvice::Small } else { PageAdvice::Huge }
}

/// A number of magnitude 0.5 to 1, either sign.
#[inline]
fn float(bits: u32) -> f32 {
    f32::from_bits(0x3F00_0000 | (bits & 0x807F_FFFF))
}

/// An odd number.
#[inline]
fn integer(bits: u32) -> i32 {
    (bits | 1).cast_signed()
}

/// How a prepared case runs.
struct Running {
    tier: Tier,
    stores: Stores,
    plan: Plan,
    pages: PageAdvice,
    team: Team,
}

impl Running {
    /// An array of every thread's slices, each written first by its thread.
    fn filled<T: crate::sys::memory::Plain>(&self, seed: u64, value: fn(u32) -> T) -> AlignedBuffer<T> {
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
    fn each_part<T: Send>(&self, data: &mut [T], len: usize, work: impl Fn(usize, &mut [T]) + Sync + Send) {
        if self.plan.threads == 1 {
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
    fn part<'a, T: crate::sys::memory::Plain>(
        &self,
        operand: &'a AlignedBuffer<T>,
        thread: usize,
    ) -> &'a [T] {
        &operand[thread * self.plan.elements..][..self.plan.elements]
    }
}

/// The tier was tried while preparing.
fn tried(outcome: Result<(), crate::simd::TierUnavailable>) {
    debug_assert!(outcome.is_ok());
}

struct Reading {
    running: Running,
    data: AlignedBuffer<i32>,
    sums: Vec<i32>,
}

impl Workload for Reading {
    fn run(&mut self) {
        let Self { running, data, sums } = self;
        running.each_part(sums, SUMS, |thread, sums| {
            if let Some(sums) = sums.first_chunk_mut() {
                tried(stream::read(running.tier, running.part(data, thread), running.plan.repeats, sums));
            }
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        let parts = self.data.chunks_exact(self.running.plan.elements);
        let reference: Vec<i32> =
            parts.flat_map(|part| stream::reference_read(part, self.running.plan.repeats)).collect();
        compare_exact(&self.sums, &reference, f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I32(&mut self.sums)
    }
}

/// What is read to make what is written.
enum Operands {
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

struct Writing {
    running: Running,
    target: AlignedBuffer<f32>,
    operands: Operands,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streaming_stores_are_not_charged_for_reading_lines() {
        let copy = super::super::find("memory/copy-dram-u8").unwrap();
        let shape = Shape::new(&[1, 64 << 20]);
        let ordinary = copy.cost_of("stream", &shape).unwrap();
        let streaming = copy.cost_of("stream-nt", &shape).unwrap();
        assert_eq!(ordinary.core_bytes, f64::from(64 << 20));
        assert_eq!(ordinary.written_bytes * 2.0, ordinary.core_bytes);
        assert_eq!(ordinary.dram_bytes, ordinary.core_bytes * 1.5);
        assert_eq!(streaming.dram_bytes, streaming.core_bytes);
    }

    #[test]
    fn small_arrays_are_walked_often_and_charged_for_it() {
        let read = super::super::find("memory/read-l1-u8").unwrap();
        let cost = read.cost(&Shape::new(&[1, 16 << 10])).unwrap();
        assert_eq!(cost.working_set_bytes, f64::from(16 << 10));
        assert_eq!(cost.core_bytes, f64::from(4 << 20));
        assert!(read.cost(&Shape::new(&[1, 100])).is_none(), "less than a step");
        assert!(read.cost(&Shape::new(&[0, 4096])).is_none());
        assert!(read.cost(&Shape::new(&[usize::MAX, 4096])).is_none());
    }
}

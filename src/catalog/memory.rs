//! Benchmarks of family `memory`: each pattern of traffic at each memory level.
//!
//! A shape is THREADSxBYTES: how many threads, and the bytes of all arrays that each of them walks over. Its slice is
//! a thread's own, written first by that thread, with numbers that are neither zero nor alike.

mod levels;
mod orders;
mod workloads;

use super::inputs::counts_below;
use super::kinds::Kinds;
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::loads::SUMS;
use crate::kernels::stream::Stores;
use crate::simd::Tier;
use crate::sys::memory::PageAdvice;
use crate::workload::Workload;

use levels::Level;
pub(super) use levels::dram_footprint;
use orders::{Order, Orders};
use workloads::{Operands, Reading, Running, Writing, float, integer};

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

/// Loads one line at a time, whichever the order.
const LINES: Implementation = Implementation {
    name: "lines",
    // A line of 64 bytes takes the baseline four loads, and no level but the first notices.
    tiers: &[Tier::Avx2, Tier::Avx512, Tier::Neon],
    threads: Threading::Parallel,
    about: "whole lines of 64 bytes, eight at a time, none waiting for another",
};

/// Loads of single numbers.
const GATHERED: Implementation = Implementation {
    name: "gathered",
    tiers: TIERS,
    threads: Threading::Parallel,
    about: "the tier's gathered loads, or loads one by one where it has none, eight vectors at a time",
};

macro_rules! levels {
    ($($level:ident $name:literal),*; $($kinds:tt)*) => {
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
            &Orders {
                id: concat!("memory/strided-", $name, "-u8"),
                about: "bytes per second of whole lines that stand a stride apart",
                order: Order::Strided,
                level: Level::$level,
            },
            &Orders {
                id: concat!("memory/random-", $name, "-u8"),
                about: "bytes per second of whole lines in random order, each load independent of the others",
                order: Order::Random,
                level: Level::$level,
            },
            &Orders {
                id: concat!("memory/gather-", $name, "-f32"),
                about: "bytes per second of gathered numbers, one of each line in random order",
                order: Order::Gather,
                level: Level::$level,
            },
        )* $($kinds)* ];
    };
}
levels!(
    L1 "l1", L2 "l2", L3 "l3", Dram "dram";
    &Kinds {
        id: "memory/kind-read-l1-u8",
        about: "bytes per second that loads bring from the first cache, on each kind of core",
        of: "memory/read-l1-u8",
        shapes: |machine, threads| read_shapes(Level::L1, machine, threads),
    },
    &Kinds {
        id: "memory/kind-read-l2-u8",
        about: "bytes per second that loads bring from the second cache, on each kind of core",
        of: "memory/read-l2-u8",
        shapes: |machine, threads| read_shapes(Level::L2, machine, threads),
    },
    &Kinds {
        id: "memory/kind-read-dram-u8",
        about: "bytes per second that loads bring from memory, on each kind of core",
        of: "memory/read-dram-u8",
        shapes: |machine, threads| read_shapes(Level::Dram, machine, threads),
    },
);

/// The shapes of a read on so many threads, the smallest footprint first.
fn read_shapes(level: Level, machine: &Machine, threads: usize) -> Vec<Shape> {
    shapes_at(Pattern::Read, level, machine, threads, Extensiveness::Quick)
}

/// The shapes of a pattern on so many threads.
fn shapes_at(
    pattern: Pattern,
    level: Level,
    machine: &Machine,
    threads: usize,
    extensiveness: Extensiveness,
) -> Vec<Shape> {
    // Whole grains in every array, so that the shape says what is touched.
    let grain = GRAIN * pattern.arrays();
    let footprints = level.footprints(machine, threads, extensiveness).into_iter();
    let of_thread = footprints.filter_map(|bytes| usize::try_from(bytes / threads.max(1) as u64).ok());
    of_thread.map(|bytes| Shape::new(&[threads, bytes / grain * grain])).collect()
}

/// A row of the family.
struct Memory {
    id: &'static str,
    about: &'static str,
    pattern: Pattern,
    level: Level,
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
        let [threads, bytes] = counts_below(shape, usize::MAX)?;
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
                (Level::Dram, Pattern::Write | Pattern::Copy | Pattern::Triad) => {
                    &[STREAM, STREAM_NT, STREAM_SMALL_PAGES]
                }
                // The first cache is smaller than what ordinary pages translate without a miss.
                (Level::L1, _) => &[STREAM],
                (Level::L2 | Level::L3 | Level::Dram, _) => &[STREAM, STREAM_SMALL_PAGES],
            },
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let counts = super::thread_counts(machine).into_iter();
        counts
            .flat_map(|threads| shapes_at(self.pattern, self.level, machine, threads, extensiveness))
            .collect()
    }

    fn usual(&self, _: &Machine, implementation: &Implementation, extensiveness: Extensiveness) -> bool {
        // What ordinary pages cost shows most where loads come from memory.
        let telling = (self.level, self.pattern) == (Level::Dram, Pattern::Read);
        telling || implementation.name != STREAM_SMALL_PAGES.name || extensiveness == Extensiveness::Full
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

//! Loads in other orders than front to back: lines a stride apart, lines in random order, gathered numbers.
//!
//! All read everything: a pass of a stride takes every so many-th line and then those beside, as a walk over the columns
//! of a matrix does; a random order names every line once. So their rates compare with those of `memory/read-*`.

use super::super::inputs::counts_below;
use super::levels::Level;
use super::workloads::{Running, integer, tried};
use super::{GATHERED, GRAIN, LINES, Plan, traffic};
use crate::catalog::{
    Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, own_tier, wrong_threads,
};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::loads::{self, LINE, SUMS};
use crate::kernels::stream::Stores;
use crate::sys::Rng;
use crate::sys::memory::PageAdvice;
use crate::tensor::AlignedBuffer;
use crate::workload::{Mismatch, OutputMut, Workload, compare_exact};

/// In which order lines are visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Every so many-th, then those beside.
    Strided,
    /// Drawn, each once.
    Random,
    /// As random, one number of each by the tier's gathered loads.
    Gather,
}

const LINE_BYTES: usize = 4 * LINE;

/// Bytes of an index into the lines or numbers.
const INDEX_BYTES: usize = 4;

/// Strides in bytes: the line beside the next one, past what is fetched in pairs, past a prefetcher's reach, and a page,
/// where each line needs a translation of its own and all fall into few sets of a cache.
const STRIDES: [usize; 4] = [128, 256, 1024, 4096];

/// A row.
pub(super) struct Orders {
    pub(super) id: &'static str,
    pub(super) about: &'static str,
    pub(super) order: Order,
    pub(super) level: Level,
}

/// What a shape means.
struct Walk {
    plan: Plan,
    /// Lines from one to the next of a pass.
    stride: usize,
}

impl Orders {
    fn walk(&self, shape: &Shape) -> Option<Walk> {
        let ([threads, bytes], stride) = match self.order {
            Order::Strided => {
                let [threads, bytes, stride] = counts_below(shape, usize::MAX)?;
                ([threads, bytes], stride)
            }
            Order::Random | Order::Gather => (counts_below(shape, usize::MAX)?, LINE_BYTES),
        };
        let bytes = bytes / GRAIN * GRAIN;
        // Lines are numbered in 32 bits and numbers in 31; beyond 2^32 bytes there is nothing new to see.
        let fits = bytes > 0 && bytes <= 1 << 32 && threads.checked_mul(bytes)? <= 1 << 40;
        let whole_lines = stride >= LINE_BYTES && stride.is_multiple_of(LINE_BYTES) && stride <= bytes;
        (fits && whole_lines).then(|| Walk {
            plan: Plan { threads, elements: bytes / 4, repeats: traffic(threads).div_ceil(bytes) },
            stride: stride / LINE_BYTES,
        })
    }
}

impl Benchmark for Orders {
    fn id(&self) -> &str {
        self.id
    }

    fn card(&self) -> Card {
        Card {
            about: self.about,
            formula: match self.order {
                Order::Strided => {
                    "THREADSxBYTESxSTRIDE, a stride of whole lines of 64 bytes: T B repeats bytes, all lines of B in each"
                }
                Order::Random => {
                    "THREADSxBYTES, L = B/64 lines: T L repeats times 64 bytes of a line and 4 of its index"
                }
                Order::Gather => {
                    "THREADSxBYTES, L = B/64 lines: T L repeats times 4 bytes of a number and 4 of its index; memory moves \
                     64 and 4"
                }
            },
            implementations: match self.order {
                Order::Strided | Order::Random => &[LINES],
                Order::Gather => &[GATHERED],
            },
        }
    }

    fn shapes(&self, machine: &Machine, _: Extensiveness) -> Vec<Shape> {
        let mut counts = vec![1, machine.limits.effective_cpus.max(1)];
        counts.dedup();
        let mut shapes = Vec::new();
        for threads in counts {
            // One footprint of a level: these are no roofs, of which the best counts.
            let footprints = self.level.footprints(machine, threads, Extensiveness::Quick);
            let Some(&bytes) = footprints.first() else { continue };
            let Ok(bytes) = usize::try_from(bytes / threads as u64) else { continue };
            let bytes = (bytes / GRAIN * GRAIN).max(GRAIN);
            match self.order {
                Order::Strided => {
                    // With fewer lines before those beside them the time is the loop's, not the loads'.
                    let strides = STRIDES.iter().filter(|&&stride| 16 * stride <= bytes);
                    shapes.extend(strides.map(|&stride| Shape::new(&[threads, bytes, stride])));
                }
                Order::Random | Order::Gather => shapes.push(Shape::new(&[threads, bytes])),
            }
        }
        shapes
    }

    fn usual(&self, _: &Machine, _: &Implementation, extensiveness: Extensiveness) -> bool {
        extensiveness == Extensiveness::Full
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.count(0) == threads
    }

    #[expect(clippy::cast_precision_loss, reason = "byte counts below 2^52")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let Walk { plan, .. } = self.walk(shape)?;
        let lines = (plan.threads * plan.elements / LINE) as f64;
        let visits = lines * plan.repeats as f64;
        let (index, line) = (INDEX_BYTES as f64, LINE_BYTES as f64);
        // The order of the lines is the same for all threads, and each has to hold it.
        let (asked, moved, held) = match self.order {
            Order::Strided => (line, line, line),
            Order::Random => (line + index, line + index, line + index),
            Order::Gather => (4.0 + index, line + index, line + index),
        };
        Some(Cost {
            flops: 0.0,
            core_bytes: visits * asked,
            dram_bytes: visits * moved,
            written_bytes: 0.0,
            working_set_bytes: lines * held,
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let tier = own_tier(case)?;
        if !tier.is_available() {
            return Err(crate::simd::TierUnavailable(tier).into());
        }
        let Walk { plan, stride } = match self.walk(&case.shape) {
            Some(walk) if walk.plan.threads == resources.team.threads().get() => walk,
            _ => return Err(wrong_threads(case)),
        };
        let (pages, team) = (PageAdvice::Huge, resources.team.clone());
        let running = Running { tier, stores: Stores::Ordinary, plan, pages, team };
        let seed = resources.seed;
        Ok(match self.order {
            Order::Strided => Box::new(LinesWork::new(running, Lines::Strided(stride), seed)),
            Order::Random => {
                let order = drawn(plan.elements / LINE, seed);
                Box::new(LinesWork::new(running, Lines::Named(order), seed))
            }
            Order::Gather => Box::new(GatherWork {
                order: one_of_each(&drawn(plan.elements / LINE, seed)),
                data: running.filled(seed, fraction),
                sums: vec![0.0; plan.threads * SUMS],
                running,
            }),
        })
    }
}

/// The numbers of so many lines in an order drawn by the seed.
fn drawn(lines: usize, seed: u64) -> AlignedBuffer<u32> {
    let mut order = AlignedBuffer::from_fn(lines, |line| u32::try_from(line).unwrap_or_default());
    Rng::new(seed).shuffle(&mut order);
    order
}

/// The index of a number of each line, not the same place in each.
fn one_of_each(order: &[u32]) -> AlignedBuffer<i32> {
    AlignedBuffer::from_fn(order.len(), |i| {
        let line = order[i] as usize;
        i32::try_from(line * LINE + line * 7 % LINE).unwrap_or_default()
    })
}

/// A multiple of 1/256 of magnitude 0.5 to 1, either sign: sums of a few thousand are exact.
#[inline]
fn fraction(bits: u32) -> f32 {
    f32::from_bits(0x3F00_0000 | (bits & 0x807F_0000))
}

/// Which lines come after which.
enum Lines {
    /// So many further on.
    Strided(usize),
    /// As named.
    Named(AlignedBuffer<u32>),
}

struct LinesWork {
    running: Running,
    lines: Lines,
    data: AlignedBuffer<i32>,
    sums: Vec<i32>,
}

impl LinesWork {
    fn new(running: Running, lines: Lines, seed: u64) -> Self {
        let (data, sums) = (running.filled(seed, integer), vec![0; running.plan.threads * SUMS]);
        Self { running, lines, data, sums }
    }
}

impl Workload for LinesWork {
    fn run(&mut self) {
        let Self { running, lines, data, sums } = self;
        let (tier, repeats, lines) = (running.tier, running.plan.repeats, &*lines);
        running.each_part(sums, SUMS, |thread, sums| {
            let Some(sums) = sums.first_chunk_mut() else { return };
            let part = running.part(data, thread);
            tried(match lines {
                Lines::Strided(stride) => loads::strided(tier, part, *stride, repeats, sums),
                Lines::Named(order) => loads::ordered(tier, part, order, repeats, sums),
            });
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        let parts = self.data.chunks_exact(self.running.plan.elements);
        let sums = parts.flat_map(|part| loads::reference_read(part, self.running.plan.repeats));
        compare_exact(&self.sums, &sums.collect::<Vec<i32>>(), f64::from)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::I32(&mut self.sums)
    }
}

struct GatherWork {
    running: Running,
    order: AlignedBuffer<i32>,
    data: AlignedBuffer<f32>,
    sums: Vec<f64>,
}

impl Workload for GatherWork {
    fn run(&mut self) {
        let Self { running, order, data, sums } = self;
        running.each_part(sums, SUMS, |thread, sums| {
            if let Some(sums) = sums.first_chunk_mut() {
                let part = running.part(data, thread);
                tried(loads::gather(running.tier, part, order, running.plan.repeats, sums));
            }
        });
    }

    fn check(&self) -> Result<(), Mismatch> {
        let parts = self.data.chunks_exact(self.running.plan.elements);
        let sums =
            parts.flat_map(|part| loads::reference_gather(part, &self.order, self.running.plan.repeats));
        compare_exact(&self.sums, &sums.collect::<Vec<f64>>(), |sum| sum)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::F64(&mut self.sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_is_charged_for_every_line_and_an_order_for_its_indices() {
        let cost =
            |id: &str, shape: &[usize]| super::super::super::find(id).unwrap().cost(&Shape::new(shape));
        let size = 8 << 20;
        let strided = cost("memory/strided-dram-u8", &[1, size, 256]).unwrap();
        assert_eq!(strided.core_bytes, size as f64);
        let random = cost("memory/random-dram-u8", &[1, size]).unwrap();
        assert_eq!(random.core_bytes, size as f64 * 68.0 / 64.0);
        let gather = cost("memory/gather-dram-f32", &[2, size]).unwrap();
        assert_eq!(gather.dram_bytes, gather.core_bytes * 8.5);
        assert_eq!(gather.working_set_bytes, 2.0 * size as f64 * 68.0 / 64.0);
        for wrong in [&[1, size, 100][..], &[1, 4096, 8192], &[1, size]] {
            assert!(cost("memory/strided-dram-u8", wrong).is_none(), "{wrong:?}");
        }
    }
}

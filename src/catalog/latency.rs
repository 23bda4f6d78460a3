//! Benchmarks of family `latency`: how long one load takes that the next one waits for.

mod bounce;
mod loaded;

use super::inputs::{self, counts, fitting_counts};
use super::memory::dram_footprint;
use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::chase::{self, WORDS_PER_LINE};
use crate::simd::Tier;
use crate::sys::Rng;
use crate::tensor::AlignedBuffer;
use crate::workload::{Facts, Mismatch, OutputMut, Workload, compare_exact};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[&Chase, &loaded::Loaded, &bounce::Bounce];

/// Loads of one run: 16 us in a first-level cache, 2 ms in memory.
const STEPS: usize = 1 << 14;

const LINE_BYTES: usize = 8 * WORDS_PER_LINE;

const fn pages(name: &'static str, about: &'static str) -> Implementation {
    Implementation { name, tiers: &[Tier::Baseline], threads: Threading::Single, about }
}

/// A cycle of links through BYTES in random order.
struct Chase;

impl Benchmark for Chase {
    fn id(&self) -> &str {
        "latency/chase-u64"
    }

    fn card(&self) -> Card {
        Card {
            about: "a chain of dependent loads through so many bytes in random order, whose time gives the latency",
            formula: "BYTES: 16384 loads a run, 8 bytes asked and a line of 64 fetched each",
            implementations: const {
                &[
                    pages("huge-pages", "one link in each line, on huge pages where the system gives them"),
                    pages("small-pages", "the same on ordinary pages: translations are missed too"),
                ]
            },
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        let largest = dram_footprint(machine);
        let shapes: Vec<u64> = match extensiveness {
            // Half of each cache, and memory.
            Extensiveness::Quick => {
                let caches = [1, 2, 3].into_iter().filter_map(|level| machine.cache_bytes(level));
                caches.map(|bytes| bytes / 2).chain([largest]).collect()
            }
            Extensiveness::Default => {
                (14..).step_by(2).map(|power| 1 << power).take_while(|&b| b <= largest).collect()
            }
            Extensiveness::Full => {
                let powers = (14..).map(|power| 1_u64 << power).take_while(|&b| b <= largest);
                powers.flat_map(|bytes| [bytes, bytes / 2 * 3]).filter(|&bytes| bytes <= largest).collect()
            }
        };
        let whole_lines =
            |bytes: u64| usize::try_from(bytes).ok().map(|bytes| bytes / LINE_BYTES * LINE_BYTES);
        shapes.into_iter().filter_map(whole_lines).map(|bytes| Shape::new(&[bytes])).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "byte counts below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [bytes] = counts(shape)?;
        if bytes < LINE_BYTES {
            return None;
        }
        Some(Cost {
            core_bytes: 8.0 * STEPS as f64,
            dram_bytes: (LINE_BYTES * STEPS) as f64,
            working_set_bytes: bytes as f64,
            ..Cost::default()
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        inputs::tier(case)?;
        // The order of the lines takes a sixteenth beside them.
        let [bytes] = fitting_counts(&case.shape, &resources.machine, |[bytes]| bytes + bytes / 16)?;
        let lines = u32::try_from(bytes / LINE_BYTES).ok().filter(|&lines| lines > 0).ok_or_else(|| {
            PrepareError::Failed(format!("{} is no size of 64 bytes to 256 GiB", case.shape))
        })?;
        let words = lines as usize * WORDS_PER_LINE;
        let links = match case.implementation.as_str() {
            "huge-pages" => AlignedBuffer::zeroed(words),
            "small-pages" => AlignedBuffer::zeroed_on_small_pages(words),
            _ => return Err(inputs::no_such_implementation(case)),
        };
        Ok(Box::new(ChaseWorkload { cycle: Cycle::new(links, lines, resources.seed) }))
    }
}

/// A cycle of links, and where a walk along it stands.
struct Cycle {
    links: AlignedBuffer<u64>,
    order: Vec<u32>,
    /// Where the next walk goes on: one that began anew would find its lines in the caches.
    at: u64,
    followed: u64,
    reached: [u64; 1],
}

impl Cycle {
    /// A cycle through so many lines of `links`, in an order drawn by the seed.
    fn new(mut links: AlignedBuffer<u64>, lines: u32, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..lines).collect();
        Rng::new(seed).shuffle(&mut order);
        chase::link(&order, &mut links);
        let start = chase::reference_chase(&order, 0);
        Self { links, order, at: start, followed: 0, reached: [start] }
    }

    fn walk(&mut self, steps: usize) {
        self.at = chase::chase(&self.links, self.at, steps);
        self.followed += steps as u64;
        self.reached[0] = self.at;
    }

    #[expect(clippy::cast_precision_loss, reason = "shown to people")]
    fn check(&self) -> Result<(), Mismatch> {
        compare_exact(&self.reached, &[chase::reference_chase(&self.order, self.followed)], |word| {
            word as f64
        })
    }
}

struct ChaseWorkload {
    cycle: Cycle,
}

impl Workload for ChaseWorkload {
    fn run(&mut self) {
        self.cycle.walk(STEPS);
    }

    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn facts(&mut self) -> Facts {
        let mut facts = Facts::default();
        facts.extra.insert("loads", STEPS as f64);
        facts
    }

    fn check(&self) -> Result<(), Mismatch> {
        self.cycle.check()
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.cycle.reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_footprint_is_beyond_that_of_memory() {
        let mut machine = Machine::default();
        for bytes in [96 << 20, 3 << 30_u64] {
            machine.memory.total_bytes = Some(8 * bytes);
            let largest = dram_footprint(&machine);
            let shapes = Chase.shapes(&machine, Extensiveness::Full);
            assert!(shapes.iter().all(|shape| shape.count(0) as u64 <= largest), "{shapes:?}");
            assert!(shapes.len() > 20 && shapes.windows(2).all(|pair| pair[0].count(0) < pair[1].count(0)));
        }
    }
}

//! The latency of memory while the other CPUs read from it: what a load takes on a machine that works.
//!
//! How long a reader pauses says little, because clocks differ: what counts is the rate that the readers reach meanwhile,
//! which is counted beside the latency.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Cycle, LINE_BYTES, WORDS_PER_LINE};
use crate::catalog::inputs::{self, fitting_counts};
use crate::catalog::memory::dram_footprint;
use crate::catalog::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources, Threading};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::clock_chain;
use crate::kernels::loads::{self, SUMS};
use crate::simd::Tier;
use crate::sys::Team;
use crate::sys::clock::{as_seconds, monotonic_nanoseconds};
use crate::tensor::AlignedBuffer;
use crate::workload::{Facts, Mismatch, OutputMut, Workload};

/// Loads of one run: some 10 ms in memory, in which waking the readers is lost.
const STEPS: usize = 1 << 16;

/// What a reader reads between two pauses: 4 KiB.
const BLOCK: usize = 1024;

/// Steps of two cycles that a reader pauses after a block: from none to speak of to a few microseconds and beyond.
const PAUSES: [usize; 6] = [1, 128, 512, 2048, 8192, 65_536];

/// THREADSxBYTESxPAUSE: one thread follows links through BYTES, the others read BYTES together, each pausing after
/// every 4 KiB.
pub(super) struct Loaded;

impl Benchmark for Loaded {
    fn id(&self) -> &str {
        "latency/loaded-u64"
    }

    fn card(&self) -> Card {
        Card {
            about: "a chain of dependent loads from memory while every other thread reads at a throttled rate",
            formula: "THREADSxBYTESxPAUSE: 65536 loads a run on one thread; the others read, and pause 2 PAUSE cycles after \
                      each 4 KiB",
            implementations: const {
                &[Implementation {
                    name: "beside-readers",
                    tiers: &[Tier::Baseline],
                    threads: Threading::Parallel,
                    about: "links on huge pages; the readers on the best tier, what they read is counted",
                }]
            },
        }
    }

    fn shapes(&self, machine: &Machine, extensiveness: Extensiveness) -> Vec<Shape> {
        // With a single CPU there is one shape, which says when it is prepared why it cannot be.
        let threads = machine.limits.effective_cpus.max(1);
        let bytes = usize::try_from(dram_footprint(machine) / 2).unwrap_or(usize::MAX);
        let pauses = match extensiveness {
            Extensiveness::Quick => &PAUSES[..1],
            Extensiveness::Default | Extensiveness::Full => &PAUSES[..],
        };
        let bytes = (bytes / LINE_BYTES * LINE_BYTES).max(LINE_BYTES);
        pauses.iter().map(|&pause| Shape::new(&[threads, bytes, pause])).collect()
    }

    fn usual(&self, _: &Machine, _: &Implementation, extensiveness: Extensiveness) -> bool {
        extensiveness == Extensiveness::Full
    }

    fn fits_threads(&self, shape: &Shape, threads: usize) -> bool {
        shape.count(0) == threads
    }

    #[expect(clippy::cast_precision_loss, reason = "byte counts below 2^36")]
    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let [_, bytes, _] = inputs::counts_below(shape, 1 << 56)?;
        (bytes >= LINE_BYTES).then(|| Cost {
            core_bytes: 8.0 * STEPS as f64,
            dram_bytes: (LINE_BYTES * STEPS) as f64,
            working_set_bytes: bytes as f64,
            ..Cost::default()
        })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        inputs::tier(case)?;
        let (team, machine) = (resources.team.clone(), &resources.machine);
        if team.threads().get() < 2 {
            return Err(PrepareError::Unavailable(
                "a load on memory needs a second CPU: this process may use one".to_owned(),
            ));
        }
        let Some([threads, bytes, pause]) = inputs::counts_below(&case.shape, 1 << 56) else {
            return Err(PrepareError::Failed(format!("{} is not THREADSxBYTESxPAUSE", case.shape)));
        };
        if threads != team.threads().get() {
            return Err(crate::catalog::wrong_threads(case));
        }
        let [bytes] = fitting_counts(&Shape::new(&[bytes]), machine, |[bytes]| 2 * bytes + bytes / 16)?;
        let lines = u32::try_from(bytes / LINE_BYTES).ok().filter(|&lines| lines > 0);
        let lines = lines
            .ok_or_else(|| PrepareError::Failed(format!("{bytes} is no size of 64 bytes to 256 GiB")))?;
        let cycle = Cycle::new(AlignedBuffer::zeroed(lines as usize * WORDS_PER_LINE), lines, resources.seed);
        let elements = (bytes / 4 / (threads - 1)).max(1);
        let readers = (1..threads).map(|reader| Mutex::new(Reader::new(elements, pause, reader))).collect();
        Ok(Box::new(LoadedWork {
            team,
            cycle: Mutex::new(cycle),
            readers,
            measured: Measured::default(),
            reached: [0],
        }))
    }
}

/// What a reader walks over, and where it stands: the next run goes on there.
struct Reader {
    data: AlignedBuffer<i32>,
    at: usize,
    pause: usize,
    /// What was read, so that reading cannot be left out.
    sums: [i32; SUMS],
}

impl Reader {
    fn new(elements: usize, pause: usize, reader: usize) -> Self {
        let value = |i: usize| {
            u32::try_from(i + reader).unwrap_or(u32::MAX).wrapping_mul(0x9E37_79B1).cast_signed() | 1
        };
        Self { data: AlignedBuffer::from_fn(elements, value), at: 0, pause, sums: [0; SUMS] }
    }

    /// Reads a block and pauses; answers how many bytes it was.
    fn block(&mut self) -> u64 {
        let end = (self.at + BLOCK).min(self.data.len());
        let block = &self.data[self.at..end];
        let bytes = size_of_val(block) as u64;
        // The tier is one that is here.
        let _ = loads::read(Tier::best_f32(), block, 1, &mut self.sums);
        self.at = if end == self.data.len() { 0 } else { end };
        let waited = clock_chain::chain(self.sums[0].cast_unsigned().into(), self.pause, 0x5555, 3);
        std::hint::black_box(waited);
        bytes
    }
}

/// What was counted in all runs together: a single one says little of what the readers reach.
#[derive(Default)]
struct Measured {
    read_bytes: AtomicU64,
    chase_nanoseconds: AtomicU64,
}

struct LoadedWork {
    team: Team,
    cycle: Mutex<Cycle>,
    readers: Vec<Mutex<Reader>>,
    measured: Measured,
    reached: [u64; 1],
}

impl Workload for LoadedWork {
    fn run(&mut self) {
        let Self { team, cycle, readers, measured, reached } = self;
        let chased = &*cycle;
        let done = AtomicBool::new(false);
        let reading = AtomicU64::new(0);
        let everybody = readers.len() as u64;
        team.broadcast(|thread| {
            let reader = thread.checked_sub(1).and_then(|reader| readers.get(reader)).map(Mutex::lock);
            if let Some(Ok(mut reader)) = reader {
                reading.fetch_add(1, Ordering::Release);
                let mut read = 0;
                while !done.load(Ordering::Relaxed) {
                    read += reader.block();
                }
                measured.read_bytes.fetch_add(read, Ordering::Relaxed);
            } else if let Ok(mut cycle) = chased.lock() {
                // The chase begins when all others read; threads that share a CPU must take turns.
                while reading.load(Ordering::Acquire) < everybody {
                    std::thread::yield_now();
                }
                let begin = monotonic_nanoseconds();
                cycle.walk(STEPS);
                measured.chase_nanoseconds.fetch_add(monotonic_nanoseconds() - begin, Ordering::Relaxed);
                done.store(true, Ordering::Relaxed);
            }
        });
        if let Ok(cycle) = cycle.get_mut() {
            *reached = cycle.reached;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    fn facts(&mut self) -> Facts {
        let mut facts = Facts::default();
        let seconds = as_seconds(self.measured.chase_nanoseconds.load(Ordering::Relaxed));
        let read = self.measured.read_bytes.load(Ordering::Relaxed) as f64;
        facts.extra.insert("loads", STEPS as f64);
        if seconds > 0.0 {
            facts.extra.insert("background_bytes_per_second", read / seconds);
        }
        facts
    }

    fn check(&self) -> Result<(), Mismatch> {
        let Ok(cycle) = self.cycle.lock() else {
            return Err(Mismatch { element: 0, got: f64::NAN, reference: f64::NAN, tolerance: 0.0 });
        };
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        if self.reached != cycle.reached {
            let (got, reference) = (self.reached[0] as f64, cycle.reached[0] as f64);
            return Err(Mismatch { element: 0, got, reference, tolerance: 0.0 });
        }
        cycle.check()
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cpu_cannot_load_itself_and_says_so() {
        let case: Case = "latency/loaded-u64/beside-readers@baseline/1x65536x1/t1".parse().unwrap();
        let resources = Resources::new(case.threads, 1, &Machine::default()).unwrap();
        let answer = Loaded.prepare(&case, &resources);
        assert!(matches!(answer, Err(PrepareError::Unavailable(why)) if why.contains("second CPU")));
    }

    #[test]
    fn what_the_readers_read_is_counted() {
        let case: Case = "latency/loaded-u64/beside-readers@baseline/3x65536x1/t3".parse().unwrap();
        let resources = Resources::new(case.threads, 1, &Machine::default()).unwrap();
        let mut workload = Loaded.prepare(&case, &resources).unwrap();
        workload.run();
        workload.run();
        workload.check().unwrap();
        let facts = workload.facts().extra;
        assert!(facts["background_bytes_per_second"] > 0.0 && facts["loads"] > 0.0, "{facts:?}");
    }
}

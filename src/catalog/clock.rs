//! Benchmarks of family `clock`: the rate that the cores really run at. The time-stamp counter is not that rate.

use super::{Benchmark, Card, Extensiveness, Implementation, PrepareError, Resources};
use crate::document::{Case, Cost, Machine, Shape};
use crate::kernels::clock_chain;
use crate::sys::Rng;
use crate::workload::{Facts, Mismatch, OutputMut, Workload, compare_exact};

/// The family's rows.
pub(super) static BENCHMARKS: &[&dyn Benchmark] = &[&Chain];

/// Beyond this a chain takes minutes.
const MOST_STEPS: usize = 1 << 36;

struct Chain;

impl Benchmark for Chain {
    fn id(&self) -> &str {
        "clock/chain-u64"
    }
    fn card(&self) -> Card {
        Card {
            about: "a chain of dependent one-cycle instructions, whose time gives the core clock",
            formula: "S steps: 2 S integer operations, 2 S cycles",
            implementations: const {
                &[Implementation::plain("exclusive or, then addition, each waiting for the one before")]
            },
        }
    }

    fn shapes(&self, _: &Machine, _: Extensiveness) -> Vec<Shape> {
        // About half a millisecond: far above a clock's step, far below a scheduler's slice.
        vec![Shape::new(&[1 << 20])]
    }

    fn cost(&self, shape: &Shape) -> Option<Cost> {
        let steps = steps(shape)?;
        #[expect(clippy::cast_precision_loss, reason = "steps are below 2^53")]
        Some(Cost { flops: clock_chain::cycles(steps) as f64, ..Cost::default() })
    }

    fn prepare(&self, case: &Case, resources: &Resources) -> Result<Box<dyn Workload>, PrepareError> {
        let steps = steps(&case.shape)
            .ok_or_else(|| PrepareError::Failed(format!("{} is not one count of steps", case.shape)))?;
        let mut rng = Rng::new(resources.seed);
        let [seed, xor, add] = [rng.next_u64(), rng.next_u64(), rng.next_u64() | 1];
        let reference = [clock_chain::reference_chain(seed, steps, xor, add)];
        Ok(Box::new(ChainWorkload { steps, seed, xor, add, output: [0], reference }))
    }
}

fn steps(shape: &Shape) -> Option<usize> {
    let steps = shape.count(0);
    (shape.0.len() == 1 && (1..=MOST_STEPS).contains(&steps)).then_some(steps)
}

struct ChainWorkload {
    steps: usize,
    seed: u64,
    xor: u64,
    add: u64,
    output: [u64; 1],
    reference: [u64; 1],
}

impl Workload for ChainWorkload {
    fn run(&mut self) {
        self.output[0] = clock_chain::chain(self.seed, self.steps, self.xor, self.add);
    }

    fn facts(&mut self) -> Facts {
        let mut facts = Facts::default();
        #[expect(clippy::cast_precision_loss, reason = "steps are below 2^53")]
        facts.extra.insert("cycles", clock_chain::cycles(self.steps) as f64);
        facts
    }

    fn check(&self) -> Result<(), Mismatch> {
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        compare_exact(&self.output, &self.reference, |x| x as f64)
    }

    fn output(&mut self) -> OutputMut<'_> {
        OutputMut::U64(&mut self.output)
    }
}

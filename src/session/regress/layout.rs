//! What layout alone does: builds of the base that differ in nothing but the order of their functions.

use super::counters::CounterChoice;
use super::paired::effect;
use super::pairs::{Kind, Pairs, WorkerPairs};
use crate::analysis::compare::Layout;
use crate::measure::{ArmError, Program};
use crate::session::Stop;
use crate::stats;

/// Builds that are compared with the base.
pub const RELINKS: u32 = 10;
/// Blocks of each: their median leaves out one that was disturbed.
const BLOCKS: usize = 3;

/// The spread of relinked builds of the base around it, in one case; `None` where there is none, or on a stop.
///
/// # Errors
/// A build fails on the case.
pub fn spread(
    base: &Program,
    relinked: &[Program],
    case: &str,
    seed: u64,
    patience_seconds: f64,
    stop: &Stop,
) -> Result<Option<Layout>, ArmError> {
    let mut effects = Vec::new();
    for (program, number) in relinked.iter().zip(0..) {
        let sides = [base, program].map(|program| (program.clone(), case.to_owned()));
        let [base, other] = sides;
        let pairs = WorkerPairs::new(base, other, seed.wrapping_add(number), patience_seconds, None);
        let mut pairs = pairs.with_counters(CounterChoice::Off);
        let mut values = Vec::new();
        for _ in 0..BLOCKS {
            if stop.requested() {
                return Ok(None);
            }
            values.extend(pairs.block(Kind::Pair)?.as_ref().and_then(effect));
        }
        effects.extend(stats::median(&values));
    }
    let ends = |pick: fn(f64, f64) -> f64| effects.iter().copied().reduce(pick).map(f64::exp);
    let (Some(low), Some(high)) = (ends(f64::min), ends(f64::max)) else { return Ok(None) };
    Ok(Some(Layout { builds: effects.len(), low, high }))
}

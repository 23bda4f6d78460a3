//! The regression gate's statistics: verdicts that may be looked at after every block.
//!
//! The unit is one value a block, `z = ln(candidate / base)`: a block is a fresh pair of processes, its value the median
//! over its rounds, so that what differs between processes (page placement, layout) is in the noise that the evidence
//! sees. Everything here is a function of such values; nothing reads a clock or draws a number.

mod autocorrelation;
pub mod control;
pub mod counts;
mod e_process;
mod interval;
pub mod suite;
pub mod tails;
mod verdict;

#[cfg(test)]
mod control_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod suite_tests;

pub use autocorrelation::{BLOCKS_BEFORE_CHECK, lag1, merge_dependent};
pub use e_process::{Side, SignEvidence, ln_required, reachable};
pub use interval::{effect, median_sequence};
pub use verdict::{Decider, Evidence, FIRST_LOOK, Margins, State};

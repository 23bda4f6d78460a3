//! Judging a candidate: against a document, a stored baseline, or another program in alternation.

mod again;
mod budgets;
pub mod builds;
mod control;
mod counters;
mod instructions;
pub mod layout;
mod paired;
pub mod pairs;
mod replay;
pub mod stored;
mod suite;

pub use again::measure_again;
pub use counters::CounterChoice;
pub use instructions::{Counted, CounterSource, compare_instructions, instructions_of, tier_of};
pub use paired::PairPlan;
pub use replay::replay;
pub use stored::{Judged, StoredRequest, judge_stored};
pub use suite::{PairRequest, Sides, judge_suite};

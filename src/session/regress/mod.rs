//! Judging a candidate: against a document, a stored baseline, or another program in alternation.

mod again;
pub mod stored;

pub use again::measure_again;

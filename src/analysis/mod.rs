//! Pure functions over documents: what the facts mean.

pub mod analytic;
pub mod budget;
pub mod causes;
pub mod changepoint;
pub mod compare;
pub mod engines;
pub mod history;
pub mod latency;
pub mod peers;
pub mod prediction;
pub mod recommend;
pub mod roofline;
pub mod sequential;
pub mod tune;

#[cfg(test)]
pub(crate) mod fixtures;

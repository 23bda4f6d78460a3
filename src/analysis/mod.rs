//! Pure functions over documents: what the facts mean.

pub mod budget;
pub mod compare;
pub mod recommend;
pub mod roofline;

#[cfg(test)]
pub(crate) mod fixtures;

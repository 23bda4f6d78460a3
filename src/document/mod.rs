//! The documents that perfkit writes and reads: raw facts only, everything else is computed from them.
//!
//! A document holds no host name, user name, absolute path, serial number or environment variable.

mod case;
mod machine;
mod results;
mod store;

pub use case::{Case, CaseTier, Cost, Extent, ParseCaseError, Shape};
pub use machine::*;
pub use results::{
    Conditions, Document, Latency, Measurement, Omission, Origin, Outcome, Peer, Run, SampleSeconds,
};
pub use store::{ReadError, read_document, schema_of, to_json, write_atomically};

/// Part of a case's name.
pub use crate::simd::Tier;

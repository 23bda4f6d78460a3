//! The documents that perfkit writes and reads: raw facts only, everything else is computed from them.
//!
//! A document holds no host name, user name, absolute path, serial number or environment variable.

mod baseline;
mod case;
mod causes;
mod checked;
mod machine;
mod pattern;
mod results;
mod selftest;
mod store;
mod strict;
mod trace;

pub use baseline::{
    Arm, BENCH, Baseline, BaselineRun, Cause, KeptSamples, NO_REFERENCE, Normaliser, SamplesDocument, Source,
};
pub use case::{Case, CaseTier, Cost, Extent, ParseCaseError, Shape};
pub use machine::*;
pub use pattern::{CasePattern, PatternError};
pub use results::{
    Conditions, Document, Latency, Measurement, Omission, Origin, Outcome, Peer, Run, SampleSeconds,
};
pub use selftest::{AaCase, AaTrials, DialTrials, Selftest, SuiteTrials, Timer};
pub use store::{
    ReadError, read_baseline, read_document, read_samples, schema_of, to_compressed_json, to_json,
    to_json_line, write_atomically,
};

pub use trace::{Trace, TraceArm, TraceBlock, read_trace};

/// Part of a case's name.
pub use crate::simd::Tier;

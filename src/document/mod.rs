//! The documents that perfkit writes and reads: raw facts only, everything else is computed from them.
//!
//! A document holds no host name, user name, absolute path, serial number or environment variable.

mod baseline;
mod case;
mod causes;
mod checked;
mod execution;
mod gpu;
mod machine;
mod machine_comparison;
mod memory;
mod pattern;
mod processor;
mod results;
mod selftest;
mod store;
mod strict;
mod trace;
mod tuning;
mod whole;

pub use baseline::{
    Arm, BENCH, Baseline, BaselineRun, Cause, KeptSamples, NO_REFERENCE, Normaliser, SamplesDocument, Source,
};
pub use case::{Case, CaseTier, Cost, Extent, ParseCaseError, Shape};
pub use execution::{Execution, GpuMemoryLimit, PrecisionAdvice, Provider};
pub use gpu::{Gpu, GpuClocks, GpuPcie, NowMax};
pub use machine::*;
pub use machine_comparison::{Likeness, MachineComparison, MachineDifference};
pub use memory::{HugePages, Memory, MemoryModule, MemoryTier, Numa, NumaNode, SideCache};
pub use pattern::{CasePattern, PatternError};
pub use processor::{
    Cache, CacheInstance, CacheKnee, CacheType, CoreKind, Cpu, Frequency, Isa, LoadedClock, UnplacedCache,
};
pub use results::{
    Conditions, Document, Latency, Measurement, Omission, Origin, Outcome, Peer, Run, SampleSeconds,
};
pub use selftest::{AaCase, AaTrials, DialTrials, Selftest, SuiteTrials, Timer};
pub use store::{
    ReadError, read_baseline, read_document, read_samples, read_tuning, schema_of, to_compressed_json,
    to_json, to_json_line,
};

pub use trace::{Trace, TraceArm, TraceBlock, read_trace};
pub use tuning::{
    DotBeside, EmbedSettings, FormMemory, MatmulSize, MatmulTuning, MemoryLine, MemoryPoint, MolCandidate,
    MolChoice, MolSettings, MolTuning, RowsCrossover, Tuning, TuningAdvice, TuningCandidate, TuningChoice,
    TuningLimits,
};
pub use whole::{WholeFile, write_atomically};

/// Part of a case's name.
pub use crate::simd::Tier;

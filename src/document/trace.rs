//! `perfkit.trace/1`: every sample of a paired comparison, so that its verdicts can be computed again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store::kind_of;
use super::{Cause, ReadError};

/// The blocks of a comparison in the order they were measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trace {
    /// `perfkit.trace/1`.
    pub schema: String,
    /// `perfkit 0.1.0`.
    pub tool: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The blocks.
    pub blocks: Vec<TraceBlock>,
}

impl Trace {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.trace/1";
}

/// A block: one fresh process of either side, sampled in alternation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceBlock {
    /// Which case.
    pub case: String,
    /// The base stands on both sides.
    pub control: bool,
    /// The base.
    pub base: TraceArm,
    /// The candidate, or the base again.
    pub candidate: TraceArm,
    /// From the start of the warm-up to the last sample.
    pub sampling_seconds: f64,
    /// Share of CPU time that the hypervisor took during the block.
    pub steal_fraction: Option<f64>,
    /// Share of wall time in which some task waited for a CPU (PSI), during the block.
    pub cpu_pressure_fraction: Option<f64>,
    /// Periods in which the cgroup's quota stopped us during the block.
    pub throttled_periods: Option<u64>,
}

/// One side of a block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceArm {
    /// Wall time of each batch.
    pub wall_nanoseconds: Vec<u64>,
    /// CPU time of each batch, of all threads of the process.
    pub cpu_nanoseconds: Vec<Option<u64>>,
    /// Times the scheduler took the CPU away, in each batch.
    pub involuntary_switches: Vec<Option<u64>>,
    /// Time that the thread could have run and waited for a CPU, in each batch.
    pub wait_nanoseconds: Vec<Option<u64>>,
    /// The CPU that each batch ended on.
    pub cpu: Vec<Option<u32>>,
    /// What each sample suffered from. None is ever deleted.
    pub cause: Vec<Cause>,
    /// Runs in each batch.
    pub iterations: u64,
    /// The warm-up settled.
    pub settled: bool,
    /// Page faults in the rounds that were served without a disk.
    pub minor_faults: Option<u64>,
    /// Page faults in the rounds that waited for a disk.
    pub major_faults: Option<u64>,
    /// Largest resident size of the process.
    pub peak_rss_bytes: Option<u64>,
    /// What one run costs by deterministic counters, where they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<(String, f64)>,
    /// The side says of itself that it was built without optimisation.
    #[serde(default)]
    pub unoptimised: bool,
}

/// Traces beyond this are not read: a hundred blocks of a hundred cases are far below.
const LIMIT_BYTES: u64 = 256 << 20;

/// Reads a trace.
///
/// # Errors
/// The file cannot be read, is no trace, is a newer perfkit's, or holds a block whose columns differ in length.
pub fn read_trace(path: &std::path::Path) -> Result<Trace, ReadError> {
    let shown = path.display().to_string();
    let io = |cause| ReadError::Io { path: shown.clone(), cause };
    let invalid = |why: String| ReadError::Invalid { path: shown.clone(), kind: kind_of(Trace::SCHEMA), why };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > LIMIT_BYTES {
        return Err(invalid(format!("{length} bytes are more than any trace has")));
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let trace: Trace = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    match trace.schema.strip_prefix("perfkit.trace/").map(str::parse::<u32>) {
        Some(Ok(1)) => {}
        Some(Ok(2..)) => {
            return Err(ReadError::Newer { path: shown, schema: trace.schema, known: Trace::SCHEMA });
        }
        _ => return Err(invalid(format!("its schema is {:?}, wanted {:?}", trace.schema, Trace::SCHEMA))),
    }
    for block in &trace.blocks {
        if !(block.base.is_whole() && block.candidate.is_whole()) {
            return Err(invalid(format!(
                "a block of {} has columns of different lengths, or a time of 0",
                block.case
            )));
        }
    }
    Ok(trace)
}

impl TraceArm {
    fn is_whole(&self) -> bool {
        let samples = self.wall_nanoseconds.len();
        let columns = [
            self.cpu_nanoseconds.len(),
            self.involuntary_switches.len(),
            self.wait_nanoseconds.len(),
            self.cpu.len(),
            self.cause.len(),
        ];
        columns.iter().all(|&length| length == samples) && !self.wall_nanoseconds.contains(&0)
    }
}

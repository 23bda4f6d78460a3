//! `perfkit.machine-comparison/1`: in what two machines differ, and what that means for comparing their results.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two machines beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineComparison {
    /// `perfkit.machine-comparison/1`.
    pub schema: String,
    /// Whether results of the two compare.
    pub verdict: Likeness,
    /// The same in words.
    pub meaning: String,
    /// The fingerprint of this machine.
    pub here: String,
    /// The fingerprint of the other.
    pub there: String,
    /// What differs: first what forbids comparing, then what a reader should know.
    pub differences: Vec<MachineDifference>,
}

impl MachineComparison {
    /// The schema that this version writes.
    pub const SCHEMA: &'static str = "perfkit.machine-comparison/1";
}

/// How much alike two machines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Nothing differs that results depend on.
    Same,
    /// The same machine, set otherwise: results compare with care.
    SetOtherwise,
    /// Results do not compare.
    Another,
}

/// A fact in which two machines differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineDifference {
    /// What differs.
    pub fact: String,
    /// On this machine; `?` where it is not known.
    pub here: String,
    /// On the other.
    pub there: String,
    /// What that means for comparing results.
    pub meaning: String,
    /// Whether it decides that their results do not compare.
    pub decisive: bool,
}

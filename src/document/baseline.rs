//! A baseline: a results document with the runs behind it, sample by sample.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Document};

/// A `perfkit.results/1` document with `runs`; readers of results read it as the document alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// What was measured.
    #[serde(flatten)]
    pub document: Document,
    /// The runs behind it.
    #[serde(default)]
    pub runs: Vec<BaselineRun>,
    /// Why it replaced the one before, where it was accepted by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One run of a suite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BaselineRun {
    /// The run's id.
    pub id: String,
    /// UTC.
    pub started: String,
    /// Every case's samples.
    pub arms: Vec<Arm>,
}

/// The samples of one case in one run, and what the system counted beside each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Which.
    pub case: Case,
    /// Seconds per iteration.
    pub wall_seconds: Vec<f64>,
    /// CPU seconds per iteration, of all threads.
    #[serde(default)]
    pub cpu_seconds: Vec<f64>,
    /// Times the scheduler took a CPU away.
    #[serde(default)]
    pub involuntary_switches: Vec<u64>,
    /// Iterations of each sample.
    #[serde(default)]
    pub iterations: u64,
    /// The CPU that each sample ended on.
    #[serde(default)]
    pub cpu: Vec<Option<u32>>,
    /// What each sample suffered from. None is ever deleted.
    #[serde(default)]
    pub cause: Vec<Cause>,
}

/// What disturbed a sample. Of several causes the first in this order that is known to hold, undisturbed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Nothing that could be counted.
    Undisturbed,
    /// The scheduler gave the CPU to somebody else.
    Preempted,
    /// The host took the CPU from the virtual machine.
    Stolen,
    /// The thread moved to another CPU.
    Migrated,
    /// Beyond the outer Tukey fence, of unknown cause: 3 interquartile ranges above the upper quartile.
    Severe,
    /// Beyond the inner fence, of unknown cause: 1.5 interquartile ranges above.
    Mild,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_written_in_lower_case() {
        let all = [
            Cause::Undisturbed,
            Cause::Preempted,
            Cause::Stolen,
            Cause::Migrated,
            Cause::Severe,
            Cause::Mild,
        ];
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, r#"["undisturbed","preempted","stolen","migrated","severe","mild"]"#);
        assert_eq!(serde_json::from_str::<Vec<Cause>>(&text).unwrap(), all);
    }
}

//! Whether a machine is fit for measuring: one function a check, each with a verdict, why it matters, and the command
//! that changes it. perfkit changes nothing itself.

mod gpu;
mod memory;
mod processor;
mod scheduling;

use super::root::Root;
use crate::document::{Gpu, Machine, ReadinessCheck, ReadinessVerdict};
use ReadinessVerdict::{Bad, Ok, Warn};

/// What the checks look at.
pub(super) struct Evidence<'a> {
    pub(super) root: &'a Root,
    pub(super) machine: &'a Machine,
}

/// What a check found: verdict, detail, remedy.
type Answer = (ReadinessVerdict, String, Option<String>);

/// A check; `None` where the file that it judges is not there.
type Check = fn(&Evidence<'_>) -> Option<Answer>;

/// Every check, in the order of the report; one whose file is not there is silent.
static CHECKS: &[(&str, Check)] = &[
    ("steal", scheduling::steal),
    ("load", scheduling::load),
    ("pressure", scheduling::pressure),
    ("quota", scheduling::quota),
    ("throttling", scheduling::throttling),
    ("governor", processor::governor),
    ("turbo", processor::turbo),
    ("thermal", processor::thermal),
    ("isolation", processor::isolation),
    ("mitigations", processor::mitigations),
    ("clocksource", processor::clocksource),
    ("huge_pages", memory::huge_pages),
    ("numa_balancing", memory::numa_balancing),
    ("swap", memory::swap),
    ("aslr", memory::aslr),
];

/// A check of the GPUs; `None` where nothing is known of what it judges.
type GpuCheck = fn(&[Gpu]) -> Option<Answer>;

/// The checks of GPUs, which follow.
static GPU_CHECKS: &[(&str, GpuCheck)] = &[
    ("gpu_users", gpu::users),
    ("gpu_link", gpu::link),
    ("gpu_throttle", gpu::throttle),
    ("gpu_sharing", gpu::sharing),
];

/// The names of all checks.
pub fn check_names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|row| row.0).chain(GPU_CHECKS.iter().map(|row| row.0))
}

/// Runs the checks.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<ReadinessCheck> {
    let run = |(check, function): &(&str, Check)| Some(described(check, function(evidence)?));
    CHECKS.iter().filter_map(run).chain(of_gpus(&evidence.machine.gpus)).collect()
}

/// Judges the GPUs anew, where they have been replaced.
pub(super) fn renew_gpus(machine: &mut Machine) {
    machine.readiness.retain(|check| !GPU_CHECKS.iter().any(|(name, _)| *name == check.check));
    let renewed: Vec<ReadinessCheck> = of_gpus(&machine.gpus).collect();
    machine.readiness.extend(renewed);
}

fn of_gpus(gpus: &[Gpu]) -> impl Iterator<Item = ReadinessCheck> {
    GPU_CHECKS.iter().filter_map(move |(check, function)| Some(described(check, function(gpus)?)))
}

fn described(check: &str, (verdict, detail, remedy): Answer) -> ReadinessCheck {
    ReadinessCheck { check: check.to_owned(), verdict, detail, remedy }
}

fn remedy(command: &str) -> Option<String> {
    Some(command.to_owned())
}

/// `value` is bad from `bad` on, a warning from `warn` on.
fn grade(value: f64, warn: f64, bad: f64) -> ReadinessVerdict {
    if value >= bad {
        Bad
    } else if value >= warn {
        Warn
    } else {
        Ok
    }
}

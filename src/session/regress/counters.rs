//! What `--counters` asks for, beside the counters that both sides tell in their own blocks.

use super::instructions::{CounterSource, compare_instructions, instructions_of};
use super::suite::{PairRequest, Sides};
use crate::analysis::compare::{ComparisonReport, CountChange};
use crate::measure::Program;
use crate::measure::counters::INSTRUCTIONS;
use crate::session::Stop;
use crate::sys::counters::probe;
use crate::sys::process::execute;

/// Where the instructions of a comparison come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CounterChoice {
    /// The best source that costs nothing: the processor's counter, where there is one.
    #[default]
    Auto,
    /// The processor's counter.
    Perf,
    /// valgrind, which is slow and knows no AVX-512.
    Valgrind,
    /// Nothing is counted, allocations neither.
    Off,
}

/// `valgrind --version` answers within this.
const VALGRIND_SECONDS: f64 = 60.0;

/// That what is asked for can be had.
///
/// # Errors
/// It cannot, and what to do.
pub(super) fn require(request: &PairRequest) -> anyhow::Result<()> {
    if request.counters != CounterChoice::Valgrind {
        return Ok(());
    }
    anyhow::ensure!(
        matches!(request.sides, Sides::Programs { .. }),
        "--counters valgrind counts programs that serve the worker protocol, not commands"
    );
    let words = ["valgrind", "--version"].map(str::to_owned);
    let there = execute(&words, VALGRIND_SECONDS).is_ok_and(|done| done.exit_code == Some(0));
    anyhow::ensure!(
        there,
        "--counters valgrind: there is no valgrind in the search path; install it (Debian: apt install valgrind)"
    );
    Ok(())
}

/// The instructions of both sides by valgrind, where they are asked for.
pub(super) fn by_valgrind(
    request: &PairRequest,
    base_case: &str,
    candidate_case: &str,
    stop: &Stop,
) -> Option<Result<CountChange, String>> {
    let Sides::Programs { base, candidate, .. } = &request.sides else { return None };
    if request.counters != CounterChoice::Valgrind || stop.requested() {
        return None;
    }
    let of = |program: &Program, case: &str| {
        let counted = instructions_of(program, case, CounterSource::Valgrind, request.patience_seconds);
        counted.map_err(|error| error.to_string())
    };
    Some(of(base, base_case).and_then(|base| compare_instructions(&base, &of(candidate, candidate_case)?)))
}

/// Why no case has a count of instructions, once for all of them; `None` where there are counts, or none were wanted.
pub(super) fn why_none(request: &PairRequest, report: &ComparisonReport) -> Option<String> {
    let programs = matches!(request.sides, Sides::Programs { .. });
    let wanted = matches!(request.counters, CounterChoice::Auto | CounterChoice::Perf);
    let mut counts = report.changes.iter().flat_map(|change| &change.counts);
    if !programs || !wanted || counts.any(|count| count.counter == INSTRUCTIONS) {
        return None;
    }
    let reason = probe().reason?;
    Some(format!(
        "instructions were not counted: {reason}; `--counters valgrind` counts them without it, slowly"
    ))
}

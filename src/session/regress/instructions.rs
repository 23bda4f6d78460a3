//! Instructions of one run of a case: by the processor's counter in the worker itself, or by valgrind around it.
//!
//! valgrind counts a whole process, and executes no instruction that it does not know: a program that looks for them takes
//! another path there than natively. So the tier that was counted is kept with every count, and counts of different
//! tiers or sources are never compared.

use std::path::PathBuf;

use crate::analysis::compare::CountChange;
use crate::analysis::sequential::counts::CountTolerance;
use crate::document::{Case, Tier};
use crate::measure::counters::INSTRUCTIONS;
use crate::measure::{Arm, ArmError, Program, WorkerProcess, run_seconds};
use crate::sys::counters::probe;
use crate::sys::process::Start;

use super::paired::count_change;

/// Who counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CounterSource {
    /// The processor, by `perf_event_open(2)` in the worker.
    PerfEvent,
    /// valgrind's cachegrind around the worker.
    Valgrind,
}

impl CounterSource {
    /// As in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerfEvent => "perf_event",
            Self::Valgrind => "valgrind",
        }
    }
}

/// Instructions that a run of a case takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// For one run, counted more than once: they are equal where the program does the same every time.
    pub per_run: Vec<f64>,
    /// Who counted.
    pub source: CounterSource,
    /// The tier whose code was counted, where the case names one.
    pub tier: Option<String>,
}

/// Counts are of these inputs, so that those of today and of a year ago are of the same.
const SEED: u64 = 1;
/// Fresh processes in which the processor's counter is read.
const PROCESSES: usize = 2;
/// A counted batch natively, and one under valgrind, lasts about so long, so that what a process does beside the runs is
/// little of it.
const BATCH_SECONDS: [f64; 2] = [0.005, 1.0];
/// No counted batch has more runs.
const MOST_RUNS: u64 = 10_000_000;
/// Every deadline of the protocol is so many times longer under valgrind.
const VALGRIND_PATIENCE: f64 = 10.0;

/// Counts the instructions of one run of a case. A case is counted on the tier that it names or not at all; a program
/// that gives no answer within the patience (under valgrind ten times as long) is given up.
///
/// # Errors
/// The program fails on the case (under valgrind also because valgrind does not know its tier), or tells no count.
pub fn instructions_of(
    program: &Program,
    case: &str,
    source: CounterSource,
    patience_seconds: f64,
) -> Result<Counted, ArmError> {
    let per_run = match source {
        CounterSource::PerfEvent => by_perf_event(program, case, patience_seconds)?,
        CounterSource::Valgrind => by_valgrind(program, case, patience_seconds * VALGRIND_PATIENCE)?,
    };
    Ok(Counted { per_run, source, tier: tier_of(case) })
}

/// The tier that a case names.
#[must_use]
pub fn tier_of(case: &str) -> Option<String> {
    case.parse::<Case>().ok().map(|case| case.tier.to_string())
}

/// Compares two counts, exactly but for the tolerance of deterministic counters.
///
/// # Errors
/// They are of different sources or tiers, or no numbers: then there is nothing to compare.
pub fn compare_instructions(base: &Counted, candidate: &Counted) -> Result<CountChange, String> {
    if base.source != candidate.source {
        return Err(format!("counted by {} and by {}", base.source.name(), candidate.source.name()));
    }
    if base.tier != candidate.tier {
        let tier = |counted: &Counted| counted.tier.clone().unwrap_or_else(|| "an unknown tier".to_owned());
        return Err(format!("counted on {} and on {}", tier(base), tier(candidate)));
    }
    let (source, tolerance) = (base.source.name(), CountTolerance::COUNTS);
    let change = count_change(INSTRUCTIONS, source, &base.per_run, &candidate.per_run, tolerance);
    let change = change.ok_or_else(|| "a side has no count".to_owned())?;
    Ok(CountChange { tier: base.tier.clone(), ..change })
}

fn by_perf_event(program: &Program, case: &str, patience_seconds: f64) -> Result<Vec<f64>, ArmError> {
    let mut counts = Vec::with_capacity(PROCESSES);
    for _ in 0..PROCESSES {
        let mut worker = WorkerProcess::start(program, &Start::default(), patience_seconds)?;
        worker.prepare(case, SEED)?;
        let runs = runs_of(BATCH_SECONDS[0], run_seconds(&mut worker)?);
        let told = worker.count(runs)?;
        worker.leave();
        let count = told.into_iter().find(|(name, _)| name == INSTRUCTIONS);
        let (_, count) = count.ok_or_else(|| ArmError {
            who: program.shown(),
            why: probe().reason.map_or_else(
                || format!("tells no {INSTRUCTIONS} of {case}"),
                |reason| format!("tells no {INSTRUCTIONS} of {case}: {reason}"),
            ),
        })?;
        counts.push(count);
    }
    Ok(counts)
}

/// Three processes that differ in how many runs they do: what is equal in them cancels, and two differences that do not
/// agree show what does not (a hash map's random order, threads that spin while they wait).
fn by_valgrind(program: &Program, case: &str, patience_seconds: f64) -> Result<Vec<f64>, ArmError> {
    let wrapped = under_valgrind(program);
    let failed = |why: &str| ArmError {
        who: format!("{} under valgrind", program.shown()),
        // What valgrind itself said last is a number by a process id.
        why: why.split(": ==").next().unwrap_or(why).to_owned(),
    };
    if let Some(tier) = beyond_valgrind(case) {
        return Err(failed(&format!(
            "valgrind executes no {tier}, and the program would take another path in it"
        )));
    }
    let whole =
        |runs| whole_process(&wrapped, case, runs, patience_seconds).map_err(|error| failed(&error.why));
    let (first, seconds) = whole(1)?;
    let more = runs_of(BATCH_SECONDS[1], seconds);
    let (second, _) = whole(1 + more)?;
    let (third, _) = whole(1 + 2 * more)?;
    differences([first, second, third], more)
        .ok_or_else(|| failed("counted no more instructions for more runs"))
}

/// The tier of a case, where valgrind knows none of its instructions (3.19 was tried). A program sees a processor without
/// them there: some then refuse, some die, and some would be counted on a lower tier under this one's name.
fn beyond_valgrind(case: &str) -> Option<Tier> {
    let tier = case.parse::<Case>().ok()?.tier.ours()?;
    match tier {
        Tier::Avx512 | Tier::Avx512vnni | Tier::Avx512bf16 => Some(tier),
        Tier::Baseline | Tier::Sse41 | Tier::Avx2 | Tier::Neon | Tier::NeonDotprod => None,
    }
}

/// Instructions per run from three counts of processes, each of which did `more` runs more than the one before.
fn differences(counts: [u64; 3], more: u64) -> Option<Vec<f64>> {
    let steps = counts.windows(2).map(|pair| pair[1].checked_sub(pair[0]).filter(|&step| step > 0));
    #[expect(clippy::cast_precision_loss, reason = "counts of instructions are far below 2^53")]
    let per_run = steps.map(|step| step.map(|step| step as f64 / more.max(1) as f64));
    per_run.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a small positive count, clamped"
)]
fn runs_of(batch_seconds: f64, run_seconds: f64) -> u64 {
    (batch_seconds / run_seconds.max(1e-9)).ceil().clamp(1.0, MOST_RUNS as f64) as u64
}

fn under_valgrind(program: &Program) -> Program {
    let options = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];
    let mut arguments: Vec<String> = options.map(str::to_owned).to_vec();
    arguments.push(program.path.display().to_string());
    arguments.extend(program.arguments.iter().cloned());
    Program { path: PathBuf::from("valgrind"), arguments }
}

/// The instructions of a whole process that did so many runs, and the seconds that one of them took in it.
fn whole_process(
    wrapped: &Program,
    case: &str,
    runs: u64,
    patience_seconds: f64,
) -> Result<(u64, f64), ArmError> {
    let mut worker = WorkerProcess::start(wrapped, &Start::default(), patience_seconds)?;
    worker.prepare(case, SEED)?;
    let sample = worker.sample(runs)?;
    let said = worker.last_words()?;
    let count = instruction_references(&said).ok_or_else(|| ArmError {
        who: String::new(),
        why: "ended without a count: valgrind counts a program itself, not what a script starts".to_owned(),
    })?;
    Ok((count, sample.seconds()))
}

/// The count in cachegrind's summary: `==12345== I   refs:      1,479,854`.
fn instruction_references(said: &str) -> Option<u64> {
    let count = |line: &str| {
        let (_, rest) = line.strip_prefix("==")?.split_once("== ")?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        match words[..] {
            ["I", "refs:", number] => number.replace(',', "").parse().ok(),
            _ => None,
        }
    };
    said.lines().rev().find_map(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::compare::CountVerdict;

    #[test]
    fn cachegrinds_summary_is_read_in_the_forms_of_its_versions() {
        for (said, count) in [
            ("==12345== \n==12345== I   refs:      1,479,854\n", Some(1_479_854)),
            ("==7== I refs:        12\n", Some(12)),
            ("==7== I   refs:      10\n==7== I1  misses:   3\n==7== D   refs:      5\n", Some(10)),
            ("I refs: 12\n", None),
            ("==7== I refs: many\n", None),
            ("== I refs: 1\n", None),
            ("", None),
        ] {
            assert_eq!(instruction_references(said), count, "{said}");
        }
    }

    #[test]
    fn what_processes_have_in_common_cancels() {
        assert_eq!(differences([1_000_000, 1_000_500, 1_001_000], 10), Some(vec![50.0, 50.0]));
        assert_eq!(differences([1_000_000, 1_000_510, 1_001_000], 10), Some(vec![51.0, 49.0]));
        assert_eq!(differences([1_000_000, 1_000_000, 1_000_500], 10), None);
        assert_eq!(differences([1_000_000, 999_999, 1_000_500], 10), None);
        assert_eq!(runs_of(1.0, 0.25), 4);
        assert_eq!(runs_of(1.0, 30.0), 1);
        assert_eq!(runs_of(1.0, 0.0), MOST_RUNS);
    }

    fn counted(per_run: &[f64], source: CounterSource, tier: Option<&str>) -> Counted {
        Counted { per_run: per_run.to_vec(), source, tier: tier.map(str::to_owned) }
    }

    #[test]
    fn counts_are_compared_within_a_source_and_a_tier_alone() {
        use CounterSource::{PerfEvent, Valgrind};
        let base = counted(&[5000.0, 5001.0], Valgrind, Some("avx2"));
        let verdict = |candidate| compare_instructions(&base, &candidate).map(|change| change.verdict);
        assert_eq!(verdict(counted(&[5004.0, 5004.0], Valgrind, Some("avx2"))), Ok(CountVerdict::Same));
        assert_eq!(verdict(counted(&[5050.0, 5050.0], Valgrind, Some("avx2"))), Ok(CountVerdict::Grew));
        assert_eq!(verdict(counted(&[5050.0, 5100.0], Valgrind, Some("avx2"))), Ok(CountVerdict::Unsteady));
        assert!(verdict(counted(&[5000.0], PerfEvent, Some("avx2"))).unwrap_err().contains("perf_event"));
        assert!(verdict(counted(&[5000.0], Valgrind, Some("avx512"))).unwrap_err().contains("avx512"));
        assert!(verdict(counted(&[5000.0], Valgrind, None)).is_err());
        assert!(verdict(counted(&[], Valgrind, Some("avx2"))).is_err());
        let change = compare_instructions(&base, &base).unwrap();
        assert_eq!((&*change.source, change.tier.as_deref()), ("valgrind", Some("avx2")));
    }

    #[test]
    fn a_tier_is_the_one_that_a_case_names() {
        assert_eq!(tier_of("own/axpy-f32/rows@avx2/2048/t1").as_deref(), Some("avx2"));
        assert_eq!(tier_of("parse-large-file"), None);
        assert_eq!(beyond_valgrind("own/axpy-f32/rows@avx2/2048/t1"), None);
        assert_eq!(beyond_valgrind("own/axpy-f32/rows@avx512/2048/t1"), Some(Tier::Avx512));
        assert_eq!(beyond_valgrind("parse-large-file"), None);
    }

    #[test]
    fn valgrind_is_put_before_the_program_and_its_own_arguments() {
        let program = Program { path: PathBuf::from("/opt/mine"), arguments: vec!["--fast".to_owned()] };
        let wrapped = under_valgrind(&program);
        assert_eq!(wrapped.path, PathBuf::from("valgrind"));
        assert_eq!(wrapped.arguments[wrapped.arguments.len() - 2..], ["/opt/mine", "--fast"]);
    }
}

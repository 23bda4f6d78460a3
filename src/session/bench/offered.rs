//! Cases of other programs: offered and measured over the worker protocol, placed as the catalog's own are.

use super::Bench;
use crate::analysis::roofline;
use crate::document::{Case, CasePattern, Cost, Omission, Origin, Outcome};
use crate::measure::protocol::Offer;
use crate::measure::{
    Arm, ArmError, BatchSample, Block, BlockPlan, Program, Samples, WorkerProcess, block, run_seconds,
};
use crate::session::Stop;
use crate::session::recorder::{self, Recorder};
use crate::session::selection::{Selection, Threads};
use crate::sys::Clock;
use crate::sys::clock::as_seconds;
use crate::sys::process::{Start, end_strays};
use crate::sys::resources::{ProcessFacts, process_facts};

/// A case that a program offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// The program.
    pub program: Program,
    /// Its name and version, as it says itself.
    pub by: String,
    /// It says of itself that it was built without optimisation.
    pub unoptimised: bool,
    /// The case.
    pub case: Case,
    /// What one run costs, as the program declares it.
    pub cost: Cost,
}

/// What programs offer.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    /// What can be measured and placed.
    pub cases: Vec<Offered>,
    /// Cases with a reason not to measure them.
    pub skipped: Vec<Omission>,
    /// What a person should know of the rest.
    pub notes: Vec<String>,
}

/// A program that gives no answer for so long is given up.
const PATIENCE_SECONDS: f64 = 120.0;
/// Names in a note before it is cut short.
const NAMED: usize = 3;

/// Asks programs what they offer.
///
/// # Errors
/// One does not start, does not speak the protocol, or offers nothing that can be placed.
pub fn offers(programs: &[Program]) -> anyhow::Result<Offers> {
    let mut offers = Offers::default();
    for program in programs {
        let mut worker = WorkerProcess::start(program, &Start::default(), PATIENCE_SECONDS)?;
        let listed = worker.list()?;
        let greeting = worker.greeting().clone();
        worker.leave();
        anyhow::ensure!(
            !listed.is_empty(),
            "{} offers no case: its answer to `list` is `end` alone",
            program.shown()
        );
        let by = format!("{} {}", greeting.name, greeting.program_version).trim().to_owned();
        let whose = |case, cost| Offered {
            program: program.clone(),
            by: by.clone(),
            unoptimised: greeting.unoptimised,
            case,
            cost,
        };
        let before = offers.cases.len();
        let unnamed = offers.take(listed, whose);
        offers.notes.extend(unnamed_note(&program.shown(), &unnamed));
        anyhow::ensure!(
            offers.cases.len() > before || unnamed.is_empty(),
            "{}",
            offers.notes.last().map_or("", String::as_str)
        );
    }
    Ok(offers)
}

fn unnamed_note(program: &str, unnamed: &[String]) -> Option<String> {
    let first: Vec<&str> = unnamed.iter().take(NAMED).map(String::as_str).collect();
    let more =
        if unnamed.len() > NAMED { format!(" and {} more", unnamed.len() - NAMED) } else { String::new() };
    (!unnamed.is_empty()).then(|| {
        format!(
            "{program} offers {}{more}, which cannot be placed: only a case named as own/axpy-f32/rows@avx2/4096/t1 \
             can; `perfkit regress` compares any",
            first.join(", ")
        )
    })
}

impl Offers {
    /// Whether no program was asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty() && self.skipped.is_empty()
    }

    /// The programs that were built without optimisation.
    #[must_use]
    pub fn unoptimised(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.cases.iter().filter(|o| o.unoptimised).map(|o| &*o.by).collect();
        names.dedup();
        names
    }

    /// Takes what a program lists; answers the names that are no cases.
    fn take(&mut self, listed: Vec<Offer>, whose: impl Fn(Case, Cost) -> Offered) -> Vec<String> {
        let mut unnamed = Vec::new();
        for offer in listed {
            let Ok(case) = offer.case.parse::<Case>() else {
                unnamed.push(offer.case);
                continue;
            };
            let why = if roofline::is_ceiling(&case) {
                Some(
                    "the families memory, peak and clock are the machine's ceilings, measured by perfkit alone",
                )
            } else if self.cases.iter().any(|known| known.case == case) {
                Some("offered twice, and measured once: `perfkit regress` compares two programs")
            } else {
                None
            };
            match why {
                Some(why) => {
                    let why = why.to_owned();
                    self.skipped.push(Omission { case, origin: Origin::Worker, why });
                }
                None => self.cases.push(whose(case, declared(&offer.numbers))),
            }
        }
        unnamed
    }

    /// The cases that a selection means, and the omissions that it means.
    pub(super) fn narrowed(
        &self,
        selection: &Selection,
    ) -> Result<(Vec<Offered>, Vec<Omission>), crate::document::PatternError> {
        let patterns: Vec<CasePattern> =
            selection.filters.iter().map(|filter| CasePattern::new(filter)).collect::<Result<_, _>>()?;
        let wanted = |case: &Case| {
            (patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(case)))
                && meets(case, selection)
        };
        let cases = self.cases.iter().filter(|offered| wanted(&offered.case)).cloned().collect();
        Ok((cases, self.skipped.iter().filter(|omission| wanted(&omission.case)).cloned().collect()))
    }
}

/// Whether a case is of the tiers, implementations, shapes and threads that were asked for.
fn meets(case: &Case, selection: &Selection) -> bool {
    let threads = match selection.threads {
        Threads::Count(count) => case.threads == count,
        Threads::All => case.threads == selection.effective_cpus,
        Threads::Usual | Threads::Sweep => true,
    };
    threads
        && (selection.tiers.is_empty()
            || case.tier.ours().is_some_and(|tier| selection.tiers.contains(&tier)))
        && (selection.implementations.is_empty() || selection.implementations.contains(&case.implementation))
        && (selection.shapes.is_empty() || selection.shapes.contains(&case.shape))
}

/// A cost from the numbers that a program declares. What a run touches is at most what it moves, and stands for that
/// where it is not declared.
fn declared(numbers: &[(String, f64)]) -> Cost {
    let number = |name: &str| numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let core_bytes = number("core_bytes").unwrap_or(0.0);
    Cost {
        flops: number("flops").unwrap_or(0.0),
        core_bytes,
        dram_bytes: number("dram_bytes").unwrap_or(0.0),
        written_bytes: number("written_bytes").unwrap_or(0.0),
        working_set_bytes: number("working_set_bytes").unwrap_or(core_bytes),
    }
}

impl Bench {
    /// Measures offered cases in random order, each in a fresh process; one that fails leaves the others alone.
    pub fn offered(&mut self, offered: &[Offered], recorder: &mut Recorder<'_>) -> anyhow::Result<()> {
        let mut order: Vec<&Offered> = offered.iter().collect();
        self.rng.shuffle(&mut order);
        self.announce("workers", order.len(), recorder);
        for offered in order {
            if recorder.stop.requested() {
                break;
            }
            recorder.observer.step(&offered.case);
            let outcome = match self.samples_of(offered, recorder) {
                Ok((samples, facts)) => measured(offered, &samples, &facts),
                Err(why) if recorder.stop.requested() => Outcome::Skipped(omission(offered, why.to_string())),
                Err(why) => Outcome::Failed(omission(offered, why.to_string())),
            };
            recorder.add(outcome)?;
            recorder.note_worker(&offered.by, offered.unoptimised);
        }
        let strays = if offered.is_empty() { 0 } else { end_strays() };
        if strays > 0 {
            recorder.observer.note(&format!("{strays} processes that a worker had left behind were ended"));
        }
        recorder.journal()
    }

    fn samples_of(
        &mut self,
        offered: &Offered,
        recorder: &Recorder<'_>,
    ) -> Result<(Vec<BatchSample>, BlockFacts), ArmError> {
        let mut worker = WorkerProcess::start(&offered.program, &Start::default(), PATIENCE_SECONDS)?;
        worker.prepare(&offered.case.to_string(), self.seed)?;
        let mut arm = Stoppable { worker, stop: recorder.stop };
        let step = as_seconds(recorder.clock.precision());
        let plan = BlockPlan::alone(run_seconds(&mut arm)?, &self.plan, step);
        let before = process_facts(arm.worker.id());
        let Block { mut arms, settled, .. } = block(&mut [&mut arm], &plan, &recorder.clock, &mut self.rng)?;
        let process = process_facts(arm.worker.id()).since(&before);
        arm.worker.check()?;
        arm.worker.leave();
        let settled = settled.first().copied().unwrap_or(false);
        Ok((arms.pop().unwrap_or_default(), BlockFacts { settled, process }))
    }
}

/// What is known of a block beside its samples.
pub(super) struct BlockFacts {
    pub(super) settled: bool,
    pub(super) process: ProcessFacts,
}

/// A worker that is not asked for another sample once a stop was requested.
struct Stoppable<'a> {
    worker: WorkerProcess,
    stop: &'a Stop,
}

impl Arm for Stoppable<'_> {
    fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError> {
        if self.stop.requested() {
            return Err(ArmError { who: "perfkit".to_owned(), why: "interrupted".to_owned() });
        }
        self.worker.sample(iterations)
    }
}

fn omission(offered: &Offered, why: String) -> Omission {
    Omission { case: offered.case.clone(), origin: Origin::Worker, why }
}

fn measured(offered: &Offered, block: &[BatchSample], facts: &BlockFacts) -> Outcome {
    let mut outcome = of_block(&offered.case, offered.cost, Origin::Worker, block, facts);
    if let Outcome::Measured(measurement) = &mut outcome {
        measurement.notes.extend(offered.unoptimised.then(|| "built without optimisation".to_owned()));
    }
    outcome
}

/// The outcome of a case that was measured in another process.
pub(super) fn of_block(
    case: &Case,
    cost: Cost,
    origin: Origin,
    block: &[BatchSample],
    facts: &BlockFacts,
) -> Outcome {
    let sum = |value: fn(&BatchSample) -> Option<u64>| block.iter().map(value).sum::<Option<u64>>();
    let wall: f64 = block.iter().map(BatchSample::batch_seconds).sum();
    let cpu = sum(|sample| sample.cpu_nanoseconds).map(as_seconds);
    let switches = sum(|sample| sample.involuntary_switches);
    let samples = Samples {
        seconds: block.iter().map(BatchSample::seconds).collect(),
        iterations: block.first().map_or(0, |sample| sample.iterations),
        cpu_wall_ratio: cpu.filter(|_| wall > 0.0).map(|cpu| cpu / wall),
        // Of the block with its warm-up: the worker's own samples have at most as many.
        minor_faults: facts.process.minor_faults.unwrap_or(0),
        involuntary_switches: switches.unwrap_or(0),
        settled: facts.settled,
        ..Samples::default()
    };
    let mut outcome = recorder::measurement(case, cost, &samples);
    if let Outcome::Measured(measurement) = &mut outcome {
        measurement.origin = origin;
        measurement.peak_rss_bytes = facts.process.peak_rss_bytes;
        measurement.notes.extend(switches.is_none().then(|| {
            "the worker tells no involuntary switches: pre-empted samples are not known as such".to_owned()
        }));
    }
    outcome
}

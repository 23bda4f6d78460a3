//! Where blocks come from: two programs that speak the worker protocol, or two commands.

use std::path::PathBuf;

use crate::analysis::causes::{SampleFacts, classify};
use crate::document::{Cause, Conditions, TraceArm, TraceBlock};
use crate::measure::counters::INSTRUCTIONS;
use crate::measure::{
    Arm, ArmError, BatchSample, Block, BlockPlan, Program, WorkerProcess, block, run_seconds, single_round,
};
use crate::session::Monitor;
use crate::sys::clock::as_seconds;
use crate::sys::process::{Start, execute};
use crate::sys::resources::{ProcessFacts, process_facts};
use crate::sys::threads::affinity;
use crate::sys::{Clock, Monotonic, Rng};

use super::counters::CounterChoice;
use super::instructions::tier_of;

/// Bytes of environment are drawn in steps of this, up to [`PADDING_STEPS`] of them: the alignment of a stack.
const PADDING_STEP: usize = 16;
/// 4 KiB in all: one page.
const PADDING_STEPS: usize = 256;
/// Runs whose allocations are counted, at most; a costly call is counted once.
const COUNTED_RUNS: u64 = 8;
/// Blocks whose counters are read: enough to see whether they are steady.
const COUNTED_BLOCKS: usize = 3;

/// What stands on the two sides of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The base and the candidate.
    Pair,
    /// The base and itself.
    Control,
}

/// A source of blocks.
pub trait Pairs {
    /// The next block; `None` where there is none.
    ///
    /// # Errors
    /// A side failed.
    fn block(&mut self, kind: Kind) -> Result<Option<TraceBlock>, ArmError>;

    /// Rounds in each block, once that is known.
    fn rounds(&self) -> usize;
}

/// Two programs and the case that each is asked for.
pub struct WorkerPairs {
    base: (Program, String),
    candidate: (Program, String),
    seed: u64,
    patience_seconds: f64,
    rng: Rng,
    clock: Monotonic,
    plan: Option<BlockPlan>,
    fewest_rounds: Option<usize>,
    counters: CounterChoice,
    counted_blocks: usize,
}

impl WorkerPairs {
    /// Blocks of these two; `fewest_rounds` where tails are judged.
    #[must_use]
    pub fn new(
        base: (Program, String),
        candidate: (Program, String),
        seed: u64,
        patience_seconds: f64,
        fewest_rounds: Option<usize>,
    ) -> Self {
        Self {
            base,
            candidate,
            seed,
            patience_seconds,
            rng: Rng::new(seed),
            clock: Monotonic::new(),
            plan: None,
            fewest_rounds,
            counters: CounterChoice::Auto,
            counted_blocks: 0,
        }
    }

    /// The same with counters from elsewhere.
    #[must_use]
    pub fn with_counters(self, counters: CounterChoice) -> Self {
        Self { counters, ..self }
    }

    /// Whether the blocks so far leave counters to read.
    fn counts(&self, kind: Kind) -> bool {
        kind == Kind::Pair && self.counters != CounterChoice::Off && self.counted_blocks < COUNTED_BLOCKS
    }

    /// Whether the sides' own instructions are compared: not where valgrind counts them, nor across tiers.
    fn own_instructions(&self) -> bool {
        self.counters != CounterChoice::Valgrind && tier_of(&self.base.1) == tier_of(&self.candidate.1)
    }

    /// The CPU that both sides of a block run on: one of those that this process may use, drawn for the block. CPUs
    /// differ by their neighbours (another machine's work on the other hyperthread, another memory controller), and
    /// sides on two of them differ by that. Cases of several threads are not held to one.
    fn cpu(&mut self) -> Option<u32> {
        let alone = is_single_threaded(&self.base.1) && is_single_threaded(&self.candidate.1);
        let cpus = affinity().filter(|cpus| alone && !cpus.is_empty())?;
        cpus.get(self.rng.below(cpus.len())).copied()
    }

    /// Starts both sides in drawn order, each with an environment of another size, and prepares the case in both.
    fn start(&mut self, sides: [&(Program, String); 2]) -> Result<[WorkerProcess; 2], ArmError> {
        let cpu = self.cpu();
        let first = self.rng.below(2);
        let mut started: [Option<WorkerProcess>; 2] = [None, None];
        for side in [first, 1 - first] {
            let (program, case) = sides[side];
            let padding_bytes = PADDING_STEP * (1 + self.rng.below(PADDING_STEPS));
            let start = Start { padding_bytes, cpu, ..Start::default() };
            let mut worker = WorkerProcess::start(program, &start, self.patience_seconds)?;
            worker.prepare(case, self.seed)?;
            started[side] = Some(worker);
        }
        match started {
            [Some(base), Some(candidate)] => Ok([base, candidate]),
            _ => Err(ArmError { who: "perfkit".to_owned(), why: "started one side twice".to_owned() }),
        }
    }

    fn planned(&mut self, sides: &mut [WorkerProcess; 2]) -> Result<BlockPlan, ArmError> {
        if let Some(plan) = self.plan {
            return Ok(plan);
        }
        let [base, candidate] = sides;
        let seconds = run_seconds(base)?.max(run_seconds(candidate)?);
        let step = as_seconds(self.clock.precision());
        let plan = BlockPlan::for_run_of(seconds, 2, step, self.fewest_rounds);
        self.plan = Some(plan);
        Ok(plan)
    }
}

impl Pairs for WorkerPairs {
    fn block(&mut self, kind: Kind) -> Result<Option<TraceBlock>, ArmError> {
        let base = self.base.clone();
        let other = match kind {
            Kind::Pair => self.candidate.clone(),
            Kind::Control => base.clone(),
        };
        let mut sides = self.start([&base, &other])?;
        let sizing = self.clock.now();
        let plan = self.planned(&mut sides)?;
        let sizing_seconds = as_seconds(self.clock.now().saturating_sub(sizing));
        let before = [process_facts(sides[0].id()), process_facts(sides[1].id())];
        let monitor = Monitor::start(&self.clock);
        let [first, second] = &mut sides;
        let mut block = block(&mut [first, second], &plan, &self.clock, &mut self.rng)?;
        block.sampling_seconds += sizing_seconds;
        let conditions = monitor.conditions(Conditions::default());
        let facts = [0, 1].map(|side| process_facts(sides[side].id()).since(&before[side]));
        sides.iter_mut().try_for_each(WorkerProcess::check)?;
        let count = self.counts(kind);
        self.counted_blocks += usize::from(count);
        let mut arms = trace_arms(&block, &facts);
        for (side, arm) in sides.iter_mut().zip(&mut arms) {
            arm.unoptimised = side.greeting().unoptimised;
            if count {
                arm.counts = side.count(plan.iterations.min(COUNTED_RUNS))?;
                arm.counts.retain(|(name, _)| name != INSTRUCTIONS || self.own_instructions());
            }
        }
        for side in sides {
            side.leave();
        }
        Ok(Some(trace_block(&block, arms, kind, &conditions)))
    }

    fn rounds(&self) -> usize {
        self.plan.map_or(0, |plan| plan.rounds)
    }
}

/// Whether a case is work of one thread: its key says so at the end.
#[must_use]
pub(super) fn is_single_threaded(case: &str) -> bool {
    case.ends_with("/t1")
}

/// A command as an arm: one sample is one execution.
#[derive(Debug, Clone)]
pub struct CommandArm {
    /// What the user calls it.
    pub name: String,
    /// Program and arguments.
    pub words: Vec<String>,
    patience_seconds: f64,
    peak_rss_bytes: u64,
}

impl CommandArm {
    /// A command that was not executed yet; one that runs for longer than the patience is taken to hang.
    #[must_use]
    pub const fn new(name: String, words: Vec<String>, patience_seconds: f64) -> Self {
        Self { name, words, patience_seconds, peak_rss_bytes: 0 }
    }
}

impl Arm for CommandArm {
    fn sample(&mut self, iterations: u64) -> Result<BatchSample, ArmError> {
        let failed = |why: String| ArmError { who: self.name.clone(), why };
        let done = execute(&self.words, self.patience_seconds).map_err(|why| failed(why.to_string()))?;
        match done.exit_code {
            Some(0) => {}
            Some(code) => {
                return Err(failed(format!("ended with exit code {code}; execute it by hand to see why")));
            }
            None => return Err(failed("was ended by a signal".to_owned())),
        }
        self.peak_rss_bytes = done.peak_rss_bytes;
        Ok(BatchSample {
            wall_nanoseconds: done.wall_nanoseconds.max(1),
            cpu_nanoseconds: Some(done.cpu_nanoseconds),
            involuntary_switches: Some(done.involuntary_switches),
            iterations,
            ..BatchSample::default()
        })
    }
}

/// Two commands; one execution of each is one block.
pub struct CommandPairs {
    base: CommandArm,
    candidate: CommandArm,
    rng: Rng,
    clock: Monotonic,
    warm: bool,
}

impl CommandPairs {
    /// Blocks of these two.
    #[must_use]
    pub fn new(base: CommandArm, candidate: CommandArm, seed: u64) -> Self {
        Self { base, candidate, rng: Rng::new(seed), clock: Monotonic::new(), warm: false }
    }
}

impl Pairs for CommandPairs {
    fn block(&mut self, kind: Kind) -> Result<Option<TraceBlock>, ArmError> {
        let mut base = self.base.clone();
        let mut other = match kind {
            Kind::Pair => self.candidate.clone(),
            Kind::Control => self.base.clone(),
        };
        if !self.warm {
            // The first execution of each reads its files from the disk.
            base.sample(1)?;
            self.candidate.clone().sample(1)?;
            self.warm = true;
        }
        let monitor = Monitor::start(&self.clock);
        let block = single_round(&mut [&mut base, &mut other], &self.clock, &mut self.rng)?;
        let facts = [base.peak_rss_bytes, other.peak_rss_bytes]
            .map(|bytes| ProcessFacts { peak_rss_bytes: Some(bytes), ..ProcessFacts::default() });
        let conditions = monitor.conditions(Conditions::default());
        Ok(Some(trace_block(&block, trace_arms(&block, &facts), kind, &conditions)))
    }

    fn rounds(&self) -> usize {
        1
    }
}

/// The samples of both sides with their causes.
fn trace_arms(block: &Block, facts: &[ProcessFacts; 2]) -> [TraceArm; 2] {
    [0, 1].map(|side| {
        let samples = block.arms.get(side).map_or(&[][..], Vec::as_slice);
        TraceArm {
            wall_nanoseconds: samples.iter().map(|s| s.wall_nanoseconds).collect(),
            cpu_nanoseconds: samples.iter().map(|s| s.cpu_nanoseconds).collect(),
            involuntary_switches: samples.iter().map(|s| s.involuntary_switches).collect(),
            wait_nanoseconds: samples.iter().map(|s| s.wait_nanoseconds).collect(),
            cpu: samples.iter().map(|s| s.cpu).collect(),
            cause: Vec::new(),
            iterations: samples.first().map_or(0, |s| s.iterations),
            settled: block.settled.get(side).copied().unwrap_or(false),
            minor_faults: facts[side].minor_faults,
            major_faults: facts[side].major_faults,
            peak_rss_bytes: facts[side].peak_rss_bytes,
            counts: Vec::new(),
            unoptimised: false,
        }
    })
}

fn trace_block(block: &Block, arms: [TraceArm; 2], kind: Kind, conditions: &Conditions) -> TraceBlock {
    let [mut base, mut candidate] = arms;
    for arm in [&mut base, &mut candidate] {
        arm.cause = causes(arm, conditions.steal_fraction);
    }
    TraceBlock {
        case: String::new(),
        control: kind == Kind::Control,
        base,
        candidate,
        sampling_seconds: block.sampling_seconds,
        steal_fraction: conditions.steal_fraction,
        cpu_pressure_fraction: conditions.cpu_pressure_fraction,
        throttled_periods: conditions.throttled_periods,
    }
}

/// A program from its command line: a file, or words of which the first names one.
///
/// # Errors
/// There is no such file.
pub fn program(text: &str) -> anyhow::Result<Program> {
    let whole = PathBuf::from(text);
    if whole.is_file() {
        return Ok(Program::new(absolute(whole)));
    }
    let words = words(text).unwrap_or_default();
    let (first, rest) = words.split_first().ok_or_else(|| anyhow::anyhow!("{text:?} names no program"))?;
    let path = PathBuf::from(first);
    anyhow::ensure!(path.is_file(), "{text:?} is neither a program here nor a revision that git knows");
    Ok(Program { path: absolute(path), arguments: rest.to_vec() })
}

/// The words of a command line, by the rules of the shell and without one.
///
/// # Errors
/// A quote is not closed.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    shell_words::split(text).map_err(|error| error.to_string())
}

/// A relative path would be looked for in the search path.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// What each sample of an arm suffered from.
fn causes(arm: &TraceArm, steal_fraction: Option<f64>) -> Vec<Cause> {
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a sample fit in 53 bits")]
    let float = |value: u64| value as f64;
    let samples: Vec<SampleFacts> = (0..arm.wall_nanoseconds.len())
        .map(|i| SampleFacts {
            wall: float(arm.wall_nanoseconds[i]),
            cpu: arm.cpu_nanoseconds[i].map(float),
            switches: arm.involuntary_switches[i],
            wait: arm.wait_nanoseconds[i].map(float),
            cpu_id: arm.cpu[i],
        })
        .collect();
    classify(&samples, steal_fraction.map(|share| u64::from(share > 0.0)))
}

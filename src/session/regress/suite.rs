//! A suite of paired judgements: which cases, one after the other, and what they say together.

use super::budgets;
use super::control::History;
use super::counters::{self, CounterChoice};
use super::layout::spread;
use super::paired::{ALPHA, Judged, PairPlan, judge, verdict_of};
use super::pairs::{CommandArm, CommandPairs, Pairs, WorkerPairs};
use crate::analysis::budget::{Budget, any_broken};
use crate::analysis::compare::{
    CaseFailure, Change, ComparisonReport, CountVerdict, Decision, Margin, Mode, Verdict,
};
use crate::analysis::sequential::State;
use crate::analysis::sequential::control::ControlVerdict;
use crate::analysis::sequential::suite::{settle, symmetry};
use crate::document::{CasePattern, Machine, Trace, TraceBlock};
use crate::measure::{ArmError, Program, WorkerProcess};
use crate::session::{Observer, Stop};
use crate::sys::process::{Start, end_strays};

/// What a case should take, for the progress bar alone.
const EXPECTED_SECONDS: f64 = 1.5;

/// Two sides.
#[derive(Debug, Clone)]
pub enum Sides {
    /// Programs that serve the worker protocol.
    Programs {
        /// The base.
        base: Program,
        /// The candidate.
        candidate: Program,
        /// The base linked again in other layouts.
        relinked: Vec<Program>,
        /// Globs over cases, or whole cases; `BASE=CANDIDATE` has each side run another.
        cases: Vec<String>,
    },
    /// Commands: the first is the base, each of the others is judged against it.
    Commands(Vec<(String, Vec<String>)>),
}

/// What to judge, and how.
#[derive(Debug, Clone)]
pub struct PairRequest {
    /// What stands on the two sides.
    pub sides: Sides,
    /// Which differences matter.
    pub margin: Margin,
    /// Seconds of sampling a case, at most.
    pub budget_seconds: f64,
    /// Judge tail latencies too.
    pub tails: bool,
    /// The seed of every random choice.
    pub seed: u64,
    /// Keep every sample.
    pub trace: bool,
    /// A side that gives no answer for so long is given up.
    pub patience_seconds: f64,
    /// Where instructions are counted.
    pub counters: CounterChoice,
    /// Limits that the candidate is held against.
    pub budgets: Vec<Budget>,
    /// A broken one is as bad as a regression.
    pub enforce_budgets: bool,
}

/// Samples of a block that a tail of 95 % needs, and some for those that the scheduler disturbed.
const TAIL_ROUNDS: usize = 96;

/// Judges every case of a request. What was judged until a stop is in the report.
///
/// # Errors
/// The programs do not start, or have no case in common with what was asked for.
pub fn judge_suite(
    request: &PairRequest,
    machine: &Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<(ComparisonReport, Trace)> {
    let answer = judge_all(request, machine, stop, observer);
    let strays = end_strays();
    if strays > 0 {
        observer.note(&format!("{strays} processes that a side had left behind were ended"));
    }
    answer
}

fn judge_all(
    request: &PairRequest,
    machine: &Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<(ComparisonReport, Trace)> {
    counters::require(request)?;
    let (jobs, missing, new) = jobs(request)?;
    let plan = PairPlan {
        margin: request.margin,
        suite_size: jobs.len(),
        budget_seconds: request.budget_seconds,
        tails: request.tails,
    };
    let mut trace = Trace {
        schema: Trace::SCHEMA.to_owned(),
        tool: concat!("perfkit ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: request.seed,
        blocks: Vec::new(),
    };
    let mut outcomes = Outcomes::default();
    let mut uncounted = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
    observer.phase("judging", jobs.len(), jobs.len() as f64 * EXPECTED_SECONDS);
    for mut job in jobs {
        if stop.requested() {
            outcomes.interrupted = true;
            break;
        }
        observer.step(&job.name);
        let mut keep = |block: TraceBlock| {
            if request.trace {
                trace.blocks.push(block);
            }
        };
        let mut judged = judge(&job.name, &mut *job.pairs, &plan, stop, &mut keep);
        if let Ok(judged) = &mut judged {
            match counters::by_valgrind(request, &job.base_case, &job.name, stop) {
                Some(Ok(change)) => judged.change.counts.push(change),
                Some(Err(why)) => uncounted.push(format!("{}: valgrind cannot count it: {why}", job.name)),
                None => {}
            }
        }
        let layout = match (&judged, &request.sides) {
            (Ok(_), Sides::Programs { base, relinked, .. }) if !relinked.is_empty() => {
                spread(base, relinked, &job.base_case, request.seed, request.patience_seconds, stop)
                    .transpose()
            }
            _ => None,
        };
        outcomes.take(&job.name, judged, layout);
    }
    let (mode, advice) = match &request.sides {
        Sides::Programs { relinked, base, candidate, .. } => {
            let other = base.path != candidate.path && relinked.is_empty();
            (Mode::Paired, other.then_some(LAYOUT_UNKNOWN))
        }
        Sides::Commands(_) => (Mode::Commands, None),
    };
    let history = History::of_host(&machine.fingerprint);
    let budgets = budgets::judge(&request.budgets, &outcomes.judged, machine, stop, observer)?;
    let mut report = report(outcomes, request.margin, mode, Some(history));
    report.notes.extend(advice.map(str::to_owned));
    report.notes.extend(uncounted);
    report.notes.extend(counters::why_none(request, &report));
    report.seed = Some(request.seed);
    report.machines = [machine.fingerprint.clone(), machine.fingerprint.clone()];
    report.missing = missing;
    report.new = new;
    if request.enforce_budgets && any_broken(&budgets) {
        break_budget(&mut report);
    }
    report.budgets = budgets;
    Ok((report, trace))
}

const LAYOUT_UNKNOWN: &str = "two builds differ in layout too, and what that alone does here was not measured: compare \
     revisions with `relink` set in perfkit.toml to have it measured";

/// A pair to judge.
struct Job {
    name: String,
    base_case: String,
    pairs: Box<dyn Pairs>,
}

type Jobs = (Vec<Job>, Vec<String>, Vec<String>);

fn jobs(request: &PairRequest) -> anyhow::Result<Jobs> {
    match &request.sides {
        Sides::Programs { base, candidate, cases, .. } => {
            let offers = [base, candidate].map(|program| offered(program, request.patience_seconds));
            let [of_base, of_candidate] = offers;
            let offers = [of_base?, of_candidate?];
            let chosen = choose(cases, &offers)?;
            let rounds = request.tails.then_some(TAIL_ROUNDS);
            let jobs = chosen.pairs.into_iter().zip(0..).map(|((base_case, candidate_case), number)| Job {
                name: candidate_case.clone(),
                base_case: base_case.clone(),
                pairs: Box::new(
                    WorkerPairs::new(
                        (base.clone(), base_case),
                        (candidate.clone(), candidate_case),
                        request.seed.wrapping_add(number),
                        request.patience_seconds,
                        rounds,
                    )
                    .with_counters(request.counters),
                ),
            });
            Ok((jobs.collect(), chosen.missing, chosen.new))
        }
        Sides::Commands(commands) => {
            let arm = |(name, words): &(String, Vec<String>)| {
                CommandArm::new(name.clone(), words.clone(), request.patience_seconds)
            };
            let (base, others) =
                commands.split_first().ok_or_else(|| anyhow::anyhow!("--command is needed twice"))?;
            anyhow::ensure!(!others.is_empty(), "--command is needed twice: the first is the base");
            let jobs = others.iter().map(|other| Job {
                name: other.0.clone(),
                base_case: base.0.clone(),
                pairs: Box::new(CommandPairs::new(arm(base), arm(other), request.seed)) as Box<dyn Pairs>,
            });
            Ok((jobs.collect(), Vec::new(), Vec::new()))
        }
    }
}

fn offered(program: &Program, patience_seconds: f64) -> Result<Vec<String>, ArmError> {
    let mut worker = WorkerProcess::start(program, &Start::default(), patience_seconds)?;
    let offers = worker.list()?;
    worker.leave();
    Ok(offers.into_iter().map(|offer| offer.case).collect())
}

#[derive(Debug, Default, PartialEq)]
struct Chosen {
    pairs: Vec<(String, String)>,
    missing: Vec<String>,
    new: Vec<String>,
}

/// The cases that filters mean among what the two sides offer. A filter without a wildcard that nothing offered
/// matches is a case that need not be in the list: it is asked for by its name.
fn choose(filters: &[String], offers: &[Vec<String>; 2]) -> anyhow::Result<Chosen> {
    let [base, candidate] = offers;
    let mut chosen = Chosen::default();
    let everything = ["*".to_owned()];
    let filters = if filters.is_empty() { &everything[..] } else { filters };
    for filter in filters {
        if let Some((base_case, candidate_case)) = filter.split_once('=') {
            chosen.pairs.push((base_case.to_owned(), candidate_case.to_owned()));
            continue;
        }
        let pattern = CasePattern::new(filter)?;
        let matching = |offers: &[String]| -> Vec<String> {
            offers.iter().filter(|case| pattern.matches_text(case)).cloned().collect()
        };
        let (of_base, of_candidate) = (matching(base), matching(candidate));
        if of_base.is_empty() && of_candidate.is_empty() {
            anyhow::ensure!(
                !filter.contains(['*', '?', '[', '{']) && filter.contains('/'),
                "--case {filter}: neither side offers such a case"
            );
            chosen.pairs.push((filter.clone(), filter.clone()));
        }
        for case in &of_base {
            if of_candidate.contains(case) {
                chosen.pairs.push((case.clone(), case.clone()));
            } else {
                chosen.missing.push(case.clone());
            }
        }
        chosen.new.extend(of_candidate.into_iter().filter(|case| !of_base.contains(case)));
    }
    let mut seen = std::collections::BTreeSet::new();
    chosen.pairs.retain(|pair| seen.insert(pair.clone()));
    Ok(chosen)
}

/// What became of the cases of a suite.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    judged: Vec<Judged>,
    failed: Vec<CaseFailure>,
    interrupted: bool,
}

impl Outcomes {
    /// Takes a case's judgement, and what layout alone does to it.
    pub(super) fn take(
        &mut self,
        case: &str,
        judged: Result<Judged, ArmError>,
        layout: Option<Result<crate::analysis::compare::Layout, ArmError>>,
    ) {
        let failure = |why: String| CaseFailure { case: case.to_owned(), why };
        match judged {
            Ok(mut judged) => {
                match layout {
                    Some(Ok(layout)) => judged.change.layout = Some(layout),
                    Some(Err(why)) => self.failed.push(failure(format!("linked again: {why}"))),
                    None => {}
                }
                self.judged.push(judged);
            }
            Err(why) => self.failed.push(failure(why.to_string())),
        }
    }
}

/// The report of a suite: e-BH over its cases, layout, control, exit code.
pub(super) fn report(
    outcomes: Outcomes,
    margin: Margin,
    mode: Mode,
    history: Option<History>,
) -> ComparisonReport {
    let states: Vec<(State, f64)> =
        outcomes.judged.iter().map(|judged| (judged.state, judged.evidence.ln_e_slower)).collect();
    let settled = settle(&states, ALPHA);
    let control: Vec<f64> = outcomes.judged.iter().flat_map(|judged| judged.control.clone()).collect();
    let unoptimised = outcomes.judged.iter().any(|judged| judged.unoptimised.contains(&true));
    let changes: Vec<Change> =
        outcomes.judged.into_iter().zip(settled).map(|(judged, state)| decided(judged, state)).collect();
    let history = history.unwrap_or_default();
    let control_report = history.judge(&control, margin);
    let mut report = ComparisonReport {
        schema: ComparisonReport::SCHEMA.to_owned(),
        mode,
        lower_margin: margin.lower,
        upper_margin: margin.upper,
        changes,
        failed: outcomes.failed,
        notes: notes(control_report.verdict, control_report.blocks + control_report.host_blocks),
        ..ComparisonReport::default()
    };
    let count = |verdict| report.changes.iter().filter(|change| change.verdict == verdict).count();
    report.notes.extend(symmetry(count(Verdict::Slower), count(Verdict::Faster)));
    if outcomes.interrupted {
        report.notes.push("interrupted: the cases that were not judged are missing".to_owned());
    }
    history.keep(&control, &control_report);
    let decision = decide(&report, unoptimised, control_report.verdict);
    if unoptimised {
        let why =
            "a side was built without optimisation, which says nothing about speed: use a release build";
        report.refused = Some(why.to_owned());
    }
    report.control = Some(control_report);
    report.verdict = words(decision, &report).to_owned();
    report.exit_code = decision.exit_code();
    report
}

/// A case's verdict once its suite is known.
fn decided(judged: Judged, state: State) -> Change {
    let mut change = judged.change;
    change.verdict = verdict_of(state);
    let changed = matches!(change.verdict, Verdict::Slower | Verdict::Faster);
    if changed && change.layout.is_some_and(|layout| layout.explains(change.ratio.value)) {
        change.verdict = Verdict::Inconclusive;
        change.reason = Some("layout".to_owned());
    } else if change.verdict == Verdict::Inconclusive {
        change.reason = Some("budget".to_owned());
    }
    change
}

fn notes(control: ControlVerdict, blocks: usize) -> Vec<String> {
    let mut notes = Vec::new();
    match control {
        ControlVerdict::TooFew => notes.push(format!(
            "the control (base against base) has {blocks} blocks on this host so far: too few to show a bias of the measuring itself"
        )),
        ControlVerdict::Failed => notes.push(
            "the base differs from itself by more than the margin: this host measures with a bias now, and no verdict stands"
                .to_owned(),
        ),
        ControlVerdict::Holds => {}
    }
    notes
}

fn decide(report: &ComparisonReport, unoptimised: bool, control: ControlVerdict) -> Decision {
    let any = |verdict| report.changes.iter().any(|change| change.verdict == verdict);
    if !report.failed.is_empty() {
        Decision::Failed
    } else if unoptimised || control == ControlVerdict::Failed {
        Decision::Unfit
    } else if report.changes.is_empty() {
        Decision::NoBaseline
    } else if any(Verdict::Slower) || report.changes.iter().any(|change| worse_elsewhere(change, report)) {
        Decision::Regression
    } else if any(Verdict::Inconclusive) {
        Decision::Inconclusive
    } else {
        Decision::Fine
    }
}

/// A tail that is slower, or a deterministic counter that grew by more than the margin.
fn worse_elsewhere(change: &Change, report: &ComparisonReport) -> bool {
    change.tails.iter().any(|tail| tail.verdict == Verdict::Slower)
        || change.counts.iter().any(|count| {
            count.verdict == CountVerdict::Grew && count.candidate > count.base * (1.0 + report.lower_margin)
        })
}

/// A broken budget that counts: no better than a regression, and no worse.
fn break_budget(report: &mut ComparisonReport) {
    let better = [Decision::Fine, Decision::Inconclusive].map(Decision::exit_code);
    if better.contains(&report.exit_code) {
        report.exit_code = Decision::Regression.exit_code();
    }
}

fn is_slower(change: &Change) -> bool {
    change.verdict == Verdict::Slower || change.tails.iter().any(|tail| tail.verdict == Verdict::Slower)
}

fn words(decision: Decision, report: &ComparisonReport) -> &'static str {
    match decision {
        Decision::Failed => "failed",
        Decision::Unfit if report.refused.is_none() => "invalid",
        Decision::Unfit => "refused",
        Decision::NoBaseline => "refused",
        Decision::Regression if report.changes.iter().any(is_slower) => "slower",
        // No case is: a counter is.
        Decision::Regression => "grew",
        Decision::Inconclusive => "inconclusive",
        Decision::Fine => {
            let faster = report.changes.iter().any(|change| change.verdict == Verdict::Faster);
            if faster { "faster" } else { "equivalent" }
        }
    }
}

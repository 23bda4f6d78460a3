//! How trustworthy measuring is here: trials of `perfkit regress`, called as a user calls it, whose right answer is known.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::conditions::Monitor;
use super::noise::Noise;
use super::{Observer, Stop};
use crate::analysis::compare::{ComparisonReport, Verdict};
use crate::document::{
    AaCase, AaTrials, Conditions, DialTrials, Machine, Selftest, SuiteTrials, Tier, Timer,
};
use crate::stats;
use crate::sys::clock::as_seconds;
use crate::sys::{Clock, Monotonic, Rng};

/// What to try.
#[derive(Debug, Clone)]
pub struct SelftestRequest {
    /// This very program.
    pub program: PathBuf,
    /// Trials of each case against itself.
    pub aa: usize,
    /// Trials of each slowdown.
    pub dial: usize,
    /// Suites of unchanged cases.
    pub suites: usize,
    /// Names of the cases; empty means all.
    pub names: Vec<String>,
    /// Disturb on purpose.
    pub noise: bool,
    /// Seconds of sampling a trial, at most.
    pub budget_seconds: f64,
    /// The seed of every random choice.
    pub seed: u64,
}

/// A case whose answer is known, and slower ones.
struct Known {
    name: &'static str,
    /// The benchmark and implementation, and the tier it has here.
    stem: String,
    /// The shape of the base.
    shape: &'static str,
    /// Sampling seconds in which it should be shown equivalent to itself.
    aa_seconds: f64,
    /// Slowdown in percent, the shape that has it, `--max-regression`, seconds in which it should be found.
    dial: &'static [(f64, &'static str, f64, f64)],
}

/// The cases: bound by latency, by memory, by arithmetic, and a whole model.
fn known() -> Vec<Known> {
    let tier = Tier::best_f32();
    vec![
        Known {
            name: "spin",
            stem: "clock/chain-u64/plain@baseline".to_owned(),
            shape: "400000",
            aa_seconds: 0.5,
            dial: &[(1.0, "404000", 0.005, 0.5), (2.0, "408000", 0.01, 0.5), (5.0, "420000", 0.01, 0.5)],
        },
        Known {
            name: "dram",
            stem: format!("memory/read-dram-u8/stream@{tier}"),
            shape: "1x134217728",
            aa_seconds: 5.0,
            dial: &[
                (2.0, "1x136904704", 0.01, 4.0),
                (3.0, "1x138244096", 0.01, 2.0),
                (5.0, "1x140928000", 0.01, 2.0),
            ],
        },
        Known {
            name: "matmul",
            stem: format!("matmul/gemm-f32/packed@{tier}"),
            shape: "512x512x512",
            aa_seconds: 0.5,
            dial: &[(2.3, "524x512x512", 0.01, 0.5), (4.7, "536x512x512", 0.01, 0.5)],
        },
        Known {
            name: "embed",
            stem: format!("embed/minilm-l6-f32/native@{tier}"),
            shape: "8x32",
            aa_seconds: 10.0,
            dial: &[(3.1, "8x33", 0.01, 10.0)],
        },
    ]
}

impl Known {
    fn case(&self, shape: &str) -> String {
        format!("{}/{shape}/t1", self.stem)
    }
}

/// Small cases that differ from each other, for suites: enough of them, none of them long.
fn suite_cases() -> Vec<String> {
    let tier = Tier::best_f32();
    let mut cases = Vec::new();
    for steps in (0..14).map(|i| 40_000 + 5_000 * i) {
        cases.push(format!("clock/chain-u64/plain@baseline/{steps}/t1"));
    }
    for rows in (0..12).map(|i| 64 + 16 * i) {
        cases.push(format!("pool/mean-f32/rows@{tier}/{rows}x384/t1"));
        cases.push(format!("softmax/rows-f32/rows@{tier}/{rows}x128/t1"));
        cases.push(format!("norm/layernorm-f32/rows@{tier}/{rows}x384/t1"));
    }
    cases
}

/// Runs the trials. What was tried until a stop is in the answer.
///
/// # Errors
/// This program cannot be started, or answers what is no comparison.
pub fn selftest(
    request: &SelftestRequest,
    machine: &Machine,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Selftest> {
    let clock = Monotonic::new();
    let monitor = Monitor::start(&clock);
    let noise = request.noise.then(|| Noise::start(&request.program, request.seed)).transpose()?;
    let mut rng = Rng::new(request.seed);
    let chosen: Vec<Known> = known()
        .into_iter()
        .filter(|known| request.names.is_empty() || request.names.iter().any(|name| name == known.name))
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "--only names no case; there are spin, dram, matmul and embed");
    let mut trials = Trials { request, stop, observer, rng: &mut rng };
    let aa = trials.against_itself(&chosen)?;
    let dial = trials.against_slower(&chosen)?;
    let suites = trials.suites()?;
    let precision_seconds = as_seconds(clock.precision());
    Ok(Selftest {
        schema: Selftest::SCHEMA.to_owned(),
        tool: concat!("perfkit ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed: request.seed,
        machine: machine.fingerprint.clone(),
        optimised: !cfg!(debug_assertions),
        noise_neighbours: noise.as_ref().map_or(0, Noise::neighbours),
        timer: Timer { precision_seconds },
        noise: monitor.conditions(Conditions {
            effective_cpus: machine.limits.effective_cpus,
            ..Conditions::default()
        }),
        aa,
        dial,
        suites,
        interrupted: stop.requested(),
    })
}

/// What every trial needs.
struct Trials<'a> {
    request: &'a SelftestRequest,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    rng: &'a mut Rng,
}

/// Seconds that a trial should take, for the progress bar alone.
const EXPECTED_SECONDS: f64 = 3.0;

impl Trials<'_> {
    /// Cases against themselves, in turn, so that each sees the same hours of the host.
    fn against_itself(&mut self, chosen: &[Known]) -> anyhow::Result<AaTrials> {
        let mut cases: Vec<(AaCase, Vec<f64>)> =
            chosen.iter().map(|known| (aa_case(known), Vec::new())).collect();
        let mut failed = 0;
        self.phase("a program against itself", self.request.aa * chosen.len());
        for _ in 0..self.request.aa {
            for (case, seconds) in &mut cases {
                if self.stop.requested() {
                    break;
                }
                self.observer.step(&case.name);
                match self.trial(&case.case, 0.01)? {
                    Some(trial) => {
                        note_aa(case, &trial);
                        seconds.push(trial.seconds);
                    }
                    None => failed += usize::from(!self.stop.requested()),
                }
            }
        }
        let cases = cases.into_iter().map(|(mut case, seconds)| {
            case.equivalent_bound = stats::proportion_interval(case.equivalent_in_goal, case.trials);
            case.seconds_median = stats::median(&seconds);
            case
        });
        Ok(summed(cases.collect(), failed))
    }

    fn against_slower(&mut self, chosen: &[Known]) -> anyhow::Result<Vec<DialTrials>> {
        let mut rows: Vec<(DialTrials, Vec<f64>, Vec<f64>)> =
            chosen.iter().flat_map(dial_rows).map(|row| (row, Vec::new(), Vec::new())).collect();
        if self.request.dial == 0 {
            return Ok(Vec::new());
        }
        self.phase("a program against a slower one", self.request.dial * rows.len());
        for _ in 0..self.request.dial {
            for (row, seconds, slowdowns) in &mut rows {
                if self.stop.requested() {
                    break;
                }
                self.observer.step(&format!("{} +{:.1} %", row.name, 100.0 * row.slowdown));
                let Some(trial) = self.trial(&row.case, row.max_regression)? else { continue };
                row.trials += 1;
                slowdowns.push(trial.ratio - 1.0);
                match trial.verdict {
                    Verdict::Slower => {
                        row.found += 1;
                        row.found_in_goal += usize::from(trial.seconds <= row.goal_seconds);
                        seconds.push(trial.seconds);
                    }
                    Verdict::Faster => row.false_faster += 1,
                    Verdict::Equivalent => row.equivalent += 1,
                    Verdict::Inconclusive => {}
                }
            }
        }
        let finished = rows.into_iter().map(|(mut row, seconds, slowdowns)| {
            row.bound = stats::proportion_interval(row.found_in_goal, row.trials);
            row.measured_slowdown = stats::median(&slowdowns);
            row.seconds_median = stats::median(&seconds);
            row
        });
        Ok(finished.collect())
    }

    fn suites(&mut self) -> anyhow::Result<Option<SuiteTrials>> {
        if self.request.suites == 0 {
            return Ok(None);
        }
        let cases = suite_cases();
        let mut trials = SuiteTrials { cases: cases.len(), ..SuiteTrials::default() };
        self.phase("suites of unchanged cases", self.request.suites);
        for number in 0..self.request.suites {
            if self.stop.requested() {
                break;
            }
            self.observer.step(&format!("suite {}", number + 1));
            let Some(report) = self.regress(&cases, 0.01)? else { continue };
            let count = |verdict| report.changes.iter().filter(|change| change.verdict == verdict).count();
            trials.suites += 1;
            trials.any_false_slower += usize::from(count(Verdict::Slower) > 0);
            trials.false_slower += count(Verdict::Slower);
            trials.equivalent += count(Verdict::Equivalent);
        }
        trials.bound = stats::proportion_interval(trials.any_false_slower, trials.suites);
        Ok(Some(trials))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of trials are small")]
    fn phase(&mut self, name: &str, steps: usize) {
        if steps > 0 {
            self.observer.phase(name, steps, steps as f64 * EXPECTED_SECONDS);
        }
    }

    fn trial(&mut self, case: &str, max_regression: f64) -> anyhow::Result<Option<Trial>> {
        let report = self.regress(&[case.to_owned()], max_regression)?;
        Ok(report.and_then(|report| {
            let change = report.changes.first()?;
            Some(Trial {
                verdict: change.verdict,
                ratio: change.ratio.value,
                seconds: change.sequential.as_ref()?.sampling_seconds,
            })
        }))
    }

    /// One call of `perfkit regress`; `None` where it gave no verdict: a side failed, or its control.
    fn regress(&mut self, cases: &[String], max_regression: f64) -> anyhow::Result<Option<ComparisonReport>> {
        let program = &self.request.program;
        let mut command = Command::new(program);
        command.arg("regress").arg("--base").arg(program).arg("--candidate").arg(program).arg("--json");
        command.args(["--seed", &self.rng.next_u64().to_string()]);
        command.args(["--max-regression", &max_regression.to_string()]);
        command.args(["--time", &self.request.budget_seconds.to_string()]);
        for case in cases {
            command.arg("--case").arg(case);
        }
        let output = command
            .current_dir(neutral_folder())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .context("cannot start this program again")?;
        if self.stop.requested() {
            return Ok(None);
        }
        let report: ComparisonReport = serde_json::from_slice(&output.stdout).with_context(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("a trial gave no comparison: {}", said.lines().last().unwrap_or("it said nothing"))
        })?;
        if let Some(failure) = report.failed.first() {
            anyhow::bail!("a trial failed: {}: {}", failure.case, failure.why);
        }
        Ok(matches!(report.exit_code, 0 | 1 | 3).then_some(report))
    }
}

/// A folder without settings of anybody's.
fn neutral_folder() -> &'static Path {
    Path::new("/")
}

/// What one trial gave.
struct Trial {
    verdict: Verdict,
    ratio: f64,
    seconds: f64,
}

fn aa_case(known: &Known) -> AaCase {
    AaCase {
        name: known.name.to_owned(),
        case: known.case(known.shape),
        goal_seconds: known.aa_seconds,
        ..AaCase::default()
    }
}

fn note_aa(case: &mut AaCase, trial: &Trial) {
    case.trials += 1;
    match trial.verdict {
        Verdict::Slower => case.false_slower += 1,
        Verdict::Faster => case.false_faster += 1,
        Verdict::Equivalent => {
            case.equivalent += 1;
            case.equivalent_in_goal += usize::from(trial.seconds <= case.goal_seconds);
        }
        Verdict::Inconclusive => {}
    }
}

fn summed(cases: Vec<AaCase>, failed: usize) -> AaTrials {
    let sum = |field: fn(&AaCase) -> usize| cases.iter().map(field).sum::<usize>();
    let (trials, false_slower) = (sum(|c| c.trials), sum(|c| c.false_slower));
    let (false_faster, equivalent) = (sum(|c| c.false_faster), sum(|c| c.equivalent));
    AaTrials {
        trials,
        false_slower,
        false_faster,
        equivalent,
        inconclusive: trials - false_slower - false_faster - equivalent,
        failed,
        bound: stats::proportion_interval(false_slower, trials),
        cases,
    }
}

fn dial_rows(known: &Known) -> Vec<DialTrials> {
    let row = |&(percent, shape, max_regression, goal_seconds): &(f64, &str, f64, f64)| DialTrials {
        name: known.name.to_owned(),
        case: format!("{}={}", known.case(known.shape), known.case(shape)),
        slowdown: percent / 100.0,
        max_regression,
        goal_seconds,
        ..DialTrials::default()
    };
    known.dial.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Case;

    #[test]
    fn every_case_of_the_trials_is_in_the_catalog() {
        let single = known().iter().map(|known| known.case(known.shape)).collect::<Vec<_>>();
        let slower = known().iter().flat_map(dial_rows).map(|row| row.case).collect::<Vec<_>>();
        let texts = single.iter().chain(&slower).flat_map(|text| text.split('=')).map(str::to_owned);
        for text in texts.chain(suite_cases()) {
            let case: Case = text.parse().unwrap();
            let benchmark = crate::catalog::find(&case.benchmark).unwrap_or_else(|| panic!("{text}"));
            let known = benchmark.card().implementations.iter().any(|i| i.name == case.implementation);
            assert!(known && benchmark.cost_of(&case.implementation, &case.shape).is_some(), "{text}");
        }
        assert_eq!(suite_cases().len(), 50);
    }
}

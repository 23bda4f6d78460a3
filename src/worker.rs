//! The worker protocol's serving end: a program offers its own benchmarks to perfkit.
//!
//! A program whose `main` ends in [`serve`] can be measured by `perfkit bench --worker ./program`, judged by `perfkit
//! regress --base ./old --candidate ./new`, and placed on the roofline, since its benchmarks declare their cost.
//! `docs/worker.md` describes the protocol for programs in other languages; `examples/own_kernel.rs` is a whole program.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use crate::catalog::{Benchmark, Extensiveness, Resources, Workload};
use crate::document::{Case, Cost, Machine};
use crate::measure::Batcher;
use crate::measure::counters::Counters;
use crate::measure::protocol::{self, GREETING, Greeting, Offer, VERSION};

/// Serves benchmarks on this process's standard input and output until perfkit has had enough.
///
/// `name` and `version` are the program's: `serve(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), &[&MyKernel])`.
#[must_use]
pub fn serve(name: &str, version: &str, benchmarks: &[&dyn Benchmark]) -> ExitCode {
    let server = Server { name, version, benchmarks, machine: Machine::default() };
    server.serve_process()
}

/// Benchmarks with all that serving them needs.
pub struct Server<'a> {
    /// The program's name, one word.
    pub name: &'a str,
    /// The program's version, one word.
    pub version: &'a str,
    /// What it offers.
    pub benchmarks: &'a [&'a dyn Benchmark],
    /// The machine, from which benchmarks choose their shapes.
    pub machine: Machine,
}

impl Server<'_> {
    /// Serves on this process's standard input and output.
    #[must_use]
    pub fn serve_process(&self) -> ExitCode {
        match self.serve(io::stdin().lock(), io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            // Nobody is left to be told.
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Answers every line of `input` until `quit` or its end.
    ///
    /// # Errors
    /// A stream fails.
    pub fn serve(&self, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        let batcher = Batcher::monotonic();
        let mut counters = Counters::open();
        let mut prepared: Option<Box<dyn Workload>> = None;
        for line in input.lines() {
            let line = line?;
            let (request, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let answer = match (request, &mut prepared) {
                ("quit", _) => return Ok(()),
                (GREETING, _) => self.greeting().line(),
                ("list", _) => self.list(),
                ("prepare", prepared) => match self.prepare(rest) {
                    Ok(workload) => {
                        *prepared = Some(workload);
                        "ready".to_owned()
                    }
                    Err(why) => format!("error {}", one_line(&why)),
                },
                ("sample" | "check" | "count" | "facts", None) => "error no case is prepared".to_owned(),
                ("sample", Some(workload)) => match iterations(rest) {
                    Some(count) => protocol::sample_line(&batcher.sample(&mut **workload, count)),
                    None => format!("error {} is no number of runs", protocol::shown(rest)),
                },
                ("check", Some(workload)) => match workload.check() {
                    Ok(()) => "ok".to_owned(),
                    Err(mismatch) => format!("error {}", one_line(&mismatch.to_string())),
                },
                ("facts", Some(workload)) => protocol::facts_line(&workload.facts()),
                ("count", Some(workload)) => match iterations(rest) {
                    Some(count) => counted(&counters.count(&mut **workload, count)),
                    None => format!("error {} is no number of runs", protocol::shown(rest)),
                },
                _ => "unknown".to_owned(),
            };
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
        Ok(())
    }

    fn greeting(&self) -> Greeting {
        let word = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("-");
        Greeting {
            version: VERSION,
            name: word(self.name),
            program_version: word(self.version),
            unoptimised: cfg!(debug_assertions),
        }
    }

    fn list(&self) -> String {
        let mut lines: Vec<String> =
            self.benchmarks.iter().flat_map(|benchmark| self.offers(*benchmark)).collect();
        lines.push("end".to_owned());
        lines.join("\n")
    }

    /// Every implementation, tier and quick shape of a benchmark on one thread.
    fn offers(&self, benchmark: &dyn Benchmark) -> Vec<String> {
        let mut lines = Vec::new();
        let shapes = benchmark.shapes(&self.machine, Extensiveness::Quick);
        for implementation in benchmark.card().implementations {
            for tier in implementation.tiers.iter().filter(|tier| tier.is_available()) {
                for shape in shapes.iter().filter(|shape| benchmark.fits_threads(shape, 1)) {
                    let case = Case {
                        benchmark: benchmark.id().to_owned(),
                        implementation: implementation.name.to_owned(),
                        tier: (*tier).into(),
                        shape: shape.clone(),
                        threads: NonZeroUsize::MIN,
                    };
                    let cost = benchmark.cost_of(implementation.name, shape);
                    let numbers = cost.map(|cost| declared(&cost)).unwrap_or_default();
                    lines.push(Offer { case: case.to_string(), numbers }.line());
                }
            }
        }
        lines
    }

    fn prepare(&self, rest: &str) -> Result<Box<dyn Workload>, String> {
        let mut words = rest.split_whitespace();
        let text = words.next().unwrap_or_default();
        let case: Case = text.parse().map_err(|e: crate::document::ParseCaseError| e.to_string())?;
        let seed = words.find_map(|word| word.strip_prefix("seed=")?.parse().ok()).unwrap_or(1);
        let known = self.benchmarks.iter().find(|benchmark| benchmark.id() == case.benchmark);
        let benchmark = known.ok_or_else(|| format!("there is no benchmark {}", case.benchmark))?;
        let resources = Resources::new(case.threads, seed, &self.machine)
            .map_err(|error| format!("cannot start threads: {error}"))?;
        let mut workload = benchmark.prepare(&case, &resources).map_err(|error| error.to_string())?;
        // The first run touches what was never touched; its answer is compared before anything is timed.
        workload.run();
        workload.check().map_err(|mismatch| format!("wrong answer: {mismatch}"))?;
        Ok(workload)
    }
}

/// A cost as the numbers of an offer.
fn declared(cost: &Cost) -> Vec<(String, f64)> {
    [
        ("flops", cost.flops),
        ("core_bytes", cost.core_bytes),
        ("dram_bytes", cost.dram_bytes),
        ("written_bytes", cost.written_bytes),
        ("working_set_bytes", cost.working_set_bytes),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn iterations(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|&count| count > 0)
}

fn counted(counts: &[(String, f64)]) -> String {
    let numbers: String = counts.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("count{numbers}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn answers(requests: &str) -> Vec<String> {
        let benchmarks: Vec<&dyn Benchmark> =
            ["similarity/dot-f32", "pool/mean-f32"].iter().map(|id| catalog::find(id).unwrap()).collect();
        let server =
            Server { name: "a program", version: "1", benchmarks: &benchmarks, machine: Machine::default() };
        let mut output = Vec::new();
        server.serve(requests.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_conversation_goes_from_greeting_to_samples() {
        let case = "similarity/dot-f32/scalar@baseline/384/t1";
        let lines = answers(&format!(
            "perfkit-worker 1\nprepare {case} seed=3\nsample 10\ncheck\ncount 2\nquit\nsample 1\n"
        ));
        assert_eq!(lines.len(), 5, "{lines:?}");
        let greeting = Greeting::parse(&lines[0]).unwrap();
        assert_eq!((greeting.version, &*greeting.name), (1, "a-program"));
        assert_eq!(lines[1], "ready");
        let sample = protocol::parse_sample(&lines[2], 10).unwrap();
        assert!(sample.wall_nanoseconds > 0 && sample.cpu_nanoseconds.is_some());
        assert_eq!(lines[3], "ok");
        assert!(lines[4].starts_with("count"));
    }

    #[test]
    fn a_list_offers_cases_with_their_cost() {
        let lines = answers("list\n");
        assert_eq!(lines.last().map(String::as_str), Some("end"));
        let offers: Vec<Offer> = lines[..lines.len() - 1]
            .iter()
            .map(|line| Offer::parse(line.strip_prefix("case ").unwrap()).unwrap())
            .collect();
        assert!(offers.len() > 2);
        assert!(offers.iter().all(|offer| offer.case.parse::<Case>().is_ok()));
        assert!(offers.iter().all(|offer| offer.numbers.iter().any(|(n, v)| n == "flops" && *v > 0.0)));
    }

    #[test]
    fn what_it_cannot_do_is_answered_in_one_line() {
        let lines = answers(
            "sample 1\nprepare nonsense\nprepare norm/layernorm-f32/rows@baseline/8x8/t1\nsing\nprepare similarity/dot-f32/scalar@baseline/384/t1\nsample 0\nsample x\n",
        );
        assert_eq!(lines.len(), 7, "{lines:?}");
        let errors = lines.iter().filter(|line| line.starts_with("error ")).count();
        assert_eq!((errors, &*lines[3], &*lines[4]), (5, "unknown", "ready"));
    }
}

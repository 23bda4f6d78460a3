//! The words of the worker protocol, version 1: one line a request, one line (or a list of lines) an answer.
//!
//! `docs/worker.md` is its description for people; the two must change together.

use super::BatchSample;
use crate::workload::Facts;

/// The version spoken here.
pub const VERSION: u32 = 1;
/// The only argument that a worker is started with, behind what its program was given to start with.
pub const ARGUMENT: &str = "__worker";
/// The first word of a greeting.
pub const GREETING: &str = "perfkit-worker";

/// Who answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Greeting {
    /// The protocol version it speaks.
    pub version: u32,
    /// The program's name.
    pub name: String,
    /// The program's version.
    pub program_version: String,
    /// It says of itself that it was built without optimisation.
    pub unoptimised: bool,
}

impl Greeting {
    /// Reads `perfkit-worker 1 NAME VERSION [unoptimised]`.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        if words.next() != Some(GREETING) {
            return Err(format!("{} is no greeting of a worker", shown(line)));
        }
        let version = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| format!("{} names no version", shown(line)))?;
        let mut text = || words.next().unwrap_or_default().to_owned();
        let (name, program_version) = (text(), text());
        Ok(Self { version, name, program_version, unoptimised: words.any(|word| word == "unoptimised") })
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> String {
        let mark = if self.unoptimised { " unoptimised" } else { "" };
        format!("{GREETING} {} {} {}{mark}", self.version, self.name, self.program_version)
    }
}

/// A case that a worker offers, with the numbers it declares about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer {
    /// The case's text, without spaces.
    pub case: String,
    /// What one run costs (`flops`, `core_bytes`, ...).
    pub numbers: Vec<(String, f64)>,
}

impl Offer {
    /// Reads what stands behind `case`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(rest: &str) -> Result<Self, String> {
        let mut words = rest.split_whitespace();
        let case = words.next().ok_or("an offered case has no name")?.to_owned();
        if case.len() > 400 {
            return Err("an offered case has a name of over 400 bytes".to_owned());
        }
        Ok(Self { case, numbers: words.map(number).collect::<Result<_, _>>()? })
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> String {
        let numbers: String = self.numbers.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("case {}{numbers}", self.case)
    }
}

/// Numbers by name: `flops=12 core_bytes=3`.
///
/// # Errors
/// The word that is none.
pub fn numbers(rest: &str) -> Result<Vec<(String, f64)>, String> {
    rest.split_whitespace().map(number).collect()
}

fn number(word: &str) -> Result<(String, f64), String> {
    let wrong = || format!("{} is not NAME=NUMBER", shown(word));
    let (name, value) = word.split_once('=').ok_or_else(wrong)?;
    let value: f64 = value.parse().map_err(|_| wrong())?;
    if !value.is_finite() || value < 0.0 {
        return Err(wrong());
    }
    Ok((name.to_owned(), value))
}

/// What a workload tells of its last run, as a line: a stage is `stage_<name>_seconds`. What is no number from 0 up is left
/// out: the protocol has no words for it.
#[must_use]
pub fn facts_line(facts: &Facts) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens and texts fit in 53 bits")]
    let counts = [("tokens", facts.tokens.map(|n| n as f64)), ("texts", facts.texts.map(|n| n as f64))];
    let stages = facts.stages.iter().map(|(name, seconds)| (format!("stage_{name}_seconds"), Some(*seconds)));
    let total = std::iter::once(("total_seconds".to_owned(), facts.total_seconds));
    let counts = counts.into_iter().map(|(name, count)| (name.to_owned(), count));
    let extra = facts.extra.iter().map(|(name, value)| ((*name).to_owned(), Some(*value)));
    let known = stages.chain(total).chain(counts).chain(extra);
    let numbers: String = known
        .filter_map(|(name, value)| Some((name, value.filter(|value| value.is_finite() && *value >= 0.0)?)))
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    format!("facts{numbers}")
}

/// A sample's line: wall and CPU nanoseconds, involuntary switches, nanoseconds of waiting for a CPU, the CPU.
#[must_use]
pub fn sample_line(sample: &BatchSample) -> String {
    let word = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    format!(
        "sample {} {} {} {} {}",
        sample.wall_nanoseconds,
        word(sample.cpu_nanoseconds),
        word(sample.involuntary_switches),
        word(sample.wait_nanoseconds),
        word(sample.cpu.map(u64::from))
    )
}

/// Reads a sample's line. Words that are missing at its end, or are `-`, are unknown.
///
/// # Errors
/// What is wrong with it; a time of 0 is a clock that did not move, and is refused.
pub fn parse_sample(line: &str, iterations: u64) -> Result<BatchSample, String> {
    let wrong = || format!("{} is no sample", shown(line));
    let mut words = line.strip_prefix("sample ").ok_or_else(wrong)?.split_whitespace();
    let wall_nanoseconds: u64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
    // A day: beyond it a number is no time that anybody waited for.
    if wall_nanoseconds == 0 || wall_nanoseconds > 86_400_000_000_000 {
        return Err(wrong());
    }
    let mut maybe = || match words.next() {
        None | Some("-") => Ok(None),
        Some(word) => word.parse::<u64>().map(Some).map_err(|_| wrong()),
    };
    Ok(BatchSample {
        wall_nanoseconds,
        cpu_nanoseconds: maybe()?,
        involuntary_switches: maybe()?,
        wait_nanoseconds: maybe()?,
        cpu: maybe()?.and_then(|cpu| u32::try_from(cpu).ok()),
        iterations,
    })
}

/// A line from elsewhere as an error may show it.
#[must_use]
pub fn shown(line: &str) -> String {
    let text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_and_offers_survive_a_round_trip() {
        for unoptimised in [false, true] {
            let greeting = Greeting {
                version: 1,
                name: "mine".to_owned(),
                program_version: "0.3.1".to_owned(),
                unoptimised,
            };
            assert_eq!(Greeting::parse(&greeting.line()).unwrap(), greeting);
        }
        let offer =
            Offer { case: "own/a-f32/b@avx2/8/t1".to_owned(), numbers: vec![("flops".to_owned(), 16.0)] };
        assert_eq!(Offer::parse(offer.line().strip_prefix("case ").unwrap()).unwrap(), offer);
    }

    #[test]
    fn samples_survive_a_round_trip_and_may_leave_out_what_they_do_not_know() {
        let full = BatchSample {
            wall_nanoseconds: 5,
            cpu_nanoseconds: Some(4),
            involuntary_switches: Some(1),
            wait_nanoseconds: None,
            cpu: Some(1),
            iterations: 3,
        };
        assert_eq!(parse_sample(&sample_line(&full), 3).unwrap(), full);
        let short = parse_sample("sample 17", 2).unwrap();
        assert_eq!(short, BatchSample { wall_nanoseconds: 17, iterations: 2, ..BatchSample::default() });
    }

    #[test]
    fn foreign_lines_are_refused_in_one_short_line() {
        for line in
            ["", "sample", "sample x", "sample 0", "sample -5", "sample 1 2 3 x", "sample 99999999999999999"]
        {
            assert!(parse_sample(line, 1).is_err(), "{line}");
        }
        for line in ["", "hello", "perfkit-worker", "perfkit-worker one"] {
            assert!(Greeting::parse(line).is_err(), "{line}");
        }
        for rest in ["", "a flops", "a flops=x", "a flops=NaN", "a flops=-1"] {
            assert!(Offer::parse(rest).is_err(), "{rest}");
        }
        let long = "\u{7}".repeat(5000);
        assert!(Greeting::parse(&long).unwrap_err().len() < 200);
    }
}

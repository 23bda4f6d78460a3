//! The same kernels behind perfkit's worker protocol, version 1: one line asked, one line answered.
//!
//! Started with the single argument `__worker`, it reads requests on standard input until `quit` or the end.

mod meter;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use gate_kernels::{Kernel, slowdown};

use crate::meter::Meter;

type Call = Box<dyn FnMut() -> u64 + Send>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["__worker"] {
        eprintln!("a worker for perfkit: start it with the single argument __worker");
        return ExitCode::from(2);
    }
    match serve(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gate-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    let mut prepared: Option<Call> = None;
    for line in requests.lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["quit"] => return Ok(()),
            ["perfkit-worker", _] => greeting(),
            ["list"] => list(),
            ["prepare", case, ..] => prepare(case, &mut prepared),
            ["sample", count] => sample(count, prepared.as_mut()),
            _ => "unknown".to_owned(),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

/// The version spoken here, whichever was asked for: the other side decides whether it can go on.
fn greeting() -> String {
    let mark = if cfg!(debug_assertions) { " unoptimised" } else { "" };
    format!("perfkit-worker 1 gate-worker {}{mark}", env!("CARGO_PKG_VERSION"))
}

fn list() -> String {
    let cases = Kernel::ALL.map(|kernel| format!("case {}\n", kernel.case()));
    cases.concat() + "end"
}

fn prepare(case: &str, prepared: &mut Option<Call>) -> String {
    *prepared = None;
    let Some(kernel) = Kernel::ALL.into_iter().find(|kernel| kernel.case() == case) else {
        return format!("error no case {case}");
    };
    *prepared = Some(kernel.prepare(slowdown()));
    "ready".to_owned()
}

fn sample(count: &str, prepared: Option<&mut Call>) -> String {
    let Ok(count) = count.parse::<u64>() else {
        return format!("error not a count: {count}");
    };
    let Some(call) = prepared else {
        return "error nothing is prepared".to_owned();
    };
    let meter = Meter::start();
    for _ in 0..count {
        std::hint::black_box(call());
    }
    format!("sample {}", meter.stop())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(requests: &str) -> Vec<String> {
        let mut out = Vec::new();
        serve(requests.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_whole_conversation() {
        let spin = Kernel::Spin.case();
        let answers = answers(&format!("perfkit-worker 1\nlist\nprepare {spin}\nsample 2\nquit\nlist\n"));
        assert!(answers[0].starts_with("perfkit-worker 1 gate-worker 0.1.0"), "{}", answers[0]);
        assert_eq!(answers[1], format!("case {spin}"));
        assert_eq!(answers[3], "end");
        assert_eq!(answers[4], "ready");
        assert_eq!(answers[5].split(' ').count(), 6, "{}", answers[5]);
        assert_eq!(answers.len(), 6, "nothing is answered after quit");
    }

    #[test]
    fn what_cannot_be_done_is_an_error_line() {
        for request in ["sample 1", "prepare own/none-u8/a@b/1/t1", "sample many"] {
            assert!(answers(request)[0].starts_with("error "), "{request}");
        }
        assert_eq!(answers("dance"), ["unknown"]);
    }
}

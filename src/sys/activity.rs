//! Whether other processes of ours are at rest: pools of threads that spin after their work disturb what is timed next.

use super::clock::{as_seconds, monotonic_nanoseconds};

/// A look at a process: threads on a CPU or waiting for one, and the CPU time that all of them have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Threads that run or could run.
    pub running: usize,
    /// Nanoseconds on a CPU so far. The kernel adds a running thread's time only when it stops or at a tick, so this
    /// alone would not see one that spins.
    pub cpu_nanoseconds: u64,
}

/// What the process with this id does now; one that is gone does nothing.
#[must_use]
pub fn activity(id: u32) -> Activity {
    let mut activity = Activity::default();
    let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else { return activity };
    for thread in threads.flatten() {
        let read = |file: &str| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
        activity.running += usize::from(runs(&read("stat")));
        let spent = read("schedstat").split_whitespace().next().and_then(|text| text.parse().ok());
        activity.cpu_nanoseconds += spent.unwrap_or(0);
    }
    activity
}

/// The state stands behind a name in brackets that may hold anything.
fn runs(stat: &str) -> bool {
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
}

/// How a wait for rest ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rest {
    /// How long it took, the time of rest itself apart.
    pub waited_seconds: f64,
    /// Whether they came to rest.
    pub reached: bool,
}

/// Waits until none of these processes has used a CPU for `rest_seconds`, but no longer than `patience_seconds`.
#[must_use]
pub fn await_rest(ids: &[u32], rest_seconds: f64, patience_seconds: f64) -> Rest {
    let look = || ids.iter().map(|&id| activity(id)).collect::<Vec<_>>();
    let start = monotonic_nanoseconds();
    let since = |then: u64| as_seconds(monotonic_nanoseconds().saturating_sub(then));
    let (mut seen, mut quiet_since) = (look(), monotonic_nanoseconds());
    let mut waited_seconds = 0.0;
    loop {
        if since(quiet_since) >= rest_seconds {
            return Rest { waited_seconds, reached: true };
        }
        if since(start) > patience_seconds {
            return Rest { waited_seconds: since(start), reached: false };
        }
        std::thread::sleep(std::time::Duration::from_secs_f64(rest_seconds / 4.0));
        let now = look();
        if now != seen || now.iter().any(|activity| activity.running > 0) {
            quiet_since = monotonic_nanoseconds();
            waited_seconds = since(start);
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_behind_any_name() {
        assert!(runs("12 (a) S ) R 1 2"));
        assert!(!runs("12 (R) S 1 2") && !runs(""));
    }

    #[test]
    fn a_process_that_spins_is_seen_and_one_that_sleeps_is_at_rest() {
        let start =
            |script: &str| std::process::Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let (mut sleeper, mut spinner) = (start("sleep 60"), start("while :; do :; done"));
        let rest = await_rest(&[sleeper.id()], 0.002, 20.0);
        let busy = await_rest(&[sleeper.id(), spinner.id()], 0.002, 0.05);
        for child in [&mut sleeper, &mut spinner] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(rest.reached);
        assert!(!busy.reached && busy.waited_seconds >= 0.05, "{busy:?}");
        assert!(await_rest(&[], 0.0, 0.0).reached);
    }
}

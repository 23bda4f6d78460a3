//! Whether the machine's time belongs to the benchmark: stolen by other guests, shared with other tasks, cut by a quota.

use super::ReadinessVerdict::{Bad, Ok, Warn};
use super::{Answer, Evidence, grade, remedy};

pub(super) fn steal(evidence: &Evidence<'_>) -> Option<Answer> {
    let text = evidence.root.text("proc/stat")?;
    let ticks: Vec<u64> = text
        .lines()
        .find_map(|line| line.strip_prefix("cpu "))?
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let all: u64 = ticks.iter().take(8).fold(0, |sum, &t| sum.saturating_add(t));
    let stolen = *ticks.get(7)?;
    if all == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let percent = stolen as f64 / all as f64 * 100.0;
    let verdict = grade(percent, 0.5, 5.0);
    let detail = match verdict {
        Ok => format!("{percent:.2} % of CPU time since boot went to other guests"),
        Warn | Bad => {
            format!("{percent:.1} % of CPU time since boot went to other guests: cases stop while they run")
        }
    };
    let command = (verdict != Ok).then(|| "use a dedicated host or instance".to_owned());
    Some((verdict, detail, command))
}

pub(super) fn load(evidence: &Evidence<'_>) -> Option<Answer> {
    let text = evidence.root.text("proc/loadavg")?;
    let minute: f64 = text.split_whitespace().next()?.parse().ok()?;
    let cpus = evidence.machine.cpu.threads?.max(1);
    #[expect(clippy::cast_precision_loss, reason = "CPUs are few")]
    let verdict = grade(minute / cpus as f64, 0.25, 1.0);
    let detail = match verdict {
        Ok => format!("{minute:.2} tasks on {cpus} CPUs over the last minute"),
        Warn | Bad => {
            format!("{minute:.2} tasks on {cpus} CPUs over the last minute: they share caches and clock")
        }
    };
    Some((
        verdict,
        detail,
        (verdict != Ok).then(|| "top -o %CPU   (then stop what is not needed)".to_owned()),
    ))
}

/// What tasks waited for in the last ten seconds, by the kernel's own account; the longest wait is told.
pub(super) fn pressure(evidence: &Evidence<'_>) -> Option<Answer> {
    const KINDS: [(&str, &str); 3] = [("cpu", "a CPU"), ("memory", "memory"), ("io", "a disk")];
    let waited = |(file, what): (&str, &'static str)| {
        let text = evidence.root.text(&format!("proc/pressure/{file}"))?;
        let some = text.lines().find(|line| line.starts_with("some "))?;
        let percent = some.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?;
        Some((percent.parse::<f64>().ok().filter(|p| *p >= 0.0)?, what))
    };
    let (percent, what) = KINDS.into_iter().filter_map(waited).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let verdict = grade(percent, 2.0, 20.0);
    let detail = match verdict {
        Ok => format!("no task waited longer than {percent:.1} % of the last 10 s for anything"),
        Warn | Bad => {
            format!("some task waited for {what} {percent:.1} % of the last 10 s: samples will be cut up")
        }
    };
    Some((verdict, detail, (verdict != Ok).then(|| "wait until the machine is idle".to_owned())))
}

pub(super) fn quota(evidence: &Evidence<'_>) -> Option<Answer> {
    let limits = &evidence.machine.limits;
    let Some(quota) = limits.quota_cpus else {
        let all = evidence.machine.cpu.threads?;
        let detail = if limits.effective_cpus < all {
            format!("no quota; this process may use {} of {all} CPUs", limits.effective_cpus)
        } else {
            format!("no quota: all {all} CPUs may be used all the time")
        };
        return Some((Ok, detail, None));
    };
    let threads = limits.effective_cpus;
    let detail = format!(
        "the control group's quota is {quota:.2} CPUs: {threads} thread{} without being stopped",
        if threads == 1 { " runs" } else { "s run" }
    );
    let raise = "raise cpu.max of the group (docker: --cpus, Kubernetes: resources.limits.cpu)";
    #[expect(clippy::cast_precision_loss, reason = "CPUs are few")]
    let below = quota < limits.allowed_cpus.len() as f64;
    Some(if quota < 1.0 {
        let detail = format!(
            "the control group's quota is {quota:.2} CPUs: even one thread is stopped again and again"
        );
        (Bad, detail, remedy(raise))
    } else if below {
        (Warn, detail, remedy(raise))
    } else {
        (Ok, detail, None)
    })
}

pub(super) fn throttling(evidence: &Evidence<'_>) -> Option<Answer> {
    let limits = &evidence.machine.limits;
    let stopped = limits.throttled_periods?;
    if stopped == 0 {
        return Some((Ok, "the quota has never stopped this group".to_owned(), None));
    }
    let periods = limits.quota_periods.unwrap_or(0).max(stopped);
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = stopped as f64 / periods as f64;
    let detail = format!(
        "the quota stopped this group in {stopped} of {periods} periods: a stopped case looks up to 10x slower"
    );
    let verdict = if share >= 0.05 { Bad } else { Warn };
    Some((verdict, detail, remedy("use no more threads than the quota carries, or raise it")))
}

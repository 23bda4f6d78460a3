//! Whether a machine is fit for measuring: one function a check, each with a verdict, why it matters, and the command
//! that changes it. perfkit changes nothing itself.

use super::environment;
use super::root::Root;
use crate::document::{Machine, ReadinessCheck, ReadinessVerdict};
use ReadinessVerdict::{Bad, Ok, Warn};

/// What the checks look at.
pub(super) struct Evidence<'a> {
    pub(super) root: &'a Root,
    pub(super) machine: &'a Machine,
    pub(super) throttled_periods: Option<u64>,
}

/// What a check found: verdict, detail, remedy.
type Answer = (ReadinessVerdict, String, Option<String>);

/// A check; `None` where the file that it judges is not there.
type Check = fn(&Evidence<'_>) -> Option<Answer>;

/// Every check, in the order of the report; one whose file is not there is silent.
static CHECKS: &[(&str, Check)] = &[
    ("steal", steal),
    ("load", load),
    ("pressure", pressure),
    ("quota", quota),
    ("throttling", throttling),
    ("governor", governor),
    ("turbo", turbo),
    ("huge_pages", huge_pages),
    ("numa_balancing", numa_balancing),
    ("swap", swap),
    ("clocksource", clocksource),
    ("aslr", aslr),
];

/// Runs the checks.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<ReadinessCheck> {
    let run = |(check, function): &(&str, Check)| {
        let (verdict, detail, remedy) = function(evidence)?;
        Some(ReadinessCheck { check: (*check).to_owned(), verdict, detail, remedy })
    };
    CHECKS.iter().filter_map(run).collect()
}

fn remedy(command: &str) -> Option<String> {
    Some(command.to_owned())
}

/// `value` is bad from `bad` on, a warning from `warn` on.
fn grade(value: f64, warn: f64, bad: f64) -> ReadinessVerdict {
    if value >= bad {
        Bad
    } else if value >= warn {
        Warn
    } else {
        Ok
    }
}

fn steal(evidence: &Evidence<'_>) -> Option<Answer> {
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

fn load(evidence: &Evidence<'_>) -> Option<Answer> {
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

fn pressure(evidence: &Evidence<'_>) -> Option<Answer> {
    let text = evidence.root.text("proc/pressure/cpu")?;
    let some = text.lines().find(|line| line.starts_with("some "))?;
    let percent: f64 = some
        .split_whitespace()
        .find_map(|word| word.strip_prefix("avg10="))?
        .parse()
        .ok()
        .filter(|p| *p >= 0.0)?;
    let verdict = grade(percent, 2.0, 20.0);
    let detail = match verdict {
        Ok => format!("some task waited for a CPU {percent:.1} % of the last 10 s"),
        Warn | Bad => {
            format!("some task waited for a CPU {percent:.1} % of the last 10 s: samples will be cut up")
        }
    };
    Some((verdict, detail, (verdict != Ok).then(|| "wait until the machine is idle".to_owned())))
}

fn quota(evidence: &Evidence<'_>) -> Option<Answer> {
    let limits = &evidence.machine.limits;
    let Some(quota) = limits.quota_cpus else {
        let all = evidence.machine.cpu.threads?;
        return (limits.effective_cpus < all).then(|| {
            let detail = format!("this process may use {} of {all} CPUs", limits.effective_cpus);
            (Ok, detail, None)
        });
    };
    let detail = format!(
        "the control group's quota is {quota:.2} CPUs: {} thread{} run without being stopped",
        limits.effective_cpus,
        if limits.effective_cpus == 1 { "" } else { "s" }
    );
    #[expect(clippy::cast_precision_loss, reason = "CPUs are few")]
    let below = quota < limits.allowed_cpus.len() as f64;
    Some(if below {
        (
            Warn,
            detail,
            remedy("raise cpu.max of the group (docker: --cpus, Kubernetes: resources.limits.cpu)"),
        )
    } else {
        (Ok, detail, None)
    })
}

fn throttling(evidence: &Evidence<'_>) -> Option<Answer> {
    let periods = evidence.throttled_periods?;
    Some(if periods == 0 {
        (Ok, "the quota has never stopped this group".to_owned(), None)
    } else {
        let detail = format!(
            "the quota stopped this group in {periods} periods: a stopped case looks up to 10x slower"
        );
        (Warn, detail, remedy("use no more threads than the quota carries, or raise it"))
    })
}

fn governor(evidence: &Evidence<'_>) -> Option<Answer> {
    let governor = evidence.machine.environment.governor.as_deref()?;
    Some(if governor == "performance" {
        (Ok, "the governor keeps the clock up".to_owned(), None)
    } else {
        let detail =
            format!("the governor {governor} lets the clock follow the load: short cases run slower");
        (Warn, detail, remedy("sudo cpupower frequency-set -g performance"))
    })
}

fn turbo(evidence: &Evidence<'_>) -> Option<Answer> {
    Some(if evidence.machine.environment.turbo? {
        let path = "/sys/devices/system/cpu";
        let command = if evidence.root.exists("sys/devices/system/cpu/intel_pstate/no_turbo") {
            format!("echo 1 | sudo tee {path}/intel_pstate/no_turbo")
        } else {
            format!("echo 0 | sudo tee {path}/cpufreq/boost")
        };
        (Warn, "turbo is on: the clock depends on heat and on how many cores work".to_owned(), Some(command))
    } else {
        (Ok, "turbo is off: the clock stays at its base".to_owned(), None)
    })
}

fn huge_pages(evidence: &Evidence<'_>) -> Option<Answer> {
    let mode = evidence.machine.memory.huge_pages.transparent.as_deref()?;
    let defrag = environment::huge_page_defrag(evidence.root);
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    Some(match mode {
        "never" => (
            Warn,
            "transparent huge pages are off: large matrices pay for TLB misses".to_owned(),
            Some(format!("echo madvise | sudo tee {path}")),
        ),
        mode => {
            let defrag = defrag.map(|d| format!(", defrag {d}")).unwrap_or_default();
            (
                Ok,
                format!("transparent huge pages: {mode}{defrag}; perfkit asks for them where they help"),
                None,
            )
        }
    })
}

fn numa_balancing(evidence: &Evidence<'_>) -> Option<Answer> {
    let on = evidence.root.parse::<u32>("proc/sys/kernel/numa_balancing")? != 0;
    let nodes = evidence.machine.numa.nodes?;
    if nodes < 2 {
        return None;
    }
    Some(if on {
        let detail = "the kernel moves pages between nodes while a case runs".to_owned();
        (Warn, detail, remedy("echo 0 | sudo tee /proc/sys/kernel/numa_balancing"))
    } else {
        (Ok, "the kernel leaves pages on their nodes".to_owned(), None)
    })
}

fn swap(evidence: &Evidence<'_>) -> Option<Answer> {
    let text = evidence.root.text("proc/meminfo")?;
    let value = |key: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
    };
    let used = value("SwapTotal:")?.saturating_sub(value("SwapFree:")?);
    Some(if used == 0 {
        (Ok, "nothing is swapped out".to_owned(), None)
    } else {
        let detail = format!(
            "{} are swapped out: a first touch may wait for the disk",
            crate::units::bytes(used << 10)
        );
        (Warn, detail, remedy("sudo swapoff -a   (if memory allows)"))
    })
}

fn clocksource(evidence: &Evidence<'_>) -> Option<Answer> {
    let source = environment::clocksource(evidence.root)?;
    Some(match &*source {
        "tsc"
        | "kvm-clock"
        | "arch_sys_counter"
        | "hyperv_clocksource_tsc_page"
        | "timebase"
        | "riscv_clocksource" => (Ok, format!("{source}: a reading costs nanoseconds"), None),
        "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" | "pit" => (
            Bad,
            format!("{source}: a reading costs microseconds or is coarse; short cases cannot be timed"),
            remedy("boot with clocksource=tsc tsc=reliable"),
        ),
        other => (Warn, format!("{other}: a reading may need a system call"), None),
    })
}

fn aslr(evidence: &Evidence<'_>) -> Option<Answer> {
    let level: u32 = evidence.root.parse("proc/sys/kernel/randomize_va_space")?;
    Some(if level == 0 {
        let detail = "off: every process has the same layout, whose luck no repetition shows".to_owned();
        (Warn, detail, remedy("sudo sysctl kernel.randomize_va_space=2"))
    } else {
        (Ok, "on: fresh processes see different layouts, and the spread shows it".to_owned(), None)
    })
}

//! Whether the processor runs as it should: clock, turbo, isolated CPUs, mitigations, the system's clock, heat.

use super::ReadinessVerdict::{Bad, Ok, Warn};
use super::{Answer, Evidence, remedy};
use crate::units::CpuList;

pub(super) fn governor(evidence: &Evidence<'_>) -> Option<Answer> {
    let environment = &evidence.machine.environment;
    let governor = environment.governor.as_deref()?;
    // In Intel's and AMD's active modes `powersave` is a policy that follows the load; with other drivers it holds the
    // lowest clock.
    let active = environment.governor_driver.as_deref().is_some_and(|driver| {
        driver.starts_with("intel_pstate") || driver.ends_with("-epp") || driver.ends_with("_epp")
    });
    let set = remedy("sudo cpupower frequency-set -g performance");
    Some(match governor {
        "performance" => (Ok, "the governor keeps the clock up".to_owned(), None),
        "powersave" if !active => {
            let detail = "the governor powersave holds the lowest clock: figures are not this machine's";
            (Bad, detail.to_owned(), set)
        }
        other => {
            let detail =
                format!("the governor {other} lets the clock follow the load: short cases run slower");
            (Warn, detail, set)
        }
    })
}

pub(super) fn turbo(evidence: &Evidence<'_>) -> Option<Answer> {
    const PATH: &str = "/sys/devices/system/cpu";
    let root = evidence.root;
    let own = |cpu: u32| root.parse::<u32>(&format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/boost"));
    let mut states: Vec<u32> = evidence.machine.cpu.online_cpus.iter().filter_map(own).collect();
    states.sort_unstable();
    states.dedup();
    if states.len() > 1 {
        let detail = "turbo is on for some CPUs and off for others: a figure depends on where a thread runs";
        let command = format!("echo 0 | sudo tee {PATH}/cpu*/cpufreq/boost");
        return Some((Bad, detail.to_owned(), Some(command)));
    }
    Some(if evidence.machine.environment.turbo? {
        let command = if root.exists("sys/devices/system/cpu/intel_pstate/no_turbo") {
            format!("echo 1 | sudo tee {PATH}/intel_pstate/no_turbo")
        } else {
            format!("echo 0 | sudo tee {PATH}/cpufreq/boost")
        };
        (Warn, "turbo is on: the clock depends on heat and on how many cores work".to_owned(), Some(command))
    } else {
        (Ok, "turbo is off: the clock stays at its base".to_owned(), None)
    })
}

/// CPUs that the scheduler leaves alone: threads that are allowed on them and on others are never moved there, or
/// never away.
pub(super) fn isolation(evidence: &Evidence<'_>) -> Option<Answer> {
    let path = "sys/devices/system/cpu/isolated";
    if !evidence.root.exists(path) {
        return None;
    }
    let isolated: CpuList = evidence.root.parse(path).unwrap_or_default();
    let isolated = isolated.intersection(&evidence.machine.cpu.online_cpus);
    if isolated.is_empty() {
        return Some((Ok, "no CPU is isolated: the scheduler uses all of them".to_owned(), None));
    }
    let allowed = &evidence.machine.limits.allowed_cpus;
    let own = allowed.intersection(&isolated).len();
    Some(if own == 0 {
        let detail = format!("CPUs {isolated} are isolated and not used by this process");
        (Warn, detail, Some(format!("taskset -c {isolated} perfkit ...   (to measure on the quiet CPUs)")))
    } else if own == allowed.len() {
        (Ok, format!("this process runs on isolated CPUs ({isolated}) alone"), None)
    } else {
        let detail = format!(
            "this process may use isolated CPUs ({isolated}) and others: the scheduler does not spread threads over them"
        );
        (
            Bad,
            detail,
            Some(format!("taskset -c {isolated} perfkit ...   (or only CPUs that are not isolated)")),
        )
    })
}

/// What mitigations cost: system calls and page faults by most, gathers by one, all vector code by another.
pub(super) fn mitigations(evidence: &Evidence<'_>) -> Option<Answer> {
    let all = &evidence.machine.environment.mitigations;
    let state = |name: &str| all.get(name).map_or("", |text| &**text);
    if all.is_empty() {
        return None;
    }
    let gathers = state("gather_data_sampling");
    if gathers.contains("AVX disabled") {
        let detail =
            "the kernel has switched AVX off, for want of new microcode: no vector figure is this machine's";
        return Some((
            Bad,
            detail.to_owned(),
            remedy("install the processor's microcode, or boot with gather_data_sampling=off"),
        ));
    }
    let costly: Vec<&str> = [
        (gathers.starts_with("Mitigation"), "gathers are several times slower (gather_data_sampling)"),
        (state("meltdown").contains("PTI"), "system calls and faults flush translations (meltdown)"),
        (
            state("retbleed").contains("IBRS") && !state("retbleed").contains("Enhanced"),
            "system calls cost more (retbleed)",
        ),
        (
            state("spec_rstack_overflow").contains("afe RET"),
            "returns in the kernel cost more (spec_rstack_overflow)",
        ),
        (
            state("mds").contains("Clear CPU buffers") || state("tsa").contains("Clear CPU buffers"),
            "buffers are cleared on every return from the kernel",
        ),
    ]
    .into_iter()
    .filter_map(|(there, what)| there.then_some(what))
    .collect();
    Some(if costly.is_empty() {
        (Ok, format!("{} weaknesses are looked at, none costs the measured code anything", all.len()), None)
    } else {
        let detail = format!("{}: compare only with machines that do the same", costly.join("; "));
        (Warn, detail, remedy("boot with mitigations=off   (on machines that run nothing of others)"))
    })
}

pub(super) fn clocksource(evidence: &Evidence<'_>) -> Option<Answer> {
    let source = evidence.root.text("sys/devices/system/clocksource/clocksource0/current_clocksource")?;
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
        other => {
            let detail = format!("{other}: a reading may need a system call");
            (
                Warn,
                detail,
                remedy("boot with clocksource=tsc tsc=reliable   (where the hypervisor offers it)"),
            )
        }
    })
}

/// Zones of temperature against the point at which the system slows down or stops, and what slowed the cores already.
pub(super) fn thermal(evidence: &Evidence<'_>) -> Option<Answer> {
    const ZONES: &str = "sys/class/thermal";
    let root = evidence.root;
    let degrees = |path: String| root.parse::<i32>(&path).map(|value| f64::from(value) / 1e3);
    let closest = root.numbered(ZONES, "thermal_zone").into_iter().filter_map(|zone| {
        let folder = format!("{ZONES}/thermal_zone{zone}");
        let now = degrees(format!("{folder}/temp")).filter(|t| (-50.0..300.0).contains(t))?;
        let limit = (0..16)
            .filter(|trip| {
                let kind = root.text(&format!("{folder}/trip_point_{trip}_type")).unwrap_or_default();
                matches!(&*kind, "critical" | "hot" | "passive")
            })
            .filter_map(|trip| degrees(format!("{folder}/trip_point_{trip}_temp")))
            .filter(|&limit| limit > 0.0)
            .min_by(f64::total_cmp)?;
        Some((limit - now, now, limit))
    });
    let closest = closest.min_by(|a, b| a.0.total_cmp(&b.0));
    let count = |cpu: u32| {
        root.parse::<u64>(&format!("sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count"))
    };
    let throttled: Option<u64> =
        evidence.machine.cpu.online_cpus.iter().filter_map(count).reduce(u64::saturating_add);
    let cool = || remedy("let it cool down; clean its fans; lower its power limit to a steady one");
    match (closest, throttled) {
        (None, None) => None,
        (Some((room, now, limit)), _) if room < 5.0 => {
            let detail = format!(
                "{now:.0} °C, and at {limit:.0} °C the clock is lowered: it will be while a case runs"
            );
            Some((Bad, detail, cool()))
        }
        (Some((room, now, limit)), _) if room < 15.0 => {
            let detail = format!("{now:.0} °C is close to {limit:.0} °C, where the clock is lowered");
            Some((Warn, detail, cool()))
        }
        (_, Some(times)) if times > 0 => {
            let detail =
                format!("heat has lowered the clock of cores {times} times since the machine started");
            Some((Warn, detail, cool()))
        }
        (Some((_, now, limit)), _) => {
            Some((Ok, format!("{now:.0} °C, the clock is lowered at {limit:.0} °C"), None))
        }
        (None, Some(_)) => Some((Ok, "heat has never lowered the clock of a core".to_owned(), None)),
    }
}

//! Every check with a machine that is fit, one that is doubtful and one that is not.

use ReadinessVerdict::{Bad, Ok, Warn};
use perfkit::document::{Machine, ReadinessVerdict};
use perfkit::machine::replace_gpus;

use crate::roots::{ONLINE, machine, root};

type Files = &'static [(&'static str, &'static str)];

/// A check with the files of a fit, a doubtful and an unfit machine.
struct Case(&'static str, Files, Files, Files);

const GROUP: (&str, &str) = ("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n");
const OWN: (&str, &str) = ("proc/self/cgroup", "0::/\n");
const ENABLED: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const DEFRAG: &str = "sys/kernel/mm/transparent_hugepage/defrag";
const GDS: &str = "sys/devices/system/cpu/vulnerabilities/gather_data_sampling";
const GOVERNOR: &str = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
const DRIVER: &str = "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver";
const BOOST: &str = "sys/devices/system/cpu/cpufreq/boost";
const CLOCK: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
const TEMPERATURE: &str = "sys/class/thermal/thermal_zone0/temp";
const TRIP_TYPE: (&str, &str) = ("sys/class/thermal/thermal_zone0/trip_point_0_type", "critical");
const TRIP: (&str, &str) = ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "100000");
const ISOLATED: &str = "sys/devices/system/cpu/isolated";
const BALANCING: &str = "proc/sys/kernel/numa_balancing";
const NODE0: (&str, &str) = ("sys/devices/system/node/node0/cpulist", "0-1");
const NODE1: (&str, &str) = ("sys/devices/system/node/node1/cpulist", "2-3");
const ASLR: &str = "proc/sys/kernel/randomize_va_space";

static CASES: &[Case] = &[
    Case(
        "steal",
        &[("proc/stat", "cpu  100 0 0 100000 0 0 0 0 0 0\n")],
        &[("proc/stat", "cpu  100 0 0 9900 0 0 0 100 0 0\n")],
        &[("proc/stat", "cpu  100 0 0 100 0 0 0 100 0 0\n")],
    ),
    Case(
        "load",
        &[("proc/loadavg", "0.10 0 0 1/100 1")],
        &[("proc/loadavg", "2.00 0 0 1/100 1")],
        &[("proc/loadavg", "4.50 0 0 1/100 1")],
    ),
    Case(
        "pressure",
        &[("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")],
        &[("proc/pressure/cpu", "some avg10=5.00 avg60=0.00 avg300=0.00 total=1\n")],
        &[("proc/pressure/cpu", "some avg10=55.00 avg60=0.00 avg300=0.00 total=1\n")],
    ),
    Case(
        "quota",
        &[],
        &[GROUP, OWN, ("cg/cpu.max", "150000 100000")],
        &[GROUP, OWN, ("cg/cpu.max", "50000 100000")],
    ),
    Case(
        "throttling",
        &[GROUP, OWN, ("cg/cpu.stat", "usage_usec 5\nnr_periods 1000\nnr_throttled 0\nthrottled_usec 0\n")],
        &[GROUP, OWN, ("cg/cpu.stat", "nr_periods 1000\nnr_throttled 10\nthrottled_usec 1000\n")],
        &[GROUP, OWN, ("cg/cpu.stat", "nr_periods 1000\nnr_throttled 500\nthrottled_usec 100000\n")],
    ),
    Case(
        "governor",
        &[(GOVERNOR, "performance")],
        &[(GOVERNOR, "powersave"), (DRIVER, "intel_pstate")],
        &[(GOVERNOR, "powersave"), (DRIVER, "acpi-cpufreq")],
    ),
    Case(
        "turbo",
        &[(BOOST, "0")],
        &[(BOOST, "1")],
        &[
            ("sys/devices/system/cpu/cpu0/cpufreq/boost", "0"),
            ("sys/devices/system/cpu/cpu1/cpufreq/boost", "1"),
        ],
    ),
    Case(
        "thermal",
        &[(TEMPERATURE, "45000"), TRIP_TYPE, TRIP],
        &[(TEMPERATURE, "89000"), TRIP_TYPE, TRIP],
        &[(TEMPERATURE, "97000"), TRIP_TYPE, TRIP],
    ),
    Case(
        "isolation",
        &[(ISOLATED, "")],
        &[(ISOLATED, "3"), ("proc/self/status", "Cpus_allowed_list:\t0-2\n")],
        &[(ISOLATED, "2-3"), ("proc/self/status", "Cpus_allowed_list:\t0-3\n")],
    ),
    Case(
        "mitigations",
        &[(GDS, "Not affected")],
        &[(GDS, "Mitigation: Microcode")],
        &[(GDS, "Mitigation: AVX disabled, no microcode")],
    ),
    Case("clocksource", &[(CLOCK, "tsc")], &[(CLOCK, "xen")], &[(CLOCK, "hpet")]),
    Case(
        "huge_pages",
        &[(ENABLED, "always [madvise] never")],
        &[(ENABLED, "[always] madvise never"), (DEFRAG, "[always] defer defer+madvise madvise never")],
        &[
            (ENABLED, "always madvise [never]"),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0"),
        ],
    ),
    Case(
        "numa_balancing",
        &[(BALANCING, "0"), NODE0, NODE1],
        &[(BALANCING, "1"), NODE0, NODE1],
        &[(BALANCING, "2"), NODE0, NODE1],
    ),
    Case(
        "swap",
        &[("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 500 kB\nSwapFree: 500 kB\n")],
        &[("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 500 kB\nSwapFree: 400 kB\n")],
        &[("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 500 kB\nSwapFree: 100 kB\n")],
    ),
    Case("aslr", &[(ASLR, "2")], &[(ASLR, "1")], &[(ASLR, "0")]),
];

/// The checks of GPUs, whose machines are made below.
const GPU_CHECKS: [&str; 4] = ["gpu_users", "gpu_link", "gpu_throttle", "gpu_sharing"];

fn verdict(machine: &Machine, check: &str) -> Option<ReadinessVerdict> {
    machine.readiness.iter().find(|c| c.check == check).map(|c| c.verdict)
}

#[test]
fn every_check_tells_a_fit_machine_from_a_doubtful_and_an_unfit_one() {
    let mut failures = Vec::new();
    for Case(check, fit, doubtful, unfit) in CASES {
        for (files, wanted) in [(fit, Ok), (doubtful, Warn), (unfit, Bad)] {
            let folder = root(&[(ONLINE, "0-3")]);
            crate::roots::add(folder.path(), files);
            let machine = machine(&folder);
            let found = verdict(&machine, check);
            if found != Some(wanted) {
                failures.push(format!("{check}: {found:?} instead of {wanted:?}"));
            }
            let remedies = machine.readiness.iter().filter(|c| c.verdict != Ok);
            assert!(remedies.clone().all(|c| c.remedy.is_some() && !c.detail.is_empty()), "{check}");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_is_not_there_is_not_judged() {
    let readiness = machine(&root(&[])).readiness;
    assert!(readiness.is_empty(), "{readiness:?}");
}

#[test]
fn every_check_has_its_three_machines() {
    let named: Vec<&str> = CASES.iter().map(|case| case.0).chain(GPU_CHECKS).collect();
    assert_eq!(perfkit::machine::check_names().collect::<Vec<_>>(), named);
}

#[test]
fn the_longest_wait_of_all_is_told() {
    let some = |percent: &str| format!("some avg10={percent} avg60=0.00 avg300=0.00 total=1\n");
    let (cpu, memory, io) = (some("1.00"), some("25.00"), some("3.00"));
    let files =
        [("proc/pressure/cpu", &*cpu), ("proc/pressure/memory", &*memory), ("proc/pressure/io", &*io)];
    let found = machine(&root(&files)).readiness;
    assert_eq!((found.len(), found[0].verdict), (1, Bad));
    assert!(found[0].detail.contains("waited for memory 25.0 %"), "{}", found[0].detail);
}

/// An output of NVIDIA's tool with these elements inside the device.
fn nvidia(inside: &str) -> Machine {
    let mut machine = Machine::default();
    let text = format!(
        "<nvidia_smi_log><driver_version>1</driver_version><gpu><product_name>NVIDIA L4</product_name>{inside}</gpu></nvidia_smi_log>"
    );
    replace_gpus(&mut machine, &text).unwrap();
    machine
}

#[test]
fn gpus_are_judged_by_what_their_driver_tells() {
    let width = |now: u32| {
        format!(
            "<pci><pci_gpu_link_info><link_widths><max_link_width>16x</max_link_width><current_link_width>{now}x</current_link_width></link_widths></pci_gpu_link_info></pci>"
        )
    };
    let reason = |name: &str| {
        format!(
            "<clocks><sm_clock>300 MHz</sm_clock></clocks><clocks_event_reasons><clocks_event_reason_{name}>Active</clocks_event_reason_{name}></clocks_event_reasons>"
        )
    };
    let users = |share: u32, process: &str| {
        format!("<utilization><gpu_util>{share} %</gpu_util></utilization><processes>{process}</processes>")
    };
    let mode = |mig: &str, virtualization: &str| {
        format!(
            "<mig_mode><current_mig>{mig}</current_mig></mig_mode><gpu_virtualization_mode><virtualization_mode>{virtualization}</virtualization_mode></gpu_virtualization_mode>"
        )
    };
    let one = "<process_info><pid>1</pid></process_info>";
    let [of_users, of_link, of_throttle, of_sharing] = GPU_CHECKS;
    for (check, fit, doubtful, unfit) in [
        (of_users, users(0, ""), users(0, one), users(80, one)),
        (of_link, width(16), width(8), width(4)),
        (of_throttle, reason("gpu_idle"), reason("sw_power_cap"), reason("hw_thermal_slowdown")),
        (of_sharing, mode("Disabled", "None"), mode("Enabled", "None"), mode("N/A", "VGPU")),
    ] {
        for (inside, wanted) in [(fit, Ok), (doubtful, Warn), (unfit, Bad)] {
            assert_eq!(verdict(&nvidia(&inside), check), Some(wanted), "{check}: {inside}");
        }
    }
    assert!(nvidia("").readiness.is_empty(), "nothing is known, nothing is judged");
}

//! What the machine runs in (hypervisor, container) and how it is set (governor, turbo, kernel, system).

use std::collections::BTreeSet;

use super::cpuid::{self, Reader};
use super::cpuinfo::Cpuinfo;
use super::findings::{Fact, Findings};
use super::memory::chosen;
use super::root::Root;
use super::topology::CPUS;
use crate::document::Environment;
use crate::units::CpuList;

/// Reads the environment below a root.
pub(super) fn read(
    root: &Root,
    info: &Cpuinfo<'_>,
    cpuid: Option<&dyn Reader>,
    online: &CpuList,
    findings: &mut Findings,
) -> Environment {
    let reported = |value: Option<String>, source| value.map(|value| Fact::reported(value, source));
    Environment {
        hypervisor: findings.keep(
            "environment.hypervisor",
            hypervisor(root, info, cpuid),
            "no sign of one: bare metal, or one that hides",
        ),
        container: findings.keep(
            "environment.container",
            container(root).map(|name| Fact::inferred(name.to_owned(), "procfs")),
            "no sign of one",
        ),
        governor: findings.keep(
            "environment.governor",
            reported(governor(root, online), "sysfs"),
            "the system does not show a cpufreq governor (virtual machines do not)",
        ),
        turbo: findings.keep(
            "environment.turbo",
            turbo(root, online).map(|turbo| Fact::reported(turbo, "sysfs")),
            "the system does not show whether the clock may rise above its base",
        ),
        kernel: findings.keep(
            "environment.kernel",
            reported(kernel(root), "procfs"),
            "the kernel's release is not there",
        ),
        os: findings.keep("environment.os", reported(os(root), "os-release"), "there is no etc/os-release"),
    }
}

/// The hypervisor: what it calls itself, then what the firmware calls the machine, then the CPU's word for any.
fn hypervisor(root: &Root, info: &Cpuinfo<'_>, cpuid: Option<&dyn Reader>) -> Option<Fact<String>> {
    let name = |name: &str, source| Some(Fact::reported(name.to_owned(), source));
    let version = root.text("proc/version").unwrap_or_default().to_ascii_lowercase();
    if version.contains("microsoft") && version.contains("wsl") {
        return name("wsl2", "procfs");
    }
    if version.contains("gvisor") {
        return name("gvisor", "procfs");
    }
    // Firecracker is a KVM to CPUID; it signs its ACPI tables.
    let signed = |table: &str| {
        root.bytes(&format!("sys/firmware/acpi/tables/{table}"))
            .is_some_and(|b| b.get(10..16) == Some(b"FIRECK"))
    };
    if signed("DSDT") || signed("FACP") {
        return name("firecracker", "acpi");
    }
    let signature = cpuid.and_then(cpuid::hypervisor_signature).and_then(|text| by_signature(&text));
    if let Some(signature) = signature {
        return name(signature, "cpuid");
    }
    if let Some(kind) = root.text("sys/hypervisor/type") {
        return Some(Fact::reported(kind.to_ascii_lowercase(), "sysfs"));
    }
    if let Some(machine) = by_firmware(root) {
        return Some(Fact::inferred(machine.to_owned(), "dmi"));
    }
    if let Some(host) = by_ibm(root, info) {
        return name(host, "procfs");
    }
    let any =
        info.first("flags").is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    any.then(|| Fact::inferred("unknown".to_owned(), "procfs"))
}

fn by_signature(signature: &str) -> Option<&'static str> {
    Some(match signature {
        "KVMKVMKVM" | "Linux KVM Hv" => "kvm",
        "Microsoft Hv" => "hyper-v",
        "VMwareVMware" => "vmware",
        "XenVMMXenVMM" => "xen",
        "TCGTCGTCGTCG" => "qemu",
        "VBoxVBoxVBox" => "virtualbox",
        "bhyve bhyve" => "bhyve",
        "ACRNACRNACRN" => "acrn",
        "prl hyperv" | "lrpepyh  vr" => "parallels",
        _ => return None,
    })
}

fn by_firmware(root: &Root) -> Option<&'static str> {
    let field = |name: &str| root.text(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let (vendor, product) = (field("sys_vendor"), field("product_name"));
    let bios = field("bios_vendor");
    Some(match () {
        () if product.contains("VirtualBox") || vendor.contains("innotek") => "virtualbox",
        () if vendor.contains("VMware") => "vmware",
        () if vendor.contains("Microsoft") && product.contains("Virtual Machine") => "hyper-v",
        () if vendor.contains("Xen") || bios.contains("Xen") => "xen",
        () if vendor.contains("QEMU") || product.contains("KVM") || bios.contains("SeaBIOS") => "kvm",
        () if vendor.contains("Google") && product.contains("Compute Engine") => "kvm",
        () if vendor.contains("Amazon EC2") && !product.contains("metal") => "kvm",
        () if vendor.contains("Parallels") => "parallels",
        () => return None,
    })
}

/// IBM Z names its levels in `/proc/sysinfo`; POWER names its platform in `/proc/cpuinfo`.
fn by_ibm(root: &Root, info: &Cpuinfo<'_>) -> Option<&'static str> {
    let levels = root.text("proc/sysinfo").unwrap_or_default();
    let program = levels.lines().find_map(|line| line.strip_prefix("VM00 Control Program:"));
    if let Some(program) = program {
        return Some(if program.contains("KVM") { "kvm" } else { "z/vm" });
    }
    if levels.lines().any(|line| line.starts_with("LPAR Number:")) {
        return Some("pr/sm");
    }
    info.first("platform").filter(|platform| *platform == "pSeries").map(|_| "powervm or kvm")
}

/// The container, by the words in the paths of the first process's groups and the files that engines leave.
fn container(root: &Root) -> Option<&'static str> {
    let groups = format!(
        "{}\n{}",
        root.text("proc/self/cgroup").unwrap_or_default(),
        root.text("proc/1/cgroup").unwrap_or_default()
    );
    let kubernetes = groups.contains("kubepods") || root.exists("run/secrets/kubernetes.io");
    let named = [
        (kubernetes, "kubernetes"),
        (groups.contains("/docker/") || groups.contains("/docker-"), "docker"),
        (groups.contains("libpod"), "podman"),
        (groups.contains("/lxc/") || groups.contains("lxc.payload"), "lxc"),
        (groups.contains("containerd") || groups.contains("crio-"), "containerd"),
        (root.exists("run/.containerenv") && !is_whole_system(root), "podman"),
        (root.exists(".dockerenv") && !is_whole_system(root), "docker"),
    ];
    if let Some((_, name)) = named.into_iter().find(|(found, _)| *found) {
        return Some(name);
    }
    root.exists("dev/lxd/sock").then_some("lxc")
}

/// Whether `/` is a disk of the machine's own and this process is in its first process namespace. Virtual machines whose
/// disk was made from a container's image have the files that container engines leave, and are no containers.
fn is_whole_system(root: &Root) -> bool {
    const FIRST_NAMESPACE: &str = "pid:[4026531836]";
    let first = root.link("proc/self/ns/pid").as_deref() == Some(FIRST_NAMESPACE);
    let mounts = root.text("proc/self/mountinfo").unwrap_or_default();
    let own_disk = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/")).any(|line| {
        let whole = line.split(' ').nth(3) == Some("/");
        let overlay = line.split_once(" - ").is_some_and(|(_, kind)| kind.starts_with("overlay "));
        whole && !overlay
    });
    first && own_disk
}

/// The governor of the online CPUs, several joined by `+`.
fn governor(root: &Root, online: &CpuList) -> Option<String> {
    let of = |cpu: u32| root.text(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor"));
    let governors: BTreeSet<String> = online.iter().filter_map(of).collect();
    (!governors.is_empty()).then(|| governors.into_iter().collect::<Vec<_>>().join("+"))
}

fn turbo(root: &Root, online: &CpuList) -> Option<bool> {
    let flag = |path: &str| match root.text(path).as_deref() {
        Some("0") => Some(false),
        Some("1") => Some(true),
        _ => None,
    };
    flag(&format!("{CPUS}/intel_pstate/no_turbo"))
        .map(|off| !off)
        .or_else(|| flag(&format!("{CPUS}/cpufreq/boost")))
        .or_else(|| flag(&format!("{CPUS}/cpu{}/cpufreq/boost", online.first()?)))
}

fn kernel(root: &Root) -> Option<String> {
    let of_version =
        || root.text("proc/version")?.strip_prefix("Linux version ")?.split(' ').next().map(str::to_owned);
    root.text("proc/sys/kernel/osrelease").or_else(of_version)
}

/// `Debian GNU/Linux 12` from `PRETTY_NAME`.
fn os(root: &Root) -> Option<String> {
    let text = root.text("etc/os-release").or_else(|| root.text("usr/lib/os-release"))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

/// The clock source in use and whether it is the fast one.
pub(super) fn clocksource(root: &Root) -> Option<String> {
    root.text("sys/devices/system/clocksource/clocksource0/current_clocksource")
}

/// The mode of defragmentation on a page fault.
pub(super) fn huge_page_defrag(root: &Root) -> Option<String> {
    root.text("sys/kernel/mm/transparent_hugepage/defrag").and_then(|text| chosen(&text))
}

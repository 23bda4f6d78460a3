//! What the machine runs in (hypervisor, container) and how it is set (governor, turbo, kernel, system).

use std::collections::{BTreeMap, BTreeSet};

use super::cloud;
use super::container::container;
use super::cpuid::Reader;
use super::cpuinfo::Cpuinfo;
use super::findings::{Fact, Findings};
use super::hypervisor::hypervisor;
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
    let cloud = cloud::read(root);
    let mitigations = mitigations(root);
    if !mitigations.is_empty() {
        findings.known("environment.mitigations", Fact::reported((), "sysfs"));
    }
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
        governor_driver: findings.keep(
            "environment.governor_driver",
            reported(
                online.first().and_then(|cpu| root.text(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_driver"))),
                "sysfs",
            ),
            "the system does not show cpufreq",
        ),
        cloud: findings.keep("environment.cloud", cloud.provider, "the firmware names no cloud"),
        instance_type: findings.keep(
            "environment.instance_type",
            cloud.instance_type,
            "neither the firmware nor cloud-init's file tells; a question to the network is not asked",
        ),
        product: findings.keep(
            "environment.product",
            product(root),
            "the system shows neither DMI nor a device tree with a model",
        ),
        smt: findings.keep(
            "environment.smt",
            reported(root.text(&format!("{CPUS}/smt/control")), "sysfs"),
            "the kernel does not show a control of SMT",
        ),
        microcode: findings.keep(
            "environment.microcode",
            reported(info.first("microcode").map(str::to_owned), "procfs"),
            "only x86 kernels state it, and not under every hypervisor",
        ),
        mitigations,
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

/// The governor of the online CPUs, several joined by `+`.
fn governor(root: &Root, online: &CpuList) -> Option<String> {
    let of = |cpu: u32| root.text(&format!("{CPUS}/cpu{cpu}/cpufreq/scaling_governor"));
    let governors: BTreeSet<String> = online.iter().filter_map(of).collect();
    (!governors.is_empty()).then(|| governors.into_iter().collect::<Vec<_>>().join("+"))
}

/// What the kernel says of each weakness.
fn mitigations(root: &Root) -> BTreeMap<String, String> {
    let folder = format!("{CPUS}/vulnerabilities");
    let one = |name: String| Some((name.clone(), root.text(&format!("{folder}/{name}"))?));
    root.names(&folder).into_iter().filter_map(one).collect()
}

/// Maker and product by DMI, or the board's model by the device tree.
fn product(root: &Root) -> Option<Fact<String>> {
    let field = |name: &str| root.text(&format!("sys/class/dmi/id/{name}")).filter(|text| !placeholder(text));
    let named = match (field("sys_vendor"), field("product_name")) {
        // Most makers begin their products' names with their own.
        (Some(maker), Some(product)) if product.to_lowercase().starts_with(&maker.to_lowercase()) => {
            Some(product)
        }
        (Some(maker), Some(product)) => Some(format!("{maker} {product}")),
        (maker, product) => maker.or(product),
    };
    if let Some(named) = named {
        return Some(Fact::reported(named, "dmi"));
    }
    let trees = ["sys/firmware/devicetree/base/model", "proc/device-tree/model"];
    let model = trees.iter().find_map(|path| root.text(path))?;
    Some(Fact::reported(model, "device tree"))
}

/// What firmware says that nobody filled in.
fn placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["to be filled", "system manufacturer", "system product", "default string", "not specified", "none"]
        .iter()
        .any(|empty| text.starts_with(empty))
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

//! Snapshots of real machines with what must be said of them. They are not part of the project: a folder of them is looked
//! for at `PERFKIT_MACHINES`, then at `../shared/machines`, and without one these tests say that they are skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use perfkit::document::{CacheType, Machine};
use perfkit::machine::{Source, detect, replace_gpus};
use serde_json::Value;
use tempfile::TempDir;

use crate::roots::{add, assert_every_null_has_a_reason, folder, root};

/// The folder, where there is one.
pub(crate) fn machines() -> Option<PathBuf> {
    let named = std::env::var_os("PERFKIT_MACHINES").map(PathBuf::from);
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/machines");
    let folder = named.unwrap_or_else(usual);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there are no snapshots of machines (PERFKIT_MACHINES)");
    None
}

/// A snapshot unpacked, by its name.
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) expected: Value,
    folder: TempDir,
    inner: &'static str,
}

impl Snapshot {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join(self.inner)
    }
}

/// The snapshots of a kind: `("sysfs", "root")` or `("cpuid", "dump")`.
pub(crate) fn snapshots(kind: &str, inner: &'static str) -> Vec<Snapshot> {
    let Some(machines) = machines() else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(machines.join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let unpack = |path: PathBuf| {
        let folder = folder();
        let archive = path.join(format!("{inner}.tar.xz"));
        let status = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(folder.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: tar cannot unpack {}", archive.display());
            return None;
        }
        let expected =
            serde_json::from_str(&fs::read_to_string(path.join("expected.json")).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Some(Snapshot { name, expected, folder, inner })
    };
    paths.into_iter().filter_map(unpack).collect()
}

/// Notes what differs from what is expected and not tolerated.
struct Comparison<'a> {
    snapshot: &'a Snapshot,
    failures: Vec<String>,
}

impl Comparison<'_> {
    fn same(&mut self, what: &str, found: Value, expected: &Value) {
        let tolerated = self.snapshot.expected["tolerated"][what].as_array();
        if found != *expected && !tolerated.is_some_and(|values| values.contains(&found)) {
            self.failures.push(format!("{}: {what} is {found}, not {expected}", self.snapshot.name));
        }
    }

    fn counts(&mut self, machine: &Machine) {
        let expected = self.snapshot.expected["expected"].clone();
        let cpu = &machine.cpu;
        self.same("packages", cpu.packages.into(), &expected["packages"]);
        self.same("dies", cpu.dies.unwrap_or(0).into(), &expected["dies"]);
        self.same("cores", cpu.cores.into(), &expected["cores"]);
        self.same("threads", cpu.threads.into(), &expected["threads"]);
        if let Some(caches) = expected["caches"].as_array() {
            let number = |value: &Value| value.as_u64().unwrap_or(0);
            let mut wanted: Vec<_> = caches
                .iter()
                .map(|c| {
                    let geometry = (number(&c["size_bytes"]), number(&c["line_bytes"]), number(&c["ways"]));
                    let kind = c["type"].as_str().unwrap().to_owned();
                    (
                        number(&c["level"]),
                        kind,
                        geometry,
                        number(&c["shared_by_threads"]),
                        number(&c["count"]),
                    )
                })
                .collect();
            let mut found: Vec<_> = cpu
                .caches
                .iter()
                .map(|c| {
                    let kind = match c.kind {
                        CacheType::Data => "data",
                        CacheType::Instruction => "instruction",
                        CacheType::Unified => "unified",
                    };
                    let known = |value: Option<u64>| value.unwrap_or(0);
                    let geometry = (known(c.size_bytes), known(c.line_bytes), known(c.ways));
                    (
                        u64::from(c.level),
                        kind.to_owned(),
                        geometry,
                        c.shared_by_threads as u64,
                        c.count as u64,
                    )
                })
                .collect();
            wanted.sort();
            found.sort();
            self.same("caches", format!("{found:?}").into(), &format!("{wanted:?}").into());
        }
    }

    /// Kinds of cores by their CPUs; one expected kind is none.
    fn kinds(&mut self, machine: &Machine) {
        let expected =
            self.snapshot.expected["expected"]["cpu_kinds"].as_array().cloned().unwrap_or_default();
        if expected.len() < 2 {
            let found = machine.cpu.kinds.len();
            self.same("number of kinds", found.into(), &1.into());
            return;
        }
        let mut wanted: Vec<&str> = expected.iter().map(|kind| kind["cpus"].as_str().unwrap()).collect();
        let mut found: Vec<String> = machine.cpu.kinds.iter().map(|kind| kind.cpus.to_string()).collect();
        wanted.sort_unstable();
        found.sort_unstable();
        self.same("kinds", format!("{found:?}").into(), &format!("{wanted:?}").into());
    }
}

#[test]
fn every_snapshot_of_files_is_told_as_it_is() {
    let mut failures = Vec::new();
    for snapshot in snapshots("sysfs", "root") {
        let machine = detect(Source::Root(&snapshot.path()));
        assert_every_null_has_a_reason(&machine);
        let expected = snapshot.expected["expected"].clone();
        let mut comparison = Comparison { snapshot: &snapshot, failures: Vec::new() };
        comparison.counts(&machine);
        comparison.kinds(&machine);
        comparison.same("architecture", machine.cpu.architecture.clone().into(), &snapshot.expected["arch"]);
        comparison.same("numa_nodes", machine.numa.nodes.into(), &expected["numa_nodes"]);
        comparison.same("online_cpus", machine.cpu.online_cpus.to_string().into(), &expected["online_cpus"]);
        let smt = machine.cpu.threads > machine.cpu.cores;
        comparison.same("smt", smt.into(), &expected["smt"]);
        nodes(&mut comparison, &machine, &expected["numa"]);
        if let Some(side) = expected["memory_side_caches"].as_u64() {
            comparison.same("memory_side_caches", machine.memory.side_caches.len().into(), &side.into());
        }
        let models = expected["cpu_model_strings"].as_array().cloned().unwrap_or_default();
        if let (Some(brand), false) = (&machine.cpu.brand, models.is_empty()) {
            let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let named = models.iter().any(|model| clean(model.as_str().unwrap()) == *brand);
            comparison.same("brand is among the models", named.into(), &true.into());
        }
        allowed(&mut comparison, &machine, &expected["allowed"]);
        modules(&mut comparison, &machine, &expected["memory_modules"]);
        failures.extend(comparison.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn nodes(comparison: &mut Comparison<'_>, machine: &Machine, expected: &Value) {
    let gpu = |id: u64| machine.numa.gpu_nodes.iter().any(|node| u64::from(node) == id);
    let own = expected.as_array().into_iter().flatten().filter(|node| !gpu(node["id"].as_u64().unwrap()));
    for (node, detail) in own.zip(&machine.numa.details) {
        comparison.same("node id", detail.id.into(), &node["id"]);
        // The lists of some kernels name offline CPUs too.
        let cpus: perfkit::units::CpuList = node["cpus"].as_str().unwrap().parse().unwrap();
        let online = cpus.intersection(&machine.cpu.online_cpus).to_string();
        comparison.same("node cpus", detail.cpus.to_string().into(), &online.into());
        if let Some(kibibytes) = node["mem_total_kb"].as_u64() {
            comparison.same("node memory", detail.memory_bytes.into(), &(kibibytes * 1024).into());
        }
    }
}

fn allowed(comparison: &mut Comparison<'_>, machine: &Machine, expected: &Value) {
    if expected.is_null() {
        return;
    }
    let limits = &machine.limits;
    comparison.same("allowed cpus", limits.allowed_cpus.to_string().into(), &expected["cpus"]);
    comparison.same("allowed cores", limits.allowed_cores.into(), &expected["cores"]);
    comparison.same("allowed threads", limits.effective_cpus.into(), &expected["threads"]);
    comparison.same("allowed packages", limits.allowed_packages.into(), &expected["packages"]);
    let nodes = limits.allowed_nodes.as_ref().map(perfkit::units::CpuList::len);
    comparison.same("allowed nodes", nodes.into(), &expected["numa_nodes"]);
}

fn modules(comparison: &mut Comparison<'_>, machine: &Machine, expected: &Value) {
    if expected.is_null() {
        return;
    }
    let found = machine.memory.modules.as_deref().unwrap_or_default();
    comparison.same("populated slots", found.len().into(), &expected["populated"]);
    for (module, wanted) in found.iter().zip(expected["modules"].as_array().unwrap()) {
        comparison.same("locator", module.locator.clone().into(), &wanted["locator"]);
        comparison.same("size", module.size_bytes.map(|b| b >> 20).into(), &wanted["size_mib"]);
        comparison.same("memory type", module.memory_type.clone().into(), &wanted["type"]);
        comparison.same("width", module.width_bits.into(), &wanted["data_width_bits"]);
        comparison.same("total width", module.total_width_bits.into(), &wanted["total_width_bits"]);
        let megatransfers = |value: Option<f64>| value.map(|v| (v / 1e6).round());
        let rated = megatransfers(module.rated_transfers_per_second);
        comparison.same("speed", rated.into(), &wanted["speed_mts"].as_f64().into());
        let configured = megatransfers(module.transfers_per_second);
        comparison.same("configured", configured.into(), &wanted["configured_mts"].as_f64().into());
        comparison.same("part number", module.part_number.clone().into(), &wanted["part_number"]);
    }
    let rate = machine.memory.modules_bytes_per_second;
    comparison.same("peak", rate.into(), &expected["theoretical_peak_bytes_per_s"].as_f64().into());
}

#[test]
fn every_dump_of_cpuid_is_told_as_it_is() {
    let mut failures = Vec::new();
    for snapshot in snapshots("cpuid", "dump") {
        let machine = detect(Source::Cpuid(&snapshot.path()));
        assert_every_null_has_a_reason(&machine);
        let mut comparison = Comparison { snapshot: &snapshot, failures: Vec::new() };
        comparison.counts(&machine);
        comparison.kinds(&machine);
        let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let models = snapshot.expected["expected"]["cpu_models"].as_array().cloned().unwrap_or_default();
        let brand = clean(machine.cpu.brand.as_deref().unwrap_or_default());
        let named = models.iter().any(|model| clean(model.as_str().unwrap()) == brand);
        comparison.same("brand", named.into(), &true.into());
        if let Some(name) = snapshot.expected["uarch_expected"].as_str() {
            let plain = |text: &str| -> String {
                text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_ascii_lowercase()
            };
            let own = plain(machine.cpu.microarchitecture.as_deref().unwrap_or_default());
            comparison.same("microarchitecture", own.into(), &plain(name).into());
        }
        failures.extend(comparison.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_quota_is_what_its_files_grant() {
    let Some(machines) = machines() else { return };
    let folder = machines.join("cgroup");
    let listed: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    for case in listed["cases"].as_array().unwrap() {
        let made = root(&[("sys/devices/system/cpu/online", "0-63")]);
        let text = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let name = case["file"].as_str().or(case["dir"].as_str()).unwrap();
        if case["file"].is_string() {
            add(
                made.path(),
                &[
                    ("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n"),
                    ("proc/self/cgroup", "0::/\n"),
                    ("cg/cpu.max", &text(folder.join(name))),
                ],
            );
        } else if name.contains("/proc/") {
            for file in ["mountinfo", "cgroup"] {
                add(made.path(), &[(&format!("proc/self/{file}"), &text(folder.join(name).join(file)))]);
            }
            add(
                made.path(),
                &[
                    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
                    ("sys/fs/cgroup/cpuacct/cpu.cfs_quota_us", "100000"),
                ],
            );
        } else {
            add(
                made.path(),
                &[
                    ("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup none rw,cpu\n"),
                    ("proc/self/cgroup", "1:cpu:/\n"),
                ],
            );
            for file in ["cpu.cfs_quota_us", "cpu.cfs_period_us"] {
                if folder.join(name).join(file).is_file() {
                    add(made.path(), &[(&format!("cg/{file}"), &text(folder.join(name).join(file)))]);
                }
            }
        }
        let machine = detect(Source::Root(made.path()));
        assert_eq!(machine.limits.quota_cpus, case["expected_cpus"].as_f64(), "{name}");
        let said = machine.unknown.iter().find(|u| u.field == "limits.quota_cpus");
        if case["expected"].is_string() && !name.contains("untranslatable") {
            assert!(said.is_some_and(|u| u.reason.contains("no limit is assumed")), "{name}: {said:?}");
        }
    }
}

#[test]
fn every_report_of_gpus_is_read_as_it_was_written() {
    let Some(machines) = machines() else { return };
    let folder = machines.join("gpu");
    let listed: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let machine = |file: &str| {
        let mut machine = Machine::default();
        replace_gpus(&mut machine, &fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        assert_every_null_has_a_reason(&machine);
        machine
    };
    let first =
        |value: &Value| value.as_str().and_then(|text| text.split([' ', 'x']).next()?.parse::<f64>().ok());
    let switch = |value: &Value| match value.as_str() {
        Some("Enabled") => Some(true),
        Some("Disabled") => Some(false),
        _ => None,
    };
    for report in listed["nvidia"].as_array().unwrap() {
        let file = report["file"].as_str().unwrap();
        let found = machine(file);
        let expected = report["gpus"].as_array().unwrap();
        assert_eq!(found.gpus.len(), expected.len(), "{file}");
        for (gpu, wanted) in found.gpus.iter().zip(expected) {
            assert_eq!(gpu.name.as_deref(), wanted["name"].as_str(), "{file}");
            assert_eq!(gpu.driver_version.as_deref(), report["driver"].as_str(), "{file}");
            assert_eq!(gpu.cuda_version.as_deref(), report["cuda"].as_str(), "{file}");
            if let Some(architecture) = wanted["arch"].as_str() {
                assert_eq!(gpu.architecture.as_deref(), Some(architecture), "{file}");
            }
            let mebibytes = |bytes: Option<u64>| bytes.map(|bytes| (bytes >> 20) as f64);
            assert_eq!(mebibytes(gpu.memory_total_bytes), first(&wanted["memory_total"]), "{file}");
            assert_eq!(mebibytes(gpu.bar1_bytes), first(&wanted["bar1"]), "{file}");
            let megahertz = |hertz: Option<f64>| hertz.map(|hertz| (hertz / 1e6).round());
            assert_eq!(megahertz(gpu.clocks.sm_max_hertz), first(&wanted["max_clock_sm"]), "{file}");
            assert_eq!(megahertz(gpu.clocks.memory_max_hertz), first(&wanted["max_clock_mem"]), "{file}");
            assert_eq!(megahertz(gpu.clocks.sm_hertz), first(&wanted["cur_clock_sm"]), "{file}");
            assert_eq!(gpu.power_limit_watts, first(&wanted["power_limit"]), "{file}");
            assert_eq!((gpu.ecc, gpu.mig), (switch(&wanted["ecc"]), switch(&wanted["mig"])), "{file}");
            assert_eq!(
                gpu.mig_devices.map_or(0, u64::from),
                wanted["mig_devices"].as_u64().unwrap(),
                "{file}"
            );
            let link =
                [gpu.pcie.generation.max, gpu.pcie.generation.now, gpu.pcie.width.max, gpu.pcie.width.now];
            let keys = ["pcie_gen_max", "pcie_gen_cur", "pcie_width_max", "pcie_width_cur"];
            assert_eq!(link.map(|n| n.map(f64::from)), keys.map(|key| first(&wanted[key])), "{file}");
            assert_eq!(gpu.persistence, switch(&wanted["persistence"]), "{file}");
            let mode = wanted["virt"].as_str().map(str::to_ascii_lowercase);
            assert_eq!(gpu.virtualization, mode, "{file}");
            let address = wanted["bus_id"].as_str().unwrap().to_ascii_lowercase();
            assert!(address.ends_with(gpu.pci_address.as_deref().unwrap()), "{file}");
            if let Some(bits) = wanted["bus_width_bits_vendor_spec"].as_u64() {
                assert_eq!(gpu.bus_width_bits.map(u64::from), Some(bits), "{file}");
                assert_eq!(gpu.memory_bytes_per_second, wanted["peak_memory_bytes_per_s"].as_f64(), "{file}");
            }
        }
    }
    for report in listed["rocm"].as_array().unwrap() {
        let file = report["file"].as_str().unwrap();
        let found = machine(file);
        let expected = report["cards"].as_object().unwrap();
        assert_eq!(found.gpus.len(), expected.len(), "{file}");
        for (gpu, wanted) in found.gpus.iter().zip(expected.values()) {
            assert_eq!(gpu.name.as_deref(), wanted["series"].as_str(), "{file}");
            assert_eq!(gpu.vendor.as_deref(), Some("amd"), "{file}");
            if let Some(gfx) = wanted["gfx"].as_str() {
                assert_eq!(gpu.gfx.as_deref(), Some(gfx), "{file}");
            }
            let bytes: Option<u64> = wanted["vram_total_bytes"].as_str().map(|text| text.parse().unwrap());
            assert_eq!(gpu.memory_total_bytes, bytes, "{file}");
            assert_eq!(gpu.power_limit_watts, first(&wanted["max_power_w"]), "{file}");
        }
    }
}

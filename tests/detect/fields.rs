//! A field may be null only where the file that would tell is not there: a walk over fields and machines.

use std::fs;
use std::path::Path;

use perfkit::document::Machine;
use perfkit::machine::{Source, detect};
use serde_json::Value;

use crate::roots::{ONLINE, add, cpu, files, root};
use crate::snapshots;

/// Where a field would be told.
enum Teller {
    /// A file that is there and not empty; `*` stands for any name or part of one.
    File(&'static str),
    /// A line of a file that begins with this key and has a value.
    Line(&'static str, &'static str),
}

use Teller::{File, Line};

const INFO: &str = "proc/cpuinfo";

/// Every field that is told by a file as it stands, with the files. Fields that are concluded from several (dies, tiers,
/// effective CPUs) have tests of their own.
static FIELDS: &[(&str, &[Teller])] = &[
    ("cpu.vendor", &[Line(INFO, "vendor_id"), Line(INFO, "CPU implementer"), Line(INFO, "mvendorid")]),
    ("cpu.brand", &[Line(INFO, "model name"), Line(INFO, "Model Name"), Line(INFO, "uarch")]),
    ("cpu.architecture", &[Line(INFO, "flags"), Line(INFO, "CPU architecture"), Line(INFO, "isa")]),
    ("cpu.family", &[Line(INFO, "cpu family")]),
    // POWER's kernel has a line `model` that names the machine.
    ("cpu.model", &[Line(INFO, "cpu family")]),
    ("cpu.stepping", &[Line(INFO, "stepping")]),
    (
        "cpu.packages",
        &[
            File("sys/devices/system/cpu/cpu*/topology/physical_package_id"),
            File("sys/devices/system/cpu/cpu*/topology/core_siblings"),
            File("sys/devices/system/cpu/cpu*/topology/package_cpus"),
        ],
    ),
    (
        "cpu.cores",
        &[
            File("sys/devices/system/cpu/cpu*/topology/thread_siblings"),
            File("sys/devices/system/cpu/cpu*/topology/core_cpus"),
        ],
    ),
    ("cpu.books", &[File("sys/devices/system/cpu/cpu*/topology/book_siblings")]),
    ("cpu.drawers", &[File("sys/devices/system/cpu/cpu*/topology/drawer_siblings")]),
    ("cpu.threads", &[File("sys/devices/system/cpu/online"), Line(INFO, "processor")]),
    (
        "cpu.frequency.base_hertz",
        &[File("sys/devices/system/cpu/cpu*/cpufreq/base_frequency"), Line(INFO, "cpu MHz static")],
    ),
    (
        "cpu.frequency.max_hertz",
        &[File("sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq"), Line(INFO, "cpu MHz static")],
    ),
    (
        "cpu.frequency.current_hertz",
        &[
            File("sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"),
            Line(INFO, "cpu MHz dynamic"),
            Line(INFO, "clock"),
        ],
    ),
    (
        "memory.total_bytes",
        &[Line("proc/meminfo", "MemTotal"), File("sys/devices/system/node/node*/meminfo")],
    ),
    ("memory.swap_bytes", &[Line("proc/meminfo", "SwapTotal")]),
    ("memory.modules", &[File("sys/firmware/dmi/entries/17-*/raw")]),
    ("memory.huge_pages.transparent", &[File("sys/kernel/mm/transparent_hugepage/enabled")]),
    ("memory.huge_pages.defragmentation", &[File("sys/kernel/mm/transparent_hugepage/defrag")]),
    ("memory.side_caches", &[File("sys/devices/system/node/node*/memory_side_cache/index*/size")]),
    ("memory.tiers", &[File("sys/devices/virtual/memory_tiering/memory_tier*/nodelist")]),
    ("numa.distances", &[File("sys/devices/system/node/node*/distance")]),
    ("limits.allowed_nodes", &[Line("proc/self/status", "Mems_allowed_list")]),
    ("environment.governor", &[File("sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")]),
    ("environment.governor_driver", &[File("sys/devices/system/cpu/cpu*/cpufreq/scaling_driver")]),
    (
        "environment.turbo",
        &[File("sys/devices/system/cpu/intel_pstate/no_turbo"), File("sys/devices/system/cpu/cpufreq/boost")],
    ),
    ("environment.kernel", &[File("proc/sys/kernel/osrelease"), File("proc/version")]),
    ("environment.os", &[Line("etc/os-release", "PRETTY_NAME")]),
    ("environment.smt", &[File("sys/devices/system/cpu/smt/control")]),
    ("environment.microcode", &[Line(INFO, "microcode")]),
    ("environment.mitigations", &[File("sys/devices/system/cpu/vulnerabilities/*")]),
    (
        "environment.product",
        &[File("sys/class/dmi/id/product_name"), File("sys/firmware/devicetree/base/model")],
    ),
];

/// Whether `name` fits a pattern of one path component.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

fn told(root: &Path, all: &[String], teller: &Teller) -> bool {
    let text = |path: &str| {
        fs::read(root.join(path)).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    };
    match teller {
        File(pattern) => all.iter().any(|path| {
            let (parts, names): (Vec<&str>, Vec<&str>) =
                (pattern.split('/').collect(), path.split('/').collect());
            let fit =
                parts.len() == names.len() && parts.iter().zip(&names).all(|(part, name)| fits(part, name));
            fit && !text(path).trim_matches(['\0', '\n', ' ']).is_empty()
        }),
        Line(path, key) => text(path).lines().any(|line| {
            let rest = line.strip_prefix(key).and_then(|rest| rest.split_once([':', '=']));
            rest.is_some_and(|(between, value)| between.trim().is_empty() && !value.trim().is_empty())
        }),
    }
}

/// The fields of a machine that are null, or empty lists, though a file tells them.
fn untold(name: &str, folder: &Path, machine: &Machine) -> Vec<String> {
    let all: Vec<String> = files(folder)
        .iter()
        .map(|path| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned())
        .collect();
    let document = serde_json::to_value(machine).unwrap();
    let value = |field: &str| document.pointer(&format!("/{}", field.replace('.', "/"))).unwrap().clone();
    let empty = |value: Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    let missing = |(field, tellers): &&(&str, &[Teller])| {
        empty(value(field)) && tellers.iter().any(|teller| told(folder, &all, teller))
    };
    FIELDS.iter().filter(missing).map(|(field, _)| format!("{name}: {field}")).collect()
}

/// A machine with every file of the table.
fn whole() -> tempfile::TempDir {
    let folder = root(&[
        (ONLINE, "0-1"),
        (
            INFO,
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: A CPU\nstepping\t: 8\nmicrocode\t: 0x1\ncpu MHz\t: 1000\nflags\t\t: lm sse sse2\n",
        ),
        ("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"),
        ("proc/self/status", "Cpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n"),
        ("proc/version", "Linux version 6.1 (x@y)"),
        ("etc/os-release", "PRETTY_NAME=\"A System\"\n"),
        ("sys/devices/system/node/node0/cpulist", "0-1"),
        ("sys/devices/system/node/node0/distance", "10"),
        ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1000 kB\n"),
        ("sys/devices/system/node/node0/memory_side_cache/index1/size", "1073741824"),
        ("sys/devices/virtual/memory_tiering/memory_tier4/nodelist", "0"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
        ("sys/kernel/mm/transparent_hugepage/defrag", "always defer [madvise] never"),
        ("sys/devices/system/cpu/intel_pstate/no_turbo", "0"),
        ("sys/devices/system/cpu/smt/control", "on"),
        ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected"),
        ("sys/class/dmi/id/product_name", "A Server"),
        ("sys/class/dmi/id/sys_vendor", "A Maker"),
    ]);
    for number in 0..2 {
        cpu(folder.path(), number, &format!("{:x}", 1 << number), 0, &[(0, 1, "Data", "32K", "1")]);
        let clocks = format!("sys/devices/system/cpu/cpu{number}/cpufreq");
        let topology = format!("sys/devices/system/cpu/cpu{number}/topology");
        add(
            folder.path(),
            &[
                (&format!("{clocks}/base_frequency"), "2000000"),
                (&format!("{clocks}/cpuinfo_max_freq"), "3000000"),
                (&format!("{clocks}/scaling_cur_freq"), "2500000"),
                (&format!("{clocks}/scaling_governor"), "performance"),
                (&format!("{clocks}/scaling_driver"), "intel_pstate"),
                (&format!("{topology}/book_siblings"), "3"),
                (&format!("{topology}/drawer_siblings"), "3"),
            ],
        );
    }
    let mut module = vec![0_u8; 0x28];
    (module[0], module[1], module[0x0c], module[0x12]) = (17, 0x28, 16, 0x1a);
    module.extend_from_slice(b"\0\0");
    let path = folder.path().join("sys/firmware/dmi/entries/17-0/raw");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, module).unwrap();
    folder
}

#[test]
fn what_a_file_tells_is_known() {
    let whole = whole();
    let machine = detect(Source::Root(whole.path()));
    let mut failures = untold("a whole machine", whole.path(), &machine);
    for snapshot in snapshots::snapshots("sysfs", "root") {
        let machine = detect(Source::Root(&snapshot.path()));
        failures.extend(untold(&snapshot.name, &snapshot.path(), &machine));
    }
    let own = Path::new("/");
    let machine = detect(Source::Live);
    let document = serde_json::to_value(&machine).unwrap();
    for (field, tellers) in FIELDS {
        let null = document.pointer(&format!("/{}", field.replace('.', "/"))).unwrap().is_null();
        // Without a walk over all of `/`, the files of the table that have plain names.
        let plain = |teller: &Teller| match teller {
            File(pattern) => told(own, &[(*pattern).to_owned()], &File(pattern)),
            Line(..) => told(own, &[], teller),
        };
        if null && tellers.iter().any(plain) {
            failures.push(format!("this machine: {field}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_walk_sees_each_field_come_and_go() {
    let folder = whole();
    let machine = detect(Source::Root(folder.path()));
    let all: Vec<String> = files(folder.path())
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
        .collect();
    for (field, tellers) in FIELDS {
        assert!(tellers.iter().any(|teller| told(folder.path(), &all, teller)), "no file tells {field}");
    }
    assert!(untold("", folder.path(), &Machine::default()).len() == FIELDS.len(), "every field is looked at");
    assert!(untold("", folder.path(), &machine).is_empty());
}

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
    ("cpu.isa.sve_bits", &[File("proc/sys/abi/sve_default_vector_length")]),
    ("cpu.isa.sme_bits", &[File("proc/sys/abi/sme_default_vector_length")]),
    ("cpu.online_cpus", &[File("sys/devices/system/cpu/online"), Line(INFO, "processor")]),
    (
        "cpu.features",
        &[Line(INFO, "flags"), Line(INFO, "Features"), Line(INFO, "features"), Line(INFO, "isa")],
    ),
    ("memory.huge_pages.pools", &[File("sys/kernel/mm/hugepages/hugepages-*/nr_hugepages")]),
    (
        "memory.huge_pages.transparent_sizes",
        &[File("sys/kernel/mm/transparent_hugepage/hugepages-*/enabled")],
    ),
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

/// Fields that no file tells as it stands: what they are concluded from, and the test that looks at them. (Or measured.)
static CONCLUDED: &[(&str, &str)] = &[
    ("cpu.microarchitecture", "names: family and model, implementer and part"),
    ("cpu.dies", "rules: a_die_of_one_cpu_is_no_die_level"),
    ("cpu.clusters", "snapshots: several clusters of several cores in a package"),
    ("cpu.knees", "measured"),
    ("cpu.isa.x86_64_level", "isa: levels_widths_and_extensions_follow_from_features"),
    ("cpu.isa.avx10_version", "command: only CPUID tells"),
    ("cpu.isa.vector_bits", "isa: levels_widths_and_extensions_follow_from_features"),
    ("cpu.isa.rvv_bits", "isa: riscv_promises_lengths_of_vectors"),
    ("cpu.frequency.tsc_hertz", "cpuid, or the kernel's loops where the counter is constant"),
    ("cpu.frequency.measured_hertz", "measured"),
    ("cpu.frequency.under_load", "measured"),
    ("memory.page_bytes", "architectures: pages_of_arm_follow_from_their_huge_pages"),
    ("memory.modules_bytes_per_second", "snapshots: modules"),
    ("numa.nodes", "never null"),
    ("limits.quota_cpus", "rules: quotas_of_every_ancestor_count_wherever_the_hierarchy_is_mounted"),
    ("limits.memory_limit_bytes", "rules: cpusets_affinity_and_memory_limits_narrow_what_is_usable"),
    ("limits.allowed_cores", "snapshots: allowed"),
    ("limits.allowed_packages", "snapshots: allowed"),
    ("limits.quota_periods", "readiness: throttling"),
    ("limits.throttled_periods", "readiness: throttling"),
    ("limits.throttled_seconds", "readiness: throttling"),
    ("environment.hypervisor", "rules: containers_and_hypervisors_are_told_apart"),
    ("environment.container", "rules: containers_and_hypervisors_are_told_apart"),
    ("environment.cloud", "architectures: clouds_say_their_instance_without_a_network"),
    ("environment.instance_type", "architectures: clouds_say_their_instance_without_a_network"),
];

/// Fields of what a list holds: the list, the folders that each have a file that tells, and the field.
static OF_LISTS: &[(&str, &str, &str)] = &[
    ("cpu.caches", "sys/devices/system/cpu/cpu*/cache/index*/size", "size_bytes"),
    ("cpu.caches", "sys/devices/system/cpu/cpu*/cache/index*/coherency_line_size", "line_bytes"),
    ("cpu.caches", "sys/devices/system/cpu/cpu*/cache/index*/ways_of_associativity", "ways"),
    ("cpu.kinds", "sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq", "max_hertz"),
    ("cpu.kinds", "sys/devices/system/cpu/cpu*/cpufreq/base_frequency", "base_hertz"),
    ("cpu.kinds", "sys/devices/system/cpu/cpu*/cpu_capacity", "capacity"),
    ("numa.details", "sys/devices/system/node/node*/meminfo", "memory_bytes"),
    (
        "numa.details",
        "sys/devices/system/node/node*/access0/initiators/read_bandwidth",
        "read_bytes_per_second",
    ),
    ("numa.details", "sys/devices/system/node/node*/access0/initiators/read_latency", "read_seconds"),
    ("memory.side_caches", "sys/devices/system/node/node*/memory_side_cache/index*/size", "size_bytes"),
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
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let missing = |(field, tellers): &&(&str, &[Teller])| {
        empty(value(field)) && tellers.iter().any(|teller| told(folder, &all, teller))
    };
    let mut all_missing: Vec<String> =
        FIELDS.iter().filter(missing).map(|(field, _)| format!("{name}: {field}")).collect();
    for (list, file, field) in OF_LISTS {
        let known = value(list).as_array().into_iter().flatten().any(|item| !item[field].is_null());
        let positive = |path: &String| {
            let parts: (Vec<&str>, Vec<&str>) = (file.split('/').collect(), path.split('/').collect());
            let fit = parts.0.len() == parts.1.len()
                && parts.0.iter().zip(&parts.1).all(|(part, name)| fits(part, name));
            // Zero stands for what the firmware did not say; offline CPUs have folders too.
            let text = fs::read_to_string(folder.join(path)).unwrap_or_default();
            let number = path.split('/').find_map(|part| part.strip_prefix("cpu")?.parse().ok());
            let online = number.is_none_or(|cpu| machine.cpu.online_cpus.contains(cpu));
            fit && online && text.chars().any(|c| matches!(c, '1'..='9'))
        };
        if !known && all.iter().any(positive) {
            all_missing.push(format!("{name}: {list}[].{field}"));
        }
    }
    all_missing
}

/// A machine with every file of the table.
fn whole() -> tempfile::TempDir {
    let folder = root(&[
        (ONLINE, "0-1"),
        (
            INFO,
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: A CPU\nstepping\t: 8\nmicrocode\t: 0x1\ncpu MHz\t: 1000\nflags\t\t: lm sse sse2 sve sme\n",
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
        ("proc/sys/abi/sve_default_vector_length", "32"),
        ("proc/sys/abi/sme_default_vector_length", "64"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0"),
        ("sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", "[always] madvise never"),
        ("sys/devices/system/node/node0/access0/initiators/read_bandwidth", "100000"),
        ("sys/devices/system/node/node0/access0/initiators/read_latency", "90"),
        ("sys/devices/system/cpu/cpu0/cpu_capacity", "1024"),
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

/// A new field must be told by a file of the table, or have a test of how it is concluded.
#[test]
fn every_field_that_may_be_null_is_looked_at() {
    let known = |field: &&String| {
        FIELDS.iter().any(|row| row.0 == **field) || CONCLUDED.iter().any(|row| row.0 == **field)
    };
    let nulls = Machine::default().null_fields();
    let forgotten: Vec<&String> = nulls.iter().filter(|field| !known(field)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    assert!(CONCLUDED.iter().all(|row| nulls.iter().any(|field| field == row.0)));
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
    let mut nothing = Machine::default();
    nothing.cpu.online_cpus = machine.cpu.online_cpus.clone();
    let found = untold("", folder.path(), &nothing);
    // All but the CPUs themselves, by which the others are found.
    assert_eq!(found.len(), FIELDS.len() - 1 + OF_LISTS.len(), "{found:?}");
    assert!(untold("", folder.path(), &machine).is_empty());
}

/// The leaves of a document that have a value, by their paths; empty lists and texts are no facts.
fn facts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                facts(item, &format!("{path}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                facts(field, &format!("{path}.{name}"), found);
            }
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Bool(_) | Value::Number(_) => found.push(path.to_owned()),
    }
}

/// A source for a field holds for all that is in it.
fn sourceless(name: &str, machine: &Machine) -> Vec<String> {
    let document = serde_json::to_value(machine).unwrap();
    let mut found = Vec::new();
    for part in ["cpu", "memory", "numa", "limits", "environment", "gpus", "execution"] {
        facts(&document[part], part, &mut found);
    }
    let has_source = |path: &String| {
        machine.sources.iter().any(|source| {
            let rest = path.strip_prefix(&*source.field);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    found.iter().filter(|path| !has_source(path)).map(|path| format!("{name}: {path}")).collect()
}

#[test]
fn every_fact_has_a_source() {
    let mut failures = sourceless("a whole machine", &detect(Source::Root(whole().path())));
    for snapshot in snapshots::snapshots("sysfs", "root") {
        failures.extend(sourceless(&snapshot.name, &detect(Source::Root(&snapshot.path()))));
    }
    for snapshot in snapshots::snapshots("cpuid", "dump") {
        failures.extend(sourceless(&snapshot.name, &detect(Source::Cpuid(&snapshot.path()))));
    }
    failures.extend(sourceless("this machine", &detect(Source::Live)));
    let mut reported = Machine::default();
    let text = "<nvidia_smi_log><driver_version>1</driver_version><gpu><product_name>NVIDIA L4</product_name></gpu></nvidia_smi_log>";
    perfkit::machine::replace_gpus(&mut reported, text).unwrap();
    failures
        .extend(sourceless("a report of GPUs", &reported).into_iter().filter(|path| path.contains("gpus[")));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        !sourceless("", &Machine { sources: Vec::new(), ..reported }).is_empty(),
        "facts without a source are found"
    );
}

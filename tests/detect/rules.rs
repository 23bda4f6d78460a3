//! Each rule that real machines exercise, on a small root made for it.

use std::fs;
use std::path::Path;

use perfkit::document::Machine;
use perfkit::machine::{Source, detect, replace_gpus};
use tempfile::TempDir;

use crate::roots::{ONLINE, add, assert_every_null_has_a_reason, cpu, machine, root};

#[test]
fn cores_are_sets_of_threads_and_offline_cpus_count_nowhere() {
    let folder = root(&[(ONLINE, "1-3\n\0")]);
    // Two packages with core id 0 each; CPU 0 is offline, so that one core has a single thread.
    for (number, siblings, package, l3) in
        [(0, "5", 0, "5"), (1, "a", 1, "a"), (2, "5", 0, "5"), (3, "a", 1, "a")]
    {
        cpu(
            folder.path(),
            number,
            &format!("00000000,0000000{siblings}\n\0"),
            package,
            &[(0, 1, "Data", "32K", siblings), (1, 3, "Unified", "8192K", l3)],
        );
    }
    let cpu = machine(&folder).cpu;
    assert_eq!((cpu.packages, cpu.dies, cpu.cores, cpu.threads), (Some(2), None, Some(2), Some(3)));
    assert_eq!(cpu.online_cpus.to_string(), "1-3");
    let caches: Vec<_> = cpu.caches.iter().map(|c| (c.level, c.count, c.shared_by_threads)).collect();
    assert_eq!(caches, [(1, 1, 1), (1, 1, 2), (3, 1, 1), (3, 1, 2)]);
}

#[test]
fn without_an_online_file_the_topology_folders_tell() {
    let folder = root(&[("sys/devices/system/cpu/cpu7/online", "0")]);
    cpu(folder.path(), 2, "4", 0, &[]);
    cpu(folder.path(), 5, "20", 0, &[]);
    let machine = machine(&folder);
    assert_eq!(machine.cpu.online_cpus.to_string(), "2,5");
    assert_eq!(machine.cpu.cores, Some(2));
    assert!(machine.cpu.caches.is_empty());
    assert!(machine.unknown.iter().any(|u| u.field == "cpu.caches"));
    assert_eq!((machine.numa.nodes, machine.limits.effective_cpus), (Some(1), 2));
}

#[test]
fn a_die_of_one_cpu_is_no_die_level() {
    for (dies, wanted) in
        [(["3", "3", "c", "c"], Some(2)), (["1", "2", "4", "8"], None), (["f", "f", "f", "f"], None)]
    {
        let folder = root(&[(ONLINE, "0-3")]);
        for (number, die) in (0..).zip(dies) {
            cpu(folder.path(), number, &format!("{:x}", 1 << number), 0, &[]);
            let topology = format!("sys/devices/system/cpu/cpu{number}/topology");
            add(
                folder.path(),
                &[(&format!("{topology}/die_id"), "0"), (&format!("{topology}/die_cpus"), die)],
            );
        }
        assert_eq!(machine(&folder).cpu.dies, wanted, "{dies:?}");
    }
}

#[test]
fn a_cache_without_a_size_is_unknown_and_counted() {
    let folder = root(&[(ONLINE, "0")]);
    cpu(folder.path(), 0, "1", 0, &[(0, 1, "Data", "", "1"), (1, 2, "Unified", "0K", "ff")]);
    let caches = machine(&folder).cpu.caches;
    assert_eq!(caches.len(), 2);
    assert!(
        caches
            .iter()
            .all(|cache| cache.size_bytes.is_none() && cache.count == 1 && cache.shared_by_threads == 1)
    );
}

#[test]
fn kinds_of_cores_are_told_by_units_by_midr_or_by_first_level_caches() {
    let kinds = |folder: &TempDir| -> Vec<(Option<String>, String)> {
        machine(folder).cpu.kinds.into_iter().map(|k| (k.name, k.cpus.to_string())).collect()
    };
    let named = |name: &str, cpus: &str| (Some(name.to_owned()), cpus.to_owned());
    let units =
        root(&[(ONLINE, "0-5"), ("sys/devices/cpu_core/cpus", "0-3"), ("sys/devices/cpu_atom/cpus", "4-7")]);
    assert_eq!(kinds(&units), [named("P-core", "0-3"), named("E-core", "4-5")]);

    let part = |cpu: u32, part: &str| {
        format!(
            "processor : {cpu}\nCPU implementer : 0x41\nCPU architecture: 8\nCPU part : {part}\nFeatures : fp asimd\n\n"
        )
    };
    let info = part(0, "0xd46") + &part(1, "0xd47") + &part(2, "0xd46");
    let midr = root(&[(ONLINE, "0-2"), ("proc/cpuinfo", &info)]);
    assert_eq!(kinds(&midr), [named("Cortex-A510", "0,2"), named("Cortex-A710", "1")]);

    let intel = "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 186\nflags : lm sse2\n\n";
    let hybrid = root(&[(ONLINE, "0-2"), ("proc/cpuinfo", intel)]);
    cpu(hybrid.path(), 0, "3", 0, &[(0, 1, "Data", "48K", "3")]);
    cpu(hybrid.path(), 1, "3", 0, &[(0, 1, "Data", "48K", "3")]);
    cpu(hybrid.path(), 2, "4", 0, &[(0, 1, "Data", "32K", "4")]);
    // A favoured core is no kind of its own.
    add(hybrid.path(), &[("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "5200000")]);
    assert_eq!(kinds(&hybrid), [named("P-core", "0-1"), named("E-core", "2")]);
}

/// Four CPUs and the files of a process's groups.
fn grouped(files: &[(&str, &str)]) -> TempDir {
    let folder = root(&[(ONLINE, "0-3")]);
    add(folder.path(), files);
    folder
}

#[test]
fn quotas_of_every_ancestor_count_wherever_the_hierarchy_is_mounted() {
    let v2 = "30 1 0:26 / /cg/here rw shared:4 - cgroup2 none rw\n";
    let v1 = "30 1 0:26 /outer /cpu rw - cgroup none rw,cpu,cpuacct\n";
    for (name, files, quota, effective) in [
        (
            "v2, the parent is tighter",
            vec![
                ("proc/self/mountinfo", v2),
                ("proc/self/cgroup", "0::/a/b\n"),
                ("cg/here/a/cpu.max", "150000 100000"),
                ("cg/here/a/b/cpu.max", "300000 100000"),
            ],
            Some(1.5),
            1,
        ),
        (
            "v1, seen from inside a container",
            vec![
                ("proc/self/mountinfo", v1),
                ("proc/self/cgroup", "4:cpu,cpuacct:/outer/inner\n"),
                ("cpu/inner/cpu.cfs_quota_us", "200000"),
                ("cpu/inner/cpu.cfs_period_us", "100000"),
                ("cpu/cpu.cfs_quota_us", "-1"),
            ],
            Some(2.0),
            2,
        ),
        (
            "both at once",
            vec![
                ("proc/self/mountinfo", &*format!("{v1}{v2}")),
                ("proc/self/cgroup", "4:cpu,cpuacct:/outer\n0::/\n"),
                ("cpu/cpu.cfs_quota_us", "350000"),
                ("cpu/cpu.cfs_period_us", "100000"),
                ("cg/here/cpu.max", "max 100000"),
            ],
            Some(3.5),
            3,
        ),
        (
            "broken files are no limit",
            vec![("proc/self/mountinfo", v2), ("proc/self/cgroup", "0::/"), ("cg/here/cpu.max", "100000 0")],
            None,
            4,
        ),
        (
            "a group that is not below the mount is no limit",
            vec![
                ("proc/self/mountinfo", v1),
                ("proc/self/cgroup", "4:cpu:/elsewhere\n"),
                ("cpu/cpu.cfs_quota_us", "100000"),
                ("cpu/cpu.cfs_period_us", "100000"),
            ],
            None,
            4,
        ),
    ] {
        let machine = machine(&grouped(&files));
        assert_eq!((machine.limits.quota_cpus, machine.limits.effective_cpus), (quota, effective), "{name}");
        let said = machine.unknown.iter().find(|u| u.field == "limits.quota_cpus");
        assert_eq!(said.is_some(), quota.is_none(), "{name}");
        if quota.is_none() {
            assert!(said.is_some_and(|u| u.reason.contains("no limit is assumed")), "{name}: {said:?}");
        }
    }
}

#[test]
fn cpusets_affinity_and_memory_limits_narrow_what_is_usable() {
    let folder = grouped(&[
        ("proc/self/mounts", "none /cgroup/unified cgroup2 rw 0 0\n"),
        ("proc/self/cpuset", "/job/step"),
        ("cgroup/unified/job/cpuset.cpus.effective", "0-2"),
        ("cgroup/unified/job/step/cpuset.cpus.effective", ""),
        ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t1-9\n"),
        ("cgroup/unified/memory.max", "max"),
        ("cgroup/unified/job/memory.max", "1073741824"),
    ]);
    let limits = machine(&folder).limits;
    assert_eq!((limits.allowed_cpus.to_string(), limits.effective_cpus), ("1-2".to_owned(), 2));
    assert_eq!(limits.memory_limit_bytes, Some(1 << 30));
    // Before control groups, cpusets had a file system of their own.
    let old = grouped(&[
        ("proc/mounts", "none /dev/cpuset cpuset rw 0 0\n"),
        ("proc/self/cpuset", "/job"),
        ("dev/cpuset/cpus", "0-3"),
        ("dev/cpuset/job/cpus", "1-2"),
        ("dev/cpuset/job/mems", "0"),
    ]);
    let limits = machine(&old).limits;
    assert_eq!(limits.allowed_cpus.to_string(), "1-2");
    assert_eq!(limits.allowed_nodes.map(|nodes| nodes.to_string()).as_deref(), Some("0"));
    let unlimited = grouped(&[
        ("proc/self/mountinfo", "1 1 0:1 / /m rw - cgroup none rw,memory"),
        ("proc/self/cgroup", "3:memory:/"),
        ("m/memory.limit_in_bytes", "9223372036854771712"),
    ]);
    assert_eq!(machine(&unlimited).limits.memory_limit_bytes, None);
}

#[test]
fn memory_of_a_gpu_is_no_numa_node() {
    let node = "sys/devices/system/node";
    let mut files = vec![
        (format!("{node}/node0/cpumap"), "3"),
        (format!("{node}/node8/cpumap"), "c"),
        (format!("{node}/node250/cpumap"), "0"),
        (format!("{node}/node0/distance"), "10 40 80"),
        (format!("{node}/node8/distance"), "40 10 80"),
        (format!("{node}/node250/distance"), "80 80 10"),
        (format!("{node}/has_memory"), "0,8,250"),
        (format!("{node}/has_normal_memory"), "0,8"),
    ];
    let plain: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
    assert_eq!(machine(&root(&plain)).numa.nodes, Some(3), "an expander's memory is the system's");
    files.push((
        "proc/driver/nvidia/gpus/0004:04:00.0/numa_status".to_owned(),
        "Node:\t\t250\nStatus:\tonline\n",
    ));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
    let numa = machine(&root(&files)).numa;
    assert_eq!((numa.nodes, numa.distances), (Some(2), Some(vec![vec![10, 40], vec![40, 10]])));
}

#[test]
fn containers_and_hypervisors_are_told_apart() {
    let whole = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
    for (name, files, hypervisor, container) in [
        (
            "a guest made from an image",
            vec![(".dockerenv", ""), ("proc/self/mountinfo", whole)],
            None,
            Some("docker"),
        ),
        ("docker", vec![("proc/self/cgroup", "0::/docker/0123\n")], None, Some("docker")),
        ("kubernetes", vec![("proc/1/cgroup", "1:cpu:/kubepods/burstable/pod1\n")], None, Some("kubernetes")),
        (
            "wsl",
            vec![("proc/version", "Linux version 5.15.1-microsoft-standard-WSL2 (x@y)")],
            Some("wsl2"),
            None,
        ),
        ("wsl 1", vec![("proc/version", "Linux version 4.4.0-19041-Microsoft (x@y)")], Some("wsl1"), None),
        (
            "gvisor",
            vec![("proc/version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016")],
            Some("gvisor"),
            None,
        ),
        (
            "kvm on arm",
            vec![("sys/firmware/devicetree/base/hypervisor/compatible", "linux,kvm\0")],
            Some("kvm"),
            None,
        ),
        (
            "hyper-v",
            vec![
                ("sys/class/dmi/id/sys_vendor", "Microsoft Corporation"),
                ("sys/class/dmi/id/product_name", "Virtual Machine"),
            ],
            Some("hyper-v"),
            None,
        ),
        ("podman", vec![("proc/self/cgroup", "0::/machine.slice/libpod-0123.scope\n")], None, Some("podman")),
        ("lxc", vec![("proc/1/cgroup", "0::/lxc.payload.box\n")], None, Some("lxc")),
        (
            "lxc by its file system",
            vec![("proc/self/mountinfo", "1 1 0:1 / /proc/cpuinfo rw - fuse.lxcfs lxcfs rw\n")],
            None,
            Some("lxc"),
        ),
        ("nspawn", vec![("run/systemd/container", "systemd-nspawn")], None, Some("systemd-nspawn")),
        ("apptainer", vec![(".singularity.d/runscript", "x")], None, Some("apptainer")),
        ("xen", vec![("sys/hypervisor/type", "xen\n")], Some("xen"), None),
        ("vmware", vec![("sys/class/dmi/id/sys_vendor", "VMware, Inc.")], Some("vmware"), None),
        ("some", vec![("proc/cpuinfo", "processor : 0\nflags : lm hypervisor\n")], Some("unknown"), None),
    ] {
        let folder = root(&files);
        if name.starts_with("a guest") {
            // Its first namespace of processes is the machine's: then it is no container.
            assert_eq!(machine(&folder).environment.container.as_deref(), container, "without the namespace");
            fs::create_dir_all(folder.path().join("proc/self/ns")).unwrap();
            std::os::unix::fs::symlink("pid:[4026531836]", folder.path().join("proc/self/ns/pid")).unwrap();
            assert_eq!(machine(&folder).environment.container, None, "{name}");
            continue;
        }
        let environment = machine(&folder).environment;
        assert_eq!(environment.hypervisor.as_deref(), hypervisor, "{name}");
        assert_eq!(environment.container.as_deref(), container, "{name}");
    }
}

#[test]
fn this_machine_has_a_complete_document_without_private_facts() {
    let machine = detect(Source::Live);
    assert_every_null_has_a_reason(&machine);
    assert!(machine.limits.effective_cpus >= 1 && machine.fingerprint.len() == 16);
    assert_eq!(machine.cpu.frequency.measured_hertz, None, "nothing is timed");
    let json = perfkit::document::to_json(&machine).unwrap();
    let again: Machine = serde_json::from_str(&json).unwrap();
    assert_eq!(again, machine);
    assert_eq!(detect(Source::Live).fingerprint, machine.fingerprint);
    for file in ["/etc/hostname", "/proc/sys/kernel/hostname", "/etc/machine-id"] {
        let private = fs::read_to_string(file).unwrap_or_default();
        let private = private.trim();
        // Names such as `vm` are part of ordinary words.
        assert!(private.len() < 6 || !json.contains(private), "{file}");
    }
}

#[test]
fn gpus_of_a_file_replace_those_of_the_machine() {
    let mut machine = detect(Source::Root(Path::new("/nonexistent")));
    let text = "<nvidia_smi_log><driver_version>1.2</driver_version><gpu><product_name>NVIDIA A30</product_name>
        <serial>77</serial><uuid>GPU-5</uuid><max_clocks><mem_clock>1215 MHz</mem_clock></max_clocks></gpu></nvidia_smi_log>";
    replace_gpus(&mut machine, text).unwrap();
    assert_eq!(machine.gpus.len(), 1);
    assert_eq!(machine.gpus[0].memory_bytes_per_second, Some(2.0 * 1215e6 * 3072.0 / 8.0));
    assert_every_null_has_a_reason(&machine);
    assert!(!machine.unknown.iter().any(|u| u.field == "gpus"));
    assert!(replace_gpus(&mut machine, "no xml").is_err());
}

//! Roots that somebody made to harm: never a panic, never a hang, never a look outside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use perfkit::document::{Machine, to_json};
use perfkit::machine::{Source, detect};
use perfkit::render::machine::{Detail, Style, view};
use proptest::prelude::*;

use crate::roots::{ONLINE, add, assert_every_null_has_a_reason, cpu, files, root};
use crate::snapshots;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Emptied,
    Truncated,
    Huge,
    Folder,
    Nuls,
    Loop,
    Outside,
    Nonsense,
    Removed,
    Fifo,
}

const HARMS: [Harm; 10] = [
    Harm::Emptied,
    Harm::Truncated,
    Harm::Huge,
    Harm::Folder,
    Harm::Nuls,
    Harm::Loop,
    Harm::Outside,
    Harm::Nonsense,
    Harm::Removed,
    Harm::Fifo,
];

/// Stands in a file outside of every root.
const SECRET: &str = "outside-of-every-root-7f3a";

fn harm(path: &Path, harm: Harm, outside: &Path) {
    // What was harmed before may be a pipe that nobody writes to.
    let regular = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let text = if regular { fs::read(path).unwrap() } else { Vec::new() };
    let _ = fs::remove_file(path);
    match harm {
        Harm::Emptied => fs::write(path, "").unwrap(),
        Harm::Truncated => fs::write(path, &text[..text.len() / 2]).unwrap(),
        // A hole: it costs no disk and reads as so many NULs behind the text.
        Harm::Huge => {
            fs::write(path, &text).unwrap();
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(64 << 20).unwrap();
        }
        Harm::Folder => fs::create_dir(path).unwrap(),
        Harm::Nuls => fs::write(path, [&[0; 16], &*text, &[0; 16]].concat()).unwrap(),
        Harm::Loop => symlink(path.file_name().unwrap(), path).unwrap(),
        Harm::Outside => symlink(outside, path).unwrap(),
        Harm::Nonsense => {
            let nonsense = "\0,-,\u{fffd}99999999999999999999999-1 : = [ ] 4294967295 0-4294967295 -1\n";
            fs::write(path, nonsense.repeat(50)).unwrap();
        }
        Harm::Removed => {}
        // Nobody will ever write to it.
        Harm::Fifo => {
            let _ = std::process::Command::new("mkfifo").arg(path).status();
        }
    }
}

/// All that is done with a machine.
fn told(folder: &Path) -> Machine {
    let machine = detect(Source::Root(folder));
    assert_every_null_has_a_reason(&machine);
    let json = to_json(&machine).unwrap();
    assert!(!json.contains(SECRET), "a file outside of the root was read");
    let text = view(&machine, Detail::Verbose, Style { color: false, width: 80 });
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(machine.limits.effective_cpus >= 1);
    machine
}

/// A machine with a file of most kinds.
fn whole() -> tempfile::TempDir {
    let folder = root(&[
        (ONLINE, "0-1"),
        (
            "proc/cpuinfo",
            "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 85\nmodel name : A CPU @ 2.00GHz\nflags : lm sse2 avx2\n",
        ),
        ("proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"),
        ("proc/stat", "cpu  1 1 1 1 1 1 1 1\n"),
        ("proc/loadavg", "0.5 0 0 1/1 1"),
        ("proc/pressure/cpu", "some avg10=0.00\n"),
        ("proc/version", "Linux version 6.1 (x@y)"),
        ("proc/self/cgroup", "0::/a\n"),
        ("proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n"),
        ("proc/self/status", "Cpus_allowed_list:\t0-1\nMems_allowed_list:\t0\n"),
        ("cg/a/cpu.max", "150000 100000"),
        ("cg/a/cpu.stat", "nr_periods 5\nnr_throttled 1\nthrottled_usec 7\n"),
        ("cg/a/memory.max", "1000000"),
        ("etc/os-release", "PRETTY_NAME=\"A System\"\n"),
        ("run/cloud-init/instance-data.json", "{\"v1\": {\"cloud_name\": \"aws\"}}"),
        ("sys/devices/system/node/node0/cpulist", "0-1"),
        ("sys/devices/system/node/node0/distance", "10"),
        ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: 1000 kB\n"),
        ("sys/devices/system/node/node0/memory_side_cache/index1/size", "1024"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
        ("sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", "[always] madvise never"),
        ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1"),
        ("sys/class/dmi/id/sys_vendor", "A Maker"),
        ("sys/class/thermal/thermal_zone0/temp", "40000"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_type", "critical"),
        ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "100000"),
        ("sys/class/drm/card0/device/vendor", "0x1002"),
        ("sys/class/drm/card0/device/pp_dpm_sclk", "0: 100Mhz *\n"),
        ("sys/class/drm/card0/device/uevent", "PCI_SLOT_NAME=0000:01:00.0\n"),
        ("sys/class/kfd/kfd/topology/nodes/0/properties", "location_id 256\ngfx_target_version 90010\n"),
        ("sys/bus/pci/devices/0000:02:00.0/class", "0x030200"),
        ("sys/bus/pci/devices/0000:02:00.0/vendor", "0x10de"),
        ("sys/bus/pci/devices/0000:02:00.0/device", "0x2330"),
        ("sys/firmware/dmi/entries/17-0/raw", "\u{11}\u{28}                                       x\0\0"),
        ("sys/firmware/devicetree/base/cpus/cpu@0/device_type", "cpu\0"),
        ("sys/firmware/devicetree/base/cpus/cpu@0/d-cache-size", "\0\0@\0"),
        ("usr/share/misc/pci.ids", "10de  NVIDIA\n\t2330  GH100\n"),
        (
            "perfkit/live.json",
            "{\"affinity\": \"0-1\", \"cpuid\": \"5 0 0 0 0 => 1 0 0 0\", \"tiers\": [\"baseline\"], \"driver\": {}, \"memory_total_bytes\": 5, \"architecture\": \"x86_64\"}",
        ),
    ]);
    for number in 0..2 {
        cpu(folder.path(), number, "3", 0, &[(0, 1, "Data", "32K", "3"), (1, 3, "Unified", "8192K", "3")]);
        let clocks = format!("sys/devices/system/cpu/cpu{number}/cpufreq");
        add(
            folder.path(),
            &[
                (&format!("{clocks}/scaling_governor"), "performance"),
                (&format!("{clocks}/cpuinfo_max_freq"), "3000000"),
            ],
        );
    }
    folder
}

fn outside() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, SECRET).unwrap();
    (folder, path)
}

#[test]
fn every_file_of_a_root_may_be_harmed_in_every_way() {
    let (_keep, outside) = outside();
    let count = files(whole().path()).len();
    assert!(count > 40);
    for kind in HARMS {
        let folder = whole();
        // One after the other, each harmed on top of those before, with a look now and then.
        for (number, path) in files(folder.path()).iter().enumerate() {
            harm(path, kind, &outside);
            if number % 4 == 0 && kind != Harm::Huge {
                told(folder.path());
            }
        }
        told(folder.path());
    }
}

/// The kinds of harm that snapshots of thousands of files can be done to all of them.
const CHEAP: [Harm; 7] =
    [Harm::Emptied, Harm::Truncated, Harm::Folder, Harm::Nuls, Harm::Loop, Harm::Outside, Harm::Nonsense];

fn harm_again(path: &Path, kind: Harm, outside: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        let _ = fs::remove_dir(path);
    }
    harm(path, kind, outside);
}

/// The snapshots, some on each CPU.
fn for_each_snapshot(test: impl Fn(&snapshots::Snapshot) + Sync) {
    let all = snapshots::snapshots("sysfs", "root");
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    test(one);
                }
            });
        }
    });
}

/// Most of a snapshot is whole, so that what is harmed is looked at, and what follows from it.
#[test]
fn every_file_of_every_snapshot_may_be_harmed_among_whole_ones() {
    let (_keep, outside) = outside();
    for_each_snapshot(|snapshot| {
        let own: Vec<PathBuf> =
            files(&snapshot.path()).into_iter().filter(|path| !path.is_symlink()).collect();
        for pass in 0..CHEAP.len() {
            let some: Vec<(&PathBuf, Vec<u8>, Harm)> = (own.iter().enumerate())
                .filter(|(number, _)| number % CHEAP.len() == pass)
                .map(|(number, path)| {
                    (path, fs::read(path).unwrap(), CHEAP[(number / CHEAP.len() + pass) % CHEAP.len()])
                })
                .collect();
            for (path, _, kind) in &some {
                harm(path, *kind, &outside);
            }
            told(&snapshot.path());
            for (path, bytes, _) in &some {
                harm_again(path, Harm::Removed, &outside);
                fs::write(path, bytes).unwrap();
            }
        }
    });
}

/// Every file at once, each with every kind of harm in one of the passes.
#[test]
fn every_snapshot_may_be_harmed_as_a_whole() {
    let (_keep, outside) = outside();
    for_each_snapshot(|snapshot| {
        let own = files(&snapshot.path());
        for pass in 0..CHEAP.len() {
            for (number, path) in own.iter().enumerate() {
                harm_again(path, CHEAP[(number + pass) % CHEAP.len()], &outside);
            }
            told(&snapshot.path());
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture_of_harms_is_survived(choices in prop::collection::vec((any::<prop::sample::Index>(), 0..HARMS.len()), 1..40)) {
        let (_keep, outside) = outside();
        let folder = whole();
        let all = files(folder.path());
        for (index, kind) in choices {
            let path = index.get(&all);
            if fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()) || HARMS[kind] == Harm::Huge {
                continue;
            }
            harm(path, HARMS[kind], &outside);
        }
        told(folder.path());
    }

    #[test]
    fn any_text_in_any_file_is_survived(texts in prop::collection::vec((any::<prop::sample::Index>(), ".{0,60}"), 1..20)) {
        let folder = whole();
        let all = files(folder.path());
        for (index, text) in texts {
            fs::write(index.get(&all), text).unwrap();
        }
        told(folder.path());
    }
}

#[test]
fn folders_that_are_links_to_themselves_or_upwards_end() {
    let folder = whole();
    let cpus = folder.path().join("sys/devices/system/cpu");
    symlink("..", cpus.join("cpu2")).unwrap();
    symlink("cpu3", cpus.join("cpu3")).unwrap();
    symlink(folder.path(), folder.path().join("sys/class/drm/card1")).unwrap();
    symlink("/", folder.path().join("sys/class/drm/card2")).unwrap();
    told(folder.path());
    let empty = tempfile::tempdir().unwrap();
    told(empty.path());
    assert_eq!(told(&empty.path().join("missing")).cpu.threads, None);
}

/// Lists that repeat themselves, as many CPUs as a file can name, and words without end: work grows with the bytes alone.
#[test]
fn files_as_large_as_they_may_be_end_too() {
    const BYTES: usize = 4 << 20;
    let repeated = |text: &str| text.repeat(BYTES / text.len());
    let blocks: String = (0..50_000)
        .map(|cpu| {
            format!("processor : {cpu}\nphysical id : {}\ncore id : {cpu}\nflags : lm f{cpu}\n\n", cpu % 7)
        })
        .collect();
    let words: String = (0..300_000).map(|word| format!(" w{word}")).collect();
    for (path, text) in [
        (ONLINE, repeated("0-8191,")),
        (ONLINE, repeated("0-1,")),
        ("proc/cpuinfo", blocks),
        ("proc/cpuinfo", format!("processor : 0\nflags : lm{words}\n\nprocessor : 1\nflags : lm{words} x\n")),
        ("proc/cpuinfo", repeated("isa : rv64imafdc\n\n")),
        ("proc/self/mountinfo", repeated("1 1 0:1 / /cg rw - cgroup2 none rw\n")),
        ("proc/self/cgroup", repeated("0::/a\n")),
        ("proc/self/cgroup", format!("0::{}", repeated("/a"))),
        ("proc/meminfo", repeated("MemTotal : x\n")),
        ("sys/devices/system/node/node0/distance", repeated("10 ")),
        ("usr/share/misc/pci.ids", repeated("10de\n")),
    ] {
        let folder = whole();
        fs::write(folder.path().join(path), text).unwrap();
        told(folder.path());
    }
}

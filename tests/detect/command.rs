//! The command itself: what it prints, and what it refuses.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use perfkit::document::{Likeness, Machine, MachineComparison};
use predicates::prelude::*;

use crate::roots::{ONLINE, add, assert_every_null_has_a_reason, root};

fn detect_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("perfkit"));
    command.arg("detect").args(arguments);
    command
}

fn json(command: &mut Command) -> Machine {
    let output = command.arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_driver_that_answers_in_part_gives_a_device_with_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libstub.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/nvml_stub.c");
    let built =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no C compiler to build the stand-in for NVIDIA's driver");
        return;
    }
    let machine = json(detect_command(&[]).env("PERFKIT_NVML_LIB", &library));
    assert_every_null_has_a_reason(&machine);
    let [gpu] = &*machine.gpus else { panic!("{:?}", machine.gpus) };
    assert_eq!((gpu.name.as_deref(), gpu.compute_capability.as_deref()), (Some("Stub 1"), Some("9.0")));
    assert_eq!((gpu.driver_version.as_deref(), gpu.cuda_version.as_deref()), (Some("600.1"), Some("13.1")));
    assert_eq!((gpu.memory_total_bytes, gpu.pcie.width.now, gpu.ecc), (None, None, Some(true)));
    // Clock kinds: 1 are the multiprocessors, 2 is the memory.
    assert_eq!(gpu.clocks.sm_max_hertz, Some(1001e6));
    assert_eq!(gpu.memory_bytes_per_second, Some(2.0 * 1002e6 * 512.0 / 8.0));
    assert_eq!(gpu.throttle, ["gpu_idle", "sw_power_cap"]);
}

#[test]
fn without_a_driver_there_is_a_reason_and_no_error() {
    let machine = json(detect_command(&[]).env("PERFKIT_NVML_LIB", "/nonexistent/libnvidia-ml.so"));
    assert!(machine.gpus.is_empty());
    let reason = &machine.unknown.iter().find(|u| u.field == "gpus").unwrap().reason;
    assert!(reason.contains("no NVIDIA driver") && !reason.contains("/nonexistent"), "{reason}");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "{\"schema\": \"perfkit.machine/9\"}").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, says) in [
        (vec!["--root", "/nonexistent/root"], "neither a folder nor an archive"),
        (vec!["--cpuid", file], "not a folder"),
        (vec!["--gpu-file", file], "rocm-smi"),
        (vec!["--gpu-file", "/nonexistent"], "cannot read"),
        (vec!["--compare", file], "perfkit.machine/9"),
        (vec!["--compare", "/nonexistent"], "cannot read"),
    ] {
        let assert = detect_command(&arguments).assert().code(2);
        assert.stderr(predicate::str::contains(says).and(predicate::str::contains("\n").count(1))).stdout("");
    }
    detect_command(&["--root", ".", "--measure"]).assert().code(2);
}

#[test]
fn a_machine_compares_with_itself_and_with_another() {
    let folder = root(&[(ONLINE, "0-1"), ("proc/cpuinfo", "processor : 0\nflags : lm sse2\n")]);
    let own = folder.path().to_str().unwrap().to_owned();
    let saved = folder.path().join("saved.json");
    let text = detect_command(&["--root", &own, "--json"]).output().unwrap().stdout;
    fs::write(&saved, &text).unwrap();
    let saved = saved.to_str().unwrap();
    detect_command(&["--root", &own, "--compare", saved])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("The same machine"));
    add(folder.path(), &[("proc/cpuinfo", "processor : 0\nflags : lm sse2 avx2\n")]);
    detect_command(&["--root", &own, "--compare", saved])
        .assert()
        .code(0)
        .stdout(predicate::str::contains("Another machine").and(predicate::str::contains("avx2")));
    let output = detect_command(&["--root", &own, "--compare", saved, "--json"]).output().unwrap().stdout;
    let compared: MachineComparison = serde_json::from_slice(&output).unwrap();
    assert_eq!((&*compared.schema, compared.verdict), (MachineComparison::SCHEMA, Likeness::Another));
    let [difference] = &*compared.differences else { panic!("{compared:?}") };
    assert_eq!((&*difference.fact, &*difference.here, difference.decisive), ("features", "avx2", true));
    assert!(difference.meaning.contains("compare"), "{difference:?}");
}

#[test]
fn a_cpuid_dump_gives_the_processor_alone() {
    let cpu = |apic: u32| {
        format!(
            "1 0 0 0 0 => b 756e6547 6c65746e 49656e69\n1 1 0 0 0 => 306f2 {apic:02x}200800 7ffefbff bfebfbff\n\
             5 b 0 0 0 => 1 2 100 {apic:x}\n5 b 0 1 0 => 4 4 201 {apic:x}\n5 4 0 0 0 => 4021 1c0003f 3f 0\n"
        )
    };
    let texts: Vec<(String, String)> = (0..4).map(|n| (format!("pu{n}"), cpu(n))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
    let folder = root(&files);
    let machine = json(&mut detect_command(&["--cpuid", folder.path().to_str().unwrap()]));
    let cpu = &machine.cpu;
    assert_eq!(cpu.microarchitecture.as_deref(), Some("Haswell"));
    assert_eq!((cpu.packages, cpu.cores, cpu.threads), (Some(1), Some(2), Some(4)));
    assert_eq!((cpu.caches.len(), cpu.caches[0].count, cpu.caches[0].shared_by_threads), (1, 2, 2));
    assert_eq!(machine.memory.total_bytes, None);
    assert_every_null_has_a_reason(&machine);
}

#[test]
fn a_dump_tells_avx10_and_the_base_clock_in_the_brand() {
    // "A CPU @ 2.50GHz" in the leaves of the brand; leaf 7's second subleaf has AVX10, leaf 24h its version.
    let words: Vec<String> = b"A CPU @ 2.50GHz\0"
        .chunks(4)
        .map(|four| format!("{:x}", u32::from_le_bytes(four.try_into().unwrap())))
        .collect();
    let brand = words.join(" ");
    let dump = format!(
        "1 0 0 0 0 => 24 756e6547 6c65746e 49656e69\n1 1 0 0 0 => a06d1 800 1c001000 1\n5 7 0 0 0 => 1 10020 0 0\n\
         5 7 0 1 0 => 0 0 0 80000\n5 d 0 0 0 => e7 a80 a80 0\n5 24 0 0 0 => 0 70002 0 0\n\
         1 80000002 0 0 0 => {brand}\n1 80000003 0 0 0 => 0 0 0 0\n1 80000004 0 0 0 => 0 0 0 0\n"
    );
    let folder = root(&[("pu0", &dump)]);
    let cpu = json(&mut detect_command(&["--cpuid", folder.path().to_str().unwrap()])).cpu;
    assert_eq!(cpu.microarchitecture.as_deref(), Some("Granite Rapids"));
    assert_eq!(cpu.isa.avx10_version, Some(2));
    assert!(cpu.isa.extensions.iter().any(|name| name == "AVX10"), "{:?}", cpu.isa.extensions);
    assert_eq!(cpu.frequency.base_hertz, Some(2.5e9));
}

#[test]
fn the_view_fits_80_columns() {
    for arguments in [&[][..], &["--verbose"]] {
        let output = detect_command(arguments).output().unwrap().stdout;
        let text = String::from_utf8(output).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("-> "));
        let widest = lines.map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 80, "{widest} columns:\n{text}");
    }
}

//! This machine: in a control group of its own, and in a sandbox without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use perfkit::document::Machine;

/// A control group that is removed again.
struct Group {
    folder: PathBuf,
    join: &'static str,
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// A new group with a quota of 1.5 CPUs, where this user may make one.
fn group() -> Option<Group> {
    let name = format!("perfkit-test-{}", std::process::id());
    let v1 = Path::new("/sys/fs/cgroup/cpu").join(&name);
    if Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists()
        || Path::new("/sys/fs/cgroup/cpu/tasks").exists()
    {
        fs::create_dir(&v1).ok()?;
        let group = Group { folder: v1, join: "tasks" };
        fs::write(group.folder.join("cpu.cfs_period_us"), "100000").ok()?;
        fs::write(group.folder.join("cpu.cfs_quota_us"), "150000").ok()?;
        return Some(group);
    }
    let v2 = Path::new("/sys/fs/cgroup").join(&name);
    fs::create_dir(&v2).ok()?;
    let group = Group { folder: v2, join: "cgroup.procs" };
    fs::write(group.folder.join("cpu.max"), "150000 100000").ok()?;
    Some(group)
}

fn machine(mut command: Command) -> Option<Machine> {
    let output = command.output().ok()?;
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_quota_of_one_and_a_half_cpus_carries_one_thread() {
    let Some(group) = group() else {
        eprintln!("skipped: no control group can be made here");
        return;
    };
    let mut command = Command::new("/bin/sh");
    let script = "echo $$ > \"$0\" && exec \"$1\" detect --json";
    command
        .args(["-c", script])
        .arg(group.folder.join(group.join))
        .arg(assert_cmd::cargo::cargo_bin!("perfkit"));
    let Some(machine) = machine(command) else {
        eprintln!("skipped: no process can join the control group");
        return;
    };
    let limits = &machine.limits;
    assert_eq!((limits.quota_cpus, limits.effective_cpus), (Some(1.5), 1));
    assert!(
        machine.sources.iter().any(|source| source.field == "limits.quota_cpus" && source.source == "cgroup")
    );
    let quota = machine.readiness.iter().find(|check| check.check == "quota").unwrap();
    assert!(quota.detail.contains("1.50 CPUs: 1 thread runs"), "{quota:?}");
    assert_eq!(machine.execution.intra_op_threads, 1);
}

#[test]
fn without_a_network_the_answer_is_the_same() {
    let perfkit = assert_cmd::cargo::cargo_bin!("perfkit");
    let mut inside = Command::new("unshare");
    inside.args(["--net", "--map-root-user"]).arg(perfkit).args(["detect", "--json"]);
    let Some(inside) = machine(inside) else {
        eprintln!("skipped: no namespace without a network can be made here");
        return;
    };
    let mut outside = Command::new(perfkit);
    outside.args(["detect", "--json"]);
    let outside = machine(outside).unwrap();
    assert_eq!(inside.fingerprint, outside.fingerprint);
    assert_eq!(inside.cpu.caches, outside.cpu.caches);
}

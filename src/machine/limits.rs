//! How many CPUs this process may use: min(affinity, cpuset, quota), at least one.

use std::collections::BTreeSet;

use super::cgroup;
use super::findings::{Fact, Findings};
use super::numa;
use super::root::Root;
use crate::document::Limits;
use crate::units::CpuList;

/// The machine's CPUs, and how they belong together.
pub(super) struct Sets<'a> {
    pub(super) online: &'a CpuList,
    pub(super) cores: &'a BTreeSet<CpuList>,
    pub(super) packages: &'a BTreeSet<CpuList>,
}

/// Reads the limits of this process (`affinity` from the system) or of the one that took a snapshot.
pub(super) fn read(
    root: &Root,
    machine: &Sets<'_>,
    affinity: Option<CpuList>,
    findings: &mut Findings,
) -> Limits {
    let online = machine.online;
    let groups = cgroup::read(root, findings);
    let affinity = affinity.map(|cpus| Fact::reported(cpus, "kernel")).or_else(|| {
        let status = root.text("proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.parse().ok()?;
        Some(Fact::reported(list, "procfs"))
    });
    let affinity = affinity.filter(|fact| !fact.value.is_empty());
    let mut allowed = affinity.unwrap_or_else(|| Fact::inferred(online.clone(), "sysfs"));
    for narrower in [Some(online), groups.cpus.as_ref()].into_iter().flatten().filter(|cpus| !cpus.is_empty())
    {
        let both = allowed.value.intersection(narrower);
        // Lists that exclude each other cannot both be true of a process that runs.
        if !both.is_empty() {
            allowed = allowed.map(|_| both);
        }
    }
    let allowed = findings.known("limits.allowed_cpus", allowed);
    // A group that cannot be read has already said so.
    let said =
        |findings: &Findings, field: &str| findings.unknown.iter().any(|unknown| unknown.field == field);
    let mut keep = |field: &str, present: bool, what: &str| {
        if present {
            findings.known(field, Fact::reported((), "cgroup"));
        } else if !said(findings, field) {
            findings.unknown(field, format!("no control group of this process has a {what}"));
        }
    };
    keep("limits.quota_cpus", groups.quota_cpus.is_some(), "CPU quota");
    keep("limits.memory_limit_bytes", groups.memory_bytes.is_some(), "memory limit");
    let effective_cpus = effective(allowed.len(), groups.quota_cpus);
    findings.known("limits.effective_cpus", Fact::inferred((), "limits"));
    let among = |sets: &BTreeSet<CpuList>| {
        let count = sets.iter().filter(|set| !set.intersection(&allowed).is_empty()).count();
        (count > 0).then(|| Fact::inferred(count, "limits"))
    };
    let hidden = "the system does not show which CPUs belong together";
    let counted = |count: Option<u64>| count.map(|count| Fact::reported(count, "cgroup"));
    let no_counter = "no control group of this process counts them";
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a group's life, for people")]
    let throttled_seconds = groups.throttled_nanoseconds.map(|n| Fact::reported(n as f64 / 1e9, "cgroup"));
    // A package counts whose CPUs or whose memory may be used.
    let nodes = allowed_nodes(root, groups.nodes);
    let near = nodes.as_ref().map(|nodes| numa::cpus_of(root, &nodes.value)).unwrap_or_default();
    let reachable =
        |set: &&CpuList| !set.intersection(&allowed).is_empty() || !set.intersection(&near).is_empty();
    let packages = machine.packages.iter().filter(reachable).count();
    let packages = (packages > 0).then(|| Fact::inferred(packages, "limits"));
    Limits {
        allowed_cores: findings.keep("limits.allowed_cores", among(machine.cores), hidden),
        allowed_packages: findings.keep("limits.allowed_packages", packages, hidden),
        allowed_nodes: findings.keep(
            "limits.allowed_nodes",
            nodes,
            "neither the control groups nor the status of the process names nodes",
        ),
        quota_periods: findings.keep("limits.quota_periods", counted(groups.periods), no_counter),
        throttled_periods: findings.keep(
            "limits.throttled_periods",
            counted(groups.throttled_periods),
            no_counter,
        ),
        throttled_seconds: findings.keep("limits.throttled_seconds", throttled_seconds, no_counter),
        allowed_cpus: allowed,
        quota_cpus: groups.quota_cpus,
        effective_cpus,
        memory_limit_bytes: groups.memory_bytes,
    }
}

/// The nodes of the process's own status, narrowed by its groups.
fn allowed_nodes(root: &Root, groups: Option<CpuList>) -> Option<Fact<CpuList>> {
    let of_status = root.text("proc/self/status").and_then(|status| {
        status.lines().find_map(|line| line.strip_prefix("Mems_allowed_list:"))?.parse::<CpuList>().ok()
    });
    match (of_status, groups) {
        (Some(own), Some(groups)) => Some(Fact::reported(own.intersection(&groups), "procfs")),
        (Some(own), None) => Some(Fact::reported(own, "procfs")),
        (None, groups) => groups.map(|nodes| Fact::reported(nodes, "cgroup")),
    }
}

/// The number of threads that can run without being stopped: a quota of 1.5 CPUs carries one.
pub(super) fn effective(allowed: usize, quota_cpus: Option<f64>) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to a small positive range"
    )]
    let whole = quota_cpus.map_or(usize::MAX, |quota| quota.clamp(1.0, 65536.0) as usize);
    allowed.min(whole).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_whole_cpus_of_the_quota_and_at_least_one() {
        for (allowed, quota, wanted) in [
            (4, None, 4),
            (4, Some(1.5), 1),
            (4, Some(0.1), 1),
            (2, Some(8.0), 2),
            (0, None, 1),
            (4, Some(2.999), 2),
        ] {
            assert_eq!(effective(allowed, quota), wanted, "{allowed} {quota:?}");
        }
    }
}

//! How many CPUs this process may use: min(affinity, cpuset, quota), at least one.

use super::cgroup;
use super::findings::{Fact, Findings};
use super::root::Root;
use crate::document::Limits;
use crate::units::CpuList;

/// Limits for the document, and the throttled periods that readiness speaks of.
pub(super) struct Found {
    pub(super) limits: Limits,
    pub(super) throttled_periods: Option<u64>,
}

/// Reads the limits of this process (`affinity` from the system) or of the one that took a snapshot.
pub(super) fn read(
    root: &Root,
    online: &CpuList,
    affinity: Option<CpuList>,
    findings: &mut Findings,
) -> Found {
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
    Found {
        limits: Limits {
            allowed_cpus: allowed,
            quota_cpus: groups.quota_cpus,
            effective_cpus,
            memory_limit_bytes: groups.memory_bytes,
        },
        throttled_periods: groups.throttled_periods,
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

//! The limits of the control groups that a process is in: v1, v2 or both, over all ancestors, wherever the hierarchy is
//! mounted.

use super::findings::Findings;
use super::root::Root;
use crate::units::CpuList;

/// What the groups allow.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Limits {
    pub(super) cpus: Option<CpuList>,
    pub(super) quota_cpus: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
    /// NUMA nodes.
    pub(super) nodes: Option<CpuList>,
    /// Periods of the quota, since the group exists; of the group that was stopped most.
    pub(super) periods: Option<u64>,
    /// Periods in which the quota stopped it.
    pub(super) throttled_periods: Option<u64>,
    /// For how long it did, in nanoseconds.
    pub(super) throttled_nanoseconds: Option<u64>,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    /// The group that appears at the mount point.
    group: String,
    /// Where it is mounted.
    point: String,
    /// v2, or the controllers of a v1 hierarchy.
    controllers: Controllers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Controllers {
    V1(Vec<String>),
    V2,
}

/// The folder of the process's group in one hierarchy and those of its ancestors, the process's own first.
struct Chain {
    folders: Vec<String>,
    v2: bool,
}

/// Reads the limits of the process that `proc/self` below the root describes.
pub(super) fn read(root: &Root, findings: &mut Findings) -> Limits {
    let mounts = mounts(root);
    let groups = groups(root);
    let mut limits = Limits::default();
    for controller in ["cpu", "cpuset", "memory"] {
        for mount in mounts.iter().filter(|mount| mount.has(controller)) {
            let Some(path) = group_of(&groups, mount, controller) else { continue };
            match chain(mount, path) {
                Some(chain) => limits.tighten(root, controller, &chain, findings),
                None => findings.unknown(
                    field_of(controller),
                    format!("the process's group of {controller} lies outside what is mounted: no limit is assumed"),
                ),
            }
        }
    }
    limits
}

const fn field_of(controller: &str) -> &'static str {
    match controller.as_bytes() {
        b"cpu" => "limits.quota_cpus",
        b"memory" => "limits.memory_limit_bytes",
        _ => "limits.allowed_cpus",
    }
}

impl Mount {
    fn has(&self, controller: &str) -> bool {
        match &self.controllers {
            Controllers::V1(names) => names.iter().any(|name| name == controller),
            Controllers::V2 => true,
        }
    }
}

/// The hierarchies by `mountinfo`, by `mounts` where there is none, or at the usual place.
fn mounts(root: &Root) -> Vec<Mount> {
    let by_mountinfo =
        || Some(root.text("proc/self/mountinfo")?.lines().filter_map(mountinfo_line).collect());
    let by_mounts = || {
        let text = root.text("proc/self/mounts").or_else(|| root.text("proc/mounts"))?;
        Some(text.lines().filter_map(mounts_line).collect())
    };
    // The same hierarchy may be mounted in several places; no system has more than a few.
    const MOST: usize = 256;
    let mut found: Vec<Mount> = by_mountinfo().or_else(by_mounts).unwrap_or_default();
    found.dedup();
    found.truncate(MOST);
    if found.is_empty() && root.exists("sys/fs/cgroup/cgroup.controllers") {
        return vec![Mount {
            group: "/".into(),
            point: "/sys/fs/cgroup".into(),
            controllers: Controllers::V2,
        }];
    }
    found
}

/// `36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu`
fn mountinfo_line(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (group, point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (file_system, options) = (kind.next()?, kind.nth(1).unwrap_or_default());
    mount(unescape(group), unescape(point), file_system, options)
}

/// `none /cgroup/memory cgroup rw,relatime,memory 0 0`; this file does not tell which group is mounted.
fn mounts_line(line: &str) -> Option<Mount> {
    let mut words = line.split(' ').skip(1);
    let (point, file_system, options) = (words.next()?, words.next()?, words.next().unwrap_or_default());
    mount("/".to_owned(), unescape(point), file_system, options)
}

fn mount(group: String, point: String, file_system: &str, options: &str) -> Option<Mount> {
    let controllers = match file_system {
        "cgroup2" => Controllers::V2,
        "cgroup" => Controllers::V1(options.split(',').map(str::to_owned).collect()),
        // What cpusets were before there were control groups.
        "cpuset" => Controllers::V1(vec!["cpuset".to_owned()]),
        _ => return None,
    };
    Some(Mount { group, point, controllers })
}

/// Mount tables write space, tab, newline and backslash as `\040`, `\011`, `\012`, `\134`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The process's groups: (controllers, path); an empty list of controllers is the v2 hierarchy.
fn groups(root: &Root) -> Vec<(Vec<String>, String)> {
    let cpuset = root.text("proc/self/cpuset");
    if let Some(text) = root.text("proc/self/cgroup") {
        let line = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect();
            Some((controllers, parts.next()?.to_owned()))
        };
        let mut groups: Vec<(Vec<String>, String)> = text.lines().filter_map(line).collect();
        if !groups.iter().any(|(controllers, _)| controllers.iter().any(|name| name == "cpuset")) {
            groups.extend(cpuset.map(|path| (vec!["cpuset".to_owned()], path)));
        }
        return groups;
    }
    // Old snapshots hold the path of the cpuset alone, of whichever version.
    cpuset.map(|path| vec![(vec!["cpuset".to_owned()], path.clone()), (Vec::new(), path)]).unwrap_or_default()
}

fn group_of<'a>(groups: &'a [(Vec<String>, String)], mount: &Mount, controller: &str) -> Option<&'a str> {
    let fits = |controllers: &[String]| match mount.controllers {
        Controllers::V1(_) => controllers.iter().any(|name| name == controller),
        Controllers::V2 => controllers.is_empty(),
    };
    groups.iter().find(|(controllers, _)| fits(controllers)).map(|(_, path)| &**path)
}

/// The group's folder and its ancestors' up to the mount point, or `None` when the group is not below what is mounted.
fn chain(mount: &Mount, path: &str) -> Option<Chain> {
    let below = if mount.group == "/" {
        path
    } else {
        // `/docker/1` is not below `/docker/12`, so the rest must start a new component.
        path.strip_prefix(&*mount.group).filter(|rest| rest.is_empty() || rest.starts_with('/'))?
    };
    if below.split('/').any(|component| component == "..") {
        return None;
    }
    let mut folders = vec![mount.point.clone()];
    let mut folder = mount.point.clone();
    for component in below.split('/').filter(|component| !component.is_empty()).take(128) {
        folder = format!("{folder}/{component}");
        folders.push(folder.clone());
    }
    folders.reverse();
    Some(Chain { folders, v2: mount.controllers == Controllers::V2 })
}

impl Limits {
    fn tighten(&mut self, root: &Root, controller: &str, chain: &Chain, findings: &mut Findings) {
        match controller {
            "cpu" => self.tighten_quota(root, chain, findings),
            "cpuset" => self.tighten_cpus(root, chain),
            _ => self.tighten_memory(root, chain),
        }
    }

    fn tighten_quota(&mut self, root: &Root, chain: &Chain, findings: &mut Findings) {
        for folder in &chain.folders {
            let quota = if chain.v2 { quota_v2(root, folder) } else { quota_v1(root, folder) };
            match quota {
                Ok(Some(cpus)) => self.quota_cpus = Some(self.quota_cpus.map_or(cpus, |q| q.min(cpus))),
                Ok(None) => {}
                Err(why) => findings.unknown("limits.quota_cpus", format!("{why}: no limit is assumed")),
            }
            self.count_throttling(&root.text(&format!("{folder}/cpu.stat")).unwrap_or_default());
        }
    }

    /// v1 counts nanoseconds, v2 microseconds.
    fn count_throttling(&mut self, stat: &str) {
        let value = |key: &str| -> Option<u64> {
            stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        };
        let Some(throttled) = value("nr_throttled") else { return };
        if self.throttled_periods.is_none_or(|most| throttled >= most) {
            self.throttled_periods = Some(throttled);
            self.periods = value("nr_periods");
            let microseconds = || value("throttled_usec")?.checked_mul(1000);
            self.throttled_nanoseconds = value("throttled_time").or_else(microseconds);
        }
    }

    fn tighten_cpus(&mut self, root: &Root, chain: &Chain) {
        // Hierarchies of v1 may be mounted without the prefix, and those of cpusets alone have none.
        let (cpus, nodes): (&[&str], &[&str]) = if chain.v2 {
            (&["cpuset.cpus.effective", "cpuset.cpus"], &["cpuset.mems.effective", "cpuset.mems"])
        } else {
            (
                &["cpuset.effective_cpus", "cpuset.cpus", "effective_cpus", "cpus"],
                &["cpuset.effective_mems", "cpuset.mems", "effective_mems", "mems"],
            )
        };
        // The effective list of a group is inside its parents'; a group without one inherits.
        let first = |folder: &String, names: &[&str]| {
            let list =
                |name: &&str| root.parse::<CpuList>(&format!("{folder}/{name}")).filter(|l| !l.is_empty());
            names.iter().find_map(list)
        };
        let list = |folder: &String| first(folder, cpus);
        let node_list = |folder: &String| first(folder, nodes);
        if let Some(nodes) = chain.folders.iter().find_map(node_list) {
            self.nodes =
                Some(self.nodes.take().map_or_else(|| nodes.clone(), |own| own.intersection(&nodes)));
        }
        if let Some(cpus) = chain.folders.iter().find_map(list) {
            self.cpus = Some(self.cpus.take().map_or_else(|| cpus.clone(), |own| own.intersection(&cpus)));
        }
    }

    fn tighten_memory(&mut self, root: &Root, chain: &Chain) {
        let name = if chain.v2 { "memory.max" } else { "memory.limit_in_bytes" };
        // v1 writes "no limit" as the highest multiple of the page size, just below 2^63.
        const NO_LIMIT: u64 = 1 << 60;
        let limit =
            |folder: &String| root.parse::<u64>(&format!("{folder}/{name}")).filter(|&b| b < NO_LIMIT);
        let smallest = chain.folders.iter().filter_map(limit).min();
        self.memory_bytes = [self.memory_bytes, smallest].into_iter().flatten().min();
    }
}

/// `cpu.max`: `max 100000`, `250000 100000`, or the quota alone, whose period is then 100 ms.
fn quota_v2(root: &Root, folder: &str) -> Result<Option<f64>, String> {
    let path = format!("{folder}/cpu.max");
    if root.bytes(&path).is_none() {
        return Ok(None);
    }
    parse_cpu_max(&root.text(&path).unwrap_or_default()).map_err(|why| format!("cpu.max {why}"))
}

fn parse_cpu_max(text: &str) -> Result<Option<f64>, &'static str> {
    let mut words = text.split_whitespace();
    let quota = words.next().ok_or("is empty")?;
    let period = words.next().unwrap_or("100000");
    if words.next().is_some() {
        return Err("has more than two fields");
    }
    let period: u64 = period.parse().map_err(|_| "has a period that is no number")?;
    if quota == "max" {
        return Ok(None);
    }
    let quota: u64 = quota.parse().map_err(|_| "has a quota that is no number")?;
    share(quota, period).map(Some)
}

fn quota_v1(root: &Root, folder: &str) -> Result<Option<f64>, String> {
    let path = format!("{folder}/cpu.cfs_quota_us");
    if root.bytes(&path).is_none() {
        return Ok(None);
    }
    let text = root.text(&path).ok_or("cpu.cfs_quota_us is empty")?;
    let quota: i64 = text.parse().map_err(|_| "cpu.cfs_quota_us is no number".to_owned())?;
    let Ok(quota) = u64::try_from(quota) else { return Ok(None) };
    let period = root
        .parse(&format!("{folder}/cpu.cfs_period_us"))
        .ok_or("cpu.cfs_period_us is missing or no number")?;
    share(quota, period).map(Some).map_err(|why| format!("cpu.cfs_quota_us {why}"))
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are far below 2^53")]
fn share(quota: u64, period: u64) -> Result<f64, &'static str> {
    match (quota, period) {
        (_, 0) => Err("has a period of zero"),
        (0, _) => Err("has a quota of zero"),
        (quota, period) => Ok(quota as f64 / period as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_max_is_a_quota_or_nothing_or_an_error() {
        for (text, wanted) in [
            ("250000 100000", Ok(Some(2.5))),
            ("max 100000", Ok(None)),
            ("max", Ok(None)),
            ("500000", Ok(Some(5.0))),
        ] {
            assert_eq!(parse_cpu_max(text), wanted, "{text}");
        }
        for text in
            ["", "asdf 100000", "250000 asdf", "250000 100000 1", "250000 0", "max asdf", "-1 100000", "0 5"]
        {
            assert!(parse_cpu_max(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_group_is_translated_through_what_is_mounted() {
        let mount = |group: &str, point: &str| Mount {
            group: group.into(),
            point: point.into(),
            controllers: Controllers::V2,
        };
        for (group, point, path, folders) in [
            (
                "/",
                "/sys/fs/cgroup",
                "/a/b",
                Some(vec!["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]),
            ),
            ("/docker/1", "/cg", "/docker/1", Some(vec!["/cg"])),
            ("/docker/1", "/cg", "/docker/1/x", Some(vec!["/cg/x", "/cg"])),
            ("/docker/1", "/cg", "/docker/12", None),
            ("/docker/1", "/cg", "/", None),
            ("/", "/cg", "/../..", None),
        ] {
            let found = chain(&mount(group, point), path).map(|chain| chain.folders);
            assert_eq!(found, folders.map(|f| f.iter().map(|&x| x.to_owned()).collect()), "{group} {path}");
        }
    }

    #[test]
    fn mount_tables_are_read_with_their_escapes_and_optional_fields() {
        let line =
            "36 31 0:33 / /sys/fs/my\\040cgroup rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct";
        let found = mountinfo_line(line).unwrap();
        assert_eq!(found.point, "/sys/fs/my cgroup");
        assert!(found.has("cpuacct") && !found.has("memory"));
        for broken in ["", "- - -", "36 31 0:33 - cgroup2", "1 2 3 / /x rw - ext4 /dev/vda rw"] {
            assert_eq!(mountinfo_line(broken), None, "{broken}");
        }
    }
}

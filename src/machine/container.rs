//! The kind of container that the process is in, by the marks that engines leave.

use super::root::Root;

/// The container, by the words in the paths of the first process's groups and the files that engines leave.
pub(super) fn container(root: &Root) -> Option<&'static str> {
    let groups = format!(
        "{}\n{}",
        root.text("proc/self/cgroup").unwrap_or_default(),
        root.text("proc/1/cgroup").unwrap_or_default()
    );
    let kubernetes = groups.contains("kubepods") || root.exists("run/secrets/kubernetes.io");
    // systemd writes the manager's name where it was told.
    let told =
        ["run/systemd/container", "run/host/container-manager"].iter().find_map(|file| root.text(file));
    let told = told.as_deref().unwrap_or_default();
    let named = [
        (kubernetes, "kubernetes"),
        (groups.contains("/docker/") || groups.contains("/docker-"), "docker"),
        (groups.contains("libpod"), "podman"),
        (groups.contains("/lxc/") || groups.contains("lxc.payload"), "lxc"),
        (groups.contains("containerd") || groups.contains("crio-"), "containerd"),
        (
            told.contains("systemd-nspawn") || groups.contains("/machine.slice/systemd-nspawn"),
            "systemd-nspawn",
        ),
        (told == "podman", "podman"),
        (told == "docker", "docker"),
        (told == "lxc" || told == "lxc-libvirt", "lxc"),
        (root.exists(".singularity.d") || root.exists("singularity"), "apptainer"),
        // The host of OpenVZ has `bc` as well.
        (root.exists("proc/vz") && !root.exists("proc/bc"), "openvz"),
        (root.exists("run/.containerenv") && !is_whole_system(root), "podman"),
        (root.exists(".dockerenv") && !is_whole_system(root), "docker"),
    ];
    if let Some((_, name)) = named.into_iter().find(|(found, _)| *found) {
        return Some(name);
    }
    let lxd = root.exists("dev/lxd/sock") || root.exists("dev/.lxc");
    // LXCFS shows files of its own in the place of the kernel's.
    let lxcfs = root.text("proc/self/mountinfo").is_some_and(|text| text.contains(" fuse.lxcfs "));
    (lxd || lxcfs).then_some("lxc")
}

/// Whether `/` is a disk of the machine's own and this process is in its first process namespace. Virtual machines whose
/// disk was made from a container's image have the files that container engines leave, and are no containers.
fn is_whole_system(root: &Root) -> bool {
    const FIRST_NAMESPACE: &str = "pid:[4026531836]";
    let first = root.link("proc/self/ns/pid").as_deref() == Some(FIRST_NAMESPACE);
    let mounts = root.text("proc/self/mountinfo").unwrap_or_default();
    let own_disk = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/")).any(|line| {
        let whole = line.split(' ').nth(3) == Some("/");
        let overlay = line.split_once(" - ").is_some_and(|(_, kind)| kind.starts_with("overlay "));
        whole && !overlay
    });
    first && own_disk
}

//! What the system runs on: a hypervisor by what it calls itself, by the firmware, or by the processor's word for any.

use super::cpuid::{self, Reader};
use super::cpuinfo::Cpuinfo;
use super::findings::Fact;
use super::root::Root;

/// The hypervisor: what it calls itself, then what the firmware calls the machine, then the CPU's word for any.
pub(super) fn hypervisor(
    root: &Root,
    info: &Cpuinfo<'_>,
    cpuid: Option<&dyn Reader>,
) -> Option<Fact<String>> {
    let name = |name: &str, source| Some(Fact::reported(name.to_owned(), source));
    let version = root.text("proc/version").unwrap_or_default().to_ascii_lowercase();
    if version.contains("microsoft") && version.contains("wsl") {
        return name("wsl2", "procfs");
    }
    if version.contains("microsoft") {
        return name("wsl1", "procfs");
    }
    // gVisor's kernel states one version and one day of building, always.
    if version.contains("gvisor") || version.contains("sun jan 10 15:06:54 pst 2016") {
        return name("gvisor", "procfs");
    }
    // Firecracker is a KVM to CPUID; it signs its ACPI tables.
    let signed = |table: &str| {
        root.bytes(&format!("sys/firmware/acpi/tables/{table}"))
            .is_some_and(|b| b.get(10..16) == Some(b"FIRECK"))
    };
    if signed("DSDT") || signed("FACP") {
        return name("firecracker", "acpi");
    }
    if let Some(signature) = cpuid.and_then(by_cpuid) {
        return name(signature, "cpuid");
    }
    // The first domain of Xen is the machine's own system, above the hypervisor all the same.
    if root.text("proc/xen/capabilities").is_some_and(|text| text.contains("control_d")) {
        return name("xen (first domain)", "procfs");
    }
    if let Some(kind) = root.text("sys/hypervisor/type") {
        return Some(Fact::reported(kind.to_ascii_lowercase(), "sysfs"));
    }
    if let Some(machine) = by_firmware(root) {
        return Some(Fact::inferred(machine.to_owned(), "dmi"));
    }
    if let Some(host) = by_device_tree(root) {
        return Some(Fact::reported(host.to_owned(), "device tree"));
    }
    if let Some(host) = by_ibm(root, info) {
        return name(host, "procfs");
    }
    let any =
        info.first("flags").is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    any.then(|| Fact::inferred("unknown".to_owned(), "procfs"))
}

/// The hypervisor by its own leaves of CPUID; Hyper-V's root partition is the machine's own system.
pub(super) fn by_cpuid(cpu: &dyn Reader) -> Option<&'static str> {
    by_signature(&cpuid::hypervisor_signature(cpu)?)
}

/// Hypervisors on ARM and POWER name themselves in the device tree.
fn by_device_tree(root: &Root) -> Option<&'static str> {
    let trees = ["sys/firmware/devicetree/base", "proc/device-tree"];
    let text = trees.iter().find_map(|tree| root.text(&format!("{tree}/hypervisor/compatible")))?;
    Some(match () {
        () if text.contains("linux,kvm") => "kvm",
        () if text.contains("xen") => "xen",
        () if text.contains("vmware") => "vmware",
        () => "unknown",
    })
}

fn by_signature(signature: &str) -> Option<&'static str> {
    Some(match signature {
        "KVMKVMKVM" | "Linux KVM Hv" => "kvm",
        "Microsoft Hv" => "hyper-v",
        "VMwareVMware" => "vmware",
        "XenVMMXenVMM" => "xen",
        "TCGTCGTCGTCG" => "qemu",
        "VBoxVBoxVBox" => "virtualbox",
        "bhyve bhyve" => "bhyve",
        "ACRNACRNACRN" => "acrn",
        "QNXQVMBSQG" => "qnx",
        "Jailhouse" => "jailhouse",
        "SRESRESRESRE" => "lmhs",
        "prl hyperv" | "lrpepyh  vr" => "parallels",
        _ => return None,
    })
}

fn by_firmware(root: &Root) -> Option<&'static str> {
    let field = |name: &str| root.text(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let (vendor, product) = (field("sys_vendor"), field("product_name"));
    let bios = field("bios_vendor");
    Some(match () {
        () if product.contains("VirtualBox") || vendor.contains("innotek") => "virtualbox",
        () if vendor.contains("VMware") => "vmware",
        () if vendor.contains("Microsoft") && product.contains("Virtual Machine") => "hyper-v",
        () if vendor.contains("Xen") || bios.contains("Xen") => "xen",
        () if vendor.contains("QEMU") || product.contains("KVM") || bios.contains("SeaBIOS") => "kvm",
        () if vendor.contains("Google") && product.contains("Compute Engine") => "kvm",
        () if vendor.contains("Amazon EC2") && !product.contains("metal") => "kvm",
        () if vendor.contains("Parallels") => "parallels",
        () if vendor.contains("BHYVE") => "bhyve",
        () if vendor.contains("Apple") && product.contains("Virtualization") => "apple",
        () if vendor.contains("OpenStack") || product.contains("OpenStack") => "kvm",
        () if vendor.contains("Alibaba Cloud") && !product.contains("metal") => "kvm",
        () if vendor.contains("Hetzner") && product.contains("vServer") => "kvm",
        () if vendor.contains("DigitalOcean") => "kvm",
        () => return None,
    })
}

/// IBM Z names its levels in `/proc/sysinfo`; POWER names its platform in `/proc/cpuinfo`.
fn by_ibm(root: &Root, info: &Cpuinfo<'_>) -> Option<&'static str> {
    let levels = root.text("proc/sysinfo").unwrap_or_default();
    let program = levels.lines().find_map(|line| line.strip_prefix("VM00 Control Program:"));
    if let Some(program) = program {
        return Some(if program.contains("KVM") { "kvm" } else { "z/vm" });
    }
    if levels.lines().any(|line| line.starts_with("LPAR Number:")) {
        return Some("pr/sm");
    }
    info.first("platform").filter(|platform| *platform == "pSeries").map(|_| "powervm or kvm")
}

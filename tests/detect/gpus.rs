//! Graphics processors by the files of drivers and of the PCI bus.

use perfkit::document::Gpu;

use crate::roots::{machine, root};

fn gpus(files: &[(&str, &str)]) -> Vec<Gpu> {
    machine(&root(files)).gpus
}

const CARD: &str = "sys/class/drm/card1/device";

#[test]
fn amds_driver_tells_of_a_card_by_files() {
    let node = "sys/class/kfd/kfd/topology/nodes/1";
    let card = |file: &str| format!("{CARD}/{file}");
    let texts: Vec<(String, &str)> = vec![
        (card("vendor"), "0x1002"),
        (card("device"), "0x740f"),
        (card("uevent"), "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:C1:00.0\n"),
        (card("mem_info_vram_total"), "68702699520"),
        (card("mem_info_vram_used"), "1000000"),
        (card("pp_dpm_sclk"), "0: 500Mhz\n1: 800Mhz *\n2: 1700Mhz\n"),
        (card("pp_dpm_mclk"), "0: 400Mhz *\n1: 1600Mhz\n"),
        (card("current_link_speed"), "16.0 GT/s PCIe"),
        (card("max_link_speed"), "16.0 GT/s PCIe"),
        (card("current_link_width"), "8"),
        (card("max_link_width"), "16"),
        (card("gpu_busy_percent"), "3"),
        (card("unique_id"), "5ec4e7"),
        (card("hwmon/hwmon4/power1_cap"), "300000000"),
        (card("hwmon/hwmon4/temp1_input"), "41000"),
        (card("hwmon/hwmon4/temp1_crit"), "100000"),
        (
            format!("{node}/properties"),
            "simd_count 416\nsimd_per_cu 4\ngfx_target_version 90010\nlocation_id 49408\ndomain 0\n",
        ),
        (format!("{node}/mem_banks/0/properties"), "heap_type 1\nwidth 4096\nmem_clk_max 1600\n"),
        ("sys/class/drm/card0/device/vendor".to_owned(), "0x1a03"),
        (
            "usr/share/misc/pci.ids".to_owned(),
            "1000  Broadcom\n1002  AMD\n\t73df  Navi 22\n\t740f  Aldebaran [Instinct MI210]\n\t\t1002 0c34  x\n10de  NVIDIA\n",
        ),
        ("sys/module/amdgpu/version".to_owned(), "6.7.0"),
        ("sys/bus/pci/devices/0000:c1:00.0/class".to_owned(), "0x038000"),
        ("sys/bus/pci/devices/0000:c1:00.0/vendor".to_owned(), "0x1002"),
        ("sys/bus/pci/devices/0000:c1:00.0/device".to_owned(), "0x740f"),
    ];
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (&**path, *text)).collect();
    let machine = machine(&root(&files));
    let [gpu] = &*machine.gpus else { panic!("{:?}", machine.gpus) };
    assert_eq!(gpu.name.as_deref(), Some("Aldebaran [Instinct MI210]"));
    assert_eq!((gpu.gfx.as_deref(), gpu.architecture.as_deref()), (Some("gfx90a"), Some("CDNA 2")));
    assert_eq!((gpu.compute_units, gpu.bus_width_bits), (Some(104), Some(4096)));
    assert_eq!(gpu.memory_bytes_per_second, Some(2.0 * 1600e6 * 4096.0 / 8.0));
    assert_eq!((gpu.clocks.sm_hertz, gpu.clocks.sm_max_hertz), (Some(8e8), Some(1.7e9)));
    assert_eq!(
        (gpu.pcie.generation.now, gpu.pcie.width.now, gpu.pcie.width.max),
        (Some(4), Some(8), Some(16))
    );
    assert_eq!((gpu.power_limit_watts, gpu.temperature_celsius), (Some(300.0), Some(41.0)));
    assert_eq!(gpu.pci_address.as_deref(), Some("0000:c1:00.0"), "the bus does not list it again");
    assert!(!format!("{machine:?}").contains("5ec4e7"));
    assert!(
        machine.readiness.iter().any(|check| check.check == "gpu_link" && check.detail.contains("8 of 16"))
    );
}

#[test]
fn the_bus_is_the_last_resort() {
    let device = |address: &str, class: &str, vendor: &str, id: &str| {
        let folder = format!("sys/bus/pci/devices/{address}");
        [
            (format!("{folder}/class"), class.to_owned()),
            (format!("{folder}/vendor"), vendor.to_owned()),
            (format!("{folder}/device"), id.to_owned()),
        ]
    };
    let texts: Vec<(String, String)> = [
        device("0000:01:00.0", "0x030200", "0x10de", "0x2330"),
        device("0000:02:00.0", "0x030000", "0x1a03", "0x2000"),
        device("0000:03:00.0", "0x020000", "0x8086", "0x1572"),
        device("0000:04:00.0", "0x030000", "0x8086", "0x56a0"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (&**path, &**text)).collect();
    let found = gpus(&files);
    let ids: Vec<_> = found.iter().map(|gpu| (gpu.vendor.as_deref(), gpu.pci_id.as_deref())).collect();
    assert_eq!(ids, [(Some("nvidia"), Some("10de:2330")), (Some("intel"), Some("8086:56a0"))]);
    let machine = machine(&root(&files));
    let why = machine.unknown.iter().find(|u| u.field == "gpus[0].memory_total_bytes").unwrap();
    assert!(why.reason.contains("number on the bus"), "{why:?}");
    let cuda = machine.execution.providers.iter().find(|provider| provider.name == "CUDA").unwrap();
    assert!(!cuda.usable && cuda.reason.contains("driver"), "{cuda:?}");
}

#[test]
fn nvidias_kernel_driver_names_its_devices() {
    let found = gpus(&[
        (
            "proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22",
        ),
        (
            "proc/driver/nvidia/gpus/0000:01:00.0/information",
            "Model: \t\t NVIDIA A100-SXM4-80GB\nGPU UUID: \t GPU-5ec4e7\nBus Location: \t 0000:01:00.0\n",
        ),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].driver_version.as_deref(), Some("550.54.14"));
    assert_eq!(
        (found[0].name.as_deref(), found[0].compute_capability.as_deref()),
        (Some("NVIDIA A100-SXM4-80GB"), Some("8.0"))
    );
    assert!(!format!("{found:?}").contains("5ec4e7"));
}

#[test]
fn intels_cards_have_a_name_by_number_and_clocks_of_either_driver() {
    for (clocks, source) in [
        (["sys/class/drm/card0/gt_act_freq_mhz", "sys/class/drm/card0/gt_max_freq_mhz"], "i915"),
        (
            [
                "sys/class/drm/card0/device/tile0/gt0/freq0/act_freq",
                "sys/class/drm/card0/device/tile0/gt0/freq0/max_freq",
            ],
            "xe",
        ),
    ] {
        let found = gpus(&[
            ("sys/class/drm/card0/device/vendor", "0x8086"),
            ("sys/class/drm/card0/device/device", "0x56a0"),
            ("sys/class/drm/card0/device/uevent", "PCI_SLOT_NAME=0000:03:00.0\n"),
            ("sys/class/drm/card0/device/max_link_width", "16"),
            ("sys/class/drm/card0/device/hwmon/hwmon2/power1_max", "190000000"),
            ("sys/class/drm/card0/lmem_total_bytes", "17079205888"),
            (clocks[0], "1200"),
            (clocks[1], "2400"),
            ("sys/bus/pci/devices/0000:03:00.0/class", "0x030000"),
            ("sys/bus/pci/devices/0000:03:00.0/vendor", "0x8086"),
            ("sys/bus/pci/devices/0000:03:00.0/device", "0x56a0"),
        ]);
        let [gpu] = &*found else { panic!("{source}: {found:?}") };
        assert_eq!(
            (gpu.name.as_deref(), gpu.architecture.as_deref()),
            (Some("Intel Arc A770"), Some("Xe-HPG"))
        );
        assert_eq!((gpu.clocks.sm_hertz, gpu.clocks.sm_max_hertz), (Some(1.2e9), Some(2.4e9)), "{source}");
        assert_eq!((gpu.memory_total_bytes, gpu.power_limit_watts), (Some(17_079_205_888), Some(190.0)));
        assert_eq!(gpu.pcie.width.max, Some(16));
    }
}

//! What each architecture's kernel writes in its own way: a small root for each.

use perfkit::document::{CacheType, Machine};
use perfkit::machine::{Source, detect};

use crate::roots::{ONLINE, add, assert_every_null_has_a_reason, cpu, machine, root};

fn with_info(online: &str, info: &str) -> Machine {
    machine(&root(&[(ONLINE, online), ("proc/cpuinfo", info)]))
}

#[test]
fn every_architecture_is_known_by_its_own_words() {
    for (architecture, vendor, name, extension, info) in [
        (
            "x86",
            Some("GenuineIntel"),
            Some("Penryn"),
            None,
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 23\nstepping\t: 6\nflags\t\t: fpu mmx sse sse2\n",
        ),
        (
            "x86_64",
            Some("AuthenticAMD"),
            Some("Zen 4"),
            Some("AVX-512 BF16"),
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nstepping\t: 1\nflags\t\t: lm sse sse2 avx512f avx512_bf16\n",
        ),
        (
            "armv7",
            Some("ARM"),
            Some("Cortex-A7"),
            Some("NEON"),
            "processor\t: 0\nFeatures\t: half thumb neon vfpv4\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU part\t: 0xc07\n",
        ),
        (
            "aarch64",
            Some("Apple"),
            Some("Blizzard (M2) + Avalanche (M2)"),
            Some("i8mm"),
            "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\nCPU implementer\t: 0x61\nCPU architecture: 8\nCPU part\t: 0x032\n\nprocessor\t: 1\nFeatures\t: fp asimd asimddp i8mm bf16\nCPU implementer\t: 0x61\nCPU architecture: 8\nCPU part\t: 0x033\n",
        ),
        (
            "ppc64",
            Some("IBM"),
            Some("POWER8"),
            Some("VSX"),
            "processor\t: 0\ncpu\t\t: POWER8 (architected), altivec supported\nclock\t\t: 3026.000000MHz\nplatform\t: pSeries\n",
        ),
        (
            "s390x",
            Some("IBM/S390"),
            Some("z15"),
            Some("VXE2"),
            "vendor_id       : IBM/S390\nfeatures\t: esan3 zarch vx vxe vxe2\nprocessor 0: version = FF,  identification = 1,  machine = 8561\n",
        ),
        (
            "riscv64",
            Some("T-Head"),
            Some("C910"),
            Some("RVV"),
            "processor\t: 0\nhart\t: 0\nisa\t: rv64imafdcv_zba_zvl256b\nuarch\t: thead,c910\nmvendorid\t: 0x5b7\n",
        ),
        (
            "loongarch64",
            Some("Loongson"),
            Some("LA464"),
            Some("LASX"),
            "system type\t\t: generic-loongson-machine\n\nprocessor\t\t: 0\nCPU Family\t\t: Loongson-64bit\nModel Name\t\t: Loongson-3A5000\nCPU MHz\t\t\t: 2500.00\nISA\t\t\t: loongarch32 loongarch64\nFeatures\t\t: cpucfg lam ual fpu lsx lasx\n",
        ),
        (
            "sparc64",
            Some("Sun"),
            Some("UltraSparc T2 (Niagara2)"),
            Some("VIS 2"),
            "cpu\t\t: UltraSparc T2 (Niagara2)\ntype\t\t: sun4v\nncpus probed\t: 2\ncpucaps\t\t: flush,stbar,swap,vis,vis2\nCpu0ClkTck\t: 000000005458c3a0\n",
        ),
    ] {
        let machine = with_info("0-1", info);
        let cpu = &machine.cpu;
        assert_eq!(cpu.architecture.as_deref(), Some(architecture));
        assert_eq!(cpu.vendor.as_deref(), vendor, "{architecture}");
        assert_eq!(cpu.microarchitecture.as_deref(), name, "{architecture}");
        let has = |wanted: &str| cpu.isa.extensions.iter().any(|extension| extension == wanted);
        assert!(extension.is_none_or(has), "{architecture}: {:?}", cpu.isa.extensions);
    }
}

#[test]
fn clocks_are_found_under_each_kernels_key() {
    for (info, hertz) in [
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 3450.000000MHz\n", Some(3.45e9)),
        ("cpu\t\t: UltraSparc T2 (Niagara2)\ntype\t\t: sun4v\nCpu0ClkTck\t: 000000003b9aca00\n", Some(1e9)),
        ("processor\t: 0\nISA\t: loongarch64\nCPU MHz\t: 2500.00\n", Some(2.5e9)),
        ("processor\t: 0\nflags\t: lm\ncpu MHz\t: 1200.000\n", Some(1.2e9)),
        // Under a hypervisor this is the rate of the time-stamp counter.
        ("processor\t: 0\nflags\t: lm hypervisor\ncpu MHz\t: 1200.000\n", None),
    ] {
        assert_eq!(with_info("0", info).cpu.frequency.current_hertz, hertz, "{info}");
    }
}

#[test]
fn levels_of_ibm_z_and_its_shared_caches_are_told() {
    let info = "vendor_id : IBM/S390\ncache0 : level=1 type=Data scope=Private size=128K line_size=256 associativity=8\n\
                cache1 : level=3 type=Unified scope=Shared size=65536K line_size=256 associativity=16\n\
                cache2 : level=4 type=Unified scope=Shared size=491520K line_size=256 associativity=30\n";
    let folder = root(&[(ONLINE, "0-3"), ("proc/cpuinfo", info)]);
    for number in 0..4 {
        cpu(folder.path(), number, &format!("{:x}", 1 << number), 0, &[]);
        let topology = format!("sys/devices/system/cpu/cpu{number}/topology");
        let book = if number < 2 { "3" } else { "c" };
        add(
            folder.path(),
            &[(&format!("{topology}/book_siblings"), book), (&format!("{topology}/drawer_siblings"), "f")],
        );
    }
    let cpu = machine(&folder).cpu;
    assert_eq!((cpu.drawers, cpu.books), (Some(1), Some(2)));
    let shared: Vec<_> = cpu.unplaced_caches.iter().map(|cache| (cache.level, cache.size_bytes)).collect();
    assert_eq!(shared, [(3, Some(64 << 20)), (4, Some(480 << 20))], "private ones stand in the folders");
}

#[test]
fn sparc_states_the_sizes_of_caches_for_each_cpu() {
    let folder = "sys/devices/system/cpu/cpu0";
    let caches = machine(&root(&[
        (ONLINE, "0"),
        (&format!("{folder}/l1_dcache_size"), "8192"),
        (&format!("{folder}/l1_dcache_line_size"), "16"),
        (&format!("{folder}/l1_icache_size"), "16384"),
        (&format!("{folder}/l2_cache_size"), "4194304"),
    ]))
    .cpu
    .unplaced_caches;
    let told: Vec<_> = caches.iter().map(|cache| (cache.level, cache.kind, cache.size_bytes)).collect();
    let wanted = [
        (1, CacheType::Data, Some(8192)),
        (1, CacheType::Instruction, Some(16384)),
        (2, CacheType::Unified, Some(4 << 20)),
    ];
    assert_eq!(told, wanted);
    assert_eq!(caches[0].line_bytes, Some(16));
}

#[test]
fn a_device_tree_tells_caches_and_who_shares_them() {
    let tree = "sys/firmware/devicetree/base/cpus";
    let cell = |value: u32| value.to_be_bytes().map(char::from).iter().collect::<String>();
    // Cells below 128 in every byte are text, which the helper writes.
    let texts: Vec<(String, String)> = [0_u32, 1]
        .iter()
        .flat_map(|core| {
            let node = format!("{tree}/cpu@{core}");
            vec![
                (format!("{node}/device_type"), "cpu\0".to_owned()),
                (format!("{node}/reg"), cell(*core)),
                (format!("{node}/d-cache-size"), cell(0x4000)),
                (format!("{node}/d-cache-line-size"), cell(64)),
                (format!("{node}/d-cache-sets"), cell(64)),
                (format!("{node}/i-cache-size"), cell(0x4000)),
                (format!("{node}/next-level-cache"), cell(7)),
            ]
        })
        .chain([
            (format!("{tree}/l2-cache0/phandle"), cell(7)),
            (format!("{tree}/l2-cache0/cache-size"), cell(0x10_0000)),
            (format!("{tree}/l2-cache0/cache-line-size"), cell(64)),
        ])
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (&**path, &**text)).collect();
    let folder = root(&files);
    add(folder.path(), &[(ONLINE, "0-1")]);
    let machine = machine(&folder);
    let caches: Vec<_> = machine
        .cpu
        .caches
        .iter()
        .map(|c| (c.level, c.kind, c.size_bytes, c.ways, c.count, c.shared_by_threads))
        .collect();
    let wanted = [
        (1, CacheType::Data, Some(0x4000), Some(4), 2, 1),
        (1, CacheType::Instruction, Some(0x4000), None, 2, 1),
        (2, CacheType::Unified, Some(0x10_0000), None, 1, 2),
    ];
    assert_eq!(caches, wanted);
    assert!(
        machine.sources.iter().any(|source| source.field == "cpu.caches" && source.source == "device tree")
    );
}

#[test]
fn clusters_count_where_one_holds_several_cores() {
    for (clusters, wanted) in
        [(["3", "3", "c", "c"], Some(2)), (["1", "2", "4", "8"], None), (["f"; 4], None)]
    {
        let folder = root(&[(ONLINE, "0-3")]);
        for (number, cluster) in (0..).zip(clusters) {
            cpu(folder.path(), number, &format!("{:x}", 1 << number), 0, &[]);
            let topology = format!("sys/devices/system/cpu/cpu{number}/topology");
            add(
                folder.path(),
                &[(&format!("{topology}/cluster_id"), "0"), (&format!("{topology}/cluster_cpus"), cluster)],
            );
        }
        assert_eq!(machine(&folder).cpu.clusters, wanted, "{clusters:?}");
    }
}

#[test]
fn a_hybrid_has_the_features_that_all_kinds_have_and_each_kind_its_own() {
    let core = |number: u32, more: &str| {
        format!(
            "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 151\nflags\t\t: lm sse2 avx2{more}\n\n"
        )
    };
    let info = core(0, " avx512f") + &core(1, " avx512f") + &core(2, "");
    let folder = root(&[
        (ONLINE, "0-2"),
        ("proc/cpuinfo", &info),
        ("sys/devices/cpu_core/cpus", "0-1"),
        ("sys/devices/cpu_atom/cpus", "2"),
        ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "5200000"),
        ("sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq", "5000000"),
        ("sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq", "3900000"),
    ]);
    let cpu = machine(&folder).cpu;
    assert!(!cpu.features.contains(&"avx512f".to_owned()));
    let kinds: Vec<_> =
        cpu.kinds.iter().map(|k| (k.name.as_deref(), k.max_hertz, k.own_features.join(" "))).collect();
    assert_eq!(
        kinds,
        [(Some("P-core"), Some(5.2e9), "avx512f".to_owned()), (Some("E-core"), Some(3.9e9), String::new())]
    );
}

#[test]
fn amds_processors_before_the_cache_leaf_describe_their_caches_in_older_ones() {
    // Family 10h with four cores: 64 KiB of first level twice, 512 KiB of second, 6 MiB of third for all.
    let cpu = |apic: u32| {
        format!(
            "1 0 0 0 0 => 5 68747541 444d4163 69746e65\n1 1 0 0 0 => 100f42 {apic:02x}040800 802009 178bfbff\n\
             1 80000001 0 0 0 => 100f42 0 37ff efd3fbff\n1 80000005 0 0 0 => 0 0 40020140 40020140\n\
             1 80000006 0 0 0 => 0 0 2008140 30b140\n1 80000008 0 0 0 => 3030 0 2003 0\n"
        )
    };
    let texts: Vec<(String, String)> = (0..4).map(|n| (format!("pu{n}"), cpu(n))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (&**name, &**text)).collect();
    let folder = root(&files);
    let machine = detect(Source::Cpuid(folder.path()));
    assert_every_null_has_a_reason(&machine);
    assert_eq!((machine.cpu.microarchitecture.as_deref(), machine.cpu.cores), (Some("K10"), Some(4)));
    let caches: Vec<_> =
        machine.cpu.caches.iter().map(|c| (c.level, c.kind, c.size_bytes, c.ways, c.count)).collect();
    assert_eq!(
        caches,
        [
            (1, CacheType::Data, Some(64 << 10), Some(2), 4),
            (1, CacheType::Instruction, Some(64 << 10), Some(2), 4),
            (2, CacheType::Unified, Some(512 << 10), Some(16), 4),
            (3, CacheType::Unified, Some(6 << 20), Some(48), 1),
        ]
    );
}

#[test]
fn memory_tells_its_tiers_sizes_of_pages_and_promises() {
    let node = "sys/devices/system/node";
    let machine = machine(&root(&[
        (ONLINE, "0-1"),
        (&format!("{node}/node0/cpulist"), "0-1"),
        (&format!("{node}/node0/meminfo"), "Node 0 MemTotal: 1024 kB\n"),
        (&format!("{node}/node0/access0/initiators/read_bandwidth"), "100000"),
        (&format!("{node}/node0/access0/initiators/read_latency"), "90"),
        (&format!("{node}/node3/cpulist"), ""),
        (&format!("{node}/node3/meminfo"), "Node 3 MemTotal: 4096 kB\n"),
        ("sys/devices/virtual/memory_tiering/memory_tier4/nodelist", "0"),
        ("sys/devices/virtual/memory_tiering/memory_tier22/nodelist", "3"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
        ("sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled", "always inherit [madvise] never"),
        ("sys/kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never"),
    ]));
    let tiers: Vec<_> =
        machine.memory.tiers.iter().map(|tier| (&*tier.name, tier.nodes.to_string())).collect();
    assert_eq!(tiers, [("memory_tier4", "0".to_owned()), ("memory_tier22", "3".to_owned())]);
    let nodes: Vec<_> =
        machine.numa.details.iter().map(|n| (n.id, n.memory_bytes, n.read_bytes_per_second)).collect();
    assert_eq!(nodes, [(0, Some(1 << 20), Some(1e11)), (3, Some(4 << 20), None)]);
    let pages = machine.memory.huge_pages;
    assert_eq!(pages.transparent_sizes.get(&65536).map(String::as_str), Some("madvise"));
    assert_eq!(pages.defragmentation.as_deref(), Some("madvise"));
}

#[test]
fn clouds_say_their_instance_without_a_network() {
    let dmi = |file: &str| format!("sys/class/dmi/id/{file}");
    let data = "run/cloud-init/instance-data.json";
    for (files, cloud, kind) in [
        (
            vec![(dmi("sys_vendor"), "Amazon EC2"), (dmi("product_name"), "c7i.4xlarge")],
            Some("aws"),
            Some("c7i.4xlarge"),
        ),
        (vec![(dmi("product_name"), "Google Compute Engine")], Some("gcp"), None),
        (
            vec![
                (dmi("product_name"), "Google Compute Engine"),
                (
                    data.to_owned(),
                    "{\"ds\": {\"meta_data\": {\"machine-type\": \"projects/1/machineTypes/n2-standard-8\"}}}",
                ),
            ],
            Some("gcp"),
            Some("n2-standard-8"),
        ),
        (
            vec![
                (dmi("chassis_asset_tag"), "7783-7084-3265-9085-8269-3286-77"),
                (
                    data.to_owned(),
                    "{\"ds\": {\"meta_data\": {\"imds\": {\"compute\": {\"vmSize\": \"Standard_D8s_v5\"}}}}}",
                ),
            ],
            Some("azure"),
            Some("Standard_D8s_v5"),
        ),
        (vec![(dmi("sys_vendor"), "Dell Inc.")], None, None),
    ] {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
        let environment = machine(&root(&files)).environment;
        assert_eq!(
            (environment.cloud.as_deref(), environment.instance_type.as_deref()),
            (cloud, kind),
            "{files:?}"
        );
    }
}

#[test]
fn pages_of_arm_follow_from_their_huge_pages() {
    let info = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n";
    let pool = |kilobytes: u32| format!("sys/kernel/mm/hugepages/hugepages-{kilobytes}kB/nr_hugepages");
    const TRANSPARENT: &str = "sys/kernel/mm/transparent_hugepage/hpage_pmd_size";
    for (files, wanted) in [
        (vec![(TRANSPARENT.to_owned(), "2097152")], Some(4096)),
        (vec![(TRANSPARENT.to_owned(), "33554432")], Some(16384)),
        (vec![(TRANSPARENT.to_owned(), "536870912")], Some(65536)),
        (vec![(pool(64), "0"), (pool(2048), "0"), (pool(32768), "0")], Some(4096)),
        (vec![(pool(2048), "0"), (pool(32768), "0")], Some(16384)),
        (vec![(pool(2048), "0"), (pool(524_288), "0")], Some(65536)),
        (vec![(pool(2048), "0")], None),
    ] {
        let folder = root(&[(ONLINE, "0"), ("proc/cpuinfo", info)]);
        for (path, text) in &files {
            add(folder.path(), &[(path, text)]);
        }
        assert_eq!(machine(&folder).memory.page_bytes, wanted, "{files:?}");
    }
}

#[test]
fn cores_of_riscv_without_a_name_are_known_by_their_numbers() {
    let info = "processor\t: 0\nisa\t: rv64imafdc\nmvendorid\t: 0x489\nmarchid\t: 0x8000000000000007\n";
    assert_eq!(with_info("0", info).cpu.microarchitecture.as_deref(), Some("U74"));
}

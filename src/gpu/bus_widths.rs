//! Widths of memory buses by product: `nvidia-smi` does not print them, and old drivers' NVML has no call for them.
//! From NVIDIA's data sheets; where a name was sold with several widths, the memory decides.

/// Name as the driver writes it without `NVIDIA `, memory in GiB rounded (0 is any), bits.
static WIDTHS: &[(&str, u64, u32)] = &[
    ("A10", 0, 384),
    ("A100-PCIE-40GB", 0, 5120),
    ("A100-PCIE-80GB", 0, 5120),
    ("A100-SXM4-40GB", 0, 5120),
    ("A100-SXM4-80GB", 0, 5120),
    ("A100 80GB PCIe", 0, 5120),
    ("A10G", 0, 384),
    ("A2", 0, 128),
    ("A30", 0, 3072),
    ("A40", 0, 384),
    ("GeForce RTX 3060", 12, 192),
    ("GeForce RTX 3090", 0, 384),
    ("GeForce RTX 4090", 0, 384),
    ("GeForce RTX 5090", 0, 512),
    ("H100 80GB HBM3", 0, 5120),
    ("H100 PCIe", 0, 5120),
    ("H200", 0, 6144),
    ("L4", 0, 192),
    ("L40", 0, 384),
    ("L40S", 0, 384),
    ("Quadro P400", 2, 64),
    ("RTX 4000 SFF Ada Generation", 0, 160),
    ("RTX 6000 Ada Generation", 0, 384),
    ("RTX A6000", 0, 384),
    ("Tesla P4", 0, 256),
    ("Tesla P40", 0, 384),
    ("Tesla P100-PCIE-16GB", 0, 4096),
    ("Tesla P100-SXM2-16GB", 0, 4096),
    ("Tesla T4", 0, 256),
    ("Tesla V100-PCIE-16GB", 0, 4096),
    ("Tesla V100-PCIE-32GB", 0, 4096),
    ("Tesla V100-SXM2-16GB", 0, 4096),
    ("Tesla V100-SXM2-32GB", 0, 4096),
];

/// The width of a product's memory bus in bits.
pub(super) fn find(name: Option<&str>, memory_bytes: Option<u64>) -> Option<u32> {
    let name = name?.trim_start_matches("NVIDIA ");
    let gibibytes = memory_bytes.map_or(0, |bytes| (bytes + (1 << 29)) >> 30);
    let fits = |row: &&(&str, u64, u32)| row.0 == name && (row.1 == 0 || row.1 == gibibytes);
    WIDTHS.iter().find(fits).map(|row| row.2)
}

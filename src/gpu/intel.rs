//! Intel's graphics processors by their PCI numbers, as Intel's open drivers and Mesa list them: neither the kernel's drivers
//! nor firmware give a name.

/// Device numbers, the marketing name, the architecture.
static DEVICES: &[(&[u32], &str, &str)] = &[
    (&[0x0412, 0x0416], "Intel HD Graphics 4600", "Gen7.5"),
    (&[0x1616], "Intel HD Graphics 5500", "Gen8"),
    (&[0x1912, 0x191b], "Intel HD Graphics 530", "Gen9"),
    (&[0x1916], "Intel HD Graphics 520", "Gen9"),
    (&[0x5912, 0x591b], "Intel HD Graphics 630", "Gen9"),
    (&[0x5916], "Intel HD Graphics 620", "Gen9"),
    (&[0x3e91, 0x3e92, 0x3e98, 0x3e9b, 0x9bc5, 0x9bc8, 0x9bc4], "Intel UHD Graphics 630", "Gen9"),
    (&[0x3ea0, 0x5917, 0x9b41], "Intel UHD Graphics 620", "Gen9"),
    (&[0x8a52, 0x8a5a, 0x8a51], "Intel Iris Plus Graphics", "Gen11"),
    (&[0x8a56], "Intel UHD Graphics", "Gen11"),
    (&[0x9a40, 0x9a49], "Intel Iris Xe Graphics", "Xe-LP"),
    (&[0x9a60, 0x9a68, 0x4c8a], "Intel UHD Graphics 750", "Xe-LP"),
    (&[0x4905], "Intel Iris Xe MAX Graphics", "Xe-LP"),
    (&[0x4907], "Intel Server GPU SG-18M", "Xe-LP"),
    (&[0x4680, 0x4690, 0xa780], "Intel UHD Graphics 770", "Xe-LP"),
    (&[0x4682, 0x4692], "Intel UHD Graphics 730", "Xe-LP"),
    (&[0x46a6, 0x46a8, 0x46aa, 0xa7a0, 0xa7a1], "Intel Iris Xe Graphics", "Xe-LP"),
    (&[0x46d0, 0x46d1, 0x46d2], "Intel UHD Graphics", "Xe-LP"),
    (&[0x56a0], "Intel Arc A770", "Xe-HPG"),
    (&[0x56a1], "Intel Arc A750", "Xe-HPG"),
    (&[0x56a2], "Intel Arc A580", "Xe-HPG"),
    (&[0x56a5], "Intel Arc A380", "Xe-HPG"),
    (&[0x56a6], "Intel Arc A310", "Xe-HPG"),
    (&[0x5690], "Intel Arc A770M", "Xe-HPG"),
    (&[0x5691], "Intel Arc A730M", "Xe-HPG"),
    (&[0x5692], "Intel Arc A550M", "Xe-HPG"),
    (&[0x5693], "Intel Arc A370M", "Xe-HPG"),
    (&[0x5694], "Intel Arc A350M", "Xe-HPG"),
    (&[0x56b0], "Intel Arc Pro A30M", "Xe-HPG"),
    (&[0x56b1], "Intel Arc Pro A40/A50", "Xe-HPG"),
    (&[0x56c0], "Intel Data Center GPU Flex 170", "Xe-HPG"),
    (&[0x56c1], "Intel Data Center GPU Flex 140", "Xe-HPG"),
    (&[0x7d40, 0x7d45, 0x7d55, 0x7dd5], "Intel Arc Graphics", "Xe-LPG"),
    (&[0x7d67, 0x7d41], "Intel Graphics", "Xe-LPG"),
    (&[0x7d51, 0x7dd1], "Intel Arc 140T", "Xe-LPG+"),
    (&[0x0bd5, 0x0bd6], "Intel Data Center GPU Max 1550", "Xe-HPC"),
    (&[0x0bda], "Intel Data Center GPU Max 1100", "Xe-HPC"),
    (&[0x64a0], "Intel Arc 130V/140V", "Xe2"),
    (&[0xe20b], "Intel Arc B580", "Xe2"),
    (&[0xe20c], "Intel Arc B570", "Xe2"),
    (&[0xe211], "Intel Arc Pro B60", "Xe2"),
    (&[0xe212], "Intel Arc Pro B50", "Xe2"),
];

/// Name and architecture of `8086:56a0`.
pub(super) fn find(pci_id: &str) -> Option<(&'static str, &'static str)> {
    let number = u32::from_str_radix(pci_id.strip_prefix("8086:")?, 16).ok()?;
    DEVICES.iter().find(|row| row.0.contains(&number)).map(|row| (row.1, row.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_by_their_numbers_once_each() {
        assert_eq!(find("8086:56a0"), Some(("Intel Arc A770", "Xe-HPG")));
        assert_eq!(find("8086:0bda"), Some(("Intel Data Center GPU Max 1100", "Xe-HPC")));
        for unknown in ["8086:ffff", "10de:56a0", "8086:", "8086:xyz", ""] {
            assert_eq!(find(unknown), None, "{unknown}");
        }
        let mut all: Vec<u32> = DEVICES.iter().flat_map(|row| row.0).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

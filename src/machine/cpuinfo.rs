//! `/proc/cpuinfo`, which every architecture writes in its own way.

use std::collections::{BTreeMap, HashMap};

use crate::units::CpuList;

/// The file as blocks of `key : value` lines.
#[derive(Debug, Default)]
pub(super) struct Cpuinfo<'a> {
    blocks: Vec<Block<'a>>,
    /// The block of each CPU: large machines have hundreds, and are asked of each many times.
    of_cpu: BTreeMap<u32, usize>,
    /// What is said once: the first value of each key in blocks of no CPU.
    common: HashMap<&'a str, &'a str>,
}

#[derive(Debug, Default)]
struct Block<'a> {
    cpu: Option<u32>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Cpuinfo<'a> {
    /// Reads the text; lines that are no pair are passed over.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut blocks = vec![Block::default()];
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                if line.trim().is_empty() {
                    blocks.push(Block::default());
                }
                continue;
            };
            let (key, value) = (key.trim(), value.trim());
            let Some(block) = blocks.last_mut() else { continue };
            // s390 numbers its blocks otherwise, and old ARM kernels have a `Processor` that is a name.
            if matches!(key, "processor" | "cpu number") && block.cpu.is_none() {
                block.cpu = value.parse().ok().filter(|&cpu| cpu < CpuList::LIMIT);
            }
            block.pairs.push((key, value));
        }
        blocks.retain(|block| !block.pairs.is_empty());
        let (mut of_cpu, mut common) = (BTreeMap::new(), HashMap::new());
        for (index, block) in blocks.iter().enumerate() {
            match block.cpu {
                Some(cpu) => {
                    of_cpu.entry(cpu).or_insert(index);
                }
                None => {
                    for &(key, value) in block.pairs.iter().filter(|pair| !pair.1.is_empty()) {
                        common.entry(key).or_insert(value);
                    }
                }
            }
        }
        Self { blocks, of_cpu, common }
    }

    /// The first non-empty value of `key` in the file.
    pub(super) fn first(&self, key: &str) -> Option<&'a str> {
        self.blocks.iter().find_map(|block| block.value(key))
    }

    /// The value of `key` for a CPU; what the file says once holds for every CPU.
    pub(super) fn of(&self, cpu: u32, key: &str) -> Option<&'a str> {
        let own = self.of_cpu.get(&cpu).and_then(|&index| self.blocks.get(index));
        own.and_then(|block| block.value(key)).or_else(|| self.common.get(key).copied())
    }

    /// The non-empty values of `key`, one for each CPU that has its own.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.blocks.iter().filter_map(move |block| block.value(key))
    }

    /// The first value whose key starts with `prefix` (s390 writes the number of a CPU into the key).
    pub(super) fn starting(&self, prefix: &str) -> Option<&'a str> {
        self.blocks
            .iter()
            .flat_map(|block| &block.pairs)
            .find(|(key, _)| key.starts_with(prefix))
            .map(|p| p.1)
    }

    /// The CPUs that have a block.
    pub(super) fn cpus(&self) -> CpuList {
        self.blocks.iter().filter_map(|block| block.cpu).collect()
    }
}

impl<'a> Block<'a> {
    fn value(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(k, v)| *k == key && !v.is_empty()).map(|pair| pair.1)
    }
}

/// `0x41` or `65` as a number.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_sees_its_own_values_and_the_common_ones() {
        let text = "Processor\t: ARMv7 Processor rev 1 (v7l)\nprocessor\t: 0\nCPU part\t: 0xd05\n\n\
                    processor\t: 4\nCPU part\t: 0xd0b\n\nCPU implementer\t: 0x41\nnonsense\n";
        let info = Cpuinfo::parse(text);
        assert_eq!(info.cpus().to_string(), "0,4");
        assert_eq!((info.of(0, "CPU part"), info.of(4, "CPU part")), (Some("0xd05"), Some("0xd0b")));
        assert_eq!(info.of(4, "CPU implementer"), Some("0x41"));
        assert_eq!(info.of(7, "CPU part"), None);
        assert_eq!(info.first("CPU part"), Some("0xd05"));
        assert_eq!(number("0xd05"), Some(0xd05));
    }
}

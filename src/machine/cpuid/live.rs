//! The CPU that this thread runs on.

use super::{Reader, Registers};

/// Executes the instruction.
pub(super) struct Native;

impl Reader for Native {
    fn read(&self, leaf: u32, subleaf: u32) -> Option<Registers> {
        // A leaf above the highest of its range answers with another leaf's registers. Hypervisors' leaves have a range
        // of their own whose end is seldom told right, so they are only read where the caller knows that they are there.
        let range = leaf & 0xc000_0000;
        let highest = raw_cpuid::native_cpuid::cpuid_count(range, 0).eax;
        if range != 0x4000_0000 && leaf > highest {
            return None;
        }
        let answer = raw_cpuid::native_cpuid::cpuid_count(leaf, subleaf);
        Some(Registers { eax: answer.eax, ebx: answer.ebx, ecx: answer.ecx, edx: answer.edx })
    }
}

//! CPUID: of the running CPU, or of every CPU of a dump.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::root::Root;
use crate::units::CpuList;

pub(super) mod features;
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
mod live;
pub(super) mod topology;

/// The four registers that a leaf answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) eax: u32,
    pub(super) ebx: u32,
    pub(super) ecx: u32,
    pub(super) edx: u32,
}

/// Answers CPUID of one CPU.
pub(super) trait Reader {
    /// The registers of `leaf` (EAX) and `subleaf` (ECX), or `None` where the CPU or the dump has no such leaf.
    fn read(&self, leaf: u32, subleaf: u32) -> Option<Registers>;

    /// `read` with all zeroes instead of nothing.
    fn leaf(&self, leaf: u32, subleaf: u32) -> Registers {
        self.read(leaf, subleaf).unwrap_or_default()
    }
}

/// The running CPU's, where it is an x86.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
pub(super) fn live() -> Option<Box<dyn Reader>> {
    Some(Box::new(live::Native))
}

/// The kinds that these CPUs name themselves: the leaf that tells is valid for the CPU that executes it, so that a thread
/// goes from one to the next. `None` where the processor is no hybrid or one cannot be gone to.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
pub(super) fn live_kinds(cpus: &CpuList) -> Option<BTreeMap<String, CpuList>> {
    topology::core_kind(&live::Native)?;
    let cpus = cpus.clone();
    let walk = move || {
        let mut kinds: BTreeMap<String, CpuList> = BTreeMap::new();
        for cpu in cpus.iter() {
            crate::sys::threads::pin(&[cpu]).ok()?;
            kinds.entry(topology::core_kind(&live::Native)?.to_owned()).or_default().insert(cpu);
        }
        Some(kinds)
    };
    // The thread ends with its affinity.
    std::thread::spawn(walk).join().ok().flatten()
}

/// The kinds that these CPUs name themselves: on other architectures they do not.
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
pub(super) fn live_kinds(_: &CpuList) -> Option<BTreeMap<String, CpuList>> {
    None
}

/// The running CPU's, where it is an x86: it is not.
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
pub(super) fn live() -> Option<Box<dyn Reader>> {
    None
}

/// A reader that remembers what it was asked, so that the answers can be kept.
pub(super) struct Recording {
    inner: Box<dyn Reader>,
    answers: RefCell<BTreeMap<(u32, u32), Registers>>,
}

impl Recording {
    pub(super) fn new(inner: Box<dyn Reader>) -> Self {
        Self { inner, answers: RefCell::default() }
    }

    /// The answers so far as lines of a dump.
    pub(super) fn lines(&self) -> String {
        let line = |(&(leaf, subleaf), r): (&(u32, u32), &Registers)| {
            format!("5 {leaf:x} 0 {subleaf:x} 0 => {:x} {:x} {:x} {:x}\n", r.eax, r.ebx, r.ecx, r.edx)
        };
        self.answers.borrow().iter().map(line).collect()
    }
}

impl Reader for Recording {
    fn read(&self, leaf: u32, subleaf: u32) -> Option<Registers> {
        let answer = self.inner.read(leaf, subleaf)?;
        self.answers.borrow_mut().insert((leaf, subleaf), answer);
        Some(answer)
    }
}

/// One line of a dump: inputs that must match where the mask says so, and the answer.
#[derive(Debug, Clone, Copy)]
struct Line {
    mask: u32,
    inputs: [u32; 4],
    answer: Registers,
}

/// One CPU of a dump.
#[derive(Debug, Clone, Default)]
pub(super) struct DumpedCpu {
    lines: Vec<Line>,
}

impl DumpedCpu {
    /// Whether there is no answer in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Reads lines `mask eax ebx ecx edx => eax ebx ecx edx`, all hexadecimal; others are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (question, answer) = line.split('#').next()?.split_once("=>")?;
            let numbers = |text: &str| -> Option<Vec<u32>> {
                text.split_whitespace().map(|word| u32::from_str_radix(word, 16).ok()).collect()
            };
            let [mask, eax, ebx, ecx, edx] = *numbers(question)? else { return None };
            let [a, b, c, d] = *numbers(answer)? else { return None };
            let answer = Registers { eax: a, ebx: b, ecx: c, edx: d };
            Some(Line { mask, inputs: [eax, ebx, ecx, edx], answer })
        };
        Self { lines: text.lines().filter_map(line).collect() }
    }
}

impl Reader for DumpedCpu {
    fn read(&self, leaf: u32, subleaf: u32) -> Option<Registers> {
        let question = [leaf, 0, subleaf, 0];
        let fits = |line: &&Line| (0..4).all(|i| line.mask >> i & 1 == 0 || line.inputs[i] == question[i]);
        self.lines.iter().find(fits).map(|line| line.answer)
    }
}

/// The CPUs of a dump folder (`pu0`, `pu1`, ...) by number.
pub(super) fn read_dump(folder: &Path) -> BTreeMap<u32, DumpedCpu> {
    let root = Root::snapshot(folder);
    let cpu = |number: u32| {
        let cpu = DumpedCpu::parse(&root.text(&format!("pu{number}"))?);
        (!cpu.lines.is_empty()).then_some((number, cpu))
    };
    root.numbered("", "pu").into_iter().filter_map(cpu).collect()
}

/// Vendor, brand and numbers of a CPU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) vendor: String,
    pub(super) brand: Option<String>,
    pub(super) family: u32,
    pub(super) model: u32,
    pub(super) stepping: u32,
}

/// Reads leaves 0, 1 and 8000_0002 to 8000_0004.
pub(super) fn signature(cpu: &dyn Reader) -> Option<Signature> {
    let first = cpu.read(0, 0)?;
    let version = cpu.read(1, 0)?.eax;
    let (base_family, base_model) = (version >> 8 & 15, version >> 4 & 15);
    let extended = |family: u32| if family == 15 { family + (version >> 20 & 0xff) } else { family };
    let high = if matches!(base_family, 6 | 7 | 15) { version >> 12 & 0xf0 } else { 0 };
    Some(Signature {
        vendor: text(&[first.ebx, first.edx, first.ecx]),
        brand: brand(cpu),
        family: extended(base_family),
        model: base_model | high,
        stepping: version & 15,
    })
}

fn brand(cpu: &dyn Reader) -> Option<String> {
    let words = (0x8000_0002..=0x8000_0004).map(|leaf| cpu.read(leaf, 0)).collect::<Option<Vec<_>>>()?;
    let words: Vec<u32> = words.iter().flat_map(|r| [r.eax, r.ebx, r.ecx, r.edx]).collect();
    Some(text(&words)).filter(|brand| !brand.is_empty())
}

/// Registers as the text that they hold, without the padding.
fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|&b| b != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// The name that a hypervisor gives itself in leaf 4000_0000, where the CPU says that it runs under one.
pub(super) fn hypervisor_signature(cpu: &dyn Reader) -> Option<String> {
    if cpu.leaf(1, 0).ecx >> 31 == 0 {
        return None;
    }
    let leaf = cpu.read(0x4000_0000, 0)?;
    Some(text(&[leaf.ebx, leaf.ecx, leaf.edx]))
}

/// The time-stamp counter's rate by leaf 15h, where crystal and ratio are given.
pub(super) fn tsc_hertz(cpu: &dyn Reader) -> Option<f64> {
    let leaf = cpu.read(0x15, 0).filter(|r| r.eax != 0 && r.ebx != 0 && r.ecx != 0)?;
    Some(f64::from(leaf.ecx) * f64::from(leaf.ebx) / f64::from(leaf.eax))
}

/// Base and highest clock by leaf 16h.
pub(super) fn clock_hertz(cpu: &dyn Reader) -> (Option<f64>, Option<f64>) {
    let leaf = cpu.leaf(0x16, 0);
    let hertz = |megahertz: u32| (megahertz & 0xffff != 0).then(|| f64::from(megahertz & 0xffff) * 1e6);
    (hertz(leaf.eax), hertz(leaf.ebx))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_answers_where_the_masked_inputs_match() {
        let cpu = DumpedCpu::parse(
            "# comment\n1 0 0 0 0 => d 68747541 444d4163 69746e65\n1 1 0 0 0 => b00f21 0 80000000 0\n\
             5 4 0 0 0 => 1 2 3 4\n5 4 0 1 0 => 5 6 7 8\nbroken => line\n",
        );
        assert_eq!(cpu.read(4, 1).map(|r| r.eax), Some(5));
        assert_eq!(cpu.read(4, 2), None);
        assert_eq!(cpu.read(0, 9).map(|r| r.eax), Some(0xd));
        let signature = signature(&cpu).unwrap();
        assert_eq!(
            (&*signature.vendor, signature.family, signature.model, signature.stepping),
            ("AuthenticAMD", 26, 2, 1)
        );
    }
}

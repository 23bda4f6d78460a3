//! What a machine makes of some work: its ridge point, which roof binds, and the time that it allows.

use crate::analysis::roofline::{Ceiling, CeilingKind, ceilings};
use crate::document::Document;

use super::{Precision, Profile, Work};

/// The two roofs that bind work of a precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Roofs {
    /// Whose.
    pub name: String,
    /// Where they come from.
    pub source: String,
    /// Operations per second, or why it is not known.
    pub flops_per_second: Result<f64, String>,
    /// Bytes per second of memory, or why it is not known.
    pub bytes_per_second: Result<f64, String>,
}

/// Which roof binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The memory's.
    Memory,
    /// The arithmetic's.
    Compute,
}

impl Bound {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Compute => "compute",
        }
    }
}

/// What a machine makes of some work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// The intensity from which the arithmetic binds.
    pub ridge: f64,
    /// Which roof binds.
    pub bound: Bound,
    /// The least time.
    pub seconds: f64,
    /// Matrix operations per second in that time.
    pub flops_per_second: f64,
}

impl Roofs {
    /// A profile's at a precision.
    #[must_use]
    pub fn of_profile(profile: &Profile, precision: Precision) -> Self {
        let peak = profile.peak(precision);
        Self {
            name: profile.title.to_owned(),
            source: profile.source.to_owned(),
            flops_per_second: peak.flops_per_second.ok_or_else(|| peak.note.to_owned()),
            bytes_per_second: profile.bytes_per_second.map_err(str::to_owned),
        }
    }

    /// The best that a document measured of the whole machine: the arithmetic peak of the precision, and reading from memory.
    #[must_use]
    pub fn measured(document: &Document, precision: Precision) -> Self {
        let ceilings = ceilings(document);
        let best = |of: &dyn Fn(&Ceiling) -> bool| {
            let rates = ceilings.iter().filter(|ceiling| of(ceiling)).map(|ceiling| ceiling.per_second);
            rates.max_by(f64::total_cmp)
        };
        let name = precision.name();
        Self {
            name: document.machine.cpu.brand.clone().unwrap_or_else(|| "this machine".to_owned()),
            source: "measured ceilings".to_owned(),
            flops_per_second: best(&|c| c.kind == CeilingKind::Compute && c.what == name)
                .ok_or_else(|| format!("no {name} peak was measured")),
            bytes_per_second: best(&|c| {
                c.kind == CeilingKind::Bandwidth && c.level.as_deref() == Some("dram") && c.what == "read"
            })
            .ok_or_else(|| "no memory bandwidth was measured".to_owned()),
        }
    }

    /// The intensity from which the arithmetic binds.
    ///
    /// # Errors
    /// What is not known of the two.
    pub fn ridge(&self) -> Result<f64, String> {
        Ok(self.flops_per_second.clone()? / self.bytes_per_second.clone()?)
    }

    /// What the machine makes of some work.
    ///
    /// # Errors
    /// What is not known of the machine.
    pub fn outlook(&self, work: &Work) -> Result<Outlook, String> {
        let (peak, bandwidth) = (self.flops_per_second.clone()?, self.bytes_per_second.clone()?);
        let (arithmetic, memory) = (work.matrix_flops() / peak, work.dram_bytes / bandwidth);
        let seconds = arithmetic.max(memory);
        Ok(Outlook {
            ridge: peak / bandwidth,
            bound: if arithmetic >= memory { Bound::Compute } else { Bound::Memory },
            seconds,
            flops_per_second: if seconds > 0.0 { work.matrix_flops() / seconds } else { 0.0 },
        })
    }
}

/// The largest batch that is tried.
const LARGEST_BATCH: usize = 1 << 20;

/// The smallest batch from which the arithmetic binds at a ridge, where there is one up to 2^20; `work` counts a batch.
/// The intensity never falls with the batch, as what is shared is shared by more.
#[must_use]
pub fn smallest_batch(ridge: f64, work: impl Fn(usize) -> Work) -> Option<usize> {
    let binds = |batch: usize| work(batch).intensity().is_some_and(|intensity| intensity >= ridge);
    if !binds(LARGEST_BATCH) {
        return None;
    }
    let (mut below, mut from) = (0, LARGEST_BATCH);
    while from - below > 1 {
        let middle = usize::midpoint(below, from);
        if binds(middle) {
            from = middle;
        } else {
            below = middle;
        }
    }
    Some(from)
}

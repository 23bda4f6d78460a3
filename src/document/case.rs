//! A case: one implementation of one benchmark, on one tier, shape and number of threads.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::simd::Tier;

/// `pool/mean-f32/rows@avx512/128x384/t1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Case {
    /// `family/what-dtype`.
    pub benchmark: String,
    /// Which of the benchmark's implementations.
    pub implementation: String,
    /// The instruction tier, or a peer.
    pub tier: CaseTier,
    /// The size of the work.
    pub shape: Shape,
    /// Number of threads.
    pub threads: NonZeroUsize,
}

impl Case {
    /// `pool` of `pool/mean-f32`.
    #[must_use]
    pub fn family(&self) -> &str {
        self.benchmark.split_once('/').map_or(&*self.benchmark, |(family, _)| family)
    }

    /// `f32` of `pool/mean-f32`: the last word of the benchmark's id.
    #[must_use]
    pub fn dtype(&self) -> &str {
        self.benchmark.rsplit_once('-').map_or("", |(_, dtype)| dtype)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}/{}/t{}", self.benchmark, self.implementation, self.tier, self.shape, self.threads)
    }
}

/// A text that names no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a case such as pool/mean-f32/rows@avx512/128x384/t1")]
pub struct ParseCaseError(pub String);

impl FromStr for Case {
    type Err = ParseCaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (rest, threads) = text.rsplit_once("/t")?;
            let (rest, shape) = rest.rsplit_once('/')?;
            let (benchmark, implementation) = rest.rsplit_once('/')?;
            let (implementation, tier) = implementation.rsplit_once('@')?;
            if !benchmark.contains('/') || implementation.is_empty() {
                return None;
            }
            Some(Self {
                benchmark: benchmark.to_owned(),
                implementation: implementation.to_owned(),
                tier: tier.parse().ok()?,
                shape: shape.parse().ok()?,
                threads: threads.parse().ok()?,
            })
        };
        parse().ok_or_else(|| ParseCaseError(text.chars().take(120).collect()))
    }
}

impl TryFrom<String> for Case {
    type Error = ParseCaseError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Case> for String {
    fn from(case: Case) -> Self {
        case.to_string()
    }
}

/// Where a case's instructions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CaseTier {
    /// One of our tiers.
    Ours(Tier),
    /// Another library, which chooses for itself.
    Peer,
}

impl CaseTier {
    /// Our tier, where it is one.
    #[must_use]
    pub const fn ours(self) -> Option<Tier> {
        match self {
            Self::Ours(tier) => Some(tier),
            Self::Peer => None,
        }
    }
}

impl From<Tier> for CaseTier {
    fn from(tier: Tier) -> Self {
        Self::Ours(tier)
    }
}

impl fmt::Display for CaseTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(tier) => tier.fmt(f),
            Self::Peer => f.write_str("peer"),
        }
    }
}

impl FromStr for CaseTier {
    type Err = crate::simd::UnknownTier;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "peer" { Ok(Self::Peer) } else { text.parse().map(Self::Ours) }
    }
}

/// One extent of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// So many.
    Count(usize),
    /// Texts of mixed lengths, as they come.
    Mixed,
}

/// The size of the work: `128x384`, `512x512x512`, `32xmixed`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape(pub Vec<Extent>);

impl Shape {
    /// A shape of counts.
    #[must_use]
    pub fn new(extents: &[usize]) -> Self {
        Self(extents.iter().map(|&n| Extent::Count(n)).collect())
    }

    /// The count at `axis`, or 1 where there is none.
    #[must_use]
    pub fn count(&self, axis: usize) -> usize {
        match self.0.get(axis) {
            Some(Extent::Count(n)) => *n,
            Some(Extent::Mixed) | None => 1,
        }
    }

    /// The product of the counts.
    #[must_use]
    pub fn elements(&self) -> usize {
        (0..self.0.len()).map(|axis| self.count(axis)).fold(1, usize::saturating_mul)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, extent) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("x")?;
            }
            match extent {
                Extent::Count(n) => write!(f, "{n}")?,
                Extent::Mixed => f.write_str("mixed")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Shape {
    type Err = ParseCaseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseCaseError(text.chars().take(60).collect());
        // "mixed" holds the separator itself.
        let parts: Vec<&str> = match text.strip_suffix("mixed") {
            Some(rest) => rest.split_terminator('x').chain(["mixed"]).collect(),
            None => text.split('x').collect(),
        };
        let extent = |part: &str| {
            if part == "mixed" {
                Ok(Extent::Mixed)
            } else {
                part.parse().map(Extent::Count).map_err(|_| fail())
            }
        };
        parts.into_iter().map(extent).collect::<Result<_, _>>().map(Self)
    }
}

/// What a case costs, counted from its shape, never measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cost {
    /// Arithmetic operations on data (an FMA is two); integer operations for integer kernels.
    pub flops: f64,
    /// Bytes that the core loads and stores.
    pub core_bytes: f64,
    /// Bytes that pass the memory bus when nothing is cached, with write-allocate.
    pub dram_bytes: f64,
    /// Of the core bytes, those stored: it decides which pattern's bandwidth is the roof.
    #[serde(default)]
    pub written_bytes: f64,
    /// Bytes touched by one run: the smallest memory level that holds them is the case's.
    #[serde(default)]
    pub working_set_bytes: f64,
}

impl Cost {
    /// The bytes of work that reads `read` of them once and writes `written` once: a store that misses the caches reads
    /// its line first.
    #[must_use]
    pub const fn streamed(read: f64, written: f64) -> Self {
        Self {
            flops: 0.0,
            core_bytes: read + written,
            dram_bytes: read + 2.0 * written,
            written_bytes: written,
            working_set_bytes: read + written,
        }
    }

    /// Arithmetic intensity in FLOP per core byte; `None` without bytes.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        (self.core_bytes > 0.0).then(|| self.flops / self.core_bytes)
    }
}

macro_rules! schema_as_text {
    ($type:ident, $about:literal) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $about })
            }
        }
    };
}
schema_as_text!(Case, "family/what-dtype/implementation@tier/shape/tN");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_texts_survive_a_round_trip() {
        for text in [
            "pool/mean-f32/rows@avx512/128x384/t1",
            "embed/minilm-l6-f32/native@avx512/32x64/t2",
            "embed/minilm-l6-f32/native@avx512/32xmixed/t1",
            "matmul/gemm-f32/openblas-as-installed@peer/512x512x512/t1",
            "memory/read-l2-u8/stream@neon-dotprod/786432/t1",
        ] {
            let case: Case = text.parse().unwrap();
            assert_eq!(case.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_case_is_refused() {
        for text in [
            "",
            "/",
            "pool/mean-f32",
            "pool/mean/rows@avx9/1/t1",
            "pool/mean/rows@avx2/1/t0",
            "a/b/c@avx2/1x/t1",
        ] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_case_knows_its_family_and_dtype() {
        let case: Case = "matmul/gemm-u8s8s32/packed@avx512vnni/8x8x8/t1".parse().unwrap();
        assert_eq!((case.family(), case.dtype()), ("matmul", "u8s8s32"));
        assert_eq!(case.shape.elements(), 512);
    }
}

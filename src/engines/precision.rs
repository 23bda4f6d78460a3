//! The arithmetic of an engine's matrix products.

use std::fmt;
use std::str::FromStr;

use super::EngineError;
use crate::simd::Tier;

/// What weights are kept in and products are computed with. Attention's softmax, additions and normalisations are in
/// single precision in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// Single precision throughout.
    F32,
    /// Weights and inputs of products in bfloat16, summed in single precision.
    Bf16,
    /// Weights in binary16, widened as they are read; everything else single.
    F16,
    /// Weights and inputs of products in bytes, summed in integers: smoothed, a scale an output channel and a scale for
    /// every row and group of inputs.
    Int8,
}

/// One row of the table of precisions.
struct Row {
    precision: Precision,
    name: &'static str,
    /// Tiers with kernels for it, best first.
    tiers: &'static [Tier],
}

const SINGLE: &[Tier] = &[Tier::Avx512, Tier::Neon, Tier::Avx2, Tier::Baseline];

static ROWS: &[Row] = &[
    Row { precision: Precision::F32, name: "f32", tiers: SINGLE },
    Row {
        precision: Precision::Bf16,
        name: "bf16",
        tiers: &[Tier::Avx512bf16, Tier::Avx512, Tier::Neon, Tier::Avx2, Tier::Baseline],
    },
    Row { precision: Precision::F16, name: "f16", tiers: SINGLE },
    Row {
        precision: Precision::Int8,
        name: "int8",
        tiers: &[Tier::Avx512vnni, Tier::NeonDotprod, Tier::Avx2],
    },
];

impl Precision {
    /// Every precision.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.precision)
    }

    /// The name in case texts and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("f32", |row| row.name)
    }

    /// Bytes of a weight.
    #[must_use]
    pub const fn weight_bytes(self) -> f64 {
        match self {
            Self::F32 => 4.0,
            Self::Bf16 | Self::F16 => 2.0,
            Self::Int8 => 1.0,
        }
    }

    /// The tiers with kernels for it, best first.
    #[must_use]
    pub fn tiers(self) -> &'static [Tier] {
        self.row().map_or(SINGLE, |row| row.tiers)
    }

    /// The best tier that this CPU has; `None` where it has none. Whether dot products of bfloat16 pairs are better than
    /// widening depends on the CPU and is measured once.
    #[must_use]
    pub fn best_tier(self) -> Option<Tier> {
        let pays = |tier: &Tier| *tier != Tier::Avx512bf16 || super::native::pairs_pay();
        self.tiers().iter().copied().filter(|tier| tier.is_available()).find(pays)
    }

    /// The tier whose kernels run where a user names `tier`: itself, or the part of it that this precision uses.
    ///
    /// # Errors
    /// The precision has no kernels there, or this CPU lacks it.
    pub fn tier(self, tier: Tier) -> Result<Tier, EngineError> {
        let own = [tier, tier.f32_tier()].into_iter().find(|tier| self.tiers().contains(tier));
        let own = own.ok_or_else(|| {
            let names: Vec<&str> = self.tiers().iter().map(|tier| tier.name()).collect();
            EngineError::Unavailable(format!(
                "{self} has no kernels for {tier}; it has them for {}",
                names.join(", ")
            ))
        })?;
        if own.is_available() {
            Ok(own)
        } else {
            Err(EngineError::Unavailable(crate::simd::TierUnavailable(own).to_string()))
        }
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.precision == self)
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        ROWS.iter().find(|row| row.name == text).map(|row| row.precision).ok_or_else(|| {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            EngineError::Input(format!(
                "there is no precision {:?}; there are {}",
                super::config::shown(text),
                names.join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_taken_for_the_part_that_a_precision_uses() {
        for precision in Precision::all() {
            assert_eq!(precision.name().parse::<Precision>().unwrap(), precision);
            for tier in Tier::available() {
                match precision.tier(tier) {
                    Ok(own) => assert!(own == tier || own == tier.f32_tier(), "{precision} {tier}"),
                    Err(error) => assert!(error.to_string().contains(tier.name()), "{error}"),
                }
            }
        }
        assert!("f7".parse::<Precision>().is_err());
        assert!(Precision::Int8.tier(Tier::Baseline).is_err());
    }
}

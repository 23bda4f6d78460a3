//! Which way to multiply by a matrix that is not packed: straight from it, or packing it on the way.
//!
//! Packing reads and writes B once, whatever the rows of A; what it brings grows with them. So there is a number of rows
//! from which it pays, and it depends on how B lies: one in a near cache whose rows are whole vectors is read as fast as
//! a packed one; rows that begin anywhere cost a second cache line a load; and of one beyond the near caches, prefetchers
//! make little, and caches less where the rows are a power of two apart.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Layout;

/// Multiply-adds from which a second thread pays where nothing was learned: waking one takes tens of microseconds.
pub const USUAL_PARALLEL_WORK: usize = 8 << 20;

static PARALLEL_WORK: AtomicUsize = AtomicUsize::new(USUAL_PARALLEL_WORK);

/// Multiply-adds from which a product in single precision is shared by the threads of its team.
#[must_use]
pub fn parallel_work() -> usize {
    PARALLEL_WORK.load(Ordering::Relaxed)
}

/// Sets that for all products of the process from now on, to what was measured on this machine.
pub fn set_parallel_work(multiply_adds: usize) {
    PARALLEL_WORK.store(multiply_adds, Ordering::Relaxed);
}

/// How to multiply by a right operand that is not packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// In tiles straight from it, which needs [`Layout::KxN`].
    Direct,
    /// Packing it on the way.
    Packing,
}

impl Strategy {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Packing => "packing",
        }
    }
}

/// A right operand as the caller has it.
#[derive(Debug, Clone, Copy)]
pub struct Unpacked<'a> {
    /// `k * n` elements.
    pub values: &'a [f32],
    /// Rows.
    pub k: usize,
    /// Columns.
    pub n: usize,
    /// How they lie.
    pub layout: Layout,
}

/// Rows of A from which packing B pays, by how B lies; measured, since it depends on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossover {
    /// Of a B within the first-level cache.
    pub small: usize,
    /// Of one within the near caches whose rows are whole cache lines.
    pub aligned: usize,
    /// Of one within the near caches whose rows are not.
    pub ragged: usize,
    /// Of a larger one.
    pub large: usize,
    /// Of a larger one whose rows compete for few sets of a cache.
    pub competing: usize,
}

/// Elements of a cache line.
const LINE: usize = 16;

/// Bytes that lie so far apart share a quarter of the sets of a first-level cache of 64 sets, or fewer.
const COMPETING_BYTES: usize = 1 << 10;

/// How a right operand lies.
enum Kind {
    Small,
    Aligned,
    Ragged,
    Large,
    Competing,
}

impl Kind {
    const fn of(k: usize, n: usize) -> Self {
        let row = n.saturating_mul(size_of::<f32>());
        let bytes = k.saturating_mul(row);
        if bytes <= Crossover::SMALL_BYTES {
            Self::Small
        } else if bytes <= Crossover::NEAR_BYTES {
            if n.is_multiple_of(LINE) { Self::Aligned } else { Self::Ragged }
        } else if row.is_multiple_of(COMPETING_BYTES) {
            Self::Competing
        } else {
            Self::Large
        }
    }
}

impl Crossover {
    /// Bytes of B up to which it is within a first-level cache of 48 KiB, with the rows of A and C of a tile.
    pub const SMALL_BYTES: usize = 32 << 10;

    /// Bytes of B up to which it is within the near caches: half of a second-level cache of 1 MiB.
    pub const NEAR_BYTES: usize = 512 << 10;

    /// What is faster for a product with `m` rows.
    #[must_use]
    pub const fn choose(&self, m: usize, b: &Unpacked<'_>) -> Strategy {
        let pays_from = match b.layout {
            Layout::NxK => 0,
            Layout::KxN => match Kind::of(b.k, b.n) {
                Kind::Small => self.small,
                Kind::Aligned => self.aligned,
                Kind::Ragged => self.ragged,
                Kind::Large => self.large,
                Kind::Competing => self.competing,
            },
        };
        if m >= pays_from { Strategy::Packing } else { Strategy::Direct }
    }

    /// The name of the kind that a right operand of `k` rows and `n` columns is of.
    #[must_use]
    pub const fn kind(k: usize, n: usize) -> &'static str {
        match Kind::of(k, n) {
            Kind::Small => "small",
            Kind::Aligned => "aligned",
            Kind::Ragged => "ragged",
            Kind::Large => "large",
            Kind::Competing => "competing",
        }
    }

    /// The rows of every kind, with its name.
    pub fn kinds_mut(&mut self) -> [(&'static str, &mut usize); 5] {
        [
            ("small", &mut self.small),
            ("aligned", &mut self.aligned),
            ("ragged", &mut self.ragged),
            ("large", &mut self.large),
            ("competing", &mut self.competing),
        ]
    }

    /// The rows from which packing pays, from what a product with `rows` of them was seen to take: packing alone, the
    /// product from what was packed, and the product straight from B.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number of rows"
    )]
    pub fn of_times(rows: usize, packing: f64, packed: f64, direct: f64) -> usize {
        // What a hundredth would save is within what such times are uncertain by.
        let saved = direct - 1.01 * packed;
        if saved > 0.0 { (packing / saved * rows as f64).ceil() as usize } else { usize::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_pays_where_its_cost_is_saved() {
        assert_eq!(Crossover::of_times(48, 2.0, 10.0, 12.1), 48);
        assert_eq!(Crossover::of_times(48, 1.0, 10.0, 20.1), 5);
        assert_eq!(Crossover::of_times(48, 1.0, 10.0, 10.0), usize::MAX);
    }

    #[test]
    fn the_choice_follows_how_the_operand_lies() {
        let crossover = Crossover { small: 2000, aligned: usize::MAX, ragged: 100, large: 40, competing: 30 };
        let choose = |m, k, n, layout| crossover.choose(m, &Unpacked { values: &[], k, n, layout });
        assert_eq!(choose(1999, 64, 64, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(1999, 65, 65, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(2000, 65, 65, Layout::KxN), Strategy::Packing);
        assert_eq!(choose(2048, 128, 128, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(99, 128, 129, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(100, 128, 129, Layout::KxN), Strategy::Packing);
        assert_eq!(choose(39, 1024, 1000, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(40, 1024, 1000, Layout::KxN), Strategy::Packing);
        assert_eq!(choose(30, 1024, 1024, Layout::KxN), Strategy::Packing);
        assert_eq!(choose(29, 1024, 1024, Layout::KxN), Strategy::Direct);
        assert_eq!(choose(1, 8, 8, Layout::NxK), Strategy::Packing);
    }
}

//! What work costs before anything runs: operations and bytes counted from its shape, and what a machine would make of it.
//!
//! FLOPs are additions, products, quotients and comparisons of data (a multiply-add is two); exponentials, error functions
//! and square roots are *transcendentals* and counted apart, because no data sheet states their rate. The operations of *matrix* parts are those that
//! a peak is stated for: the intensity, the bound and the attainable time are of these alone. *DRAM bytes* pass
//! the memory bus when what the form of fusion materialises lies in memory and everything else is read once; *core bytes* are
//! what the steps load and store, from whichever level. A store counts once: accelerators and streaming stores read no line first.
//!
//! The formulas are held exactly to implementations that count every operation they do (`counted`).

mod measured;
mod models;
mod outcome;
mod profiles;
mod roofs;

#[cfg(test)]
mod counted;
#[cfg(test)]
mod tests;

pub use measured::{Prediction, median_error, predictions};
pub use models::{Attention, Dot, Encoder, Items, Matmul, Mol};
pub use outcome::{Analytic, CountedPart, CountedWork, Form, MachineOutlook, Model, Unknown};
pub use profiles::{PROFILES, Peak, Profile, profile};
pub use roofs::{Bound, Outlook, Roofs, smallest_batch};

/// A precision of operands and of what is materialised. Sums and scores are of single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    Bf16,
}

impl Precision {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// As in case texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of a number.
    #[must_use]
    pub const fn bytes(self) -> f64 {
        match self {
            Self::F32 => 4.0,
            Self::F16 | Self::Bf16 => 2.0,
        }
    }
}

/// How much of what lies between the steps goes to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fusion {
    /// Everything: each step reads and writes whole tensors, as a framework does without a compiler.
    Eager,
    /// The products write their results; one kernel does what follows.
    Epilogue,
    /// Nothing: one kernel from the inputs to the scores.
    Full,
}

impl Fusion {
    /// Every one, the least fused first.
    pub const ALL: [Self; 3] = [Self::Eager, Self::Epilogue, Self::Full];

    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Epilogue => "epilogue",
            Self::Full => "full",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Eager => "eager (every step through memory)",
            Self::Epilogue => "epilogue-fused (the products' results through memory)",
            Self::Full => "fully fused",
        }
    }
}

/// A part of some work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Operations of matrix products.
    pub matrix_flops: f64,
    /// Other operations.
    pub elementwise_flops: f64,
    /// Exponentials, error functions and square roots.
    pub transcendentals: f64,
}

impl Part {
    /// A part that is a product.
    const fn matrix(name: &'static str, matrix_flops: f64) -> Self {
        Self { name, matrix_flops, elementwise_flops: 0.0, transcendentals: 0.0 }
    }

    /// A part that goes element by element.
    const fn elementwise(name: &'static str, elementwise_flops: f64, transcendentals: f64) -> Self {
        Self { name, matrix_flops: 0.0, elementwise_flops, transcendentals }
    }
}

/// Some work, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// What it is, with its sizes.
    pub title: String,
    /// Its operands' precision.
    pub precision: Precision,
    /// Its operations, part by part.
    pub parts: Vec<Part>,
    /// What the steps load and store.
    pub core_bytes: f64,
    /// What passes the memory bus.
    pub dram_bytes: f64,
}

impl Work {
    /// Operations of matrix products.
    #[must_use]
    pub fn matrix_flops(&self) -> f64 {
        self.parts.iter().map(|part| part.matrix_flops).sum()
    }

    /// Operations besides those.
    #[must_use]
    pub fn elementwise_flops(&self) -> f64 {
        self.parts.iter().map(|part| part.elementwise_flops).sum()
    }

    /// Exponentials, error functions and square roots.
    #[must_use]
    pub fn transcendentals(&self) -> f64 {
        self.parts.iter().map(|part| part.transcendentals).sum()
    }

    /// Operations of matrix products a byte that passes the memory bus.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        (self.dram_bytes > 0.0).then(|| self.matrix_flops() / self.dram_bytes)
    }
}

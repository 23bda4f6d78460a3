//! Mixture of logits: how well items suit a query, by many small dot products and a network that weighs them.
//!
//! A query is `P_Q` components of unit length, an item `P_X`, each `d` wide. Their `P = P_Q P_X` dot products over a
//! temperature are the logits `l`; a pair's gate is `z sigmoid(z)` of `z = q o x + W2 silu(W1 l + b1) + b2`, where `q` and `x` are what the
//! query and the item bring along and the network's hidden layer is `H` wide; the score is `sum of softmax(gate) l`
//! (RAILS: Ding and Zhai, 2024, arXiv:2407.15462, section 3). Component `j` of the item with component `i` of the query is
//! logit `j P_Q + i`.
//!
//! Nearly all of the work is the network's: `4 P H` operations a pair against `2 P d` for the logits. [`Staged`] does a step
//! at a time, over every pair (what a framework does) or over blocks that stay in the caches; [`Fused`] keeps a vector's worth
//! of items from their components to their scores.

mod fused;
mod reference;
mod sample;
mod staged;

pub use fused::Fused;
pub use reference::{plain_scores, reference_scores};
pub use sample::Sample;
pub use staged::{EVERY_PAIR, Precision, Staged};

/// What the dot products are divided by.
pub const TEMPERATURE: f32 = 0.05;

/// The sizes of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extents {
    /// `P_Q`.
    pub query_components: usize,
    /// `P_X`.
    pub item_components: usize,
    /// `d`, the width of a component.
    pub width: usize,
    /// `H`.
    pub hidden: usize,
}

impl Extents {
    /// `P`.
    #[must_use]
    pub const fn logits(&self) -> usize {
        self.query_components * self.item_components
    }

    /// Numbers of a query's components.
    #[must_use]
    pub const fn query_width(&self) -> usize {
        self.query_components * self.width
    }

    /// Numbers of an item's components.
    #[must_use]
    pub const fn item_width(&self) -> usize {
        self.item_components * self.width
    }
}

/// The network that weighs the logits of a pair.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// `W1`, `P x H`: a row a logit.
    pub into_hidden: &'a [f32],
    /// `b1`, a number a hidden unit.
    pub hidden_bias: &'a [f32],
    /// `W2`, `H x P`: a row a hidden unit.
    pub out_of_hidden: &'a [f32],
    /// `b2`, a number a logit.
    pub bias: &'a [f32],
}

/// Queries or items, as their own networks projected them.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The components of one after those of the other.
    pub components: &'a [f32],
    /// What each brings to the gates: `P` numbers.
    pub gates: &'a [f32],
}

impl Side<'_> {
    /// How many there are.
    ///
    /// # Panics
    /// Where components and gates are not of as many.
    fn count(&self, components: usize, logits: usize) -> usize {
        let count = self.gates.len().checked_div(logits).unwrap_or(0);
        let whole = self.gates.len() == count * logits && self.components.len() == count * components;
        assert!(whole, "components and gates of as many queries or items");
        count
    }
}

/// Whether the network is of the extents.
///
/// # Panics
/// Where it is not.
fn check(extents: Extents, network: &Network<'_>) {
    let (p, h) = (extents.logits(), extents.hidden);
    let lengths = [
        (network.into_hidden.len(), p * h),
        (network.hidden_bias.len(), h),
        (network.out_of_hidden.len(), h * p),
        (network.bias.len(), p),
    ];
    assert!(lengths.iter().all(|(has, needs)| has == needs), "the network is of the extents");
}

#[cfg(test)]
mod tests;

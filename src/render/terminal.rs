//! Text for a terminal.

use super::page::Extras;
use crate::analysis::budget::BudgetResult;
use crate::analysis::compare::Comparison;
use crate::analysis::recommend::Recommendation;
use crate::document::{Document, Machine};

macro_rules! views {
    ($($(#[$about:meta])* $name:ident($argument:ident: $type:ty);)*) => {
        $($(#[$about])*
        #[must_use]
        pub fn $name($argument: $type, color: bool, width: usize) -> String {
            let _ = ($argument, color, width);
            String::new()
        })*
    };
}

views! {
    /// The facts of a machine and its readiness.
    machine(machine: &Machine);
    /// The measured roofs.
    ceilings(document: &Document);
    /// Every kernel under its roof.
    kernels(document: &Document);
    /// The embedding pipeline, stage by stage.
    pipeline(document: &Document);
    /// The budget table.
    budgets(budgets: &[BudgetResult]);
    /// The advice.
    recommendations(recommendations: &[Recommendation]);
    /// A comparison.
    comparison(comparison: &Comparison);
}

/// Everything there is to say, headline first.
#[must_use]
pub fn document(document: &Document, extras: &Extras<'_>, color: bool, width: usize) -> String {
    let _ = (document, extras, color, width);
    String::new()
}

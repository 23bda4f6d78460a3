//! What to say about a document.

use crate::analysis::budget::BudgetResult;
use crate::analysis::compare::Comparison;
use crate::analysis::recommend::Recommendation;

/// What was computed beside a document and belongs into its report. Everything may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras<'a> {
    /// The budget table.
    pub budgets: &'a [BudgetResult],
    /// The advice.
    pub recommendations: &'a [Recommendation],
    /// A comparison with another document.
    pub comparison: Option<&'a Comparison>,
}

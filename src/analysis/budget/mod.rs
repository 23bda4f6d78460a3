//! Budgets: limits that a project sets itself, and how the measured cases stand against them.
//!
//! A limit is judged by the right end of the interval: `at most` is met when the upper end is inside and broken when
//! the lower end is outside. Of several cases that answer a budget the worst decides.

mod quantity;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::{CasePattern, Document};

pub use quantity::{Quantity, Unit};

/// How a budget came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetVerdict {
    /// The end of the interval that matters is inside.
    Met,
    /// The other end is outside too.
    Broken,
    /// The limit lies inside the interval.
    Inconclusive,
    /// No case in the document answers it.
    NotMeasured,
}

/// One row of the budget table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetResult {
    /// Name in perfkit.toml.
    pub name: String,
    /// The limit with its unit, for people: `at most 100 ms`.
    pub budget: String,
    /// The measured value with its unit, for people.
    pub measured: Option<String>,
    /// How it came out.
    pub verdict: BudgetVerdict,
    /// The case that answered, and anything a reader must know.
    pub detail: String,
}

/// A limit on a quantity of some cases.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Name in perfkit.toml.
    pub name: String,
    /// The cases that answer.
    pub cases: CasePattern,
    /// For a speed-up or an overhead: the implementation that the cases are compared with.
    pub base: Option<String>,
    /// What is limited.
    pub quantity: Quantity,
    /// The limit.
    pub limit: Limit,
}

/// Which side is inside, in the quantity's unit (seconds, bytes, a rate or a factor).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Larger is broken.
    AtMost(f64),
    /// Smaller is broken.
    AtLeast(f64),
}

/// A budget that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// No such quantity.
    #[error("unknown quantity {0:?}; there are: {list}", list = Quantity::names().join(", "))]
    Quantity(String),
    /// A limit without its unit, or with another's.
    #[error("cannot read the limit {text:?}: write it as {wanted}")]
    Limit {
        /// As written.
        text: String,
        /// An example.
        wanted: &'static str,
    },
    /// Neither or both sides.
    #[error("give at_most or at_least, one of them")]
    Sides,
    /// A comparison without its base, or a base without a comparison.
    #[error("base names an implementation, for speedup and overhead only")]
    Base,
    /// The cases' pattern is broken.
    #[error(transparent)]
    Pattern(#[from] crate::document::PatternError),
}

impl Budget {
    /// Reads one row of perfkit.toml.
    pub fn new(
        name: &str,
        cases: &str,
        base: Option<&str>,
        measure: &str,
        at_most: Option<&str>,
        at_least: Option<&str>,
    ) -> Result<Self, BudgetError> {
        let quantity = Quantity::parse(measure).ok_or_else(|| BudgetError::Quantity(measure.to_owned()))?;
        let read = |text: &str| {
            let unit = quantity.unit();
            unit.parse(text)
                .ok_or_else(|| BudgetError::Limit { text: text.to_owned(), wanted: unit.example() })
        };
        let limit = match (at_most, at_least) {
            (Some(text), None) => Limit::AtMost(read(text)?),
            (None, Some(text)) => Limit::AtLeast(read(text)?),
            _ => return Err(BudgetError::Sides),
        };
        if base.is_some() != quantity.needs_base() {
            return Err(BudgetError::Base);
        }
        Ok(Self {
            name: name.to_owned(),
            cases: CasePattern::new(cases)?,
            base: base.map(str::to_owned),
            quantity,
            limit,
        })
    }

    fn text(&self) -> String {
        match self.limit {
            Limit::AtMost(limit) => format!("at most {}", self.quantity.unit().show(limit)),
            Limit::AtLeast(limit) => format!("at least {}", self.quantity.unit().show(limit)),
        }
    }
}

/// A measured quantity with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Of the median.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// What a reader must know.
    pub note: Option<String>,
}

/// The table: one row a budget, in the given order.
#[must_use]
pub fn judge(document: &Document, budgets: &[Budget]) -> Vec<BudgetResult> {
    budgets.iter().map(|budget| judge_one(document, budget)).collect()
}

/// Whether some budget is broken.
#[must_use]
pub fn any_broken(results: &[BudgetResult]) -> bool {
    results.iter().any(|result| result.verdict == BudgetVerdict::Broken)
}

fn judge_one(document: &Document, budget: &Budget) -> BudgetResult {
    let answers = document.measured().filter(|m| budget.cases.matches(&m.case)).filter_map(|measurement| {
        let measured = budget.quantity.of(document, measurement, budget.base.as_deref())?;
        Some((measurement.case.to_string(), measured))
    });
    let worse = |a: &Measured, b: &Measured| match budget.limit {
        Limit::AtMost(_) => a.value.total_cmp(&b.value),
        Limit::AtLeast(_) => b.value.total_cmp(&a.value),
    };
    let Some((case, measured)) = answers.max_by(|(_, a), (_, b)| worse(a, b)) else {
        return BudgetResult {
            name: budget.name.clone(),
            budget: budget.text(),
            measured: None,
            verdict: BudgetVerdict::NotMeasured,
            detail: format!(
                "no measured case answers it: {} ({})",
                budget.cases.text(),
                budget.quantity.name()
            ),
        };
    };
    let unit = budget.quantity.unit();
    let interval = if measured.low < measured.high {
        format!(" ({} to {})", unit.show(measured.low), unit.show(measured.high))
    } else {
        String::new()
    };
    BudgetResult {
        name: budget.name.clone(),
        budget: budget.text(),
        measured: Some(format!("{}{interval}", unit.show(measured.value))),
        verdict: verdict(budget.limit, &measured),
        detail: match measured.note {
            Some(note) => format!("{}, {case}; {note}", budget.quantity.name()),
            None => format!("{}, {case}", budget.quantity.name()),
        },
    }
}

fn verdict(limit: Limit, measured: &Measured) -> BudgetVerdict {
    let (met, broken) = match limit {
        Limit::AtMost(limit) => (measured.high <= limit, measured.low > limit),
        Limit::AtLeast(limit) => (measured.low >= limit, measured.high < limit),
    };
    match (met, broken) {
        (true, _) => BudgetVerdict::Met,
        (false, true) => BudgetVerdict::Broken,
        (false, false) => BudgetVerdict::Inconclusive,
    }
}

//! Verdicts: their words, budgets, advice.

use super::{Advice, Block, Cell, Section, Table, Tone, number_column, words_column};
use crate::analysis::budget::{BudgetResult, BudgetVerdict};
use crate::analysis::compare::Verdict;
use crate::analysis::recommend::Recommendation;
use crate::render::words;

/// The word of a verdict, and how it is meant.
pub(in crate::render) const fn verdict(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Slower => ("slower", Tone::Bad),
        Verdict::Faster => ("faster", Tone::Good),
        Verdict::Equivalent => ("equivalent", Tone::Quiet),
        Verdict::Inconclusive => ("inconclusive", Tone::Warn),
    }
}

/// The word of a budget's verdict, and how it is meant.
pub(in crate::render) const fn budget_verdict(verdict: BudgetVerdict) -> (&'static str, Tone) {
    match verdict {
        BudgetVerdict::Met => ("met", Tone::Good),
        BudgetVerdict::Broken => ("broken", Tone::Bad),
        BudgetVerdict::Inconclusive => ("inconclusive", Tone::Warn),
        BudgetVerdict::NotMeasured => ("not measured", Tone::Quiet),
    }
}

/// The budget table.
pub(in crate::render) fn budgets(budgets: &[BudgetResult]) -> Option<Section> {
    let rows = budgets.iter().map(|budget| {
        let (word, tone) = budget_verdict(budget.verdict);
        vec![
            Cell::text(&*budget.name),
            Cell::text(&*budget.budget),
            budget.measured.as_deref().map_or_else(Cell::none, Cell::text),
            Cell::text(word).tone(tone),
            Cell::text(&*budget.detail).tone(Tone::Quiet),
        ]
    });
    let broken = budgets.iter().filter(|b| b.verdict == BudgetVerdict::Broken).count();
    let lead = if broken == 0 {
        let met = budgets.iter().filter(|b| b.verdict == BudgetVerdict::Met).count();
        format!("{met} of {} met, none broken.", words::counted(budgets.len(), "budget", "budgets"))
    } else {
        format!("{broken} of {} broken.", words::counted(budgets.len(), "budget", "budgets"))
    };
    (!budgets.is_empty()).then(|| Section {
        id: "budgets",
        title: "Budgets".to_owned(),
        lead: Some(lead),
        blocks: vec![Block::Table(Table {
            caption: "Limits of perfkit.toml against what was measured".to_owned(),
            columns: vec![
                words_column("Budget", 0),
                number_column("Limit", 0),
                number_column("Measured", 0),
                words_column("Verdict", 0),
                words_column("Answered by", 1),
            ],
            rows: rows.collect(),
            folded: false,
        })],
    })
}

/// The advice.
pub(super) fn advice(recommendations: &[Recommendation]) -> Option<Section> {
    let advice = recommendations.iter().map(|r| Advice {
        action: r.action.clone(),
        why: r.why.clone(),
        effect: r.expected_effect.map_or_else(
            || r.effect_source.clone(),
            |effect| format!("{} ({})", words::factor(effect), r.effect_source),
        ),
        evidence: r.evidence.iter().map(ToString::to_string).collect(),
    });
    (!recommendations.is_empty()).then(|| Section {
        id: "advice",
        title: "Advice".to_owned(),
        lead: Some("What the measured facts suggest, the largest effect first.".to_owned()),
        blocks: vec![Block::Advice(advice.collect())],
    })
}

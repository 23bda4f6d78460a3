//! Verdicts: comparison, budgets, advice.

use super::{Advice, Block, Cell, Note, Section, Table, Tone, number_column, words_column};
use crate::analysis::budget::{BudgetResult, BudgetVerdict};
use crate::analysis::compare::{Change, Comparison, Verdict};
use crate::analysis::recommend::Recommendation;
use crate::render::figure;
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

/// A comparison, the largest slowdown first.
pub(super) fn comparison(comparison: Option<&Comparison>) -> Option<Section> {
    let comparison = comparison?;
    let mut blocks = Vec::new();
    if let Some(why) = &comparison.refused {
        blocks.push(Block::Notes(vec![Note {
            tone: Tone::Bad,
            name: "refused".to_owned(),
            text: why.to_string(),
            remedy: None,
        }]));
    }
    let picture = figure::comparison(comparison);
    if !picture.is_empty() {
        blocks.push(Block::Figure(Box::new(picture)));
    }
    let (same, different): (Vec<&Change>, Vec<&Change>) =
        comparison.changes.iter().partition(|change| change.verdict == Verdict::Equivalent);
    if !different.is_empty() {
        let caption = "Time of the candidate against the baseline: more is slower";
        blocks.push(Block::Table(changes(caption, different, false)));
    }
    if !same.is_empty() {
        let folded = same.len() > 12;
        blocks.push(Block::Table(changes("Cases shown to be as fast as before", same, folded)));
    }
    for (name, cases) in
        [("only in the baseline", &comparison.missing), ("only in the candidate", &comparison.new)]
    {
        if !cases.is_empty() {
            blocks.push(Block::Table(list(name, cases)));
        }
    }
    Some(Section { id: "comparison", title: "Comparison".to_owned(), lead: Some(tally(comparison)), blocks })
}

/// `3 slower, 1 faster, 40 equivalent, 2 inconclusive of 46 cases`.
fn tally(comparison: &Comparison) -> String {
    let all = [Verdict::Slower, Verdict::Faster, Verdict::Equivalent, Verdict::Inconclusive];
    let parts = all.map(|wanted| {
        let count = comparison.changes.iter().filter(|change| change.verdict == wanted).count();
        format!("{count} {}", verdict(wanted).0)
    });
    format!("{} of {}.", parts.join(", "), words::counted(comparison.changes.len(), "case", "cases"))
}

fn changes(caption: &str, mut sorted: Vec<&Change>, folded: bool) -> Table {
    sorted.sort_by(|a, b| {
        (a.verdict, b.ratio.value)
            .partial_cmp(&(b.verdict, a.ratio.value))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let rows = sorted.into_iter().map(|change| {
        let (word, tone) = verdict(change.verdict);
        let ratio = change.ratio;
        vec![
            Cell::text(&*change.case),
            Cell::text(word).tone(tone),
            Cell::number(ratio.value, words::change(ratio.value)),
            Cell::text(format!("{} to {}", words::change(ratio.low), words::change(ratio.high))),
            Cell::maybe(change.minimum_detectable_effect, |x| words::change(1.0 + x)),
            Cell::text(&*change.evidence).tone(Tone::Quiet),
        ]
    });
    Table {
        caption: caption.to_owned(),
        columns: vec![
            words_column("Case", 0),
            words_column("Verdict", 0),
            number_column("Time", 0),
            number_column("95 % interval", 1),
            number_column("Could have shown", 2),
            words_column("Evidence", 3),
        ],
        rows: rows.collect(),
        folded,
    }
}

fn list(name: &str, cases: &[String]) -> Table {
    Table {
        caption: format!("Cases {name}"),
        columns: vec![words_column("Case", 0)],
        rows: cases.iter().map(|case| vec![Cell::text(&**case)]).collect(),
        folded: cases.len() > 12,
    }
}

/// The budget table.
pub(super) fn budgets(budgets: &[BudgetResult]) -> Option<Section> {
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

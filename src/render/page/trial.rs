//! The trials of a self-test.

use super::{Block, Cell, Fact, Note, Section, Table, Tone, number_column, words_column};
use crate::document::{AaCase, DialTrials, Selftest, SuiteTrials};
use crate::units;

/// How trustworthy measuring is on a host.
pub(super) fn selftest(selftest: &Selftest) -> Section {
    let mut blocks = vec![Block::Facts(facts(selftest))];
    if selftest.aa.trials > 0 {
        blocks.push(Block::Table(against_itself(&selftest.aa.cases)));
    }
    if !selftest.dial.is_empty() {
        blocks.push(Block::Table(against_slower(&selftest.dial)));
    }
    let notes: Vec<Note> = [
        (selftest.interrupted, "interrupted: trials are missing"),
        (selftest.aa.failed > 0, "the control failed in some trials, which then gave no verdict"),
        (!selftest.optimised, "an unoptimised build: these trials mean nothing"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, text)| Note { tone: Tone::Warn, name: "note".to_owned(), text: text.to_owned(), remedy: None })
    .collect();
    if !notes.is_empty() {
        blocks.push(Block::Notes(notes));
    }
    Section {
        id: "selftest",
        title: "Self-test".to_owned(),
        lead: Some(
            "Every trial is one call of `perfkit regress` whose right answer is known; seconds are of sampling."
                .to_owned(),
        ),
        blocks,
    }
}

fn facts(selftest: &Selftest) -> Vec<Fact> {
    let noise = &selftest.noise;
    let share = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), units::percent);
    let mut facts = vec![
        Fact::new("clock step", units::seconds(selftest.timer.precision_seconds)),
        Fact::new("time stolen by the hypervisor", share(noise.steal_fraction)),
        Fact::new("time something waited for a CPU", share(noise.cpu_pressure_fraction)),
        Fact::new("neighbours disturbing on purpose", selftest.noise_neighbours.to_string()),
    ];
    let aa = &selftest.aa;
    if aa.trials > 0 {
        let text = format!("{} ({} of {})", interval(aa.bound), aa.false_slower, aa.trials);
        facts.push(Fact::new("false `slower`, 95 % interval", text));
    }
    facts.extend(selftest.suites.as_ref().map(suites));
    facts
}

fn suites(trials: &SuiteTrials) -> Fact {
    let text = format!(
        "{} ({} of {} suites of {} cases; {} of all cases shown equivalent)",
        interval(trials.bound),
        trials.any_false_slower,
        trials.suites,
        trials.cases,
        share(trials.equivalent, trials.suites * trials.cases)
    );
    Fact::new("suites with any false `slower`", text)
}

fn against_itself(cases: &[AaCase]) -> Table {
    let rows = cases.iter().map(|case| {
        let wrong = case.false_slower + case.false_faster;
        vec![
            Cell::text(&*case.name),
            Cell::text(case.trials.to_string()),
            Cell::text(case.false_slower.to_string()).tone(if wrong == 0 { Tone::Good } else { Tone::Bad }),
            Cell::text(case.false_faster.to_string()),
            Cell::text(case.equivalent.to_string()),
            Cell::text(format!(
                "{} in {} ({})",
                share(case.equivalent_in_goal, case.trials),
                units::seconds(case.goal_seconds),
                interval(case.equivalent_bound)
            )),
            Cell::maybe(case.seconds_median, units::seconds),
            Cell::text(&*case.case).tone(Tone::Quiet),
        ]
    });
    Table {
        caption: "A program against itself".to_owned(),
        columns: vec![
            words_column("Case", 0),
            number_column("Trials", 0),
            number_column("False slower", 0),
            number_column("False faster", 0),
            number_column("Equivalent", 0),
            number_column("Within the goal", 0),
            number_column("Median", 1),
            words_column("What was run", 2),
        ],
        rows: rows.collect(),
        folded: false,
    }
}

fn against_slower(rows: &[DialTrials]) -> Table {
    let rows = rows.iter().map(|row| {
        vec![
            Cell::text(&*row.name),
            Cell::text(format!("+{}", units::percent(row.slowdown))),
            Cell::maybe(row.measured_slowdown, |x| format!("+{}", units::percent(x))),
            Cell::text(row.trials.to_string()),
            Cell::text(format!("{} ({})", share(row.found, row.trials), row.found)),
            Cell::text(format!(
                "{} in {} ({})",
                share(row.found_in_goal, row.trials),
                units::seconds(row.goal_seconds),
                interval(row.bound)
            )),
            Cell::maybe(row.seconds_median, units::seconds),
            Cell::text(format!("--max-regression {}", row.max_regression)).tone(Tone::Quiet),
        ]
    });
    Table {
        caption: "A program against a slower one".to_owned(),
        columns: vec![
            words_column("Case", 0),
            number_column("More work", 0),
            number_column("Measured", 1),
            number_column("Trials", 0),
            number_column("Found", 0),
            number_column("Within the goal", 0),
            number_column("Median", 1),
            words_column("Margin", 2),
        ],
        rows: rows.collect(),
        folded: false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are small")]
fn share(part: usize, all: usize) -> String {
    if all == 0 { "-".to_owned() } else { units::percent(part as f64 / all as f64) }
}

fn interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", units::percent(low), units::percent(high))
}

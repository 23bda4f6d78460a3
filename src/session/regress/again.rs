//! Measures the cases of a baseline again, on this build.

use crate::analysis::compare::{Margin, Verdict, compare};
use crate::catalog::{self, Extensiveness};
use crate::document::{Case, Document, Machine};
use crate::measure::Plan;

use crate::session::bench::{Bench, Roofs, pin, schedule};
use crate::session::recorder::{Beginning, Recorder};
use crate::session::selection::Selection;
use crate::session::{Observer, Stop};

/// Times that a case which came out slower is measured again before it is believed.
const CONFIRMATIONS: usize = 2;

/// A document with the baseline's cases, with the seed of its inputs.
///
/// A case that comes out slower is prepared and measured again, up to twice, and its best measurement kept: what the
/// host did to one of them is no regression, and a regression is there every time. The document's notes say so.
///
/// # Errors
/// The baseline holds no case of this catalog, or the process cannot be prepared.
pub fn measure_again(
    baseline: &Document,
    machine: Machine,
    margin: Margin,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> anyhow::Result<Document> {
    let known = |case: &&Case| catalog::find(&case.benchmark).is_some();
    let filters: Vec<String> =
        baseline.measured().map(|m| &m.case).filter(known).map(ToString::to_string).collect();
    anyhow::ensure!(!filters.is_empty(), "the baseline holds no case of this catalog to measure again");
    let effective = pin(None, &machine)?;
    let selection = Selection { filters, ..Selection::usual(&machine, Extensiveness::Default) };
    let plan = schedule(&selection, &machine, Roofs::Selected)?;
    let beginning = Beginning {
        command: "regress".to_owned(),
        suite: baseline.run.suite.clone(),
        seed: baseline.run.seed,
        journal: None,
    };
    let mut recorder = Recorder::new(machine, beginning, effective.get(), stop, observer);
    let mut bench = Bench::new(&Plan::DEFAULT, baseline.run.seed, recorder.document().machine.clone());
    bench.run(&plan, &mut recorder)?;
    for _ in 0..CONFIRMATIONS {
        let slower = slower_cases(baseline, recorder.document(), margin);
        if slower.is_empty() || stop.requested() {
            break;
        }
        bench.repeat("slower cases again", &slower, &mut recorder)?;
        let note =
            format!("{} case(s) that came out slower were measured again, the best kept", slower.len());
        recorder.conditions_mut().notes.push(note);
    }
    recorder.finish()
}

fn slower_cases(baseline: &Document, candidate: &Document, margin: Margin) -> Vec<Case> {
    let changes = compare(baseline, candidate, margin).changes;
    let slower = changes.into_iter().filter(|change| change.verdict == Verdict::Slower);
    slower.filter_map(|change| change.case.parse().ok()).collect()
}

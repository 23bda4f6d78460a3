//! What of a baseline can be set against runs of here and now.

use crate::analysis::compare::{Refusal, compare};
use crate::catalog;
use crate::document::{Baseline, Case, Machine};
use crate::session::recorder::tool;
use crate::session::selection::absent_tier;

use super::StoredRequest;

/// Why nothing is to be measured: another machine, or a build without optimisation on either side.
pub(super) fn refusal(baseline: &Baseline, machine: &Machine, request: &StoredRequest) -> Option<Refusal> {
    let mut here = baseline.document.clone();
    here.machine = machine.clone();
    here.run.optimised = request.optimised;
    compare(&baseline.document, &here, request.margin).refused
}

/// Reference kernels of another version are other code: what was divided by them is not comparable.
pub(super) fn other_kernels(baseline: &Baseline) -> Option<String> {
    let (here, there) = (tool(), &baseline.document.run.tool);
    (*there != here).then(|| format!("the reference kernels are of {there}, here of {here}: record again"))
}

/// Why the runs of two baselines cannot be set against each other, where so.
#[must_use]
pub fn why_incomparable(old: &Baseline, new: &Baseline) -> Option<String> {
    let (a, b) = (&old.document, &new.document);
    if a.machine.fingerprint != b.machine.fingerprint {
        Some("the machine is another one by its fingerprint".to_owned())
    } else if !old.has_run_level_values() || !new.has_run_level_values() {
        Some("one of them has no runs beside reference kernels".to_owned())
    } else if a.run.tool != b.run.tool {
        Some(format!("the reference kernels are of {} and of {}", a.run.tool, b.run.tool))
    } else if old.references != new.references {
        Some("the reference kernels are of other tiers or sizes".to_owned())
    } else {
        None
    }
}

/// The measured cases of a baseline that can be prepared here, and the others.
pub(super) fn known_cases(baseline: &Baseline) -> (Vec<Case>, Vec<Case>) {
    baseline.document.measured().map(|m| m.case.clone()).partition(is_known)
}

fn is_known(case: &Case) -> bool {
    let Some(benchmark) = catalog::find(&case.benchmark) else { return false };
    let Some(tier) = case.tier.ours() else { return false };
    let mut implementations = benchmark.card().implementations.iter();
    implementations.any(|i| i.name == case.implementation && i.tiers.contains(&tier))
        && benchmark.cost(&case.shape).is_some()
        && absent_tier(case).is_none()
}

/// The commit that a baseline was recorded from; `None` where its tree had changes that no build would bring back.
pub(super) fn clean_commit(baseline: &Baseline) -> Option<String> {
    baseline.source.as_ref().filter(|source| !source.dirty).map(|source| source.commit.clone())
}

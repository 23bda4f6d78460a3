//! A suite as a whole: how many of its regressions to believe, and whether their sum is plausible.
//!
//! Fifty unchanged benchmarks at 5 % each would bring a false alarm in most runs. The e-value form of Benjamini and
//! Hochberg's procedure (Wang and Ramdas 2022, "False discovery rate control with e-values") bounds the share of false
//! ones among what it reports under any dependence between the cases, which share a host and its neighbours. Where
//! nothing has changed that share is the chance of any false alarm at all.

use super::State;
use super::e_process::float;

/// Which of the claims with this evidence (`ln E`) are rejected together at level `q`: the `k` strongest, for the
/// largest `k` whose weakest has `E >= m / (k q)`. What is not a number is no evidence.
#[must_use]
pub fn e_benjamini_hochberg(ln_e: &[f64], q: f64) -> Vec<bool> {
    let evidence = |index: usize| if ln_e[index].is_nan() { f64::NEG_INFINITY } else { ln_e[index] };
    let mut order: Vec<usize> = (0..ln_e.len()).collect();
    order.sort_by(|&a, &b| evidence(b).total_cmp(&evidence(a)));
    // Subtracted in this order, one claim's bar is to the last bit the one at which a `Decider` stops.
    let bar = |k: usize| -q.ln() + float(ln_e.len()).ln() - float(k).ln();
    let shown = (1..=order.len()).rev().find(|&k| evidence(order[k - 1]) >= bar(k)).unwrap_or(0);
    let mut rejected = vec![false; ln_e.len()];
    order[..shown].iter().for_each(|&index| rejected[index] = true);
    rejected
}

/// The final states of a suite's cases, from each one's state and `ln E` of slower: those that were undecided when
/// sampling ended are slower where the suite as a whole shows it. A verdict that was shown stays.
#[must_use]
pub fn settle(cases: &[(State, f64)], q: f64) -> Vec<State> {
    // Evidence may be lowered without harm: whoever was shown to be something else claims nothing.
    let claims: Vec<f64> = cases
        .iter()
        .map(|&(state, ln_e)| match state {
            State::Slower | State::Undecided => ln_e,
            State::Faster | State::Equivalent => f64::NEG_INFINITY,
        })
        .collect();
    let rejected = e_benjamini_hochberg(&claims, q);
    cases
        .iter()
        .zip(rejected)
        .map(|(&(state, _), slower)| if slower { State::Slower } else { state })
        .collect()
}

/// Changed cases below which one-sidedness proves nothing: with eight, all on one side is a chance of 1 in 128.
const CHANGED_CASES: usize = 10;

/// A sentence where the changes of a suite are implausibly one-sided, as they are when two different machines, builds
/// or moments are compared and not two versions of a program. It is a note: a change for the worse everywhere is
/// possible too.
#[must_use]
pub fn symmetry(slower: usize, faster: usize) -> Option<String> {
    let changed = slower + faster;
    let chance = two_sided_binomial(slower.min(faster), changed);
    (changed >= CHANGED_CASES && chance <= 0.01).then(|| {
        let (many, side, few, other) =
            if slower > faster { (slower, "slower", faster, "faster") } else { (faster, "faster", slower, "slower") };
        format!(
            "{many} of {changed} changed cases are {side} and {few} {other}: so one-sided a result (two-sided binomial p = {}) \
             often means another machine, build or moment and not another program",
            crate::units::significant(chance, 2)
        )
    })
}

/// The chance that `n` tosses of a fair coin split at least as unevenly as `fewer` against the rest.
fn two_sided_binomial(fewer: usize, n: usize) -> f64 {
    if 2 * fewer >= n {
        return 1.0;
    }
    // From the probability of no head at all upwards, in logarithms so that large suites do not underflow early.
    let mut ln_term = -float(n) * std::f64::consts::LN_2;
    let mut tail = ln_term.exp();
    for k in 1..=fewer {
        ln_term += (float(n + 1 - k) / float(k)).ln();
        tail += ln_term.exp();
    }
    (2.0 * tail).min(1.0)
}

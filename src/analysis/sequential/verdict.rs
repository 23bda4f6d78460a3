//! The verdict on one case: a state machine fed with one value a block.
//!
//! Slower: the effect is shown to exceed the lower margin. Faster: the same the other way. Equivalent: both ends are
//! shown to lie inside the upper margin. Between the margins either is right. The first that is shown stands, and what
//! comes after it changes nothing: each claim's evidence holds at the moment it was shown, whenever that was.

use super::autocorrelation::{lag1, merge_dependent};
use super::e_process::{Side, SignEvidence, float, ln_required};
use super::interval::{effect, median_sequence};
use crate::analysis::compare::Margin;

/// Blocks before the first look: fewer are no sample, whatever they say.
pub const FIRST_LOOK: usize = 3;

/// The margins of a comparison in the logarithm of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margins {
    /// An effect beyond this, on either side, is a change.
    pub lower: f64,
    /// An effect inside this, on both sides, is equivalence.
    pub upper: f64,
}

impl From<Margin> for Margins {
    fn from(margin: Margin) -> Self {
        Self { lower: margin.lower.ln_1p(), upper: margin.upper.ln_1p() }
    }
}

/// What the blocks so far have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Slower by more than the lower margin.
    Slower,
    /// Faster by more than the lower margin.
    Faster,
    /// Within the upper margin.
    Equivalent,
    /// Nothing yet.
    Undecided,
}

/// All that is known at one moment, for the output and for the suite's correction. Effects are log ratios.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// Blocks measured.
    pub blocks: usize,
    /// Values that the evidence rests on: fewer than the blocks where dependent neighbours were merged.
    pub values: usize,
    /// Of "slower by more than the lower margin": a natural logarithm, for the suite's e-BH.
    pub ln_e_slower: f64,
    /// Of "faster by more than the lower margin".
    pub ln_e_faster: f64,
    /// Of "within the upper margin": the weaker of the two one-sided claims.
    pub ln_e_equivalent: f64,
    /// The median of the blocks' values.
    pub effect: Option<f64>,
    /// Lower end of its interval, at level alpha at any number of blocks.
    pub low: Option<f64>,
    /// Upper end of the same.
    pub high: Option<f64>,
    /// The slowdown, as a share, that evidence of this width would have shown.
    pub minimum_detectable_effect: Option<f64>,
    /// Rank correlation of neighbouring blocks, from the tenth on.
    pub lag1: Option<f64>,
    /// Whether neighbouring blocks depended on each other and were merged.
    pub merged: bool,
}

/// Decides one case of a suite.
#[derive(Debug, Clone)]
pub struct Decider {
    margins: Margins,
    alpha: f64,
    suite_size: usize,
    values: Vec<f64>,
    state: State,
}

impl Decider {
    /// A decider without values. `alpha` is the error granted to each claim, and to false slower verdicts in a suite of
    /// `suite_size` cases.
    #[must_use]
    pub fn new(margin: Margin, alpha: f64, suite_size: usize) -> Self {
        Self {
            margins: margin.into(),
            alpha,
            suite_size: suite_size.max(1),
            values: Vec::new(),
            state: State::Undecided,
        }
    }

    /// Takes one block's `ln(candidate / base)` and answers the state after it. What is no finite number is no block;
    /// nor is anything after a verdict, whose evidence is that of the moment it was shown.
    pub fn push(&mut self, z: f64) -> State {
        if z.is_finite() && self.state == State::Undecided {
            self.values.push(z);
            self.state = self.look();
        }
        self.state
    }

    /// What has been shown.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The values taken so far.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The evidence so far; that of the verdict once there is one.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let merged = merge_dependent(&self.values);
        let ln_e = |threshold, side| {
            SignEvidence::of(&merged, threshold, side).min(SignEvidence::of(&self.values, threshold, side))
        };
        let Margins { lower, upper } = self.margins;
        let effect = effect(&self.values);
        let interval = self.interval(&merged);
        Evidence {
            blocks: self.values.len(),
            values: merged.len(),
            ln_e_slower: ln_e(lower, Side::Above),
            ln_e_faster: ln_e(-lower, Side::Below),
            ln_e_equivalent: ln_e(upper, Side::Below).min(ln_e(-upper, Side::Above)),
            effect,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
            minimum_detectable_effect: effect
                .zip(interval)
                .map(|(effect, (low, _))| (lower + (effect - low)).exp_m1()),
            lag1: lag1(&self.values),
            merged: merged.len() < self.values.len(),
        }
    }

    /// The hull of the intervals of the merged and of the plain values. A claim must hold for both: the mean of two
    /// skewed values has another median than they, and under independent blocks the plain evidence is exact however
    /// often chance has neighbours merged.
    fn interval(&self, merged: &[f64]) -> Option<(f64, f64)> {
        let (low, high) = median_sequence(&self.values, self.alpha)?;
        let (merged_low, merged_high) = median_sequence(merged, self.alpha)?;
        Some((low.min(merged_low), high.max(merged_high)))
    }

    fn look(&self) -> State {
        if self.values.len() < FIRST_LOOK {
            return State::Undecided;
        }
        let evidence = self.evidence();
        let required = ln_required(self.alpha);
        // The bar that e-BH sets for a single rejection among m: whoever passes it is rejected whatever the others do,
        // so sampling may stop here. Below it, between 1/alpha and m/alpha, the rest of the suite decides.
        let suite_required = required + float(self.suite_size).ln();
        if evidence.ln_e_slower >= suite_required {
            State::Slower
        } else if evidence.ln_e_faster >= required {
            State::Faster
        } else if evidence.ln_e_equivalent >= required {
            State::Equivalent
        } else {
            State::Undecided
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MARGIN: Margin = Margin { lower: 0.005, upper: 0.015 };

    fn fed(values: &[f64], suite_size: usize) -> Decider {
        let mut decider = Decider::new(MARGIN, 0.05, suite_size);
        values.iter().for_each(|&z| {
            decider.push(z);
        });
        decider
    }

    #[test]
    fn seven_blocks_that_agree_are_a_verdict() {
        for (z, state) in [(0.03, State::Slower), (-0.03, State::Faster), (0.001, State::Equivalent)] {
            assert_eq!(fed(&[z; 6], 1).state(), State::Undecided, "{z}");
            assert_eq!(fed(&[z; 7], 1).state(), state, "{z}");
        }
        // The middle between the margins is both; the regression is said.
        assert_eq!(fed(&[0.01; 7], 1).state(), State::Slower);
    }

    #[test]
    fn the_first_verdict_stands_with_its_evidence() {
        let mut decider = fed(&[0.03; 7], 1);
        let evidence = decider.evidence();
        for _ in 0..40 {
            assert_eq!(decider.push(-0.5), State::Slower);
        }
        assert_eq!(decider.evidence(), evidence);
        assert_eq!(decider.evidence().blocks, 7);
    }

    #[test]
    fn a_suite_raises_the_bar_for_slower_alone() {
        assert_eq!(fed(&[0.03; 12], 50).state(), State::Undecided);
        assert_eq!(fed(&[0.03; 13], 50).state(), State::Slower);
        assert_eq!(fed(&[-0.03; 7], 50).state(), State::Faster);
        // What a single case would have taken for a verdict is kept for the suite.
        assert!(fed(&[0.03; 12], 50).evidence().ln_e_slower >= ln_required(0.05));
    }

    #[test]
    fn an_inconclusive_case_says_what_it_could_have_found() {
        let noisy: Vec<f64> = (0..20).map(|i| if i % 2 == 0 { 0.03 } else { -0.03 }).collect();
        let decider = fed(&noisy, 1);
        let evidence = decider.evidence();
        assert_eq!(decider.state(), State::Undecided);
        assert_eq!((evidence.low, evidence.high), (Some(-0.03), Some(0.03)));
        // Half a percent and the half-width of three.
        let expected = 1.005 * 0.03_f64.exp() - 1.0;
        assert!((evidence.minimum_detectable_effect.unwrap() - expected).abs() < 1e-12);
        assert_eq!(fed(&noisy[..6], 1).evidence().minimum_detectable_effect, None);
    }

    #[test]
    fn without_blocks_there_is_no_evidence() {
        let evidence = fed(&[], 1).evidence();
        assert_eq!((evidence.blocks, evidence.effect, evidence.low, evidence.lag1), (0, None, None, None));
        assert_eq!((evidence.ln_e_slower, evidence.ln_e_equivalent), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn verdict_and_interval_agree(
            values in prop::collection::vec(prop_oneof![-0.05..0.05_f64, Just(0.03), Just(f64::NAN)], 0..60),
        ) {
            let decider = fed(&values, 1);
            let evidence = decider.evidence();
            let lower = Margins::from(MARGIN).lower;
            let slower = evidence.low.is_some_and(|low| low > lower);
            prop_assert_eq!(slower, evidence.ln_e_slower >= ln_required(0.05));
            prop_assert_eq!(decider.state() == State::Slower, slower);
        }

        #[test]
        fn any_numbers_are_taken(values in prop::collection::vec(any::<f64>(), 0..80), lower in any::<f64>()) {
            let mut decider = Decider::new(Margin { lower, upper: lower }, 0.05, 0);
            for value in values {
                decider.push(value);
            }
            let evidence = decider.evidence();
            prop_assert!(evidence.ln_e_slower.is_finite() && evidence.ln_e_equivalent.is_finite());
        }
    }
}

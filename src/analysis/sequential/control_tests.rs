//! Tests of the always-on control.

use proptest::prelude::*;

use super::control::{Control, ControlVerdict};
use crate::analysis::compare::Margin;
use crate::sys::Rng;

const MARGIN: Margin = Margin { lower: 0.005, upper: 0.015 };

#[test]
fn few_blocks_say_nothing() {
    let control = Control::new(MARGIN);
    // Two sides at 2.5 % each: seven that agree reach an evidence of 31.9, and 40 are needed.
    assert_eq!(control.blocks_needed(), 8);
    assert_eq!(control.judge(&[0.2; 7]).verdict, ControlVerdict::TooFew);
    assert_eq!(control.judge(&[0.0; 7]).verdict, ControlVerdict::TooFew);
    assert_eq!(control.judge(&[]).blocks, 0);
    assert_eq!(control.judge(&[f64::NAN; 30]).verdict, ControlVerdict::TooFew);
}

#[test]
fn a_base_that_differs_from_itself_fails() {
    let control = Control::new(MARGIN);
    assert_eq!(control.judge(&[0.006; 8]).verdict, ControlVerdict::Failed);
    assert_eq!(control.judge(&[-0.006; 8]).verdict, ControlVerdict::Failed);
    let holds = control.judge(&[0.004; 100]);
    assert_eq!((holds.verdict, holds.blocks, holds.effect), (ControlVerdict::Holds, 100, Some(0.004)));
}

#[test]
fn a_margin_of_nothing_still_tolerates_a_thousandth() {
    let control = Control::new(Margin { lower: 0.0, upper: 0.01 });
    assert!((control.threshold() - 0.001_f64.ln_1p()).abs() < 1e-15);
    assert_eq!(control.judge(&[0.0009; 60]).verdict, ControlVerdict::Holds);
    assert_eq!(control.judge(&[0.0011; 60]).verdict, ControlVerdict::Failed);
}

#[test]
fn a_sound_harness_is_rarely_blamed_and_a_biased_one_found() {
    let control = Control::new(MARGIN);
    let failures = |bias: f64, seed: u64| {
        let mut rng = Rng::new(seed);
        (0..300)
            .filter(|_| {
                let values: Vec<f64> = (0..60).map(|_| bias + 0.01 * rng.normal()).collect();
                (3..=60).any(|n| control.judge(&values[..n]).verdict == ControlVerdict::Failed)
            })
            .count()
    };
    let (sound, biased) = (failures(0.0, 41), failures(0.02, 42));
    assert!(sound <= 3, "{sound} of 300 sound harnesses blamed");
    assert!(biased == 300, "{biased} of 300 biased harnesses found");
}

proptest! {
    #[test]
    fn any_numbers_are_taken(values in prop::collection::vec(any::<f64>(), 0..80)) {
        prop_assert!(Control::new(MARGIN).judge(&values).ln_e.is_finite());
    }
}

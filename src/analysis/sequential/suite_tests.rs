//! Tests of what is said of a suite as a whole.

use proptest::prelude::*;

use super::State;
use super::suite::{e_benjamini_hochberg, settle, symmetry};

#[test]
fn the_strongest_claims_carry_weaker_ones() {
    // Four claims at q = 0.05 need E of 80, 40, 26.7 and 20.
    let rejected = |e: [f64; 4]| e_benjamini_hochberg(&e.map(f64::ln), 0.05);
    assert_eq!(rejected([79.0, 1.0, 1.0, 1.0]), [false; 4]);
    assert_eq!(rejected([1.0, 81.0, 1.0, 1.0]), [false, true, false, false]);
    assert_eq!(rejected([41.0, 1.0, 41.0, 1.0]), [true, false, true, false]);
    assert_eq!(rejected([21.0; 4]), [true; 4]);
    assert_eq!(rejected([21.0, 21.0, 21.0, 19.0]), [false; 4]);
    assert_eq!(e_benjamini_hochberg(&[], 0.05), Vec::<bool>::new());
}

#[test]
fn a_suite_settles_what_sampling_left_open() {
    let strong = 60.0_f64.ln();
    let cases = [(State::Undecided, strong), (State::Undecided, strong), (State::Equivalent, strong)];
    assert_eq!(settle(&cases, 0.05), [State::Slower, State::Slower, State::Equivalent]);
    // Alone among three it would need 60 exactly; the two above carried each other.
    let alone = [(State::Undecided, 59.0_f64.ln()), (State::Faster, strong), (State::Undecided, 0.0)];
    assert_eq!(settle(&alone, 0.05), [State::Undecided, State::Faster, State::Undecided]);
}

#[test]
fn what_stopped_early_is_slower_in_the_end() {
    for size in 1..60 {
        let mut decider =
            super::Decider::new(crate::analysis::compare::Margin { lower: 0.005, upper: 0.015 }, 0.05, size);
        while decider.push(0.03) == State::Undecided {}
        let mut cases = vec![(State::Undecided, 0.0); size - 1];
        cases.push((decider.state(), decider.evidence().ln_e_slower));
        assert_eq!(settle(&cases, 0.05).last(), Some(&State::Slower), "{size}");
    }
}

#[test]
fn one_sided_suites_are_noted() {
    assert_eq!(symmetry(9, 0), None, "nine cases are too few to say");
    assert_eq!(symmetry(10, 1), None, "p = 0.012");
    assert_eq!(symmetry(10, 10), None);
    assert_eq!(symmetry(0, 0), None);
    let note = symmetry(10, 0).unwrap();
    assert!(note.starts_with("10 of 10 changed cases are slower and 0 faster"), "{note}");
    assert!(note.contains("p = 0.002"), "{note}");
    assert!(symmetry(1, 30).unwrap().contains("30 of 31 changed cases are faster"));
    assert!(symmetry(3000, 0).is_some());
}

proptest! {
    #[test]
    fn stronger_claims_are_rejected_first(ln_e in prop::collection::vec(any::<f64>(), 0..40), q in 0.001..0.5_f64) {
        let rejected = e_benjamini_hochberg(&ln_e, q);
        prop_assert_eq!(rejected.len(), ln_e.len());
        for (a, &weak) in ln_e.iter().enumerate() {
            for (b, &strong) in ln_e.iter().enumerate() {
                prop_assert!(!(weak < strong && rejected[a] && !rejected[b]), "{weak} but not {strong}");
            }
            prop_assert!(!(weak.is_nan() && rejected[a]));
        }
    }
}

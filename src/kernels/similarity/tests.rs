//! Floats against the reference, on every tier.

use super::*;
use crate::simd::{Tier, f32_to_bf16, f32_to_f16};
use crate::sys::Rng;
use crate::workload::compare_floats;

fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
}

/// Widths around the lanes and the blocks of every tier, and real ones.
const WIDTHS: [usize; 20] = [1, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 31, 35, 127, 128, 129, 383, 384, 1024];

/// How far a sum of terms of at most `term` may be off: at most n roundings of a partial sum; for random signs partial
/// sums stay near the root of n, and squares add up to n.
fn tolerance(measure: Measure, width: usize) -> f64 {
    match measure {
        Measure::Dot | Measure::Cosine => 4.0 * (width as f64).powf(1.5) * f64::from(f32::EPSILON),
        Measure::SquaredL2 => 4.0 * (width as f64).powf(2.0) * f64::from(f32::EPSILON),
    }
}

const MEASURES: [Measure; 3] = [Measure::Dot, Measure::Cosine, Measure::SquaredL2];

/// Pairs and scans of a type of number against the reference, `store` making one.
fn check_type<N: Number>(store: fn(f32) -> N::Stored) {
    let mut failures = Vec::new();
    for measure in MEASURES {
        for width in WIDTHS {
            let stored =
                |len, seed| -> Vec<N::Stored> { numbers(len, seed).into_iter().map(store).collect() };
            let (left, right) = (stored(2 * width, 1), stored(11 * width, 2));
            let reference = reference_pairs::<N>(measure, &left, &right, width);
            let mut judge = |name: String, out: &[f32], reference: &[f64]| {
                if let Err(mismatch) = compare_floats(out, reference, 1e-6, tolerance(measure, width)) {
                    failures.push(format!("{name} {measure:?} {width}: {mismatch}"));
                }
            };
            let mut out = [f32::NAN; 22];
            for tier in Tier::available() {
                pairs_of::<N>(tier, measure, &left, &right, width, &mut out).unwrap();
                judge(tier.to_string(), &out, &reference);
                for rows in [0, 1, 3, 4, 5, 11] {
                    let mut out = vec![f32::NAN; rows];
                    rows_of::<N>(tier, measure, &left[..width], &right[..rows * width], &mut out).unwrap();
                    judge(format!("{tier} {rows} rows"), &out, &reference[..rows]);
                    let best = if measure == Measure::SquaredL2 { Best::Smallest } else { Best::Largest };
                    let mut hits = [Hit::default(); 3];
                    let found = top_of::<N>(tier, measure, &left[..width], &right[..rows * width], &mut hits);
                    // Of the scan's own scores, so that roundings decide alike.
                    assert_eq!(hits[..found.unwrap()], best_by_sorting(&out, 3, best), "{tier} {measure:?}");
                }
            }
            plain_pairs::<N>(measure, &left, &right, width, &mut out);
            judge("plain".to_owned(), &out, &reference);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_measure_on_every_tier_equals_its_reference() {
    check_type::<F32>(|x| x);
}

#[test]
fn every_measure_of_halves_equals_its_reference() {
    check_type::<F16>(f32_to_f16);
}

#[test]
fn every_measure_of_bfloat16_equals_its_reference() {
    check_type::<Bf16>(f32_to_bf16);
}

#[test]
fn the_scalar_loop_equals_the_reference() {
    for width in WIDTHS {
        let (left, right) = (numbers(2 * width, 1), numbers(3 * width, 2));
        let reference = reference_pairs::<F32>(Measure::Dot, &left, &right, width);
        let mut out = [f32::NAN; 6];
        scalar_dot_pairs(&left, &right, width, &mut out);
        compare_floats(&out, &reference, 1e-6, tolerance(Measure::Dot, width)).unwrap();
    }
}

#[test]
fn empty_and_zero_vectors_have_answers() {
    for tier in Tier::available() {
        assert_eq!(dot(tier, &[], &[]), Ok(0.0));
        assert_eq!(cosine(tier, &[], &[]), Ok(0.0));
        assert_eq!(cosine(tier, &[0.0; 37], &[1.0; 37]), Ok(0.0), "{tier}");
        assert_eq!(squared_l2(tier, &[2.0; 37], &[3.0; 37]), Ok(37.0), "{tier}");
        assert_eq!(dot(tier, &[2.0; 37], &[3.0; 37]), Ok(222.0), "{tier}");
        assert!((cosine(tier, &[2.0; 37], &[3.0; 37]).unwrap() - 1.0).abs() < 1e-6, "{tier}");
        let mut out = [f32::NAN; 2];
        dot_rows(tier, &[], &[], &mut out).unwrap();
        assert_eq!(out, [0.0; 2], "{tier}");
    }
}

#[test]
fn what_is_not_a_number_reaches_the_answer() {
    for tier in Tier::available() {
        let mut a = [1.0; 37];
        a[36] = f32::NAN;
        assert!(dot(tier, &a, &[1.0; 37]).unwrap().is_nan(), "{tier}");
        assert!(cosine(tier, &a, &[1.0; 37]).unwrap().is_nan(), "{tier}");
        assert!(squared_l2(tier, &a, &[1.0; 37]).unwrap().is_nan(), "{tier}");
    }
}

/// The rule of [`crate::kernels::normalize::l2`]: an operand below 2^-126 may count as zero.
#[test]
fn scans_of_denormal_numbers_err_by_less_than_their_products() {
    for width in [1, 7, 16, 33, 384] {
        for rows in [1, 4, 9] {
            let query = numbers(width, 3);
            // A row of them alone, and rows with some.
            let content = |(i, x): (usize, f32)| if i < width || i % 3 == 0 { x * 1e-39 } else { x };
            let table: Vec<f32> = numbers(rows * width, 4).into_iter().enumerate().map(content).collect();
            for measure in [Measure::Dot, Measure::SquaredL2] {
                let reference = reference_pairs::<F32>(measure, &query, &table, width);
                let lost = width as f64 * 4.0 * f64::from(f32::MIN_POSITIVE);
                for tier in Tier::available() {
                    let mut out = vec![f32::NAN; rows];
                    rows_of::<F32>(tier, measure, &query, &table, &mut out).unwrap();
                    // A row of nothing else has products of nothing else: what may be lost is all there is.
                    if measure == Measure::Dot {
                        compare_floats(&out[..1], &reference[..1], 0.0, lost)
                            .unwrap_or_else(|mismatch| panic!("{tier} {rows}x{width}: {mismatch}"));
                    }
                    compare_floats(&out, &reference, 1e-6, tolerance(measure, width))
                        .unwrap_or_else(|mismatch| panic!("{tier} {measure:?} {rows}x{width}: {mismatch}"));
                }
            }
            let mut cosine = [f32::NAN];
            for tier in Tier::available() {
                rows_of::<F32>(tier, Measure::Cosine, &query, &table[..width], &mut cosine).unwrap();
                assert_eq!(cosine, [0.0], "{tier}: the squares of a row of denormal numbers add up to zero");
            }
        }
    }
}

//! The layer against its rule, at the edges of tiles, panels, blocks and threads, and beyond the finite numbers.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::sys::Rng;
use crate::workload::compare_floats;

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
}

fn transposed(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    (0..n * k).map(|i| b[i % k * n + i / k]).collect()
}

fn tiers() -> impl Iterator<Item = Tier> {
    Tier::available().filter(|&tier| Geometry::of(tier).is_ok())
}

/// A sum has up to 2^14 k, which is exact in single precision up to a depth of 1024; beyond it the conversion
/// rounds once more. Scaling and the bias round three times, each block of the depth twice.
fn assert_close(what: &str, got: &[f32], reference: &[f64], k: usize) {
    let roundings = 6.0 + 2.0 * (k as f64 / 4096.0);
    // Of a sum of parts of either sign each rounds by its own size: numbers below one, at most k of them.
    let absolute = roundings * f64::from(f32::EPSILON) * (k as f64).max(1.0);
    if let Err(mismatch) = compare_floats(got, reference, 1e-6, absolute) {
        panic!("{what}: {mismatch}");
    }
}

fn check_all(m: usize, k: usize, n: usize) {
    let (x, weights, bias) = (random(m * k, 1), random(k * n, 2), random(n, 3));
    for bias in [None, Some(&*bias)] {
        let reference = reference_linear_dynamic(&x, m, k, &weights, n, bias);
        let mut out = vec![f32::NAN; m * n];
        if k > 0 && n > 0 {
            let (bytes, scales) = quantize_channels(&weights, k, n);
            let mut scratch = (vec![0; k], vec![0; n]);
            let scratch = (&mut *scratch.0, &mut *scratch.1);
            plain_linear_dynamic(&x, k, (&bytes, &scales), bias, scratch, &mut out);
            assert_close(&format!("plain {m}x{k}x{n}"), &out, &reference, k);
        }
        for tier in tiers() {
            for (layout, values) in
                [(Layout::KxN, weights.clone()), (Layout::NxK, transposed(&weights, k, n))]
            {
                let packed = PackedInt8::quantize_pack(tier, &values, k, n, layout).unwrap();
                out.fill(f32::NAN);
                linear_dynamic(&Team::single(), &x, m, &packed, bias, &mut out);
                assert_close(&format!("{layout:?} {tier} {m}x{k}x{n}"), &out, &reference, k);
            }
        }
    }
}

#[test]
fn every_edge_equals_the_reference() {
    for m in [0, 1, 2, 4, 5, 13, 14, 15, 29] {
        for (k, n) in [(0, 5), (1, 1), (3, 15), (16, 16), (61, 33), (64, 32), (65, 65), (67, 8), (7, 0)] {
            check_all(m, k, n);
        }
    }
    for (m, k, n) in [(128, 384, 40), (3, 4096, 9), (3, 4100, 33), (2, 9001, 17)] {
        check_all(m, k, n);
    }
}

#[test]
fn quantising_costs_less_than_a_hundredth_of_the_output() {
    let (m, k, n) = (9, 384, 48);
    let (x, weights) = (random(m * k, 4), random(k * n, 5));
    let exact = super::super::reference_gemm(&x, m, k, &weights, n, None);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    for tier in tiers() {
        let packed = PackedInt8::quantize_pack(tier, &weights, k, n, Layout::KxN).unwrap();
        let mut out = vec![0.0; m * n];
        linear_dynamic(&Team::single(), &x, m, &packed, None, &mut out);
        let error = norm(&mut out.iter().zip(&exact).map(|(a, b)| f64::from(*a) - b));
        let size = norm(&mut exact.iter().copied());
        assert!(error < 0.01 * size, "{tier}: {error} of {size}");
    }
}

#[test]
fn what_is_not_finite_reaches_its_row_and_its_channel_alone() {
    let (m, k, n) = (4, 70, 35);
    for special in [f32::NAN, -f32::NAN, f32::INFINITY, -f32::INFINITY] {
        for at in [0, 17, 64, 69] {
            let (mut x, mut weights) = (random(m * k, 6), random(k * n, 7));
            x[2 * k + at] = special;
            weights[at * n + 33] = special;
            let reference = reference_linear_dynamic(&x, m, k, &weights, n, None);
            for tier in tiers() {
                let packed = PackedInt8::quantize_pack(tier, &weights, k, n, Layout::KxN).unwrap();
                let mut out = vec![0.0; m * n];
                linear_dynamic(&Team::single(), &x, m, &packed, None, &mut out);
                for (i, value) in out.iter().enumerate() {
                    let reached = i / n == 2 || i % n == 33;
                    assert_eq!(value.is_nan(), reached, "{tier} {special} at {at}: element {i} is {value}");
                }
                assert_close(&format!("{tier} {special}"), &out, &reference, k);
            }
        }
    }
}

#[test]
fn tiny_and_huge_rows_follow_the_rule() {
    let (k, n) = (64, 3);
    let weights = random(k * n, 8);
    for size in [0.0, f32::from_bits(1), SMALLEST_MAGNITUDE, f32::MAX] {
        let x: Vec<f32> = random(k, 9).into_iter().map(|x| x * size).chain(vec![-size; k]).collect();
        let reference = reference_linear_dynamic(&x, 2, k, &weights, n, None);
        for tier in tiers() {
            let packed = PackedInt8::quantize_pack(tier, &weights, k, n, Layout::KxN).unwrap();
            let mut out = vec![f32::NAN; 2 * n];
            linear_dynamic(&Team::single(), &x, 2, &packed, None, &mut out);
            for (got, want) in out.iter().zip(&reference) {
                #[expect(clippy::cast_possible_truncation, reason = "an overflow is meant to be one")]
                let want = *want as f32;
                // The product of two scales may be denormal, and then has fewer digits.
                let close = (got - want).abs() <= 1e-5 * want.abs() + f32::MIN_POSITIVE;
                assert!(close || *got == want, "{tier} {size}: {got} {want}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (m, k, n) = (131, 384, 500);
    let (x, weights, bias) = (random(m * k, 10), random(k * n, 11), random(n, 12));
    for tier in tiers() {
        let packed = PackedInt8::quantize_pack(tier, &weights, k, n, Layout::KxN).unwrap();
        let results: Vec<Vec<f32>> = (1..=3)
            .map(|threads| {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                let mut out = vec![f32::NAN; m * n];
                linear_dynamic(&team, &x, m, &packed, Some(&bias), &mut out);
                out
            })
            .collect();
        assert_eq!(results[0], results[1], "{tier}: two threads");
        assert_eq!(results[0], results[2], "{tier}: three threads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn random_shapes_equal_the_reference(m in 0_usize..40, k in 0_usize..300, n in 0_usize..130) {
        check_all(m, k, n);
    }
}

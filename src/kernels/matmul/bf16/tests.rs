//! Products of bfloat16 numbers against double precision, at the edges of tiles, blocks and threads.

use proptest::prelude::*;

use super::super::reference_gemm;
use super::*;
use crate::sys::Rng;
use crate::workload::compare_floats;

/// Numbers of a magnitude from a hundredth to one.
fn random(len: usize, seed: u64) -> Vec<u16> {
    let mut rng = Rng::new(seed);
    let bits = |x: f32| u16::try_from(x.to_bits() >> 16).unwrap();
    (0..len)
        .map(|_| bits(if rng.next_u64() & 1 == 0 { 1.0 } else { -1.0 } * rng.uniform_f32(0.01, 1.0)))
        .collect()
}

fn widened(bits: &[u16]) -> Vec<f32> {
    bits.iter().map(|&bits| bf16_to_f32(bits)).collect()
}

fn transposed(b: &[u16], k: usize, n: usize) -> Vec<u16> {
    (0..n * k).map(|i| b[i % k * n + i / k]).collect()
}

/// Every tier and method of this CPU.
fn kernels() -> Vec<(Tier, Bf16Method)> {
    let all = Tier::available().flat_map(|tier| [(tier, Bf16Method::Pairs), (tier, Bf16Method::Widened)]);
    all.filter(|&(tier, method)| PackedBf16::pack(tier, method, &[], 0, 0, Layout::KxN).is_ok()).collect()
}

fn assert_close(what: &str, got: &[f32], reference: &[f64], k: usize) {
    let tolerance = (k as f64 + 4.0) * f64::from(f32::EPSILON);
    if let Err(mismatch) = compare_floats(got, reference, 1e-6, tolerance) {
        panic!("{what}: {mismatch}");
    }
}

fn check_all(m: usize, k: usize, n: usize) {
    let (a, b, bias) = (random(m * k, 1), random(k * n, 2), widened(&random(n, 3)));
    let (wide_a, wide_b) = (widened(&a), widened(&b));
    let without = reference_gemm(&wide_a, m, k, &wide_b, n, None);
    let with = reference_gemm(&wide_a, m, k, &wide_b, n, Some(&bias));
    let mut c = vec![f32::NAN; m * n];
    plain_gemm_bf16(&a, m, k, &b, n, &mut c);
    assert_close(&format!("plain {m}x{k}x{n}"), &c, &without, k);
    for (tier, method) in kernels() {
        for (layout, values) in [(Layout::KxN, b.clone()), (Layout::NxK, transposed(&b, k, n))] {
            let packed = PackedBf16::pack(tier, method, &values, k, n, layout).unwrap();
            for (bias, reference) in [(None, &without), (Some(&*bias), &with)] {
                c.fill(f32::NAN);
                gemm_bf16(&Team::single(), &a, m, &packed, bias, &mut c);
                assert_close(&format!("{method:?} {layout:?} {tier} {m}x{k}x{n}"), &c, reference, k);
            }
        }
    }
}

#[test]
fn every_edge_equals_the_reference() {
    for m in [0, 1, 2, 4, 5, 11, 12, 13, 14, 15, 29] {
        for (k, n) in [(0, 5), (1, 1), (3, 15), (16, 16), (17, 33), (5, 65), (7, 0)] {
            check_all(m, k, n);
        }
    }
    for (m, k, n) in [(3, 511, 16), (3, 513, 31), (2, 1023, 9), (2, 1025, 17), (128, 384, 40)] {
        check_all(m, k, n);
    }
}

#[test]
fn what_is_not_finite_reaches_its_row_alone() {
    let (m, k, n) = (3, 35, 18);
    for (special, stays_infinite) in [(0x7FC0, false), (0x7F80, true), (0xFF80, true)] {
        for (tier, method) in kernels() {
            let (mut a, b) = (random(m * k, 4), random(k * n, 5));
            // A row's last number shares its pair with nothing.
            a[k + 34] = special;
            let packed = PackedBf16::pack(tier, method, &b, k, n, Layout::KxN).unwrap();
            let mut c = vec![0.0; m * n];
            gemm_bf16(&Team::single(), &a, m, &packed, None, &mut c);
            for (i, value) in c.iter().enumerate() {
                let what = format!("{tier} {method:?} {special:x} element {i}: {value}");
                assert_eq!(value.is_finite(), i / n != 1, "{what}");
                assert_eq!(value.is_infinite(), i / n == 1 && stays_infinite, "{what}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (m, k, n) = (131, 600, 130);
    let (a, b) = (random(m * k, 6), random(k * n, 7));
    for (tier, method) in kernels() {
        let packed = PackedBf16::pack(tier, method, &b, k, n, Layout::KxN).unwrap();
        let results: Vec<Vec<f32>> = (1..=3)
            .map(|threads| {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                let mut c = vec![f32::NAN; m * n];
                gemm_bf16(&team, &a, m, &packed, None, &mut c);
                c
            })
            .collect();
        assert_eq!(results[0], results[1], "{tier} {method:?}: two threads");
        assert_eq!(results[0], results[2], "{tier} {method:?}: three threads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn random_shapes_equal_the_reference(m in 0_usize..40, k in 0_usize..300, n in 0_usize..130) {
        check_all(m, k, n);
    }
}

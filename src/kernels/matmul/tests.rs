//! Products against the f64 reference at the edges of tiles, blocks and threads.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::*;
use crate::sys::Rng;

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.uniform_f32(-1.0, 1.0)).collect()
}

fn transposed(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    (0..n * k).map(|i| b[i % k * n + i / k]).collect()
}

/// The bound of a sum of `k` products of numbers below one, plus one rounding for the bias.
fn tolerance(k: usize) -> f64 {
    (k as f64 + 2.0) * f64::from(f32::EPSILON)
}

fn assert_close(what: &str, got: &[f32], reference: &[f64], k: usize) {
    if let Err(mismatch) = crate::workload::compare_floats(got, reference, 1e-6, tolerance(k)) {
        panic!("{what}: {mismatch}");
    }
}

/// Every implementation on every tier of this CPU for one shape.
fn check_all(m: usize, k: usize, n: usize) {
    let (a, b, bias) = (random(m * k, 1), random(k * n, 2), random(n, 3));
    let without = reference_gemm(&a, m, k, &b, n, None);
    let with = reference_gemm(&a, m, k, &b, n, Some(&bias));
    let mut c = vec![f32::NAN; m * n];
    plain_gemm(&a, m, k, &b, n, &mut c);
    assert_close(&format!("plain {m}x{k}x{n}"), &c, &without, k);
    for tier in Tier::available() {
        let what = format!("{tier} {m}x{k}x{n}");
        c.fill(f32::NAN);
        gemm_direct(tier, &a, m, k, &b, n, &mut c).unwrap();
        assert_close(&format!("direct {what}"), &c, &without, k);
        for (layout, values) in [(Layout::KxN, b.clone()), (Layout::NxK, transposed(&b, k, n))] {
            let packed = PackedMatrix::pack(tier, &values, k, n, layout).unwrap();
            for (bias, reference) in [(None, &without), (Some(&*bias), &with)] {
                c.fill(f32::NAN);
                gemm(&Team::single(), &a, m, &packed, bias, &mut c);
                assert_close(&format!("packed {layout:?} {what}"), &c, reference, k);
            }
        }
    }
}

#[test]
fn every_tile_edge_equals_the_reference() {
    for m in [0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 29] {
        for (k, n) in [(0, 5), (1, 1), (3, 15), (16, 16), (17, 33), (5, 65), (7, 0)] {
            check_all(m, k, n);
        }
    }
}

#[test]
fn every_block_edge_equals_the_reference() {
    for (m, k, n) in [(3, 383, 16), (3, 384, 31), (2, 385, 9), (2, 800, 33), (240, 5, 40), (5, 400, 700)] {
        check_all(m, k, n);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for (m, k, n) in [(65, 300, 450), (128, 384, 384), (31, 600, 700)] {
        let (a, b, bias) = (random(m * k, 4), random(k * n, 5), random(n, 6));
        for tier in Tier::available() {
            let packed = PackedMatrix::pack(tier, &b, k, n, Layout::KxN).unwrap();
            let results: Vec<Vec<f32>> = (1..=3)
                .map(|threads| {
                    let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                    let mut c = vec![f32::NAN; m * n];
                    gemm(&team, &a, m, &packed, Some(&bias), &mut c);
                    c
                })
                .collect();
            assert_eq!(results[0], results[1], "{tier} {m}x{k}x{n}: two threads");
            assert_eq!(results[0], results[2], "{tier} {m}x{k}x{n}: three threads");
        }
    }
}

#[test]
fn every_strategy_and_layout_gives_the_same_product() {
    for (m, k, n) in [(1, 1, 1), (5, 17, 33), (13, 300, 40), (65, 520, 700), (0, 3, 4), (3, 0, 4), (3, 4, 0)]
    {
        let (a, b) = (random(m * k, 1), random(k * n, 2));
        let turned = transposed(&b, k, n);
        let reference = reference_gemm(&a, m, k, &b, n, None);
        for tier in Tier::available() {
            let mut scratch = PackedMatrix::empty(tier).unwrap();
            for threads in [1, 2] {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                for strategy in [super::Strategy::Direct, super::Strategy::Packing] {
                    for (layout, values) in [(Layout::KxN, &b), (Layout::NxK, &turned)] {
                        let mut c = vec![f32::NAN; m * n];
                        let b = Unpacked { values, k, n, layout };
                        gemm_unpacked(&team, strategy, &a, m, b, &mut scratch, &mut c);
                        assert_close(
                            &format!("{strategy:?} {layout:?} {tier} {m}x{k}x{n}"),
                            &c,
                            &reference,
                            k,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_matrix_packed_anew_keeps_nothing_of_the_one_before() {
    for tier in Tier::available() {
        let mut packed = PackedMatrix::pack(tier, &[f32::NAN; 40 * 70], 40, 70, Layout::KxN).unwrap();
        let (a, b) = (random(5 * 9, 3), random(9 * 35, 4));
        for (layout, values) in [(Layout::KxN, b.clone()), (Layout::NxK, transposed(&b, 9, 35))] {
            packed.repack(&Team::single(), &values, 9, 35, layout);
            let mut c = [f32::NAN; 5 * 35];
            gemm(&Team::single(), &a, 5, &packed, None, &mut c);
            assert_close(&format!("{layout:?} {tier}"), &c, &reference_gemm(&a, 5, 9, &b, 35, None), 9);
        }
    }
}

#[test]
fn a_batch_is_its_products() {
    for (count, m, k, n) in [(0, 3, 4, 5), (1, 1, 1, 1), (7, 5, 17, 33), (600, 24, 24, 24), (3, 2, 0, 4)] {
        let (a, b) = (random(count * m * k, 5), random(count * k * n, 6));
        let reference: Vec<f64> = (0..count)
            .flat_map(|i| reference_gemm(&a[i * m * k..], m, k, &b[i * k * n..][..k * n], n, None))
            .collect();
        for tier in Tier::available() {
            for threads in [1, 2] {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                let mut c = vec![f32::NAN; count * m * n];
                gemm_batched(&team, tier, &a, &b, [m, k, n], &mut c).unwrap();
                assert_close(&format!("{count} of {m}x{k}x{n} {tier} {threads}"), &c, &reference, k);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_shapes_equal_the_reference(m in 0_usize..40, k in 0_usize..500, n in 0_usize..130) {
        check_all(m, k, n);
    }
}

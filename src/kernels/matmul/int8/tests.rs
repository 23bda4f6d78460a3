//! Products of bytes against the integers, at the edges of tiles, panels, quads, blocks and threads.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::super::Layout;
use super::*;
use crate::simd::Tier;
use crate::sys::Rng;

/// The tiers of this CPU that have kernels for bytes.
pub(in super::super) fn tiers() -> impl Iterator<Item = Tier> {
    Tier::available().filter(|&tier| Geometry::of(tier).is_ok())
}

fn random(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.next_u64().to_le_bytes()[7]).collect()
}

fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

fn transposed(b: &[i8], k: usize, n: usize) -> Vec<i8> {
    (0..n * k).map(|i| b[i % k * n + i / k]).collect()
}

fn check<A: LeftByte>(what: &str, a: &[A], m: usize, k: usize, b: &[i8], n: usize) {
    let reference = reference_gemm_bytes(a, m, k, b, n);
    let mut c = vec![i32::MIN; m * n];
    plain_gemm_bytes(a, m, k, b, n, &mut c);
    assert_eq!(c, reference, "plain {what} {m}x{k}x{n}");
    for tier in tiers() {
        for (layout, values) in [(Layout::KxN, b.to_vec()), (Layout::NxK, transposed(b, k, n))] {
            let packed = PackedBytes::pack(tier, &values, k, n, layout).unwrap();
            c.fill(i32::MIN);
            gemm_bytes(&Team::single(), a, m, &packed, &mut c);
            assert!(c == reference, "{what} {layout:?} {tier} {m}x{k}x{n}");
        }
    }
}

fn check_all(m: usize, k: usize, n: usize) {
    let (a, b) = (random(m * k, 1), signed(&random(k * n, 2)));
    check("u8s8", &a, m, k, &b, n);
    check("s8s8", &signed(&a), m, k, &b, n);
}

#[test]
fn every_tile_edge_is_exact() {
    for m in [0, 1, 2, 3, 4, 5, 7, 13, 14, 15, 29] {
        for (k, n) in [(0, 5), (1, 1), (3, 15), (4, 16), (17, 33), (5, 65), (64, 32), (7, 0)] {
            check_all(m, k, n);
        }
    }
}

#[test]
fn every_block_edge_is_exact() {
    for (m, k, n) in [(3, 4095, 16), (3, 4096, 31), (2, 4097, 9), (2, 9000, 33), (240, 5, 40), (5, 400, 1700)]
    {
        check_all(m, k, n);
    }
}

#[test]
fn the_largest_bytes_neither_saturate_nor_wrap() {
    let (m, k, n) = (3, 384, 35);
    for b in [-128, 127] {
        let b = vec![b; k * n];
        check("u8s8", &vec![255_u8; m * k], m, k, &b, n);
        check("s8s8", &vec![-128_i8; m * k], m, k, &b, n);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for (m, k, n) in [(65, 600, 450), (128, 384, 384), (31, 600, 1000)] {
        let (a, b) = (random(m * k, 4), signed(&random(k * n, 5)));
        let reference = reference_gemm_bytes(&a, m, k, &b, n);
        for tier in tiers() {
            let packed = PackedBytes::pack(tier, &b, k, n, Layout::KxN).unwrap();
            for threads in 1..=3 {
                let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                let mut c = vec![0; m * n];
                gemm_bytes(&team, &a, m, &packed, &mut c);
                assert!(c == reference, "{tier} {m}x{k}x{n} on {threads} threads");
            }
        }
    }
}

/// Rows of two-bit fields, and the weights that they stand for as `k x n`.
fn ternary(k: usize, n: usize, seed: u64) -> (Vec<u8>, Vec<i8>) {
    let row = k.div_ceil(4);
    let fields: Vec<u8> = random(n * row, seed)
        .into_iter()
        // No field of three.
        .map(|byte| (0..4).map(|field| (byte >> (2 * field) & 3).min(2) << (2 * field)).sum())
        .collect();
    let weight = |at: usize| {
        let (depth, column) = (at / n, at % n);
        (fields[column * row + depth / 4] >> (2 * (depth % 4)) & 3).cast_signed() - 1
    };
    let weights = (0..k * n).map(weight).collect();
    (fields, weights)
}

fn check_ternary(m: usize, k: usize, n: usize) {
    let (fields, weights) = ternary(k, n, 6);
    let a = random(m * k, 7);
    let signed = signed(&a);
    let mut c = vec![i32::MIN; m * n];
    for tier in tiers() {
        let packed = PackedTernary::pack(tier, &fields, k, n).unwrap();
        gemm_bytes(&Team::single(), &signed, m, &packed, &mut c);
        assert!(c == reference_gemm_bytes(&signed, m, k, &weights, n), "s8 {tier} {m}x{k}x{n}");
        gemm_bytes(&Team::single(), &a, m, &packed, &mut c);
        assert!(c == reference_gemm_bytes(&a, m, k, &weights, n), "u8 {tier} {m}x{k}x{n}");
    }
}

#[test]
fn two_bit_weights_are_exact_in_registers_and_unpacked() {
    for m in [0, 1, 3, 14, 15, 40, 61] {
        for (k, n) in [(0, 5), (1, 1), (4, 15), (15, 16), (16, 32), (17, 33), (384, 65), (4100, 9), (7, 0)] {
            check_ternary(m, k, n);
        }
    }
    check_ternary(61, 4100, 300);
}

#[test]
fn scaled_products_equal_integers_times_scales() {
    for (m, k, n) in [(1, 3, 1), (3, 64, 33), (15, 100, 64), (16, 384, 70)] {
        let (a, (fields, weights)) = (random(m * k, 8), ternary(k, n, 9));
        let reference = reference_gemm_bytes(&a, m, k, &weights, n);
        let numbers = |len: usize| (0..len).map(|i| 0.5 + i as f32 / 8.0).collect::<Vec<f32>>();
        let (rows, columns, bias) = (numbers(m), numbers(n), numbers(n));
        for tier in tiers() {
            let bytes = PackedBytes::pack(tier, &weights, k, n, Layout::KxN).unwrap();
            let fields = PackedTernary::pack(tier, &fields, k, n).unwrap();
            for matrix in [ByteMatrix::from(&bytes), ByteMatrix::from(&fields)] {
                for (rows, bias) in [(&rows[..], Some(&bias[..])), (&rows[m - 1..], None)] {
                    let mut c = vec![f32::NAN; m * n];
                    let scales = Scales { rows, columns: &columns };
                    gemm_bytes_scaled(&Team::single(), &a, m, matrix, scales, bias, &mut c);
                    for (i, &c) in c.iter().enumerate() {
                        let row = if rows.len() == 1 { rows[0] } else { rows[i / n] };
                        // Small integers, eighths and their products are exact.
                        let exact = f64::from(reference[i]) * f64::from(row * columns[i % n])
                            + bias.map_or(0.0, |bias| f64::from(bias[i % n]));
                        let close = (f64::from(c) - exact).abs() <= 1e-6 * exact.abs();
                        assert!(close, "{tier} {m}x{k}x{n} element {i}: {c} for {exact}");
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_shapes_are_exact(m in 0_usize..40, k in 0_usize..300, n in 0_usize..130) {
        check_all(m, k, n);
    }
}

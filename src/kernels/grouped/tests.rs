//! The grouped layer against its reference on every tier, at the edges of vectors, groups and panels.

use super::*;
use crate::sys::Rng;
use crate::workload::compare_floats;

fn tiers() -> impl Iterator<Item = Tier> {
    [Tier::Avx2, Tier::Avx512vnni, Tier::NeonDotprod].into_iter().filter(|tier| tier.is_available())
}

/// Inputs, weights (`n` rows of `k`), bias and a smoothing; one channel of the inputs is far louder than the others.
fn case(m: usize, k: usize, n: usize, codes: Codes) -> (Vec<f32>, Vec<f32>, Vec<f32>, Smoothing) {
    let mut rng = Rng::new(9);
    let lowest = if codes == Codes::Unsigned { -0.5 } else { 0.0 };
    let low = if codes == Codes::Unsigned { -0.5 } else { -2.0 };
    let mut x: Vec<f32> = (0..m * k).map(|_| rng.uniform_f32(low, 2.0)).collect();
    for row in x.chunks_exact_mut(k.max(1)) {
        row[k / 2] *= 20.0;
        row[k / 2] = row[k / 2].max(low);
    }
    let weights: Vec<f32> = (0..k * n).map(|_| rng.uniform_f32(-1.0, 1.0)).collect();
    let bias: Vec<f32> = (0..n).map(|_| rng.uniform_f32(-1.0, 1.0)).collect();
    let multipliers = (0..k).map(|_| rng.uniform_f32(0.5, 2.0)).collect();
    (x, weights, bias, Smoothing { multipliers, lowest, codes })
}

#[test]
fn every_tier_and_shape_equals_the_reference() {
    let mut failures = Vec::new();
    let shapes = [
        [0, 4, 4],
        [1, 1, 1],
        [3, 16, 24],
        [4, 63, 33],
        [5, 192, 32],
        [15, 193, 31],
        [29, 400, 65],
        [14, 384, 96],
        [2, 5000, 3],
    ];
    for [m, k, n] in shapes {
        for codes in [Codes::Signed, Codes::Unsigned] {
            let (x, weights, bias, smoothing) = case(m, k, n, codes);
            let reference = reference_linear_grouped(&x, m, &weights, &bias, &smoothing);
            for tier in tiers() {
                let packed = GroupedInt8::quantize_pack(tier, &weights, &bias, &smoothing).unwrap();
                for threads in [1, 2] {
                    let team = Team::new(NonZeroUsize::new(threads).unwrap()).unwrap();
                    let mut out = vec![f32::NAN; m * n];
                    linear_grouped(&team, &x, m, &packed, &mut out);
                    if let Err(wrong) = compare_floats(&out, &reference, 1e-5, 2e-5 * (k as f64).sqrt()) {
                        failures.push(format!("{tier} {m}x{k}x{n} {codes:?} on {threads}: {wrong}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_was_written_is_read_and_what_is_cut_short_is_not() {
    let (m, k, n) = (5, 400, 40);
    let (x, weights, bias, smoothing) = case(m, k, n, Codes::Unsigned);
    for tier in tiers() {
        let packed = GroupedInt8::quantize_pack(tier, &weights, &bias, &smoothing).unwrap();
        let mut bytes = Vec::new();
        packed.write(&mut bytes);
        let mut rest = &bytes[..];
        let read = GroupedInt8::read(tier, [k, n], Codes::Unsigned, &mut rest).unwrap().unwrap();
        assert!(rest.is_empty());
        let [mut a, mut b] = [vec![0.0; m * n], vec![1.0; m * n]];
        linear_grouped(&Team::single(), &x, m, &packed, &mut a);
        linear_grouped(&Team::single(), &x, m, &read, &mut b);
        assert_eq!(a, b, "{tier}");
        for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let cut = GroupedInt8::read(tier, [k, n], Codes::Unsigned, &mut &bytes[..len]).unwrap();
            assert!(cut.is_none(), "{tier}: {len} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_row_depends_on_no_other_row() {
    let (m, k, n) = (31, 384, 64);
    let (x, weights, bias, smoothing) = case(m, k, n, Codes::Signed);
    for tier in tiers() {
        let packed = GroupedInt8::quantize_pack(tier, &weights, &bias, &smoothing).unwrap();
        let mut together = vec![0.0; m * n];
        linear_grouped(&Team::single(), &x, m, &packed, &mut together);
        let mut alone = vec![0.0; n];
        for row in 0..m {
            linear_grouped(&Team::single(), &x[row * k..][..k], 1, &packed, &mut alone);
            assert_eq!(alone, together[row * n..][..n], "{tier} row {row}");
        }
    }
}

#[test]
fn what_is_not_a_number_stays_in_its_row() {
    let (m, k, n) = (3, 400, 40);
    for (codes, tier) in tiers().flat_map(|tier| [(Codes::Signed, tier), (Codes::Unsigned, tier)]) {
        let (mut x, weights, bias, smoothing) = case(m, k, n, codes);
        x[k + 7] = f32::NAN;
        x[2 * k + 399] = f32::INFINITY;
        let packed = GroupedInt8::quantize_pack(tier, &weights, &bias, &smoothing).unwrap();
        let mut out = vec![0.0; m * n];
        linear_grouped(&Team::single(), &x, m, &packed, &mut out);
        assert!(out[..n].iter().all(|y| y.is_finite()), "{tier}");
        assert!(out[n..].iter().all(|y| y.is_nan()), "{tier}");
    }
}

#[test]
fn groups_keep_a_loud_channel_from_drowning_the_others() {
    let (m, k, n) = (8, 768, 16);
    let (x, weights, bias, _) = case(m, k, n, Codes::Signed);
    let exact: Vec<f64> = (0..m * n)
        .map(|at| {
            let (row, column) = (&x[at / n * k..][..k], &weights[at % n * k..][..k]);
            let dot: f64 = row.iter().zip(column).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            dot + f64::from(bias[at % n])
        })
        .collect();
    let error = |got: &[f64]| -> f64 { got.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum() };
    let grouped = reference_linear_grouped(&x, m, &weights, &bias, &Smoothing::none(k));
    // The same weights with one scale a row.
    let transposed: Vec<f32> = (0..k * n).map(|at| weights[at % n * k + at / n]).collect();
    let whole = crate::kernels::matmul::reference_linear_dynamic(&x, m, k, &transposed, n, Some(&bias));
    assert!(error(&grouped) < 0.6 * error(&whole), "{} {}", error(&grouped), error(&whole));
}

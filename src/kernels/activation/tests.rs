//! Activations against their references, on every tier.

use super::*;

type Vector = fn(Tier, &[f32], &mut [f32]) -> Result<(), TierUnavailable>;
type InPlace = fn(Tier, &mut [f32]) -> Result<(), TierUnavailable>;

struct Row {
    name: &'static str,
    vector: Vector,
    in_place: InPlace,
    plain: fn(&[f32], &mut [f32]),
    reference: fn(f64) -> f64,
    /// Absolute for |x| up to 10; the answers beyond are `x` or zero.
    tolerance: f64,
}

const TABLE: &[Row] = &[
    Row {
        name: "gelu erf",
        vector: gelu_erf,
        in_place: gelu_erf_in_place,
        plain: plain_gelu_erf,
        reference: reference_gelu_erf,
        tolerance: 5e-7,
    },
    Row {
        name: "gelu tanh",
        vector: gelu_tanh,
        in_place: gelu_tanh_in_place,
        plain: plain_gelu_tanh,
        reference: reference_gelu_tanh,
        tolerance: 5e-7,
    },
    Row {
        name: "gelu quick",
        vector: gelu_quick,
        in_place: gelu_quick_in_place,
        plain: plain_gelu_quick,
        reference: reference_gelu_quick,
        tolerance: 5e-7,
    },
    Row {
        name: "silu",
        vector: silu,
        in_place: silu_in_place,
        plain: plain_silu,
        reference: reference_silu,
        tolerance: 5e-7,
    },
    Row {
        name: "relu",
        vector: relu,
        in_place: relu_in_place,
        plain: plain_relu,
        reference: reference_relu,
        tolerance: 0.0,
    },
];

#[test]
fn activations_are_within_their_tolerance_on_every_tier() {
    let x: Vec<f32> = (0..=200_000).map(|i| -10.0 + i as f32 * 1e-4).collect();
    let mut y = vec![0.0; x.len()];
    for row in TABLE {
        let check = |who: &str, limit: f64, y: &[f32]| {
            for (&x, &y) in x.iter().zip(y) {
                let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                assert!(error <= limit, "{} {who} of {x}: {y}, error {error}", row.name);
            }
        };
        (row.plain)(&x, &mut y);
        check("plain", row.tolerance * 4.0, &y);
        for tier in Tier::available() {
            (row.vector)(tier, &x, &mut y).unwrap();
            check(tier.name(), row.tolerance, &y);
        }
    }
}

#[test]
fn far_from_zero_an_activation_is_its_input_or_nothing() {
    for row in TABLE {
        for tier in Tier::available() {
            let far = [100.0, 1e4, 1e30, f32::INFINITY];
            let mut y = [0.0; 4];
            (row.vector)(tier, &far, &mut y).unwrap();
            assert_eq!(y, far, "{} {tier}", row.name);
            (row.vector)(tier, &far.map(|x| -x), &mut y).unwrap();
            assert_eq!(y, [0.0; 4], "{} {tier}", row.name);
            (row.vector)(tier, &[f32::NAN; 4], &mut y).unwrap();
            assert!(y.iter().all(|y| y.is_nan()), "{} {tier}: {y:?}", row.name);
        }
    }
}

#[test]
fn every_length_is_handled_with_and_without_an_output() {
    for row in TABLE {
        for tier in Tier::available() {
            for len in [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 35, 100] {
                let x: Vec<f32> = (0..len).map(|i| i as f32 * 0.1 - 2.0).collect();
                let mut y = vec![f32::NAN; len];
                (row.vector)(tier, &x, &mut y).unwrap();
                let mut z = x.clone();
                (row.in_place)(tier, &mut z).unwrap();
                assert_eq!(y, z, "{} {tier} {len}", row.name);
                for (&x, &y) in x.iter().zip(&y) {
                    let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                    assert!(error <= row.tolerance, "{} {tier} {len}: {x} gives {y}", row.name);
                }
            }
        }
    }
}

#[test]
fn no_negative_number_gives_a_denormal_answer() {
    let x: Vec<f32> = (0..200_000).map(|i| i as f32 * -5e-4 - 1e-3).collect();
    let mut y = vec![0.0; x.len()];
    for row in TABLE {
        for tier in Tier::available() {
            (row.vector)(tier, &x, &mut y).unwrap();
            let denormal = x.iter().zip(&y).find(|(_, y)| y.is_subnormal());
            assert_eq!(denormal, None, "{} {tier}", row.name);
        }
    }
}

#[test]
fn erf_and_tanh_of_slices_are_those_of_vectors() {
    let x: Vec<f32> = (0..=3000).map(|i| -6.0 + i as f32 * 4e-3).collect();
    let mut y = vec![f32::NAN; x.len()];
    let judge = |who: &str, y: &[f32], reference: fn(f64) -> f64| {
        for (&x, &y) in x.iter().zip(y) {
            let error = (f64::from(y) - reference(f64::from(x))).abs();
            assert!(error <= 4e-7, "{who} of {x}: {y}, error {error}");
        }
    };
    for tier in Tier::available() {
        erf_of(tier, &x, &mut y).unwrap();
        judge(tier.name(), &y, crate::kernels::math::reference_erf);
        tanh_of(tier, &x, &mut y).unwrap();
        judge(tier.name(), &y, f64::tanh);
    }
    plain_erf_of(&x, &mut y);
    judge("plain", &y, crate::kernels::math::reference_erf);
    plain_tanh(&x, &mut y);
    judge("plain", &y, f64::tanh);
}

/// Inputs that make slow hardware paths likely, in vectors of their own and among others.
#[test]
fn inputs_that_are_slow_elsewhere_have_right_answers() {
    let denormal = f32::from_bits(0x0000_1234);
    let special = [denormal, -denormal, f32::MIN_POSITIVE, -0.0, 1e-30, -87.5, -100.0, -103.9, 88.0];
    let mut x: Vec<f32> = special.iter().flat_map(|&x| [x; 16]).collect();
    x.extend(special.iter().cycle().take(35));
    let mut y = vec![f32::NAN; x.len()];
    for row in TABLE {
        for tier in Tier::available() {
            (row.vector)(tier, &x, &mut y).unwrap();
            for (&x, &y) in x.iter().zip(&y) {
                let error = (f64::from(y) - (row.reference)(f64::from(x))).abs();
                assert!(error <= row.tolerance, "{} {tier} of {x}: {y}", row.name);
            }
        }
    }
}

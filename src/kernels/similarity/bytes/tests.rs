//! Sums of signed bytes against exact integers, for every tier, width and number of rows.

use super::*;
use crate::kernels::similarity::{Best, Hit, best_by_sorting};
use crate::sys::Rng;
use crate::workload::compare_floats;

/// All values, the extremes often.
fn bytes(len: usize, seed: u64) -> Vec<i8> {
    let mut rng = Rng::new(seed);
    (0..len)
        .map(|_| match rng.next_u64().to_le_bytes()[..2] {
            [0..64, _] => i8::MIN,
            [64..96, _] => i8::MAX,
            [_, byte] => byte.cast_signed(),
            _ => 0,
        })
        .collect()
}

const WIDTHS: [usize; 20] =
    [0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 131, 383, 384, 1027];

#[test]
fn sums_are_exact_and_cosines_right_on_every_tier() {
    let mut failures = Vec::new();
    for width in WIDTHS {
        let (left, right) = (bytes(2 * width, 1), bytes(3 * width, 2));
        let (mut out, mut cosines) = ([i32::MIN; 6], [f32::NAN; 6]);
        let pairs = if width == 0 { 0 } else { 6 };
        let dots = reference_i8_pairs(Sum::Dot, &left, &right, width);
        let squares = reference_i8_pairs(Sum::SquaredL2, &left, &right, width);
        let angles = reference_cosine_i8_pairs(&left, &right, width);
        let mut judge = |name: String, right: bool| {
            if !right {
                failures.push(format!("{name} width {width}"));
            }
        };
        for tier in Tier::available() {
            let (out, cosines) = (&mut out[..pairs], &mut cosines[..pairs]);
            i8_pairs(tier, Sum::Dot, &left, &right, width, out).unwrap();
            judge(format!("{tier} dot"), *out == dots);
            i8_pairs(tier, Sum::SquaredL2, &left, &right, width, out).unwrap();
            judge(format!("{tier} l2"), *out == squares);
            cosine_i8_pairs(tier, &left, &right, width, cosines).unwrap();
            judge(format!("{tier} cosine"), compare_floats(&*cosines, &angles, 1e-7, 1e-9).is_ok());
        }
        if width > 0 {
            plain_i8_pairs(Sum::Dot, &left, &right, width, &mut out);
            judge("plain dot".to_owned(), out[..] == dots);
            plain_i8_pairs(Sum::SquaredL2, &left, &right, width, &mut out);
            judge("plain l2".to_owned(), out[..] == squares);
            plain_cosine_i8_pairs(&left, &right, width, &mut cosines);
            judge("plain cosine".to_owned(), compare_floats(&cosines, &angles, 1e-7, 1e-9).is_ok());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn scans_are_exact_for_any_number_of_rows_and_find_the_best() {
    for width in WIDTHS.into_iter().filter(|&width| width > 0) {
        for rows in [0, 1, 3, 4, 5, 11, 300] {
            let (query, table) = (bytes(width, 3), bytes(rows * width, 4));
            let reference = reference_i8_pairs(Sum::Dot, &query, &table, width);
            let best = best_by_sorting(&reference, 10, Best::Largest);
            let squares = reference_i8_pairs(Sum::SquaredL2, &query, &table, width);
            let angles = reference_cosine_i8_pairs(&query, &table, width);
            for tier in Tier::available() {
                let mut out = vec![i32::MIN; rows];
                dot_i8_rows(tier, &query, &table, &mut out).unwrap();
                assert_eq!(out, reference, "{tier} {rows}x{width}");
                i8_rows(tier, Sum::SquaredL2, &query, &table, &mut out).unwrap();
                assert_eq!(out, squares, "{tier} {rows}x{width}");
                i8_rows(tier, Sum::Dot, &query, &table, &mut out).unwrap();
                assert_eq!(out, reference, "{tier} {rows}x{width}");
                let mut cosines = vec![f32::NAN; rows];
                cosine_i8_rows(tier, &query, &table, &mut cosines).unwrap();
                compare_floats(&cosines, &angles, 1e-7, 1e-9)
                    .unwrap_or_else(|mismatch| panic!("{tier} {rows}x{width}: {mismatch}"));
                let mut hits = [Hit::default(); 10];
                let found = dot_i8_top(tier, &query, &table, &mut hits).unwrap();
                assert_eq!(hits[..found], best, "{tier} {rows}x{width}");
            }
        }
    }
}

#[test]
fn the_longest_vectors_of_extremes_do_not_overflow() {
    let (low, high) = (vec![i8::MIN; LONGEST_BYTES], vec![i8::MAX; LONGEST_BYTES]);
    for tier in Tier::available() {
        assert_eq!(dot_i8(tier, &low, &low), Ok(16_384 * 32_768), "{tier}");
        let mut out = [0];
        i8_pairs(tier, Sum::SquaredL2, &low, &high, LONGEST_BYTES, &mut out).unwrap();
        assert_eq!(out, [255 * 255 * 32_768], "{tier}");
        let mut cosine = [0.0];
        cosine_i8_pairs(tier, &low, &high, LONGEST_BYTES, &mut cosine).unwrap();
        assert_eq!(cosine, [-1.0], "{tier}");
    }
}

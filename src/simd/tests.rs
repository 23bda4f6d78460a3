//! Every operation of every tier this CPU has, against plain arithmetic.

use super::*;

/// Lane-wise results of every operation, as plain numbers, for two inputs of sixteen.
struct Everything {
    a: [f32; 16],
    b: [f32; 16],
}

#[derive(Debug, PartialEq)]
struct Lanes(Vec<(&'static str, Vec<f32>)>);

impl SimdOp for Everything {
    type Output = Lanes;

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> Lanes {
        let mut out: Vec<(&'static str, Vec<f32>)> = Vec::new();
        for (a, b) in self.a.chunks_exact(S::LANES).zip(self.b.chunks_exact(S::LANES)) {
            let (x, y) = (s.load(a), s.load(b));
            let results = [
                ("add", s.add(x, y)),
                ("sub", s.sub(x, y)),
                ("mul", s.mul(x, y)),
                ("div", s.div(x, y)),
                ("min", s.min(x, y)),
                ("max", s.max(x, y)),
                ("abs", s.abs(x)),
                ("sqrt", s.sqrt(s.abs(x))),
                ("round", s.round(x)),
                ("bounded magnitude", s.bounded_magnitude(x, s.splat(5.0))),
                ("beside quarter", s.beside_quarter(x)),
                ("fraction", s.fraction(x)),
                ("look up", s.look_up(&TABLE, x)),
                ("scale", s.scale_by_power_of_two(x, s.round(y))),
                ("scale from", s.scale_from(x, s.round(y), y, s.splat(-3.5))),
                ("select", s.select(s.less(x, y), x, s.splat(7.0))),
                ("i32", s.to_f32(s.add_i32(s.to_i32(x), s.splat_i32(3)))),
                ("partial", s.load_partial(&a[..S::LANES - 1])),
            ];
            for (name, value) in results {
                let mut lanes = vec![0.0; S::LANES];
                s.store(value, &mut lanes);
                match out.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, all)) => all.extend(lanes),
                    None => out.push((name, lanes)),
                }
            }
        }
        Lanes(out)
    }
}

#[test]
fn every_operation_on_every_tier_equals_plain_arithmetic() {
    let a = [1.5, -2.5, 0.0, 3.25, -7.5, 100.0, 0.5, -0.5, 2.0, 1e-3, -1e3, 42.0, 8.5, -9.5, 10.5, 11.0];
    let b = [2.0, -3.0, 1.0, -1.0, 4.0, 0.25, -6.0, 9.0, -2.0, 5.0, 3.0, -4.0, 1.0, 2.0, -3.0, 4.0];
    for tier in Tier::available().filter(|&t| t != Tier::Sse41) {
        let lanes = dispatch(tier, Everything { a, b }).unwrap();
        let width = match tier.f32_tier() {
            Tier::Avx512 => 16,
            Tier::Avx2 => 8,
            _ => 4,
        };
        for (name, got) in lanes.0 {
            for (i, got) in got.into_iter().enumerate() {
                let (x, y) = (a[i], b[i]);
                let want = match name {
                    "add" => x + y,
                    "sub" => x - y,
                    "mul" => x * y,
                    "div" => x / y,
                    "min" => x.min(y),
                    "max" => x.max(y),
                    "abs" => x.abs(),
                    "sqrt" => x.abs().sqrt(),
                    "round" => x.round_ties_even(),
                    "bounded magnitude" => x.abs().min(5.0),
                    "beside quarter" => x - 0.25 * (4.0 * x).round_ties_even(),
                    "fraction" => x - x.floor(),
                    "look up" => TABLE[(x.to_bits() & 31) as usize],
                    "scale" => x * y.round_ties_even().exp2(),
                    "scale from" if y < -3.5 => 0.0,
                    // Zero is not normal.
                    "scale from" if x == 0.0 => got,
                    "scale from" => x * y.round_ties_even().exp2(),
                    "select" => {
                        if x < y {
                            x
                        } else {
                            7.0
                        }
                    }
                    "i32" => x.round_ties_even() + 3.0,
                    "partial" => {
                        if i % width == width - 1 {
                            0.0
                        } else {
                            x
                        }
                    }
                    other => panic!("{other} has no plain form here"),
                };
                assert_eq!(got, want, "{tier} {name} lane {i}: {x} {y}");
            }
        }
    }
}

/// Entry `i` is `i^2`.
static TABLE: [f32; 32] = {
    let mut table = [0.0; 32];
    let mut i = 0_u8;
    while i < 32 {
        table[i as usize] = i as f32 * i as f32;
        i += 1;
    }
    table
};

struct FourAcross<'a>(&'a [f32]);

impl SimdOp for FourAcross<'_> {
    type Output = ([f32; 4], [f32; 4], f32);

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> Self::Output {
        let vectors = [0, 1, 2, 3].map(|i| s.load(&self.0[i * S::LANES..]));
        let bound = s.bounded_magnitude(s.splat(f32::NAN), s.splat(2.0));
        (s.sum_four(vectors), s.largest_four(vectors), s.largest(bound))
    }
}

#[test]
fn four_vectors_are_brought_together_on_every_tier() {
    let x: Vec<f32> = (0_u8..64).map(|i| f32::from(i.wrapping_mul(37)) - 128.0).collect();
    for tier in Tier::available().filter(|&t| t != Tier::Sse41) {
        let lanes = match tier.f32_tier() {
            Tier::Avx512 => 16,
            Tier::Avx2 => 8,
            _ => 4,
        };
        let (sums, largest, bound) = dispatch(tier, FourAcross(&x)).unwrap();
        for (i, vector) in x.chunks_exact(lanes).take(4).enumerate() {
            assert_eq!(sums[i], vector.iter().sum::<f32>(), "{tier} vector {i}");
            assert_eq!(largest[i], vector.iter().copied().fold(f32::MIN, f32::max), "{tier} vector {i}");
        }
        assert_eq!(bound, 2.0, "{tier}: the bound of what is not a number");
    }
}

struct Reductions<'a>(&'a [f32], &'a [u64], &'a [u64]);

impl SimdOp for Reductions<'_> {
    type Output = (f32, f32, u32, u64, Vec<i8>, Vec<f32>);

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> Self::Output {
        let x = s.load(self.0);
        let mut bytes = vec![0_i8; S::LANES];
        s.store_i8(s.to_i32(s.mul(x, s.splat(100.0))), &mut bytes);
        let mut widened = vec![0.0; S::LANES];
        s.store(s.to_f32(s.load_i8(&bytes)), &mut widened);
        let negative = s.mask_bits(s.less(x, s.zero()));
        (s.sum(x), s.largest(x), negative, s.xor_popcount(self.1, self.2), bytes, widened)
    }
}

#[test]
fn reductions_and_narrowing_are_right_on_every_tier() {
    let x: Vec<f32> = (0..16).map(|i| if i % 3 == 0 { -(i as f32) } else { i as f32 * 0.5 }).collect();
    let mut rng = crate::sys::Rng::new(7);
    let a: Vec<u64> = (0..37).map(|_| rng.next_u64()).collect();
    let b: Vec<u64> = (0..37).map(|_| rng.next_u64()).collect();
    let ones: u64 = a.iter().zip(&b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
    for tier in Tier::available().filter(|&t| t != Tier::Sse41) {
        let (sum, largest, negative, bits, bytes, widened) = dispatch(tier, Reductions(&x, &a, &b)).unwrap();
        let n = bytes.len();
        assert_eq!(sum, x[..n].iter().sum::<f32>(), "{tier}");
        assert_eq!(largest, x[..n].iter().copied().fold(f32::MIN, f32::max), "{tier}");
        let signs: u32 = x[..n].iter().enumerate().map(|(i, &v)| u32::from(v < 0.0) << i).sum();
        assert_eq!(negative, signs, "{tier}");
        assert_eq!(bits, ones, "{tier}");
        for i in 0..n {
            assert_eq!(f32::from(bytes[i]), (x[i] * 100.0).clamp(-128.0, 127.0), "{tier} lane {i}");
            assert_eq!(widened[i], f32::from(bytes[i]), "{tier} lane {i}");
        }
    }
}

#[test]
fn tiers_have_names_that_read_back() {
    for tier in Tier::all() {
        assert_eq!(tier.name().parse(), Ok(tier));
    }
    assert!("sse9".parse::<Tier>().is_err());
    assert!(Tier::Baseline.is_available());
}

struct NarrowFour<'a>(&'a [f32]);

impl SimdOp for NarrowFour<'_> {
    type Output = Vec<i8>;

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> Vec<i8> {
        let mut bytes = vec![0; 4 * S::LANES + 1];
        let vectors = [0, 1, 2, 3].map(|i| s.to_i32(s.load(&self.0[i * S::LANES..])));
        s.store_i8_four(vectors, &mut bytes);
        bytes
    }
}

#[test]
fn four_vectors_are_narrowed_in_order_on_every_tier() {
    let x: Vec<f32> = (0_u8..64).map(|i| f32::from(i) * 5.0 - 160.0).collect();
    for tier in Tier::available().filter(|&t| t != Tier::Sse41) {
        let bytes = dispatch(tier, NarrowFour(&x)).unwrap();
        let (beyond, bytes) = bytes.split_last().unwrap();
        for (i, (&byte, &x)) in bytes.iter().zip(&x).enumerate() {
            assert_eq!(f32::from(byte), x.clamp(-128.0, 127.0), "{tier} lane {i}");
        }
        assert_eq!(*beyond, 0, "{tier}");
    }
}

struct Fours<'a>(&'a [f32]);

impl SimdOp for Fours<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn eval<S: Simd>(self, s: S) -> Vec<f32> {
        let rows = [0, 1, 2, 3].map(|i| s.load(&self.0[i * S::LANES..]));
        let mut out = vec![0.0; 4 * S::LANES];
        for (row, to) in s.transpose_fours(rows).into_iter().zip(out.chunks_exact_mut(S::LANES)) {
            s.store(row, to);
        }
        out
    }
}

#[test]
fn fours_of_four_rows_are_transposed_on_every_tier() {
    let x: Vec<f32> = (0_u8..64).map(f32::from).collect();
    for tier in Tier::available().filter(|&t| t != Tier::Sse41) {
        let out = dispatch(tier, Fours(&x)).unwrap();
        let lanes = out.len() / 4;
        for (at, got) in out.into_iter().enumerate() {
            let (row, lane) = (at / lanes, at % lanes);
            assert_eq!(got, x[lane % 4 * lanes + lane / 4 * 4 + row], "{tier} row {row} lane {lane}");
        }
    }
}

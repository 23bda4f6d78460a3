//! The tier that every CPU has: arrays of four that the compiler turns into whatever the target guarantees.
//!
//! It lets vector kernels run anywhere. It is not the "plain" implementation of a kernel: that is a plain loop.

use super::{Simd, SimdOp, Tier, half};

/// No proof needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Baseline;

type V<T> = [T; 4];

#[inline(always)]
fn map2(a: V<f32>, b: V<f32>, f: impl Fn(f32, f32) -> f32) -> V<f32> {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Simd for Baseline {
    const TIER: Tier = Tier::Baseline;
    const LANES: usize = 4;
    type F32 = V<f32>;
    type I32 = V<i32>;
    type Mask = V<bool>;

    // A function of its own, as the other tiers' are: compiled into every caller, a kernel that runs kernels takes minutes.
    #[inline(never)]
    fn run<O: SimdOp>(self, op: O) -> O::Output {
        op.eval(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> V<f32> {
        [x; 4]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> V<f32> {
        [from[0], from[1], from[2], from[3]]
    }
    #[inline(always)]
    fn load_partial(self, from: &[f32]) -> V<f32> {
        let mut out = [0.0; 4];
        for (out, &x) in out.iter_mut().zip(from) {
            *out = x;
        }
        out
    }
    #[inline(always)]
    fn store(self, value: V<f32>, to: &mut [f32]) {
        to[..4].copy_from_slice(&value);
    }
    #[inline(always)]
    fn store_partial(self, value: V<f32>, to: &mut [f32]) {
        for (to, x) in to.iter_mut().zip(value) {
            *to = x;
        }
    }
    #[inline(always)]
    fn store_streaming(self, value: V<f32>, to: &mut [f32]) {
        self.store(value, to);
    }
    #[inline(always)]
    fn fence(self) {}
    #[inline(always)]
    fn add(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: V<f32>, b: V<f32>, c: V<f32>) -> V<f32> {
        // Two roundings: a fused one would call a function of the C library for every lane.
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn min(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: V<f32>, b: V<f32>) -> V<f32> {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: V<f32>) -> V<f32> {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn sqrt(self, a: V<f32>) -> V<f32> {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn round(self, a: V<f32>) -> V<f32> {
        // Adding and subtracting 1.5 * 2^23 rounds to even without a call; larger numbers are integers already.
        const MAGIC: f32 = 12_582_912.0;
        a.map(|x| if x.abs() < 4_194_304.0 { (x + MAGIC) - MAGIC } else { x })
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, a: V<f32>, n: V<f32>) -> V<f32> {
        map2(a, n, |a, n| {
            // In two steps, so that each factor is a normal number.
            #[expect(clippy::cast_possible_truncation, reason = "n is integral and within -252..=127")]
            let n = n.clamp(-252.0, 127.0) as i32;
            let half = n / 2;
            a * power_of_two(half) * power_of_two(n - half)
        })
    }
    #[inline(always)]
    fn scale_from(self, a: V<f32>, n: V<f32>, x: V<f32>, floor: V<f32>) -> V<f32> {
        // n is integral, so adding 1.5 * 2^23 leaves it in the low bits; the conversion would saturate lane by lane.
        const MAGIC: f32 = 12_582_912.0;
        let scaled = map2(a, n, |a, n| {
            let bits = a.to_bits().wrapping_add((n + MAGIC).to_bits() << 23);
            if n.is_nan() { a } else { f32::from_bits(bits) }
        });
        self.select(self.less(x, floor), self.zero(), scaled)
    }
    #[inline(always)]
    fn less(self, a: V<f32>, b: V<f32>) -> V<bool> {
        [a[0] < b[0], a[1] < b[1], a[2] < b[2], a[3] < b[3]]
    }
    #[inline(always)]
    fn select(self, mask: V<bool>, yes: V<f32>, no: V<f32>) -> V<f32> {
        std::array::from_fn(|i| if mask[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn mask_bits(self, mask: V<bool>) -> u32 {
        mask.iter().enumerate().map(|(i, &set)| u32::from(set) << i).sum()
    }
    #[inline(always)]
    fn sum(self, a: V<f32>) -> f32 {
        (a[0] + a[2]) + (a[1] + a[3])
    }
    #[inline(always)]
    fn largest(self, a: V<f32>) -> f32 {
        a[0].max(a[1]).max(a[2].max(a[3]))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> V<i32> {
        [x; 4]
    }
    #[inline(always)]
    fn add_i32(self, a: V<i32>, b: V<i32>) -> V<i32> {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as documented")]
    fn to_i32(self, a: V<f32>) -> V<i32> {
        self.round(a).map(|x| x as i32)
    }
    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "the conversion is meant")]
    fn to_f32(self, a: V<i32>) -> V<f32> {
        a.map(|x| x as f32)
    }
    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> V<i32> {
        [from[0], from[1], from[2], from[3]]
    }
    #[inline(always)]
    fn store_i32(self, value: V<i32>, to: &mut [i32]) {
        to[..4].copy_from_slice(&value);
    }
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of i8")]
    fn store_i8(self, value: V<i32>, to: &mut [i8]) {
        to[..4].copy_from_slice(&value.map(|x| x.clamp(-128, 127) as i8));
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> V<i32> {
        [from[0].into(), from[1].into(), from[2].into(), from[3].into()]
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> V<f32> {
        [from[0], from[1], from[2], from[3]].map(|bits| f32::from_bits(u32::from(bits) << 16))
    }
    #[inline(always)]
    fn load_bf16_pairs(self, from: &[u16]) -> (V<f32>, V<f32>) {
        let even = self.load_bf16(&[from[0], from[2], from[4], from[6]]);
        let odd = self.load_bf16(&[from[1], from[3], from[5], from[7]]);
        (even, odd)
    }
    #[inline(always)]
    fn load_f16(self, from: &[u16]) -> V<f32> {
        [from[0], from[1], from[2], from[3]].map(half::f16_to_f32)
    }
    #[inline(always)]
    fn store_f16(self, value: V<f32>, to: &mut [u16]) {
        to[..4].copy_from_slice(&value.map(half::f32_to_f16));
    }
    #[inline(always)]
    fn store_bf16(self, value: V<f32>, to: &mut [u16]) {
        to[..4].copy_from_slice(&value.map(half::f32_to_bf16));
    }
    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "clamped to the range of u8")]
    fn store_u8(self, value: V<i32>, to: &mut [u8]) {
        to[..4].copy_from_slice(&value.map(|x| x.clamp(0, 255) as u8));
    }
    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> V<i32> {
        [from[0].into(), from[1].into(), from[2].into(), from[3].into()]
    }
    #[inline(always)]
    fn prefetch_beyond<T>(self, _: &[T], _: usize) {}
    #[inline(always)]
    fn prefetch_to_second_level<T>(self, _: &[T], _: isize) {}
    #[inline(always)]
    fn xor_popcount(self, a: &[u64], b: &[u64]) -> u64 {
        a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
    }
    #[inline(always)]
    fn and_popcount(self, a: &[u64], b: &[u64]) -> u64 {
        a.iter().zip(b).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }
}

#[inline(always)]
const fn power_of_two(n: i32) -> f32 {
    // n is within -126..=127 for every caller, so the exponent is that of a normal number.
    f32::from_bits(((n + 127) as u32) << 23)
}

//! Four floats at a time: WebAssembly SIMD in the browser, plain arrays that the compiler vectorises elsewhere.
//!
//! Loads and stores take array references, so lengths are checked where slices are cut and not in inner loops.

use std::ops::{Add, Div, Mul, Sub};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    //! 128-bit vectors of WebAssembly.

    use std::arch::wasm32::*;

    pub(super) type Floats = v128;
    pub(super) type Ints = v128;

    #[inline(always)]
    #[expect(unsafe_code, reason = "the vector load is an intrinsic on a pointer")]
    pub(super) fn load(from: &[f32; 4]) -> Floats {
        // SAFETY: the reference is to 16 readable bytes; WebAssembly loads need no alignment.
        unsafe { v128_load(from.as_ptr().cast()) }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "the vector store is an intrinsic on a pointer")]
    pub(super) fn store(value: Floats, to: &mut [f32; 4]) {
        // SAFETY: the reference is to 16 writable bytes; WebAssembly stores need no alignment.
        unsafe { v128_store(to.as_mut_ptr().cast(), value) }
    }

    #[inline(always)]
    pub(super) fn splat(value: f32) -> Floats {
        f32x4_splat(value)
    }

    #[inline(always)]
    pub(super) fn add(a: Floats, b: Floats) -> Floats {
        f32x4_add(a, b)
    }

    #[inline(always)]
    pub(super) fn sub(a: Floats, b: Floats) -> Floats {
        f32x4_sub(a, b)
    }

    #[inline(always)]
    pub(super) fn mul(a: Floats, b: Floats) -> Floats {
        f32x4_mul(a, b)
    }

    #[inline(always)]
    pub(super) fn div(a: Floats, b: Floats) -> Floats {
        f32x4_div(a, b)
    }

    #[inline(always)]
    pub(super) fn min(a: Floats, b: Floats) -> Floats {
        f32x4_min(a, b)
    }

    #[inline(always)]
    pub(super) fn max(a: Floats, b: Floats) -> Floats {
        f32x4_max(a, b)
    }

    #[inline(always)]
    pub(super) fn sqrt(a: Floats) -> Floats {
        f32x4_sqrt(a)
    }

    #[inline(always)]
    pub(super) fn abs(a: Floats) -> Floats {
        f32x4_abs(a)
    }

    #[inline(always)]
    pub(super) fn nearest(a: Floats) -> Floats {
        f32x4_nearest(a)
    }

    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    pub(super) fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
        f32x4_relaxed_madd(a, b, c)
    }

    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    pub(super) fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
        f32x4_add(f32x4_mul(a, b), c)
    }

    /// `value · 2^exponent` for whole exponents whose power is a normal float.
    #[inline(always)]
    pub(super) fn scale_by_power(value: Floats, exponent: Floats) -> Floats {
        let biased = i32x4_add(i32x4_trunc_sat_f32x4(exponent), i32x4_splat(127));
        f32x4_mul(value, i32x4_shl(biased, 23))
    }

    #[inline(always)]
    pub(super) fn less(a: Floats, b: Floats) -> Floats {
        f32x4_lt(a, b)
    }

    /// Lanes of `a` where the mask is set, else of `b`.
    #[inline(always)]
    pub(super) fn select(mask: Floats, a: Floats, b: Floats) -> Floats {
        v128_bitselect(a, b, mask)
    }

    /// The magnitude of `a` with the sign of `b`.
    #[inline(always)]
    pub(super) fn copy_sign(a: Floats, b: Floats) -> Floats {
        v128_bitselect(b, a, i32x4_splat(i32::MIN))
    }

    #[inline(always)]
    pub(super) fn ints_zero() -> Ints {
        i32x4_splat(0)
    }

    /// Adds the products of neighbouring 16-bit pairs: four columns of `b` with one pair of `a`.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the vector load is an intrinsic on a pointer")]
    pub(super) fn dot_pairs(sums: Ints, a: [i16; 2], b: &[i8; 8]) -> Ints {
        let pair = i32x4_splat(i32::from(a[0] as u16) | i32::from(a[1]) << 16);
        // SAFETY: the reference is to 8 readable bytes; WebAssembly loads need no alignment.
        let columns = unsafe { i16x8_load_extend_i8x8(b.as_ptr()) };
        i32x4_add(sums, i32x4_dot_i16x8(pair, columns))
    }

    #[inline(always)]
    pub(super) fn ints_to_array(a: Ints) -> [i32; 4] {
        [
            i32x4_extract_lane::<0>(a),
            i32x4_extract_lane::<1>(a),
            i32x4_extract_lane::<2>(a),
            i32x4_extract_lane::<3>(a),
        ]
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod lanes {
    //! Arrays with the same operations.

    use std::array::from_fn;

    pub(super) type Floats = [f32; 4];
    pub(super) type Ints = [i32; 4];

    #[inline(always)]
    pub(super) fn load(from: &[f32; 4]) -> Floats {
        *from
    }

    #[inline(always)]
    pub(super) fn store(value: Floats, to: &mut [f32; 4]) {
        *to = value;
    }

    #[inline(always)]
    pub(super) fn splat(value: f32) -> Floats {
        [value; 4]
    }

    #[inline(always)]
    pub(super) fn add(a: Floats, b: Floats) -> Floats {
        from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    pub(super) fn sub(a: Floats, b: Floats) -> Floats {
        from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    pub(super) fn mul(a: Floats, b: Floats) -> Floats {
        from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    pub(super) fn div(a: Floats, b: Floats) -> Floats {
        from_fn(|i| a[i] / b[i])
    }

    #[inline(always)]
    pub(super) fn min(a: Floats, b: Floats) -> Floats {
        from_fn(|i| if a[i] < b[i] || a[i].is_nan() { a[i] } else { b[i] })
    }

    #[inline(always)]
    pub(super) fn max(a: Floats, b: Floats) -> Floats {
        from_fn(|i| if a[i] > b[i] || a[i].is_nan() { a[i] } else { b[i] })
    }

    #[inline(always)]
    pub(super) fn sqrt(a: Floats) -> Floats {
        a.map(f32::sqrt)
    }

    #[inline(always)]
    pub(super) fn abs(a: Floats) -> Floats {
        a.map(f32::abs)
    }

    #[inline(always)]
    pub(super) fn nearest(a: Floats) -> Floats {
        a.map(f32::round_ties_even)
    }

    #[inline(always)]
    pub(super) fn mul_add(a: Floats, b: Floats, c: Floats) -> Floats {
        from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    pub(super) fn scale_by_power(value: Floats, exponent: Floats) -> Floats {
        from_fn(|i| value[i] * f32::from_bits(((exponent[i] as i32).wrapping_add(127) as u32) << 23))
    }

    #[inline(always)]
    pub(super) fn less(a: Floats, b: Floats) -> Floats {
        from_fn(|i| f32::from_bits(if a[i] < b[i] { u32::MAX } else { 0 }))
    }

    #[inline(always)]
    pub(super) fn select(mask: Floats, a: Floats, b: Floats) -> Floats {
        from_fn(|i| if mask[i].to_bits() == 0 { b[i] } else { a[i] })
    }

    #[inline(always)]
    pub(super) fn copy_sign(a: Floats, b: Floats) -> Floats {
        from_fn(|i| a[i].copysign(b[i]))
    }

    #[inline(always)]
    pub(super) fn ints_zero() -> Ints {
        [0; 4]
    }

    #[inline(always)]
    pub(super) fn dot_pairs(sums: Ints, a: [i16; 2], b: &[i8; 8]) -> Ints {
        let product = |i: usize| i32::from(a[i % 2]) * i32::from(b[i]);
        from_fn(|i| sums[i].wrapping_add(product(2 * i)).wrapping_add(product(2 * i + 1)))
    }

    #[inline(always)]
    pub(super) fn ints_to_array(a: Ints) -> [i32; 4] {
        a
    }
}

/// Four floats.
#[derive(Clone, Copy)]
pub(super) struct F32x4(lanes::Floats);

impl F32x4 {
    #[inline(always)]
    pub(super) fn splat(value: f32) -> Self {
        Self(lanes::splat(value))
    }

    #[inline(always)]
    pub(super) fn load(from: &[f32; 4]) -> Self {
        Self(lanes::load(from))
    }

    #[inline(always)]
    pub(super) fn store(self, to: &mut [f32; 4]) {
        lanes::store(self.0, to);
    }

    #[inline(always)]
    pub(super) fn to_array(self) -> [f32; 4] {
        let mut array = [0.0; 4];
        self.store(&mut array);
        array
    }

    /// `self · factor + addend`; with relaxed SIMD in one rounding, else in two.
    #[inline(always)]
    pub(super) fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(lanes::mul_add(self.0, factor.0, addend.0))
    }

    /// Not a number when either is not.
    #[inline(always)]
    pub(super) fn min(self, other: Self) -> Self {
        Self(lanes::min(self.0, other.0))
    }

    /// Not a number when either is not.
    #[inline(always)]
    pub(super) fn max(self, other: Self) -> Self {
        Self(lanes::max(self.0, other.0))
    }

    #[inline(always)]
    pub(super) fn sqrt(self) -> Self {
        Self(lanes::sqrt(self.0))
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Self {
        Self(lanes::abs(self.0))
    }

    /// To whole numbers, ties to even.
    #[inline(always)]
    pub(super) fn nearest(self) -> Self {
        Self(lanes::nearest(self.0))
    }

    /// `self · 2^exponent` for whole exponents from −126 to 127.
    #[inline(always)]
    pub(super) fn scale_by_power(self, exponent: Self) -> Self {
        Self(lanes::scale_by_power(self.0, exponent.0))
    }

    /// Lanes of `yes` where `self` is less than `limit`, else of `no`.
    #[inline(always)]
    pub(super) fn if_less(self, limit: Self, yes: Self, no: Self) -> Self {
        Self(lanes::select(lanes::less(self.0, limit.0), yes.0, no.0))
    }

    #[inline(always)]
    pub(super) fn copy_sign(self, from: Self) -> Self {
        Self(lanes::copy_sign(self.0, from.0))
    }

    #[inline(always)]
    pub(super) fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + c) + (b + d)
    }

    #[inline(always)]
    pub(super) fn largest(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        a.max(b).max(c.max(d))
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl $trait for F32x4 {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(lanes::$method(self.0, other.0))
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

/// Four 32-bit sums of products.
#[derive(Clone, Copy)]
pub(super) struct I32x4(lanes::Ints);

impl I32x4 {
    #[inline(always)]
    pub(super) fn zero() -> Self {
        Self(lanes::ints_zero())
    }

    /// Adds `a[0] · b[2i] + a[1] · b[2i + 1]` to lane i.
    #[inline(always)]
    pub(super) fn dot_pairs(self, a: [i16; 2], b: &[i8; 8]) -> Self {
        Self(lanes::dot_pairs(self.0, a, b))
    }

    #[inline(always)]
    pub(super) fn to_array(self) -> [i32; 4] {
        lanes::ints_to_array(self.0)
    }
}

//! Four floats at once: WebAssembly SIMD, SSE2 or plain Rust behind one interface.
//!
//! Kernels are written once against [`F32x4`]; the native build exists so that tests and profilers need no browser.
#![expect(unsafe_code, reason = "vector loads and stores take raw pointers")]
#![expect(clippy::should_implement_trait, reason = "methods chain in the order of the instructions")]

/// Lanes of one vector.
pub const LANES: usize = 4;

/// 1.5 · 2^23: a float that it is added to is rounded to a whole number, ties to even, which stands in the lowest bits of
/// the sum.
pub const ROUNDER: f32 = 12_582_912.0;

#[cfg(target_arch = "wasm32")]
mod platform {
    use core::arch::wasm32::*;

    pub(super) type Vector = v128;
    pub(super) use core::arch::wasm32::{
        f32x4_abs as abs, f32x4_add as add, f32x4_div as div, f32x4_max as max, f32x4_min as min,
        f32x4_mul as mul, f32x4_nearest as round, f32x4_pmax as at_least, f32x4_pmin as at_most,
        f32x4_splat as splat, f32x4_sqrt as sqrt, f32x4_sub as sub,
    };

    pub(super) fn load(lanes: &[f32; 4]) -> v128 {
        // SAFETY: the array is 16 readable bytes; the load needs no alignment.
        unsafe { v128_load(lanes.as_ptr().cast()) }
    }

    pub(super) fn store(vector: v128, lanes: &mut [f32; 4]) {
        // SAFETY: the array is 16 writable bytes; the store needs no alignment.
        unsafe { v128_store(lanes.as_mut_ptr().cast(), vector) }
    }

    #[cfg(target_feature = "relaxed-simd")]
    pub(super) use core::arch::wasm32::f32x4_relaxed_madd as mul_add;
    #[cfg(not(target_feature = "relaxed-simd"))]
    pub(super) fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    pub(super) fn select_less(a: v128, b: v128, when_less: v128, otherwise: v128) -> v128 {
        v128_bitselect(when_less, otherwise, f32x4_lt(a, b))
    }

    pub(super) fn copy_sign(magnitude: v128, sign: v128) -> v128 {
        v128_bitselect(sign, magnitude, i32x4_splat(i32::MIN))
    }

    pub(super) fn power_of_two(rounded: v128) -> v128 {
        i32x4_add(i32x4_shl(rounded, 23), f32x4_splat(1.0))
    }

    pub(super) fn even_lanes(a: v128, b: v128) -> v128 {
        i32x4_shuffle::<0, 2, 4, 6>(a, b)
    }
}

#[cfg(target_arch = "x86_64")]
mod platform {
    use core::arch::x86_64::*;

    pub(super) type Vector = __m128;

    // SSE2 is part of the x86-64 baseline, so these instructions are always there.
    macro_rules! sse {
        ($($name:ident($($argument:ident),+) = $intrinsic:ident;)+) => {$(
            #[inline(always)]
            pub(super) fn $name($($argument: __m128),+) -> __m128 {
                // SAFETY: SSE is part of the x86-64 baseline.
                #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
                unsafe { $intrinsic($($argument),+) }
            }
        )+};
    }
    sse! {
        add(a, b) = _mm_add_ps;
        sub(a, b) = _mm_sub_ps;
        mul(a, b) = _mm_mul_ps;
        div(a, b) = _mm_div_ps;
        sqrt(a) = _mm_sqrt_ps;
    }

    /// As WebAssembly: NaN when either is NaN.
    #[inline(always)]
    pub(super) fn max(a: __m128, b: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_or_ps(_mm_max_ps(a, b), _mm_cmpunord_ps(a, b))
        }
    }

    /// As WebAssembly: NaN when either is NaN.
    #[inline(always)]
    pub(super) fn min(a: __m128, b: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_or_ps(_mm_min_ps(a, b), _mm_cmpunord_ps(a, b))
        }
    }

    // These two give their second operand when one is NaN.
    #[inline(always)]
    pub(super) fn at_least(a: __m128, low: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_max_ps(low, a)
        }
    }

    #[inline(always)]
    pub(super) fn at_most(a: __m128, high: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_min_ps(high, a)
        }
    }

    #[inline(always)]
    pub(super) fn splat(x: f32) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_set1_ps(x)
        }
    }

    #[inline(always)]
    pub(super) fn load(lanes: &[f32; 4]) -> __m128 {
        // SAFETY: the array is 16 readable bytes; the load needs no alignment.
        unsafe { _mm_loadu_ps(lanes.as_ptr()) }
    }

    #[inline(always)]
    pub(super) fn store(vector: __m128, lanes: &mut [f32; 4]) {
        // SAFETY: the array is 16 writable bytes; the store needs no alignment.
        unsafe { _mm_storeu_ps(lanes.as_mut_ptr(), vector) }
    }

    #[inline(always)]
    pub(super) fn mul_add(a: __m128, b: __m128, c: __m128) -> __m128 {
        add(mul(a, b), c)
    }

    #[inline(always)]
    pub(super) fn abs(a: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_andnot_ps(_mm_set1_ps(-0.0), a)
        }
    }

    /// To the nearest integer, ties to even, for magnitudes below 2^31.
    #[inline(always)]
    pub(super) fn round(a: __m128) -> __m128 {
        // SAFETY: SSE2 is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_cvtepi32_ps(_mm_cvtps_epi32(a))
        }
    }

    #[inline(always)]
    pub(super) fn select_less(a: __m128, b: __m128, when_less: __m128, otherwise: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            let mask = _mm_cmplt_ps(a, b);
            _mm_or_ps(_mm_and_ps(mask, when_less), _mm_andnot_ps(mask, otherwise))
        }
    }

    #[inline(always)]
    pub(super) fn copy_sign(magnitude: __m128, sign: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            let mask = _mm_set1_ps(-0.0);
            _mm_or_ps(_mm_and_ps(mask, sign), _mm_andnot_ps(mask, magnitude))
        }
    }

    #[inline(always)]
    pub(super) fn power_of_two(rounded: __m128) -> __m128 {
        // SAFETY: SSE2 is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            let shifted = _mm_slli_epi32::<23>(_mm_castps_si128(rounded));
            _mm_castsi128_ps(_mm_add_epi32(shifted, _mm_castps_si128(_mm_set1_ps(1.0))))
        }
    }

    #[inline(always)]
    pub(super) fn even_lanes(a: __m128, b: __m128) -> __m128 {
        // SAFETY: SSE is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_shuffle_ps::<0b10_00_10_00>(a, b)
        }
    }
}

#[cfg(not(any(target_arch = "wasm32", target_arch = "x86_64")))]
mod platform {
    pub(super) type Vector = [f32; 4];

    fn zip(a: Vector, b: Vector, f: impl Fn(f32, f32) -> f32) -> Vector {
        core::array::from_fn(|lane| f(a[lane], b[lane]))
    }

    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| a + b)
    }
    pub(super) fn sub(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| a - b)
    }
    pub(super) fn mul(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| a * b)
    }
    pub(super) fn div(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| a / b)
    }
    pub(super) fn max(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| if a.is_nan() || a > b { a } else { b })
    }
    pub(super) fn min(a: Vector, b: Vector) -> Vector {
        zip(a, b, |a, b| if a.is_nan() || a < b { a } else { b })
    }
    pub(super) fn at_least(a: Vector, low: Vector) -> Vector {
        zip(a, low, |a, low| if a < low { low } else { a })
    }
    pub(super) fn at_most(a: Vector, high: Vector) -> Vector {
        zip(a, high, |a, high| if high < a { high } else { a })
    }
    pub(super) fn sqrt(a: Vector) -> Vector {
        a.map(f32::sqrt)
    }
    pub(super) fn abs(a: Vector) -> Vector {
        a.map(f32::abs)
    }
    pub(super) fn round(a: Vector) -> Vector {
        a.map(f32::round_ties_even)
    }
    pub(super) fn splat(x: f32) -> Vector {
        [x; 4]
    }
    pub(super) fn load(lanes: &[f32; 4]) -> Vector {
        *lanes
    }
    pub(super) fn store(vector: Vector, lanes: &mut [f32; 4]) {
        *lanes = vector;
    }
    pub(super) fn mul_add(a: Vector, b: Vector, c: Vector) -> Vector {
        add(mul(a, b), c)
    }
    pub(super) fn select_less(a: Vector, b: Vector, when_less: Vector, otherwise: Vector) -> Vector {
        core::array::from_fn(|lane| if a[lane] < b[lane] { when_less[lane] } else { otherwise[lane] })
    }
    pub(super) fn copy_sign(magnitude: Vector, sign: Vector) -> Vector {
        zip(magnitude, sign, f32::copysign)
    }
    pub(super) fn power_of_two(rounded: Vector) -> Vector {
        rounded.map(|n| f32::from_bits((n.to_bits() << 23).wrapping_add(1.0_f32.to_bits())))
    }
    pub(super) fn even_lanes(a: Vector, b: Vector) -> Vector {
        [a[0], a[2], b[0], b[2]]
    }
}

/// Four 32-bit floats.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct F32x4(platform::Vector);

macro_rules! operators {
    ($($(#[$doc:meta])* $name:ident($self:ident $(, $argument:ident)*);)+) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name($self $(, $argument: Self)*) -> Self {
            Self(platform::$name($self.0 $(, $argument.0)*))
        }
    )+};
}

impl F32x4 {
    /// The same value in each lane.
    #[inline(always)]
    #[must_use]
    pub fn splat(x: f32) -> Self {
        Self(platform::splat(x))
    }

    /// Zero in each lane.
    #[inline(always)]
    #[must_use]
    pub fn zero() -> Self {
        Self::splat(0.0)
    }

    /// Reads four lanes.
    #[inline(always)]
    #[must_use]
    pub fn load(lanes: &[f32; 4]) -> Self {
        Self(platform::load(lanes))
    }

    /// Reads four lanes.
    ///
    /// # Safety
    /// Four floats must be readable from `lanes` on.
    #[inline(always)]
    #[must_use]
    pub unsafe fn load_from(lanes: *const f32) -> Self {
        // SAFETY: the caller's promise; arrays of floats have the alignment of floats.
        Self::load(unsafe { &*lanes.cast() })
    }

    /// Reads up to four lanes; the missing ones are `fill`.
    #[inline(always)]
    #[must_use]
    pub fn load_partial(lanes: &[f32], fill: f32) -> Self {
        // One by one: a copy of unknown length is a call.
        Self::load(&std::array::from_fn(|lane| lanes.get(lane).copied().unwrap_or(fill)))
    }

    /// Writes four lanes.
    #[inline(always)]
    pub fn store(self, lanes: &mut [f32; 4]) {
        platform::store(self.0, lanes);
    }

    /// Writes the first `lanes.len()` lanes, at most four.
    #[inline(always)]
    pub fn store_partial(self, lanes: &mut [f32]) {
        lanes.copy_from_slice(&self.to_array()[..lanes.len()]);
    }

    /// The lanes as an array.
    #[inline(always)]
    #[must_use]
    pub fn to_array(self) -> [f32; 4] {
        let mut lanes = [0.0; LANES];
        self.store(&mut lanes);
        lanes
    }

    operators! {
        /// Lane-wise a + b.
        add(self, b);
        /// Lane-wise a − b.
        sub(self, b);
        /// Lane-wise a · b.
        mul(self, b);
        /// Lane-wise a / b.
        div(self, b);
        /// Lane-wise maximum; NaN when either is NaN.
        max(self, b);
        /// Lane-wise minimum; NaN when either is NaN.
        min(self, b);
        /// Lane-wise a, or b where a is less; one instruction. NaN stays, and b's is ignored.
        at_least(self, b);
        /// Lane-wise a, or b where a is greater; one instruction. NaN stays, and b's is ignored.
        at_most(self, b);
        /// Lane-wise absolute value.
        abs(self);
        /// Lane-wise square root.
        sqrt(self);
        /// Lane-wise nearest integer, ties to even, for magnitudes below 2^31.
        round(self);
        /// Lane-wise a · b + c: one rounding where the platform has it (relaxed SIMD), two elsewhere.
        mul_add(self, b, c);
        /// The magnitudes of a with the signs of b.
        copy_sign(self, b);
        /// 2^n for whole n from −127, which gives 0, to 127; a is n + [`ROUNDER`].
        power_of_two(self);
        /// Lanes 0 and 2 of a, then of b.
        even_lanes(self, b);
        /// Lane-wise a < b ? c : d.
        select_less(self, b, c, d);
    }

    /// Sum of the lanes, pairwise.
    #[inline(always)]
    #[must_use]
    pub fn sum(self) -> f32 {
        let [a, b, c, d] = self.to_array();
        (a + b) + (c + d)
    }

    /// Largest lane; NaN when one is NaN.
    #[inline(always)]
    #[must_use]
    pub fn max_lane(self) -> f32 {
        self.to_array().into_iter().fold(f32::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b })
    }
}

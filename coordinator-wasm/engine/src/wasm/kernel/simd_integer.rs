//! Eight 16-bit and four 32-bit integers at once, for exact products of 8-bit numbers.
#![expect(unsafe_code, reason = "vector loads and stores take raw pointers")]
#![expect(clippy::should_implement_trait, reason = "methods chain in the order of the instructions")]

use super::simd::F32x4;

#[cfg(target_arch = "wasm32")]
mod platform {
    use core::arch::wasm32::*;

    pub(super) type Vector = v128;
    pub(super) use core::arch::wasm32::{i32x4_add as add, i32x4_dot_i16x8 as dot, i32x4_splat as splat};

    pub(super) fn load_bytes(bytes: &[i8; 16]) -> [v128; 2] {
        // SAFETY: the array is 16 readable bytes; the load needs no alignment.
        let bytes = unsafe { v128_load(bytes.as_ptr().cast()) };
        [i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes)]
    }

    pub(super) fn biased_floats(bytes: &[[i8; 8]; 2]) -> [[f32; 4]; 4] {
        let mut floats = [[0.0; 4]; 4];
        // SAFETY: the arrays are 16 readable and 64 writable bytes; load and stores need no alignment.
        unsafe {
            let bytes = v128_xor(v128_load(bytes.as_ptr().cast()), i8x16_splat(i8::MIN));
            let (zero, top) = (i8x16_splat(0), i16x8_splat(0x4b00));
            let words = [
                i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(bytes, zero),
                i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(bytes, zero),
            ];
            for (word, floats) in words.into_iter().zip(floats.as_chunks_mut::<2>().0) {
                let low = i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(word, top);
                let high = i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(word, top);
                v128_store(floats[0].as_mut_ptr().cast(), low);
                v128_store(floats[1].as_mut_ptr().cast(), high);
            }
        }
        floats
    }

    pub(super) fn load(lanes: &[i32; 4]) -> v128 {
        // SAFETY: the array is 16 readable bytes; the load needs no alignment.
        unsafe { v128_load(lanes.as_ptr().cast()) }
    }

    pub(super) fn splat_pair(pair: [i16; 2]) -> v128 {
        let [low, high] = pair.map(|x| u32::from(x.cast_unsigned()));
        i32x4_splat((low | high << 16).cast_signed())
    }

    pub(super) fn to_array(vector: v128) -> [i32; 4] {
        let mut lanes = [0; 4];
        // SAFETY: the array is 16 writable bytes; the store needs no alignment.
        unsafe { v128_store(lanes.as_mut_ptr().cast(), vector) };
        lanes
    }

    pub(super) fn to_floats(vector: v128) -> [f32; 4] {
        let mut lanes = [0.0; 4];
        // SAFETY: the array is 16 writable bytes; the store needs no alignment.
        unsafe { v128_store(lanes.as_mut_ptr().cast(), f32x4_convert_i32x4(vector)) };
        lanes
    }
}

#[cfg(target_arch = "x86_64")]
mod platform {
    use core::arch::x86_64::*;

    pub(super) type Vector = __m128i;

    #[inline(always)]
    pub(super) fn add(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: SSE2 is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_add_epi32(a, b)
        }
    }

    #[inline(always)]
    pub(super) fn dot(a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: SSE2 is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_madd_epi16(a, b)
        }
    }

    #[inline(always)]
    pub(super) fn splat(x: i32) -> __m128i {
        // SAFETY: SSE2 is part of the x86-64 baseline.
        #[allow(unused_unsafe, reason = "safe in recent toolchains, unsafe in older ones")]
        unsafe {
            _mm_set1_epi32(x)
        }
    }

    #[inline(always)]
    pub(super) fn load_bytes(bytes: &[i8; 16]) -> [__m128i; 2] {
        // SAFETY: the array is 16 readable bytes and the load needs no alignment; SSE2 is part of the baseline.
        unsafe {
            let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
            // A byte in the high half of 16 bits, shifted down, is extended with its sign.
            let zero = _mm_setzero_si128();
            let extend = |halves| _mm_srai_epi16::<8>(halves);
            [extend(_mm_unpacklo_epi8(zero, bytes)), extend(_mm_unpackhi_epi8(zero, bytes))]
        }
    }

    #[inline(always)]
    pub(super) fn biased_floats(bytes: &[[i8; 8]; 2]) -> [[f32; 4]; 4] {
        let mut floats = [[0.0; 4]; 4];
        // SAFETY: the arrays are 16 readable and 64 writable bytes, load and stores need no alignment; SSE2 is part of
        // the baseline.
        unsafe {
            let bytes = _mm_xor_si128(_mm_loadu_si128(bytes.as_ptr().cast()), _mm_set1_epi8(i8::MIN));
            let (zero, top) = (_mm_setzero_si128(), _mm_set1_epi16(0x4b00));
            let words = [_mm_unpacklo_epi8(bytes, zero), _mm_unpackhi_epi8(bytes, zero)];
            for (word, floats) in words.into_iter().zip(floats.as_chunks_mut::<2>().0) {
                _mm_storeu_si128(floats[0].as_mut_ptr().cast(), _mm_unpacklo_epi16(word, top));
                _mm_storeu_si128(floats[1].as_mut_ptr().cast(), _mm_unpackhi_epi16(word, top));
            }
        }
        floats
    }

    #[inline(always)]
    pub(super) fn load(lanes: &[i32; 4]) -> __m128i {
        // SAFETY: the array is 16 readable bytes; the load needs no alignment.
        unsafe { _mm_loadu_si128(lanes.as_ptr().cast()) }
    }

    #[inline(always)]
    pub(super) fn splat_pair(pair: [i16; 2]) -> __m128i {
        let [low, high] = pair.map(|x| u32::from(x.cast_unsigned()));
        splat((low | high << 16).cast_signed())
    }

    #[inline(always)]
    pub(super) fn to_array(vector: __m128i) -> [i32; 4] {
        let mut lanes = [0; 4];
        // SAFETY: the array is 16 writable bytes; the store needs no alignment.
        unsafe { _mm_storeu_si128(lanes.as_mut_ptr().cast(), vector) };
        lanes
    }

    #[inline(always)]
    pub(super) fn to_floats(vector: __m128i) -> [f32; 4] {
        let mut lanes = [0.0; 4];
        // SAFETY: the array is 16 writable bytes and the store needs no alignment; SSE2 is part of the baseline.
        unsafe { _mm_storeu_ps(lanes.as_mut_ptr(), _mm_cvtepi32_ps(vector)) };
        lanes
    }
}

#[cfg(not(any(target_arch = "wasm32", target_arch = "x86_64")))]
mod platform {
    /// Eight 16-bit lanes, or four 32-bit ones in the first half.
    pub(super) type Vector = [i32; 8];

    pub(super) fn add(a: Vector, b: Vector) -> Vector {
        core::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }
    pub(super) fn dot(a: Vector, b: Vector) -> Vector {
        let pair = |lane: usize| a[2 * lane] * b[2 * lane] + a[2 * lane + 1] * b[2 * lane + 1];
        [pair(0), pair(1), pair(2), pair(3), 0, 0, 0, 0]
    }
    pub(super) fn splat(x: i32) -> Vector {
        [x; 8]
    }
    pub(super) fn load_bytes(bytes: &[i8; 16]) -> [Vector; 2] {
        [0, 8].map(|from| core::array::from_fn(|lane| i32::from(bytes[from + lane])))
    }
    pub(super) fn biased_floats(bytes: &[[i8; 8]; 2]) -> [[f32; 4]; 4] {
        let float = |index: usize| super::BYTE_BIAS + f32::from(bytes[index / 8][index % 8]);
        core::array::from_fn(|vector| core::array::from_fn(|lane| float(vector * 4 + lane)))
    }
    pub(super) fn load(lanes: &[i32; 4]) -> Vector {
        core::array::from_fn(|lane| lanes.get(lane).copied().unwrap_or(0))
    }
    pub(super) fn splat_pair(pair: [i16; 2]) -> Vector {
        core::array::from_fn(|lane| i32::from(pair[lane % 2]))
    }
    pub(super) fn to_array(vector: Vector) -> [i32; 4] {
        [vector[0], vector[1], vector[2], vector[3]]
    }
    pub(super) fn to_floats(vector: Vector) -> [f32; 4] {
        to_array(vector).map(|x| x as f32)
    }
}

/// What [`biased_floats`] adds: 2^23, whose lowest bits count ones, and 128, which makes bytes unsigned.
pub const BYTE_BIAS: f32 = 8_388_736.0;

/// Bytes as floats, each with [`BYTE_BIAS`] added, exactly: they are put into the lowest bits of 2^23, which takes fewer
/// instructions than a conversion.
#[inline(always)]
#[must_use]
pub fn biased_floats(bytes: &[[i8; 8]; 2]) -> [F32x4; 4] {
    platform::biased_floats(bytes).map(|lanes| F32x4::load(&lanes))
}

/// Eight 16-bit integers.
#[derive(Debug, Clone, Copy)]
pub struct I16x8(platform::Vector);

/// Four 32-bit integers.
#[derive(Debug, Clone, Copy)]
pub struct I32x4(platform::Vector);

impl I16x8 {
    /// Sixteen bytes extended with their signs, the first eight in the first vector.
    #[inline(always)]
    #[must_use]
    pub fn load_bytes(bytes: &[i8; 16]) -> [Self; 2] {
        platform::load_bytes(bytes).map(Self)
    }

    /// The same pair four times.
    #[inline(always)]
    #[must_use]
    pub fn splat_pair(pair: [i16; 2]) -> Self {
        Self(platform::splat_pair(pair))
    }

    /// Sums of the products of neighbouring lanes: lane i is `a[2i]·b[2i] + a[2i+1]·b[2i+1]`.
    #[inline(always)]
    #[must_use]
    pub fn dot(self, b: Self) -> I32x4 {
        I32x4(platform::dot(self.0, b.0))
    }
}

impl I32x4 {
    /// The same value in each lane.
    #[inline(always)]
    #[must_use]
    pub fn splat(x: i32) -> Self {
        Self(platform::splat(x))
    }

    /// Lane-wise a + b, wrapping.
    #[inline(always)]
    #[must_use]
    pub fn add(self, b: Self) -> Self {
        Self(platform::add(self.0, b.0))
    }

    /// Reads four lanes.
    #[inline(always)]
    #[must_use]
    pub fn from_array(lanes: [i32; 4]) -> Self {
        Self(platform::load(&lanes))
    }

    /// The lanes as an array.
    #[inline(always)]
    #[must_use]
    pub fn to_array(self) -> [i32; 4] {
        platform::to_array(self.0)
    }

    /// The lanes as floats, rounded to nearest.
    #[inline(always)]
    #[must_use]
    pub fn to_floats(self) -> F32x4 {
        F32x4::load(&platform::to_floats(self.0))
    }
}

//! Sixteen pixels at once: two vectors of AVX2, one of AVX-512.
#![allow(unsafe_code, reason = "intrinsics of instruction sets whose presence the type proves")]

use super::lanes::{BLOCK, Lanes};
use std::arch::x86_64::*;

/// AVX2: made only by [`Avx2::detect`].
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// AVX-512 with the byte and short-vector extensions: made only by [`Avx512::detect`].
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq");
        all.then_some(Self(()))
    }
}

/// One-line operations: a value of the type exists, so the processor has the instruction.
macro_rules! operations {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $ty),*) -> $ret {
                // SAFETY: `self` was made by `detect`, which asked the processor for every instruction used here.
                unsafe { $body }
            }
        )*
    };
}

/// Operations on both halves of sixteen pixels: two independent chains keep the processor busy while one waits.
macro_rules! halves {
    ($($name:ident($($arg:ident),*) = $instruction:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: [__m256; 2]),*) -> [__m256; 2] {
                // SAFETY: `self` was made by `detect`, which asked the processor for every instruction used here.
                unsafe { [$instruction($($arg[0]),*), $instruction($($arg[1]),*)] }
            }
        )*
    };
}

/// For each of the three channels and each of the three vectors of 16 bytes: which byte goes where (-1: none).
const SPLIT: [[[i8; 16]; 3]; 3] = {
    let mut table = [[[-1; 16]; 3]; 3];
    let mut k = 0;
    while k < 3 * BLOCK {
        table[k % 3][k / 16][k / 3] = (k % 16) as i8;
        k += 1;
    }
    table
};

/// Three interleaved channels as three rows.
#[inline]
#[target_feature(enable = "avx2")]
fn split(pixels: &[u8; 3 * BLOCK]) -> [[u8; BLOCK]; 3] {
    let mut rows = [[0; BLOCK]; 3];
    for c in 0..3 {
        // SAFETY: 48 bytes are read, as many as there are, and 16 written to a row of 16.
        unsafe {
            let of = |k: usize| {
                let vector = _mm_loadu_si128(pixels.as_ptr().add(16 * k).cast());
                _mm_shuffle_epi8(vector, _mm_loadu_si128(SPLIT[c][k].as_ptr().cast()))
            };
            let row = _mm_or_si128(_mm_or_si128(of(0), of(1)), of(2));
            _mm_storeu_si128(rows[c].as_mut_ptr().cast(), row);
        }
    }
    rows
}

impl Lanes for Avx2 {
    type F = [__m256; 2];
    type M = [__m256; 2];

    halves! {
        add(a, b) = _mm256_add_ps;
        sub(a, b) = _mm256_sub_ps;
        mul(a, b) = _mm256_mul_ps;
        div(a, b) = _mm256_div_ps;
        min(a, b) = _mm256_min_ps;
        max(a, b) = _mm256_max_ps;
        abs(a) = |a| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
        less(a, b) = _mm256_cmp_ps::<_CMP_LT_OQ>;
        equal(a, b) = _mm256_cmp_ps::<_CMP_EQ_OQ>;
        none() = _mm256_setzero_ps;
        and(a, b) = _mm256_and_ps;
        without(a, b) = |a, b| _mm256_andnot_ps(b, a);
        or(a, b) = _mm256_or_ps;
        select(mask, yes, no) = |mask, yes, no| _mm256_blendv_ps(no, yes, mask);
    }

    operations! {
        splat(value: f32) -> [__m256; 2] = [_mm256_set1_ps(value); 2];
        split(pixels: &[u8; 3 * BLOCK]) -> [[u8; BLOCK]; 3] = split(pixels);
        any(a: [__m256; 2]) -> bool = _mm256_movemask_ps(_mm256_or_ps(a[0], a[1])) != 0;
        // The arrays have as many bytes as are read.
        load(from: &[f32; 16]) -> [__m256; 2] = [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from[8..].as_ptr())];
        load_u8(from: &[u8; 16]) -> [__m256; 2] = {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            [
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes))),
            ]
        };
    }

    #[inline(always)]
    fn store(self, value: [__m256; 2], to: &mut [f32; 16]) {
        // SAFETY: as above; the array has as many bytes as are written.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), value[0]);
            _mm256_storeu_ps(to[8..].as_mut_ptr(), value[1]);
        }
    }

    #[inline(always)]
    fn store_u8(self, value: [__m256; 2], to: &mut [u8; 16]) {
        // SAFETY: as above; the array has as many bytes as are written.
        unsafe {
            let words = value.map(|half| {
                let wide = _mm256_cvttps_epi32(half);
                _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide))
            });
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_packus_epi16(words[0], words[1]));
        }
    }
}

impl Lanes for Avx512 {
    type F = __m512;
    type M = __mmask16;

    operations! {
        splat(value: f32) -> __m512 = _mm512_set1_ps(value);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        abs(a: __m512) -> __m512 = _mm512_abs_ps(a);
        less(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        equal(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
        split(pixels: &[u8; 3 * BLOCK]) -> [[u8; BLOCK]; 3] = split(pixels);
        select(mask: __mmask16, yes: __m512, no: __m512) -> __m512 = _mm512_mask_blend_ps(mask, no, yes);
        // The array has as many bytes as are read.
        load(from: &[f32; 16]) -> __m512 = _mm512_loadu_ps(from.as_ptr());
        load_u8(from: &[u8; 16]) -> __m512 = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast())));
    }

    #[inline(always)]
    fn none(self) -> __mmask16 {
        0
    }
    #[inline(always)]
    fn and(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    fn without(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a & !b
    }
    #[inline(always)]
    fn or(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }
    #[inline(always)]
    fn any(self, a: __mmask16) -> bool {
        a != 0
    }

    #[inline(always)]
    fn store(self, value: __m512, to: &mut [f32; 16]) {
        // SAFETY: as above; the array has as many bytes as are written.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn store_u8(self, value: __m512, to: &mut [u8; 16]) {
        // SAFETY: as above; the array has as many bytes as are written.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(value))) }
    }
}

// Vec on AVX-512 (F, BW, DQ, VL): 16 lanes. See cpu/vec.h.
#pragma once
// GCC 12 takes the undefined registers inside its own intrinsics for mistakes (PR 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <stdint.h>

#include "core/half.h"
#include "cpu/dispatch_bits.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kWidth = 16;

struct Mask {
  __mmask16 m;
};
struct Vec {
  __m512 v;
};

inline __mmask16 lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Vec load_n(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(lanes(n), p)}; }
inline void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
inline void store_n(float* p, Vec a, int64_t n) { _mm512_mask_storeu_ps(p, lanes(n), a.v); }
// Past the caches; p is aligned to a vector. What follows must not be seen before it.
inline void stream(float* p, Vec a) { _mm512_stream_ps(p, a.v); }
inline void end_streams() { _mm_sfence(); }
// Has the compiler keep x in a register, rather than load it again where it is used.
inline void in_register(Vec& x) {
#if defined(PYDL_EMULATE_AVX512)
  static_cast<void>(x);
#else
  __asm__("" : "+v"(x.v));
#endif
}
inline Vec set1(float x) { return {_mm512_set1_ps(x)}; }

// The same of half types, in float32.
inline Vec widen(__m256i h, F16) { return {_mm512_cvtph_ps(h)}; }
inline Vec widen(__m256i h, BF16) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
}
inline __m256i narrow(Vec a, F16) { return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT); }
inline __m256i high_halves(__m512i w) {
#if defined(PYDL_EMULATE_AVX512)
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(w, 16));
#else
  alignas(32) static const uint16_t kOdd[16] = {1,  3,  5,  7,  9,  11, 13, 15,
                                                17, 19, 21, 23, 25, 27, 29, 31};
  const __m256i odd = _mm256_load_si256(reinterpret_cast<const __m256i*>(kOdd));
  return _mm512_castsi512_si256(_mm512_permutexvar_epi16(_mm512_castsi256_si512(odd), w));
#endif
}
// NOTE: a NaN becomes some NaN; those of a cast go by scalar code.
inline __m256i narrow_exact(Vec a) {
  const __m512i u = _mm512_castps_si512(a.v);
  const __mmask16 odd = _mm512_test_epi32_mask(u, _mm512_set1_epi32(0x10000));
  __m512i r = _mm512_add_epi32(u, _mm512_set1_epi32(0x7fff));
  r = _mm512_mask_add_epi32(r, odd, r, _mm512_set1_epi32(1));
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  r = _mm512_mask_mov_epi32(r, nan, _mm512_set1_epi32(0x7fc00000));
  return high_halves(r);
}
// In one instruction where there is one, which has denormals as zero as all arithmetic has.
inline __m256i narrow(Vec a, BF16) {
#if !defined(PYDL_EMULATE_AVX512)
  if (has_bf16_dot()) {
    __m256i y;
    __asm__("vcvtneps2bf16 %1, %0" : "=v"(y) : "v"(a.v));
    return y;
  }
#endif
  return narrow_exact(a);
}
template <class T>
inline Vec load(const T* p) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T());
}
template <class T>
inline Vec load_n(const T* p, int64_t n) {
  return widen(_mm256_maskz_loadu_epi16(lanes(n), p), T());
}
template <class T>
inline void store(T* p, Vec a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(a, T()));
}
template <class T>
inline void store_n(T* p, Vec a, int64_t n) {
  _mm256_mask_storeu_epi16(p, lanes(n), narrow(a, T()));
}
template <class T>
inline void stream(T* p, Vec a) {
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow(a, T()));
}

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
inline Vec fma_exact(Vec a, Vec b, Vec c) { return fma(a, b, c); }  // rounded once in every ISA
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec abs(Vec a) { return {_mm512_abs_ps(a.v)}; }
inline Vec neg(Vec a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
// min, max as the hardware has them: the second operand where either is NaN.
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec round(Vec a) {  // to nearest, ties to even
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec floor(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
inline Vec ceil(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)};
}
inline Vec trunc(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)};
}

inline Mask operator<(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator<=(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask operator>(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask operator>=(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)}; }
inline Mask operator==(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
inline Mask is_nan(Vec a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask operator&(Mask a, Mask b) { return {_kand_mask16(a.m, b.m)}; }
inline Mask operator|(Mask a, Mask b) { return {_kor_mask16(a.m, b.m)}; }
inline Mask operator!(Mask a) { return {_knot_mask16(a.m)}; }
inline bool any(Mask a) { return a.m != 0; }
inline Vec select(Mask m, Vec a, Vec b) { return {_mm512_mask_blend_ps(m.m, b.v, a.v)}; }
// Lanes p[0], p[2], ... p[2n - 2]: reads 2n - 1 floats, no more.
inline Vec load_even(const float* p, int64_t n) {
  const __m512i pick = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31);
  const uint32_t have = static_cast<uint32_t>((uint64_t{1} << (2 * n - 1)) - 1);
  __m512 lo = _mm512_maskz_loadu_ps(static_cast<__mmask16>(have), p);
  __m512 hi = _mm512_maskz_loadu_ps(static_cast<__mmask16>(have >> 15), p + 15);
  return {_mm512_permutex2var_ps(lo, pick, hi)};
}
// p[i] = base + the whole number in lane i, for i < n.
inline void store_int(int32_t* p, Vec a, int32_t base, int64_t n) {
  __m512i i = _mm512_add_epi32(_mm512_cvttps_epi32(a.v), _mm512_set1_epi32(base));
  _mm512_mask_storeu_epi32(p, lanes(n), i);
}
// One byte per lane, 1 where set.
inline void store_mask(uint8_t* p, Mask m, int64_t n) {
  _mm_mask_storeu_epi8(p, lanes(n), _mm_maskz_set1_epi8(m.m, 1));
}
inline Mask load_mask(const uint8_t* p, int64_t n) {  // lanes where the byte is not 0
  __m128i b = _mm_maskz_loadu_epi8(lanes(n), p);
  return {_mm_test_epi8_mask(b, b)};
}

// 2^n for whole n in [-126, 127].
inline Vec pow2(Vec n) {
  __m512i i = _mm512_cvtps_epi32(n.v);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(i, _mm512_set1_epi32(127)), 23))};
}
// x * 2^n for whole n in [-252, 254].
inline Vec scale2(Vec x, Vec n) { return {_mm512_scalef_ps(x.v, n.v)}; }
// x = m * 2^e with m in [1, 2), for normal positive x.
inline Vec split(Vec x, Vec* e) {
  __m512i i = _mm512_castps_si512(x.v);
  *e = {_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(i, 23), _mm512_set1_epi32(127)))};
  i = _mm512_or_si512(_mm512_and_si512(i, _mm512_set1_epi32(0x007fffff)),
                      _mm512_set1_epi32(0x3f800000));
  return {_mm512_castsi512_ps(i)};
}
inline Vec copysign(Vec magnitude, Vec sign) {
  const __m512 s = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(s, magnitude.v), _mm512_and_ps(s, sign.v))};
}

// Lanes 0..15 in a fixed tree.
inline float reduce_add(Vec a) {
  __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
inline float reduce_max(Vec a) { return _mm512_reduce_max_ps(a.v); }
inline float reduce_min(Vec a) { return _mm512_reduce_min_ps(a.v); }

}  // namespace PYDL_ISA
}  // namespace pydl

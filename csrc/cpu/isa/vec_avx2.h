// Vec on AVX2 + FMA + F16C: 8 lanes. See cpu/vec.h.
#pragma once
#include <immintrin.h>
#include <stdint.h>

#include "core/half.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kWidth = 8;

struct Mask {
  __m256 m;
};
struct Vec {
  __m256 v;
};

inline __m256i lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline Vec load_n(const float* p, int64_t n) { return {_mm256_maskload_ps(p, lanes(n))}; }
inline void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }
inline void store_n(float* p, Vec a, int64_t n) { _mm256_maskstore_ps(p, lanes(n), a.v); }
inline void stream(float* p, Vec a) { _mm256_stream_ps(p, a.v); }
inline void end_streams() { _mm_sfence(); }
inline Vec set1(float x) { return {_mm256_set1_ps(x)}; }

// The same of half types, in float32.
inline __m128i load_bits16(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline __m128i load_bits16_n(const void* p, int64_t n) {
  uint16_t lane[8] = {};
  for (int64_t i = 0; i < n; ++i) lane[i] = static_cast<const uint16_t*>(p)[i];
  return load_bits16(lane);
}
inline void store_bits16_n(void* p, __m128i a, int64_t n) {
  uint16_t lane[8];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(lane), a);
  for (int64_t i = 0; i < n; ++i) static_cast<uint16_t*>(p)[i] = lane[i];
}
inline Vec widen(__m128i h, F16) { return {_mm256_cvtph_ps(h)}; }
inline Vec widen(__m128i h, BF16) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16))};
}
inline __m128i narrow(Vec a, F16) { return _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT); }
inline __m128i narrow(Vec a, BF16) {
  const __m256i u = _mm256_castps_si256(a.v), one = _mm256_set1_epi32(1);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), one);
  __m256i r = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_or_si256(_mm256_and_si256(u, _mm256_set1_epi32(INT32_MIN)),
                                      _mm256_set1_epi32(0x7fc00000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  r = _mm256_srli_epi32(_mm256_blendv_epi8(r, nan, is_nan), 16);
  r = _mm256_permute4x64_epi64(_mm256_packus_epi32(r, r), _MM_SHUFFLE(3, 1, 2, 0));
  return _mm256_castsi256_si128(r);
}
template <class T>
inline Vec load(const T* p) {
  return widen(load_bits16(p), T());
}
template <class T>
inline Vec load_n(const T* p, int64_t n) {
  return widen(load_bits16_n(p, n), T());
}
template <class T>
inline void store(T* p, Vec a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(a, T()));
}
template <class T>
inline void store_n(T* p, Vec a, int64_t n) {
  store_bits16_n(p, narrow(a, T()), n);
}
template <class T>
inline void stream(T* p, Vec a) {
  _mm_stream_si128(reinterpret_cast<__m128i*>(p), narrow(a, T()));
}

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
inline Vec fma_exact(Vec a, Vec b, Vec c) { return fma(a, b, c); }  // rounded once in every ISA
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec abs(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
inline Vec neg(Vec a) { return {_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f))}; }
// min, max as the hardware has them: the second operand where either is NaN.
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec round(Vec a) {  // to nearest, ties to even
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Vec floor(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
}
inline Vec ceil(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
inline Vec trunc(Vec a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)}; }

inline Mask operator<(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Mask operator<=(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
inline Mask operator>(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
inline Mask operator>=(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
inline Mask operator==(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
inline Mask is_nan(Vec a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
inline Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.m, b.m)}; }
inline Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.m, b.m)}; }
inline Mask operator!(Mask a) {
  return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
inline bool any(Mask a) { return _mm256_movemask_ps(a.m) != 0; }
inline Vec select(Mask m, Vec a, Vec b) { return {_mm256_blendv_ps(b.v, a.v, m.m)}; }
// Lanes p[0], p[2], ... p[2n - 2]: reads 2n - 1 floats, no more.
inline Vec load_even(const float* p, int64_t n) {
  const int have = static_cast<int>(2 * n - 1);
  __m256 lo = n == kWidth ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, lanes(have));
  __m256 hi = n == kWidth ? _mm256_loadu_ps(p + 7) : _mm256_maskload_ps(p + 7, lanes(have - 7));
  __m256 mix = _mm256_shuffle_ps(lo, hi, _MM_SHUFFLE(3, 1, 2, 0));  // per 128 bits
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mix), _MM_SHUFFLE(3, 1, 2, 0)))};
}
// p[i] = base + the whole number in lane i, for i < n.
inline void store_int(int32_t* p, Vec a, int32_t base, int64_t n) {
  __m256i i = _mm256_add_epi32(_mm256_cvttps_epi32(a.v), _mm256_set1_epi32(base));
  _mm256_maskstore_epi32(p, lanes(n), i);
}
// One byte per lane, 1 where set.
inline void store_mask(uint8_t* p, Mask m, int64_t n) {
  const __m256i w = _mm256_castps_si256(m.m);
  __m128i b = _mm_packs_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
  b = _mm_and_si128(_mm_packs_epi16(b, b), _mm_set1_epi8(1));
  const uint64_t bytes = static_cast<uint64_t>(_mm_cvtsi128_si64(b));
  if (n == kWidth) {
    __builtin_memcpy(p, &bytes, 8);
  } else {
    for (int64_t i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(bytes >> (8 * i));
  }
}
inline Mask load_mask(const uint8_t* p, int64_t n) {  // lanes where the byte is not 0
  uint64_t b = 0;
  if (n == kWidth) {
    __builtin_memcpy(&b, p, 8);
  } else {
    for (int64_t i = 0; i < n; ++i) b |= static_cast<uint64_t>(p[i]) << (8 * i);
  }
  __m256i w = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(b)));
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(w, _mm256_setzero_si256()))};
}

// 2^n for whole n in [-126, 127].
inline Vec pow2(Vec n) {
  __m256i i = _mm256_cvtps_epi32(n.v);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(i, _mm256_set1_epi32(127)), 23))};
}
// x * 2^n for whole n in [-252, 254]: in two halves, for 2^n may be out of range.
inline Vec scale2(Vec x, Vec n) {
  const __m256i i = _mm256_cvtps_epi32(n.v), h = _mm256_srai_epi32(i, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(h, bias), 23);
  const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(i, h), bias), 23);
  return {_mm256_mul_ps(_mm256_mul_ps(x.v, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b))};
}
// x = m * 2^e with m in [1, 2), for normal positive x.
inline Vec split(Vec x, Vec* e) {
  __m256i i = _mm256_castps_si256(x.v);
  *e = {_mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(i, 23), _mm256_set1_epi32(127)))};
  i = _mm256_or_si256(_mm256_and_si256(i, _mm256_set1_epi32(0x007fffff)),
                      _mm256_set1_epi32(0x3f800000));
  return {_mm256_castsi256_ps(i)};
}
inline Vec copysign(Vec magnitude, Vec sign) {
  const __m256 s = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(s, magnitude.v), _mm256_and_ps(s, sign.v))};
}

// Lanes 0..7 in a fixed tree.
inline float reduce_add(Vec a) {
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
inline float reduce_max(Vec a) {
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
inline float reduce_min(Vec a) {
  __m128 q = _mm_min_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  q = _mm_min_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_min_ss(q, _mm_movehdup_ps(q)));
}

}  // namespace PYDL_ISA
}  // namespace pydl

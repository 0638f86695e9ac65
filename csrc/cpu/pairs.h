// Neighbouring elements in two vectors, and back in memory: what windows of two columns need of
// Vec. T is float, F16 or BF16.
#pragma once
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// load_apart: elements 0 2 4 ... and 1 3 5 ... of the 2n at p, n <= kWidth; the other lanes are 0.
// store_together: the n pairs of lanes, one after the other, to p.

#if defined(PYDL_ISA_AVX512)
inline void load_apart(const float* p, int64_t n, Vec* even, Vec* odd) {
  const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i o = _mm512_add_epi32(e, _mm512_set1_epi32(1));
  Vec lo, hi;
  if (n == kWidth) {
    lo = load(p), hi = load(p + kWidth);
  } else {
    lo = load_n(p, min64(2 * n, kWidth)), hi = load_n(p + kWidth, max64(2 * n - kWidth, 0));
  }
  *even = {_mm512_permutex2var_ps(lo.v, e, hi.v)};
  *odd = {_mm512_permutex2var_ps(lo.v, o, hi.v)};
}
inline void store_together(float* p, Vec even, Vec odd, int64_t n) {
  const __m512i l = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i h = _mm512_add_epi32(l, _mm512_set1_epi32(8));
  const Vec lo = {_mm512_permutex2var_ps(even.v, l, odd.v)};
  const Vec hi = {_mm512_permutex2var_ps(even.v, h, odd.v)};
  if (2 * n <= kWidth) return store_tail(p, lo, 2 * n);
  store(p, lo);
  store_tail(p + kWidth, hi, 2 * n - kWidth);
}
// Of half types, a pair is a word of 32 bits.
template <class T>
inline void load_apart(const T* p, int64_t n, Vec* even, Vec* odd) {
  const __m512i w = n == kWidth ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(lanes(n), p);
  *even = widen(_mm512_cvtepi32_epi16(w), T());
  *odd = widen(_mm512_cvtepi32_epi16(_mm512_srli_epi32(w, 16)), T());
}
template <>
inline void load_apart(const BF16* p, int64_t n, Vec* even, Vec* odd) {
  const __m512i w = n == kWidth ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(lanes(n), p);
  *even = {_mm512_castsi512_ps(_mm512_slli_epi32(w, 16))};
  *odd = {_mm512_castsi512_ps(_mm512_and_si512(w, _mm512_set1_epi32(INT32_MIN >> 15)))};
}
template <class T>
inline void store_together(T* p, Vec even, Vec odd, int64_t n) {
  const __m512i e = _mm512_cvtepu16_epi32(narrow(even, T()));
  const __m512i o = _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow(odd, T())), 16);
  const __m512i w = _mm512_or_si512(e, o);
  if (n == kWidth) {
    _mm512_storeu_si512(p, w);
  } else {
    _mm512_mask_storeu_epi32(p, lanes(n), w);
  }
}
// The n integers at p less `base`, as floats: exact below 2^24, and never small where they are not.
inline Vec load_offsets(const int32_t* p, int32_t base, int64_t n) {
  const __m512i i = n == kWidth ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(lanes(n), p);
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(i, _mm512_set1_epi32(base)))};
}
#elif defined(PYDL_ISA_AVX2)
inline __m256 in_order(__m256 v) {  // 64-bit quarters 0 2 1 3: what a shuffle of halves leaves
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), _MM_SHUFFLE(3, 1, 2, 0)));
}
inline void load_apart(const float* p, int64_t n, Vec* even, Vec* odd) {
  const Vec lo = load_tail(p, min64(2 * n, kWidth));
  const Vec hi = load_n(p + kWidth, max64(2 * n - kWidth, 0));
  *even = {in_order(_mm256_shuffle_ps(lo.v, hi.v, _MM_SHUFFLE(2, 0, 2, 0)))};
  *odd = {in_order(_mm256_shuffle_ps(lo.v, hi.v, _MM_SHUFFLE(3, 1, 3, 1)))};
}
inline void store_together(float* p, Vec even, Vec odd, int64_t n) {
  const __m256 a = _mm256_unpacklo_ps(even.v, odd.v), b = _mm256_unpackhi_ps(even.v, odd.v);
  const Vec lo = {_mm256_permute2f128_ps(a, b, 0x20)}, hi = {_mm256_permute2f128_ps(a, b, 0x31)};
  if (2 * n <= kWidth) return store_tail(p, lo, 2 * n);
  store(p, lo);
  store_tail(p + kWidth, hi, 2 * n - kWidth);
}
// Of half types, a pair is a word of 32 bits.
inline __m128i low_halves(__m256i w) {  // of words below 2^16
  return _mm_packus_epi32(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
}
template <class T>
inline void load_apart(const T* p, int64_t n, Vec* even, Vec* odd) {
  const int* words = reinterpret_cast<const int*>(p);
  const __m256i w = n == kWidth ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                : _mm256_maskload_epi32(words, lanes(n));
  *even = widen(low_halves(_mm256_and_si256(w, _mm256_set1_epi32(0xffff))), T());
  *odd = widen(low_halves(_mm256_srli_epi32(w, 16)), T());
}
template <class T>
inline void store_together(T* p, Vec even, Vec odd, int64_t n) {
  const __m256i e = _mm256_cvtepu16_epi32(narrow(even, T()));
  const __m256i o = _mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow(odd, T())), 16);
  _mm256_maskstore_epi32(reinterpret_cast<int*>(p), lanes(n), _mm256_or_si256(e, o));
}
inline Vec load_offsets(const int32_t* p, int32_t base, int64_t n) {
  const __m256i i = n == kWidth ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                : _mm256_maskload_epi32(p, lanes(n));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(i, _mm256_set1_epi32(base)))};
}
#else
template <class T>
inline void load_apart(const T* p, int64_t n, Vec* even, Vec* odd) {
  *even = map([=](int64_t i) { return i < n ? to_float(p[2 * i]) : 0.0f; });
  *odd = map([=](int64_t i) { return i < n ? to_float(p[2 * i + 1]) : 0.0f; });
}
template <class T>
inline void store_together(T* p, Vec even, Vec odd, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    from_float(even.v[i], p + 2 * i);
    from_float(odd.v[i], p + 2 * i + 1);
  }
}
inline Vec load_offsets(const int32_t* p, int32_t base, int64_t n) {
  Vec r = {};
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t d = static_cast<uint32_t>(p[i]) - static_cast<uint32_t>(base);
    r.v[i] = static_cast<float>(static_cast<int32_t>(d));
  }
  return r;
}
#endif

}  // namespace PYDL_ISA
}  // namespace pydl

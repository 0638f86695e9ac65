// Neighbouring lanes taken apart and put together again: what windows of two columns need of Vec.
#pragma once
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Two vectors side by side: the first 2n floats of p, n <= kWidth, the rest zero.
struct Pairs {
  Vec lo, hi;
};

inline Pairs load_pairs(const float* p, int64_t n) {
  if (n == kWidth) return {load(p), load(p + kWidth)};
  if (2 * n <= kWidth) return {load_tail(p, 2 * n), set1(0.0f)};
  return {load(p), load_n(p + kWidth, 2 * n - kWidth)};
}
inline void store_pairs(float* p, Pairs a, int64_t n) {
  if (2 * n <= kWidth) return store_tail(p, a.lo, 2 * n);
  store(p, a.lo);
  store_tail(p + kWidth, a.hi, 2 * n - kWidth);
}

#if defined(PYDL_ISA_AVX512)
// Lanes 0 2 4 ... and 1 3 5 ... of both.
inline void take_apart(Pairs a, Vec* even, Vec* odd) {
  const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i o = _mm512_add_epi32(e, _mm512_set1_epi32(1));
  *even = {_mm512_permutex2var_ps(a.lo.v, e, a.hi.v)};
  *odd = {_mm512_permutex2var_ps(a.lo.v, o, a.hi.v)};
}
inline Pairs put_together(Vec even, Vec odd) {
  const __m512i lo = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i hi = _mm512_add_epi32(lo, _mm512_set1_epi32(8));
  return {{_mm512_permutex2var_ps(even.v, lo, odd.v)}, {_mm512_permutex2var_ps(even.v, hi, odd.v)}};
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
inline void take_apart(Pairs a, Vec* even, Vec* odd) {
  *even = {in_order(_mm256_shuffle_ps(a.lo.v, a.hi.v, _MM_SHUFFLE(2, 0, 2, 0)))};
  *odd = {in_order(_mm256_shuffle_ps(a.lo.v, a.hi.v, _MM_SHUFFLE(3, 1, 3, 1)))};
}
inline Pairs put_together(Vec even, Vec odd) {
  const __m256 lo = _mm256_unpacklo_ps(even.v, odd.v), hi = _mm256_unpackhi_ps(even.v, odd.v);
  return {{_mm256_permute2f128_ps(lo, hi, 0x20)}, {_mm256_permute2f128_ps(lo, hi, 0x31)}};
}
inline Vec load_offsets(const int32_t* p, int32_t base, int64_t n) {
  const __m256i i = n == kWidth ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))
                                : _mm256_maskload_epi32(p, lanes(n));
  return {_mm256_cvtepi32_ps(_mm256_sub_epi32(i, _mm256_set1_epi32(base)))};
}
#else
inline void take_apart(Pairs a, Vec* even, Vec* odd) {
  for (int64_t i = 0; i < kWidth / 2; ++i) {
    even->v[i] = a.lo.v[2 * i], even->v[i + kWidth / 2] = a.hi.v[2 * i];
    odd->v[i] = a.lo.v[2 * i + 1], odd->v[i + kWidth / 2] = a.hi.v[2 * i + 1];
  }
}
inline Pairs put_together(Vec even, Vec odd) {
  Pairs r;
  for (int64_t i = 0; i < kWidth / 2; ++i) {
    r.lo.v[2 * i] = even.v[i], r.lo.v[2 * i + 1] = odd.v[i];
    r.hi.v[2 * i] = even.v[i + kWidth / 2], r.hi.v[2 * i + 1] = odd.v[i + kWidth / 2];
  }
  return r;
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

// Vec in plain C++, for any machine: four lanes that a compiler may map to its own vectors.
// See cpu/vec.h.
#pragma once
#include <math.h>
#include <stdint.h>

#include "core/half.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kWidth = 4;

struct Mask {
  bool m[kWidth];
};
struct Vec {
  float v[kWidth];
};

template <class F>
inline Vec map(F f) {
  Vec r;
  for (int64_t i = 0; i < kWidth; ++i) r.v[i] = f(i);
  return r;
}
template <class F>
inline Mask test(F f) {
  Mask r;
  for (int64_t i = 0; i < kWidth; ++i) r.m[i] = f(i);
  return r;
}
inline uint32_t bits_of(float x) {
  uint32_t u;
  __builtin_memcpy(&u, &x, 4);
  return u;
}
inline float float_of(uint32_t u) {
  float x;
  __builtin_memcpy(&x, &u, 4);
  return x;
}

inline Vec load(const float* p) {
  Vec r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
inline Vec load_n(const float* p, int64_t n) {
  Vec r = {};
  for (int64_t i = 0; i < n; ++i) r.v[i] = p[i];
  return r;
}
inline void store(float* p, Vec a) { __builtin_memcpy(p, &a, sizeof a); }
inline void stream(float* p, Vec a) { store(p, a); }
inline void end_streams() {}
inline void store_n(float* p, Vec a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = a.v[i];
}
inline Vec set1(float x) {
  return map([=](int64_t) { return x; });
}

// The same of half types, in float32.
template <class T>
inline Vec load(const T* p) {
  return map([=](int64_t i) { return to_float(p[i]); });
}
template <class T>
inline Vec load_n(const T* p, int64_t n) {
  return map([=](int64_t i) { return i < n ? to_float(p[i]) : 0.0f; });
}
template <class T>
inline void store_n(T* p, Vec a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) from_float(a.v[i], p + i);
}
template <class T>
inline void store(T* p, Vec a) {
  store_n(p, a, kWidth);
}
template <class T>
inline void stream(T* p, Vec a) {
  store(p, a);
}

inline Vec operator+(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] + b.v[i]; });
}
inline Vec operator-(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] - b.v[i]; });
}
inline Vec operator*(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] * b.v[i]; });
}
inline Vec operator/(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] / b.v[i]; });
}
// a * b + c, rounded twice: this table is for machines that may have no fused form.
inline Vec fma(Vec a, Vec b, Vec c) {
  return map([=](int64_t i) { return a.v[i] * b.v[i] + c.v[i]; });
}
// The same where the error of one rounding matters: the product is exact in double.
inline Vec fma_exact(Vec a, Vec b, Vec c) {
  return map(
      [=](int64_t i) { return static_cast<float>(static_cast<double>(a.v[i]) * b.v[i] + c.v[i]); });
}
inline Vec sqrt(Vec a) {
  return map([=](int64_t i) { return __builtin_sqrtf(a.v[i]); });
}
inline Vec abs(Vec a) {
  return map([=](int64_t i) { return __builtin_fabsf(a.v[i]); });
}
inline Vec neg(Vec a) {
  return map([=](int64_t i) { return -a.v[i]; });
}
// min, max as x86 has them: the second operand where either is NaN.
inline Vec min(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Vec max(Vec a, Vec b) {
  return map([=](int64_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Vec round(Vec a) {  // to nearest, ties to even
  return map([=](int64_t i) { return ::rintf(a.v[i]); });
}
inline Vec floor(Vec a) {
  return map([=](int64_t i) { return ::floorf(a.v[i]); });
}
inline Vec ceil(Vec a) {
  return map([=](int64_t i) { return ::ceilf(a.v[i]); });
}
inline Vec trunc(Vec a) {
  return map([=](int64_t i) { return ::truncf(a.v[i]); });
}

inline Mask operator<(Vec a, Vec b) {
  return test([=](int64_t i) { return a.v[i] < b.v[i]; });
}
inline Mask operator<=(Vec a, Vec b) {
  return test([=](int64_t i) { return a.v[i] <= b.v[i]; });
}
inline Mask operator>(Vec a, Vec b) {
  return test([=](int64_t i) { return a.v[i] > b.v[i]; });
}
inline Mask operator>=(Vec a, Vec b) {
  return test([=](int64_t i) { return a.v[i] >= b.v[i]; });
}
inline Mask operator==(Vec a, Vec b) {
  return test([=](int64_t i) { return a.v[i] == b.v[i]; });
}
inline Mask is_nan(Vec a) {
  return test([=](int64_t i) { return a.v[i] != a.v[i]; });
}
inline Mask operator&(Mask a, Mask b) {
  return test([=](int64_t i) { return a.m[i] && b.m[i]; });
}
inline Mask operator|(Mask a, Mask b) {
  return test([=](int64_t i) { return a.m[i] || b.m[i]; });
}
inline Mask operator!(Mask a) {
  return test([=](int64_t i) { return !a.m[i]; });
}
inline bool any(Mask a) {
  bool r = false;
  for (int64_t i = 0; i < kWidth; ++i) r = r || a.m[i];
  return r;
}
inline Vec select(Mask m, Vec a, Vec b) {
  return map([=](int64_t i) {  // by bits: a branch on data would be mispredicted
    const uint32_t keep = 0u - static_cast<uint32_t>(m.m[i]);
    return float_of((bits_of(a.v[i]) & keep) | (bits_of(b.v[i]) & ~keep));
  });
}
// Lanes p[0], p[2], ... p[2n - 2]: reads 2n - 1 floats, no more.
inline Vec load_even(const float* p, int64_t n) {
  return map([=](int64_t i) { return i < n ? p[2 * i] : 0.0f; });
}
// p[i] = base + the whole number in lane i, for i < n.
inline void store_int(int32_t* p, Vec a, int32_t base, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = base + static_cast<int32_t>(a.v[i]);
}
// One byte per lane, 1 where set.
inline void store_mask(uint8_t* p, Mask m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = m.m[i] ? 1 : 0;
}
inline Mask load_mask(const uint8_t* p, int64_t n) {  // lanes where the byte is not 0
  return test([=](int64_t i) { return i < n && p[i] != 0; });
}

// 2^n for whole n in [-126, 127].
inline Vec pow2(Vec n) {
  return map([=](int64_t i) {
    const float e = n.v[i] > -127.0f ? n.v[i] : -127.0f;  // NaN must not reach the cast
    return float_of(static_cast<uint32_t>(static_cast<int32_t>(e) + 127) << 23);
  });
}
// x * 2^n for whole n in [-252, 254]: in two halves, for 2^n may be out of range.
inline Vec scale2(Vec x, Vec n) {
  const Vec h = floor(n * set1(0.5f));
  return x * pow2(h) * pow2(n - h);
}
// x = m * 2^e with m in [1, 2), for normal positive x.
inline Vec split(Vec x, Vec* e) {
  *e = map([=](int64_t i) {
    return static_cast<float>(static_cast<int32_t>(bits_of(x.v[i]) >> 23) - 127);
  });
  return map([=](int64_t i) { return float_of((bits_of(x.v[i]) & 0x007fffffu) | 0x3f800000u); });
}
inline Vec copysign(Vec magnitude, Vec sign) {
  return map([=](int64_t i) { return __builtin_copysignf(magnitude.v[i], sign.v[i]); });
}

// Lanes in a fixed tree.
inline float reduce_add(Vec a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }
inline float reduce_max(Vec a) {
  float r = a.v[0];
  for (int64_t i = 1; i < kWidth; ++i) r = a.v[i] > r ? a.v[i] : r;
  return r;
}
inline float reduce_min(Vec a) {
  float r = a.v[0];
  for (int64_t i = 1; i < kWidth; ++i) r = a.v[i] < r ? a.v[i] : r;
  return r;
}

}  // namespace PYDL_ISA
}  // namespace pydl

// What ops/*.h leave to the lane type, for Vec: the functions that are computed lane by lane, by
// the C library or in integers.
#pragma once
#include <math.h>

#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// powf's special cases are the C standard's.
inline Vec pow(Vec a, Vec b) {
  float x[kWidth], y[kWidth];
  store(x, a);
  store(y, b);
  for (int64_t i = 0; i < kWidth; ++i) x[i] = ::powf(x[i], y[i]);
  return load(x);
}

// Exact. Where the quotient is small it is known but for 1, and so is the remainder but for b.
inline Vec fmod(Vec a, Vec b) {
  const Vec q = trunc(a / b);
  Vec r = fma_exact(neg(q), b, a);
  const auto over = (r < set1(0.0f)) & (a > set1(0.0f));
  const auto under = (r > set1(0.0f)) & (a < set1(0.0f));
  r = select(over, r + abs(b), select(under, r - abs(b), r));
  r = copysign(r, a);
  const auto far = !((abs(q) < set1(8388608.0f)) & (abs(b) < set1(__builtin_inff())));
  if (!any(far)) return r;
  float x[kWidth], y[kWidth];
  store(x, a);
  store(y, b);
  for (int64_t i = 0; i < kWidth; ++i) x[i] = ::fmodf(x[i], y[i]);
  return select(far, load(x), r);
}

// x = n pi/2 + r by the first 320 bits of 2/pi, for |x| >= 1; returns r, *n in [0, 3].
// NOTE: a product modulo 4 needs only the bits of 2/pi that are worth less than 4 / x.
inline float far_remainder(float x, float* n) {
  static constexpr uint64_t kTwoOverPi[] = {0, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0,
                                            0xdb6295993c439041, 0xfe5163abdebbc561};
  using Wide = unsigned __int128;
  *n = 0;
  if (!(x - x == 0.0f)) return __builtin_nanf("");
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  const uint32_t mantissa = (bits & 0x7fffff) | 0x800000;
  const int32_t first = static_cast<int32_t>((bits >> 23) & 0xff) - 150 + 62;  // worth 2 / ulp(x)
  const int32_t word = first / 64, shift = first % 64;
  const Wide high = (static_cast<Wide>(kTwoOverPi[word]) << 64) | kTwoOverPi[word + 1];
  const Wide part = (high << shift) | (shift == 0 ? 0 : kTwoOverPi[word + 2] >> (64 - shift));
  const Wide turns = part * mantissa;  // x 2/pi modulo 4, in units of 2^-126
  const Wide nearest = turns + (static_cast<Wide>(1) << 125);
  const int32_t quadrant = static_cast<int32_t>(nearest >> 126);
  const int64_t rest = static_cast<int64_t>((turns - (static_cast<Wide>(quadrant) << 126)) >> 64);
  const double r = static_cast<double>(rest) * (1.5707963267948966 / 4611686018427387904.0);
  *n = static_cast<float>(x < 0.0f ? (4 - quadrant) & 3 : quadrant);
  return static_cast<float>(x < 0.0f ? -r : r);
}

// r and *n anew in the lanes of `far`.
inline Vec reduce_far(Vec x, Mask far, Vec r, Vec* n) {
  if (!any(far)) return r;
  float at[kWidth], remainder[kWidth], quadrant[kWidth];
  store(at, select(far, x, set1(1e5f)));
  for (int64_t i = 0; i < kWidth; ++i) remainder[i] = far_remainder(at[i], &quadrant[i]);
  *n = select(far, load(quadrant), *n);
  return select(far, load(remainder), r);
}

}  // namespace PYDL_ISA
}  // namespace pydl

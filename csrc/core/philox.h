// Counter-based random numbers: Philox4x32-10 and the transforms from its words, one rule for all
// devices; pydl/backends/philox.py does the same operations in NumPy and gets the same bits.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); Box and Muller,
// "A note on the generation of random normal deviates" (1958).
//
// The stream of (seed, offset): block b has key = (low, high 32 bits of seed) and counter = (low,
// high 32 bits of offset + b, 0, 0); it gives words 4b .. 4b + 3. A kernel that needs n words moves
// offset on by ceil(n / 4): one word per element, two for a permutation.
//
// Known answers (Random123), counter / key -> words:
//   0 0 0 0 / 0 0                             -> 6627e8d5 e169c58d bc57ac4c 9b00dbd8
//   ffffffff (x4) / ffffffff ffffffff         -> 408f276d 41c83b0e a20bc7c6 6d5451fd
//   243f6a88 85a308d3 13198a2e 03707344 / a4093822 299f31d0
//                                             -> d16cfe09 94fdcceb 5001e420 24126ea1
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

namespace pydl {
namespace PYDL_ISA {

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;  // multipliers
constexpr uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;  // steps of the key

// Four words from a counter whose upper two words are 0.
inline void philox4x32(uint64_t seed, uint64_t counter, uint32_t* out) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = 0, c3 = 0;
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = uint64_t{kPhiloxM0} * c0, p1 = uint64_t{kPhiloxM1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

// A word as a float in [0, 1): its upper 24 bits, exactly.
inline float unit_float(uint32_t w) {
  return static_cast<float>(static_cast<int32_t>(w >> 8)) * 0x1p-24f;
}

// The smallest w >> 8 whose unit_float is >= p, for p in [0, 1].
inline uint32_t unit_threshold(float p) {
  const double scaled = static_cast<double>(p) * 0x1p24;
  const uint32_t whole = static_cast<uint32_t>(scaled);
  return static_cast<double>(whole) < scaled ? whole + 1 : whole;
}

inline double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, 8);
  return x;
}
inline uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  return bits;
}

// NOTE: the two functions below use + - * / and bit operations alone, in this order and without
// fused operations, so that every machine and NumPy round alike. A change here is a change there.

// ln((w + 1) / 2^32), relative error about 3e-16. u = m 2^e with m in (sqrt 1/2, sqrt 2],
// s = (m - 1) / (m + 1), ln m = 2 (s + s^3 / 3 + ... + s^21 / 21).
inline double log_unit(uint32_t w) {
  const double count = static_cast<double>(static_cast<int32_t>(w ^ 0x80000000u)) + 0x1.00000002p31;
  const uint64_t bits = bits_of(count * 0x1p-32);
  double e = double_of((bits >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0);
  double m = double_of((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  const bool high = m > 1.4142135623730951;
  e = high ? e + 1.0 : e;
  m = high ? m * 0.5 : m;
  const double s = (m - 1.0) / (m + 1.0), t = s * s;
  double p = 1.0 / 21.0;
  p = p * t + 1.0 / 19.0;
  p = p * t + 1.0 / 17.0;
  p = p * t + 1.0 / 15.0;
  p = p * t + 1.0 / 13.0;
  p = p * t + 1.0 / 11.0;
  p = p * t + 1.0 / 9.0;
  p = p * t + 1.0 / 7.0;
  p = p * t + 1.0 / 5.0;
  p = p * t + 1.0 / 3.0;
  const double r = s + s;
  return e * 0.6931471805599453 + (r + r * (t * p));
}

// cos and sin of 2 pi w / 2^32, error about 2e-16. The nearest quarter turn q is taken off exactly,
// the rest (at most pi / 4) goes through the Taylor series to x^15 and x^16.
inline void cos_sin_turn(uint32_t w, double* cosine, double* sine) {
  const uint32_t q = (w + 0x20000000u) >> 30;
  const double x =
      static_cast<double>(static_cast<int32_t>(w - (q << 30))) * (6.283185307179586 * 0x1p-32);
  const double t = x * x;
  double s = -1.0 / 1307674368000.0;
  s = s * t + 1.0 / 6227020800.0;
  s = s * t - 1.0 / 39916800.0;
  s = s * t + 1.0 / 362880.0;
  s = s * t - 1.0 / 5040.0;
  s = s * t + 1.0 / 120.0;
  s = s * t - 1.0 / 6.0;
  s = x + x * (t * s);
  double c = 1.0 / 20922789888000.0;
  c = c * t - 1.0 / 87178291200.0;
  c = c * t + 1.0 / 479001600.0;
  c = c * t - 1.0 / 3628800.0;
  c = c * t + 1.0 / 40320.0;
  c = c * t - 1.0 / 720.0;
  c = c * t + 1.0 / 24.0;
  c = c * t - 0.5;
  c = 1.0 + t * c;
  // Quarter turns: odd ones swap cos and sin; 1 and 2 negate cos, 2 and 3 negate sin.
  const uint64_t sb = bits_of(s), cb = bits_of(c), turn = q;
  const uint64_t swap = (sb ^ cb) & (0 - (turn & 1));
  *cosine = double_of(cb ^ swap ^ (((turn + 1) & 2) << 62));
  *sine = double_of(sb ^ swap ^ ((turn & 2) << 62));
}

// Two independent normal deviates from two words.
inline void normal_pair(uint32_t w0, uint32_t w1, double* z0, double* z1) {
  const double radius = ::sqrt(-2.0 * log_unit(w0));
  double cosine, sine;
  cos_sin_turn(w1, &cosine, &sine);
  *z0 = radius * cosine;
  *z1 = radius * sine;
}

}  // namespace PYDL_ISA
}  // namespace pydl

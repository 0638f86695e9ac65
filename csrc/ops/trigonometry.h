// The circular and hyperbolic functions and their inverses, over a lane type V as in math.h. Range
// reduction: Cody and Waite (1980) up to 1e5, beyond by Payne and Hanek, "Radian reduction for
// trigonometric functions" (1983), which `reduce_far` of the lane type does; coefficients as there.
#pragma once
#include "ops/math.h"

namespace pydl {
namespace PYDL_ISA {

// x = n pi/2 + r with |r| <= pi/4 (a little more beside the edges); n is given modulo 4, in [0, 3].
template <class V>
inline V reduce_half_pi(V x, V* n) {
  *n = round(x * set1(0.636619747f));
  V r = fma_exact(*n, set1(-1.57079637f), x);
  r = fma_exact(*n, set1(4.37113883e-8f), r);
  r = fma(*n, set1(1.71512451e-15f), r);
  r = select(*n == set1(0.0f), x, r);  // -0 too
  *n = fma(floor(*n * set1(0.25f)), set1(-4.0f), *n);
  return reduce_far(x, !(abs(x) < set1(1e5f)), r, n);
}

// sin r and cos r for |r| <= 0.8.
template <class V>
inline V sin_reduced(V r) {
  const V z = r * r;
  V p = fma(z, set1(-1.95030676e-4f), set1(0.00833207089f));
  p = fma(p, z, set1(-0.166666538f));
  return fma(r * z, p, r);
}
template <class V>
inline V cos_reduced(V r) {
  const V z = r * r;
  V p = fma(z, set1(2.44191961e-5f), set1(-0.00138871942f));
  p = fma(p, z, set1(0.0416666418f));
  return fma(z * z, p, fma(z, set1(-0.5f), set1(1.0f)));
}

template <class V>
inline V sin(V x) {
  V n;
  const V r = reduce_half_pi(x, &n);
  const V y = select((n == set1(1.0f)) | (n == set1(3.0f)), cos_reduced(r), sin_reduced(r));
  return select(x == set1(0.0f), x, select(n > set1(1.5f), neg(y), y));
}

template <class V>
inline V cos(V x) {
  V n;
  const V r = reduce_half_pi(x, &n);
  const V y = select((n == set1(1.0f)) | (n == set1(3.0f)), sin_reduced(r), cos_reduced(r));
  return select((n == set1(1.0f)) | (n == set1(2.0f)), neg(y), y);
}

template <class V>
inline V tan(V x) {
  V n;
  const V r = reduce_half_pi(x, &n);
  const V s = sin_reduced(r), c = cos_reduced(r);
  const auto odd = (n == set1(1.0f)) | (n == set1(3.0f));
  return select(x == set1(0.0f), x, select(odd, neg(c), s) / select(odd, s, c));
}

// asin(s) - s for s^2 = z <= 1/4.
template <class V>
inline V asin_rest(V s, V z) {
  V p = fma(z, set1(0.0421782285f), set1(0.0241729524f));
  p = fma(p, z, set1(0.0454716086f));
  p = fma(p, z, set1(0.0749528855f));
  p = fma(p, z, set1(0.166667521f));
  return s * z * p;
}

// asin |x| = pi/2 - 2 asin(sqrt((1 - |x|) / 2)) above 1/2.
template <class V>
inline V asin(V x) {
  const V a = abs(x), half = set1(0.5f);
  const auto high = a > half;
  const V z = select(high, (set1(1.0f) - a) * half, a * a);
  const V s = select(high, sqrt(z), a), rest = asin_rest(s, z);
  const V low = set1(-4.37113883e-8f);  // what float pi/2 lacks
  const V far = (set1(1.57079637f) - (s + s)) - (rest + rest - low);
  return copysign(select(high, far, s + rest), x);
}

template <class V>
inline V acos(V x) {
  const V a = abs(x), half = set1(0.5f), zero = set1(0.0f);
  const auto high = a > half;
  const V z = select(high, (set1(1.0f) - a) * half, a * a);
  const V s = select(high, sqrt(z), x), rest = asin_rest(s, z);
  const V near = (set1(1.57079637f) - s) - (rest + set1(4.37113883e-8f));  // pi/2 - asin(s)
  const V twice = s + rest;
  return select(high, select(x < zero, near + near, twice + twice), near);
}

// atan(t) for t in [0, 1], or of -1 / t, (t - 1) / (t + 1) above the octants' edges.
template <class V>
inline V atan_positive(V a) {
  const V zero = set1(0.0f), one = set1(1.0f);
  const auto high = a > set1(2.41421356f), middle = a > set1(0.414213562f);
  const V t = select(high, neg(one), select(middle, a - one, a)) /
              select(high, a, select(middle, a + one, one));
  const V z = t * t;
  V p = fma(z, set1(-0.0607651323f), set1(0.105931714f));
  p = fma(p, z, set1(-0.142434508f));
  p = fma(p, z, set1(0.19998467f));
  p = fma(p, z, set1(-0.333333164f));
  const V quarters = select(high, set1(2.0f), select(middle, one, zero));
  const V rest = fma(quarters, set1(-2.18556941e-8f), t * z * p);
  return fma(quarters, set1(0.785398185f), t + rest);
}

template <class V>
inline V atan(V x) {
  return copysign(atan_positive(abs(x)), x);
}

// The angle of (x, y); zeros and infinities as in C99.
template <class V>
inline V atan2(V y, V x) {
  const V ay = abs(y), ax = abs(x), zero = set1(0.0f);
  const V high = max(ay, ax), low = min(ay, ax);
  V t = select(low == high, set1(1.0f), low / high);
  t = select(high == zero, zero, t);
  V a = atan_positive(t);
  a = select(ay > ax, (set1(1.57079637f) - a) + set1(-4.37113883e-8f), a);
  a = select(copysign(set1(1.0f), x) < zero, (set1(3.14159274f) - a) + set1(-8.74227766e-8f), a);
  return select(is_nan(x) | is_nan(y), x + y, copysign(a, y));
}

template <class V>
inline V sinh(V x) {
  const V a = abs(x), z = min(set1(1.0f), a * a), h = half_exp(a);
  V p = fma(z, set1(2.81695134e-6f), set1(1.98361595e-4f));
  p = fma(p, z, set1(0.0083333496f));
  p = fma(p, z, set1(0.166666672f));
  return copysign(select(a < set1(1.0f), fma(a * z, p, a), h - set1(0.25f) / h), x);
}

template <class V>
inline V cosh(V x) {
  const V h = half_exp(abs(x));
  return h + set1(0.25f) / h;
}

// Beyond 1e9 they are log(2 x): log1p(x) + ln 2.
template <class V>
inline V asinh(V x) {
  const V a = abs(x), one = set1(1.0f), z = a * a;
  const auto far = a > set1(1e9f);
  const V u = select(far, a, a + z / (one + sqrt(one + z)));
  const V y = log1p(u);
  return copysign(select(far, y + set1(0.693147182f), y), x);
}

template <class V>
inline V acosh(V x) {
  const V one = set1(1.0f), t = x - one;
  const auto far = x > set1(1e9f);
  const V y = log1p(select(far, x, t + sqrt(t * (t + set1(2.0f)))));
  return select(x < one, set1(__builtin_nanf("")), select(far, y + set1(0.693147182f), y));
}

template <class V>
inline V atanh(V x) {
  const V a = abs(x);
  return copysign(set1(0.5f) * log1p((a + a) / (set1(1.0f) - a)), x);
}

}  // namespace PYDL_ISA
}  // namespace pydl

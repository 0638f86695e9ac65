// exp, log, tanh and their kin, written once over a lane type V: Vec on the CPU, float in CUDA.
// Not a libm: float32, denormal arguments count as zero; measured at most 3 ulp, gelu's tail 6 (67
// without a fused multiply-add, where gelu is below 1e-29). Range reduction as in Cody and Waite,
// "Software Manual for the Elementary Functions" (1980); the coefficients are minimax fits
// (Lawson's iteration) of our own. Included inside the namespace of an ISA.
#pragma once
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Keeps NaN: min and max give their second operand where either is one.
template <class V>
inline V clamp(V x, float lo, float hi) {
  return min(set1(hi), max(set1(lo), x));
}

// x = n ln 2 + r with |r| <= ln(2) / 2; returns e^r - 1. ln 2 is split so that n * high is exact.
template <class V>
inline V expm1_reduced(V x, V* n) {
  *n = round(x * set1(1.44269504f));
  V r = fma(*n, set1(-0.693359375f), x);
  r = fma(*n, set1(2.12194440e-4f), r);
  V q = fma(r, set1(0.00138706574f), set1(0.00836626161f));
  q = fma(q, r, set1(0.0416674353f));
  q = fma(q, r, set1(0.166665465f));
  q = fma(q, r, set1(0.49999997f));
  return fma(r * r, q, r);
}

template <class V>
inline V exp(V x) {
  V n;
  const V p = expm1_reduced(clamp(x, -104.0f, 89.0f), &n);
  return scale2(p + set1(1.0f), n);
}

// e^x - 1 for x in [-87, 87]; the caller clamps.
template <class V>
inline V expm1(V x) {
  V n;
  const V p = expm1_reduced(x, &n);
  const V s = pow2(n);
  return fma(p, s, s - set1(1.0f));
}

// log((1 + s) / (1 - s)) = 2 atanh(s) for |s| <= 1/3, as 2 s + *rest.
template <class V>
inline V two_atanh(V s, V* rest) {
  const V z = s * s;
  V p = fma(z, set1(0.280067533f), set1(0.28003028f));
  p = fma(p, z, set1(0.400214374f));
  p = fma(p, z, set1(0.666664183f));
  *rest = s * z * p;
  return s + s;
}

template <class V>
inline V log(V x) {
  V e, rest;
  V m = split(x, &e);
  const auto high = m > set1(1.41421356f);
  m = select(high, m * set1(0.5f), m);
  e = select(high, e + set1(1.0f), e);
  const V one = set1(1.0f);
  const V t = two_atanh((m - one) / (m + one), &rest);
  rest = fma(e, set1(-2.12194440e-4f), rest);
  V y = fma(e, set1(0.693359375f), t + rest);
  const V low = select(x < set1(0.0f), set1(__builtin_nanf("")), set1(-__builtin_inff()));
  y = select(x < set1(1.17549435e-38f), low, y);
  return select(x < set1(__builtin_inff()), y, x);  // inf and NaN stay
}

// log(1 + u) for u in [0, 1], exact in the relative sense down to u = 0.
template <class V>
inline V log1p_unit(V u) {
  V rest;
  const V t = two_atanh(u / (u + set1(2.0f)), &rest);
  return t + rest;
}

template <class V>
inline V sigmoid(V x) {
  return set1(1.0f) / (set1(1.0f) + exp(neg(x)));
}

// tanh |x| = t / (t + 2) with t = e^(2|x|) - 1: no cancellation near 0.
template <class V>
inline V tanh(V x) {
  const V t = expm1(min(set1(20.0f), abs(x) * set1(2.0f)));
  return copysign(t / (t + set1(2.0f)), x);
}

// The tail of the normal distribution, Phi(-a) for a >= 0, as e^(-a^2/2) times a rational fit of
// the scaled erfc: accurate in the relative sense, which 1 + erf is not. *e = e^(-a^2/2).
template <class V>
inline V normal_tail(V a, V* e) {
  a = min(set1(20.0f), a);
  const V h = a * a;
  const V lost = fma(a, a, neg(h));  // what rounding took from a^2
  *e = exp(h * set1(-0.5f));
  *e = fma(*e, lost * set1(-0.5f), *e);
  V p = fma(a, set1(0.00402867546f), set1(0.0400416764f));
  p = fma(p, a, set1(0.181477984f));
  p = fma(p, a, set1(0.435918615f));
  p = fma(p, a, set1(0.5f));
  V q = fma(a, set1(0.0100982508f), set1(0.100376893f));
  q = fma(q, a, set1(0.464832234f));
  q = fma(q, a, set1(1.1951973f));
  q = fma(q, a, set1(1.66972215f));
  q = fma(q, a, set1(1.0f));
  return *e * p / q;
}

}  // namespace PYDL_ISA
}  // namespace pydl

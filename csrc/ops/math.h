// exp, log, tanh, erf and their kin, written once over a lane type V: Vec on the CPU, float in
// CUDA. Not a libm: float32, denormal arguments count as zero; measured at most 4 ulp in every ISA
// (what tests/test_ops.py allows), gelu's tail 6. Range reduction as in Cody and Waite, "Software
// Manual for the Elementary Functions" (1980); the coefficients are minimax fits (Lawson's
// iteration) of our own. Included inside the namespace of an ISA.
#pragma once
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

// Keeps NaN: min and max give their second operand where either is one.
template <class V>
inline V clamp(V x, float lo, float hi) {
  return min(set1(hi), max(set1(lo), x));
}

// e^r - 1 for |r| <= ln(2) / 2.
template <class V>
inline V expm1_small(V r) {
  V q = fma(r, set1(0.00138706574f), set1(0.00836626161f));
  q = fma(q, r, set1(0.0416674353f));
  q = fma(q, r, set1(0.166665465f));
  q = fma(q, r, set1(0.49999997f));
  return fma(r * r, q, r);
}

// x = n ln 2 + r with |r| <= ln(2) / 2; returns e^r - 1. ln 2 is split so that n * high is exact.
template <class V>
inline V expm1_reduced(V x, V* n) {
  *n = round(x * set1(1.44269504f));
  const V r = fma(*n, set1(-0.693359375f), x);
  return expm1_small(fma(*n, set1(2.12194440e-4f), r));
}

template <class V>
inline V exp(V x) {
  V n;
  const V p = expm1_reduced(clamp(x, -104.0f, 89.0f), &n);
  return scale2(p + set1(1.0f), n);
}

// e^x / 2 for x >= 0, finite as long as that is.
template <class V>
inline V half_exp(V x) {
  V n;
  const V p = expm1_reduced(min(set1(90.0f), x), &n);
  return scale2(p + set1(1.0f), n - set1(1.0f));
}

template <class V>
inline V exp2(V x) {
  const V c = clamp(x, -150.0f, 129.0f), n = round(c);
  return scale2(expm1_small((c - n) * set1(0.693147182f)) + set1(1.0f), n);
}

// e^x - 1 for x in [-87, 87]; the caller clamps.
template <class V>
inline V expm1_bounded(V x) {
  V n;
  const V p = expm1_reduced(x, &n);
  const V s = pow2(n);
  return fma(p, s, s - set1(1.0f));
}

template <class V>
inline V expm1(V x) {
  V n;
  const V p = expm1_reduced(clamp(x, -30.0f, 89.0f), &n);
  const V s = pow2(n - set1(1.0f));  // 2^n itself may be out of range
  const V half = fma(p, s, s - set1(0.5f));
  return copysign(half + half, x);
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

// x = m * 2^e with m in [1 / sqrt(2), sqrt(2)].
template <class V>
inline V split_around_1(V x, V* e) {
  const V m = split(x, e);
  const auto high = m > set1(1.41421356f);
  *e = select(high, *e + set1(1.0f), *e);
  return select(high, m * set1(0.5f), m);
}

// log x = e ln 2 + t + *rest; returns t.
template <class V>
inline V log_parts(V x, V* e, V* rest) {
  const V m = split_around_1(x, e), one = set1(1.0f);
  return two_atanh((m - one) / (m + one), rest);
}

// e ln 2 + small, without losing digits of ln 2: e * high is exact.
template <class V>
inline V plus_ln2(V e, V small, V rest) {
  rest = fma(e, set1(-2.12194440e-4f), rest);
  return fma(e, set1(0.693359375f), small + rest);
}

// y, the logarithm of x, where x is 0, negative, infinite or NaN too.
template <class V>
inline V log_edges(V x, V y) {
  const V low = select(x < set1(0.0f), set1(__builtin_nanf("")), set1(-__builtin_inff()));
  y = select(x < set1(1.17549435e-38f), low, y);
  return select(x < set1(__builtin_inff()), y, x);  // inf and NaN stay
}

template <class V>
inline V log(V x) {
  V e, rest;
  const V t = log_parts(x, &e, &rest);
  return log_edges(x, plus_ln2(e, t, rest));
}

template <class V>
inline V log2(V x) {
  V e, rest;
  const V t = log_parts(x, &e, &rest), high = set1(1.44269502f);  // log2(e), and what it lacks
  rest = fma(t, set1(1.92596303e-8f), rest * high);
  return log_edges(x, e + fma(t, high, rest));
}

template <class V>
inline V log10(V x) {
  V e, rest;
  const V t = log_parts(x, &e, &rest), high = set1(0.434294492f);  // log10(e)
  rest = fma(t, set1(-1.010305e-8f), rest * high);
  rest = fma(e, set1(4.60503907e-6f), rest);
  return log_edges(x, fma(e, set1(0.301025391f), fma(t, high, rest)));  // log10(2)
}

// 1 + x = u + lost exactly; the logarithm of u, and lost / u more.
template <class V>
inline V log1p(V x) {
  const V one = set1(1.0f), u = one + x, b = u - one;
  const V lost = (one - (u - b)) + (x - b);
  V e, rest;
  const V m = split_around_1(u, &e);
  const V f = (m - one) + lost * pow2(max(set1(-126.0f), neg(e)));
  const V t = two_atanh(f / (f + set1(2.0f)), &rest);
  return copysign(log_edges(u, plus_ln2(e, t, rest)), x);
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
  const V t = expm1_bounded(min(set1(20.0f), abs(x) * set1(2.0f)));
  return copysign(t / (t + set1(2.0f)), x);
}

// e^(-c a^2) for a in [0, 20].
template <class V>
inline V exp_minus_square(V a, float c) {
  const V h = a * a;
  const V lost = fma_exact(a, a, neg(h));  // what rounding took from a^2
  const V e = exp(h * set1(-c));
  return fma_exact(e, lost * set1(-c), e);
}

// Phi(-a) e^(a^2/2) for a in [0, 20], Phi the normal distribution function: a rational fit.
template <class V>
inline V scaled_tail(V a) {
  V p = fma(a, set1(0.00402867546f), set1(0.0400416764f));
  p = fma_exact(p, a, set1(0.181477984f));
  p = fma_exact(p, a, set1(0.435918615f));
  p = fma_exact(p, a, set1(0.5f));
  V q = fma(a, set1(0.0100982508f), set1(0.100376893f));
  q = fma(q, a, set1(0.464832234f));
  q = fma_exact(q, a, set1(1.1951973f));
  q = fma_exact(q, a, set1(1.66972215f));
  q = fma_exact(q, a, set1(1.0f));
  return p / q;
}

// The tail of the normal distribution, Phi(-a) for a >= 0: accurate in the relative sense, which
// 1 + erf is not. *e = e^(-a^2/2).
template <class V>
inline V normal_tail(V a, V* e) {
  a = min(set1(20.0f), a);
  *e = exp_minus_square(a, 0.5f);
  return *e * scaled_tail(a);
}

// erfc(a) = 2 Phi(-a sqrt(2)) for a >= 0.
template <class V>
inline V erfc_tail(V a) {
  a = min(set1(11.0f), a);
  const V r = scaled_tail(a * set1(1.41421354f));
  return exp_minus_square(a, 1.0f) * (r + r);
}

template <class V>
inline V erfc(V x) {
  const V tail = erfc_tail(abs(x));
  return select(x < set1(0.0f), set1(2.0f) - tail, tail);
}

template <class V>
inline V erf(V x) {
  const V a = abs(x), z = x * x;
  V p = fma(z, set1(8.51310469e-5f), set1(-8.17563967e-4f));
  p = fma(p, z, set1(0.00520385895f));
  p = fma(p, z, set1(-0.0268605091f));
  p = fma(p, z, set1(0.112837151f));
  p = fma(p, z, set1(-0.376126349f));
  p = fma(p, z, set1(0.128379167f));
  return copysign(select(a < set1(0.9f), fma(a, p, a), set1(1.0f) - erfc_tail(a)), x);
}

// x - tanh x: a series where the two are near.
template <class V>
inline V tanhshrink(V x) {
  const V z = min(set1(1.0f), x * x);
  V p = fma(z, set1(-1.42823599e-4f), set1(9.23607964e-4f));
  p = fma(p, z, set1(-0.00320695178f));
  p = fma(p, z, set1(0.00869794935f));
  p = fma(p, z, set1(-0.0218295846f));
  p = fma(p, z, set1(0.053963419f));
  p = fma(p, z, set1(-0.133333102f));
  p = fma(p, z, set1(0.333333343f));
  return select(abs(x) < set1(1.0f), x * z * p, x - tanh(x));
}

}  // namespace PYDL_ISA
}  // namespace pydl

// Every elementwise function of one argument: the formula and its derivative beside it. A formula
// is a template over V, so that Vec (CPU) and float (CUDA) share it. p0, p1 are parameters. The
// activations of networks are in ops/activation.h.
//
// To add one: a struct here, its name in ops/unary_list.h, a block in pydl/ops/, two lines in
// pydl/backends/numpy/elementwise.py, one OpCase.
#pragma once
#include "ops/trigonometry.h"
#include "ops/unary_list.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_FORWARD(x, p0, p1) \
  template <class V>            \
  static inline V forward([[maybe_unused]] V x, [[maybe_unused]] V p0, [[maybe_unused]] V p1)
#define PYDL_DERIVATIVE(s, p0, p1) \
  template <class V>               \
  static inline V derivative([[maybe_unused]] V s, [[maybe_unused]] V p0, [[maybe_unused]] V p1)

struct Neg {
  PYDL_FORWARD(x, p0, p1) { return neg(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(-1.0f); }
};

// -1, 0 or 1; NaN gives 0, as in PyTorch.
struct Sign {
  PYDL_FORWARD(x, p0, p1) {
    const V zero = set1(0.0f), one = set1(1.0f);
    return select(x > zero, one, select(x < zero, neg(one), zero));
  }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

struct Abs {
  PYDL_FORWARD(x, p0, p1) { return abs(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return Sign::forward(x, p0, p1); }
};

struct Exp {
  PYDL_FORWARD(x, p0, p1) { return exp(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return y; }
};

struct Log {
  PYDL_FORWARD(x, p0, p1) { return log(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / x; }
};

struct Sqrt {
  PYDL_FORWARD(x, p0, p1) { return sqrt(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return set1(0.5f) / y; }
};

struct Square {
  PYDL_FORWARD(x, p0, p1) { return x * x; }
  PYDL_DERIVATIVE(x, p0, p1) { return x + x; }
};

struct Reciprocal {
  PYDL_FORWARD(x, p0, p1) { return set1(1.0f) / x; }
  PYDL_DERIVATIVE(y, p0, p1) { return neg(y * y); }
};

// min(max(x, p0), p1); NaN stays. The derivative counts both ends in.
struct Clip {
  PYDL_FORWARD(x, p0, p1) { return min(p1, max(p0, x)); }
  PYDL_DERIVATIVE(x, p0, p1) { return select((p0 <= x) & (x <= p1), set1(1.0f), set1(0.0f)); }
};

struct Floor {
  PYDL_FORWARD(x, p0, p1) { return floor(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

struct Ceil {
  PYDL_FORWARD(x, p0, p1) { return ceil(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

struct Trunc {
  PYDL_FORWARD(x, p0, p1) { return trunc(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

// To the nearest whole number, ties to even.
struct Round {
  PYDL_FORWARD(x, p0, p1) { return round(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

struct Rsqrt {
  PYDL_FORWARD(x, p0, p1) { return set1(1.0f) / sqrt(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return set1(-0.5f) * y * y * y; }
};

struct Exp2 {
  PYDL_FORWARD(x, p0, p1) { return exp2(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return y * set1(0.693147182f); }
};

struct Expm1 {
  PYDL_FORWARD(x, p0, p1) { return expm1(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return y + set1(1.0f); }
};

struct Log1p {
  PYDL_FORWARD(x, p0, p1) { return log1p(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / (set1(1.0f) + x); }
};

struct Log2 {
  PYDL_FORWARD(x, p0, p1) { return log2(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.44269502f) / x; }
};

struct Log10 {
  PYDL_FORWARD(x, p0, p1) { return log10(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.434294492f) / x; }
};

struct Sin {
  PYDL_FORWARD(x, p0, p1) { return sin(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return cos(x); }
};

struct Cos {
  PYDL_FORWARD(x, p0, p1) { return cos(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return neg(sin(x)); }
};

struct Tan {
  PYDL_FORWARD(x, p0, p1) { return tan(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return fma(y, y, set1(1.0f)); }
};

struct Asin {
  PYDL_FORWARD(x, p0, p1) { return asin(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / sqrt((set1(1.0f) - x) * (set1(1.0f) + x)); }
};

struct Acos {
  PYDL_FORWARD(x, p0, p1) { return acos(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(-1.0f) / sqrt((set1(1.0f) - x) * (set1(1.0f) + x)); }
};

struct Atan {
  PYDL_FORWARD(x, p0, p1) { return atan(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / fma(x, x, set1(1.0f)); }
};

struct Sinh {
  PYDL_FORWARD(x, p0, p1) { return sinh(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return cosh(x); }
};

struct Cosh {
  PYDL_FORWARD(x, p0, p1) { return cosh(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return sinh(x); }
};

struct Asinh {
  PYDL_FORWARD(x, p0, p1) { return asinh(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / sqrt(fma(x, x, set1(1.0f))); }
};

struct Acosh {
  PYDL_FORWARD(x, p0, p1) { return acosh(x); }
  PYDL_DERIVATIVE(x, p0, p1) {  // + 0: the root of the -0 at x = -1 would be negative
    return set1(1.0f) / sqrt((x - set1(1.0f)) * (x + set1(1.0f)) + set1(0.0f));
  }
};

struct Atanh {
  PYDL_FORWARD(x, p0, p1) { return atanh(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(1.0f) / ((set1(1.0f) - x) * (set1(1.0f) + x)); }
};

// The derivative is 2 / sqrt(pi) e^(-x^2).
struct Erf {
  PYDL_FORWARD(x, p0, p1) { return erf(x); }
  PYDL_DERIVATIVE(x, p0, p1) {
    return set1(1.12837923f) * exp_minus_square(min(set1(20.0f), abs(x)), 1.0f);
  }
};

struct Erfc {
  PYDL_FORWARD(x, p0, p1) { return erfc(x); }
  PYDL_DERIVATIVE(x, p0, p1) { return neg(Erf::derivative(x, p0, p1)); }
};

#undef PYDL_FORWARD
#undef PYDL_DERIVATIVE

}  // namespace PYDL_ISA
}  // namespace pydl

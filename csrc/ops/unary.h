// Every elementwise function of one argument: the formula and its derivative beside it. A formula
// is a template over V, so that Vec (CPU) and float (CUDA) share it. p0, p1 are parameters.
//
// To add one: a struct here, its name in ops/unary_list.h, a block in pydl/ops/, two lines in
// pydl/backends/numpy.py, one OpCase.
#pragma once
#include "ops/math.h"
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

// 1 where x > 0.
struct Step {
  PYDL_FORWARD(x, p0, p1) { return select(x > set1(0.0f), set1(1.0f), set1(0.0f)); }
  PYDL_DERIVATIVE(x, p0, p1) { return set1(0.0f); }
};

// max(0, x); NaN stays. Nair and Hinton (2010). The derivative at 0 is 0.
struct Relu {
  PYDL_FORWARD(x, p0, p1) { return max(set1(0.0f), x); }
  PYDL_DERIVATIVE(y, p0, p1) { return select(y <= set1(0.0f), set1(0.0f), set1(1.0f)); }
};

// x > 0 ? x : p0 x. Maas, Hannun and Ng (2013).
struct LeakyRelu {
  PYDL_FORWARD(x, p0, p1) { return select(x > set1(0.0f), x, p0 * x); }
  PYDL_DERIVATIVE(x, p0, p1) { return select(x > set1(0.0f), set1(1.0f), p0); }
};

// 1 / (1 + e^-x).
struct Sigmoid {
  PYDL_FORWARD(x, p0, p1) { return sigmoid(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return y * (set1(1.0f) - y); }
};

struct Tanh {
  PYDL_FORWARD(x, p0, p1) { return tanh(x); }
  PYDL_DERIVATIVE(y, p0, p1) { return fma(neg(y), y, set1(1.0f)); }
};

// x Phi(x), Phi the normal distribution function. Hendrycks and Gimpel, arXiv:1606.08415.
struct Gelu {
  PYDL_FORWARD(x, p0, p1) {
    V e;
    const V tail = normal_tail(abs(x), &e);
    return x * select(x < set1(0.0f), tail, set1(1.0f) - tail);
  }
  // Phi(x) + x phi(x), phi(x) = e^(-x^2/2) / sqrt(2 pi)
  PYDL_DERIVATIVE(x, p0, p1) {
    V e;
    const V tail = normal_tail(abs(x), &e);
    const V cdf = select(x < set1(0.0f), tail, set1(1.0f) - tail);
    return fma(x * e, set1(0.398942280f), cdf);
  }
};

// x / 2 (1 + tanh u) = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). Same paper.
struct GeluTanh {
  PYDL_FORWARD(x, p0, p1) {
    const V u2 = x * fma(x * x, set1(0.0713548162726f), set1(1.59576912161f));
    return x * sigmoid(u2);
  }
  // s + x s (1 - s) (2 u)'; 0 or 1 outside of [-12, 12], where x^2 must not overflow
  PYDL_DERIVATIVE(x, p0, p1) {
    const V c = clamp(x, -12.0f, 12.0f), z = c * c;
    const V s = sigmoid(c * fma(z, set1(0.0713548162726f), set1(1.59576912161f)));
    const V du = fma(z, set1(0.214064448818f), set1(1.59576912161f));
    return fma(c * s * (set1(1.0f) - s), du, s);
  }
};

// x sigmoid(x). Elfwing, Uchibe and Doya, arXiv:1702.03118.
struct Silu {
  PYDL_FORWARD(x, p0, p1) { return x / (set1(1.0f) + exp(neg(x))); }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V s = sigmoid(x);
    return s * fma(x, set1(1.0f) - s, set1(1.0f));
  }
};

// x > 0 ? x : p0 (e^x - 1). Clevert, Unterthiner and Hochreiter, arXiv:1511.07289.
struct Elu {
  PYDL_FORWARD(x, p0, p1) { return select(x > set1(0.0f), x, p0 * expm1(clamp(x, -30.0f, 0.0f))); }
  PYDL_DERIVATIVE(x, p0, p1) { return select(x > set1(0.0f), set1(1.0f), p0 * exp(x)); }
};

// log(1 + e^(p0 x)) / p0; x itself where p0 x > p1. Glorot, Bordes and Bengio (2011).
struct Softplus {
  PYDL_FORWARD(x, p0, p1) {
    const V z = p0 * x;
    const V y = (max(set1(0.0f), z) + log1p_unit(exp(neg(abs(z))))) / p0;
    return select(z > p1, x, y);
  }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V z = p0 * x;
    return select(z > p1, set1(1.0f), sigmoid(z));
  }
};

#undef PYDL_FORWARD
#undef PYDL_DERIVATIVE

}  // namespace PYDL_ISA
}  // namespace pydl

// The activation functions of networks: as ops/unary.h.
#pragma once
#include "ops/math.h"

namespace pydl {
namespace PYDL_ISA {

#define PYDL_FORWARD(x, p0, p1) \
  template <class V>            \
  static inline V forward([[maybe_unused]] V x, [[maybe_unused]] V p0, [[maybe_unused]] V p1)
#define PYDL_DERIVATIVE(s, p0, p1) \
  template <class V>               \
  static inline V derivative([[maybe_unused]] V s, [[maybe_unused]] V p0, [[maybe_unused]] V p1)

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

// x > 0 ? p1 x : p0 (e^x - 1): elu (p1 = 1; Clevert, Unterthiner and Hochreiter, arXiv:1511.07289)
// and selu (Klambauer et al., arXiv:1706.02515).
struct Elu {
  PYDL_FORWARD(x, p0, p1) {
    return select(x > set1(0.0f), p1 * x, p0 * expm1_bounded(clamp(x, -30.0f, 0.0f)));
  }
  PYDL_DERIVATIVE(x, p0, p1) { return select(x <= set1(0.0f), p0 * exp(x), p1); }
};

// x > 0 ? x : p0 (e^(x / p0) - 1). Barron, arXiv:1704.07483.
struct Celu {
  PYDL_FORWARD(x, p0, p1) { return select(x > set1(0.0f), x, p0 * expm1(x / p0)); }
  PYDL_DERIVATIVE(x, p0, p1) { return select(x <= set1(0.0f), exp(x / p0), set1(1.0f)); }
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

// min(x, 0) - log(1 + e^-|x|).
struct Logsigmoid {
  PYDL_FORWARD(x, p0, p1) { return min(set1(0.0f), x) - log1p_unit(exp(neg(abs(x)))); }
  PYDL_DERIVATIVE(x, p0, p1) { return sigmoid(neg(x)); }
};

// x tanh(log(1 + e^x)) = x n / (n + 2) with w = e^x, n = w (w + 2). Misra, arXiv:1908.08681.
struct Mish {
  PYDL_FORWARD(x, p0, p1) {
    const V w = exp(min(set1(20.0f), x)), n = w * (w + set1(2.0f));
    return x * (n / (n + set1(2.0f)));
  }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V w = exp(min(set1(20.0f), x)), n = w * (w + set1(2.0f)), d = n + set1(2.0f);
    const V slope = set1(4.0f) * w * (w + set1(1.0f)) / (d * d);
    return fma(clamp(x, -100.0f, 100.0f), slope, n / d);
  }
};

// x held in [p0, p1]; NaN stays. The derivative at both ends is 0.
struct Hardtanh {
  PYDL_FORWARD(x, p0, p1) { return min(p1, max(p0, x)); }
  PYDL_DERIVATIVE(x, p0, p1) { return select((x > p0) & (x < p1), set1(1.0f), set1(0.0f)); }
};

// min(max(x + 3, 0), 6) / 6. Howard et al., arXiv:1905.02244.
struct Hardsigmoid {
  PYDL_FORWARD(x, p0, p1) { return clamp(x + set1(3.0f), 0.0f, 6.0f) / set1(6.0f); }
  PYDL_DERIVATIVE(x, p0, p1) {
    return select(abs(x) < set1(3.0f), set1(1.0f) / set1(6.0f), set1(0.0f));
  }
};

// x min(max(x + 3, 0), 6) / 6. Same paper.
struct Hardswish {
  PYDL_FORWARD(x, p0, p1) { return x * (clamp(x + set1(3.0f), 0.0f, 6.0f) / set1(6.0f)); }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V inside = x / set1(3.0f) + set1(0.5f);
    return select(x <= set1(-3.0f), set1(0.0f), select(x < set1(3.0f), inside, set1(1.0f)));
  }
};

// x / (1 + |x|). Turian, Bergstra and Bengio (2009).
struct Softsign {
  PYDL_FORWARD(x, p0, p1) { return x / (set1(1.0f) + abs(x)); }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V d = set1(1.0f) / (set1(1.0f) + abs(x));
    return d * d;
  }
};

struct Tanhshrink {
  PYDL_FORWARD(x, p0, p1) { return tanhshrink(x); }
  PYDL_DERIVATIVE(x, p0, p1) {
    const V t = tanh(x);
    return t * t;
  }
};

// x outside of [-p0, p0], else 0; NaN stays. Donoho and Johnstone (1994).
struct Hardshrink {
  PYDL_FORWARD(x, p0, p1) { return select(abs(x) <= p0, set1(0.0f), x); }
  PYDL_DERIVATIVE(x, p0, p1) { return select(abs(x) <= p0, set1(0.0f), set1(1.0f)); }
};

// x - p0 above p0, x + p0 below -p0, else 0; NaN stays. Donoho (1995).
struct Softshrink {
  PYDL_FORWARD(x, p0, p1) {
    const V zero = select(is_nan(x), x, set1(0.0f));
    return select(x > p0, x - p0, select(x < neg(p0), x + p0, zero));
  }
  PYDL_DERIVATIVE(x, p0, p1) { return Hardshrink::derivative(x, p0, p1); }
};

// x where x > p0, else p1; NaN stays.
struct Threshold {
  PYDL_FORWARD(x, p0, p1) { return select(x <= p0, p1, x); }
  PYDL_DERIVATIVE(x, p0, p1) { return select(x <= p0, set1(0.0f), set1(1.0f)); }
};

#undef PYDL_FORWARD
#undef PYDL_DERIVATIVE

}  // namespace PYDL_ISA
}  // namespace pydl

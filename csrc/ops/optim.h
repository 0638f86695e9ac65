// Update rules of the optimizers for one element (or one vector of them): templates over V, so that
// Vec (CPU) and float (CUDA) share them. V needs + - * /, fma, sqrt, max, neg. Algorithms, order of
// operations and meaning of the options are those of torch.optim.
#pragma once

namespace pydl {
namespace PYDL_ISA {

// A parameter p, its gradient g and up to three states (core/kernels.h says which is which).
template <class V>
struct Slots {
  V p, g, s0, s1, s2;
};

// g, negated to maximize, plus the gradient of weight_decay / 2 * p^2.
template <class V>
struct Gradient {
  V weight_decay;
  bool decays, maximize;
  V operator()(const Slots<V>& s) const {
    const V g = maximize ? neg(s.g) : s.g;
    return decays ? fma(weight_decay, s.p, g) : g;
  }
};

// An exponential average: old + rate (g - old), from the nearer end.
template <class V>
struct Average {
  V rate, rate_minus_1;
  bool slow;  // rate < 1/2
  V operator()(V old, V g) const {
    return slow ? fma(rate, g - old, old) : fma(rate_minus_1, g - old, g);
  }
};

// Robbins and Monro (1951); Polyak (1964); Sutskever et al., "On the importance of initialization
// and momentum in deep learning" (2013): v = mu v + (1 - d) g; p -= lr (nesterov ? g + mu v : v).
template <class V>
struct Sgd {
  Gradient<V> gradient;
  V minus_lr, momentum, undamped;
  bool has_momentum, nesterov, first;  // first: v starts as g
  void operator()(Slots<V>& s) const {
    V g = gradient(s);
    if (has_momentum) {
      s.s0 = first ? g : fma(undamped, g, momentum * s.s0);
      g = nesterov ? fma(momentum, s.s0, g) : s.s0;
    }
    s.p = fma(minus_lr, g, s.p);
  }
};

// Duchi, Hazan and Singer, "Adaptive subgradient methods" (2011): h += g^2; p -= lr g / sqrt(h).
template <class V>
struct Adagrad {
  Gradient<V> gradient;
  V minus_lr, eps;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    s.s0 = fma(g, g, s.s0);
    s.p = s.p + minus_lr * g / (sqrt(s.s0) + eps);
  }
};

// Zeiler, "ADADELTA" (2012), algorithm 1: d = sqrt(u + eps) / sqrt(h + eps) g, with u and h the
// averages of d^2 and g^2; p -= lr d.
template <class V>
struct Adadelta {
  Gradient<V> gradient;
  V minus_lr, eps, rho, one_minus_rho;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    s.s0 = fma(one_minus_rho * g, g, rho * s.s0);
    const V d = sqrt(s.s1 + eps) / sqrt(s.s0 + eps) * g;
    s.s1 = fma(one_minus_rho * d, d, rho * s.s1);
    s.p = fma(minus_lr, d, s.p);
  }
};

// Hinton, "Neural networks for machine learning", lecture 6e (2012); centered: Graves, "Generating
// sequences with recurrent neural networks" (2013), equations 38 to 45.
template <class V>
struct RmsProp {
  Gradient<V> gradient;
  V minus_lr, eps, alpha, one_minus_alpha, momentum;
  bool has_momentum, centered;
  Average<V> average;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    s.s0 = fma(one_minus_alpha * g, g, alpha * s.s0);
    V h = s.s0;
    if (centered) {
      s.s2 = average(s.s2, g);
      h = h - s.s2 * s.s2;
    }
    const V root = sqrt(h) + eps;
    if (has_momentum) {
      s.s1 = fma(momentum, s.s1, g / root);
      s.p = fma(minus_lr, s.s1, s.p);
    } else {
      s.p = s.p + minus_lr * g / root;
    }
  }
};

// Kingma and Ba, "Adam" (2015), algorithm 1, eps outside the root; amsgrad: Reddi, Kale and Kumar,
// "On the convergence of Adam and beyond" (2018). AdamW: Loshchilov and Hutter, "Decoupled weight
// decay regularization" (2019): p shrinks by itself, and the gradient has no decay.
template <class V>
struct Adam {
  Gradient<V> gradient;
  V minus_step, eps, beta2, one_minus_beta2;
  V root_correction;  // sqrt(1 - beta2^step)
  V shrink;           // 1 - lr * weight_decay
  bool decoupled, amsgrad;
  Average<V> average;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    if (decoupled) s.p = s.p * shrink;
    s.s0 = average(s.s0, g);
    s.s1 = fma(one_minus_beta2 * g, g, beta2 * s.s1);
    V h = s.s1;
    if (amsgrad) h = s.s2 = max(s.s2, h);
    const V root = sqrt(h) / root_correction + eps;
    s.p = s.p + minus_step * s.s0 / root;
  }
};

}  // namespace PYDL_ISA
}  // namespace pydl

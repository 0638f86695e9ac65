// Update rules of the optimizers for one element (or one vector of them): templates over V, so that
// Vec (CPU) and float (CUDA) share them. V needs + - * /, fma, sqrt, max, min, neg, abs, select
// and comparisons. Algorithms, order of
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

// p shrinks by itself, and the gradient has no decay: Loshchilov and Hutter, "Decoupled weight
// decay regularization" (2019).
template <class V>
struct Decay {
  V shrink;  // 1 - lr * weight_decay
  bool decoupled;
  void operator()(Slots<V>& s) const {
    if (decoupled) s.p = s.p * shrink;
  }
};

// The first two moments of the gradient.
template <class V>
struct Moments {
  V beta2, one_minus_beta2;
  Average<V> average;
  void operator()(Slots<V>& s, V g) const {
    s.s0 = average(s.s0, g);
    s.s1 = fma(one_minus_beta2 * g, g, beta2 * s.s1);
  }
};

// Kingma and Ba, "Adam" (2015), algorithm 1, eps outside the root; amsgrad: Reddi, Kale and Kumar,
// "On the convergence of Adam and beyond" (2018).
template <class V>
struct Adam {
  Gradient<V> gradient;
  Decay<V> decay;
  Moments<V> moments;
  V minus_step, eps;
  V root_correction;  // sqrt(1 - beta2^step)
  bool amsgrad;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    decay(s);
    moments(s, g);
    V h = s.s1;
    if (amsgrad) h = s.s2 = max(s.s2, h);
    const V root = sqrt(h) / root_correction + eps;
    s.p = s.p + minus_step * s.s0 / root;
  }
};

// Dozat, "Incorporating Nesterov momentum into Adam" (2016), algorithm 2.
template <class V>
struct NAdam {
  Gradient<V> gradient;
  Decay<V> decay;
  Moments<V> moments;
  V minus_g_step, minus_m_step, eps, correction2;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    decay(s);
    moments(s, g);
    const V root = sqrt(s.s1 / correction2) + eps;
    s.p = s.p + minus_g_step * g / root;
    s.p = s.p + minus_m_step * s.s0 / root;
  }
};

// Liu et al., "On the variance of the adaptive learning rate and beyond" (2020), algorithm 2.
template <class V>
struct RAdam {
  Gradient<V> gradient;
  Decay<V> decay;
  Moments<V> moments;
  V minus_step;  // lr / (1 - beta1^step), where rectified times r_t sqrt(1 - beta2^step)
  V eps;
  bool rectified;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    decay(s);
    moments(s, g);
    const V m = minus_step * s.s0;
    s.p = s.p + (rectified ? m / (sqrt(s.s1) + eps) : m);
  }
};

// Kingma and Ba, "Adam" (2015), algorithm 2: h = max(beta2 h, |g|).
template <class V>
struct Adamax {
  Gradient<V> gradient;
  V minus_step, eps, beta2;
  Average<V> average;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    s.s0 = average(s.s0, g);
    s.s1 = max(beta2 * s.s1, abs(g) + eps);
    s.p = s.p + minus_step * s.s0 / s.s1;
  }
};

// Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
// algorithm" (1993), without the step back.
template <class V>
struct Rprop {
  Gradient<V> gradient;
  V shrink, grow, smallest, largest, zero, one;
  void operator()(Slots<V>& s) const {
    V g = gradient(s);
    const V agreement = g * s.s0;
    const V factor = select(agreement > zero, grow, select(agreement < zero, shrink, one));
    s.s1 = min(max(s.s1 * factor, smallest), largest);
    g = select(agreement < zero, zero, g);
    s.p = s.p + select(g > zero, neg(s.s1), select(g < zero, s.s1, zero));
    s.s0 = g;
  }
};

// Chen et al., "Symbolic discovery of optimization algorithms" (2023), algorithm 2.
template <class V>
struct Lion {
  Gradient<V> gradient;
  Decay<V> decay;
  V lr, zero;
  Average<V> mix, average;
  void operator()(Slots<V>& s) const {
    const V g = gradient(s);
    const V c = mix(s.s0, g);
    decay(s);
    s.p = s.p + select(c > zero, neg(lr), select(c < zero, lr, zero));
    s.s0 = average(s.s0, g);
  }
};

}  // namespace PYDL_ISA
}  // namespace pydl

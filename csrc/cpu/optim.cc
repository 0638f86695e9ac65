// Multi-tensor optimizer steps: one sweep over each parameter with its gradient and states, by the
// rules of ops/optim.h. Constants of a step are computed in float64 and rounded once.
#include "core/args/optim.h"

#include <math.h>
#include <stdint.h>

#include "cpu/halves.h"
#include "cpu/kernels_isa.h"
#include "ops/optim.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 1 << 14;  // elements

template <class Rule>
struct Launch {
  const OptimArgs* a;
  Rule rule;
};

// Elements [from, to) of one tensor. States that a rule does not use have no memory. The rule and
// the tensor are copies, which no store can change.
template <class Rule>
void sweep(const Rule rule, const OptimTensor t, int64_t from, int64_t to) {
  const Vec none = set1(0.0f);
  const auto step = [&](int64_t i, int64_t n) {
    Slots<Vec> s;
    s.p = load_tail(t.p + i, n);
    s.g = load_tail(t.g + i, n);
    s.s0 = t.s0 != nullptr ? load_tail(t.s0 + i, n) : none;
    s.s1 = t.s1 != nullptr ? load_tail(t.s1 + i, n) : none;
    s.s2 = t.s2 != nullptr ? load_tail(t.s2 + i, n) : none;
    rule(s);
    store_tail(t.p + i, s.p, n);
    if (t.s0 != nullptr) store_tail(t.s0 + i, s.s0, n);
    if (t.s1 != nullptr) store_tail(t.s1 + i, s.s1, n);
    if (t.s2 != nullptr) store_tail(t.s2 + i, s.s2, n);
  };
  int64_t i = from;
  for (; i + kWidth <= to; i += kWidth) step(i, kWidth);
  if (i < to) step(i, to - i);
}

// The master p where it rounds to the parameter, otherwise the parameter, which was written since.
template <class T>
void follow(const T* half, int64_t n, float* p) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec master = load_tail(p + i, lanes), now = load_tail(half + i, lanes);
    T rounded[kWidth];
    store(rounded, master);
    store_tail(p + i, select(load(rounded) == now, master, now), lanes);
  }
}

// Pieces count through the chunks of all tensors, one tensor after the other.
template <class Rule>
void sweep_piece(const void* ctx, int64_t piece, void* scratch) {
  const Launch<Rule>& launch = *static_cast<const Launch<Rule>*>(ctx);
  for (int32_t k = 0; k < launch.a->count; ++k) {
    const OptimTensor& t = launch.a->tensor[k];
    const int64_t chunks = ceil_div(t.n, kPiece);
    if (piece >= chunks) {
      piece -= chunks;
      continue;
    }
    const int64_t from = piece * kPiece, to = min64(from + kPiece, t.n);
    if (!is_half(launch.a->dtype)) return sweep(launch.rule, t, from, to);
    float* g = static_cast<float*>(scratch);
    widen(launch.a->dtype, t.g, from, to - from, g);
    const auto moved = [&](float* p) { return p == nullptr ? nullptr : p + from; };
    const OptimTensor part = {to - from,   moved(t.p),  g,          nullptr,
                              moved(t.s0), moved(t.s1), moved(t.s2)};
    if (launch.a->dtype == DType::kF16) {
      follow(as<F16>(t.half) + from, to - from, part.p);
    } else {
      follow(as<BF16>(t.half) + from, to - from, part.p);
    }
    sweep(launch.rule, part, 0, to - from);
    return narrow(launch.a->dtype, Output(g, 0), part.p, from, to - from, t.half);
  }
}

template <class Rule>
void run(const OptimArgs& a, const Rule& rule) {
  const Launch<Rule> launch = {&a, rule};
  int64_t pieces = 0;
  for (int32_t k = 0; k < a.count; ++k) pieces += ceil_div(a.tensor[k].n, kPiece);
  parallel_for(pieces, sweep_piece<Rule>, &launch);
}

Vec constant(double x) { return set1(static_cast<float>(x)); }

// x^n by repeated squaring: the same bits on every machine, which libm does not promise.
double power(double x, int64_t n) {
  double r = 1.0;
  for (; n > 0; n >>= 1, x *= x) {
    if (n & 1) r *= x;
  }
  return r;
}

Gradient<Vec> gradient_of(const OptimArgs& a) {
  const bool decays = a.weight_decay != 0.0f && a.decoupled == 0;
  return {set1(a.weight_decay), decays, a.maximize != 0};
}

Decay<Vec> decay_of(const OptimArgs& a) {
  const double part = static_cast<double>(*a.lr) * static_cast<double>(a.weight_decay);
  return {constant(1.0 - part), a.weight_decay != 0.0f && a.decoupled != 0};
}

Average<Vec> average_of(double rate) { return {constant(rate), constant(rate - 1.0), rate < 0.5}; }

void sgd(const OptimArgs& a) {
  const bool has_momentum = a.momentum != 0.0f;
  run(a, Sgd<Vec>{gradient_of(a), set1(-*a.lr), set1(a.momentum),
                  constant(1.0 - static_cast<double>(a.dampening)), has_momentum, a.nesterov != 0,
                  *a.step <= 1});
}

void adagrad(const OptimArgs& a) {
  const double lr_decay = a.beta1, steps = static_cast<double>(*a.step - 1);
  const double lr = *a.lr / (1.0 + steps * lr_decay);
  run(a, Adagrad<Vec>{gradient_of(a), constant(-lr), set1(a.eps)});
}

void adadelta(const OptimArgs& a) {
  const double rho = a.beta1;
  run(a,
      Adadelta<Vec>{gradient_of(a), set1(-*a.lr), set1(a.eps), constant(rho), constant(1.0 - rho)});
}

void rmsprop(const OptimArgs& a) {
  const double alpha = a.beta1;
  run(a, RmsProp<Vec>{gradient_of(a), set1(-*a.lr), set1(a.eps), constant(alpha),
                      constant(1.0 - alpha), set1(a.momentum), a.momentum > 0.0f, a.centered != 0,
                      average_of(1.0 - alpha)});
}

Moments<Vec> moments_of(const OptimArgs& a) {
  return {constant(a.beta2), constant(1.0 - a.beta2), average_of(1.0 - a.beta1)};
}

void adam(const OptimArgs& a) {
  const double correction1 = 1.0 - power(a.beta1, *a.step);
  const double correction2 = 1.0 - power(a.beta2, *a.step);
  const bool amsgrad = a.count > 0 && a.tensor[0].s2 != nullptr;
  run(a, Adam<Vec>{gradient_of(a), decay_of(a), moments_of(a), constant(-*a.lr / correction1),
                   set1(a.eps), constant(::sqrt(correction2)), amsgrad});
}

// mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), and the product of all up to step t.
struct Momenta {
  double now, next, product;
};

Momenta momenta(const OptimArgs& a) {
  const double base = ::pow(0.96, a.momentum_decay);
  const auto mu = [&](double decayed) { return a.beta1 * (1.0 - 0.5 * decayed); };
  Momenta m = {0.0, 0.0, 1.0};
  double decayed = base;
  // NOTE: below 1e-20 the product is 0 beside 1, and needs no further factor.
  const int64_t factors = min64(*a.step, 1 << 20);
  for (int64_t t = 1; t <= factors && m.product > 1e-20; ++t, decayed *= base) {
    m.product *= mu(decayed);
  }
  m.now = mu(power(base, *a.step));
  m.next = mu(power(base, *a.step + 1));
  return m;
}

void nadam(const OptimArgs& a) {
  const Momenta m = momenta(a);
  const double lr = *a.lr;
  run(a, NAdam<Vec>{gradient_of(a), decay_of(a), moments_of(a),
                    constant(-lr * (1.0 - m.now) / (1.0 - m.product)),
                    constant(-lr * m.next / (1.0 - m.product * m.next)), set1(a.eps),
                    constant(1.0 - power(a.beta2, *a.step))});
}

void radam(const OptimArgs& a) {
  const double t = static_cast<double>(*a.step), power2 = power(a.beta2, *a.step);
  const double limit = 2.0 / (1.0 - a.beta2) - 1.0;
  const double length = limit - 2.0 * t * power2 / (1.0 - power2);
  const bool rectified = length > 5.0;
  double step = *a.lr / (1.0 - power(a.beta1, *a.step));
  if (rectified) {
    step *= ::sqrt((length - 4.0) * (length - 2.0) * limit /
                   ((limit - 4.0) * (limit - 2.0) * length) * (1.0 - power2));
  }
  run(a, RAdam<Vec>{gradient_of(a), decay_of(a), moments_of(a), constant(-step), set1(a.eps),
                    rectified});
}

void adamax(const OptimArgs& a) {
  run(a, Adamax<Vec>{gradient_of(a), constant(-*a.lr / (1.0 - power(a.beta1, *a.step))),
                     set1(a.eps), constant(a.beta2), average_of(1.0 - a.beta1)});
}

void rprop(const OptimArgs& a) {
  run(a, Rprop<Vec>{gradient_of(a), constant(a.beta1), constant(a.beta2), set1(a.smallest),
                    set1(a.largest), set1(0.0f), set1(1.0f)});
}

void lion(const OptimArgs& a) {
  run(a, Lion<Vec>{gradient_of(a), decay_of(a), set1(*a.lr), set1(0.0f), average_of(1.0 - a.beta1),
                   average_of(1.0 - a.beta2)});
}

// ---- loss scaling ------------------------------------------------------------------------------

// g * factor in place; whether all came out finite.
template <class T>
bool unscale_run(T* g, int64_t n, Vec factor) {
  Vec wrong = set1(0.0f);
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec x = load_tail(g + i, lanes) * factor;
    wrong = wrong + (x - x);  // NaN for ever, where x is not finite
    store_tail(g + i, x, lanes);
  }
  return !any(is_nan(wrong));
}

void unscale_piece(const void* ctx, int64_t piece, void*) {
  const UnscaleArgs& a = *static_cast<const UnscaleArgs*>(ctx);
  uint8_t* found = static_cast<uint8_t*>(a.work) + piece;
  const Vec factor = set1(1.0f / *a.scale);
  for (int32_t k = 0; k < a.count; ++k) {
    const UnscaleTensor& t = a.tensor[k];
    const int64_t chunks = ceil_div(t.n, kPiece);
    if (piece >= chunks) {
      piece -= chunks;
      continue;
    }
    const int64_t from = piece * kPiece, n = min64(kPiece, t.n - from);
    const bool finite = t.dtype == DType::kF16    ? unscale_run(as<F16>(t.g) + from, n, factor)
                        : t.dtype == DType::kBF16 ? unscale_run(as<BF16>(t.g) + from, n, factor)
                                                  : unscale_run(as<float>(t.g) + from, n, factor);
    *found = finite ? 0 : 1;
    return;
  }
}

}  // namespace

int64_t unscale_work(const UnscaleArgs& a) {
  int64_t pieces = 0;
  for (int32_t k = 0; k < a.count; ++k) pieces += ceil_div(a.tensor[k].n, kPiece);
  return pieces;
}

void unscale(const UnscaleArgs& a) {
  const int64_t pieces = unscale_work(a);
  parallel_for(pieces, unscale_piece, &a);
  for (int64_t i = 0; i < pieces; ++i) {
    if (static_cast<const uint8_t*>(a.work)[i] != 0) *a.found = 1.0f, *a.kept = 0;
  }
}

void update_scale(const UpdateScaleArgs& a) {
  if (*a.found != 0.0f) {
    *a.scale *= a.backoff;
    *a.good = 0;
  } else if (++*a.good >= a.interval) {
    const float grown = *a.scale * a.growth;
    if (grown <= 3.4028235e38f) *a.scale = grown;
    *a.good = 0;
  }
}

void optim(const OptimArgs& a) {
  if (a.kept != nullptr && *a.kept == 0) return;
  switch (a.op) {
    case OptimOp::kSGD:
      return sgd(a);
    case OptimOp::kAdagrad:
      return adagrad(a);
    case OptimOp::kAdadelta:
      return adadelta(a);
    case OptimOp::kRMSprop:
      return rmsprop(a);
    case OptimOp::kAdam:
      return adam(a);
    case OptimOp::kNAdam:
      return nadam(a);
    case OptimOp::kRAdam:
      return radam(a);
    case OptimOp::kAdamax:
      return adamax(a);
    case OptimOp::kRprop:
      return rprop(a);
    case OptimOp::kLion:
      return lion(a);
  }
}

}  // namespace PYDL_ISA
}  // namespace pydl

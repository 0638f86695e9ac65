// Multi-tensor optimizer steps: one sweep over each parameter with its gradient and states, by the
// rules of ops/optim.h. Constants of a step are computed in float64 and rounded once.
#include "core/args/optim.h"

#include <math.h>
#include <stdint.h>

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

// Elements [from, to) of one tensor. States that a rule does not use have no memory.
template <class Rule>
void sweep(const Rule& rule, const OptimTensor& t, int64_t from, int64_t to) {
  const Vec none = set1(0.0f);
  for (int64_t i = from; i < to; i += kWidth) {
    const int64_t n = min64(kWidth, to - i);
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
  }
}

// Pieces count through the chunks of all tensors, one tensor after the other.
template <class Rule>
void sweep_piece(const void* ctx, int64_t piece, void*) {
  const Launch<Rule>& launch = *static_cast<const Launch<Rule>*>(ctx);
  for (int32_t k = 0; k < launch.a->count; ++k) {
    const OptimTensor& t = launch.a->tensor[k];
    const int64_t chunks = ceil_div(t.n, kPiece);
    if (piece < chunks) {
      return sweep(launch.rule, t, piece * kPiece, min64((piece + 1) * kPiece, t.n));
    }
    piece -= chunks;
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

Gradient<Vec> gradient_of(const OptimArgs& a, bool decays) {
  return {set1(a.weight_decay), decays && a.weight_decay != 0.0f, a.maximize != 0};
}

Average<Vec> average_of(double rate) { return {constant(rate), constant(rate - 1.0), rate < 0.5}; }

void sgd(const OptimArgs& a) {
  const bool has_momentum = a.momentum != 0.0f;
  run(a, Sgd<Vec>{gradient_of(a, true), set1(-*a.lr), set1(a.momentum),
                  constant(1.0 - static_cast<double>(a.dampening)), has_momentum, a.nesterov != 0,
                  *a.step <= 1});
}

void adagrad(const OptimArgs& a) {
  const double lr_decay = a.beta1, steps = static_cast<double>(*a.step - 1);
  const double lr = *a.lr / (1.0 + steps * lr_decay);
  run(a, Adagrad<Vec>{gradient_of(a, true), constant(-lr), set1(a.eps)});
}

void adadelta(const OptimArgs& a) {
  const double rho = a.beta1;
  run(a, Adadelta<Vec>{gradient_of(a, true), set1(-*a.lr), set1(a.eps), constant(rho),
                       constant(1.0 - rho)});
}

void rmsprop(const OptimArgs& a) {
  const double alpha = a.beta1;
  run(a, RmsProp<Vec>{gradient_of(a, true), set1(-*a.lr), set1(a.eps), constant(alpha),
                      constant(1.0 - alpha), set1(a.momentum), a.momentum > 0.0f, a.centered != 0,
                      average_of(1.0 - alpha)});
}

void adam(const OptimArgs& a, bool decoupled) {
  const double beta1 = a.beta1, beta2 = a.beta2, lr = *a.lr;
  const double correction1 = 1.0 - power(beta1, *a.step);
  const double correction2 = 1.0 - power(beta2, *a.step);
  const bool amsgrad = a.count > 0 && a.tensor[0].s2 != nullptr;
  run(a, Adam<Vec>{gradient_of(a, !decoupled), constant(-lr / correction1), set1(a.eps),
                   constant(beta2), constant(1.0 - beta2), constant(::sqrt(correction2)),
                   constant(1.0 - lr * static_cast<double>(a.weight_decay)),
                   decoupled && a.weight_decay != 0.0f, amsgrad, average_of(1.0 - beta1)});
}

}  // namespace

void optim(const OptimArgs& a) {
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
      return adam(a, false);
    case OptimOp::kAdamW:
      return adam(a, true);
  }
}

}  // namespace PYDL_ISA
}  // namespace pydl

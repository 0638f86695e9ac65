// Optimizer steps. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"
#include "core/limits.h"

namespace pydl {

enum class OptimOp : int32_t {
  kSGD,
  kAdagrad,
  kAdadelta,
  kRMSprop,
  kAdam,
  kNAdam,
  kRAdam,
  kAdamax,
  kRprop,
  kLion
};

// One launch updates up to kMaxTensors parameters. lr and step live on the device, so that
// schedules work in a replayed plan. `step` already counts this update (1 on the first).
struct OptimTensor {
  int64_t n;
  float* p;
  const float* g;  // of OptimArgs.dtype
  void* half;  // of that type, p rounded; or null. Where it is not, it was written, and p follows
  // SGD momentum | Adagrad sum | Adadelta, RMSprop square_avg | Rprop prev | the others exp_avg
  float* s0;
  // Adadelta acc_delta | RMSprop momentum_buffer | Adam, NAdam, RAdam exp_avg_sq | Adamax exp_inf |
  // Rprop step_size
  float* s1;
  float* s2;  // RMSprop grad_avg (centered) | Adam max_exp_avg_sq (amsgrad)
};

struct OptimArgs {
  OptimOp op;
  DType dtype;  // of the gradients: f32, or a half type beside parameters of which p is the master
  int32_t count;
  int32_t nesterov, centered, maximize, decoupled;  // amsgrad where s2 is given
  float momentum, dampening, weight_decay, eps;
  float smallest, largest;  // step sizes of Rprop
  double beta1, beta2;    // rho, alpha (Adadelta, RMSprop), lr_decay (Adagrad) in beta1; Rprop etas
  double momentum_decay;  // NAdam
  const float* lr;        // (1)
  const int64_t* step;    // (1)
  const int64_t* kept;    // (1), or null: where it is 0, nothing is done
  OptimTensor tensor[kMaxTensors];
};

// Loss scaling. Gradients g = g / scale, in place; where one of them is then not finite, found = 1
// and kept = 0, which are otherwise left as they are.
struct UnscaleTensor {
  int64_t n;
  DType dtype;
  void* g;
};

struct UnscaleArgs {
  int32_t count;
  const float* scale;  // (1)
  float* found;        // (1)
  int64_t* kept;       // (1)
  UnscaleTensor tensor[kMaxTensors];
  void* work;  // unscale_work(args)
};

// found != 0: scale *= backoff, good = 0. Otherwise good += 1, and in each `interval`-th good step
// in a row scale *= growth, as long as it stays finite.
struct UpdateScaleArgs {
  float growth, backoff;
  int64_t interval;
  const float* found;  // (1)
  float* scale;        // (1)
  int64_t* good;       // (1)
};

}  // namespace pydl

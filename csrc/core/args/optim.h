// Optimizer steps. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

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
  const float* g;
  // SGD momentum | Adagrad sum | Adadelta, RMSprop square_avg | Rprop prev | the others exp_avg
  float* s0;
  // Adadelta acc_delta | RMSprop momentum_buffer | Adam, NAdam, RAdam exp_avg_sq | Adamax exp_inf |
  // Rprop step_size
  float* s1;
  float* s2;  // RMSprop grad_avg (centered) | Adam max_exp_avg_sq (amsgrad)
};

struct OptimArgs {
  OptimOp op;
  int32_t count;
  int32_t nesterov, centered, maximize, decoupled;  // amsgrad where s2 is given
  float momentum, dampening, weight_decay, eps;
  float smallest, largest;  // step sizes of Rprop
  double beta1, beta2;    // rho, alpha (Adadelta, RMSprop), lr_decay (Adagrad) in beta1; Rprop etas
  double momentum_decay;  // NAdam
  const float* lr;        // (1)
  const int64_t* step;    // (1)
  OptimTensor tensor[kMaxTensors];
};

}  // namespace pydl

// Optimizer steps. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/limits.h"

namespace pydl {

enum class OptimOp : int32_t { kSGD, kAdagrad, kAdadelta, kRMSprop, kAdam, kAdamW };

// One launch updates up to kMaxTensors parameters. lr and step live on the device, so that
// schedules work in a replayed plan. `step` already counts this update (1 on the first).
struct OptimTensor {
  int64_t n;
  float* p;
  const float* g;
  float* s0;  // SGD momentum | Adagrad sum | Adadelta, RMSprop square_avg | Adam exp_avg
  float* s1;  // Adadelta acc_delta | RMSprop momentum_buffer | Adam exp_avg_sq
  float* s2;  // RMSprop grad_avg (centered) | Adam max_exp_avg_sq (amsgrad)
};

struct OptimArgs {
  OptimOp op;
  int32_t count;
  int32_t nesterov, centered, maximize;  // amsgrad where s2 is given
  float momentum, dampening, weight_decay, eps;
  double beta1, beta2;  // Adam; rho, alpha (Adadelta, RMSprop), lr_decay (Adagrad) in beta1
  const float* lr;      // (1)
  const int64_t* step;  // (1)
  OptimTensor tensor[kMaxTensors];
};

}  // namespace pydl

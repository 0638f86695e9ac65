// Normalisation. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// x (N, C, S). Training: statistics of the batch; saves mean, rstd (C); updates running_* (unless
// null): r = (1 - momentum) * r + momentum * value, the variance unbiased. Not training: mean and
// rstd are computed from running_* into `mean`, `rstd`.
struct BatchNormArgs {
  DType dtype;  // of x and y
  int64_t N, C, S;
  int32_t training;
  float momentum, eps;
  const float* x;
  const float* weight;  // may be null
  const float* bias;    // may be null
  float* y;
  float* mean;
  float* rstd;
  float* running_mean;  // may be null when training
  float* running_var;
};

// gx may be null; gweight, gbias (C) are always written. training as above.
struct BatchNormBackwardArgs {
  DType dtype;  // of gy, x and gx
  int64_t N, C, S;
  int32_t training;
  const float* gy;
  const float* x;
  const float* weight;  // may be null
  const float* mean;
  const float* rstd;
  float* gx;
  float* gweight;
  float* gbias;
};

// x (N, G, C, S): each of the N * G rows of C * S elements is normalised by itself; weight and bias
// (G * C) belong to the channels. Saves mean, rstd (N, G).
struct LayerNormArgs {
  DType dtype;  // of x and y
  int64_t N, G, C, S;
  float eps;
  const float* x;
  const float* weight;  // may be null
  const float* bias;    // may be null
  float* y;
  float* mean;
  float* rstd;
};

// gx may be null; so may gweight and gbias, together.
struct LayerNormBackwardArgs {
  DType dtype;  // of gy, x and gx
  int64_t N, G, C, S;
  const float* gy;
  const float* x;
  const float* weight;  // may be null
  const float* mean;
  const float* rstd;
  float* gx;
  float* gweight;
  float* gbias;
  void* work;
};

}  // namespace pydl

// Softmax. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// x, y (outer, n, inner): softmax or log-softmax over n.
struct SoftmaxArgs {
  int64_t outer, n, inner;
  int32_t log;
  DType dtype;  // of x, y and their gradients; f32 where a row is beyond kStagedFloats
  const float* x;
  float* y;
};

struct SoftmaxBackwardArgs {
  int64_t outer, n, inner;
  int32_t log;
  DType dtype;  // of x, y and their gradients; f32 where a row is beyond kStagedFloats
  const float* gy;
  const float* y;
  float* gx;
};

}  // namespace pydl

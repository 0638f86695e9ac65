// Softmax. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

// x, y (outer, n, inner): softmax or log-softmax over n.
struct SoftmaxArgs {
  int64_t outer, n, inner;
  int32_t log;
  const float* x;
  float* y;
};

struct SoftmaxBackwardArgs {
  int64_t outer, n, inner;
  int32_t log;
  const float* gy;
  const float* y;
  float* gx;
};

}  // namespace pydl

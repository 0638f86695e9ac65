// Losses. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// x (N, C, S) logits, target (N, S) class ids. loss (N, S) is unreduced:
// w_t * ((1-e) * (lse - x_t)) + e/C * sum_c w_c (lse - x_c), e = smoothing, w = weight or 1;
// 0 where target == ignore_index; NaN where target is out of range otherwise.
// count (N, S): w_t, 0 where ignored. lse (N, S): logsumexp, saved for backward.
struct CrossEntropyArgs {
  DType dtype;  // of x; f32 where a row is beyond kStagedFloats
  int64_t N, C, S;
  int64_t ignore_index;
  float smoothing;
  const float* x;
  const int64_t* target;
  const float* weight;  // (C), may be null
  float* loss;
  float* count;
  float* lse;
};

// gx[n, c, s] = gy[n, s] * d loss[n, s] / d x[n, c, s]. With gy_step 0 there is one gy for all.
struct CrossEntropyBackwardArgs {
  DType dtype;  // of x and gx
  int64_t N, C, S;
  int64_t ignore_index;
  float smoothing;
  int64_t gy_step;
  const float* gy;
  const float* x;
  const int64_t* target;
  const float* weight;
  const float* lse;
  float* gx;
};

}  // namespace pydl

// Pooling. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// `planes` images of (H, W) to (OH, OW). Windows may hang over the edge (ceil_mode, padding).
struct PoolArgs {
  DType dtype;  // of x and y; f32 where planes are beyond kStagedFloats
  int64_t planes, H, W, OH, OW, KH, KW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;  // dilation: max only
  int32_t count_include_pad;                               // average only
  int64_t divisor;                                         // average only; 0 = window size
  const float* x;                                          // forward: x; backward: gy
  float* y;          // forward: y; backward: gx (fully written)
  int32_t* indices;  // max: h * W + w of the winner, first of equals, last NaN, or null; in for
                     // backward
};

// y (planes, out) = 0, then y[p, indices[p, i]] = x[p, i] in the order of i.
struct UnpoolArgs {
  int64_t planes, in, out;
  const float* x;          // (planes, in)
  const int64_t* indices;  // (planes, in)
  float* y;
};

}  // namespace pydl

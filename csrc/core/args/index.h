// Reading and writing by index. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

// out (outer, k, inner) = x (outer, n, inner) [:, index[k], :]; index in [0, n). Any itemsize.
struct TakeArgs {
  int64_t itemsize, outer, n, inner, k;
  const void* x;
  const int64_t* index;
  void* out;
};

// gx (outer, n, inner) = 0, then gx[:, index[j], :] += gy[:, j, :] in the order of j. float32.
struct TakeBackwardArgs {
  int64_t outer, n, inner, k;
  const float* gy;
  const int64_t* index;
  float* gx;
};

// out (outer, k, inner)[o, j, i] = x (outer, n, inner)[o, index[o, j, i], i]. Any itemsize.
struct GatherArgs {
  int64_t itemsize, outer, n, inner, k;
  const void* x;
  const int64_t* index;
  void* out;
};

// gx = 0, then gx[o, index[o, j, i], i] += gy[o, j, i] in the order of j. float32.
struct GatherBackwardArgs {
  int64_t outer, n, inner, k;
  const float* gy;
  const int64_t* index;
  float* gx;
};

}  // namespace pydl

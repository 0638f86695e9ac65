// Interpolation of planes. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

// Where output i of an axis reads, in inputs: nearest floor(scale i); nearest-exact
// floor(scale (i + 1/2)); linear scale (i + 1/2) - 1/2, corners scale i, and there the two
// neighbours are weighted; an axis that keeps its length is left alone. All in float32.
enum class ResizeMode : int32_t { kNearest, kNearestExact, kLinear, kCorners };

// `planes` images of (H, W) to (OH, OW).
struct ResizeArgs {
  ResizeMode mode;
  int64_t planes, H, W, OH, OW;
  float scale_h, scale_w;  // inputs per output
  const float* x;          // forward: x; backward: gy
  float* y;                // forward: y; backward: gx (fully written)
  void* work;
};

}  // namespace pydl

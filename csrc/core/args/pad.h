// Padding with elements of x. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

enum class PadMode : int32_t { kReflect, kReplicate, kCircular };

// y (planes, OH, OW)[p, i, j] = x (planes, H, W)[p, s(i - top, H), s(j - left, W)], s being the
// identity inside of x. No place is further outside than s can bring back in one step: fewer than
// n elements (reflect), at most n (circular). Negative top and left cut off.
struct PadArgs {
  PadMode mode;
  int64_t itemsize;  // any; backward: float32
  int64_t planes, H, W, OH, OW, top, left;
  const void* x;  // forward: x; backward: gy
  void* y;        // forward: y; backward: gx (fully written)
};

}  // namespace pydl

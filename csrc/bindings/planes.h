// Kernels of planes: x (..., H, W) to y (..., OH, OW), the leading dimensions alike.
#pragma once
#include <algorithm>

#include "bindings/windows.h"

namespace pydl {

struct Planes {
  int64_t planes, H, W, OH, OW;
};

// H, W in [1, 2^31), OH, OW in [0, 2^31); where neither x nor y has elements, no planes.
inline Planes planes_of(const Call& call, const char* x_name, const Array& x, const char* y_name,
                        const Array& y) {
  call.rank(x_name, x, 2, kMaxDims, "(..., H, W)");
  const size_t lead = x.shape.size() - 2;
  if (y.shape.size() != lead + 2 ||
      !std::equal(x.shape.begin(), x.shape.end() - 2, y.shape.begin())) {
    call.wrong_shape(y_name, y, ("(..., OH, OW), the rest as " + describe(x)).c_str());
  }
  if (x.size == 0 && y.size == 0) return {0, 1, 1, 1, 1};
  const Planes p = {0, x.shape[lead], x.shape[lead + 1], y.shape[lead], y.shape[lead + 1]};
  if (p.H < 1 || p.W < 1 || std::max({p.H, p.W, p.OH, p.OW}) > kMaxExtent) {
    call.wrong_value("H, W must be in [1, 2^31), OH, OW in [0, 2^31), got " + describe(x) +
                     " and " + describe(y));
  }
  return {x.size / (p.H * p.W), p.H, p.W, p.OH, p.OW};
}

}  // namespace pydl

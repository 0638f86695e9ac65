// Running sums and products. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// y[k] = x[0] + ... + x[k] (or times) along the middle of (outer, n, inner); from the end if
// `reverse`. Accumulated in double, or in int64 for integers and bool, whose y is int64.
struct ScanArgs {
  DType dtype;
  bool product, reverse;
  int64_t outer, n, inner;
  const void* x;
  void* y;
  void* work;  // scan_work(args)
};

// y[k] = a[k] * y[k-1] + b[k], y[-1] = 0, along the middle of (outer, n, inner), float32; from the
// end if `reverse`. Accumulated in double.
struct RecurrenceArgs {
  bool reverse;
  int64_t outer, n, inner;
  const float* a;
  const float* b;
  float* y;
};

}  // namespace pydl

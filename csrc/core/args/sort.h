// Sorting. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// index (outer, k, inner) = the first k of the stable argsort of x (outer, n, inner) along n.
// NaN is larger than any number, -0 equals 0. n < 2^31.
struct ArgsortArgs {
  DType dtype;
  bool descending;
  int64_t outer, n, inner, k;
  const void* x;
  int64_t* index;
  void* work;  // argsort_work(args)
};

}  // namespace pydl

// Reading and writing by index. The rules of all kernels: core/kernels.h. An index in [-n, 0)
// counts from the end.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// take: out (outer, k, inner)[o, j, i] = x (outer, n, inner)[o, index[j], i]. Any itemsize.
// gather: out[o, j, i] = x[o, index[o, j, i], i].
struct TakeArgs {
  int64_t itemsize, outer, n, inner, k;
  const void* x;
  const int64_t* index;
  void* out;
};

enum class PutMode : int32_t { kSet, kAdd, kMultiply };  // the order of pydl/ops/scatter.py

// put: out (outer, n, inner)[o, index[j], i] = src (outer, k, inner)[o, j, i], or += or *=, in the
// order of j. scatter: out[o, index[o, j, i], i] likewise. Sums of bools are "or", products "and";
// half types can be set only.
struct PutArgs {
  PutMode mode;
  DType dtype;
  int64_t itemsize, outer, n, inner, k;
  const void* src;
  const int64_t* index;
  void* out;
};

}  // namespace pydl

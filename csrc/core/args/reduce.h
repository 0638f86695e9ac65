// Reductions. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

enum class ReduceOp : int32_t { kSum, kProd, kMax, kMin, kAny, kAll, kArgMax, kArgMin };

// x is (outer, n, inner), out is (outer, inner). Sum of floats: out, of their type, = scale * sum,
// rounded once.
// Half types: not arg. Sum/prod of integers and bool: out int64. Max/min: same dtype, NaN wins.
// Any/all: bool to bool. Arg: int64, first of equals, NaN wins. n = 0 is refused by the caller for
// max/min/arg.
struct ReduceArgs {
  ReduceOp op;
  DType dtype;      // of x
  DType out_dtype;  // beside a half type: that type, or f32
  int64_t outer, n, inner;
  double scale;
  const void* x;
  void* out;
  void* work;  // reduce_work_bytes(args)
};

}  // namespace pydl

// Kernels that move or make elements. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"
#include "core/limits.h"

namespace pydl {

// dst[i...] = src[i...] with strides on both sides: permute, slice, flip, expand, pad, concat.
// Strides may be negative or (src only) zero; `src`/`dst` point at element (0, 0, ...).
struct CopyArgs {
  int64_t itemsize;
  int32_t ndim;
  int64_t shape[kMaxDims];
  int64_t src_stride[kMaxDims];
  int64_t dst_stride[kMaxDims];
  const void* src;
  void* dst;
};

// dst = (dst_dtype) src: every pair of dtypes but float64. Float to integer truncates towards
// zero and saturates, NaN gives 0; anything to bool is (x != 0); float32 to a half type rounds to
// nearest even.
struct CastArgs {
  DType src_dtype;
  DType dst_dtype;
  int64_t n;
  const void* src;
  void* dst;
};

struct FillArgs {
  int64_t itemsize;
  int64_t n;
  uint64_t bits;  // the element's bytes, low end first
  void* dst;
};

// dst[i] = start + i * step, in float64 (f32) or int64 (integers) arithmetic.
struct ArangeArgs {
  DType dtype;  // f32 i64 i32
  int64_t n;
  double start, step;
  int64_t istart, istep;
  void* dst;
};

}  // namespace pydl

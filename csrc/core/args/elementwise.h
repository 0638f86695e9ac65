// Elementwise kernels. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"
#include "core/limits.h"

namespace pydl {

// y = f(x; p): dense.
struct UnaryArgs {
  int32_t op;   // UnaryOp
  DType dtype;  // of x and y
  float p[2];
  int64_t n;
  const float* x;
  float* y;
};

// gx = gy * f'(s; p): s is x or y, whichever the op saves (csrc/ops/unary.h says which).
struct UnaryBackwardArgs {
  int32_t op;   // UnaryOp
  DType dtype;  // of gy, s and gx
  float p[2];
  int64_t n;
  const float* gy;
  const float* s;
  float* gx;
};

// out = f(a, b): out is dense over `shape`; a and b have strides (0 = broadcast). Adjacent
// dimensions are already merged where possible, so the last is the longest run.
struct BinaryArgs {
  int32_t op;              // BinaryOp
  DType dtype;             // f32 f16 bf16 i64 i32 u8 bool: of out, or out is bool for a comparison
  DType a_dtype, b_dtype;  // the same, or beside a half type f32 of a single number
  int32_t ndim;            // 1..kMaxDims
  int64_t shape[kMaxDims];
  int64_t a_stride[kMaxDims];
  int64_t b_stride[kMaxDims];
  const void* a;
  const void* b;
  void* out;
};

// out = cond ? a : b, bit for bit: any dtype of `itemsize` bytes.
struct WhereArgs {
  int64_t itemsize;
  int32_t ndim;
  int64_t shape[kMaxDims];
  int64_t c_stride[kMaxDims];
  int64_t a_stride[kMaxDims];
  int64_t b_stride[kMaxDims];
  const uint8_t* cond;
  const void* a;
  const void* b;
  void* out;
};

}  // namespace pydl

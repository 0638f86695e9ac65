// Dimensions with one stride per operand, brought into the form that kernels like: no dimensions of
// one element, neighbours merged wherever every operand allows it.
#pragma once
#include <stdint.h>

#include "core/limits.h"

namespace pydl {

template <int kOperands>
struct Strided {
  int32_t ndim = 0;
  int64_t shape[kMaxDims];
  int64_t stride[kOperands][kMaxDims];

  // Appends a dimension, outermost first.
  void push(int64_t n, const int64_t* strides) {
    if (n == 1) return;
    if (ndim > 0 && merges(n, strides)) {
      shape[ndim - 1] *= n;
      for (int k = 0; k < kOperands; ++k) stride[k][ndim - 1] = strides[k];
      return;
    }
    shape[ndim] = n;
    for (int k = 0; k < kOperands; ++k) stride[k][ndim] = strides[k];
    ++ndim;
  }

  // One element at least, as kernels expect ndim >= 1.
  void finish() {
    if (ndim > 0) return;
    shape[0] = 1;
    for (int k = 0; k < kOperands; ++k) stride[k][0] = 0;
    ndim = 1;
  }

  void copy_to(int32_t* out_ndim, int64_t* out_shape) const {
    *out_ndim = ndim;
    for (int32_t d = 0; d < ndim; ++d) out_shape[d] = shape[d];
  }
  void copy_strides(int k, int64_t* out) const {
    for (int32_t d = 0; d < ndim; ++d) out[d] = stride[k][d];
  }

 private:
  bool merges(int64_t n, const int64_t* strides) const {
    for (int k = 0; k < kOperands; ++k) {
      int64_t whole;
      if (__builtin_mul_overflow(n, strides[k], &whole) || whole != stride[k][ndim - 1]) {
        return false;
      }
    }
    return true;
  }
};

}  // namespace pydl

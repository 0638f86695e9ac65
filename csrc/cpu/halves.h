// Half operands of kernels that compute in float32: a block of them at a time becomes float32 in a
// buffer that stays in the first cache, and what was computed there is rounded on its way out.
#pragma once
#include "core/dtype.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kHalfBlock = 256;  // elements: few enough that loads run ahead of the arithmetic

template <class T>
inline void widen_run(const T* x, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, load(x + i));
  if (i < n) store_n(y + i, load_n(x + i, n - i), n - i);
}

// `put` is the output that y belongs to.
template <class T>
inline void narrow_run(const Output& put, const float* x, int64_t n, T* y) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) put(y + i, load(x + i));
  if (i < n) put(y + i, load_n(x + i, n - i), n - i);
}

// Elements [first, first + n) of an array of type `t` as float32, and back.
inline void widen(DType t, const void* x, int64_t first, int64_t n, float* y) {
  if (t == DType::kF16) return widen_run(static_cast<const F16*>(x) + first, n, y);
  widen_run(static_cast<const BF16*>(x) + first, n, y);
}
inline void narrow(DType t, const Output& put, const float* x, int64_t first, int64_t n, void* y) {
  if (t == DType::kF16) return narrow_run(put, x, n, static_cast<F16*>(y) + first);
  narrow_run(put, x, n, static_cast<BF16*>(y) + first);
}

// An operand of a type that is known when the program runs.
template <class T>
inline const T* as(const void* p) {
  return static_cast<const T*>(p);
}
template <class T>
inline T* as(void* p) {
  return static_cast<T*>(p);
}

// Of three copies of a function, that for elements of type `t`.
template <class F>
inline F* of_type(DType t, F* floats, F* f16, F* bf16) {
  return t == DType::kF16 ? f16 : t == DType::kBF16 ? bf16 : floats;
}

}  // namespace PYDL_ISA
}  // namespace pydl

// Vec: float32 lanes of the ISA that this file is compiled for, with one set of names. Kernels are
// written on it once and compiled once per ISA (PYDL_ISA names the namespace).
//
// NOTE: the ODR trap. An inline function compiled in two ISA files is one symbol to the linker, and
// an old CPU may be handed the AVX-512 copy. So kernel files include no STL, everything lives in
// namespace pydl::PYDL_ISA, and tests/test_odr.py proves with nm that nothing else is shared.
#pragma once
#include <stdint.h>

#if defined(PYDL_ISA_AVX512)
#include "cpu/isa/vec_avx512.h"
#elif defined(PYDL_ISA_AVX2)
#include "cpu/isa/vec_avx2.h"
#else
#include "cpu/isa/vec_scalar.h"
#endif

namespace pydl {
namespace PYDL_ISA {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

// 1 <= n <= kWidth lanes from p; the rest are zero. T is float, F16 or BF16 here and below.
template <class T>
inline Vec load_tail(const T* p, int64_t n) {
  return n == kWidth ? load(p) : load_n(p, n);
}
// Like load_tail, but the rest are `fill`.
template <class T>
inline Vec load_filled(const T* p, int64_t n, float fill) {
  static constexpr float kIota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  if (n == kWidth) return load(p);
  return select(load(kIota) < set1(static_cast<float>(n)), load_n(p, n), set1(fill));
}
template <class T>
inline void store_tail(T* p, Vec v, int64_t n) {
  if (n == kWidth) {
    store(p, v);
  } else {
    store_n(p, v, n);
  }
}

// The vectors of an output of n elements at p, whole ones on their own boundaries: past the caches
// where none would hold it, so that what is overwritten need not be read first.
class Output {
 public:
  template <class T>
  Output(const T* p, int64_t n)
      : past_(n * static_cast<int64_t>(sizeof(T)) >= kPastBytes &&
              reinterpret_cast<uintptr_t>(p) % (sizeof(T) * kWidth) == 0) {}
  template <class T>
  void operator()(T* p, Vec v, int64_t lanes = kWidth) const {
    if (lanes < kWidth) return store_n(p, v, lanes);
    past_ ? stream(p, v) : store(p, v);
  }
  void done() const {  // at the end of a piece. No destructor: that would bring C++'s unwinder in.
    if (past_) end_streams();
  }

 private:
  static constexpr int64_t kPastBytes = 32 << 20;
  bool past_;
};

}  // namespace PYDL_ISA
}  // namespace pydl

// Kernels of rows or planes that do not depend on each other, on half types: float32 copies of some
// of them at a time go through the float32 kernel, in the scratch behind its own.
#pragma once
#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// An array of a half type: the place of its pointer, which the kernel reads (in) or writes (out),
// and how many numbers a unit has.
template <class Args>
struct HalfArray {
  const float* Args::* in;
  float* Args::* out;
  int64_t size;
};

template <class Args>
struct Slices {
  Args a;
  void (*kernel)(const Args&);
  int64_t Args::* count;                 // of units
  void (*advance)(Args*, int64_t unit);  // moves the pointers of the other arrays
  HalfArray<Args> array[3];
  int64_t arrays, per;
};

constexpr int64_t kSliceFloats = 4 * 1024;  // of all arrays, in the second cache

template <class Args>
void slice_piece(const void* ctx, int64_t piece, void* scratch) {
  const Slices<Args>& s = *static_cast<const Slices<Args>*>(ctx);
  const int64_t total = s.a.*s.count, first = piece * s.per, units = min64(s.per, total - first);
  const DType type = s.a.dtype;
  Args part = s.a;
  part.dtype = DType::kF32;
  part.*s.count = units;
  s.advance(&part, first);
  float* next = staging_of(scratch);
  for (int64_t i = 0; i < s.arrays; ++i) {
    const HalfArray<Args>& x = s.array[i];
    if (x.in != nullptr) {
      widen(type, s.a.*x.in, first * x.size, units * x.size, next);
      part.*x.in = next;
    } else {
      part.*x.out = next;
    }
    next += ceil_div(units * x.size, 16) * 16;
  }
  s.kernel(part);
  for (int64_t i = 0; i < s.arrays; ++i) {
    const HalfArray<Args>& x = s.array[i];
    if (x.in != nullptr) continue;
    const bool aligned = s.per * x.size % kWidth == 0;
    const Output put(as<F16>(s.a.*x.out), aligned ? total * x.size : 0);
    narrow(type, put, part.*x.out, first * x.size, units * x.size, s.a.*x.out);
    put.done();
  }
}

template <class Args>
void run_sliced(Slices<Args> s) {
  int64_t unit = 0;
  for (int64_t i = 0; i < s.arrays; ++i) unit += s.array[i].size;
  s.per = max64(1, kSliceFloats / max64(1, unit));
  parallel_for(ceil_div(s.a.*s.count, s.per), slice_piece<Args>, &s);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

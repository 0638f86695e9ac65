// Random numbers. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

// state[0] = seed, state[1] = offset, both on the device. Element i comes from word i % 4 of
// Philox4x32-10(key = seed, counter = offset + i / 4); afterwards offset += ceil(n / 4) (normal and
// float64-based kinds: see csrc/core/philox.h). Written by the kernel itself, so that a replayed
// plan goes on in the stream.
enum class RandomOp : int32_t { kUniform, kNormal, kInt, kPermutation };

struct RandomArgs {
  RandomOp op;
  DType dtype;  // uniform, normal: f32; int: i64; permutation: i64
  int64_t n;
  double a, b;     // uniform [a, b); normal mean a, deviation b
  int64_t lo, hi;  // int [lo, hi)
  int64_t* state;
  void* out;
  void* work;  // permutation: 8 * n bytes
};

// mask[i] = u_i >= p, y = mask * x / (1 - p). Bit i % 8 of byte i / 8 is mask[i].
struct DropoutArgs {
  DType dtype;  // of x and y
  int64_t n;
  float p;
  int64_t* state;
  const float* x;
  float* y;
  uint8_t* mask;
};

// gx = mask * gy / (1 - p).
struct DropoutBackwardArgs {
  DType dtype;  // of gy and gx
  int64_t n;
  float p;
  const float* gy;
  const uint8_t* mask;
  float* gx;
};

}  // namespace pydl

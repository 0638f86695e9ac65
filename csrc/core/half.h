// float16 and bfloat16 to float32 and back, one number at a time: round to nearest even. NaN stays
// NaN, with the bits that NumPy (float16) and ml_dtypes (bfloat16) give it. Formats of storage:
// nothing is computed in them.
//
// NOTE: `static`, not only `inline`: ISA files include this, and a function shared by the linker
// could be the copy that an old CPU cannot run (cpu/vec.h).
#pragma once
#include <stdint.h>
#include <string.h>

namespace pydl {

static inline float float_from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

static inline uint32_t bits_from_float(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}

static inline float f16_to_float(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
  const uint32_t exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
  if (exponent == 0) {  // mantissa * 2^-24, exact
    const float x = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
    return float_from_bits(sign | bits_from_float(x));
  }
  if (exponent == 31) {
    return float_from_bits(sign | 0x7f800000u | mantissa << 13);
  }
  return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static inline uint16_t float_to_f16(float x) {
  const uint32_t u = bits_from_float(x) & 0x7fffffffu;
  const uint32_t sign = (bits_from_float(x) >> 16) & 0x8000u;
  uint32_t h;
  if (u > 0x7f800000u) {
    h = 0x7c00u | ((u >> 13) & 0x3ffu);
    if (h == 0x7c00u) h = 0x7c01u;  // what is left of it must not look like infinity
  } else if (u >= 0x477ff000u) {    // 65520 and above round to infinity
    h = 0x7c00u;
  } else if (u < 0x38800000u) {  // below 2^-14: adding 0.5 rounds to a multiple of 2^-24
    h = bits_from_float(float_from_bits(u) + 0.5f) - 0x3f000000u;
  } else {
    h = (u - (112u << 23) + 0xfffu + ((u >> 13) & 1u)) >> 13;
  }
  return static_cast<uint16_t>(sign | h);
}

static inline float bf16_to_float(uint16_t b) {
  return float_from_bits(static_cast<uint32_t>(b) << 16);
}

static inline uint16_t float_to_bf16(float x) {
  const uint32_t u = bits_from_float(x);
  const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const uint32_t nan = (u >> 16 & 0x8000u) | 0x7fc0u;
  return static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

// The elements of half arrays, so that a kernel may be written once for all three types.
struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

static inline float to_float(float x) { return x; }
static inline float to_float(F16 x) { return f16_to_float(x.bits); }
static inline float to_float(BF16 x) { return bf16_to_float(x.bits); }
static inline void from_float(float x, float* y) { *y = x; }
static inline void from_float(float x, F16* y) { y->bits = float_to_f16(x); }
static inline void from_float(float x, BF16* y) { y->bits = float_to_bf16(x); }

}  // namespace pydl

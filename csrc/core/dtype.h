// Element types. The order is the wire order between C++ and Python (pydl/dtypes.py).
#pragma once
#include <stdint.h>

namespace pydl {

enum class DType : int32_t { kF32, kF64, kF16, kBF16, kI64, kI32, kU8, kBool };
constexpr int kDTypeCount = 8;

constexpr int64_t kItemSize[kDTypeCount] = {4, 8, 2, 2, 8, 4, 1, 1};
constexpr const char* kDTypeName[kDTypeCount] = {"float32", "float64", "float16", "bfloat16",
                                                 "int64",   "int32",   "uint8",   "bool"};

// NOTE: `static`: ISA files include this (cpu/vec.h says why).
static inline bool is_half(DType t) { return t == DType::kF16 || t == DType::kBF16; }

}  // namespace pydl

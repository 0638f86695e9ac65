// The names of the elementwise functions of two arguments (formulas: ops/binary.h). Free of code,
// so that bindings and every backend may include it.
#pragma once
#include <stdint.h>

// X(name in Python, struct in binary.h, whether the result is bool, element types)
#define PYDL_BINARY_OPS(X)                               \
  X(add, Add, false, kOfAll)                             \
  X(sub, Sub, false, kOfAll)                             \
  X(mul, Mul, false, kOfAll)                             \
  X(div, Div, false, kOfAll)                             \
  X(pow, Pow, false, kOfAll)                             \
  X(fmod, Fmod, false, kOfAll)                           \
  X(remainder, Remainder, false, kOfAll)                 \
  X(floor_divide, FloorDivide, false, kOfAll)            \
  X(atan2, Atan2, false, kOfFloats)                      \
  X(maximum, Maximum, false, kOfAll)                     \
  X(minimum, Minimum, false, kOfAll)                     \
  X(bitwise_and, BitwiseAnd, false, kOfBits)             \
  X(bitwise_or, BitwiseOr, false, kOfBits)               \
  X(bitwise_xor, BitwiseXor, false, kOfBits)             \
  X(bitwise_left_shift, LeftShift, false, kOfIntegers)   \
  X(bitwise_right_shift, RightShift, false, kOfIntegers) \
  X(eq, Eq, true, kOfAll)                                \
  X(ne, Ne, true, kOfAll)                                \
  X(lt, Lt, true, kOfAll)                                \
  X(le, Le, true, kOfAll)                                \
  X(gt, Gt, true, kOfAll)                                \
  X(ge, Ge, true, kOfAll)

namespace pydl {

// Element types of a and b, one bit a kind.
enum BinaryDomain {
  kOfFloats = 1,
  kOfIntegers = 2,
  kOfBits = 6,  // integers and bool
  kOfAll = 7,
};

enum class BinaryOp : int32_t {
#define PYDL_ENUM(name, Struct, is_bool, domain) k##Struct,
  PYDL_BINARY_OPS(PYDL_ENUM)
#undef PYDL_ENUM
};

}  // namespace pydl

// The names of the elementwise functions of two arguments (formulas: ops/binary.h). Free of code,
// so that bindings and every backend may include it.
#pragma once
#include <stdint.h>

// X(name in Python, struct in binary.h, whether the result is bool)
#define PYDL_BINARY_OPS(X)   \
  X(add, Add, false)         \
  X(sub, Sub, false)         \
  X(mul, Mul, false)         \
  X(div, Div, false)         \
  X(pow, Pow, false)         \
  X(maximum, Maximum, false) \
  X(minimum, Minimum, false) \
  X(eq, Eq, true)            \
  X(ne, Ne, true)            \
  X(lt, Lt, true)            \
  X(le, Le, true)            \
  X(gt, Gt, true)            \
  X(ge, Ge, true)

namespace pydl {

enum class BinaryOp : int32_t {
#define PYDL_ENUM(name, Struct, is_bool) k##Struct,
  PYDL_BINARY_OPS(PYDL_ENUM)
#undef PYDL_ENUM
};

}  // namespace pydl

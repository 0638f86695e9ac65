// The names of the elementwise functions of one argument (formulas: ops/unary.h). Free of code, so
// that bindings and every backend may include it.
#pragma once
#include <stdint.h>

// X(name in Python, struct in unary.h, what the derivative is computed from: 'x' or 'y')
#define PYDL_UNARY_OPS(X)        \
  X(neg, Neg, 'x')               \
  X(abs, Abs, 'x')               \
  X(sign, Sign, 'x')             \
  X(exp, Exp, 'y')               \
  X(log, Log, 'x')               \
  X(sqrt, Sqrt, 'y')             \
  X(square, Square, 'x')         \
  X(reciprocal, Reciprocal, 'y') \
  X(clip, Clip, 'x')             \
  X(step, Step, 'x')             \
  X(relu, Relu, 'y')             \
  X(leaky_relu, LeakyRelu, 'x')  \
  X(sigmoid, Sigmoid, 'y')       \
  X(tanh, Tanh, 'y')             \
  X(gelu, Gelu, 'x')             \
  X(gelu_tanh, GeluTanh, 'x')    \
  X(silu, Silu, 'x')             \
  X(elu, Elu, 'x')               \
  X(softplus, Softplus, 'x')

namespace pydl {

enum class UnaryOp : int32_t {
#define PYDL_ENUM(name, Struct, saved) k##Struct,
  PYDL_UNARY_OPS(PYDL_ENUM)
#undef PYDL_ENUM
};

}  // namespace pydl

// The names of the elementwise functions of one argument (formulas: ops/unary.h and
// ops/activation.h). Free of code, so
// that bindings and every backend may include it.
#pragma once
#include <stdint.h>

// X(name in Python, struct, what the derivative is computed from: 'x' or 'y')
#define PYDL_UNARY_OPS(X)          \
  X(neg, Neg, 'x')                 \
  X(abs, Abs, 'x')                 \
  X(sign, Sign, 'x')               \
  X(floor, Floor, 'x')             \
  X(ceil, Ceil, 'x')               \
  X(trunc, Trunc, 'x')             \
  X(round, Round, 'x')             \
  X(exp, Exp, 'y')                 \
  X(exp2, Exp2, 'y')               \
  X(expm1, Expm1, 'y')             \
  X(log, Log, 'x')                 \
  X(log1p, Log1p, 'x')             \
  X(log2, Log2, 'x')               \
  X(log10, Log10, 'x')             \
  X(sqrt, Sqrt, 'y')               \
  X(rsqrt, Rsqrt, 'y')             \
  X(square, Square, 'x')           \
  X(reciprocal, Reciprocal, 'y')   \
  X(clip, Clip, 'x')               \
  X(sin, Sin, 'x')                 \
  X(cos, Cos, 'x')                 \
  X(tan, Tan, 'y')                 \
  X(asin, Asin, 'x')               \
  X(acos, Acos, 'x')               \
  X(atan, Atan, 'x')               \
  X(sinh, Sinh, 'x')               \
  X(cosh, Cosh, 'x')               \
  X(asinh, Asinh, 'x')             \
  X(acosh, Acosh, 'x')             \
  X(atanh, Atanh, 'x')             \
  X(erf, Erf, 'x')                 \
  X(erfc, Erfc, 'x')               \
  X(step, Step, 'x')               \
  X(relu, Relu, 'y')               \
  X(leaky_relu, LeakyRelu, 'x')    \
  X(sigmoid, Sigmoid, 'y')         \
  X(logsigmoid, Logsigmoid, 'x')   \
  X(tanh, Tanh, 'y')               \
  X(tanhshrink, Tanhshrink, 'x')   \
  X(gelu, Gelu, 'x')               \
  X(gelu_tanh, GeluTanh, 'x')      \
  X(silu, Silu, 'x')               \
  X(mish, Mish, 'x')               \
  X(elu, Elu, 'x')                 \
  X(celu, Celu, 'x')               \
  X(softplus, Softplus, 'x')       \
  X(softsign, Softsign, 'x')       \
  X(hardtanh, Hardtanh, 'x')       \
  X(hardsigmoid, Hardsigmoid, 'x') \
  X(hardswish, Hardswish, 'x')     \
  X(hardshrink, Hardshrink, 'x')   \
  X(softshrink, Softshrink, 'x')   \
  X(threshold, Threshold, 'x')

namespace pydl {

enum class UnaryOp : int32_t {
#define PYDL_ENUM(name, Struct, saved) k##Struct,
  PYDL_UNARY_OPS(PYDL_ENUM)
#undef PYDL_ENUM
};

}  // namespace pydl

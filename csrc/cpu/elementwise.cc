// Elementwise kernels: unary, unary_backward, binary with broadcasting, where. The formulas are in
// ops/unary.h, ops/activation.h and ops/binary.h; this file has only the loops.
#include "core/args/elementwise.h"

#include "cpu/by_lane.h"
#include "cpu/halves.h"
#include "cpu/kernels_isa.h"
#include "ops/activation.h"
#include "ops/binary.h"
#include "ops/unary.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 32768;  // elements: 15-30 us from memory

// ---- one argument ------------------------------------------------------------------------------

template <class F, class T>
void unary_range(const UnaryArgs& a, int64_t i, int64_t end) {
  const Vec p0 = set1(a.p[0]), p1 = set1(a.p[1]);
  const T* x = as<T>(a.x);
  T* y = as<T>(a.y);
  const Output put(y, a.n);
  for (; i + kWidth <= end; i += kWidth) put(y + i, F::forward(load(x + i), p0, p1));
  if (i < end) put(y + i, F::forward(load_n(x + i, end - i), p0, p1), end - i);
  put.done();
}

template <class F, class T>
void unary_backward_range(const UnaryBackwardArgs& a, int64_t i, int64_t end) {
  const Vec p0 = set1(a.p[0]), p1 = set1(a.p[1]);
  const T *gy = as<T>(a.gy), *s = as<T>(a.s);
  T* gx = as<T>(a.gx);
  const Output put(gx, a.n);
  for (; i + kWidth <= end; i += kWidth) {
    put(gx + i, load(gy + i) * F::derivative(load(s + i), p0, p1));
  }
  const int64_t n = end - i;
  if (n > 0) {
    const Vec d = F::derivative(load_n(s + i, n), p0, p1);
    put(gx + i, load_n(gy + i, n) * d, n);
  }
  put.done();
}

using UnaryRange = void (*)(const UnaryArgs&, int64_t, int64_t);
using UnaryBackwardRange = void (*)(const UnaryBackwardArgs&, int64_t, int64_t);

constexpr UnaryRange kUnary[] = {
#define PYDL_ENTRY(name, Struct, saved) &unary_range<Struct, float>,
    PYDL_UNARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
};
constexpr UnaryBackwardRange kUnaryBackward[] = {
#define PYDL_ENTRY(name, Struct, saved) &unary_backward_range<Struct, float>,
    PYDL_UNARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
};

// Half types: blocks of float32 take the place of the operands. Where memory is most of the work,
// and of common activations, there are functions of half types instead.
void unary_halves(const UnaryArgs& a, int64_t i, int64_t end) {
  alignas(64) float x[kHalfBlock];
  const Output put(as<F16>(a.y), a.n);
  UnaryArgs block = a;
  block.x = block.y = x;
  for (int64_t n; i < end; i += n) {
    block.n = n = min64(kHalfBlock, end - i);
    widen(a.dtype, a.x, i, n, x);
    kUnary[a.op](block, 0, n);
    narrow(a.dtype, put, x, i, n, a.y);
  }
  put.done();
}

void unary_backward_halves(const UnaryBackwardArgs& a, int64_t i, int64_t end) {
  alignas(64) float gy[kHalfBlock], s[kHalfBlock];
  const Output put(as<F16>(a.gx), a.n);
  UnaryBackwardArgs block = a;
  block.gy = block.gx = gy;
  block.s = s;
  for (int64_t n; i < end; i += n) {
    block.n = n = min64(kHalfBlock, end - i);
    widen(a.dtype, a.gy, i, n, gy);
    widen(a.dtype, a.s, i, n, s);
    kUnaryBackward[a.op](block, 0, n);
    narrow(a.dtype, put, gy, i, n, a.gx);
  }
  put.done();
}

template <class F>
constexpr bool kDirect = false;
#define PYDL_DIRECT(Struct) \
  template <>               \
  constexpr bool kDirect<Struct> = true;
PYDL_DIRECT(Neg)
PYDL_DIRECT(Abs)
PYDL_DIRECT(Square)
PYDL_DIRECT(Clip)
PYDL_DIRECT(Relu)
PYDL_DIRECT(LeakyRelu)
PYDL_DIRECT(Exp)
PYDL_DIRECT(Sigmoid)
PYDL_DIRECT(Tanh)
PYDL_DIRECT(Gelu)
PYDL_DIRECT(Silu)
PYDL_DIRECT(Add)
PYDL_DIRECT(Sub)
PYDL_DIRECT(Mul)
PYDL_DIRECT(Div)
PYDL_DIRECT(Maximum)
PYDL_DIRECT(Minimum)
#undef PYDL_DIRECT

template <class F, class T>
constexpr UnaryRange half_range() {
  if constexpr (kDirect<F>) return &unary_range<F, T>;
  return &unary_halves;
}
template <class F, class T>
constexpr UnaryBackwardRange half_backward_range() {
  if constexpr (kDirect<F>) return &unary_backward_range<F, T>;
  return &unary_backward_halves;
}

#define PYDL_F16(name, Struct, saved) half_range<Struct, F16>(),
#define PYDL_BF16(name, Struct, saved) half_range<Struct, BF16>(),
constexpr UnaryRange kUnaryOfHalves[][sizeof(kUnary) / sizeof(kUnary[0])] = {
    {PYDL_UNARY_OPS(PYDL_F16)}, {PYDL_UNARY_OPS(PYDL_BF16)}};
#undef PYDL_F16
#undef PYDL_BF16
#define PYDL_F16(name, Struct, saved) half_backward_range<Struct, F16>(),
#define PYDL_BF16(name, Struct, saved) half_backward_range<Struct, BF16>(),
constexpr UnaryBackwardRange kUnaryBackwardOfHalves[][sizeof(kUnary) / sizeof(kUnary[0])] = {
    {PYDL_UNARY_OPS(PYDL_F16)}, {PYDL_UNARY_OPS(PYDL_BF16)}};
#undef PYDL_F16
#undef PYDL_BF16

// ---- broadcasting ------------------------------------------------------------------------------

// Cuts [lo, hi) of the dense output into blocks of rows x cols and calls
// fn(index of the first element, offsets of it in each operand, rows, cols).
template <int kOperands, class F>
void for_blocks(int32_t ndim, const int64_t* shape, const int64_t* const* strides, int64_t lo,
                int64_t hi, F fn) {
  const int64_t cols = shape[ndim - 1];
  const int64_t group = ndim > 1 ? shape[ndim - 2] : 1;
  while (lo < hi) {
    const int64_t row = lo / cols, col = lo % cols;
    int64_t offset[kOperands];
    for (int k = 0; k < kOperands; ++k) offset[k] = col * strides[k][ndim - 1];
    int64_t r = row;
    for (int32_t d = ndim - 2; d >= 0; --d) {
      for (int k = 0; k < kOperands; ++k) offset[k] += (r % shape[d]) * strides[k][d];
      r /= shape[d];
    }
    const bool whole = col == 0 && hi - lo >= cols;
    const int64_t rows = whole ? min64(group - row % group, (hi - lo) / cols) : 1;
    const int64_t n = whole ? cols : min64(cols - col, hi - lo);
    fn(lo, offset, rows, n);
    lo += rows * n;
  }
}

int64_t product(int32_t ndim, const int64_t* shape) {
  int64_t n = 1;
  for (int32_t d = 0; d < ndim; ++d) n *= shape[d];
  return n;
}

// A block of a binary operation: a and b at its first element, with row and column strides.
struct Block {
  const void* a;
  const void* b;
  void* out;
  int64_t rows, cols, a_row, b_row, a_col, b_col;
  int64_t size;  // elements of the whole output
  DType a_type = DType::kF32, b_type = DType::kF32;
};
using BlockFn = void (*)(const Block&);

template <class T>
inline void put(const Output& to, T* p, Vec v, int64_t n) {
  to(p, v, n);
}
inline void put(const Output&, uint8_t* p, Mask m, int64_t n) { store_mask(p, m, n); }

// How an operand moves along a row.
enum Walk { kFixed, kDense, kStrided };

template <Walk kWalk, class T>
inline Vec fetch(const T* p, int64_t i, int64_t stride, Vec fixed, int64_t n) {
  if (kWalk == kFixed) return fixed;
  if (kWalk == kDense) return load_tail(p + i, n);
  T lane[kWidth] = {};
  for (int64_t j = 0; j < n; ++j) lane[j] = p[(i + j) * stride];
  return load(lane);
}

inline float number_at(DType t, const void* p, int64_t i) {
  if (t == DType::kF16) return to_float(as<F16>(p)[i]);
  if (t == DType::kBF16) return to_float(as<BF16>(p)[i]);
  return as<float>(p)[i];
}

// Of floats T; an operand that stands still has a type of its own.
template <class Op, class R, class T, Walk kA, Walk kB>
void float_block(const Block& s) {
  const T *a = as<T>(s.a), *b = as<T>(s.b);
  R* out = static_cast<R*>(s.out);
  const bool aligned = s.rows == 1 || s.cols % kWidth == 0;
  const Output to(as<T>(s.out), aligned ? s.size : 0);
  for (int64_t r = 0; r < s.rows; ++r, a += s.a_row, b += s.b_row, out += s.cols) {
    const Vec a0 = set1(kA == kFixed ? number_at(s.a_type, s.a, r * s.a_row) : 0.0f);
    const Vec b0 = set1(kB == kFixed ? number_at(s.b_type, s.b, r * s.b_row) : 0.0f);
    int64_t i = 0;
    for (; i + kWidth <= s.cols; i += kWidth) {
      const Vec x = fetch<kA>(a, i, s.a_col, a0, kWidth);
      const Vec y = fetch<kB>(b, i, s.b_col, b0, kWidth);
      put(to, out + i, Op::lanes(x, y), kWidth);
    }
    const int64_t n = s.cols - i;
    if (n > 0) {
      const Vec x = fetch<kA>(a, i, s.a_col, a0, n), y = fetch<kB>(b, i, s.b_col, b0, n);
      put(to, out + i, Op::lanes(x, y), n);
    }
  }
  to.done();
}

template <class Op, class T, class R>
void whole_block(const Block& s) {
  const T* a = static_cast<const T*>(s.a);
  const T* b = static_cast<const T*>(s.b);
  R* out = static_cast<R*>(s.out);
  const int64_t n = s.cols, p = s.a_col, q = s.b_col;
  for (int64_t r = 0; r < s.rows; ++r, a += s.a_row, b += s.b_row, out += n) {
    const T a0 = a[0], b0 = b[0];
    if (p == 1 && q == 1) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<R>(Op::whole(a[i], b[i]));
    } else if (p == 0 && q == 1) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<R>(Op::whole(a0, b[i]));
    } else if (p == 1 && q == 0) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<R>(Op::whole(a[i], b0));
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<R>(Op::whole(a[i * p], b[i * q]));
    }
  }
}

template <class Op>
struct AsBool {
  static inline bool whole(uint8_t a, uint8_t b) { return Op::whole(a, b) != 0; }
};

template <bool kIsBool, class T>
struct ResultOf {
  using Type = T;
};
template <class T>
struct ResultOf<true, T> {
  using Type = uint8_t;
};

// The functions of one operation; null where the element type is none of its domain.
template <class Op, int kDomain, bool kIsBool, Walk kA, Walk kB>
constexpr BlockFn f32_entry() {
  if constexpr ((kDomain & kOfFloats) != 0) {
    return &float_block<Op, typename ResultOf<kIsBool, float>::Type, float, kA, kB>;
  } else {
    return nullptr;
  }
}
// Null where blocks of float32 do.
template <class Op, class T, Walk kA, Walk kB>
constexpr BlockFn half_entry() {
  if constexpr (kDirect<Op>) return &float_block<Op, T, T, kA, kB>;
  return nullptr;
}
template <class Op, int kDomain, bool kIsBool, class T>
constexpr BlockFn whole_entry() {
  if constexpr ((kDomain & kOfIntegers) != 0) {
    return &whole_block<Op, T, typename ResultOf<kIsBool, T>::Type>;
  } else {
    return nullptr;
  }
}
template <class Op, int kDomain>
constexpr BlockFn bool_entry() {
  if constexpr (kDomain == kOfAll || kDomain == kOfBits) {
    return &whole_block<AsBool<Op>, uint8_t, uint8_t>;
  } else {
    return nullptr;
  }
}

template <Walk kA, Walk kB>
BlockFn f32_fn(int32_t op) {
  static constexpr BlockFn kTable[] = {
#define PYDL_ENTRY(name, Struct, is_bool, domain) f32_entry<Struct, domain, is_bool, kA, kB>(),
      PYDL_BINARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
  };
  return kTable[op];
}

template <class T, Walk kA, Walk kB>
BlockFn half_fn(int32_t op) {
  static constexpr BlockFn kTable[] = {
#define PYDL_ENTRY(name, Struct, is_bool, domain) half_entry<Struct, T, kA, kB>(),
      PYDL_BINARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
  };
  return kTable[op];
}

template <class T>
BlockFn whole_fn(int32_t op) {
  static constexpr BlockFn kTable[] = {
#define PYDL_ENTRY(name, Struct, is_bool, domain) whole_entry<Struct, domain, is_bool, T>(),
      PYDL_BINARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
  };
  return kTable[op];
}

BlockFn bool_fn(int32_t op) {
  static constexpr BlockFn kTable[] = {
#define PYDL_ENTRY(name, Struct, is_bool, domain) bool_entry<Struct, domain>(),
      PYDL_BINARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
  };
  return kTable[op];
}

constexpr bool kIsBool[] = {
#define PYDL_ENTRY(name, Struct, is_bool, domain) is_bool,
    PYDL_BINARY_OPS(PYDL_ENTRY)
#undef PYDL_ENTRY
};

// n elements, `stride` apart, as float32: 1 apart, or one for all where it is 0.
void fetch_halves(DType t, const void* x, int64_t at, int64_t stride, int64_t n, float* y) {
  if (t == DType::kF32) {
    *y = *static_cast<const float*>(x);
    return;
  }
  if (stride <= 1) return widen(t, x, at, stride == 0 ? 1 : n, y);
  for (int64_t i = 0; i < n; ++i) widen(t, x, at + i * stride, 1, y + i);
}

// A block of half types; `fn` is that of float32, with operands that run or stand still.
void half_block(const Block& s, const BinaryArgs& args, bool is_bool, BlockFn fn) {
  alignas(64) float a[kHalfBlock], b[kHalfBlock];
  const bool aligned = s.rows == 1 || s.cols % kWidth == 0;
  const Output put(as<F16>(s.out), aligned && !is_bool ? s.size : 0);
  for (int64_t r = 0; r < s.rows; ++r) {
    for (int64_t i = 0, n; i < s.cols; i += n) {
      n = min64(kHalfBlock, s.cols - i);
      const int64_t at = r * s.cols + i;
      fetch_halves(args.a_dtype, s.a, r * s.a_row + i * s.a_col, s.a_col, n, a);
      fetch_halves(args.b_dtype, s.b, r * s.b_row + i * s.b_col, s.b_col, n, b);
      // Where a stands still, its one number must last for the whole row.
      float* to = s.a_col != 0 ? a : b;
      alignas(64) float fixed[kHalfBlock];
      if (s.a_col == 0 && s.b_col == 0) to = fixed;
      void* out = is_bool ? static_cast<void*>(static_cast<uint8_t*>(s.out) + at) : to;
      fn({a, b, out, 1, n, 0, 0, s.a_col != 0, s.b_col != 0, is_bool ? s.size : 0, DType::kF32,
          DType::kF32});
      if (!is_bool) narrow(args.dtype, put, to, at, n, s.out);
    }
  }
  put.done();
}

template <class T>
BlockFn direct_half_fn(const BinaryArgs& a) {
  const int64_t p = a.a_stride[a.ndim - 1], q = a.b_stride[a.ndim - 1];
  if (p == 1 && q == 1) return half_fn<T, kDense, kDense>(a.op);
  if (p == 0 && q == 1) return half_fn<T, kFixed, kDense>(a.op);
  if (p == 1 && q == 0) return half_fn<T, kDense, kFixed>(a.op);
  return nullptr;
}

// The function of blocks of half types, or null.
BlockFn half_binary_fn(const BinaryArgs& a) {
  if (a.dtype == DType::kF16) return direct_half_fn<F16>(a);
  return a.dtype == DType::kBF16 ? direct_half_fn<BF16>(a) : nullptr;
}

BlockFn binary_fn(const BinaryArgs& a) {
  int64_t p = a.a_stride[a.ndim - 1], q = a.b_stride[a.ndim - 1];
  if (is_half(a.dtype)) p = p != 0, q = q != 0;  // see half_block
  switch (a.dtype) {
    case DType::kI64:
      return whole_fn<int64_t>(a.op);
    case DType::kI32:
      return whole_fn<int32_t>(a.op);
    case DType::kU8:
      return whole_fn<uint8_t>(a.op);
    case DType::kBool:
      return bool_fn(a.op);
    default:
      if (p == 1 && q == 1) return f32_fn<kDense, kDense>(a.op);
      if (p == 0 && q == 1) return f32_fn<kFixed, kDense>(a.op);
      if (p == 1 && q == 0) return f32_fn<kDense, kFixed>(a.op);
      return f32_fn<kStrided, kStrided>(a.op);
  }
}

inline const char* at(const void* p, int64_t bytes) { return static_cast<const char*>(p) + bytes; }
inline char* at(void* p, int64_t bytes) { return static_cast<char*>(p) + bytes; }

// ---- where -------------------------------------------------------------------------------------

template <class T>
void where_row(const uint8_t* c, const T* a, const T* b, T* out, int64_t n, int64_t cs, int64_t as,
               int64_t bs) {
  const T a0 = a[0], b0 = b[0];
  // Both sides are read first, so that the compiler may blend instead of branch.
  if (cs == 1 && as == 1 && bs == 1) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = a[i], y = b[i];
      out[i] = c[i] ? x : y;
    }
  } else if (cs == 1 && as == 1 && bs == 0) {
    for (int64_t i = 0; i < n; ++i) {
      const T x = a[i];
      out[i] = c[i] ? x : b0;
    }
  } else if (cs == 1 && as == 0 && bs == 1) {
    for (int64_t i = 0; i < n; ++i) {
      const T y = b[i];
      out[i] = c[i] ? a0 : y;
    }
  } else {
    for (int64_t i = 0; i < n; ++i) out[i] = c[i * cs] ? a[i * as] : b[i * bs];
  }
}

template <class T>
void where_range(const WhereArgs& s, int64_t lo, int64_t hi) {
  const int64_t* strides[3] = {s.c_stride, s.a_stride, s.b_stride};
  const int32_t last = s.ndim - 1, up = s.ndim > 1 ? s.ndim - 2 : 0;
  for_blocks<3>(s.ndim, s.shape, strides, lo, hi,
                [&](int64_t first, const int64_t* offset, int64_t rows, int64_t cols) {
                  for (int64_t r = 0; r < rows; ++r) {
                    where_row(s.cond + offset[0] + r * s.c_stride[up],
                              static_cast<const T*>(s.a) + offset[1] + r * s.a_stride[up],
                              static_cast<const T*>(s.b) + offset[2] + r * s.b_stride[up],
                              static_cast<T*>(s.out) + first + r * cols, cols, s.c_stride[last],
                              s.a_stride[last], s.b_stride[last]);
                  }
                });
}

}  // namespace

// ---- kernels -----------------------------------------------------------------------------------

void unary(const UnaryArgs& a) {
  parallel_for(
      ceil_div(a.n, kPiece),
      [](const void* ctx, int64_t i, void*) {
        const UnaryArgs& a = *static_cast<const UnaryArgs*>(ctx);
        const auto range =
            is_half(a.dtype) ? kUnaryOfHalves[a.dtype == DType::kBF16][a.op] : kUnary[a.op];
        range(a, i * kPiece, min64(a.n, (i + 1) * kPiece));
      },
      &a);
}

void unary_backward(const UnaryBackwardArgs& a) {
  parallel_for(
      ceil_div(a.n, kPiece),
      [](const void* ctx, int64_t i, void*) {
        const UnaryBackwardArgs& a = *static_cast<const UnaryBackwardArgs*>(ctx);
        const auto range = is_half(a.dtype) ? kUnaryBackwardOfHalves[a.dtype == DType::kBF16][a.op]
                                            : kUnaryBackward[a.op];
        range(a, i * kPiece, min64(a.n, (i + 1) * kPiece));
      },
      &a);
}

void binary(const BinaryArgs& args) {
  struct Context {
    const BinaryArgs& a;
    BlockFn fn, half;
    int64_t n, out_size;
  };
  const int64_t size = kItemSize[static_cast<int>(args.dtype)];
  const Context context = {args, binary_fn(args), half_binary_fn(args),
                           product(args.ndim, args.shape), kIsBool[args.op] ? 1 : size};
  parallel_for(
      ceil_div(context.n, kPiece),
      [](const void* ctx, int64_t i, void*) {
        const Context& c = *static_cast<const Context*>(ctx);
        const BinaryArgs& a = c.a;
        const int64_t* strides[2] = {a.a_stride, a.b_stride};
        const int32_t last = a.ndim - 1, up = a.ndim > 1 ? a.ndim - 2 : 0;
        for_blocks<2>(a.ndim, a.shape, strides, i * kPiece, min64(c.n, (i + 1) * kPiece),
                      [&](int64_t first, const int64_t* offset, int64_t rows, int64_t cols) {
                        const Block block = {
                            at(a.a, offset[0] * kItemSize[static_cast<int>(a.a_dtype)]),
                            at(a.b, offset[1] * kItemSize[static_cast<int>(a.b_dtype)]),
                            at(a.out, first * c.out_size),
                            rows,
                            cols,
                            a.a_stride[up],
                            a.b_stride[up],
                            a.a_stride[last],
                            a.b_stride[last],
                            c.n,
                            a.a_dtype,
                            a.b_dtype};
                        if (c.half != nullptr) {
                          c.half(block);
                        } else if (is_half(a.dtype)) {
                          half_block(block, a, kIsBool[a.op], c.fn);
                        } else {
                          c.fn(block);
                        }
                      });
      },
      &context);
}

void where(const WhereArgs& args) {
  parallel_for(
      ceil_div(product(args.ndim, args.shape), kPiece),
      [](const void* ctx, int64_t i, void*) {
        const WhereArgs& a = *static_cast<const WhereArgs*>(ctx);
        const int64_t lo = i * kPiece;
        const int64_t hi = min64(product(a.ndim, a.shape), lo + kPiece);
        switch (a.itemsize) {
          case 1:
            return where_range<uint8_t>(a, lo, hi);
          case 2:
            return where_range<uint16_t>(a, lo, hi);
          case 4:
            return where_range<uint32_t>(a, lo, hi);
          default:
            return where_range<uint64_t>(a, lo, hi);
        }
      },
      &args);
}

}  // namespace PYDL_ISA
}  // namespace pydl

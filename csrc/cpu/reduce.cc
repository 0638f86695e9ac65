// Reductions of (outer, n, inner) over n. One algorithm for every operation and dtype: rows of
// `width` accumulators are folded over n as a binary tree whose leaves are kLeaf rows, so the error
// of a sum grows with log n. Where inner is 1, the row itself is read as a matrix of kLanes
// columns, and the lanes are folded at the end.
#include "core/args/reduce.h"

#include <math.h>

#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 65536;    // elements
constexpr int64_t kLeaf = 64;        // rows folded one after another
constexpr int64_t kLanes = 64;       // columns of a row of its own
constexpr int64_t kShort = 256;      // a row this short is folded at once
constexpr int64_t kWidthMax = 1024;  // columns of a tile

// ---- operations: In is read, Acc accumulated, Join joins partial results ------------------------

template <class T, class A>
struct Sum {
  using In = T;
  using Acc = A;
  using Join = Sum<A, A>;
  static Acc identity() { return 0; }
  static inline Acc load(In x) { return static_cast<Acc>(x); }
  static inline float join(float a, float b) { return a + b; }
  static inline Vec join(Vec a, Vec b) { return a + b; }
  static inline float across(Vec v) { return reduce_add(v); }
  static inline int64_t join(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

template <class T, class A>
struct Prod {
  using In = T;
  using Acc = A;
  using Join = Prod<A, A>;
  static Acc identity() { return 1; }
  static inline Acc load(In x) { return static_cast<Acc>(x); }
  static inline float join(float a, float b) { return a * b; }
  static inline Vec join(Vec a, Vec b) { return a * b; }
  static float across(Vec v) {
    float lane[kWidth];
    store(lane, v);
    for (int64_t half = kWidth / 2; half > 0; half /= 2) {
      for (int64_t i = 0; i < half; ++i) lane[i] *= lane[i + half];
    }
    return lane[0];
  }
  static inline int64_t join(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

inline void bound(float* low) { *low = -INFINITY; }
inline void bound(int64_t* low) { *low = INT64_MIN; }
inline void bound(int32_t* low) { *low = INT32_MIN; }
inline void bound(uint8_t* low) { *low = 0; }
inline float opposite(float x) { return -x; }
template <class T>
inline T opposite(T x) {  // the other end of an integer type
  return static_cast<T>(~x);
}

// Whether a beats b: larger, or NaN where b is none.
template <class T>
struct Max {
  using In = T;
  using Acc = T;
  using Join = Max;
  static Acc identity() {
    T low;
    bound(&low);
    return low;
  }
  static inline Acc load(In x) { return x; }
  static inline bool beats(T a, T b) { return (a > b) | ((a != a) & (b == b)); }
  static inline T join(T a, T b) { return (a > b) | (a != a) ? a : b; }
  static inline Vec join(Vec a, Vec b) { return select(is_nan(a), a, max(a, b)); }
  static inline float across(Vec v) { return any(is_nan(v)) ? NAN : reduce_max(v); }
};

template <class T>
struct Min {
  using In = T;
  using Acc = T;
  using Join = Min;
  static Acc identity() { return opposite(Max<T>::identity()); }
  static inline Acc load(In x) { return x; }
  static inline bool beats(T a, T b) { return (a < b) | ((a != a) & (b == b)); }
  static inline T join(T a, T b) { return (a < b) | (a != a) ? a : b; }
  static inline Vec join(Vec a, Vec b) { return select(is_nan(a), a, min(a, b)); }
  static inline float across(Vec v) { return any(is_nan(v)) ? NAN : reduce_min(v); }
};

// Of a half type, in float32.
template <class T, class Op>
struct OfHalf : Op {
  using In = T;
  static inline float load(In x) { return to_float(x); }
};

struct Any {
  using In = uint8_t;
  using Acc = uint8_t;
  using Join = Any;
  static Acc identity() { return 0; }
  static inline Acc load(In x) { return x != 0; }
  static inline Acc join(Acc a, Acc b) { return a | b; }
};

struct All {
  using In = uint8_t;
  using Acc = uint8_t;
  using Join = All;
  static Acc identity() { return 1; }
  static inline Acc load(In x) { return x != 0; }
  static inline Acc join(Acc a, Acc b) { return a & b; }
};

// ---- the fold ----------------------------------------------------------------------------------

// acc[i] = fold of x[r * stride + i] over the rows. Written for the compiler's vectoriser: the
// columns are independent, so nothing is reassociated.
template <class Op>
void fold_leaf(const typename Op::In* __restrict x, int64_t rows, int64_t stride, int64_t width,
               typename Op::Acc* __restrict acc) {
  for (int64_t i = 0; i < width; ++i) acc[i] = Op::identity();
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const typename Op::In* p = x + r * stride;
    for (int64_t i = 0; i < width; ++i) {
      const auto a = Op::join(Op::load(p[i]), Op::load(p[stride + i]));
      const auto b = Op::join(Op::load(p[2 * stride + i]), Op::load(p[3 * stride + i]));
      acc[i] = Op::join(acc[i], Op::join(a, b));
    }
  }
  for (; r < rows; ++r) {
    const typename Op::In* p = x + r * stride;
    for (int64_t i = 0; i < width; ++i) acc[i] = Op::join(acc[i], Op::load(p[i]));
  }
}

// acc[i] joined with four rows of x, in the order of the sum in registers below.
template <class Op>
inline void fold_four_rows(const typename Op::In* x, int64_t stride, int64_t i, int64_t n,
                           float* acc) {
  const auto* p = x + i;
  const Vec a = Op::join(load_tail(p, n), load_tail(p + stride, n));
  const Vec b = Op::join(load_tail(p + 2 * stride, n), load_tail(p + 3 * stride, n));
  store_tail(acc + i, Op::join(load_tail(acc + i, n), Op::join(a, b)), n);
}

// Wide rows, four at a time, in the order of memory; the accumulators stay in the first cache.
template <class Op>
void fold_wide_floats(const typename Op::In* x, int64_t rows, int64_t stride, int64_t width,
                      float* acc) {
  for (int64_t i = 0; i < width; ++i) acc[i] = Op::identity();
  const int64_t quarter = ceil_div(width, 4 * kWidth) * kWidth;
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, x += 4 * stride) {
    int64_t i = 0;
    for (int64_t q = 0; q < 4; ++q) {
      const int64_t end = min64((q + 1) * quarter, width / kWidth * kWidth);
      const auto* next = x + (4 + q) * stride;
      for (; i < end; i += kWidth, next += 4 * kWidth) {
        if (sizeof(*x) == 2) {  // a stream of the rows to come: four short ones are too slow
          for (int64_t k = 0; k < 4 * kWidth; k += 32) __builtin_prefetch(next + k);
        }
        fold_four_rows<Op>(x, stride, i, kWidth, acc);
      }
    }
    if (i < width) fold_four_rows<Op>(x, stride, i, width - i, acc);
  }
  for (; r < rows; ++r, x += stride) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t n = min64(kWidth, width - i);
      store_tail(acc + i, Op::join(load_tail(acc + i, n), load_tail(x + i, n)), n);
    }
  }
}

// The same for narrow rows of float32: some vectors of columns stay in registers, those of a row of
// kLanes together where there are enough, so that memory is read in its order.
constexpr int64_t kColumnVecs = kWidth < 8 ? 4 : kLanes / kWidth;

template <class Op>
void fold_leaf_floats(const typename Op::In* x, int64_t rows, int64_t stride, int64_t width,
                      float* acc) {
  if (width > 8 * kWidth) return fold_wide_floats<Op>(x, rows, stride, width, acc);
  const Vec none = set1(Op::identity());
  int64_t i = 0;
  for (; i + kColumnVecs * kWidth <= width; i += kColumnVecs * kWidth) {
    Vec v[kColumnVecs];
#pragma GCC unroll 8
    for (int64_t k = 0; k < kColumnVecs; ++k) v[k] = none;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      const auto* p = x + r * stride + i;
#pragma GCC unroll 8
      for (int64_t k = 0; k < kColumnVecs; ++k, p += kWidth) {
        const Vec a = Op::join(load(p), load(p + stride));
        v[k] = Op::join(v[k], Op::join(a, Op::join(load(p + 2 * stride), load(p + 3 * stride))));
      }
    }
    for (; r < rows; ++r) {
#pragma GCC unroll 8
      for (int64_t k = 0; k < kColumnVecs; ++k) {
        v[k] = Op::join(v[k], load(x + r * stride + i + k * kWidth));
      }
    }
#pragma GCC unroll 8
    for (int64_t k = 0; k < kColumnVecs; ++k) store(acc + i + k * kWidth, v[k]);
  }
  for (; i < width; i += kWidth) {
    const int64_t lanes = min64(kWidth, width - i);
    Vec v = none;
    const auto* p = x + i;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, p += 4 * stride) {
      const Vec a = Op::join(load_tail(p, lanes), load_tail(p + stride, lanes));
      const Vec b = Op::join(load_tail(p + 2 * stride, lanes), load_tail(p + 3 * stride, lanes));
      v = Op::join(v, Op::join(a, b));
    }
    for (; r < rows; ++r, p += stride) v = Op::join(v, load_tail(p, lanes));
    store_tail(acc + i, v, lanes);
  }
}

// n <= kShort elements to one.
template <class Op>
typename Op::Acc fold_lanes(const typename Op::In* x, int64_t n) {
  typename Op::Acc a = Op::identity();
  for (int64_t i = 0; i < n; ++i) a = Op::join(a, Op::load(x[i]));
  return a;
}

template <class Op>
float fold_lanes_floats(const typename Op::In* x, int64_t n) {
  Vec v = set1(Op::identity());
  for (int64_t i = 0; i < n; i += kWidth) {
    v = Op::join(v, load_filled(x + i, min64(kWidth, n - i), Op::identity()));
  }
  return Op::across(v);
}

// Floats have kernels on Vec, the rest are left to the compiler.
template <class T>
constexpr bool kIsFloat = false;
template <>
constexpr bool kIsFloat<float> = true;
template <>
constexpr bool kIsFloat<F16> = true;
template <>
constexpr bool kIsFloat<BF16> = true;

// The tree; one row of `acc` is used per level: at most 64 * kWidthMax accumulators.
// NOTE: not inlined: GCC 12 unrolls the recursion and then warns of rows that it made up.
template <class Op>
__attribute__((noinline)) void fold(const typename Op::In* x, int64_t rows, int64_t stride,
                                    int64_t width, typename Op::Acc* acc) {
  if (rows <= kLeaf) {
    if constexpr (kIsFloat<typename Op::In>) {
      return fold_leaf_floats<Op>(x, rows, stride, width, acc);
    } else {
      return fold_leaf<Op>(x, rows, stride, width, acc);
    }
  }
  const int64_t half = ceil_div(rows, 2 * kLeaf) * kLeaf;
  typename Op::Acc* right = acc + width;
  fold<Op>(x, half, stride, width, acc);
  fold<Op>(x + half * stride, rows - half, stride, width, right);
  for (int64_t i = 0; i < width; ++i) acc[i] = Op::join(acc[i], right[i]);
}

template <class Op>
typename Op::Acc fold_short(const typename Op::In* x, int64_t n) {
  if constexpr (kIsFloat<typename Op::In>) {
    return fold_lanes_floats<Op>(x, n);
  } else {
    return fold_lanes<Op>(x, n);
  }
}

// n elements in a row to one.
template <class Op>
typename Op::Acc fold_row(const typename Op::In* x, int64_t n, typename Op::Acc* acc) {
  const int64_t rows = n / kLanes, rest = n % kLanes;
  if (n <= kShort) return fold_short<Op>(x, n);
  fold<Op>(x, rows, kLanes, kLanes, acc);
  const typename Op::Acc total = fold_short<typename Op::Join>(acc, kLanes);
  return rest == 0 ? total : Op::join(total, fold_short<Op>(x + rows * kLanes, rest));
}

// ---- how the problem is cut --------------------------------------------------------------------

// Pieces are (group of outer, chunk of n, tile of inner). Chunks leave partial results
// (outer, chunks, inner) that a second pass folds.
struct Cut {
  int64_t outers, groups, chunk, chunks, tile, tiles;
};

Cut cut_of(int64_t outer, int64_t n, int64_t inner, bool split) {
  Cut c;
  c.tile = min64(max64(inner, 1), kWidthMax);
  c.tiles = ceil_div(inner, c.tile);
  c.chunk = max64(n, 1);
  if (split) c.chunk = min64(c.chunk, max64(kLeaf, kPiece / c.tile / kLeaf * kLeaf));
  c.chunks = max64(1, ceil_div(n, c.chunk));
  c.outers = c.chunks > 1 || c.tiles > 1 ? 1 : max64(1, kPiece / (c.chunk * c.tile));
  c.groups = ceil_div(outer, c.outers);
  return c;
}

struct Context {
  Cut cut;
  int64_t outer, n, inner;
  const void* x;
  void* out;  // (outer, chunks, inner)
  double scale;
  void* joined = nullptr;  // (outer, inner), of arg_join
};

// NOTE: in double, so that the mean of n equal numbers is that number.
inline float scaled(float x, double scale) { return static_cast<float>(x * scale); }
template <class T>
inline T scaled(T x, double) {
  return x;
}

template <class T>
inline void write(T x, T* y) {
  *y = x;
}
inline void write(float x, F16* y) { from_float(x, y); }
inline void write(float x, BF16* y) { from_float(x, y); }

template <class Op, class Out>
void fold_piece(const void* ctx, int64_t piece, void* scratch) {
  const Context& c = *static_cast<const Context*>(ctx);
  using In = typename Op::In;
  using Acc = typename Op::Acc;
  const int64_t i = piece % c.cut.tiles * c.cut.tile, width = min64(c.cut.tile, c.inner - i);
  const int64_t chunk = piece / c.cut.tiles % c.cut.chunks, k = chunk * c.cut.chunk;
  const int64_t rows = min64(c.cut.chunk, c.n - k);
  const int64_t o0 = piece / c.cut.tiles / c.cut.chunks * c.cut.outers;
  Acc* acc = static_cast<Acc*>(scratch);
  for (int64_t o = o0; o < min64(c.outer, o0 + c.cut.outers); ++o) {
    const In* x = static_cast<const In*>(c.x) + (o * c.n + k) * c.inner + i;
    Out* out = static_cast<Out*>(c.out) + (o * c.cut.chunks + chunk) * c.inner + i;
    if (c.inner == 1) {
      write(scaled(fold_row<Op>(x, rows, acc), c.scale), out);
    } else {
      fold<Op>(x, rows, c.inner, width, acc);
      for (int64_t j = 0; j < width; ++j) write(scaled(acc[j], c.scale), out + j);
    }
  }
}

template <class Op, class Out = typename Op::Acc>
void reduce_as(const ReduceArgs& a) {
  using Acc = typename Op::Acc;
  const double scale = a.op == ReduceOp::kSum ? a.scale : 1.0;
  const Cut cut = cut_of(a.outer, a.n, a.inner, true);
  const bool split = cut.chunks > 1;
  const Context first = {
      cut, a.outer, a.n, a.inner, a.x, split ? a.work : a.out, split ? 1.0 : scale};
  const PieceFn fold = split ? &fold_piece<Op, Acc> : &fold_piece<Op, Out>;
  parallel_for(cut.groups * cut.chunks * cut.tiles, fold, &first);
  if (!split) return;
  const Context second = {cut_of(a.outer, cut.chunks, a.inner, false),
                          a.outer,
                          cut.chunks,
                          a.inner,
                          a.work,
                          a.out,
                          scale};
  parallel_for(second.cut.groups * second.cut.tiles, &fold_piece<typename Op::Join, Out>, &second);
}

// ---- arg max, arg min --------------------------------------------------------------------------

// The first place of `best` among n elements that hold it (of a NaN, if it is one).
inline int64_t find(const float* x, int64_t n, float best) {
  const bool nan = best != best;
  const Vec want = set1(best);
  const float other = nan ? 0.0f : NAN;
  int64_t i = 0;
  for (;; i += kWidth) {
    const Vec v = load_filled(x + i, min64(kWidth, n - i), other);
    if (any(nan ? is_nan(v) : v == want)) break;
  }
  int64_t index = 0;
  for (int64_t j = min64(kWidth, n - i) - 1; j >= 0; --j) {
    index = (x[i + j] == best) | (nan & (x[i + j] != x[i + j])) ? j : index;
  }
  return i + index;
}

template <class T>
int64_t find(const T* x, int64_t n, T best) {
  int64_t i = 0;
  for (bool found = false; i + kLanes < n; i += kLanes) {
    for (int64_t j = i; j < i + kLanes; ++j) found |= x[j] == best;
    if (found) break;
  }
  while (i + 1 < n && x[i] != best) ++i;
  return i;
}

// acc[j] and index[j] = the winner of column j and its row.
template <class Op>
void arg_columns(const typename Op::In* __restrict x, int64_t n, int64_t stride, int64_t width,
                 typename Op::In* __restrict best, int64_t* __restrict index) {
  for (int64_t i = 0; i < width; ++i) best[i] = x[i], index[i] = 0;
  for (int64_t k = 1; k < n; ++k) {
    const typename Op::In* p = x + k * stride;
    for (int64_t i = 0; i < width; ++i) {
      const bool wins = Op::beats(p[i], best[i]);
      best[i] = wins ? p[i] : best[i];
      index[i] = wins ? k : index[i];
    }
  }
}

template <class Op>
void arg_piece(const void* ctx, int64_t piece, void* scratch) {
  const Context& c = *static_cast<const Context*>(ctx);
  using In = typename Op::In;
  const int64_t i = piece % c.cut.tiles * c.cut.tile, width = min64(c.cut.tile, c.inner - i);
  const int64_t chunk = piece / c.cut.tiles % c.cut.chunks, k = chunk * c.cut.chunk;
  const int64_t rows = min64(c.cut.chunk, c.n - k);
  const int64_t o0 = piece / c.cut.tiles / c.cut.chunks * c.cut.outers;
  In* acc = static_cast<In*>(scratch);
  for (int64_t o = o0; o < min64(c.outer, o0 + c.cut.outers); ++o) {
    const In* x = static_cast<const In*>(c.x) + (o * c.n + k) * c.inner + i;
    int64_t* out = static_cast<int64_t*>(c.out) + (o * c.cut.chunks + chunk) * c.inner + i;
    if (c.inner == 1) {
      *out = find(x, rows, fold_row<Op>(x, rows, acc));
    } else {
      arg_columns<Op>(x, rows, c.inner, width, acc, out);
    }
    for (int64_t j = 0; j < width; ++j) out[j] += k;
  }
}

// The first best of the winners of all chunks.
template <class Op>
void arg_join(const void* ctx, int64_t o, void*) {
  const Context& c = *static_cast<const Context*>(ctx);
  using In = typename Op::In;
  const int64_t* winners = static_cast<const int64_t*>(c.out) + o * c.cut.chunks * c.inner;
  const In* x = static_cast<const In*>(c.x) + o * c.n * c.inner;
  for (int64_t i = 0; i < c.inner; ++i) {
    int64_t index = winners[i];
    for (int64_t k = 1; k < c.cut.chunks; ++k) {
      const int64_t other = winners[k * c.inner + i];
      index = Op::beats(x[other * c.inner + i], x[index * c.inner + i]) ? other : index;
    }
    static_cast<int64_t*>(c.joined)[o * c.inner + i] = index;
  }
}

template <class Op>
void arg_as(const ReduceArgs& a) {
  if (a.n == 0) return;
  const Cut cut = cut_of(a.outer, a.n, a.inner, true);
  const bool split = cut.chunks > 1;
  const Context c = {cut, a.outer, a.n, a.inner, a.x, split ? a.work : a.out, 1.0, a.out};
  parallel_for(cut.groups * cut.chunks * cut.tiles, &arg_piece<Op>, &c);
  if (split) parallel_for(a.outer, &arg_join<Op>, &c);
}

// ---- dispatch ----------------------------------------------------------------------------------

template <class T>
void reduce_ordered(const ReduceArgs& a) {
  switch (a.op) {
    case ReduceOp::kMax:
      return reduce_as<Max<T>>(a);
    case ReduceOp::kMin:
      return reduce_as<Min<T>>(a);
    case ReduceOp::kArgMax:
      return arg_as<Max<T>>(a);
    default:
      return arg_as<Min<T>>(a);
  }
}

template <class T, class A>
void reduce_dtype(const ReduceArgs& a) {
  if (a.op == ReduceOp::kSum) return reduce_as<Sum<T, A>>(a);
  if (a.op == ReduceOp::kProd) return reduce_as<Prod<T, A>>(a);
  reduce_ordered<T>(a);
}

template <class T, class Out>
void reduce_halves_to(const ReduceArgs& a) {
  switch (a.op) {
    case ReduceOp::kSum:
      return reduce_as<OfHalf<T, Sum<float, float>>, Out>(a);
    case ReduceOp::kProd:
      return reduce_as<OfHalf<T, Prod<float, float>>, Out>(a);
    case ReduceOp::kMax:
      return reduce_as<OfHalf<T, Max<float>>, Out>(a);
    default:
      return reduce_as<OfHalf<T, Min<float>>, Out>(a);
  }
}

template <class T>
void reduce_halves(const ReduceArgs& a) {
  a.out_dtype == DType::kF32 ? reduce_halves_to<T, float>(a) : reduce_halves_to<T, T>(a);
}

}  // namespace

// ---- kernels -----------------------------------------------------------------------------------

void reduce(const ReduceArgs& a) {
  if (a.op == ReduceOp::kAny) return reduce_as<Any>(a);
  if (a.op == ReduceOp::kAll) return reduce_as<All>(a);
  switch (a.dtype) {
    case DType::kF16:
      return reduce_halves<F16>(a);
    case DType::kBF16:
      return reduce_halves<BF16>(a);
    case DType::kI64:
      return reduce_dtype<int64_t, int64_t>(a);
    case DType::kI32:
      return reduce_dtype<int32_t, int64_t>(a);
    case DType::kU8:
    case DType::kBool:
      return reduce_dtype<uint8_t, int64_t>(a);
    default:
      return reduce_dtype<float, float>(a);
  }
}

// Partial results, at most 8 bytes each.
int64_t reduce_work(const ReduceArgs& a) {
  const int64_t chunks = cut_of(a.outer, a.n, a.inner, true).chunks;
  return chunks == 1 ? 0 : a.outer * chunks * a.inner * 8;
}

}  // namespace PYDL_ISA
}  // namespace pydl

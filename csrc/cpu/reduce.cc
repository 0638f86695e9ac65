// Reductions of (outer, n, inner) over n. One algorithm for every operation and dtype: rows of
// `width` accumulators are folded over n as a binary tree whose leaves are kLeaf rows, so the error
// of a sum grows with log n. Where inner is 1, the row itself is read as a matrix of kLanes
// columns, and the lanes are folded at the end.
#include <math.h>

#include "cpu/kernels_isa.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 65536;   // elements
constexpr int64_t kLeaf = 64;       // rows folded one after another
constexpr int64_t kLanes = 64;      // columns of a row of its own
constexpr int64_t kWidthMax = 512;  // columns of a tile

// ---- operations: In is read, Acc is accumulated and written ------------------------------------

template <class T, class A>
struct Sum {
  using In = T;
  using Acc = A;
  static Acc identity() { return 0; }
  static inline Acc load(In x) { return static_cast<Acc>(x); }
  static inline float join(float a, float b) { return a + b; }
  static inline int64_t join(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

template <class T, class A>
struct Prod {
  using In = T;
  using Acc = A;
  static Acc identity() { return 1; }
  static inline Acc load(In x) { return static_cast<Acc>(x); }
  static inline float join(float a, float b) { return a * b; }
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
  static Acc identity() {
    T low;
    bound(&low);
    return low;
  }
  static inline Acc load(In x) { return x; }
  static inline bool beats(T a, T b) { return (a > b) | ((a != a) & (b == b)); }
  static inline Acc join(Acc a, Acc b) { return (a > b) | (a != a) ? a : b; }
};

template <class T>
struct Min {
  using In = T;
  using Acc = T;
  static Acc identity() { return opposite(Max<T>::identity()); }
  static inline Acc load(In x) { return x; }
  static inline bool beats(T a, T b) { return (a < b) | ((a != a) & (b == b)); }
  static inline Acc join(Acc a, Acc b) { return (a < b) | (a != a) ? a : b; }
};

struct Any {
  using In = uint8_t;
  using Acc = uint8_t;
  static Acc identity() { return 0; }
  static inline Acc load(In x) { return x != 0; }
  static inline Acc join(Acc a, Acc b) { return a | b; }
};

struct All {
  using In = uint8_t;
  using Acc = uint8_t;
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
  int64_t r = 0;
  if (rows >= 4) {
    for (int64_t i = 0; i < width; ++i) {
      acc[i] = Op::join(Op::join(Op::load(x[i]), Op::load(x[stride + i])),
                        Op::join(Op::load(x[2 * stride + i]), Op::load(x[3 * stride + i])));
    }
    r = 4;
  } else if (rows > 0) {
    for (int64_t i = 0; i < width; ++i) acc[i] = Op::load(x[i]);
    r = 1;
  } else {
    for (int64_t i = 0; i < width; ++i) acc[i] = Op::identity();
  }
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

// The tree; one row of `acc` is used per level: at most 64 * kWidthMax accumulators.
template <class Op>
void fold(const typename Op::In* x, int64_t rows, int64_t stride, int64_t width,
          typename Op::Acc* acc) {
  if (rows <= kLeaf) return fold_leaf<Op>(x, rows, stride, width, acc);
  const int64_t half = ceil_div(rows, 2 * kLeaf) * kLeaf;
  typename Op::Acc* right = acc + width;
  fold<Op>(x, half, stride, width, acc);
  fold<Op>(x + half * stride, rows - half, stride, width, right);
  for (int64_t i = 0; i < width; ++i) acc[i] = Op::join(acc[i], right[i]);
}

// n elements in a row to one.
template <class Op>
typename Op::Acc fold_row(const typename Op::In* x, int64_t n, typename Op::Acc* acc) {
  const int64_t rows = n / kLanes, tail = n % kLanes;
  int64_t width = rows > 0 ? kLanes : tail;
  fold<Op>(x, rows > 0 ? rows : 1, kLanes, width, acc);
  if (rows > 0) {
    const typename Op::In* p = x + rows * kLanes;
    for (int64_t i = 0; i < tail; ++i) acc[i] = Op::join(acc[i], Op::load(p[i]));
  }
  while (width > 1) {
    const int64_t half = (width + 1) / 2;
    for (int64_t i = 0; i + half < width; ++i) acc[i] = Op::join(acc[i], acc[i + half]);
    width = half;
  }
  return n > 0 ? acc[0] : Op::identity();
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
  float scale;
};

inline float scaled(float x, float scale) { return x * scale; }
template <class T>
inline T scaled(T x, float) {
  return x;
}

template <class Op>
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
    Acc* out = static_cast<Acc*>(c.out) + (o * c.cut.chunks + chunk) * c.inner + i;
    if (c.inner == 1) {
      *out = scaled(fold_row<Op>(x, rows, acc), c.scale);
    } else {
      fold<Op>(x, rows, c.inner, width, acc);
      for (int64_t j = 0; j < width; ++j) out[j] = scaled(acc[j], c.scale);
    }
  }
}

// Op folds the input, Join its partial results.
template <class Op, class Join>
void reduce_as(const ReduceArgs& a) {
  const float scale = a.op == ReduceOp::kSum ? a.scale : 1.0f;
  const Cut cut = cut_of(a.outer, a.n, a.inner, true);
  const bool split = cut.chunks > 1;
  const Context first = {
      cut, a.outer, a.n, a.inner, a.x, split ? a.work : a.out, split ? 1.0f : scale};
  parallel_for(cut.groups * cut.chunks * cut.tiles, &fold_piece<Op>, &first);
  if (!split) return;
  const Context second = {cut_of(a.outer, cut.chunks, a.inner, false),
                          a.outer,
                          cut.chunks,
                          a.inner,
                          a.work,
                          a.out,
                          scale};
  parallel_for(second.cut.groups * second.cut.tiles, &fold_piece<Join>, &second);
}

// ---- arg max, arg min --------------------------------------------------------------------------

// First index of the winner: its value first, then the first place that holds it.
template <class Op>
int64_t arg_row(const typename Op::In* x, int64_t n, typename Op::In* acc) {
  const typename Op::In best = fold_row<Op>(x, n, acc);
  const bool nan = best != best;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    bool found = false;
    for (int64_t j = i; j < i + kLanes; ++j) found |= (x[j] == best) | (nan & (x[j] != x[j]));
    if (found) break;
  }
  while (i + 1 < n && !(x[i] == best || (nan && x[i] != x[i]))) ++i;
  return i;
}

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
  const int64_t o0 = piece / c.cut.tiles * c.cut.outers;
  for (int64_t o = o0; o < min64(c.outer, o0 + c.cut.outers); ++o) {
    const In* x = static_cast<const In*>(c.x) + o * c.n * c.inner + i;
    int64_t* out = static_cast<int64_t*>(c.out) + o * c.inner + i;
    if (c.inner == 1) {
      *out = arg_row<Op>(x, c.n, static_cast<In*>(scratch));
    } else {
      arg_columns<Op>(x, c.n, c.inner, width, static_cast<In*>(scratch), out);
    }
  }
}

// NOTE: n is not split here; a long row is one piece.
template <class Op>
void arg_as(const ReduceArgs& a) {
  if (a.n == 0) return;
  const Context c = {cut_of(a.outer, a.n, a.inner, false), a.outer, a.n, a.inner, a.x, a.out, 1.0f};
  parallel_for(c.cut.groups * c.cut.tiles, &arg_piece<Op>, &c);
}

// ---- dispatch ----------------------------------------------------------------------------------

template <class T>
void reduce_ordered(const ReduceArgs& a) {
  switch (a.op) {
    case ReduceOp::kMax:
      return reduce_as<Max<T>, Max<T>>(a);
    case ReduceOp::kMin:
      return reduce_as<Min<T>, Min<T>>(a);
    case ReduceOp::kArgMax:
      return arg_as<Max<T>>(a);
    default:
      return arg_as<Min<T>>(a);
  }
}

template <class T, class A>
void reduce_dtype(const ReduceArgs& a) {
  if (a.op == ReduceOp::kSum) return reduce_as<Sum<T, A>, Sum<A, A>>(a);
  if (a.op == ReduceOp::kProd) return reduce_as<Prod<T, A>, Prod<A, A>>(a);
  reduce_ordered<T>(a);
}

}  // namespace

// ---- kernels -----------------------------------------------------------------------------------

void reduce(const ReduceArgs& a) {
  if (a.op == ReduceOp::kAny) return reduce_as<Any, Any>(a);
  if (a.op == ReduceOp::kAll) return reduce_as<All, All>(a);
  switch (a.dtype) {
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
  if (a.op == ReduceOp::kArgMax || a.op == ReduceOp::kArgMin) return 0;
  const int64_t chunks = cut_of(a.outer, a.n, a.inner, true).chunks;
  return chunks == 1 ? 0 : a.outer * chunks * a.inner * 8;
}

}  // namespace PYDL_ISA
}  // namespace pydl

// Running sums and products along the middle of (outer, n, inner), and the linear recurrence that
// their derivatives are made of. Every element is rounded once: the accumulators are double.
#include "core/args/scan.h"

#include "cpu/kernels_isa.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPiece = 65536;  // elements
constexpr int64_t kTile = 64;      // columns that go on together

// A piece is (group of outer, chunk of n, tile of inner). Only a sum is cut along n: a second pass
// adds what the chunks before it sum to.
struct Cut {
  int64_t tile, tiles, chunk, chunks, outers, groups;
};

Cut cut_of(int64_t outer, int64_t n, int64_t inner, bool split) {
  Cut c;
  c.tile = min64(max64(inner, 1), kTile);
  c.tiles = ceil_div(inner, c.tile);
  c.chunk = split ? min64(max64(n, 1), max64(1, kPiece / c.tile)) : max64(n, 1);
  c.chunks = max64(1, ceil_div(n, c.chunk));
  c.outers = c.chunks > 1 || c.tiles > 1 ? 1 : max64(1, kPiece / (c.chunk * c.tile));
  c.groups = ceil_div(outer, c.outers);
  return c;
}

inline double plus(double a, double b) { return a + b; }
inline int64_t plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline double times(double a, double b) { return a * b; }
inline int64_t times(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

struct Context {
  Cut cut;
  ScanArgs a;
};

// What a piece works on: lines of `rows` steps from `at` on, `step` apart, `width` side by side.
struct Span {
  int64_t at, rows, step, width;
};

// Rows of chunk `chunk` in the order in which they are visited.
Span span_of(const Cut& cut, int64_t n, int64_t inner, bool reverse, int64_t o, int64_t chunk,
             int64_t tile) {
  const int64_t k = chunk * cut.chunk, i = tile * cut.tile;
  const int64_t first = reverse ? n - 1 - k : k;
  return {(o * n + first) * inner + i, min64(cut.chunk, n - k), reverse ? -inner : inner,
          min64(cut.tile, inner - i)};
}

template <class T, class Out, class Acc, bool kProduct>
void scan_span(const T* x, Out* y, Span s, Acc* acc) {
  x += s.at;
  y += s.at;
  for (int64_t k = 0; k < s.rows; ++k, x += s.step, y += s.step) {
    for (int64_t i = 0; i < s.width; ++i) {
      const Acc v = static_cast<Acc>(x[i]);
      acc[i] = kProduct ? times(acc[i], v) : plus(acc[i], v);
      y[i] = static_cast<Out>(acc[i]);
    }
  }
}

// work[o][chunk][i] = the sum of a chunk.
template <class T, class Acc>
void total_piece(const void* ctx, int64_t piece, void*) {
  const Context& c = *static_cast<const Context*>(ctx);
  const int64_t tile = piece % c.cut.tiles, chunk = piece / c.cut.tiles % c.cut.chunks;
  const int64_t o = piece / c.cut.tiles / c.cut.chunks;
  const Span s = span_of(c.cut, c.a.n, c.a.inner, c.a.reverse, o, chunk, tile);
  Acc acc[kTile] = {};
  const T* x = static_cast<const T*>(c.a.x) + s.at;
  for (int64_t k = 0; k < s.rows; ++k, x += s.step) {
    for (int64_t i = 0; i < s.width; ++i) acc[i] = plus(acc[i], static_cast<Acc>(x[i]));
  }
  Acc* total = static_cast<Acc*>(c.a.work) + (o * c.cut.chunks + chunk) * c.a.inner;
  for (int64_t i = 0; i < s.width; ++i) total[tile * c.cut.tile + i] = acc[i];
}

template <class T, class Out, class Acc, bool kProduct>
void scan_piece(const void* ctx, int64_t piece, void*) {
  const Context& c = *static_cast<const Context*>(ctx);
  const int64_t tile = piece % c.cut.tiles, chunk = piece / c.cut.tiles % c.cut.chunks;
  const int64_t o0 = piece / c.cut.tiles / c.cut.chunks * c.cut.outers;
  for (int64_t o = o0; o < min64(c.a.outer, o0 + c.cut.outers); ++o) {
    const Span s = span_of(c.cut, c.a.n, c.a.inner, c.a.reverse, o, chunk, tile);
    Acc acc[kTile];
    for (int64_t i = 0; i < s.width; ++i) acc[i] = kProduct ? 1 : 0;
    const Acc* total = static_cast<const Acc*>(c.a.work) + o * c.cut.chunks * c.a.inner;
    for (int64_t q = 0; q < chunk; ++q) {
      for (int64_t i = 0; i < s.width; ++i) {
        acc[i] = plus(acc[i], total[q * c.a.inner + tile * c.cut.tile + i]);
      }
    }
    scan_span<T, Out, Acc, kProduct>(static_cast<const T*>(c.a.x), static_cast<Out*>(c.a.y), s,
                                     acc);
  }
}

template <class T, class Out, class Acc>
void scan_as(const ScanArgs& a) {
  const Context c = {cut_of(a.outer, a.n, a.inner, !a.product), a};
  const int64_t pieces = c.cut.groups * c.cut.chunks * c.cut.tiles;
  if (c.cut.chunks > 1) parallel_for(pieces, &total_piece<T, Acc>, &c);
  parallel_for(pieces, a.product ? &scan_piece<T, Out, Acc, true> : &scan_piece<T, Out, Acc, false>,
               &c);
}

struct RecurrenceContext {
  Cut cut;
  RecurrenceArgs a;
};

void recurrence_piece(const void* ctx, int64_t piece, void*) {
  const RecurrenceContext& c = *static_cast<const RecurrenceContext*>(ctx);
  const int64_t o0 = piece / c.cut.tiles * c.cut.outers;
  for (int64_t o = o0; o < min64(c.a.outer, o0 + c.cut.outers); ++o) {
    const Span s = span_of(c.cut, c.a.n, c.a.inner, c.a.reverse, o, 0, piece % c.cut.tiles);
    const float* a = c.a.a + s.at;
    const float* b = c.a.b + s.at;
    float* y = c.a.y + s.at;
    double acc[kTile] = {};
    for (int64_t k = 0; k < s.rows; ++k, a += s.step, b += s.step, y += s.step) {
      for (int64_t i = 0; i < s.width; ++i) {
        acc[i] = k == 0 ? static_cast<double>(b[i]) : acc[i] * a[i] + b[i];
        y[i] = static_cast<float>(acc[i]);
      }
    }
  }
}

}  // namespace

void scan(const ScanArgs& a) {
  if (a.outer <= 0 || a.n <= 0 || a.inner <= 0) return;
  switch (a.dtype) {
    case DType::kI64:
      return scan_as<int64_t, int64_t, int64_t>(a);
    case DType::kI32:
      return scan_as<int32_t, int64_t, int64_t>(a);
    case DType::kU8:
    case DType::kBool:
      return scan_as<uint8_t, int64_t, int64_t>(a);
    default:
      return scan_as<float, float, double>(a);
  }
}

// A total of 8 bytes per chunk and column.
int64_t scan_work(const ScanArgs& a) {
  if (a.outer <= 0 || a.n <= 0 || a.inner <= 0) return 0;
  const int64_t chunks = cut_of(a.outer, a.n, a.inner, !a.product).chunks;
  return chunks == 1 ? 0 : a.outer * chunks * a.inner * 8;
}

void recurrence(const RecurrenceArgs& a) {
  if (a.outer <= 0 || a.n <= 0 || a.inner <= 0) return;
  const RecurrenceContext c = {cut_of(a.outer, a.n, a.inner, false), a};
  parallel_for(c.cut.groups * c.cut.tiles, recurrence_piece, &c);
}

}  // namespace PYDL_ISA
}  // namespace pydl

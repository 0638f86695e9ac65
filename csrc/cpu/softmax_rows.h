// What softmax and cross entropy share: the cut of (outer, n, inner) into pieces, the maximum and
// the sum of exponentials over n, for rows (inner = 1) and for tiles of columns (inner > 1).
#pragma once
#include <math.h>

#include "cpu/kernels_isa.h"
#include "cpu/vec.h"
#include "ops/math.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kTileWidth = 256;  // columns

// A piece is a run of `outers` whole rows, or one tile of `tile` columns.
struct RowCut {
  int64_t tile, tiles, outers, pieces;
};

inline RowCut row_cut(int64_t outer, int64_t n, int64_t inner) {
  constexpr int64_t kElements = 16384;  // an exp each: 10-30 us
  RowCut c;
  c.tile = max64(1, min64(inner, kTileWidth));
  c.tiles = ceil_div(inner, c.tile);
  c.outers = c.tiles > 1 ? 1 : max64(1, kElements / max64(1, n * c.tile));
  c.pieces = ceil_div(outer, c.outers) * c.tiles;
  return c;
}

// NaN may be lost here; it comes back with the exponentials. T is float, F16 or BF16.
template <class T>
inline float row_max(const T* x, int64_t n) {
  Vec m = set1(-INFINITY);
  for (int64_t i = 0; i < n; i += kWidth) {
    m = max(m, load_filled(x + i, min64(kWidth, n - i), -INFINITY));
  }
  return reduce_max(m);
}

// sum of e^(x - m)
template <class T>
inline float row_sum_exp(const T* x, int64_t n, float m) {
  const Vec shift = set1(m);
  Vec sum = set1(0.0f);
  for (int64_t i = 0; i < n; i += kWidth) {
    sum = sum + exp(load_filled(x + i, min64(kWidth, n - i), -INFINITY) - shift);
  }
  return reduce_add(sum);
}

// m[i] = max over k of x[k * stride + i]
inline void tile_max(const float* x, int64_t n, int64_t stride, int64_t width, float* m) {
  for (int64_t i = 0; i < width; ++i) m[i] = -INFINITY;
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i);
      const Vec v = load_tail(x + k * stride + i, lanes);
      store_tail(m + i, max(load_tail(m + i, lanes), v), lanes);
    }
  }
}

// sum[i] = sum over k of e^(x[k * stride + i] - m[i]); the terms go to y too, unless it is null.
inline void tile_sum_exp(const float* x, int64_t n, int64_t stride, int64_t width, const float* m,
                         float* sum, float* y) {
  for (int64_t i = 0; i < width; ++i) sum[i] = 0.0f;
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i);
      const Vec e = exp(load_tail(x + k * stride + i, lanes) - load_tail(m + i, lanes));
      store_tail(sum + i, load_tail(sum + i, lanes) + e, lanes);
      if (y != nullptr) store_tail(y + k * stride + i, e, lanes);
    }
  }
}

}  // namespace PYDL_ISA
}  // namespace pydl

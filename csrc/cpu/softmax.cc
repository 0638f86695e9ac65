// softmax and log-softmax of (outer, n, inner) over n, with their derivatives. The maximum is
// subtracted first; a row of -inf gives NaN, as 0 / 0.
#include "core/args/softmax.h"

#include <string.h>

#include "cpu/sliced.h"
#include "cpu/softmax_rows.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Where the exponentials of a row are kept until their sum is known.
float* row_buffer(float* y, void*) { return y; }
template <class T>
float* row_buffer(T*, void* scratch) {
  return staging_of(scratch);
}

template <class T>
void softmax_row(const T* x, T* y, int64_t n, void* scratch) {
  if (n <= kWidth) {  // one register: short rows are many
    const Vec v = load_filled(x, n, -INFINITY);
    const Vec e = exp(v - set1(reduce_max(v)));
    return store_tail(y, e / set1(reduce_add(e)), n);
  }
  float* kept = row_buffer(y, scratch);
  const Vec m = set1(row_max(x, n));
  Vec sum = set1(0.0f);
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec e = exp(load_filled(x + i, lanes, -INFINITY) - m);
    store_tail(kept + i, e, lanes);
    sum = sum + e;
  }
  const Vec r = set1(1.0f / reduce_add(sum));
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    store_tail(y + i, load_tail(kept + i, lanes) * r, lanes);
  }
}

template <class T>
void log_softmax_row(const T* x, T* y, int64_t n) {
  const float m = row_max(x, n);
  const Vec shift = set1(m), log_sum = set1(::logf(row_sum_exp(x, n, m)));
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    store_tail(y + i, (load_tail(x + i, lanes) - shift) - log_sum, lanes);
  }
}

// Columns side by side. The tile is first copied to dense rows where they fit: with a stride of a
// power of two all of its rows would share a few sets of the cache.
void softmax_tile(const SoftmaxArgs& a, const float* x, float* y, int64_t width, float* m) {
  constexpr int64_t kBuffer = kScratchBytes / 8;  // floats: half of the scratch
  float* sum = m + kTileWidth;
  float* buffer = sum + kTileWidth;
  const bool dense = a.n * width <= kBuffer;
  if (dense) {
    for (int64_t k = 0; k < a.n; ++k) {
      memcpy(buffer + k * width, x + k * a.inner, static_cast<size_t>(width) * sizeof(float));
    }
    x = buffer;
  }
  const int64_t stride = dense ? width : a.inner;
  float* e = dense ? buffer : y;
  tile_max(x, a.n, stride, width, m);
  tile_sum_exp(x, a.n, stride, width, m, sum, a.log ? nullptr : e);
  for (int64_t i = 0; i < width; i += kWidth) {
    const int64_t lanes = min64(kWidth, width - i);
    const Vec s = load_tail(sum + i, lanes);
    store_tail(sum + i, a.log ? log(s) : set1(1.0f) / s, lanes);
  }
  for (int64_t k = 0; k < a.n; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i);
      const Vec s = load_tail(sum + i, lanes), shift = load_tail(m + i, lanes);
      const Vec v = a.log ? (load_tail(x + k * stride + i, lanes) - shift) - s
                          : load_tail(e + k * stride + i, lanes) * s;
      store_tail(y + k * a.inner + i, v, lanes);
    }
  }
}

// gx = y (gy - sum gy y), or gy - e^y sum gy
template <bool kLog, class T>
void backward_row(const T* gy, const T* y, T* gx, int64_t n) {
  Vec sum = set1(0.0f);
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec g = load_tail(gy + i, lanes);
    sum = kLog ? sum + g : fma(g, load_tail(y + i, lanes), sum);
  }
  const Vec s = set1(reduce_add(sum));
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const Vec g = load_tail(gy + i, lanes), v = load_tail(y + i, lanes);
    store_tail(gx + i, kLog ? fma(neg(exp(v)), s, g) : v * (g - s), lanes);
  }
}

template <bool kLog>
void backward_tile(const float* gy, const float* y, float* gx, int64_t n, int64_t stride,
                   int64_t width, float* sum) {
  for (int64_t i = 0; i < width; ++i) sum[i] = 0.0f;
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i), at = k * stride + i;
      const Vec g = load_tail(gy + at, lanes), s = load_tail(sum + i, lanes);
      store_tail(sum + i, kLog ? s + g : fma(g, load_tail(y + at, lanes), s), lanes);
    }
  }
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t lanes = min64(kWidth, width - i), at = k * stride + i;
      const Vec g = load_tail(gy + at, lanes), v = load_tail(y + at, lanes);
      const Vec s = load_tail(sum + i, lanes);
      store_tail(gx + at, kLog ? fma(neg(exp(v)), s, g) : v * (g - s), lanes);
    }
  }
}

// Half types come here as rows alone.
template <class T>
void rows_piece(const void* ctx, int64_t piece, void* scratch) {
  const SoftmaxArgs& a = *static_cast<const SoftmaxArgs*>(ctx);
  const int64_t rows = row_cut(a.outer, a.n, 1).outers, last = min64(a.outer, (piece + 1) * rows);
  for (int64_t o = piece * rows; o < last; ++o) {
    const T* x = as<T>(a.x) + o * a.n;
    T* y = as<T>(a.y) + o * a.n;
    a.log ? log_softmax_row(x, y, a.n) : softmax_row(x, y, a.n, scratch);
  }
}

void tiles_piece(const void* ctx, int64_t piece, void* scratch) {
  const SoftmaxArgs& a = *static_cast<const SoftmaxArgs*>(ctx);
  const RowCut c = row_cut(a.outer, a.n, a.inner);
  const int64_t o0 = piece / c.tiles * c.outers, i = piece % c.tiles * c.tile;
  for (int64_t o = o0; o < min64(a.outer, o0 + c.outers); ++o) {
    const int64_t at = o * a.n * a.inner + i;
    softmax_tile(a, a.x + at, a.y + at, min64(c.tile, a.inner - i), static_cast<float*>(scratch));
  }
}

template <bool kLog, class T>
void backward_rows_piece(const void* ctx, int64_t piece, void*) {
  const SoftmaxBackwardArgs& a = *static_cast<const SoftmaxBackwardArgs*>(ctx);
  const int64_t rows = row_cut(a.outer, a.n, 1).outers, last = min64(a.outer, (piece + 1) * rows);
  for (int64_t at = piece * rows * a.n; at < last * a.n; at += a.n) {
    backward_row<kLog>(as<T>(a.gy) + at, as<T>(a.y) + at, as<T>(a.gx) + at, a.n);
  }
}

template <bool kLog>
void backward_tiles_piece(const void* ctx, int64_t piece, void* scratch) {
  const SoftmaxBackwardArgs& a = *static_cast<const SoftmaxBackwardArgs*>(ctx);
  const RowCut c = row_cut(a.outer, a.n, a.inner);
  const int64_t o0 = piece / c.tiles * c.outers, i = piece % c.tiles * c.tile;
  for (int64_t o = o0; o < min64(a.outer, o0 + c.outers); ++o) {
    const int64_t at = o * a.n * a.inner + i;
    backward_tile<kLog>(a.gy + at, a.y + at, a.gx + at, a.n, a.inner, min64(c.tile, a.inner - i),
                        static_cast<float*>(scratch));
  }
}

template <bool kLog>
PieceFn backward_piece(const SoftmaxBackwardArgs& a) {
  if (a.inner > 1) return backward_tiles_piece<kLog>;
  return of_type(a.dtype, backward_rows_piece<kLog, float>, backward_rows_piece<kLog, F16>,
                 backward_rows_piece<kLog, BF16>);
}

}  // namespace

void softmax(const SoftmaxArgs& a) {
  if (a.n == 0) return;
  if (is_half(a.dtype) && a.inner > 1) {
    const int64_t row = a.n * a.inner;
    return run_sliced<SoftmaxArgs>(
        {a,
         softmax,
         &SoftmaxArgs::outer,
         [](SoftmaxArgs*, int64_t) {},
         {{&SoftmaxArgs::x, nullptr, row}, {nullptr, &SoftmaxArgs::y, row}},
         2,
         0});
  }
  const PieceFn rows = of_type(a.dtype, rows_piece<float>, rows_piece<F16>, rows_piece<BF16>);
  parallel_for(row_cut(a.outer, a.n, a.inner).pieces, a.inner > 1 ? tiles_piece : rows, &a);
}

void softmax_backward(const SoftmaxBackwardArgs& a) {
  if (a.n == 0) return;
  if (is_half(a.dtype) && a.inner > 1) {
    using Args = SoftmaxBackwardArgs;
    const int64_t row = a.n * a.inner;
    return run_sliced<Args>(
        {a,
         softmax_backward,
         &Args::outer,
         [](Args*, int64_t) {},
         {{&Args::gy, nullptr, row}, {&Args::y, nullptr, row}, {nullptr, &Args::gx, row}},
         3,
         0});
  }
  parallel_for(row_cut(a.outer, a.n, a.inner).pieces,
               a.log ? backward_piece<true>(a) : backward_piece<false>(a), &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl

// Products with few rows: a layer's batch of one, or, transposed, its few outputs. Nothing is
// packed, because each number of B is used once or twice: reading B is the work.
//
// Where B is contiguous along k (a weight (out, in)), the lanes run along k: dot products. Over a
// long k they repay themselves for some tens of rows. Where B is contiguous along j, the lanes run
// along j, over as many columns at once as the registers hold, so that the rows of B are read in
// long runs.
#pragma once
#include "cpu/gemm_problem.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

#if defined(PYDL_ISA_AVX512)
constexpr int64_t kThinRows = 12;  // more would fill the lanes of a tile better
constexpr int64_t kDotRows = 64;   // or repay a copy of B
#else
constexpr int64_t kThinRows = 3;
constexpr int64_t kDotRows = 7;
#endif
constexpr double kThinFlops = 0.65e6;          // worth a piece: reading B is shared
constexpr int64_t kThinCols = kWidth * 3 / 4;  // of C; they are rows of the transposed product
constexpr int64_t kDotDepth = 1024;            // k of such, which their sums of lanes repay
constexpr int64_t kThinCopy = 128 * 1024;      // floats of A copied to the scratch of 256 Ki

// Accumulators of one step: rows times columns (dots) or times vectors.
#if defined(PYDL_ISA_AVX512)
constexpr int64_t kMostRows = 6;
constexpr int kDotColumns[] = {0, 8, 8, 4, 4, 4, 4};
constexpr int kRowVecs[] = {0, 16, 8, 4, 4, 4, 4};
#else
constexpr int64_t kMostRows = 4;
constexpr int kDotColumns[] = {0, 8, 4, 2, 2};
constexpr int kRowVecs[] = {0, 8, 4, 2, 2};
#endif
constexpr int64_t kDotPitch = 8;  // of the sums of a step of dots

struct Thin {
  Problem p;
  bool dots;
  int64_t parts, cols;  // of a matrix of the batch; columns of a part
  int64_t parts_per_piece;
};

inline bool along_k(const Problem& p) { return p.bk == 1 && (p.bj != 1 || p.g.n == 1); }

inline bool is_thin(const Problem& p) {
  if (p.g.m > p.g.n) return false;
  const bool in_place = along_k(p) && p.ak == 1;
  const int64_t most = p.cj == 1 ? kThinRows : kThinCols;
  if (p.g.m > most) return in_place && p.g.m <= kDotRows && p.g.k >= kDotDepth;
  return in_place || p.g.m * p.g.k <= kThinCopy;
}

// Columns that stay in L1 for all rows.
inline int64_t column_step(bool dots) { return dots ? kDotColumns[1] : kRowVecs[1] * kWidth; }

inline Thin make_thin(const Problem& p) {
  const GemmArgs& g = p.g;
  Thin x = {p, along_k(p), 1, g.n, 1};
  // A number of B takes as long to arrive as some eight products take.
  const double column = 2.0 * static_cast<double>(g.k) * static_cast<double>(max64(g.m, 8));
  const double all = column * static_cast<double>(g.n);
  if (g.batch == 1 && all <= kThinFlops) return x;
  const int64_t unit = column_step(x.dots);
  const int64_t want = all < 64.0 * kThinFlops ? static_cast<int64_t>(all / kThinFlops) : 64;
  x.cols = ceil_div(ceil_div(g.n, max64(1, want)), unit) * unit;
  x.parts = ceil_div(g.n, x.cols);
  const double part = all / static_cast<double>(x.parts);
  x.parts_per_piece = max64(1, min64(64, static_cast<int64_t>(1e6 / (part + 1e4))));
  return x;
}

// C from the sums of `rows` x `cols` of it, row q of which begins at sums[q * pitch].
inline void write_sums(const Problem& p, float* c, int64_t i, int64_t j, int64_t rows, int64_t cols,
                       const float* sums, int64_t pitch) {
  const GemmArgs& g = p.g;
  if (p.cj == 1) {
    TileOut out = tile_out(g, c, p.ci, i, j, true, true);
    out.cols = cols;
    for (int64_t q = 0; q < rows; ++q) {
      for (int64_t v = 0; v * kWidth < cols; ++v) {
        const float* from = sums + q * pitch + v * kWidth;
        write_vec(out, q, v, load_tail(from, min64(kWidth, cols - v * kWidth)));
      }
    }
    return;
  }
  const int64_t ci = p.ci, cj = p.cj;
  const float alpha = g.alpha;
  const bool plain = !g.accumulate && g.bias_axis == BiasAxis::kNone && g.act == Act::kNone;
  c += i * ci + j * cj;
  if (plain && alpha == 1.0f) {
    for (int64_t r = 0; r < cols; ++r) {
      for (int64_t q = 0; q < rows; ++q) c[q * ci + r * cj] = sums[q * pitch + r];
    }
    return;
  }
  for (int64_t r = 0; r < cols; ++r) {
    for (int64_t q = 0; q < rows; ++q) {
      float* to = c + q * ci + r * cj;
      float x = alpha * sums[q * pitch + r];
      if (g.accumulate) x += *to;
      if (g.bias_axis == BiasAxis::kRow) x += g.bias[i + q];
      if (g.bias_axis == BiasAxis::kCol) x += g.bias[j + r];
      if (g.act == Act::kRelu && x < 0.0f) x = 0.0f;
      *to = x;
    }
  }
}

// The sums of the lanes of four vectors, one tree for all: half the steps of four reduce_add.
inline void reduce_add4(const Vec (&x)[4], float* sums) {
#if defined(PYDL_ISA_AVX512)
  __m512 pair[2];
  for (int i = 0; i < 2; ++i) {  // 128-bit parts 0 + 1 and 2 + 3 of two vectors
    const __m512 a = x[2 * i].v, b = x[2 * i + 1].v;
    pair[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  __m512 s = _mm512_add_ps(_mm512_shuffle_f32x4(pair[0], pair[1], 0x88),
                           _mm512_shuffle_f32x4(pair[0], pair[1], 0xdd));
  s = _mm512_add_ps(s, _mm512_permute_ps(s, 0x4e));
  s = _mm512_add_ps(s, _mm512_permute_ps(s, 0xb1));
  _mm_storeu_ps(sums, _mm512_castps512_ps128(_mm512_maskz_compress_ps(0x1111, s)));
#elif defined(PYDL_ISA_AVX2)
  const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(x[0].v, x[1].v), _mm256_hadd_ps(x[2].v, x[3].v));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
#else
  for (int i = 0; i < 4; ++i) sums[i] = reduce_add(x[i]);
#endif
}

// Keeps the compiler from loading x again for each of its uses: a load may cross two cache lines.
inline void loaded_once(Vec& x) {
#if defined(PYDL_ISA_AVX512)
  in_register(x);
#elif defined(PYDL_ISA_AVX2)
  __asm__("" : "+x"(x.v));
#else
  static_cast<void>(x);
#endif
}

// R rows of A times L columns of B, both contiguous along k; the last columns may be one again. T,
// the elements of B, is float, F16 or BF16.
template <int R, int L, class T>
void dot_tile(int64_t k, const float* a, int64_t ai, const T* const* b, float* sums,
              int64_t pitch) {
  Vec acc[R][L];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int l = 0; l < L; ++l) acc[r][l] = set1(0.0f);
  }
  const auto step = [&](int64_t at, auto load_at) __attribute__((always_inline)) {
    Vec av[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) av[r] = load_at(a + r * ai + at);
#pragma GCC unroll 8
    for (int l = 0; l < L; ++l) {
      Vec bv = load_at(b[l] + at);
      if (R > 1) loaded_once(bv);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) acc[r][l] = fma(av[r], bv, acc[r][l]);
    }
  };
  const int64_t whole = k / kWidth * kWidth;
  for (int64_t at = 0; at < whole; at += kWidth) step(at, [](const auto* x) { return load(x); });
  if (whole < k) step(whole, [=](const auto* x) { return load_n(x, k - whole); });
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    if constexpr (L % 4 != 0) {
      for (int l = 0; l < L; ++l) sums[r * pitch + l] = reduce_add(acc[r][l]);
    } else {
#pragma GCC unroll 2
      for (int l = 0; l < L; l += 4) {
        reduce_add4({acc[r][l], acc[r][l + 1], acc[r][l + 2], acc[r][l + 3]}, sums + r * pitch + l);
      }
    }
  }
}

template <int R>
void dot_rows(const Thin& x, const float* a, int64_t ai, const float* b, float* c, int64_t i,
              int64_t j, int64_t end) {
  constexpr int L = kDotColumns[R];
  for (; j < end; j += L) {
    const float* columns[L];
    for (int64_t l = 0; l < L; ++l) columns[l] = b + min64(j + l, end - 1) * x.p.bj;
    float sums[R * kDotPitch];
    dot_tile<R, L>(x.p.g.k, a + i * ai, ai, columns, sums, kDotPitch);
    write_sums(x.p, c, i, j, R, min64(L, end - j), sums, kDotPitch);
  }
}

// R rows of A times V vectors of columns, the last of n lanes.
template <int R, int V>
void row_tile(const Problem& p, const float* a, const float* b, int64_t n, float* sums) {
  const int64_t depth = p.g.k, ai = p.ai, ak = p.ak, bk = p.bk;
  Vec acc[R][V];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) acc[r][v] = set1(0.0f);
  }
  for (int64_t k = 0; k < depth; ++k, a += ak, b += bk) {
    Vec av[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) av[r] = set1(a[r * ai]);
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      const Vec bv = V > 1 ? load(b + v * kWidth) : load_tail(b, n);
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) acc[r][v] = fma(av[r], bv, acc[r][v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) store(sums + (r * V + v) * kWidth, acc[r][v]);
  }
}

// Columns [j, end): as many vectors at a time as there are registers for, then half as many.
template <int R, int V>
void row_vectors(const Thin& x, const float* a, const float* b, float* c, int64_t i, int64_t j,
                 int64_t end) {
  for (; V == 1 ? j < end : j + V * kWidth <= end; j += V * kWidth) {
    const int64_t cols = min64(V * kWidth, end - j);
    float sums[R * V * kWidth];
    row_tile<R, V>(x.p, a + i * x.p.ai, b + j, cols - (V - 1) * kWidth, sums);
    write_sums(x.p, c, i, j, R, cols, sums, V * kWidth);
  }
  if constexpr (V > 1) row_vectors<R, V / 2>(x, a, b, c, i, j, end);
}

// 1 <= rows <= R
template <int R>
void multiply_rows(int64_t rows, const Thin& x, const float* a, int64_t ai, const float* b,
                   float* c, int64_t i, int64_t j, int64_t end) {
  if constexpr (R > 1) {
    if (rows < R) return multiply_rows<R - 1>(rows, x, a, ai, b, c, i, j, end);
  }
  if (x.dots) return dot_rows<R>(x, a, ai, b, c, i, j, end);
  row_vectors<R, kRowVecs[R]>(x, a, b, c, i, j, end);
}

inline void multiply_columns(const Thin& x, int64_t part, float* scratch) {
  const GemmArgs& g = x.p.g;
  const int64_t batch = part / x.parts;
  int64_t j = part % x.parts * x.cols;
  const int64_t end = min64(g.n, j + x.cols);
  const float* a = g.a + batch * g.a_batch;
  const float* b = g.b + batch * g.b_batch;
  float* c = g.c + batch * g.c_batch;
  int64_t ai = x.p.ai;
  if (x.dots && x.p.ak != 1) {  // a row is made contiguous along k
    ai = ceil_div(g.k, kWidth) * kWidth;
    pack_panel(a, x.p.ak, 1, g.k, g.m, ai, scratch);
    a = scratch;
  }
  const int64_t groups = ceil_div(g.m, kMostRows), step = column_step(x.dots);
  for (; j < end; j += step) {
    for (int64_t q = 0; q < groups; ++q) {
      const int64_t i = part_begin(g.m, groups, q), rows = part_begin(g.m, groups, q + 1) - i;
      multiply_rows<kMostRows>(rows, x, a, ai, b, c, i, j, min64(end, j + step));
    }
  }
}

inline void multiply_thin_pieces(const void* ctx, int64_t piece, void* scratch) {
  const Thin& x = *static_cast<const Thin*>(ctx);
  const int64_t n = x.parts_per_piece, end = min64(x.parts * x.p.g.batch, (piece + 1) * n);
  for (int64_t part = piece * n; part < end; ++part) {
    multiply_columns(x, part, static_cast<float*>(scratch));
  }
}

inline void multiply_thin(const Problem& p) {
  const Thin x = make_thin(p);
  parallel_for(ceil_div(x.parts * p.g.batch, x.parts_per_piece), multiply_thin_pieces, &x);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

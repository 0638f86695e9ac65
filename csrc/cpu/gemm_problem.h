// What the ways to multiply matrices share: the problem with strides instead of transposes, where a
// tile's sums go, and how its rows of A are reached. No loops over C.
#pragma once
#include "core/args/gemm.h"
#include "cpu/gemm_tile.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Work worth a piece, in floating-point operations: about 10 us of one core.
constexpr double kPieceFlops = 1.3e6;

// The problem with element strides: A(i, k) = a[i * ai + k * ak], B(k, j) = b[k * bk + j * bj],
// C(i, j) = c[i * ci + j * cj].
struct Problem {
  GemmArgs g;
  int64_t ai, ak, bk, bj, ci, cj;

  double flops() const {  // of one matrix of the batch
    return 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  }
};

inline Problem make_problem(const GemmArgs& g) {
  Problem p = {g, g.lda, 1, g.ldb, 1, g.ldc, 1};
  if (g.trans_a) {
    p.ai = 1;
    p.ak = g.lda;
  }
  if (g.trans_b) {
    p.bk = 1;
    p.bj = g.ldb;
  }
  return p;
}

// C^T = B^T A^T: the same sums with the roles of rows and columns exchanged.
inline Problem transposed(const Problem& p) {
  Problem t = {p.g, p.bj, p.bk, p.ak, p.ai, p.cj, p.ci};
  t.g.m = p.g.n;
  t.g.n = p.g.m;
  t.g.a = p.g.b;
  t.g.b = p.g.a;
  t.g.a_batch = p.g.b_batch;
  t.g.b_batch = p.g.a_batch;
  if (p.g.bias_axis == BiasAxis::kRow) t.g.bias_axis = BiasAxis::kCol;
  if (p.g.bias_axis == BiasAxis::kCol) t.g.bias_axis = BiasAxis::kRow;
  return t;
}

// The tile at (i, j) of C (rows ldc apart): sums over a range of k that may be the first, the last.
inline TileOut tile_out(const GemmArgs& g, float* c, int64_t ldc, int64_t i, int64_t j, bool first,
                        bool last) {
  TileOut out;
  out.c = c + i * ldc + j;
  out.ldc = ldc;
  out.cols = g.n - j;
  out.add = !first || g.accumulate;
  out.alpha = g.alpha;
  if (!last) return out;
  out.relu = g.act == Act::kRelu;
  if (g.bias_axis == BiasAxis::kRow) out.row_bias = g.bias + i;
  if (g.bias_axis == BiasAxis::kCol) out.col_bias = g.bias + j;
  return out;
}

// Rows of A as a tile reads them, in place (panel = kWidth rows) or in packed panels [k][kWidth].
struct RowSource {
  const float* base;
  int64_t row, panel, step;  // steps to the next row, to the row kWidth on, to the next k

  // Where the rows of a tile of r rows begin, from row i on.
  void find(int64_t i, int64_t r, const float** at) const {
    const float* next = base + i / kWidth * panel + i % kWidth * row;
    const int64_t turn = panel - (kWidth - 1) * row;
    for (int64_t q = 0; q < r; ++q) {
      at[q] = next;
      next += (i + q) % kWidth == kWidth - 1 ? turn : row;
    }
  }
};

// Rows that are packed together: those of a transposed A are read in runs of so many floats, whole
// cache lines, before their page is left.
constexpr int64_t kPackGroup = 8 * kWidth;

// Floats from one packed panel of rows to the next: a line more than it holds, as panels a power of
// two apart, which are written side by side, would compete for the same places of a cache.
inline int64_t panel_pitch(int64_t kc) { return kWidth * (kc + 1); }

// m <= kPackGroup rows of A over kc steps of k, as panels [k][kWidth].
inline void pack_rows(const float* src, int64_t ai, int64_t ak, int64_t m, int64_t kc, float* dst) {
  if (ai != 1) {
    for (int64_t i = 0; i < m; i += kWidth) {
      pack_panel(src + i * ai, ai, ak, min64(kWidth, m - i), kc, kWidth,
                 dst + i / kWidth * panel_pitch(kc));
    }
    return;
  }
  for (int64_t k = 0; k < kc; ++k) {
    const float* row = src + k * ak;
    float* to = dst + k * kWidth;
    int64_t i = 0;
    for (; i + kWidth <= m; i += kWidth, to += panel_pitch(kc)) {
      __builtin_prefetch(row + 8 * ak + i);
      store(to, load(row + i));
    }
    if (i < m) store(to, load_n(row + i, m - i));
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

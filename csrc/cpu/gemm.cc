// Matrix products C = act(alpha * op(A) op(B) + bias + C) for every shape: tiles of C, packed
// panels, K split where C is small. Not the micro-kernel, which is cpu/gemm_tile.h.
// Source: Van Zee, van de Geijn, BLIS (2015).
#include "core/args/gemm.h"

#include "cpu/gemm_tile.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Block sizes: kMaxRows x kDepth of A, packed, takes a quarter of a usual L2; of B one panel is
// packed at a time (48 KiB) and used for all rows.
constexpr int64_t kDepth = 256;
constexpr int64_t kMaxRows = 256;
constexpr int64_t kMaxCols = 8 * 48;
constexpr int64_t kDotRows = 4;
constexpr double kPieceFlops = 4e6;  // about 16 us of one core

// The problem with element strides: A(i, k) = a[i * ai + k * ak], B(k, j) = b[k * bk + j * bj].
struct Problem {
  GemmArgs g;
  int64_t ai, ak, bk, bj;
};

struct Plan {
  int64_t row_tiles, col_tiles, splits;  // parts of a matrix of the batch
  int64_t parts_per_piece;               // small matrices share a piece
  bool dot;
};

// A product with one column is one with one row, transposed: rows are what vectors run along.
Problem make_problem(const GemmArgs& a) {
  GemmArgs g = a;
  if (a.n == 1 && a.m > 1 && a.ldc == 1) {
    g.m = 1;
    g.n = a.m;
    g.ldc = a.m;
    g.a = a.b;
    g.b = a.a;
    g.lda = a.ldb;
    g.ldb = a.lda;
    g.trans_a = !a.trans_b;
    g.trans_b = !a.trans_a;
    g.a_batch = a.b_batch;
    g.b_batch = a.a_batch;
    if (a.bias_axis == BiasAxis::kRow) g.bias_axis = BiasAxis::kCol;
    if (a.bias_axis == BiasAxis::kCol) g.bias_axis = BiasAxis::kRow;
  }
  Problem p = {g, g.lda, 1, g.ldb, 1};
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

// Tiles are halved, and K is split, until there is enough to share; K before tiles that are small
// already, because a tile of m x n packs (m + n) k elements for m n k products.
Plan make_plan(const Problem& p) {
  const GemmArgs& g = p.g;
  const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) *
                       static_cast<double>(g.k) * static_cast<double>(g.batch);
  const double want = flops / kPieceFlops < 32.0 ? flops / kPieceFlops : 32.0;
  Plan plan = {ceil_div(g.m, kMaxRows), ceil_div(g.n, kMaxCols), 1, 1, false};
  if (g.m <= kDotRows && p.ak == 1 && p.bk == 1) {  // bound by reading B: 64 KiB a piece
    const int64_t cols = max64(kWidth, 16384 / max64(g.k, 1));
    plan = {1, ceil_div(g.n, cols), 1, 1, true};
  }
  // NOTE: a dot product takes as long as B takes to arrive, some eight times its arithmetic.
  const double part = (plan.dot ? 8.0 : 1.0) * flops /
                      static_cast<double>(plan.row_tiles * plan.col_tiles * g.batch);
  plan.parts_per_piece = max64(1, min64(64, static_cast<int64_t>(1e6 / (part + 1e4))));
  if (plan.dot) return plan;
  while (static_cast<double>(plan.row_tiles * plan.col_tiles * plan.splits * g.batch) < want) {
    const int64_t rows = g.m / plan.row_tiles, cols = g.n / plan.col_tiles;
    const bool small = rows <= 128 && cols <= 192;
    if (small && g.k / plan.splits >= 1024) {
      plan.splits *= 2;
    } else if (rows < 2 * kTileRows && cols < 2 * kTileCols) {
      break;
    } else if (rows * 2 > cols * 3 || cols < 2 * kTileCols) {
      plan.row_tiles *= 2;
    } else {
      plan.col_tiles *= 2;
    }
  }
  return plan;
}

struct Context {
  Problem p;
  Plan plan;
};

// One tile of C over one range of k: where it lies and where it goes.
struct Block {
  int64_t i0, i1, j0, j1, k0, k1;
  const float* a;  // of the matrix, not of the tile
  const float* b;
  float* c;
  int64_t ldc;
  bool partial;  // raw sums into the workspace
};

Block block_of(const Context& x, int64_t part) {
  const GemmArgs& g = x.p.g;
  const Plan& plan = x.plan;
  const int64_t cols = Panels(g.n).vecs;
  const int64_t j = part % plan.col_tiles;
  const int64_t i = part / plan.col_tiles % plan.row_tiles;
  const int64_t s = part / (plan.col_tiles * plan.row_tiles) % plan.splits;
  const int64_t b = part / (plan.col_tiles * plan.row_tiles * plan.splits);
  Block t;
  t.i0 = part_begin(g.m, plan.row_tiles, i);
  t.i1 = part_begin(g.m, plan.row_tiles, i + 1);
  t.j0 = min64(g.n, part_begin(cols, plan.col_tiles, j) * kWidth);
  t.j1 = min64(g.n, part_begin(cols, plan.col_tiles, j + 1) * kWidth);
  t.k0 = part_begin(g.k, plan.splits, s);
  t.k1 = part_begin(g.k, plan.splits, s + 1);
  t.a = g.a + b * g.a_batch;
  t.b = g.b + b * g.b_batch;
  t.partial = plan.splits > 1;
  t.c = t.partial ? static_cast<float*>(g.work) + (b * plan.splits + s) * g.m * g.n
                  : g.c + b * g.c_batch;
  t.ldc = t.partial ? g.n : g.ldc;
  return t;
}

// What the tile does with its sums over [k0, k1) of the block.
TileOut tile_out(const GemmArgs& g, const Block& t, int64_t i, int64_t j, bool first, bool last) {
  TileOut out;
  out.c = t.c + i * t.ldc + j;
  out.ldc = t.ldc;
  out.cols = t.j1 - j;
  out.add = !first || (g.accumulate && !t.partial);
  if (t.partial) return out;
  out.alpha = g.alpha;
  if (!last) return out;
  out.relu = g.act == Act::kRelu;
  if (g.bias_axis == BiasAxis::kRow) out.row_bias = g.bias + i;
  if (g.bias_axis == BiasAxis::kCol) out.col_bias = g.bias + j;
  return out;
}

// A as the tile reads it: in place where a row is contiguous or is read once, else packed.
struct RowSource {
  const float* base;  // element (i0, k0)
  int64_t row, panel, step;

  const float* at(int64_t i) const { return base + i / kWidth * panel + i % kWidth * row; }
};

// A stored (k, m), m rows from src on: panels [k][kWidth], a few at a time so that a row of the
// source gives whole cache lines before its page is left.
void pack_columns(const float* src, int64_t ld, int64_t m, int64_t kc, float* dst) {
  constexpr int64_t kGroup = 8 * kWidth;
  for (int64_t i0 = 0; i0 < m; i0 += kGroup) {
    const int64_t i1 = min64(m, i0 + kGroup);
    for (int64_t k = 0; k < kc; ++k) {
      const float* row = src + k * ld;
      __builtin_prefetch(row + 8 * ld + i0);
      for (int64_t i = i0; i < i1; i += kWidth) {
        store(dst + i * kc + k * kWidth, load_tail(row + i, min64(kWidth, m - i)));
      }
    }
  }
}

RowSource rows_of(const Problem& p, const Block& t, int64_t k0, int64_t kc, int64_t panels,
                  float* scratch) {
  const float* src = t.a + t.i0 * p.ai + k0 * p.ak;
  if (p.ak == 1 || panels <= 1) return {src, p.ai, p.ai * kWidth, p.ak};
  pack_columns(src, p.ak, t.i1 - t.i0, kc, scratch);
  return {scratch, 1, kWidth * kc, kWidth};
}

// One k block of one panel of B against all rows of the tile.
void multiply_panel(const Problem& p, const Block& t, const RowSource& rows, int64_t k0, int64_t kc,
                    int64_t j, int64_t vecs, const float* b, int64_t ldb) {
  const int64_t m = t.i1 - t.i0;
  const int64_t tiles = ceil_div(m, kTileRows);
  for (int64_t u = 0; u < tiles; ++u) {
    const int64_t i = part_begin(m, tiles, u);
    const int64_t r = part_begin(m, tiles, u + 1) - i;
    const float* at[kTileRows];
    for (int64_t q = 0; q < r; ++q) at[q] = rows.at(i + q);
    const TileOut out = tile_out(p.g, t, t.i0 + i, j, k0 == t.k0, k0 + kc == t.k1);
    run_tile(r, vecs, kc, at, Step{rows.step}, b, Step{ldb}, out);
  }
}

void multiply_block(const Problem& p, const Block& t, float* packed_b) {
  const int64_t cols = t.j1 - t.j0;
  if (cols <= 0 || t.i1 <= t.i0) return;
  const Panels panels(cols);
  float* packed_a = packed_b + kTileCols * kDepth;
  const int64_t depths = max64(1, ceil_div(t.k1 - t.k0, kDepth));
  for (int64_t d = 0; d < depths; ++d) {
    const int64_t k0 = t.k0 + part_begin(t.k1 - t.k0, depths, d);
    const int64_t kc = t.k0 + part_begin(t.k1 - t.k0, depths, d + 1) - k0;
    const RowSource rows = rows_of(p, t, k0, kc, panels.count, packed_a);
    for (int64_t q = 0; q < panels.count; ++q) {
      const int64_t vecs = panels.width(q), width = vecs * kWidth;
      const int64_t j = t.j0 + panels.begin(q) * kWidth, n = min64(width, t.j1 - j);
      const float* b = t.b + k0 * p.bk + j * p.bj;
      if (p.bj == 1 && n == width && t.i1 - t.i0 <= 2 * kTileRows) {  // too few rows to repay
        multiply_panel(p, t, rows, k0, kc, j, vecs, b, p.bk);
        continue;
      }
      pack_panel(b, p.bj, p.bk, n, kc, width, packed_b);
      multiply_panel(p, t, rows, k0, kc, j, vecs, packed_b, width);
    }
  }
}

// Row i of matrix b: C = act(alpha * sum of the splits, in their order, + bias + C).
void sum_row(const Context& x, int64_t b, int64_t i) {
  const GemmArgs& g = x.p.g;
  const float* part = static_cast<const float*>(g.work) + (b * x.plan.splits * g.m + i) * g.n;
  TileOut out;
  out.c = g.c + b * g.c_batch + i * g.ldc;
  out.cols = g.n;
  out.ldc = 0;
  out.alpha = g.alpha;
  out.add = g.accumulate;
  out.relu = g.act == Act::kRelu;
  if (g.bias_axis == BiasAxis::kRow) out.row_bias = g.bias + i;
  if (g.bias_axis == BiasAxis::kCol) out.col_bias = g.bias;
  for (int64_t j = 0; j < g.n; j += kWidth) {
    const int64_t n = min64(kWidth, g.n - j);
    Vec sum = load_tail(part + j, n);
    for (int64_t s = 1; s < x.plan.splits; ++s) {
      sum = sum + load_tail(part + s * g.m * g.n + j, n);
    }
    write_vec(out, 0, j / kWidth, sum);
  }
}

int64_t rows_per_sum(const Context& x) { return max64(1, 65536 / (x.p.g.n * x.plan.splits)); }

void sum_splits(const void* ctx, int64_t piece, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  const int64_t rows = rows_per_sum(x), all = x.p.g.m * x.p.g.batch;
  for (int64_t i = piece * rows; i < min64(all, (piece + 1) * rows); ++i) {
    sum_row(x, i / x.p.g.m, i % x.p.g.m);
  }
}

// Dot products of R rows of A with 4 columns of B, both contiguous along k. 1 <= cols <= 4.
template <int R>
void dot_columns(const Problem& p, const Block& t, int64_t j, int64_t cols) {
  const float* b[4];
  for (int64_t q = 0; q < 4; ++q) b[q] = t.b + (j + min64(q, cols - 1)) * p.bj;
  Vec acc[R][4];
  for (int r = 0; r < R; ++r) {
    for (int q = 0; q < 4; ++q) acc[r][q] = set1(0.0f);
  }
  for (int64_t k = 0; k < p.g.k; k += kWidth) {
    const int64_t n = min64(kWidth, p.g.k - k);
    Vec bv[4];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) bv[q] = load_tail(b[q] + k, n);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Vec av = load_tail(t.a + r * p.ai + k, n);
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) acc[r][q] = fma(av, bv[q], acc[r][q]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int q = 0; q < cols; ++q) {
      float x = p.g.alpha * reduce_add(acc[r][q]);
      float* c = t.c + r * t.ldc + j + q;
      if (p.g.accumulate) x += *c;
      if (p.g.bias_axis == BiasAxis::kRow) x += p.g.bias[r];
      if (p.g.bias_axis == BiasAxis::kCol) x += p.g.bias[j + q];
      *c = p.g.act == Act::kRelu && x < 0.0f ? 0.0f : x;
    }
  }
}

void dot_block(const Problem& p, const Block& t) {
  for (int64_t j = t.j0; j < t.j1; j += 4) {
    const int64_t cols = min64(4, t.j1 - j);
    switch (p.g.m) {
      case 1:
        dot_columns<1>(p, t, j, cols);
        break;
      case 2:
        dot_columns<2>(p, t, j, cols);
        break;
      case 3:
        dot_columns<3>(p, t, j, cols);
        break;
      default:
        dot_columns<4>(p, t, j, cols);
        break;
    }
  }
}

int64_t parts_of(const Context& x) {
  return x.plan.row_tiles * x.plan.col_tiles * x.plan.splits * x.p.g.batch;
}

void multiply_parts(const void* ctx, int64_t piece, void* scratch) {
  const Context& x = *static_cast<const Context*>(ctx);
  const int64_t n = x.plan.parts_per_piece, end = min64(parts_of(x), (piece + 1) * n);
  for (int64_t part = piece * n; part < end; ++part) {
    const Block t = block_of(x, part);
    if (x.plan.dot) {
      dot_block(x.p, t);
    } else {
      multiply_block(x.p, t, static_cast<float*>(scratch));
    }
  }
}

}  // namespace

void gemm(const GemmArgs& a) {
  if (a.m <= 0 || a.n <= 0 || a.batch <= 0) return;
  Context x;
  x.p = make_problem(a);
  x.plan = make_plan(x.p);
  parallel_for(ceil_div(parts_of(x), x.plan.parts_per_piece), multiply_parts, &x);
  if (x.plan.splits > 1) {
    parallel_for(ceil_div(a.batch * x.p.g.m, rows_per_sum(x)), sum_splits, &x);
  }
}

int64_t gemm_work(const GemmArgs& a) {
  if (a.m <= 0 || a.n <= 0 || a.batch <= 0) return 0;
  const Plan plan = make_plan(make_problem(a));
  return plan.splits > 1 ? plan.splits * a.batch * a.m * a.n * 4 : 0;
}

}  // namespace PYDL_ISA
}  // namespace pydl

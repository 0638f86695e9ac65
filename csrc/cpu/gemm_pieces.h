// Products of small matrices, of batches of them, and small C over a long K: pieces that need no
// other. Each packs what it reads itself, in the scratch of its thread; K may be cut too, and the
// sums of its parts are then added up in a second phase.
#pragma once
#include "cpu/gemm_problem.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// The scratch of 1 MiB holds a panel of B (48 KiB) and the rows of A (256 KiB), both kPieceDepth
// deep.
constexpr int64_t kPieceDepth = 256;
constexpr int64_t kPieceRows = 256;
constexpr int64_t kPieceCols = 768;
constexpr int64_t kShortDepth = 32;
constexpr int64_t kSmall = 8 * 1024;             // floats of an operand that L1 holds as they lie
constexpr int64_t kPackingRows = 8 * kTileRows;  // more repay a copy of B
constexpr int64_t kSplitDepth = 512;             // least k of a split: far more than its sums cost

struct PiecesPlan {
  int64_t row_tiles, col_tiles, splits;  // parts of a matrix of the batch
  int64_t parts_per_piece;               // small matrices share a piece
};

// K is split and tiles are halved until there is enough to share. K first, because a tile of m x n
// packs (m + n) k elements for m n k products.
inline PiecesPlan make_pieces_plan(const Problem& p) {
  const GemmArgs& g = p.g;
  const double flops = p.flops() * static_cast<double>(g.batch);
  if (g.batch == 1 && flops <= kPieceFlops && g.m <= kPieceRows && g.n <= kPieceCols) {
    return {1, 1, 1, 1};
  }
  const double want = flops / kPieceFlops < 16.0 ? flops / kPieceFlops : 16.0;
  PiecesPlan plan = {ceil_div(g.m, kPieceRows), ceil_div(g.n, kPieceCols), 1, 1};
  const double part = p.flops() / static_cast<double>(plan.row_tiles * plan.col_tiles);
  plan.parts_per_piece = max64(1, min64(64, static_cast<int64_t>(1e6 / (part + 1e4))));
  while (static_cast<double>(plan.row_tiles * plan.col_tiles * plan.splits * g.batch) < want) {
    const int64_t rows = g.m / plan.row_tiles, cols = g.n / plan.col_tiles;
    if (g.k / plan.splits >= 2 * kSplitDepth) {
      plan.splits *= 2;
    } else if (cols > kTileCols && (p.ak == 1 || cols <= 2 * kTileCols || rows * 2 <= cols * 3)) {
      plan.col_tiles *= 2;
    } else if (rows >= 2 * kTileRows) {
      plan.row_tiles *= 2;
    } else {
      break;
    }
  }
  return plan;
}

inline int64_t pieces_work(const Problem& p, const PiecesPlan& plan) {
  return plan.splits > 1 ? plan.splits * p.g.batch * p.g.m * p.g.n * 4 : 0;
}

struct Pieces {
  const Problem& p;
  PiecesPlan plan;
  GemmArgs sums;  // of a split: raw sums into the workspace

  int64_t parts() const { return plan.row_tiles * plan.col_tiles * plan.splits * p.g.batch; }
};

// One tile of C over one range of k: where it lies and where its sums go.
struct Part {
  int64_t i0, i1, j0, j1, k0, k1;
  const float* a;  // of the matrix, not of the tile
  const float* b;
  float* c;
  int64_t ldc;
  const GemmArgs* g;  // what the write-back adds
};

inline Part part_of(const Pieces& x, int64_t part) {
  const PiecesPlan& plan = x.plan;
  const GemmArgs& g = x.p.g;
  if (x.parts() == 1) return {0, g.m, 0, g.n, 0, g.k, g.a, g.b, g.c, x.p.ci, &g};
  const int64_t unit = g.n >= 2 * kTileCols * plan.col_tiles ? kTileCols : kWidth;
  const int64_t units = ceil_div(g.n, unit);
  const int64_t j = part % plan.col_tiles;
  const int64_t i = part / plan.col_tiles % plan.row_tiles;
  const int64_t s = part / (plan.col_tiles * plan.row_tiles) % plan.splits;
  const int64_t b = part / (plan.col_tiles * plan.row_tiles * plan.splits);
  Part t;
  t.i0 = part_begin(g.m, plan.row_tiles, i);
  t.i1 = part_begin(g.m, plan.row_tiles, i + 1);
  t.j0 = min64(g.n, part_begin(units, plan.col_tiles, j) * unit);
  t.j1 = min64(g.n, part_begin(units, plan.col_tiles, j + 1) * unit);
  t.k0 = part_begin(g.k, plan.splits, s);
  t.k1 = part_begin(g.k, plan.splits, s + 1);
  t.a = g.a + b * g.a_batch;
  t.b = g.b + b * g.b_batch;
  t.c = g.c + b * g.c_batch;
  t.ldc = x.p.ci;
  t.g = &g;
  if (plan.splits == 1) return t;
  t.c = static_cast<float*>(g.work) + (b * plan.splits + s) * g.m * g.n;
  t.ldc = g.n;
  t.g = &x.sums;
  return t;
}

// Rows in place where they are contiguous, read once or in L1 anyway, else packed.
inline RowSource rows_of(const Problem& p, const Part& t, int64_t k0, int64_t kc, int64_t panels,
                         float* scratch) {
  const float* src = t.a + t.i0 * p.ai + k0 * p.ak;
  if (p.ak == 1 || panels * kc <= kPieceDepth || kc * p.ak <= kSmall) {
    return {src, p.ai, p.ai * kWidth, p.ak};
  }
  const int64_t m = t.i1 - t.i0;
  for (int64_t i = 0; i < m; i += kPackGroup) {
    pack_rows(src + i * p.ai, p.ai, p.ak, min64(kPackGroup, m - i), kc,
              scratch + i / kWidth * panel_pitch(kc));
  }
  return {scratch, 1, panel_pitch(kc), kWidth};
}

// A panel of B over one range of k, packed or in place.
struct PanelSource {
  const float* b;
  int64_t step, j, vecs;
};

// Panel q of the part's columns where it lies, or b = nullptr where it has to be packed.
inline PanelSource panel_in_place(const Problem& p, const Part& t, const Panels& panels, int64_t q,
                                  int64_t k0, int64_t kc) {
  const int64_t vecs = panels.width(q), width = vecs * kWidth;
  const int64_t j = t.j0 + panels.begin(q) * kWidth, n = min64(width, t.j1 - j);
  const bool repays = t.i1 - t.i0 > kPackingRows && kc * p.bk > kSmall;
  const bool fits = p.bj == 1 && n == width && !repays;
  return {fits ? t.b + k0 * p.bk + j : nullptr, p.bk, j, vecs};
}

// The same, packed where it has to be; `packed` has room for it.
inline PanelSource panel_of(const Problem& p, const Part& t, const Panels& panels, int64_t q,
                            int64_t k0, int64_t kc, float* packed) {
  const PanelSource x = panel_in_place(p, t, panels, q, k0, kc);
  if (x.b != nullptr) return x;
  const int64_t width = x.vecs * kWidth;
  pack_panel(t.b + k0 * p.bk + x.j * p.bj, p.bj, p.bk, min64(width, t.j1 - x.j), kc, width, packed);
  return {packed, width, x.j, x.vecs};
}

// One range of k of `count` panels of B against all rows of the part. `next` is a panel in place
// that will be read after them: its rows are too far apart for the hardware to foresee.
inline void multiply_panels(const Part& t, const RowSource& rows, int64_t k0, int64_t kc,
                            const PanelSource* panels, int64_t count, const PanelSource& next) {
  const int64_t m = t.i1 - t.i0, tiles = ceil_div(m, kTileRows);
  int64_t i = 0;
  for (int64_t u = 0, r; u < tiles; ++u, i += r) {
    r = m / tiles + (u < m % tiles ? 1 : 0);
    const float* at[kTileRows];
    rows.find(i, r, at);
    for (int64_t k = kc * u / tiles; next.b && k < kc * (u + 1) / tiles; ++k) {
      const float* line = next.b + k * next.step;
      for (int64_t v = 0; v < next.vecs * kWidth; v += 16) __builtin_prefetch(line + v, 0, 2);
    }
    for (const PanelSource* x = panels; x < panels + count; ++x) {
      run_tile(r, x->vecs, kc, at, Step{rows.step}, x->b, Step{x->step},
               tile_out(*t.g, t.c, t.ldc, t.i0 + i, x->j, k0 == t.k0, k0 + kc == t.k1));
    }
  }
}

// Where k is short, writing C is the work: its rows are written from end to end.
inline void multiply_part(const Problem& p, const Part& t, float* packed_b) {
  if (t.j1 <= t.j0 || t.i1 <= t.i0) return;
  const Panels panels(t.j1 - t.j0);
  float* packed_a = packed_b + max64(kTileCols * kPieceDepth, kPieceCols * kShortDepth);
  const int64_t depths = max64(1, ceil_div(t.k1 - t.k0, kPieceDepth));
  for (int64_t d = 0; d < depths; ++d) {
    const int64_t k0 = t.k0 + part_begin(t.k1 - t.k0, depths, d);
    const int64_t kc = t.k0 + part_begin(t.k1 - t.k0, depths, d + 1) - k0;
    const RowSource rows = rows_of(p, t, k0, kc, panels.count, packed_a);
    const int64_t together = kc <= kShortDepth ? panels.count : 1;
    for (int64_t q = 0; q < panels.count; q += together) {
      PanelSource sources[kPieceCols / kWidth];
      for (int64_t s = 0; s < together; ++s) {
        float* packed = packed_b + panels.begin(s) * kWidth * kc;
        sources[s] = panel_of(p, t, panels, q + s, k0, kc, packed);
      }
      PanelSource next = {};
      if (together == 1 && q + 1 < panels.count && kc * p.bk > kSmall) {
        next = panel_in_place(p, t, panels, q + 1, k0, kc);
      }
      multiply_panels(t, rows, k0, kc, sources, together, next);
    }
  }
}

inline void multiply_pieces(const void* ctx, int64_t piece, void* scratch) {
  const Pieces& x = *static_cast<const Pieces*>(ctx);
  const int64_t n = x.plan.parts_per_piece, end = min64(x.parts(), (piece + 1) * n);
  for (int64_t part = piece * n; part < end; ++part) {
    multiply_part(x.p, part_of(x, part), static_cast<float*>(scratch));
  }
}

// Row i of matrix b: C = act(alpha * sum of the splits, in their order, + bias + C).
inline void sum_row(const Pieces& x, int64_t b, int64_t i) {
  const GemmArgs& g = x.p.g;
  const float* part = static_cast<const float*>(g.work) + (b * x.plan.splits * g.m + i) * g.n;
  TileOut out = tile_out(g, g.c + b * g.c_batch, x.p.ci, i, 0, true, true);
  for (int64_t j = 0; j < g.n; j += kWidth) {
    const int64_t n = min64(kWidth, g.n - j);
    Vec sum = load_tail(part + j, n);
    for (int64_t s = 1; s < x.plan.splits; ++s) {
      sum = sum + load_tail(part + s * g.m * g.n + j, n);
    }
    write_vec(out, 0, j / kWidth, sum);
  }
}

inline int64_t rows_per_sum(const Pieces& x) { return max64(1, 65536 / (x.p.g.n * x.plan.splits)); }

inline void sum_splits(const void* ctx, int64_t piece, void*) {
  const Pieces& x = *static_cast<const Pieces*>(ctx);
  const int64_t rows = rows_per_sum(x), all = x.p.g.m * x.p.g.batch;
  for (int64_t i = piece * rows; i < min64(all, (piece + 1) * rows); ++i) {
    sum_row(x, i / x.p.g.m, i % x.p.g.m);
  }
}

inline void multiply_in_pieces(const Problem& p) {
  Pieces x = {p, make_pieces_plan(p), p.g};
  x.sums.alpha = 1.0f;
  x.sums.accumulate = 0;
  x.sums.act = Act::kNone;
  x.sums.bias_axis = BiasAxis::kNone;
  parallel_for(ceil_div(x.parts(), x.plan.parts_per_piece), multiply_pieces, &x);
  if (x.plan.splits == 1) return;
  parallel_for(ceil_div(p.g.batch * p.g.m, rows_per_sum(x)), sum_splits, &x);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

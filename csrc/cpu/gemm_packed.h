// Products of large matrices: five loops around the micro-kernel of gemm_tile.h.
// Source: Goto, van de Geijn, Anatomy of high-performance matrix multiplication (2008); Van Zee,
// van de Geijn, BLIS (2015).
//
// What the sizes below are for: every float that is fetched must be used often enough before it
// leaves the cache it was fetched into.
//
//   tile   8 x 48 of C (AVX-512) stays in registers while k runs: a step reads 8 + 48 floats for
//          384 multiply-adds, so the loads keep up with the arithmetic.
//   depth  <= 512 steps of k. C is read and written once per depth: the deeper, the rarer. A tile
//          then reads 16 KiB of A and a panel of 96 KiB of B; the panel stays in L2 (1 MiB) for all
//          the rows of a piece, which hide its way to L1.
//   piece  <= 64 rows (128 KiB of A, in L2 beside the panel) times all columns of the block, so
//          that B comes from L3 once for each 64 rows.
//   block  about 2048 x 2048 of C: its A and B, packed, are 4 MiB each and stay in L3.
//
// Packed means: in the order in which the micro-kernel reads. Rows of a matrix lie a power of two
// apart only too often; their elements then compete for the same few places of a cache, and each
// row is a page of its own. Packing reads every float once more, but the copy is shared: it is
// made in a first phase by all threads and used in a second one, by all pieces.
#pragma once
#include "cpu/gemm_problem.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kDepth = 512;
constexpr int64_t kPieceTiles = 64 / kTileRows;  // rows of a piece
constexpr int64_t kBlockRows = 2048;
constexpr int64_t kBlockCols = 2048 / kTileCols * kTileCols;
constexpr int64_t kMostParts = 32;           // of the rows of a block
constexpr int64_t kFewPanels = 6;            // of B: fewer do not repay a copy of A
constexpr int64_t kNarrowPanel = 64 * 1024;  // floats of B that fit L2, however deep
constexpr int64_t kPanelsPerPiece = 4;       // of packing B
constexpr int64_t kPackSteps = 4;

struct PackedPlan {
  int64_t row_blocks, col_blocks, depths;
  int64_t row_parts, col_parts;  // pieces of a block
  int64_t a_floats, b_floats;    // of workspace; no A where its rows are read in place
};

inline PackedPlan make_packed_plan(const Problem& p) {
  const GemmArgs& g = p.g;
  PackedPlan plan;
  plan.col_blocks = ceil_div(g.n, kBlockCols);
  plan.depths = max64(1, ceil_div(g.k, max64(kDepth, kNarrowPanel / g.n)));
  const int64_t vecs = ceil_div(ceil_div(g.n, kWidth), plan.col_blocks);
  const int64_t panels = ceil_div(vecs, kTileVecs), kc = ceil_div(g.k, plan.depths);
  const bool copy_a = p.ak != 1 || panels > kFewPanels;
  plan.row_blocks = copy_a ? ceil_div(g.m, kBlockRows) : 1;
  const int64_t rows = ceil_div(g.m, plan.row_blocks), tiles = ceil_div(rows, kTileRows);
  const int64_t row_parts = ceil_div(tiles, kPieceTiles);
  plan.row_parts = copy_a ? min64(kMostParts, row_parts) : row_parts;
  plan.col_parts = min64(panels, ceil_div(kMostParts / 2, plan.row_parts));
  plan.b_floats = vecs * kWidth * kc;
  plan.a_floats = copy_a ? ceil_div(rows, kWidth) * panel_pitch(kc) : 0;
  return plan;
}

inline int64_t packed_work(const PackedPlan& plan) { return (plan.a_floats + plan.b_floats) * 4; }

// A block: rows [i0, i1) and columns [j0, j1) of C over k in [k0, k0 + kc).
struct PackedBlock {
  Problem p;
  PackedPlan plan;
  int64_t i0, i1, j0, j1, k0, kc;
  const float* a;  // of the matrix of the batch
  const float* b;
  float* c;
  float* packed_a;
  float* packed_b;
  int64_t b_pieces;  // of packing; those of A follow

  bool in_place() const { return plan.a_floats == 0; }
  RowSource rows() const {
    if (in_place()) return {a + i0 * p.ai + k0 * p.ak, p.ai, p.ai * kWidth, p.ak};
    return {packed_a, 1, panel_pitch(kc), kWidth};
  }
};

inline void pack_piece(const void* ctx, int64_t piece, void*) {
  const PackedBlock& x = *static_cast<const PackedBlock*>(ctx);
  const Problem& p = x.p;
  if (piece >= x.b_pieces) {
    const int64_t i = (piece - x.b_pieces) * kPackGroup, m = min64(kPackGroup, x.i1 - x.i0 - i);
    const float* src = x.a + (x.i0 + i) * p.ai + x.k0 * p.ak;
    return pack_rows(src, p.ai, p.ak, m, x.kc, x.packed_a + i / kWidth * panel_pitch(x.kc));
  }
  const Panels panels(x.j1 - x.j0);
  const int64_t begin = piece * kPanelsPerPiece, end = min64(panels.count, begin + kPanelsPerPiece);
  // Rows of B far apart: some steps of k for all panels, so that a row is read in a long run.
  const int64_t steps = p.bj == 1 ? kPackSteps : x.kc;
  for (int64_t k = 0; k < x.kc; k += steps) {
    for (int64_t q = begin; q < end; ++q) {
      const int64_t width = panels.width(q) * kWidth, at = panels.begin(q) * kWidth;
      const int64_t j = x.j0 + at;
      pack_panel(x.b + (x.k0 + k) * p.bk + j * p.bj, p.bj, p.bk, min64(width, x.j1 - j),
                 min64(steps, x.kc - k), width, x.packed_b + at * x.kc + k * width);
    }
  }
}

// Rows in place come from far where A is large, and in too short runs for the hardware to foresee.
inline void prefetch_rows(const RowSource& rows, int64_t i, int64_t end, int64_t kc) {
  for (; i < end; ++i) {
    const float* row;
    rows.find(i, 1, &row);
    for (int64_t k = 0; k < kc; k += 16) __builtin_prefetch(row + k);
  }
}

inline void multiply_piece(const void* ctx, int64_t piece, void*) {
  const PackedBlock& x = *static_cast<const PackedBlock*>(ctx);
  const GemmArgs& g = x.p.g;
  const PackedPlan& plan = x.plan;
  const Panels panels(x.j1 - x.j0);
  const int64_t m = x.i1 - x.i0, tiles = ceil_div(m, kTileRows);
  const int64_t row_part = piece / plan.col_parts, col_part = piece % plan.col_parts;
  const int64_t u0 = part_begin(tiles, plan.row_parts, row_part);
  const int64_t u1 = part_begin(tiles, plan.row_parts, row_part + 1);
  const int64_t q0 = part_begin(panels.count, plan.col_parts, col_part);
  const int64_t q1 = part_begin(panels.count, plan.col_parts, col_part + 1);
  const RowSource rows = x.rows();
  const bool far = x.in_place() && g.m * g.k > 4 * kNarrowPanel;
  for (int64_t q = q0; q < q1; ++q) {
    const int64_t vecs = panels.width(q), j = panels.begin(q) * kWidth;
    for (int64_t u = u0; u < u1; ++u) {
      const int64_t i = part_begin(m, tiles, u), r = part_begin(m, tiles, u + 1) - i;
      const float* at[kTileRows];
      rows.find(i, r, at);
      if (far && q == q0) prefetch_rows(rows, i + r, min64(m, i + r + kTileRows), x.kc);
      run_tile(r, vecs, x.kc, at, Step{rows.step}, x.packed_b + j * x.kc, Step{vecs * kWidth},
               tile_out(g, x.c, x.p.ci, x.i0 + i, x.j0 + j, x.k0 == 0, x.k0 + x.kc == g.k));
    }
  }
}

// All rows of C's columns [j0, j1) over one depth: B is packed once, A block by block.
inline void multiply_column_block(PackedBlock* x) {
  const PackedPlan& plan = x->plan;
  for (int64_t r = 0; r < plan.row_blocks; ++r) {
    x->i0 = part_begin(x->p.g.m, plan.row_blocks, r);
    x->i1 = part_begin(x->p.g.m, plan.row_blocks, r + 1);
    x->b_pieces = r == 0 ? ceil_div(Panels(x->j1 - x->j0).count, kPanelsPerPiece) : 0;
    const int64_t a_pieces = x->in_place() ? 0 : ceil_div(x->i1 - x->i0, kPackGroup);
    parallel_for(x->b_pieces + a_pieces, pack_piece, x);
    parallel_for(plan.row_parts * plan.col_parts, multiply_piece, x);
  }
}

inline void multiply_packed(const Problem& p) {
  const GemmArgs& g = p.g;
  PackedBlock x;
  x.p = p;
  x.plan = make_packed_plan(p);
  x.packed_b = static_cast<float*>(g.work);
  x.packed_a = x.packed_b + x.plan.b_floats;
  const int64_t vecs = ceil_div(g.n, kWidth);
  for (int64_t b = 0; b < g.batch; ++b) {
    x.a = g.a + b * g.a_batch;
    x.b = g.b + b * g.b_batch;
    x.c = g.c + b * g.c_batch;
    for (int64_t q = 0; q < x.plan.col_blocks; ++q) {
      x.j0 = part_begin(vecs, x.plan.col_blocks, q) * kWidth;
      x.j1 = min64(g.n, part_begin(vecs, x.plan.col_blocks, q + 1) * kWidth);
      for (int64_t d = 0; d < x.plan.depths; ++d) {
        x.k0 = part_begin(g.k, x.plan.depths, d);
        x.kc = part_begin(g.k, x.plan.depths, d + 1) - x.k0;
        multiply_column_block(&x);
      }
    }
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

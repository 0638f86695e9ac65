// What the walks through a sequence share, forwards (recurrent.cc) and backwards
// (recurrent_backward.cc): how the work is cut, and products of rows with packed weights.
#pragma once
#include "core/args/recurrent.h"
#include "cpu/gemm_tile.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Rows of the batch never meet: a block of them walks through all steps on its own, and its thread
// waits for nobody. Only where the weights (G H, H) outgrow the cache of a core, each step is cut
// along its units instead.
struct Cut {
  bool by_rows;
  int64_t rows;    // of a block
  int64_t blocks;  // over the batch
};

constexpr int64_t kCachedWeights = 128 * 1024;  // floats
constexpr int64_t kMostRows = 64;               // of a block: sums fit the scratch
constexpr int64_t kPieceProducts = 512 * 1024;  // multiply-adds that are worth a piece

inline Cut cut_of(int64_t T, int64_t N, int64_t H, int64_t gates) {
  const int64_t weights = gates * H * H;
  if (weights > kCachedWeights) return {false, kMostRows, ceil_div(N, kMostRows)};
  const int64_t worth = kPieceProducts / (T * weights) + 1;
  const int64_t rows = min64(kMostRows, max64(2 * kTileRows, worth));
  return {true, rows, ceil_div(N, rows)};
}

// The order of the steps: the one taken as number i, and the one before it (none for i = 0).
template <class Args>
inline int64_t step_at(const Args& a, int64_t i) {
  return a.reverse ? a.T - 1 - i : i;
}

// Row n of the states before the step taken as number i; null where the cell has no such state.
template <class Args>
inline const float* row_before(const Args& a, int64_t i, int64_t n, const float* first,
                               const float* states) {
  if (first == nullptr) return nullptr;
  return (i == 0 ? first : states + step_at(a, i - 1) * a.N * a.H) + n * a.H;
}

// out = A B, or += : m rows of A of length k and pitch k, B one packed panel [k][vecs].
inline void multiply_rows(int64_t m, int64_t k, const float* a, const float* b, int64_t vecs,
                          TileOut out) {
  const int64_t tiles = ceil_div(m, kTileRows);
  float* c = out.c;
  for (int64_t u = 0; u < tiles; ++u) {
    const int64_t i = part_begin(m, tiles, u), r = part_begin(m, tiles, u + 1) - i;
    const float* rows[kTileRows];
    for (int64_t q = 0; q < r; ++q) rows[q] = a + (i + q) * k;
    out.c = c + i * out.ldc;
    run_tile(r, vecs, k, rows, Step{1}, b, Step{vecs * kWidth}, out);
  }
}

// Bytes of the weights in panels of units.
inline int64_t packed_bytes(int64_t H, int64_t gates) {
  return Panels(H).vecs * kWidth * gates * H * 4;
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

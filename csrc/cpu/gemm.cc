// Matrix products C = act(alpha * op(A) op(B) + bias + C): which of the four ways a shape takes.
//
//   row     one row, or one column, and a large matrix whose rows are added up (gemm_row.h)
//   thin    few rows, or few columns: reading the large operand is the work (gemm_thin.h)
//   packed  large: A and B are copied in the order in which they are read (gemm_packed.h)
//   pieces  all others: small, batches of small ones, some rows of a wide C, small with a long K
//           (gemm_pieces.h)
//
// Half types have a way of their own (gemm_half.h).
#include "cpu/gemm_half.h"
#include "cpu/gemm_packed.h"
#include "cpu/gemm_pieces.h"
#include "cpu/gemm_row.h"
#include "cpu/gemm_thin.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

enum class Way { kRow, kThin, kPacked, kPieces };

constexpr double kPackedFlops = 8e6;         // two phases repay themselves
constexpr double kBatchedFlops = 64e6;       // of a matrix that is not one piece of its batch
constexpr int64_t kFewRows = 2 * kTileRows;  // too few to repay a copy of B
#if defined(PYDL_ISA_AVX512)
constexpr int64_t kSomeRows = 128;  // of a wide C: a piece reads its own copies, no other thread's
#else
constexpr int64_t kSomeRows = 512;
#endif
constexpr double kSomeFlops = 5e8;  // beyond, shared copies are read more often than they cost
constexpr int64_t kWide = 8 * kTileCols;  // each piece copies its B, near the core that reads it
constexpr int64_t kLongK = 2048;          // K is cut where C is too small to be
constexpr int64_t kSmallC = 200 * 200;

Way way_of(const Problem& p) {
  const GemmArgs& g = p.g;
  if (is_row(p)) return Way::kRow;
  if (is_thin(p)) return Way::kThin;
  if (p.flops() < (g.batch == 1 ? kPackedFlops : kBatchedFlops)) return Way::kPieces;
  if (g.m <= kFewRows && p.bj == 1) return Way::kPieces;
  const bool some = g.m <= kSomeRows && p.flops() <= kSomeFlops;
  if (g.k < kLongK && some && g.n >= kWide) return Way::kPieces;
  return g.k >= kLongK && g.m * g.n < kSmallC ? Way::kPieces : Way::kPacked;
}

// Few columns are few rows of the transposed product.
Problem problem_of(const GemmArgs& a) {
  Problem p = make_problem(a);
  if (a.n < a.m) {
    const Problem t = transposed(p);
    if (is_thin(t)) p = t;
  }
  return p;
}

}  // namespace

void gemm(const GemmArgs& a) {
  if (a.m <= 0 || a.n <= 0 || a.batch <= 0) return;
  if (is_half(a.dtype)) return multiply_half(a);
  const Problem p = problem_of(a);
  switch (way_of(p)) {
    case Way::kRow:
      return multiply_row(p);
    case Way::kThin:
      return multiply_thin(p);
    case Way::kPacked:
      return multiply_packed(p);
    case Way::kPieces:
      return multiply_in_pieces(p);
  }
}

int64_t gemm_work(const GemmArgs& a) {
  if (a.m <= 0 || a.n <= 0 || a.batch <= 0) return 0;
  if (is_half(a.dtype)) return half_work(a);
  const Problem p = problem_of(a);
  switch (way_of(p)) {
    case Way::kRow:
      return row_work(p);
    case Way::kThin:
      return 0;
    case Way::kPacked:
      return packed_work(make_packed_plan(p));
    case Way::kPieces:
      return pieces_work(p, make_pieces_plan(p));
  }
  return 0;
}

}  // namespace PYDL_ISA
}  // namespace pydl

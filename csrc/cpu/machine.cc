// The most multiply-adds that this machine can do: what the speed of other kernels is held against.
#include "core/args/machine.h"

#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Independent accumulators: two units with a latency of four or five cycles need ten at least, and
// with the two operands they fit into the 16 registers of AVX2.
constexpr int64_t kChains = 12;
constexpr int64_t kSteps = kFmasPerRound / (kChains * kWidth);
static_assert(kSteps * kChains * kWidth == kFmasPerRound, "a round is the same on every ISA");

void fma_piece(const void* ctx, int64_t piece, void*) {
  const FmaPeakArgs& a = *static_cast<const FmaPeakArgs*>(ctx);
  const Vec half = set1(0.5f), one = set1(1.0f);  // every chain tends to 2: no denormals
  Vec acc[kChains];
  for (int64_t c = 0; c < kChains; ++c) acc[c] = set1(static_cast<float>(piece + c));
  for (int64_t i = 0; i < a.rounds; ++i) {
    for (int64_t s = 0; s < kSteps; ++s) {
      for (int64_t c = 0; c < kChains; ++c) acc[c] = fma(acc[c], half, one);
    }
  }
  Vec total = acc[0];
  for (int64_t c = 1; c < kChains; ++c) total = total + acc[c];
  a.out[piece] = reduce_add(total);
}

}  // namespace

void fma_peak(const FmaPeakArgs& a) { parallel_for(a.pieces, fma_piece, &a); }

}  // namespace PYDL_ISA
}  // namespace pydl

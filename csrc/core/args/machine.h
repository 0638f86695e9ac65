// What measures the machine itself. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

constexpr int64_t kFmasPerRound = 192;  // of one lane each; the same for every ISA

// out[i] = what `rounds` rounds of multiply-adds come to: arithmetic without memory, as a peak.
struct FmaPeakArgs {
  int64_t pieces, rounds;
  float* out;  // (pieces)
};

}  // namespace pydl

// Products of bfloat16 on the tiles of AMX: 16 rows by 16 sums of words of two (gemm_dot.h), 16
// words deep, in one instruction. Tiles load rows of A as they lie, and B as gemm_half.h packs it.
// Source: Intel, "Intel architecture instruction set extensions", chapter 3 (AMX).
#pragma once
#include "cpu/gemm_dot.h"

#if defined(PYDL_HAS_DOT)

namespace pydl {
namespace PYDL_ISA {
namespace {

#if defined(PYDL_EMULATE_AVX512)
#define PYDL_AMX __attribute__((noinline))
#else
#define PYDL_AMX __attribute__((noinline, target("amx-tile,amx-bf16")))
#endif

constexpr int64_t kAmx = 16;  // rows of a tile, and its 32-bit columns

struct AmxConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64};  // of a row of each tile
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16};
};

// sums [16][V][16] = A (16 x words, rows `pitch` floats apart) B (words x 16 V, rows `step` apart);
// words is a multiple of 16. Tiles 0 to 2 are the sums, 3 is A, 4 to 6 are B.
template <int V>
PYDL_AMX void amx_tile(const float* a, int64_t pitch, const float* b, int64_t step, int64_t words,
                       float* sums) {
  _tile_zero(0);
  if (V > 1) _tile_zero(1);
  if (V > 2) _tile_zero(2);
  for (int64_t k = 0; k < words; k += kAmx, b += kAmx * step) {
    _tile_loadd(3, a + k, pitch * 4);
    _tile_loadd(4, b, step * 4);
    _tile_dpbf16ps(0, 3, 4);
    if (V > 1) {
      _tile_loadd(5, b + kAmx, step * 4);
      _tile_dpbf16ps(1, 3, 5);
    }
    if (V > 2) {
      _tile_loadd(6, b + 2 * kAmx, step * 4);
      _tile_dpbf16ps(2, 3, 6);
    }
  }
  _tile_stored(0, sums, V * kAmx * 4);
  if (V > 1) _tile_stored(1, sums + kAmx, V * kAmx * 4);
  if (V > 2) _tile_stored(2, sums + 2 * kAmx, V * kAmx * 4);
}

struct AmxWords : PairWords {
  static constexpr int64_t kRows = kAmx;
  static constexpr bool kByRows = true;  // A is wanted as rows, whatever it is in memory

  PYDL_AMX static void begin() {
    const AmxConfig config;
    _tile_loadconfig(&config);
  }
  PYDL_AMX static void end() { _tile_release(); }
  static int64_t split(int64_t, int64_t, int64_t u) { return kAmx * u; }

  // r <= 16 rows; what lies behind them is read too, and its sums are dropped.
  template <class WalkA>
  static void tile(int64_t r, int64_t vecs, int64_t words, const float* const* rows, WalkA walk,
                   const float* b, Step step, const TileOut& out) {
    const int64_t whole = words / kAmx * kAmx, pitch = rows[1] - rows[0];
    TileOut rest = out;
    if (whole > 0) {
      alignas(64) float sums[kAmx * kTileCols];
      const auto fn = vecs == 1 ? amx_tile<1> : vecs == 2 ? amx_tile<2> : amx_tile<3>;
      fn(rows[0], pitch, b, step.step, whole, sums);
      for (int64_t i = 0; i < r; ++i) {
        for (int64_t v = 0; v < vecs; ++v) {
          write_vec(out, i, v, load(sums + (i * vecs + v) * kAmx));
        }
      }
      rest.add = true;
    }
    if (whole == words) return;
    for (int64_t i = 0; i < r; i += kTileRows, rest.c += kTileRows * rest.ldc) {
      const float* from[kTileRows];
      const int64_t some = min64(kTileRows, r - i);
      for (int64_t q = 0; q < some; ++q) from[q] = rows[i + q] + whole;
      PairWords::tile(some, vecs, words - whole, from, walk, b + whole * step.step, step, rest);
    }
  }
};

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
#endif

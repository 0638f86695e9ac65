// The micro-kernel of gemm_tile.h on pairs of bfloat16: AVX512-BF16 multiplies both of a pair with
// those of another and adds the two products to a float32 sum, so that a step of words is two of k.
// The words are moved as floats are, and never computed with as such.
// Source: Intel, "Intel architecture instruction set extensions", VDPBF16PS.
#pragma once
#include "cpu/dispatch_bits.h"
#include "cpu/gemm_tile.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Packed lanes: from one step to the next, and from kWidth lanes to those that follow.
struct Lanes {
  int64_t step, vec;
  static Lanes of_panel(int64_t width) { return {width, kWidth}; }
};

// A row that is packed soon. That of a single panel goes into L2, as in pack_panel(): its lines are
// read again for the next one.
template <class T>
void prefetch_half_row(const T* row, int64_t n, Lanes to) {
  const bool single = to.vec == kWidth;
  for (int64_t i = 0; i < n; i += 32) {
    single ? __builtin_prefetch(row + i, 0, 2) : __builtin_prefetch(row + i, 0, 3);
  }
}

// What the kinds of words of gemm_half.h share whose tiles are registers.
struct InRegisters {
  static constexpr int64_t kRows = kTileRows;  // of a tile
  static constexpr bool kByRows = false;
  static void begin() {}
  static void end() {}
  static int64_t split(int64_t m, int64_t tiles, int64_t u) { return part_begin(m, tiles, u); }
};

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

#if defined(PYDL_ISA_AVX512)
#define PYDL_HAS_DOT

namespace pydl {
namespace PYDL_ISA {
namespace {

#if defined(PYDL_EMULATE_AVX512)
#define PYDL_DOT __attribute__((noinline))
#else
#define PYDL_DOT __attribute__((noinline, target("avx512bf16")))
#endif

template <int R, int V, class WalkA, class WalkB>
PYDL_DOT void dot_words(int64_t k, const float* const* rows, WalkA walk_a, const float* b,
                        WalkB walk_b, const TileOut& to) {
  const TileOut out = to;  // a copy, which no store into C can change
  const float* a[R];
  Reg acc[R][V];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    a[r] = rows[r];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) acc[r][v] = reg_set1(0.0f);
  }
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = walk_a[i], bt = walk_b[i];
    __m512bh bv[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) bv[v] = (__m512bh)_mm512_loadu_ps(b + bt + v * kWidth);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const __m512bh x = (__m512bh)_mm512_set1_ps(a[r][at]);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) acc[r][v].v = _mm512_dpbf16_ps(acc[r][v].v, x, bv[v]);
    }
  }
  write_tile<R, V>(out, acc);
}

template <int R, class WalkA, class WalkB>
void dot_vecs(int64_t vecs, int64_t k, const float* const* rows, WalkA walk_a, const float* b,
              WalkB walk_b, const TileOut& out) {
  if (vecs == 1) return dot_words<R, 1>(k, rows, walk_a, b, walk_b, out);
  if (vecs == kTileVecs) return dot_words<R, kTileVecs>(k, rows, walk_a, b, walk_b, out);
  dot_words<R, 2>(k, rows, walk_a, b, walk_b, out);
}

template <int R = kTileRows, class WalkA, class WalkB>
void run_dot_tile(int64_t r, int64_t vecs, int64_t k, const float* const* rows, WalkA walk_a,
                  const float* b, WalkB walk_b, const TileOut& out) {
  if constexpr (R > 1) {
    if (r < R) return run_dot_tile<R - 1>(r, vecs, k, rows, walk_a, b, walk_b, out);
  }
  dot_vecs<R>(vecs, k, rows, walk_a, b, walk_b, out);
}

// Two bfloat16 a word: steps 2 w and 2 w + 1 of k, the first in the low half; what is beyond is 0.
struct PairWords : InRegisters {
  static constexpr int64_t kSteps = 2;
  static int64_t words(int64_t k) { return (k + 1) / 2; }

  static Vec pair(__m256i low, __m256i high) {
    const __m512i l = _mm512_cvtepu16_epi32(low), h = _mm512_cvtepu16_epi32(high);
    return {_mm512_castsi512_ps(_mm512_or_si512(l, _mm512_slli_epi32(h, 16)))};
  }
  static __mmask32 some_of(int64_t n) {  // of 32
    return n >= 32 ? ~__mmask32{0} : (__mmask32{1} << n) - 1;
  }
  static __m256i bits(const BF16* p, int64_t n) { return _mm256_maskz_loadu_epi16(lanes(n), p); }

  // As in gemm_half.h.
  static void pack(const BF16* src, int64_t si, int64_t sk, int64_t n, int64_t k, int64_t width,
                   Lanes to, float* dst) {
    if (sk == 1 && si != 1) return pack_along_k(src, si, n, k, width, to, dst);
    const __m256i none = _mm256_setzero_si256();
    for (int64_t at = 0; at < k; at += 2, dst += to.step) {
      const BF16* row = src + at * sk;
      if (si == 1) {
        prefetch_half_row(row + kPackAhead * sk, width, to);
        prefetch_half_row(row + (kPackAhead + 1) * sk, width, to);
      }
      for (int64_t i = 0; i < width; i += kWidth) {
        const int64_t left = min64(kWidth, n - i);
        Vec v = set1(0.0f);
        if (left > 0 && si == 1) {
          v = pair(bits(row + i, left), at + 1 < k ? bits(row + sk + i, left) : none);
        } else if (left > 0) {
          uint16_t low[kWidth] = {}, high[kWidth] = {};
          for (int64_t r = 0; r < left; ++r) {
            low[r] = row[(i + r) * si].bits;
            if (at + 1 < k) high[r] = row[(i + r) * si + sk].bits;
          }
          v = pair(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(low)),
                   _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)));
        }
        store(dst + i / kWidth * to.vec, v);
      }
    }
  }

  // Lanes are rows whose pairs lie side by side.
  static void pack_along_k(const BF16* src, int64_t si, int64_t n, int64_t k, int64_t width,
                           Lanes to, float* dst) {
    for (int64_t i = 0; i < width; i += kWidth) {
      const int64_t rows = max64(0, min64(kWidth, n - i));
      for (int64_t at = 0; at < k; at += 2 * kWidth) {
        const int64_t left = min64(2 * kWidth, k - at);
        const __mmask32 some = some_of(left);
        Vec t[kWidth];
        for (int64_t r = 0; r < kWidth; ++r) {
          t[r].v =
              r < rows
                  ? _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(some, src + (i + r) * si + at))
                  : _mm512_setzero_ps();
        }
        transpose(t);
        float* panel = dst + i / kWidth * to.vec + at / 2 * to.step;
        for (int64_t j = 0; j < words(left); ++j) store(panel + j * to.step, t[j]);
      }
    }
  }

  // A row of k steps, which lie side by side.
  static void copy(const BF16* src, int64_t k, float* dst) {
    for (int64_t at = 0; at < k; at += 2 * kWidth, dst += kWidth) {
      const __m512i v = _mm512_maskz_loadu_epi16(some_of(k - at), src + at);
      store_tail(dst, {_mm512_castsi512_ps(v)}, min64(kWidth, words(k - at)));
    }
  }

  template <class WalkA, class WalkB>
  static void tile(int64_t r, int64_t vecs, int64_t k, const float* const* rows, WalkA a,
                   const float* b, WalkB walk, const TileOut& out) {
    run_dot_tile(r, vecs, k, rows, a, b, walk, out);
  }
};

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
#endif

namespace pydl {
namespace PYDL_ISA {
namespace {

// run_tile of floats, or of words of two bfloat16.
template <class WalkA, class WalkB>
inline void run_tile_of(bool words, int64_t r, int64_t vecs, int64_t k, const float* const* rows,
                        WalkA walk_a, const float* b, WalkB walk_b, const TileOut& out) {
#if defined(PYDL_HAS_DOT)
  if (words) return run_dot_tile(r, vecs, k, rows, walk_a, b, walk_b, out);
#else
  static_cast<void>(words);
#endif
  run_tile(r, vecs, k, rows, walk_a, b, walk_b, out);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

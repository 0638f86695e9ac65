// Max pooling by windows of 2 x 2 side by side, the pooling of most networks: whole vectors of both
// rows are loaded and taken apart, and backward writes whole rows instead of scattering.
#pragma once
#include "core/args/pool.h"
#include "cpu/pairs.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Whether `max_pool` is that. Offsets of winners are whole numbers in floats: below 2^24.
inline bool is_2x2(const PoolArgs& a) {
  return a.KH == 2 && a.KW == 2 && a.stride_h == 2 && a.stride_w == 2 && a.dil_h == 1 &&
         a.dil_w == 1 && a.pad_h == 0 && a.pad_w == 0 && a.OH == a.H / 2 && a.OW == a.W / 2 &&
         a.W < (1 << 22);
}

inline Vec every_second() {  // where the windows of all lanes begin
  static const float kTwice[16] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  return load(kTwice);
}

// n <= kWidth windows from two rows, x and x + W; `first` is h * W + w of lane 0.
template <bool kIndices>
__attribute__((always_inline)) inline void max_2x2(const float* x, int64_t W, int64_t first,
                                                   int64_t n, float* y, int32_t* index) {
  Vec best, v[3];
  take_apart(load_pairs(x, n), &best, &v[0]);
  take_apart(load_pairs(x + W, n), &v[1], &v[2]);
  Vec offset = every_second();
  const Vec lane = offset, below = set1(static_cast<float>(W)), one = set1(1.0f);
  const Vec tap[3] = {lane + one, lane + below, lane + (below + one)};
  for (int k = 0; k < 3; ++k) {
    const Mask wins = (v[k] > best) | is_nan(v[k]);
    best = select(wins, v[k], best);
    if (kIndices) offset = select(wins, tap[k], offset);
  }
  store_tail(y, best, n);
  if (kIndices) store_int(index, offset, static_cast<int32_t>(first), n);
}

// Output row `oh` of one plane; `room`: outputs from this row on that may be written. A row shorter
// than a vector is computed as a whole one where there is room: what is too much is written over by
// the next row. (Masked stores are slow.)
template <bool kIndices>
inline void max_row_2x2(const PoolArgs& a, const float* plane, int64_t oh, int64_t room, float* y,
                        int32_t* index) {
  const int64_t row = 2 * oh * a.W;
  for (int64_t ow = 0; ow < a.OW && a.OW >= kWidth; ow += kWidth) {
    const int64_t i = min64(ow, a.OW - kWidth), at = row + 2 * i;
    max_2x2<kIndices>(plane + at, a.W, at, kWidth, y + i, index + i);
  }
  if (a.OW >= kWidth) return;
  if (room >= kWidth && row + a.W + 2 * kWidth <= a.H * a.W) {
    max_2x2<kIndices>(plane + row, a.W, row, kWidth, y, index);
  } else {
    max_2x2<kIndices>(plane + row, a.W, row, a.OW, y, index);
  }
}

// gx of n windows: rows gx and gx + W. False where one of the first `used` winners lies outside of
// its window.
__attribute__((always_inline)) inline bool spread_2x2(const float* gy, const int32_t* index,
                                                      int64_t W, int64_t first, int64_t n,
                                                      int64_t used, float* gx) {
  const Vec g = load_tail(gy, n), zero = set1(0.0f), lane = every_second();
  const Vec at = load_offsets(index, static_cast<int32_t>(first), n) - lane;
  const Vec below = set1(static_cast<float>(W)), one = set1(1.0f);
  const Mask m0 = at == zero, m1 = at == one, m2 = at == below, m3 = at == below + one;
  store_pairs(gx, put_together(select(m0, g, zero), select(m1, g, zero)), n);
  store_pairs(gx + W, put_together(select(m2, g, zero), select(m3, g, zero)), n);
  const Mask counts = lane < set1(static_cast<float>(2 * used));
  return !any(counts & !((m0 | m1) | (m2 | m3)));
}

// A plane of gx, if H x W is pooled to its half and every winner lies in its window. Otherwise
// false, and the caller scatters: indices say nothing of the windows that they come from.
inline bool spread_plane_2x2(const PoolArgs& a, const float* gy, const int32_t* index, float* gx) {
  if (a.OH != a.H / 2 || a.OW != a.W / 2 || a.W >= (1 << 22)) return false;
  for (int64_t oh = 0; oh < a.OH; ++oh, gy += a.OW, index += a.OW) {
    const int64_t row = 2 * oh * a.W;
    bool inside = true;
    for (int64_t ow = 0; ow < a.OW && a.OW >= kWidth; ow += kWidth) {
      const int64_t i = min64(ow, a.OW - kWidth), at = row + 2 * i;
      inside &= spread_2x2(gy + i, index + i, a.W, at, kWidth, kWidth, gx + at);
    }
    if (a.OW < kWidth) {  // as in max_row_2x2
      const bool room = row + a.W + 2 * kWidth <= a.H * a.W && (a.OH - oh) * a.OW >= kWidth;
      inside = room ? spread_2x2(gy, index, a.W, row, kWidth, a.OW, gx + row)
                    : spread_2x2(gy, index, a.W, row, a.OW, a.OW, gx + row);
    }
    if (!inside) return false;
    if (a.W % 2 != 0) gx[row + a.W - 1] = gx[row + 2 * a.W - 1] = 0.0f;
  }
  for (int64_t i = 2 * a.OH * a.W; i < a.H * a.W; ++i) gx[i] = 0.0f;
  return true;
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

// Pooling by windows of 2 x 2 side by side, the pooling of most networks: whole vectors of both
// rows are loaded and taken apart, and backward writes whole rows instead of scattering. T, the
// elements of x and y, is float, F16 or BF16.
#pragma once
#include "core/args/pool.h"
#include "cpu/halves.h"
#include "cpu/pairs.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// Whether windows are such. Offsets of winners are whole numbers in floats: below 2^24.
inline bool is_2x2(const PoolArgs& a) {
  return a.KH == 2 && a.KW == 2 && a.stride_h == 2 && a.stride_w == 2 && a.dil_h <= 1 &&
         a.dil_w <= 1 && a.pad_h == 0 && a.pad_w == 0 && a.OH == a.H / 2 && a.OW == a.W / 2 &&
         a.W < (1 << 22);
}

inline Vec every_second() {  // where the windows of all lanes begin
  static const float kTwice[16] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
  return load(kTwice);
}

// n <= kWidth windows from two rows, x and x + W; `first` is h * W + w of lane 0.
template <bool kIndices, class T>
__attribute__((always_inline)) inline void max_2x2(const T* x, int64_t W, int64_t first, int64_t n,
                                                   T* y, int32_t* index) {
  Vec best, v[3];
  load_apart(x, n, &best, &v[0]);
  load_apart(x + W, n, &v[1], &v[2]);
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

template <class T>
__attribute__((always_inline)) inline void average_2x2(const T* x, int64_t W, Vec divisor,
                                                       int64_t n, T* y) {
  Vec v[4];
  load_apart(x, n, &v[0], &v[1]);
  load_apart(x + W, n, &v[2], &v[3]);
  store_tail(y, (((v[0] + v[1]) + v[2]) + v[3]) / divisor, n);
}

// Calls window(at, i, n) for outputs [i, i + n) of output row `oh` of a plane, whose windows begin
// at `at` of its inputs; `room`: outputs from this row on that may be touched. A row shorter than a
// vector is computed as a whole one where there is room: what is too much is written over by the
// next row. (Masked stores are slow.)
template <class F>
__attribute__((always_inline)) inline void row_2x2(const PoolArgs& a, int64_t oh, int64_t room,
                                                   F window) {
  const int64_t row = 2 * oh * a.W;
  for (int64_t ow = 0; ow < a.OW && a.OW >= kWidth; ow += kWidth) {
    const int64_t i = min64(ow, a.OW - kWidth);
    window(row + 2 * i, i, kWidth);
  }
  if (a.OW >= kWidth) return;
  if (room >= kWidth && row + a.W + 2 * kWidth <= a.H * a.W) {
    window(row, 0, kWidth);
  } else {
    window(row, 0, a.OW);
  }
}

// gx of n windows: rows gx and gx + W. False where one of the first `used` winners lies outside of
// its window.
template <class T>
__attribute__((always_inline)) inline bool spread_2x2(const T* gy, const int32_t* index, int64_t W,
                                                      int64_t first, int64_t n, int64_t used,
                                                      T* gx) {
  const Vec g = load_tail(gy, n), zero = set1(0.0f), lane = every_second();
  const Vec at = load_offsets(index, static_cast<int32_t>(first), n) - lane;
  const Vec below = set1(static_cast<float>(W)), one = set1(1.0f);
  const Mask m0 = at == zero, m1 = at == one, m2 = at == below, m3 = at == below + one;
  store_together(gx, select(m0, g, zero), select(m1, g, zero), n);
  store_together(gx + W, select(m2, g, zero), select(m3, g, zero), n);
  const Mask counts = lane < set1(static_cast<float>(2 * used));
  return !any(counts & !((m0 | m1) | (m2 | m3)));
}

// Calls row(oh) for each row of outputs, which writes two rows of gx, as far as it returns true;
// then zero is what no window covers.
template <class T, class F>
__attribute__((always_inline)) inline bool plane_2x2(const PoolArgs& a, T* gx, F row) {
  for (int64_t oh = 0; oh < a.OH; ++oh) {
    if (!row(oh)) return false;
    T* end = gx + 2 * oh * a.W + a.W - 1;
    if (a.W % 2 != 0) end[0] = end[a.W] = T();
  }
  for (int64_t i = 2 * a.OH * a.W; i < a.H * a.W; ++i) gx[i] = T();
  return true;
}

// A plane of gx, if H x W is pooled to its half and every winner lies in its window. Otherwise
// false, and the caller scatters: indices say nothing of the windows that they come from.
template <class T>
inline bool spread_plane_2x2(const PoolArgs& a, const T* gy, const int32_t* index, T* gx) {
  if (a.OH != a.H / 2 || a.OW != a.W / 2 || a.W >= (1 << 22)) return false;
  return plane_2x2(a, gx, [=](int64_t oh) __attribute__((always_inline)) {
    const T* g = gy + oh * a.OW;
    const int32_t* at_row = index + oh * a.OW;
    bool inside = true;
    row_2x2(a, oh, (a.OH - oh) * a.OW,
            [&](int64_t at, int64_t i, int64_t n) __attribute__((always_inline)) {
              inside &= spread_2x2(g + i, at_row + i, a.W, at, n, min64(n, a.OW), gx + at);
            });
    return inside;
  });
}

template <class T>
inline void share_plane_2x2(const PoolArgs& a, const T* gy, Vec divisor, T* gx) {
  plane_2x2(a, gx, [=](int64_t oh) __attribute__((always_inline)) {
    row_2x2(a, oh, (a.OH - oh) * a.OW,
            [&](int64_t at, int64_t i, int64_t n) __attribute__((always_inline)) {
              const Vec share = load_tail(gy + oh * a.OW + i, n) / divisor;
              store_together(gx + at, share, share, n);
              store_together(gx + at + a.W, share, share, n);
            });
    return true;
  });
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

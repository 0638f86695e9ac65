// The corners of an input gradient once more, where tiles of Winograd's algorithm round them by
// neighbours that have four times their taps: pixels that one tap alone reaches in both dimensions.
#pragma once
#include "core/args/conv.h"
#include "cpu/conv_block.h"
#include "cpu/gemm_tile.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// A pixel that one tap takes to one pixel of gy, in one dimension.
struct SingleTap {
  int64_t in, out, tap;
};

constexpr int64_t kMaxSingleTaps = 8;
constexpr int64_t kMaxCornerDepth = 8192;  // output channels that fit into scratch

struct SingleTaps {
  SingleTap at[kMaxSingleTaps];
  int64_t count = 0;

  SingleTaps(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad) {
    for (int64_t i = 0; i < in && count < kMaxSingleTaps; ++i) {
      int64_t found = 0;
      for (int64_t k = (i + pad) % stride; k < taps; k += stride) {
        const int64_t o = (i + pad - k) / stride;
        if (i + pad < k || o >= out) continue;
        at[count] = {i, o, k};
        ++found;
      }
      count += found == 1;
    }
  }
};

struct Corners {
  Conv2dArgs a;
  SingleTaps y, x;
};

// One corner of all images, for one vector of channels.
inline void correct_corner(const void* ctx, int64_t piece, void* scratch) {
  const Corners& p = *static_cast<const Corners*>(ctx);
  const Conv2dArgs& a = p.a;
  const int64_t vecs = ceil_div(a.C, kWidth), corner = piece / vecs, c0 = piece % vecs * kWidth;
  const int64_t n = min64(kWidth, a.C - c0), taps = a.KH * a.KW, plane = a.OH * a.OW;
  const SingleTap y = p.y.at[corner / p.x.count], x = p.x.at[corner % p.x.count];
  float* sums = static_cast<float*>(scratch);
  float* w = sums + kTileRows * kWidth;
  pack_panel(a.w + c0 * taps + y.tap * a.KW + x.tap, taps, a.C * taps, n, a.O, kWidth, w);
  const Finish finish = {a.bias ? a.bias + c0 : nullptr, false};
  for (int64_t i = 0; i < a.N; i += kTileRows) {
    const int64_t r = min64(kTileRows, a.N - i);
    const float* rows[kTileRows];
    for (int64_t j = 0; j < r; ++j) rows[j] = a.gy + (i + j) * a.O * plane + y.out * a.OW + x.out;
    TileOut out;
    out.c = sums;
    out.ldc = kWidth;
    out.cols = kWidth;
    run_tile(r, 1, a.O, rows, Step{plane}, w, Step{kWidth}, out);
    store_lanes_as_rows(sums, kWidth, r, n, finish,
                        a.out + ((i * a.C + c0) * a.H + y.in) * a.W + x.in, a.H * a.W,
                        a.C * a.H * a.W);
  }
}

inline void correct_corners(const Conv2dArgs& a) {
  const Corners p = {
      a, {a.H, a.OH, a.KH, a.stride_h, a.pad_h}, {a.W, a.OW, a.KW, a.stride_w, a.pad_w}};
  parallel_for(p.y.count * p.x.count * ceil_div(a.C, kWidth), correct_corner, &p);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

// Input gradient of a convolution with every pixel of gy added where it came from, tap by tap: no
// product is made for a place outside of gy, of which small images and paddings have many, and
// strided outputs need no passes of their own.
//
// Lanes run along the input channels. A piece is an image and a panel of channels, whose sums
// [pixel][lane] stay in the cache; a tile is some neighbouring pixels of a row of gy, and its rows
// of C are the pixels that one tap takes them to.
#include "cpu/conv_scatter.h"

#include "cpu/conv_block.h"
#include "cpu/gemm_tile.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kSumFloats = 192 * 1024;  // of a piece's 256 Ki floats of scratch

int64_t lanes_of(const Conv2dArgs& a) { return Panels(a.C).vecs * kWidth; }

// Weights of one tap and panel: [panel][tap][o][lanes].
void pack_weights(const void* ctx, int64_t piece, void*) {
  const Conv2dArgs& a = *static_cast<const Conv2dArgs*>(ctx);
  const Panels panels(a.C);
  const int64_t taps = a.KH * a.KW, panel = piece / taps, tap = piece % taps;
  const int64_t c0 = panels.begin(panel) * kWidth, width = panels.width(panel) * kWidth;
  float* dst = static_cast<float*>(a.work) + (c0 * taps + tap * width) * a.O;
  pack_panel(a.w + c0 * taps + tap, taps, a.C * taps, min64(width, a.C - c0), a.O, width, dst);
}

// Pixels of gy in one dimension that a tap takes inside of the image: [begin, end).
struct Range {
  int64_t begin, end;
  Range(int64_t in, int64_t out, int64_t stride, int64_t at)  // pixel i goes to i * stride + at
      : begin(at >= 0 ? 0 : ceil_div(-at, stride)),
        end(at >= in ? 0 : min64(out, (in - 1 - at) / stride + 1)) {}
};

// One tap of an image and a panel.
void scatter_tap(const Conv2dArgs& a, const float* gy, int64_t ky, int64_t kx, int64_t width,
                 const float* w, float* sums) {
  const int64_t at_y = ky * a.dil_h - a.pad_h, at_x = kx * a.dil_w - a.pad_w;
  const Range ys(a.H, a.OH, a.stride_h, at_y), xs(a.W, a.OW, a.stride_w, at_x);
  const int64_t count = xs.end - xs.begin, tiles = ceil_div(count, kTileRows);
  for (int64_t y = ys.begin; y < ys.end; ++y) {
    for (int64_t u = 0; u < tiles; ++u) {
      const int64_t x = xs.begin + part_begin(count, tiles, u);
      const int64_t r = xs.begin + part_begin(count, tiles, u + 1) - x;
      const float* rows[kTileRows];
      for (int64_t i = 0; i < r; ++i) rows[i] = gy + y * a.OW + x + i;
      TileOut out;
      out.c = sums + ((y * a.stride_h + at_y) * a.W + x * a.stride_w + at_x) * width;
      out.ldc = a.stride_w * width;
      out.cols = width;
      out.add = true;
      run_tile(r, width / kWidth, a.O, rows, Step{a.OH * a.OW}, w, Step{width}, out);
    }
  }
}

void scatter_image(const void* ctx, int64_t piece, void* scratch) {
  const Conv2dArgs& a = *static_cast<const Conv2dArgs*>(ctx);
  const Panels panels(a.C);
  const int64_t n = piece / panels.count, panel = piece % panels.count;
  const int64_t c0 = panels.begin(panel) * kWidth, width = panels.width(panel) * kWidth;
  const int64_t taps = a.KH * a.KW, plane = a.H * a.W;
  const float* gy = a.gy + n * a.O * a.OH * a.OW;
  const float* w = static_cast<const float*>(a.work) + c0 * taps * a.O;
  float* sums = static_cast<float*>(scratch);
  fill_zero(sums, plane * width);
  for (int64_t tap = 0; tap < taps; ++tap) {
    scatter_tap(a, gy, tap / a.KW, tap % a.KW, width, w + tap * width * a.O, sums);
  }
  const Finish finish = {a.bias ? a.bias + c0 : nullptr, false};
  store_lanes_as_rows(sums, width, plane, min64(width, a.C - c0), finish,
                      a.out + (n * a.C + c0) * plane, plane, 1);
}

}  // namespace

// NOTE: a tile sums over the output channels alone, and few of them do not repay its write-back.
bool scatter_fits(const Conv2dArgs& a) {
  if (a.groups != 1 || a.C < 12 || a.O < 32 || a.OW < 4 || a.N < 8) return false;
  if (a.H * a.W * min64(lanes_of(a), kTileCols) > kSumFloats) return false;
  const double made = static_cast<double>(a.H * a.W), needed = static_cast<double>(a.OH * a.OW);
  const double strides = static_cast<double>(a.stride_h * a.stride_w);
  return strides > 1.0 || made > 1.15 * needed;
}

void scatter_grad_input(const Conv2dArgs& a) {
  if (a.N * a.C * a.H * a.W <= 0) return;
  const int64_t panels = Panels(a.C).count;
  parallel_for(panels * a.KH * a.KW, pack_weights, &a);
  parallel_for(a.N * panels, scatter_image, &a);
}

int64_t scatter_grad_input_work(const Conv2dArgs& a) { return lanes_of(a) * a.KH * a.KW * a.O * 4; }

}  // namespace PYDL_ISA
}  // namespace pydl

// Weight gradient of a convolution as implicit GEMM with the pixels of all images as its long
// dimension: cut into a fixed number of chunks whose partial sums are added in order.
//
// The roles of cpu/conv.cc turned: lanes are output channels (gy, transposed while packing), rows
// are weight elements, and a row's value at a pixel is broadcast from where it lies in the image.
#include "core/args/conv.h"
#include "cpu/conv_block.h"
#include "cpu/conv_depthwise.h"
#include "cpu/conv_dots.h"
#include "cpu/conv_half.h"
#include "cpu/conv_pass.h"
#include "cpu/conv_whole.h"
#include "cpu/conv_winograd.h"
#include "cpu/gemm_dot.h"
#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kBlockPixels = 768;
constexpr int64_t kBlockDepth = 576;
constexpr int64_t kSumRows = 64;
constexpr double kPieceFlops = 8e6;

struct ChannelsPass {
  Conv2dArgs a;
  Grid g;
  int64_t M, chunks, panels_per_piece;
  float* partial;   // [chunk][group][panel][k][lanes]
  int64_t* offset;  // of k in the source

  int64_t lanes() const { return Panels(M).vecs * kWidth; }
  int64_t partial_floats() const { return a.groups * lanes() * g.k(); }
};

int64_t plan(const Conv2dArgs& a, ChannelsPass* p) {
  p->a = a;
  Grid& g = p->g;
  g.y = forward_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h);
  g.x = forward_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w);
  g.N = a.N;
  g.CI = a.C / a.groups;
  p->M = a.O / a.groups;
  if (a.N * a.OH * a.OW * a.O * g.k() <= 0) return 0;
  cut_grid(&g, a.C * a.H * a.W, kBlockPixels, kBlockDepth, false);
  const double flops = 2.0 * static_cast<double>(a.N * a.OH * a.OW) * static_cast<double>(a.O) *
                       static_cast<double>(g.k());
  const int64_t want =
      static_cast<int64_t>(flops / kPieceFlops < 32.0 ? flops / kPieceFlops : 32.0);
  // What is staged is used for several panels of channels.
  const int64_t panels = Panels(p->M).count;
  p->panels_per_piece = g.source == Source::kImage ? 1 : even(panels, 8);
  const int64_t cells = a.groups * ceil_div(panels, p->panels_per_piece) * g.k_blocks();
  p->chunks = max64(1, min64(g.blocks(), ceil_div(want, cells)));
  p->offset = static_cast<int64_t*>(a.work);
  p->partial = reinterpret_cast<float*>(p->offset + g.k_block());
  return g.k_block() * 8 + p->chunks * p->partial_floats() * 4;
}

// gy of one panel of channels of a block of pixels: dst[pixel][lane].
void pack_gy(const ChannelsPass& p, const Block& t, int64_t o, int64_t n, int64_t width,
             float* dst) {
  const Conv2dArgs& a = p.a;
  const int64_t plane = a.OH * a.OW;
  const bool whole = t.cols == a.OW;
  const int64_t rows = whole ? 1 : t.rows, length = whole ? t.rows * t.cols : t.cols;
  for (int64_t r = 0; r < t.images * rows; ++r, dst += length * width) {
    const float* src =
        a.gy + ((t.n0 + r / rows) * a.O + o) * plane + (t.i0 + r % rows) * a.OW + t.j0;
    pack_panel(src, plane, 1, n, length, width, dst);
  }
}

// What a piece computes: some blocks of pixels, some panels of a group's output channels, one k
// block of weight elements.
struct Cell {
  int64_t group, panel0, panel1, b, chunk;
};

Cell cell_of(const ChannelsPass& p, int64_t piece) {
  const int64_t count = Panels(p.M).count, parts = ceil_div(count, p.panels_per_piece);
  const int64_t blocks = p.g.k_blocks(), part = piece / blocks % parts;
  return {piece / (blocks * parts) % p.a.groups, part_begin(count, parts, part),
          part_begin(count, parts, part + 1), piece % blocks,
          piece / (blocks * parts * p.a.groups)};
}

// sums[k][lane] (+)= x at the pixels of a block * gy.
void multiply_panel(const ChannelsPass& p, int64_t kc, int64_t pixels, const int64_t* pixel,
                    const float* x, int64_t vecs, const float* gy, bool add, float* sums) {
  const int64_t tiles = ceil_div(kc, kTileRows), width = vecs * kWidth;
  for (int64_t u = 0; u < tiles; ++u) {
    const int64_t k = part_begin(kc, tiles, u), r = part_begin(kc, tiles, u + 1) - k;
    const float* rows[kTileRows];
    for (int64_t q = 0; q < r; ++q) rows[q] = x + p.offset[k + q];
    TileOut out;
    out.c = sums + k * width;
    out.ldc = width;
    out.cols = width;
    out.add = add;
    run_tile_of(p.a.words != 0, r, vecs, pixels, rows, Table{pixel}, gy, Step{width}, out);
  }
}

void accumulate(const void* ctx, int64_t piece, void* scratch) {
  const ChannelsPass& p = *static_cast<const ChannelsPass*>(ctx);
  const Grid& g = p.g;
  const Cell c = cell_of(p, piece);
  const Panels panels(p.M);
  const int64_t k0 = g.k_begin(c.b), kc = g.k_begin(c.b + 1) - k0;
  int64_t* pixel = static_cast<int64_t*>(scratch);
  float* gy = reinterpret_cast<float*>(pixel + kBlockPixels);
  float* staged = gy + kBlockPixels * kTileCols;
  float* partial = p.partial + c.chunk * p.partial_floats() + c.group * p.lanes() * g.k();
  const float* x = p.a.x + c.group * g.CI * p.a.H * p.a.W;
  const int64_t begin = part_begin(g.blocks(), p.chunks, c.chunk);
  const int64_t end = part_begin(g.blocks(), p.chunks, c.chunk + 1);
  for (int64_t i = begin; i < end; ++i) {
    const Block t = g.block(i);
    pixel_offsets(g, t, pixel);
    const float* base = stage(g, t, x, p.a.C * p.a.H * p.a.W, c.b, staged);
    for (int64_t panel = c.panel0; panel < c.panel1; ++panel) {
      const int64_t m0 = panels.begin(panel) * kWidth, vecs = panels.width(panel);
      const int64_t width = vecs * kWidth;
      pack_gy(p, t, c.group * p.M + m0, min64(width, p.M - m0), width, gy);
      multiply_panel(p, kc, t.pixels(), pixel, base, vecs, gy, i > begin,
                     partial + m0 * g.k() + k0 * width);
    }
  }
}

// gw of some weight elements of one panel: the chunks added in order, then transposed.
void sum_chunks(const void* ctx, int64_t piece, void* scratch) {
  const ChannelsPass& p = *static_cast<const ChannelsPass*>(ctx);
  const Panels panels(p.M);
  const int64_t k = p.g.k(), blocks = ceil_div(k, kSumRows);
  const int64_t panel = piece / blocks % panels.count, group = piece / (blocks * panels.count);
  const int64_t k0 = piece % blocks * kSumRows, kc = min64(kSumRows, k - k0);
  const int64_t m0 = panels.begin(panel) * kWidth, width = panels.width(panel) * kWidth;
  const float* src = p.partial + (group * p.lanes() + m0) * k + k0 * width;
  float* sums = static_cast<float*>(scratch);
  for (int64_t i = 0; i < kc * width; i += kWidth) {
    Vec sum = load(src + i);
    for (int64_t c = 1; c < p.chunks; ++c) sum = sum + load(src + c * p.partial_floats() + i);
    store(sums + i, sum);
  }
  store_lanes_as_rows(sums, width, kc, min64(width, p.M - m0), Finish{nullptr, false},
                      p.a.out + (group * p.M + m0) * k + k0, k, 1);
}

}  // namespace

void conv2d_grad_weight(const Conv2dArgs& a) {
  if (covers_image(a)) return gemm(whole_grad_weight(a));
  if (is_half(a.dtype)) return half_grad_weight(a);
  if (is_depthwise(a)) return depthwise_grad_weight(a);
  if (a.words == 0) {
    if (winograd_fits(a, false)) return winograd_grad_weight(a);
    if (dots_fit(a)) return dots_grad_weight(a);
  }
  ChannelsPass p = {};
  if (plan(a, &p) == 0) {
    const int64_t n = a.O * p.g.k();
    if (n > 0) memset(a.out, 0, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  k_offsets(p.g, p.offset);
  const int64_t panels = Panels(p.M).count, parts = ceil_div(panels, p.panels_per_piece);
  parallel_for(p.chunks * a.groups * parts * p.g.k_blocks(), accumulate, &p);
  parallel_for(a.groups * panels * ceil_div(p.g.k(), kSumRows), sum_chunks, &p);
}

int64_t conv2d_grad_weight_work(const Conv2dArgs& a) {
  if (covers_image(a)) return gemm_work(whole_grad_weight(a));
  if (is_half(a.dtype)) return half_grad_weight_work(a);
  if (is_depthwise(a)) return depthwise_grad_weight_work(a);
  if (a.words == 0) {
    if (winograd_fits(a, false)) return winograd_grad_weight_work(a);
    if (dots_fit(a)) return dots_grad_weight_work(a);
  }
  ChannelsPass p = {};
  return plan(a, &p);
}

}  // namespace PYDL_ISA
}  // namespace pydl

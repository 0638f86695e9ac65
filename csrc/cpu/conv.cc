// Convolution forward and input gradient as implicit GEMM: im2col is a table of offsets, never an
// array. Not the weight gradient (conv_grad_weight.cc).
//
// Lanes run along the channels of the output where there are enough of them: the packed weights
// are the B of the micro-kernel and the pixels are broadcast from where they lie. Where channels
// are few, lanes run along pixels (conv_pixels.h).
// Source: Chetlur et al., cuDNN (2014), implicit GEMM.
#include "core/args/conv.h"

#include "cpu/conv_columns.h"
#include "cpu/conv_depthwise.h"
#include "cpu/conv_half.h"
#include "cpu/conv_pass.h"
#include "cpu/conv_pixels.h"
#include "cpu/conv_scatter.h"
#include "cpu/conv_whole.h"
#include "cpu/conv_winograd.h"
#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kBlockPixels = 768;
constexpr int64_t kBlockDepth = 640;
constexpr int64_t kFlatPixels = 2048;
constexpr int64_t kFewOutputs = 8;  // channels that leave lanes or accumulators empty
constexpr int64_t kSumFloats = 96 * 1024;
constexpr int64_t kPackChannels = 16;  // of a piece that packs weights

// The rest of a pass follows from its axes. Returns its workspace in bytes.
int64_t plan(const Conv2dArgs& a, Pass* p) {
  Grid& g = p->g;
  g.N = a.N;
  p->KW = a.KW;
  p->w = a.w;
  p->x_group = g.CI * g.y.in * g.x.in;
  p->x_image = p->groups * p->x_group;
  p->out = a.out;
  p->out_pitch = g.x.out;
  p->out_plane = g.y.out * g.x.out;
  p->out_group = p->M * p->out_plane;
  p->out_image = p->groups * p->out_group;
  if (g.N * g.y.grid * g.x.grid * p->groups * p->M <= 0) return 0;
  const int64_t k = g.k();
  p->offset = static_cast<int64_t*>(a.work);
  p->w_offset = p->offset + k;
  p->lanes_are_pixels = (p->M <= kFewOutputs || k < 32) && cut_flat(&g, kFlatPixels);
  if (p->lanes_are_pixels) return 2 * k * 8;
  // What is staged is used for as many panels of channels as there is room for sums.
  const int64_t panels = Panels(p->M).count;
  p->panels_per_piece = g.y.inside() && g.x.inside() ? 1 : even(panels, 10);
  int64_t pixels = min64(kBlockPixels, kSumFloats / (p->panels_per_piece * kTileCols));
  pixels = min64(pixels, max64(96, g.N * g.y.grid * g.x.grid / 8));
  const int64_t places = g.y.grid * g.x.grid;
  if (places * kTileRows <= kBlockPixels && g.N >= kTileRows && g.border() > kWorthPlaces) {
    const int64_t images = kTileRows;  // a tile of each place
    pixels = images * places;
    int64_t most = max64(1, min64(10, kSumFloats / (pixels * kTileCols)));
    while (most > 1 && ceil_div(g.N, images) * ceil_div(panels, most) < 8) --most;
    p->panels_per_piece = even(panels, most);
  }
  cut_grid(&g, p->x_image, pixels, kBlockDepth, true);
  const int64_t offsets = (g.by_place ? 1 + 3 * places : 1) * g.k_block();
  p->places = p->offset + g.k_block();
  p->packed = reinterpret_cast<float*>(p->offset + offsets);
  return offsets * 8 + p->groups * p->lanes() * k * 4;
}

// Weights of a few input channels of one panel: [k][lanes].
void pack_weights(const void* ctx, int64_t piece, void*) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const Panels panels(p.M);
  const int64_t blocks = ceil_div(p.g.CI, kPackChannels);
  const int64_t group = piece / (panels.count * blocks), panel = piece / blocks % panels.count;
  const int64_t c0 = piece % blocks * kPackChannels, c1 = min64(p.g.CI, c0 + kPackChannels);
  const int64_t m0 = panels.begin(panel) * kWidth, width = panels.width(panel) * kWidth;
  const int64_t n = min64(width, p.M - m0), taps = p.g.taps();
  const float* w = p.w + group * p.w_group + m0 * p.w_m;
  float* dst = p.packed + group * p.lanes() * p.g.k() + m0 * p.g.k();
  if (p.plain()) {
    pack_panel(w + c0 * p.w_c, p.w_m, 1, n, (c1 - c0) * taps, width, dst + c0 * taps * width);
    return;
  }
  for (int64_t k = c0 * taps; k < c1 * taps; ++k) {
    pack_panel(w + p.weight_offset(k), p.w_m, 0, n, 1, width, dst + k * width);
  }
}

// Output rows of a block that follow each other without a gap are one run.
template <class Fn>
void for_runs(const Pass& p, const Block& t, Fn fn) {
  const Grid& g = p.g;
  const bool whole = t.cols == g.x.out && g.x.out_step == 1 && g.y.out_step == 1;
  const int64_t rows = whole ? 1 : t.rows, length = whole ? t.rows * t.cols : t.cols;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      fn((n * rows + i) * length, length, row_of_output(p, t, n, i));
    }
  }
}

// What a piece computes: a block of pixels by some panels of a group's output channels.
struct Cell {
  Block t;
  int64_t group, panel0, panel1;
};

Cell cell_of(const Pass& p, int64_t piece) {
  const int64_t count = Panels(p.M).count, parts = ceil_div(count, p.panels_per_piece);
  const int64_t part = piece % parts;
  return {p.g.block(piece / (parts * p.groups)), piece / parts % p.groups,
          part_begin(count, parts, part), part_begin(count, parts, part + 1)};
}

// Some rows of pixels by one panel of weights, over the elements of k that the walks name.
template <class WalkA, class WalkB>
void multiply_tiles(const Pass& p, bool add, int64_t pixels, const int64_t* pixel, int64_t step,
                    const float* x, int64_t vecs, int64_t kc, WalkA walk_a, const float* w,
                    WalkB walk_b, float* sums) {
  const int64_t width = vecs * kWidth, tiles = ceil_div(pixels, kTileRows);
  for (int64_t u = 0; u < tiles; ++u) {
    const int64_t q = part_begin(pixels, tiles, u), r = part_begin(pixels, tiles, u + 1) - q;
    const float* rows[kTileRows];
    for (int64_t i = 0; i < r; ++i) rows[i] = x + pixel[(q + i) * step];
    TileOut out;
    out.c = sums + q * step * width;
    out.ldc = step * width;
    out.cols = width;
    out.add = add;
    run_tile_of(p.words, r, vecs, kc, rows, walk_a, w, walk_b, out);
  }
}

// The elements of k of a place that lie inside the image: where in the source, and where in the
// weights of a panel of the one and of the other width. Rows of k_block().
int64_t* place_list(const Pass& p, int64_t place, int64_t which) {
  return p.places + (place * 3 + which) * p.g.k_block();
}

void list_place(const void* ctx, int64_t place, void*) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const Grid& g = p.g;
  const Taps t = g.taps_inside(place);
  const Panels panels(p.M);
  const int64_t narrow = panels.vecs / panels.count * kWidth;
  int64_t* source = place_list(p, place, 0);
  int64_t* weight = place_list(p, place, 1);
  int64_t* wider = place_list(p, place, 2);
  for (int64_t c = 0; c < g.depth; ++c) {
    for (int64_t y = t.y0; y < t.y1; ++y) {
      for (int64_t x = t.x0; x < t.x1; ++x) {
        const int64_t k = (c * g.y.taps + y) * g.x.taps + x;
        *source++ = p.offset[k];
        *weight++ = k * narrow;
        *wider++ = k * (narrow + kWidth);
      }
    }
  }
}

// One k block of one panel: sums[pixel][lane] (+)= pixels * weights.
void multiply_panel(const Pass& p, int64_t b, const Block& t, const int64_t* pixel, const float* x,
                    int64_t vecs, const float* w, float* sums) {
  const Grid& g = p.g;
  const int64_t k0 = g.k_begin(b), kc = g.k_begin(b + 1) - k0, width = vecs * kWidth;
  w += k0 * width;
  if (!g.by_place) {
    return multiply_tiles(p, b > 0, t.pixels(), pixel, 1, x, vecs, kc, Table{p.offset}, w,
                          Step{width}, sums);
  }
  const Panels panels(p.M);
  const int64_t places = t.rows * t.cols, channels = kc / g.taps();
  const int64_t which = vecs == panels.vecs / panels.count ? 1 : 2;
  for (int64_t i = 0; i < places; ++i) {
    multiply_tiles(p, b > 0, t.images, pixel + i, places, x, vecs,
                   channels * g.taps_inside(i).count(), Table{place_list(p, i, 0)}, w,
                   Table{place_list(p, i, which)}, sums + i * width);
  }
}

void store_panel(const Pass& p, const Cell& c, int64_t m0, int64_t width, const float* sums) {
  const int64_t o = c.group * p.M + m0;
  const Finish finish = {p.bias ? p.bias + o : nullptr, p.relu};
  for_runs(p, c.t, [&](int64_t q, int64_t length, int64_t at) {
    store_lanes_as_rows(sums + q * width, width, length, min64(width, p.M - m0), finish,
                        p.out + at + o * p.out_plane, p.out_plane, p.g.x.out_step);
  });
}

// Lanes along channels; the sums are [panel][pixel][lane] until the end.
void correlate_channels(const void* ctx, int64_t piece, void* scratch) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const Cell c = cell_of(p, piece);
  const Panels panels(p.M);
  const int64_t pixels = c.t.pixels();
  const float* w = p.packed + c.group * p.lanes() * p.g.k();
  int64_t* pixel = static_cast<int64_t*>(scratch);
  float* sums = reinterpret_cast<float*>(pixel + kBlockPixels);
  float* staged = sums + kSumFloats;
  pixel_offsets(p.g, c.t, pixel);
  const int64_t begin = panels.begin(c.panel0) * kWidth;
  for (int64_t b = 0; b < p.g.k_blocks(); ++b) {
    const float* x = stage(p.g, c.t, p.x + c.group * p.x_group, p.x_image, b, staged);
    for (int64_t i = c.panel0; i < c.panel1; ++i) {
      const int64_t m0 = panels.begin(i) * kWidth;
      multiply_panel(p, b, c.t, pixel, x, panels.width(i), w + m0 * p.g.k(),
                     sums + (m0 - begin) * pixels);
    }
  }
  for (int64_t i = c.panel0; i < c.panel1; ++i) {
    const int64_t m0 = panels.begin(i) * kWidth;
    store_panel(p, c, m0, panels.width(i) * kWidth, sums + (m0 - begin) * pixels);
  }
}

void correlate(const Pass& p) {
  const Grid& g = p.g;
  if (g.N * g.y.grid * g.x.grid * p.groups * p.M <= 0) return;
  if (p.lanes_are_pixels) {
    for (int64_t k = 0; k < g.k(); ++k) p.w_offset[k] = p.weight_offset(k);
    flat_offsets(g, p.offset);
    parallel_for(ceil_div(g.blocks() * p.groups, flat_per_piece(p)), correlate_pixels, &p);
    return;
  }
  const int64_t panels = Panels(p.M).count;
  k_offsets(g, p.offset);
  if (g.by_place) parallel_for(g.y.grid * g.x.grid, list_place, &p);
  parallel_for(p.groups * panels * ceil_div(g.CI, kPackChannels), pack_weights, &p);
  parallel_for(g.blocks() * p.groups * ceil_div(panels, p.panels_per_piece), correlate_channels,
               &p);
}

// NOTE: the bias of a half input gradient is added before it is rounded.
bool whole_product(const Conv2dArgs& a) {
  return covers_image(a) && !(is_half(a.dtype) && a.bias != nullptr);
}

}  // namespace

void conv2d(const Conv2dArgs& a) {
  if (covers_image(a)) return gemm(whole_forward(a));
  if (is_pointwise(a, a.O, a.C)) return gemm(pointwise_forward(a));
  if (is_half(a.dtype)) return half_forward(a);
  if (is_depthwise(a)) return depthwise_forward(a);
  if (a.words == 0 && winograd_fits(a, false)) return winograd_forward(a);
  Pass p = forward_pass(a);
  plan(a, &p);
  correlate(p);
}

int64_t conv2d_work(const Conv2dArgs& a) {
  if (covers_image(a)) return gemm_work(whole_forward(a));
  if (is_pointwise(a, a.O, a.C)) return gemm_work(pointwise_forward(a));
  if (is_half(a.dtype)) return half_forward_work(a);
  if (is_depthwise(a)) return 0;
  if (a.words == 0 && winograd_fits(a, false)) return winograd_forward_work(a);
  Pass p = forward_pass(a);
  return plan(a, &p);
}

void conv2d_grad_input(const Conv2dArgs& a) {
  if (whole_product(a)) return whole_grad_input(a);
  if (is_pointwise(a, a.C, a.O)) return gemm(pointwise_grad_input(a));
  if (is_half(a.dtype)) return half_grad_input(a);
  if (is_depthwise(a)) return depthwise_grad_input(a);
  if (columns_fit(a)) return columns_grad_input(a);
  if (a.words == 0) {
    if (winograd_fits(a, true)) return winograd_grad_input(a);
    if (scatter_fits(a)) return scatter_grad_input(a);
  }
  for (int64_t y = 0; y < a.stride_h; ++y) {
    for (int64_t x = 0; x < a.stride_w; ++x) {
      Pass p = grad_input_pass(a, y, x);
      plan(a, &p);
      correlate(p);
    }
  }
}

int64_t conv2d_grad_input_work(const Conv2dArgs& a) {
  if (whole_product(a)) return gemm_work(whole_grad_input_product(a));
  if (is_pointwise(a, a.C, a.O)) return gemm_work(pointwise_grad_input(a));
  if (is_half(a.dtype)) return half_grad_input_work(a);
  if (is_depthwise(a)) return 0;
  if (columns_fit(a)) return 0;
  if (a.words == 0) {
    if (winograd_fits(a, true)) return winograd_grad_input_work(a);
    if (scatter_fits(a)) return scatter_grad_input_work(a);
  }
  int64_t bytes = 0;
  for (int64_t y = 0; y < a.stride_h; ++y) {
    for (int64_t x = 0; x < a.stride_w; ++x) {
      Pass p = grad_input_pass(a, y, x);
      bytes = max64(bytes, plan(a, &p));
    }
  }
  return bytes;
}

}  // namespace PYDL_ISA
}  // namespace pydl

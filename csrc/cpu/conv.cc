// Convolution forward and input gradient as implicit GEMM: im2col is a table of offsets, never an
// array. Not the weight gradient (conv_grad_weight.cc).
//
// Lanes run along the channels of the output where there are enough of them: the packed weights
// are the B of the micro-kernel and the pixels are broadcast from where they lie. Where channels
// are few, lanes run along pixels, which are gathered into panels. The input gradient with stride s
// is s * s correlations, one per phase of the input pixels, so that no zero is multiplied.
// Source: Chetlur et al., cuDNN (2014), implicit GEMM; Dumoulin, Visin (2016), section 4.
#include "cpu/conv_block.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kBlockPixels = 768;
constexpr int64_t kBlockDepth = 640;
constexpr int64_t kPanelRows = 64;    // output channels at a time where lanes are pixels
constexpr int64_t kPackChannels = 16;  // of a piece that packs weights

// One correlation: out (N, groups * M, ...) from x (N, groups * CI, ...). Weight of (group g,
// output m, input c, tap) is w[g * w_group + m * w_m + c * w_c + tap].
struct Pass {
  Grid g;
  int64_t groups, M, KW;
  const float* x;
  int64_t x_image, x_group;
  const float* w;
  int64_t w_group, w_m, w_c;
  const float* bias;
  bool relu;
  float* out;
  int64_t out_image, out_group, out_plane, out_pitch;
  bool lanes_are_pixels;
  float* packed;    // [group][panel][k][lanes]
  int64_t* offset;  // of k in the source, or in the weights where lanes are pixels

  int64_t lanes() const { return Panels(M).vecs * kWidth; }
  bool plain() const {  // k runs through the weights without a gap
    return g.y.kstep == 1 && g.x.kstep == 1 && g.y.k0 == 0 && g.x.k0 == 0 && w_c == g.taps() &&
           g.x.taps == KW;
  }
  int64_t weight_offset(int64_t k) const {
    const int64_t taps = g.taps(), tap = k % taps;
    const int64_t ky = g.y.k0 + tap / g.x.taps * g.y.kstep;
    return k / taps * w_c + ky * KW + g.x.k0 + tap % g.x.taps * g.x.kstep;
  }
};

Axis forward_axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dil) {
  return {in, out, out, stride, taps, -pad, dil, 0, 1, 0, 1};
}

// Input pixels with (pixel + pad) % stride == phase, as outputs of a correlation over gy: pixel
// + pad = stride * t + phase reads gy at t - u for the taps k with k * dil = stride * u + phase.
Axis phase_axis(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dil,
                int64_t phase) {
  const int64_t first = ((phase - pad) % stride + stride) % stride;
  Axis a = {out, in, first < in ? (in - 1 - first) / stride + 1 : 0, 1, 0, 0, 0, 0, 1, first,
            stride};
  int64_t k = 0, step = 1;
  while (k < taps && k * dil % stride != phase) ++k;
  while (step * dil % stride != 0) ++step;
  if (k >= taps) return a;
  a.taps = (taps - 1 - k) / step + 1;
  a.d0 = (first + pad) / stride - k * dil / stride;
  a.dstep = -(step * dil / stride);
  a.k0 = k;
  a.kstep = step;
  return a;
}

Pass forward_pass(const Conv2dArgs& a) {
  Pass p = {};
  p.g.y = forward_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h);
  p.g.x = forward_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w);
  p.groups = a.groups;
  p.M = a.O / a.groups;
  p.g.CI = a.C / a.groups;
  p.x = a.x;
  p.w_c = a.KH * a.KW;
  p.w_m = p.g.CI * p.w_c;
  p.w_group = p.M * p.w_m;
  p.bias = a.bias;
  p.relu = a.act == Act::kRelu;
  return p;
}

Pass grad_input_pass(const Conv2dArgs& a, int64_t phase_y, int64_t phase_x) {
  Pass p = {};
  p.g.y = phase_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h, phase_y);
  p.g.x = phase_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w, phase_x);
  p.groups = a.groups;
  p.M = a.C / a.groups;
  p.g.CI = a.O / a.groups;
  p.x = a.gy;
  p.w_m = a.KH * a.KW;
  p.w_c = p.M * p.w_m;
  p.w_group = p.g.CI * p.w_c;
  return p;
}

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
  p->lanes_are_pixels = p->M * 2 <= kWidth || k < 32;
  cut_grid(&g, p->x_image, kBlockPixels, kBlockDepth);
  const int64_t offsets = p->lanes_are_pixels ? k : g.k_block();
  p->offset = static_cast<int64_t*>(a.work);
  p->packed = reinterpret_cast<float*>(p->offset + offsets);
  return offsets * 8 + (p->lanes_are_pixels ? 0 : p->groups * p->lanes() * k * 4);
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
  const bool whole = t.cols == g.x.out && g.y.out_step == 1;
  const int64_t rows = whole ? 1 : t.rows, length = whole ? t.rows * t.cols : t.cols;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t y = g.y.out0 + (t.i0 + i) * g.y.out_step;
      const int64_t x = g.x.out0 + t.j0 * g.x.out_step;
      fn((n * rows + i) * length, length, (t.n0 + n) * p.out_image + y * p.out_pitch + x);
    }
  }
}

// One block of pixels by one panel of output channels; the sums are [pixel][lane] until the end.
void correlate_channels(const void* ctx, int64_t piece, void* scratch) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const Panels panels(p.M);
  const int64_t panel = piece % panels.count, group = piece / panels.count % p.groups;
  const Block t = p.g.block(piece / (panels.count * p.groups));
  const int64_t m0 = panels.begin(panel) * kWidth, vecs = panels.width(panel);
  const int64_t width = vecs * kWidth, pixels = t.pixels();
  const float* w = p.packed + (group * p.lanes() + m0) * p.g.k();
  int64_t* pixel = static_cast<int64_t*>(scratch);
  float* sums = reinterpret_cast<float*>(pixel + kBlockPixels);
  float* staged = sums + kBlockPixels * kTileCols;
  pixel_offsets(p.g, t, pixel);
  const int64_t tiles = ceil_div(pixels, kTileRows);
  for (int64_t b = 0; b < p.g.k_blocks(); ++b) {
    const int64_t k0 = p.g.k_begin(b), kc = p.g.k_begin(b + 1) - k0;
    const float* x = stage(p.g, t, p.x + group * p.x_group, p.x_image, b, staged);
    for (int64_t u = 0; u < tiles; ++u) {
      const int64_t q = part_begin(pixels, tiles, u), r = part_begin(pixels, tiles, u + 1) - q;
      const float* rows[kTileRows];
      for (int64_t i = 0; i < r; ++i) rows[i] = x + pixel[q + i];
      TileOut out;
      out.c = sums + q * width;
      out.ldc = width;
      out.cols = width;
      out.add = b > 0;
      run_tile(r, vecs, kc, rows, Table{p.offset}, w + k0 * width, width, out);
    }
  }
  const int64_t o = group * p.M + m0;
  for_runs(p, t, [&](int64_t q, int64_t length, int64_t at) {
    store_lanes_as_rows(sums + q * width, width, length, min64(width, p.M - m0),
                        Finish{p.bias ? p.bias + o : nullptr, p.relu},
                        p.out + at + o * p.out_plane, p.out_plane, p.g.x.out_step);
  });
}

// Pixels q, q + 1, ... of one output row, and where they begin in a panel.
struct Run {
  int64_t n, i, j, length, at;
};

int64_t runs_of(const Grid& g, int64_t q0, int64_t q1, Run* run) {
  int64_t count = 0;
  for (int64_t q = q0; q < q1; q += run[count++].length) {
    const int64_t j = q % g.x.grid;
    run[count] = {q / (g.x.grid * g.y.grid), q / g.x.grid % g.y.grid, j,
                  min64(q1 - q, g.x.grid - j), q - q0};
  }
  return count;
}

void store_runs(const Pass& p, const Run* run, int64_t count, const float* sums, int64_t width,
                int64_t o, int64_t m) {
  for (int64_t c = 0; c < count; ++c) {
    const Run& t = run[c];
    const int64_t step = p.g.x.out_step;
    float* out = p.out + t.n * p.out_image + (p.g.y.out0 + t.i * p.g.y.out_step) * p.out_pitch +
                 p.g.x.out0 + t.j * step + o * p.out_plane;
    for (int64_t i = 0; i < m; ++i, out += p.out_plane) {
      const float* src = sums + i * width + t.at;
      if (step == 1) {
        copy_floats(src, t.length, out);
      } else {
        for (int64_t q = 0; q < t.length; ++q) out[q * step] = src[q];
      }
    }
  }
}

// One panel of pixels [q0, q1) by output channels [m0, m0 + m).
void correlate_panel(const Pass& p, int64_t group, int64_t q0, int64_t q1, int64_t m0, int64_t m,
                     float* scratch) {
  Run run[kTileCols];
  const int64_t count = runs_of(p.g, q0, q1, run);
  const int64_t vecs = ceil_div(q1 - q0, kWidth), width = vecs * kWidth, k = p.g.k();
  const float* x = p.x + group * p.x_group;
  float* sums = scratch;
  float* columns = scratch + kPanelRows * kTileCols;
  const int64_t tiles = ceil_div(m, kTileRows);
  for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += kBlockDepth) {
    const int64_t kc = min64(k - k0, kBlockDepth);
    for (int64_t i = 0; i < kc; ++i) {
      float* dst = columns + i * width;
      for (int64_t c = 0; c < count; ++c) {
        const Run& t = run[c];
        gather_row(p.g, x + t.n * p.x_image, k0 + i, t.i, t.j, t.length, dst + t.at);
      }
      fill_zero(dst + q1 - q0, width - (q1 - q0));
    }
    for (int64_t u = 0; u < tiles; ++u) {
      const int64_t i = part_begin(m, tiles, u), r = part_begin(m, tiles, u + 1) - i;
      const float* rows[kTileRows];
      for (int64_t s = 0; s < r; ++s) rows[s] = p.w + group * p.w_group + (m0 + i + s) * p.w_m;
      TileOut out;
      out.c = sums + i * width;
      out.ldc = width;
      out.cols = width;
      out.add = k0 > 0;
      const bool last = k0 + kc >= k;
      out.relu = last && p.relu;
      if (last && p.bias) out.row_bias = p.bias + group * p.M + m0 + i;
      run_tile(r, vecs, kc, rows, Table{p.offset + k0}, columns, width, out);
    }
  }
  store_runs(p, run, count, sums, width, group * p.M + m0, m);
}

// Panels of pixels in one piece: about a megaflop.
int64_t panels_per_piece(const Pass& p) {
  return max64(1, min64(64, 500000 / (kTileCols * p.M * max64(1, p.g.k()))));
}

void correlate_pixels(const void* ctx, int64_t piece, void* scratch) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const int64_t pixels = p.g.N * p.g.y.grid * p.g.x.grid;
  const int64_t per_piece = panels_per_piece(p) * kTileCols;
  const int64_t group = piece % p.groups, begin = piece / p.groups * per_piece;
  const int64_t end = min64(pixels, begin + per_piece);
  for (int64_t q = begin; q < end; q += kTileCols) {
    for (int64_t m0 = 0; m0 < p.M; m0 += kPanelRows) {
      correlate_panel(p, group, q, min64(end, q + kTileCols), m0, min64(kPanelRows, p.M - m0),
                      static_cast<float*>(scratch));
    }
  }
}

void correlate(const Pass& p) {
  const Grid& g = p.g;
  const int64_t pixels = g.N * g.y.grid * g.x.grid;
  if (pixels * p.groups * p.M <= 0) return;
  if (p.lanes_are_pixels) {
    for (int64_t k = 0; k < g.k(); ++k) p.offset[k] = p.weight_offset(k);
    const int64_t pieces = ceil_div(pixels, panels_per_piece(p) * kTileCols);
    parallel_for(pieces * p.groups, correlate_pixels, &p);
    return;
  }
  const int64_t panels = Panels(p.M).count;
  k_offsets(g, p.offset);
  parallel_for(p.groups * panels * ceil_div(g.CI, kPackChannels), pack_weights, &p);
  parallel_for(g.blocks() * p.groups * panels, correlate_channels, &p);
}

}  // namespace

void conv2d(const Conv2dArgs& a) {
  Pass p = forward_pass(a);
  plan(a, &p);
  correlate(p);
}

int64_t conv2d_work(const Conv2dArgs& a) {
  Pass p = forward_pass(a);
  return plan(a, &p);
}

void conv2d_grad_input(const Conv2dArgs& a) {
  for (int64_t y = 0; y < a.stride_h; ++y) {
    for (int64_t x = 0; x < a.stride_w; ++x) {
      Pass p = grad_input_pass(a, y, x);
      plan(a, &p);
      correlate(p);
    }
  }
}

int64_t conv2d_grad_input_work(const Conv2dArgs& a) {
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

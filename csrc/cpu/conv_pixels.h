// Correlation with lanes along pixels, for few output channels or little to sum (first layers,
// depthwise): weights are broadcast, and the micro-kernel reads a block of the padded image where
// it lies, row after row, so that nothing is gathered. Lanes between rows are computed for nothing.
#pragma once
#include "cpu/conv_pass.h"
#include "cpu/gemm_dot.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// A block is staged as [channel][y phase][x phase][image][row][column], where pixel row r lies in
// phase r % stride at r / stride: every tap reads consecutive floats for consecutive pixels.
inline int64_t flat_height(const Grid& g) { return g.rows + (g.y.span() - 1) / g.y.stride; }
inline int64_t flat_pitch(const Grid& g) { return g.cols + (g.x.span() - 1) / g.x.stride; }
inline int64_t flat_phase(const Grid& g) { return g.images * flat_height(g) * flat_pitch(g); }
inline int64_t flat_channel(const Grid& g) { return g.y.stride * g.x.stride * flat_phase(g); }

// Cuts the pixels into blocks whose staged channels fit into scratch; false where none does.
inline bool cut_flat(Grid* g, int64_t pixels) {
  g->cols = even(g->x.grid, pixels);
  g->rows = even(g->y.grid, max64(1, pixels / g->cols));
  const bool whole = g->cols == g->x.grid && g->rows == g->y.grid;
  g->images = whole ? even(g->N, max64(1, pixels / (g->cols * g->rows))) : 1;
  while (static_cast<double>(g->CI) * static_cast<double>(flat_channel(*g)) >
         static_cast<double>(kStageFloats)) {
    if (g->images > 1) {
      g->images = ceil_div(g->images, 2);
    } else if (g->rows > 1) {
      g->rows = ceil_div(g->rows, 2);
    } else if (g->cols > 2 * kTileCols) {
      g->cols = ceil_div(g->cols, 2);
    } else {
      return false;
    }
  }
  return true;
}

inline void flat_offsets(const Grid& g, int64_t* offset) {
  for (int64_t c = 0; c < g.CI; ++c) {
    for (int64_t ky = 0; ky < g.y.taps; ++ky) {
      const int64_t y = g.y.offset(ky) - g.y.low();
      for (int64_t kx = 0; kx < g.x.taps; ++kx) {
        const int64_t x = g.x.offset(kx) - g.x.low();
        const int64_t phase = y % g.y.stride * g.x.stride + x % g.x.stride;
        *offset++ = c * flat_channel(g) + phase * flat_phase(g) + y / g.y.stride * flat_pitch(g) +
                    x / g.x.stride;
      }
    }
  }
}

// x is at the group's first channel.
inline void stage_flat(const Grid& g, const Block& t, const float* x, int64_t x_image, float* dst) {
  const int64_t height = flat_height(g), pitch = flat_pitch(g);
  const int64_t phases = g.y.stride * g.x.stride;
  const int64_t y0 = t.i0 * g.y.stride + g.y.low(), x0 = t.j0 * g.x.stride + g.x.low();
  for (int64_t u = 0; u < g.CI * phases; ++u) {
    const float* src = x + t.n0 * x_image + u / phases * g.y.in * g.x.in;
    const int64_t dy = u % phases / g.x.stride, dx = u % g.x.stride;
    for (int64_t n = 0; n < t.images; ++n) {
      for (int64_t i = 0; i < height; ++i) {
        const int64_t y = y0 + dy + i * g.y.stride;
        const bool in = y >= 0 && y < g.y.in;
        copy_clipped(src + n * x_image + (in ? y * g.x.in : 0), in ? g.x.in : 0, x0 + dx,
                     g.x.stride, pitch, dst + u * flat_phase(g) + (n * height + i) * pitch);
      }
    }
  }
}

// Valid pixels that follow each other: where in a tile, where in the output.
struct Run {
  int64_t at, length, out;
};

// The runs within [q, q + n) of the block's flat index.
inline int64_t runs_of(const Pass& p, const Block& t, int64_t q, int64_t n, Run* run) {
  const Grid& g = p.g;
  const int64_t height = flat_height(g), pitch = flat_pitch(g);
  int64_t count = 0;
  for (int64_t at = 0; at < n;) {
    const int64_t row = (q + at) / pitch, j = (q + at) % pitch;
    const int64_t i = row % height, length = min64(n - at, t.cols - j);
    if (length > 0 && i < t.rows) {
      run[count++] = {at, length, row_of_output(p, t, row / height, i) + j * g.x.out_step};
    }
    at += pitch - j;
  }
  return count;
}

inline void store_runs(const Run* run, int64_t count, const float* sums, int64_t width,
                       int64_t rows, float* out, int64_t plane, int64_t step) {
  for (int64_t c = 0; c < count; ++c) {
    for (int64_t r = 0; r < rows; ++r) {
      const float* src = sums + r * width + run[c].at;
      float* dst = out + r * plane + run[c].out;
      if (step == 1) {
        copy_floats(src, run[c].length, dst);
      } else {
        for (int64_t i = 0; i < run[c].length; ++i) dst[i * step] = src[i];
      }
    }
  }
}

// Output channels [m, m + r) of a group, of some vectors of pixels; `out` says where they go.
inline void correlate_tile(const Pass& p, int64_t group, int64_t m, int64_t r, int64_t vecs,
                           const float* pixels, TileOut out) {
  const float* rows[kTileRows];
  for (int64_t i = 0; i < r; ++i) rows[i] = p.w + group * p.w_group + (m + i) * p.w_m;
  out.relu = p.relu;
  if (p.bias) out.row_bias = p.bias + group * p.M + m;
  run_tile_of(p.words, r, vecs, p.g.k(), rows, Table{p.w_offset}, pixels, Table{p.offset}, out);
}

// Row by row, straight to the output. The last tile begins early rather than being cut.
inline void correlate_rows(const Pass& p, const Block& t, int64_t group, const float* staged) {
  const Grid& g = p.g;
  const int64_t tiles = ceil_div(p.M, kTileRows), o = group * p.M;
  const Panels panels(t.cols);
  for (int64_t row = 0; row < t.images * t.rows; ++row) {
    const int64_t n = row / t.rows, i = row % t.rows;
    const float* pixels = staged + (n * flat_height(g) + i) * flat_pitch(g);
    float* to = p.out + o * p.out_plane + row_of_output(p, t, n, i);
    for (int64_t u = 0; u < panels.count; ++u) {
      const int64_t vecs = panels.width(u), width = vecs * kWidth;
      const int64_t q = max64(0, min64(panels.begin(u) * kWidth, t.cols - width));
      for (int64_t v = 0; v < tiles; ++v) {
        const int64_t m = part_begin(p.M, tiles, v), r = part_begin(p.M, tiles, v + 1) - m;
        TileOut out;
        out.c = to + m * p.out_plane + q;
        out.ldc = p.out_plane;
        out.cols = min64(width, t.cols - q);
        correlate_tile(p, group, m, r, vecs, pixels + q, out);
      }
    }
  }
}

// Across the ends of rows, by way of the stack.
inline void correlate_across(const Pass& p, const Block& t, int64_t group, const float* staged) {
  const Grid& g = p.g;
  const int64_t size = ((t.images - 1) * flat_height(g) + t.rows - 1) * flat_pitch(g) + t.cols;
  const int64_t tiles = ceil_div(p.M, kTileRows), o = group * p.M;
  const Panels panels(size);
  for (int64_t u = 0; u < panels.count; ++u) {
    const int64_t q = panels.begin(u) * kWidth, vecs = panels.width(u), width = vecs * kWidth;
    Run run[kTileCols];
    const int64_t count = runs_of(p, t, q, min64(width, size - q), run);
    for (int64_t v = 0; v < tiles; ++v) {
      const int64_t m = part_begin(p.M, tiles, v), r = part_begin(p.M, tiles, v + 1) - m;
      float sums[kTileRows * kTileCols];
      TileOut out;
      out.c = sums;
      out.ldc = width;
      out.cols = width;
      correlate_tile(p, group, m, r, vecs, staged + q, out);
      store_runs(run, count, sums, width, r, p.out + (o + m) * p.out_plane, p.out_plane,
                 g.x.out_step);
    }
  }
}

inline void correlate_flat(const Pass& p, const Block& t, int64_t group, float* staged) {
  const Grid& g = p.g;
  if (g.k() > 0) stage_flat(g, t, p.x + group * p.x_group, p.x_image, staged);
  // Three quarters of the lanes are more than what copies leave.
  const bool by_row = g.x.out_step == 1 && 4 * t.cols >= 3 * ceil_div(t.cols, kWidth) * kWidth;
  by_row ? correlate_rows(p, t, group, staged) : correlate_across(p, t, group, staged);
}

// Blocks in one piece: about two megaflops.
inline int64_t flat_per_piece(const Pass& p) {
  const int64_t block = p.g.images * p.g.rows * p.g.cols * p.M * max64(1, p.g.k());
  return max64(1, min64(64, 1000000 / block));
}

inline void correlate_pixels(const void* ctx, int64_t piece, void* scratch) {
  const Pass& p = *static_cast<const Pass*>(ctx);
  const int64_t per_piece = flat_per_piece(p);
  const int64_t end = min64(p.g.blocks() * p.groups, (piece + 1) * per_piece);
  for (int64_t i = piece * per_piece; i < end; ++i) {
    correlate_flat(p, p.g.block(i / p.groups), i % p.groups, static_cast<float*>(scratch));
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

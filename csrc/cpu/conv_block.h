// What the convolution kernels share: a pass over an image written as axes (which pixel reads
// which), blocks of output pixels, and the staging of the pixels that a block reads. No arithmetic.
//
// Forward and the phases of the input gradient are both correlations: pixel i of an axis reads
// positions i * stride + d(0..taps) of the input, zero where they lie outside.
#pragma once
#include <stdint.h>
#include <string.h>

#include "core/args/gemm.h"
#include "core/parallel.h"
#include "cpu/gemm_tile.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

struct Span {
  int64_t lo, hi;
};

// A rectangle of taps.
struct Taps {
  int64_t y0, y1, x0, x1;
  int64_t count() const { return (y1 - y0) * (x1 - x0); }
};

// One spatial axis. Pixel i in [0, grid) lies at out0 + i * out_step of the output; its tap t reads
// position i * stride + d0 + t * dstep of the input and kernel element k0 + t * kstep.
struct Axis {
  int64_t in, out, grid, stride, taps;
  int64_t d0, dstep, k0, kstep, out0, out_step;

  int64_t offset(int64_t t) const { return d0 + t * dstep; }
  int64_t low() const { return taps > 0 ? min64(offset(0), offset(taps - 1)) : 0; }
  int64_t span() const { return taps > 0 ? max64(offset(0), offset(taps - 1)) - low() + 1 : 1; }
  bool inside() const {  // nobody reads outside
    return low() >= 0 && (grid - 1) * stride + low() + span() <= in;
  }
  // The taps of pixel i that read the input, not the zeros around it.
  Span inside(int64_t i) const {
    const auto outside = [&](int64_t t) {
      const int64_t at = i * stride + offset(t);
      return at < 0 || at >= in;
    };
    Span s = {0, taps};
    while (s.lo < s.hi && outside(s.lo)) ++s.lo;
    while (s.hi > s.lo && outside(s.hi - 1)) --s.hi;
    return s;
  }
  double share_inside() const {  // of all taps of all pixels
    int64_t sum = 0;
    for (int64_t i = 0; i < grid; ++i) sum += inside(i).hi - inside(i).lo;
    return static_cast<double>(sum) / static_cast<double>(max64(1, grid * taps));
  }
};

// A block of output pixels: `images` x `rows` x `cols`, from image n0, row i0, column j0.
struct Block {
  int64_t n0, i0, j0, images, rows, cols;
  int64_t pixels() const { return images * rows * cols; }
};

// The pixels of a pass cut into equal-sized blocks (smaller at the ends), and how a block reads the
// input: straight from the image, from a copy with its zeros around, or from gathered columns.
enum class Source { kImage, kPadded, kColumns };

struct Grid {
  Axis y, x;
  int64_t N, CI;                // images, input channels of a group
  int64_t images, rows, cols;   // of a block
  int64_t depth;                // input channels (kColumns: taps and channels) of a k block
  int64_t pitch, plane, image;  // strides of the source in floats
  Source source;
  bool by_place;  // a tile is one pixel of several images, and leaves out the taps on the border

  int64_t taps() const { return y.taps * x.taps; }
  Taps taps_inside(int64_t place) const {
    const Span v = y.inside(place / x.grid), h = x.inside(place % x.grid);
    return {v.lo, v.hi, h.lo, h.hi};
  }
  double border() const { return 1.0 - y.share_inside() * x.share_inside(); }  // share of taps
  int64_t k() const { return CI * taps(); }
  int64_t k_block() const { return source == Source::kColumns ? depth : depth * taps(); }
  int64_t k_blocks() const {
    return max64(1, ceil_div(source == Source::kColumns ? k() : CI, max64(depth, 1)));
  }
  int64_t k_begin(int64_t b) const { return min64(k(), b * k_block()); }
  int64_t blocks() const {
    return ceil_div(N, images) * ceil_div(y.grid, rows) * ceil_div(x.grid, cols);
  }
  Block block(int64_t b) const {
    const int64_t xs = ceil_div(x.grid, cols), ys = ceil_div(y.grid, rows);
    Block t;
    t.j0 = b % xs * cols;
    t.i0 = b / xs % ys * rows;
    t.n0 = b / (xs * ys) * images;
    t.images = min64(images, N - t.n0);
    t.rows = min64(rows, y.grid - t.i0);
    t.cols = min64(cols, x.grid - t.j0);
    return t;
  }
};

constexpr int64_t kStageFloats = 96 * 1024;  // of a piece's 256 Ki floats of scratch
constexpr int64_t kPlaceImages = 4;          // rows of a tile by places
constexpr double kWorthPlaces = 0.04;        // of the taps on the border

inline int64_t even(int64_t n, int64_t most) { return ceil_div(n, ceil_div(n, most)); }

inline double padded_floats(const Grid& g) {
  return static_cast<double>(g.images * g.depth) *
         static_cast<double>((g.rows - 1) * g.y.stride + g.y.span()) *
         static_cast<double>((g.cols - 1) * g.x.stride + g.x.span());
}

// Cuts the pixels into blocks of about `pixels` and K into blocks of about `depth`, both halved
// until a padded block fits into scratch; where it never does, columns are gathered. With `places`
// tiles may be those of by_place.
inline void cut_grid(Grid* g, int64_t x_image, int64_t pixels, int64_t depth, bool places) {
  const int64_t taps = max64(1, g->taps());
  g->cols = even(g->x.grid, pixels);
  g->rows = even(g->y.grid, max64(1, pixels / g->cols));
  const bool whole = g->cols == g->x.grid && g->rows == g->y.grid;
  g->images = whole ? even(g->N, max64(1, pixels / (g->cols * g->rows))) : 1;
  g->depth = max64(1, even(max64(1, g->CI), max64(1, depth / taps)));
  g->source = Source::kImage;
  g->pitch = g->x.in;
  g->plane = g->y.in * g->x.in;
  g->image = x_image;
  g->by_place = false;
  const bool few_taps = taps <= 16 * depth;
  if (g->y.inside() && g->x.inside() && few_taps) return;
  g->by_place = places && few_taps && g->images >= kPlaceImages && g->border() > kWorthPlaces;
  if (g->by_place) return;  // nobody reads the zeros
  g->source = Source::kPadded;
  while (padded_floats(*g) > kStageFloats && few_taps) {
    if (g->images > 1) {
      g->images = ceil_div(g->images, 2);
    } else if (g->depth > 1 && g->depth * taps > depth / 2) {
      g->depth = ceil_div(g->depth, 2);
    } else if (g->rows > 1) {
      g->rows = ceil_div(g->rows, 2);
    } else if (g->depth > 1) {
      g->depth = ceil_div(g->depth, 2);
    } else if (g->cols > 32) {
      g->cols = ceil_div(g->cols, 2);
    } else {
      break;
    }
  }
  g->pitch = (g->cols - 1) * g->x.stride + g->x.span();
  g->plane = ((g->rows - 1) * g->y.stride + g->y.span()) * g->pitch;
  g->image = g->depth * g->plane;
  if (padded_floats(*g) <= kStageFloats && few_taps) return;
  g->source = Source::kColumns;
  g->depth = depth;
  g->plane = kStageFloats / depth / kWidth * kWidth;  // pixels of a column
  g->images = 1;
  g->cols = min64(g->cols, g->plane);
  g->rows = min64(g->rows, g->plane / g->cols);
}

// Where element k of a k block lies, relative to its pixel: k_block() offsets.
inline void k_offsets(const Grid& g, int64_t* offset) {
  if (g.source == Source::kColumns) {
    for (int64_t k = 0; k < g.depth; ++k) offset[k] = k * g.plane;
    return;
  }
  const int64_t y0 = g.source == Source::kPadded ? g.y.low() : 0;
  const int64_t x0 = g.source == Source::kPadded ? g.x.low() : 0;
  for (int64_t c = 0; c < g.depth; ++c) {
    for (int64_t ky = 0; ky < g.y.taps; ++ky) {
      for (int64_t kx = 0; kx < g.x.taps; ++kx) {
        *offset++ = c * g.plane + (g.y.offset(ky) - y0) * g.pitch + g.x.offset(kx) - x0;
      }
    }
  }
}

// Where the pixels of a block lie in its source.
inline void pixel_offsets(const Grid& g, const Block& t, int64_t* offset) {
  if (g.source == Source::kColumns) {
    for (int64_t p = 0; p < t.pixels(); ++p) offset[p] = p;
    return;
  }
  const bool image = g.source == Source::kImage;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t i = 0; i < t.rows; ++i) {
      const int64_t y = (image ? t.i0 + i : i) * g.y.stride;
      const int64_t x = image ? t.j0 * g.x.stride : 0;
      const int64_t row = (image ? t.n0 + n : n) * g.image + y * g.pitch + x;
      for (int64_t j = 0; j < t.cols; ++j) *offset++ = row + j * g.x.stride;
    }
  }
}

inline void fill_zero(float* dst, int64_t n) {
  for (int64_t i = 0; i < n; i += kWidth) store_tail(dst + i, set1(0.0f), min64(kWidth, n - i));
}

inline void copy_floats(const float* src, int64_t n, float* dst) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t m = min64(kWidth, n - i);
    store_tail(dst + i, load_tail(src + i, m), m);
  }
}

// dst[i] = src[first + i * step] where that lies in [0, size), else 0; n elements.
inline void copy_clipped(const float* src, int64_t size, int64_t first, int64_t step, int64_t n,
                         float* dst) {
  const int64_t begin = first >= 0 ? 0 : min64(n, ceil_div(-first, step));
  const int64_t end = first >= size ? begin : max64(begin, min64(n, (size - 1 - first) / step + 1));
  if (n >= kWidth && begin <= kWidth && n - end <= kWidth) {  // the common case: no masks
    store(dst, set1(0.0f));
    store(dst + n - kWidth, set1(0.0f));
  } else {
    fill_zero(dst, begin);
    fill_zero(dst + end, n - end);
  }
  if (step == 1) {
    copy_floats(src + first + begin, end - begin, dst + begin);
  } else if (step == 2) {
    for (int64_t i = begin; i < end; i += kWidth) {
      const int64_t m = min64(kWidth, end - i);
      store_tail(dst + i, load_even(src + first + 2 * i, m), m);
    }
  } else {
    for (int64_t i = begin; i < end; ++i) dst[i] = src[first + i * step];
  }
}

// What the block reads of channels [c0, c0 + channels), with zeros around the image.
inline void stage_padded(const Grid& g, const Block& t, const float* x, int64_t x_image, int64_t c0,
                         int64_t channels, float* dst) {
  const int64_t height = (t.rows - 1) * g.y.stride + g.y.span();
  const int64_t width = (t.cols - 1) * g.x.stride + g.x.span();
  const int64_t y0 = t.i0 * g.y.stride + g.y.low(), x0 = t.j0 * g.x.stride + g.x.low();
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      const float* src = x + (t.n0 + n) * x_image + (c0 + c) * g.y.in * g.x.in;
      for (int64_t i = 0; i < height; ++i) {
        const bool in = y0 + i >= 0 && y0 + i < g.y.in;
        copy_clipped(in ? src + (y0 + i) * g.x.in : src, in ? g.x.in : 0, x0, 1, width,
                     dst + n * g.image + c * g.plane + i * g.pitch);
      }
    }
  }
}

// One row of pixels, `n` of them from column j0, of element k (channel, tap) of a correlation.
inline void gather_row(const Grid& g, const float* x, int64_t k, int64_t i, int64_t j0, int64_t n,
                       float* dst) {
  const int64_t taps = g.taps();
  const int64_t c = k / taps, ky = k % taps / g.x.taps, kx = k % g.x.taps;
  const int64_t y = i * g.y.stride + g.y.offset(ky);
  const bool in = y >= 0 && y < g.y.in;
  const float* src = x + c * g.y.in * g.x.in;
  copy_clipped(in ? src + y * g.x.in : src, in ? g.x.in : 0, j0 * g.x.stride + g.x.offset(kx),
               g.x.stride, n, dst);
}

// Elements [k0, k1) of the block's pixels: dst[k][pixel], rows of g.plane.
inline void stage_columns(const Grid& g, const Block& t, const float* x, int64_t x_image,
                          int64_t k0, int64_t k1, float* dst) {
  for (int64_t k = k0; k < k1; ++k, dst += g.plane) {
    for (int64_t r = 0; r < t.images * t.rows; ++r) {
      const float* src = x + (t.n0 + r / t.rows) * x_image;
      gather_row(g, src, k, t.i0 + r % t.rows, t.j0, t.cols, dst + r * t.cols);
    }
  }
}

// Makes k block b of the block readable: the address that pixel_offsets and k_offsets
// add to.
// x is at the group's first channel.
inline const float* stage(const Grid& g, const Block& t, const float* x, int64_t x_image, int64_t b,
                          float* scratch) {
  if (g.source == Source::kImage) return x + b * g.depth * g.plane;
  if (g.source == Source::kPadded) {
    stage_padded(g, t, x, x_image, b * g.depth, min64(g.depth, g.CI - b * g.depth), scratch);
  } else {
    stage_columns(g, t, x, x_image, g.k_begin(b), g.k_begin(b + 1), scratch);
  }
  return scratch;
}

inline void store_strided(float* dst, Vec v, int64_t n, int64_t step) {
  if (step == 1) return store_tail(dst, v, n);
  float lane[kWidth];
  store(lane, v);
  for (int64_t i = 0; i < n; ++i) dst[i * step] = lane[i];
}

// What becomes of a sum on its way out.
struct Finish {
  const float* bias;  // of the first channel, may be null
  bool relu;

  Vec operator()(Vec v, int64_t o) const {
    if (bias) v = v + set1(bias[o]);
    return relu ? max(set1(0.0f), v) : v;
  }
};

// out[o * o_stride + p * p_stride] = finish(src[p][o]) for `pixels` x `count` values; src has
// `width` lanes a row, a multiple of kWidth.
inline void store_lanes_as_rows(const float* src, int64_t width, int64_t pixels, int64_t count,
                                Finish finish, float* out, int64_t o_stride, int64_t p_stride) {
  for (int64_t o = 0; o < count; o += kWidth) {
    const int64_t lanes_o = min64(kWidth, count - o);
    for (int64_t p = 0; p < pixels; p += kWidth) {
      const int64_t lanes_p = min64(kWidth, pixels - p);
      float* dst = out + o * o_stride + p * p_stride;
      Vec t[kWidth];
      load_transposed(src + p * width + o, width, lanes_p, kWidth, t);
      if (lanes_o == kWidth && lanes_p == kWidth && p_stride == 1) {
#pragma GCC unroll 16
        for (int64_t q = 0; q < kWidth; ++q) store(dst + q * o_stride, finish(t[q], o + q));
        continue;
      }
      for (int64_t q = 0; q < lanes_o; ++q) {
        store_strided(dst + q * o_stride, finish(t[q], o + q), lanes_p, p_stride);
      }
    }
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

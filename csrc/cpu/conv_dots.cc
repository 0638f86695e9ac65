// Weight gradient with lanes along pixels, for few output channels: each weight is a dot product of
// a row of gy and the pixels that its tap reads, both staged with rows of one pitch
// (conv_pixels.h), so that they meet in whole vectors. Between the rows gy is zero.
#include "cpu/conv_dots.h"

#include "cpu/conv_pixels.h"
#include "cpu/gemm_thin.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kFewChannels = 8;
constexpr int64_t kDotPixels = 2048;       // of a block
constexpr int64_t kDotFloats = 32 * 1024;  // of gy, of a piece's 256 Ki floats of scratch
constexpr int64_t kMostChunks = 32;
constexpr int kDotTaps = kDotColumns[kMostRows];

struct Dots {
  Conv2dArgs a;
  Grid g;
  int64_t chunks;
  float* partial;   // [chunk][o][k]
  int64_t* offset;  // of k in the staged pixels

  int64_t run() const {  // floats of a channel of a block, from its first pixel to its last
    return ((g.images - 1) * flat_height(g) + g.rows - 1) * flat_pitch(g) + g.cols;
  }
  int64_t pitch() const { return ceil_div(run(), kWidth) * kWidth; }
};

Dots make_dots(const Conv2dArgs& a) {
  Dots p = {};
  p.a = a;
  Grid& g = p.g;
  g.y = forward_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h);
  g.x = forward_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w);
  g.N = a.N;
  g.CI = a.C;
  if (g.k() <= 0 || !cut_flat(&g, kDotPixels)) return p;
  p.chunks = min64(g.blocks(), kMostChunks);
  p.offset = static_cast<int64_t*>(a.work);
  p.partial = reinterpret_cast<float*>(p.offset + g.k());
  return p;
}

// dst[o][pixel]. Rows are stored in whole vectors, in order: the next row overwrites their ends.
void stage_gy(const Dots& p, const Block& t, float* dst) {
  const Grid& g = p.g;
  const int64_t pitch = flat_pitch(g), gap = (flat_height(g) - g.rows) * pitch;
  for (int64_t o = 0; o < p.a.O; ++o, dst += p.pitch()) {
    float* row = dst;
    for (int64_t n = 0; n < t.images; ++n) {
      if (n > 0) {
        fill_zero(row, gap);
        row += gap;
      }
      const float* src = p.a.gy + (((t.n0 + n) * p.a.O + o) * p.a.OH + t.i0) * p.a.OW + t.j0;
      for (int64_t i = 0; i < t.rows; ++i, row += pitch, src += p.a.OW) {
        for (int64_t j = 0; j < pitch; j += kWidth) {
          const int64_t left = min64(kWidth, t.cols - j);
          store(row + j, left > 0 ? load_tail(src + j, left) : set1(0.0f));
        }
      }
    }
    if (row < dst + p.pitch()) fill_zero(row, dst + p.pitch() - row);
  }
}

template <int R>
void dots_of(int64_t rows, int64_t n, const float* gy, const float* const* x, float* sums) {
  if constexpr (R > 1) {
    if (rows < R) return dots_of<R - 1>(rows, n, gy, x, sums);
  }
  dot_tile<R, kDotTaps>(n, gy, n, x, sums, kDotTaps);
}

// sums[o][k] += the dot products of a block.
void add_dots(const Dots& p, const float* gy, const float* x, float* sums) {
  const int64_t k = p.g.k(), tiles = ceil_div(p.a.O, kMostRows);
  for (int64_t u = 0; u < tiles; ++u) {
    const int64_t o = part_begin(p.a.O, tiles, u), rows = part_begin(p.a.O, tiles, u + 1) - o;
    for (int64_t i = 0; i < k; i += kDotTaps) {
      const float* taps[kDotTaps];
      for (int64_t l = 0; l < kDotTaps; ++l) taps[l] = x + p.offset[min64(i + l, k - 1)];
      float dots[kMostRows * kDotTaps];
      dots_of<kMostRows>(rows, p.pitch(), gy + o * p.pitch(), taps, dots);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t l = 0; l < min64(kDotTaps, k - i); ++l) {
          sums[(o + r) * k + i + l] += dots[r * kDotTaps + l];
        }
      }
    }
  }
}

void sum_blocks(const void* ctx, int64_t chunk, void* scratch) {
  const Dots& p = *static_cast<const Dots*>(ctx);
  const Grid& g = p.g;
  float* gy = static_cast<float*>(scratch);
  float* staged = gy + kDotFloats;
  float* sums = p.partial + chunk * p.a.O * g.k();
  const int64_t end = part_begin(g.blocks(), p.chunks, chunk + 1);
  fill_zero(sums, p.a.O * g.k());
  // NOTE: what no block stages is read too, and multiplied by zeros.
  fill_zero(staged, g.CI * flat_channel(g) + kWidth);
  for (int64_t i = part_begin(g.blocks(), p.chunks, chunk); i < end; ++i) {
    const Block t = g.block(i);
    stage_flat(g, t, p.a.x, p.a.C * p.a.H * p.a.W, staged);
    stage_gy(p, t, gy);
    add_dots(p, gy, staged, sums);
  }
}

}  // namespace

bool dots_fit(const Conv2dArgs& a) {
  if (a.groups != 1 || a.O > kFewChannels || a.O <= 0 || a.N * a.OH * a.OW <= 0) return false;
  const Dots p = make_dots(a);
  return p.chunks > 0 && a.O * p.pitch() + flat_pitch(p.g) + kWidth <= kDotFloats;
}

void dots_grad_weight(const Conv2dArgs& a) {
  const Dots p = make_dots(a);
  const int64_t count = a.O * p.g.k();
  flat_offsets(p.g, p.offset);
  parallel_for(p.chunks, sum_blocks, &p);
  for (int64_t i = 0; i < count; ++i) {
    float sum = p.partial[i];
    for (int64_t c = 1; c < p.chunks; ++c) sum += p.partial[c * count + i];
    a.out[i] = sum;
  }
}

int64_t dots_grad_weight_work(const Conv2dArgs& a) {
  const Dots p = make_dots(a);
  return p.g.k() * 8 + p.chunks * a.O * p.g.k() * 4;
}

}  // namespace PYDL_ISA
}  // namespace pydl

// Input gradient with few input channels: a channel and a tap are a row of a product, so that the
// rows of a tile are full, and lanes run along the pixels of gy. Column m = (channel, tap) is
// sum over o of w[o][m] gy[o][pixel]; it is added where its tap takes the pixels (col2im).
//
// A piece is an image. Its sums are kept by phase, [channel][y phase][x phase][row][column] of the
// padded image, where neighbouring pixels of gy stay neighbours whatever the stride.
#include "cpu/conv_columns.h"

#include <numeric>

#include "cpu/conv_block.h"
#include "cpu/gemm_dot.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kMostChannels = 8;
constexpr int64_t kStagedFloats = 64 * 1024;  // of a piece's 256 Ki floats of scratch; columns too
constexpr int64_t kPlaneFloats = 120 * 1024;

int64_t columns_of(const Conv2dArgs& a) { return a.C * a.KH * a.KW; }

struct Planes {
  int64_t rows, cols, phases;
  explicit Planes(const Conv2dArgs& a)
      : rows(a.OH + (a.KH - 1) * a.dil_h / a.stride_h),
        cols(a.OW + (a.KW - 1) * a.dil_w / a.stride_w),
        phases(a.stride_h * a.stride_w) {}
  int64_t plane() const { return rows * cols; }
};

// Some rows of an image of gy, as far apart as those of the sums: what a tap adds is then one run.
struct Rows {
  int64_t begin, count;
  int64_t run, pitch;  // floats of a run, and from one to the next

  Rows(const Conv2dArgs& a, const Planes& s, int64_t i0, int64_t i1)
      : begin(i0), count(i1 - i0), run((count - 1) * s.cols + a.OW), pitch(pitch_of(s, count)) {}

  // NOTE: one vector more, or all channels would share one set of the cache.
  static int64_t pitch_of(const Planes& s, int64_t count) {
    return (ceil_div(count * s.cols, kWidth) + 1) * kWidth;
  }
};

// staged[o][pixel], with zeros between the rows and after the last.
void stage_rows(const Conv2dArgs& a, const Planes& s, const Rows& r, const float* gy, float* dst) {
  gy += r.begin * a.OW;
  for (int64_t o = 0; o < a.O; ++o, gy += a.OH * a.OW, dst += r.pitch) {
    for (int64_t i = 0; i < r.count; ++i) {
      for (int64_t j = 0; j < s.cols; j += kWidth) {  // beyond its end, where the next row follows
        const int64_t n = max64(0, min64(kWidth, a.OW - j));
        store(dst + i * s.cols + j, load_tail(gy + i * a.OW + j, n));
      }
    }
    fill_zero(dst + r.count * s.cols, r.pitch - r.count * s.cols);
  }
}

// columns[m][pixel] of the staged rows, with zeros before and after each row.
void multiply(const Conv2dArgs& a, const Rows& r, const float* staged, float* columns) {
  const int64_t count = columns_of(a), tiles = ceil_div(count, kTileRows);
  const Panels panels(r.run);
  for (int64_t p = 0; p < panels.count; ++p) {
    const int64_t at = panels.begin(p) * kWidth, vecs = panels.width(p);
    for (int64_t u = 0; u < tiles; ++u) {
      const int64_t m = part_begin(count, tiles, u), n = part_begin(count, tiles, u + 1) - m;
      const float* rows[kTileRows];
      for (int64_t i = 0; i < n; ++i) rows[i] = a.w + m + i;
      TileOut out;
      out.c = columns + m * r.pitch + at;
      out.ldc = r.pitch;
      out.cols = vecs * kWidth;
      run_tile_of(a.words != 0, n, vecs, a.O, rows, Step{count}, staged + at, Step{r.pitch}, out);
    }
  }
  const int64_t written = panels.vecs * kWidth;
  fill_zero(columns - kWidth, kWidth);
  for (int64_t m = 0; m < count; ++m) {
    fill_zero(columns + m * r.pitch + written, r.pitch - written);
  }
}

// sums += what a row of taps adds, the sum of it in a register: were each tap added on its own, its
// loads would wait for the stores of the tap before, which they straddle. Tap t begins t * step
// floats later, and reads zeros before and after its row.
void add_taps(const float* columns, int64_t pitch, int64_t taps, int64_t step, int64_t run,
              float* sums) {
  const int64_t count = run + (taps - 1) * step;
  for (int64_t q = 0; q < count; q += kWidth) {
    const int64_t n = min64(kWidth, count - q);
    const float* src = columns + q;
    Vec sum = load(src);
    for (int64_t t = 1; t < taps; ++t) sum = sum + load(src += pitch - step);
    store_tail(sums + q, load_tail(sums + q, n) + sum, n);
  }
}

void add_columns(const Conv2dArgs& a, const Planes& s, const Rows& r, const float* columns,
                 float* sums) {
  const int64_t apart = a.stride_w / std::gcd(a.stride_w, a.dil_w);  // taps of one phase
  const int64_t step = apart * a.dil_w / a.stride_w;
  const int64_t together = max64(1, min64(ceil_div(a.KW, apart), kWidth / max64(1, step)));
  for (int64_t c = 0; c < a.C; ++c, sums += s.phases * s.plane()) {
    for (int64_t ky = 0; ky < a.KH; ++ky, columns += a.KW * r.pitch) {
      const int64_t dy = ky * a.dil_h, row = r.begin + dy / a.stride_h;
      for (int64_t i = 0; i < min64(apart, a.KW); ++i) {
        const int64_t phase = dy % a.stride_h * a.stride_w + i * a.dil_w % a.stride_w;
        for (int64_t kx = i; kx < a.KW; kx += together * apart) {
          const int64_t taps = min64(together, ceil_div(a.KW - kx, apart));
          add_taps(columns + kx * r.pitch, apart * r.pitch, taps, step, r.run,
                   sums + phase * s.plane() + row * s.cols + kx * a.dil_w / a.stride_w);
        }
      }
    }
  }
}

// The image without its padding, its phases side by side.
void store_image(const Conv2dArgs& a, const Planes& s, const float* sums, float* out) {
  for (int64_t c = 0; c < a.C; ++c, sums += s.phases * s.plane()) {
    const Vec bias = set1(a.bias ? a.bias[c] : 0.0f);
    for (int64_t y = 0; y < a.H; ++y, out += a.W) {
      const int64_t row = (y + a.pad_h) / a.stride_h, phase = (y + a.pad_h) % a.stride_h;
      for (int64_t x = 0; x < min64(a.W, a.stride_w); ++x) {
        const int64_t col = (x + a.pad_w) / a.stride_w, side = (x + a.pad_w) % a.stride_w;
        const float* src = sums + (phase * a.stride_w + side) * s.plane() + row * s.cols + col;
        const int64_t count = (a.W - 1 - x) / a.stride_w + 1;
        const int64_t reached = row < s.rows ? max64(0, min64(count, s.cols - col)) : 0;
        for (int64_t i = 0; i < count; i += kWidth) {
          const int64_t n = min64(kWidth, count - i), m = max64(0, min64(n, reached - i));
          const Vec v = m > 0 ? load_tail(src + i, m) : set1(0.0f);
          store_strided(out + x + i * a.stride_w, v + bias, n, a.stride_w);
        }
      }
    }
  }
}

// Rows of gy that are staged at a time.
int64_t rows_of_block(const Conv2dArgs& a, const Planes& s) {
  int64_t rows = a.OH;
  const int64_t most = max64(a.O, columns_of(a));
  while (rows > 1 && most * Rows::pitch_of(s, rows) > kStagedFloats) rows = ceil_div(rows, 2);
  return rows;
}

void columns_image(const void* ctx, int64_t n, void* scratch) {
  const Conv2dArgs& a = *static_cast<const Conv2dArgs*>(ctx);
  const Planes planes(a);
  float* staged = static_cast<float*>(scratch);
  float* columns = staged + kStagedFloats + kWidth;
  float* sums = columns + kStagedFloats;
  const float* gy = a.gy + n * a.O * a.OH * a.OW;
  const int64_t blocks = ceil_div(a.OH, rows_of_block(a, planes));
  fill_zero(sums, a.C * planes.phases * planes.plane());
  for (int64_t b = 0; b < blocks; ++b) {
    const Rows rows(a, planes, part_begin(a.OH, blocks, b), part_begin(a.OH, blocks, b + 1));
    stage_rows(a, planes, rows, gy, staged);
    multiply(a, rows, staged, columns);
    add_columns(a, planes, rows, columns, sums);
  }
  store_image(a, planes, sums, a.out + n * a.C * a.H * a.W);
}

}  // namespace

bool columns_fit(const Conv2dArgs& a) {
  if (a.groups != 1 || a.C > kMostChannels || a.N < 4 || a.O * a.OH * a.OW <= 0) return false;
  const Planes planes(a);
  if (max64(a.O, columns_of(a)) * Rows::pitch_of(planes, 1) > kStagedFloats) return false;
  return a.C * planes.phases * planes.plane() <= kPlaneFloats;
}

void columns_grad_input(const Conv2dArgs& a) { parallel_for(a.N, columns_image, &a); }

}  // namespace PYDL_ISA
}  // namespace pydl

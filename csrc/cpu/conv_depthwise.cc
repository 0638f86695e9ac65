// Depthwise convolution without matrices: each plane is staged with its zeros around, and the sums
// of eight rows of it (or of eight vectors of one row) stay in registers over all taps. Lanes run
// along columns. Not for groups of several channels (cpu/conv.cc).
//
// With a stride, forward and weight gradient stage the columns apart by their phase, so that a tap
// reads consecutive floats; the input gradient goes through the phases of its rows, and stages gy
// with zeros between its columns.
#include "cpu/conv_depthwise.h"

#include "cpu/conv_pass.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kMaxTaps = 1024;
constexpr int64_t kMaxStride = 4;
constexpr int64_t kMaxMultiplier = 4;   // output channels of a group
constexpr int64_t kPlaneFloats = 5120;  // of a staged block: two within a first cache
constexpr int64_t kMaxFloats = 96 * 1024;
constexpr int64_t kMaxCols = 1024;
constexpr int64_t kRing = 4;       // staged blocks, at most
constexpr int64_t kTile = 8;       // rows or vectors summed at once
constexpr int64_t kTapTile = 9;    // taps of the weight gradient summed at once
constexpr int64_t kMacs = 200000;  // of a piece, at least
constexpr double kChunkMacs = 1e6;

// A pass over planes: every output plane is cut into blocks of rows x cols.
struct Planes {
  Axis y, x;
  int64_t spread;                // of the columns of the source: zeros lie between them
  int64_t rows, cols;            // of a block
  int64_t across, blocks;        // blocks beside each other; of a plane
  int64_t segment, pitch, span;  // of a staged phase of a row; of a staged row; rows of a pixel
  int64_t KW, taps;              // of the weights; of this pass

  int64_t height(int64_t r) const { return (r - 1) * y.stride + span; }
  Block block(int64_t b) const {
    if (blocks == 1) return {0, 0, 0, 1, y.grid, x.grid};
    const int64_t i0 = b / across * rows, j0 = b % across * cols;
    return {0, i0, j0, 1, min64(rows, y.grid - i0), min64(cols, x.grid - j0)};
  }
};

// Chooses the blocks; false where none fits into scratch.
bool cut(Planes* p) {
  p->taps = p->y.taps * p->x.taps;
  if (p->y.grid <= 0 || p->x.grid <= 0) return true;
  p->cols = even(p->x.grid, kMaxCols);
  p->segment = p->cols + (p->x.span() - 1) / p->x.stride;
  p->pitch = p->segment * p->x.stride;
  p->span = p->y.span();
  const int64_t room = (kPlaneFloats / p->pitch - p->span) / p->y.stride + 1;
  p->rows = even(p->y.grid, max64(kTile, room));
  const auto fits = [&] {
    return static_cast<double>(p->pitch) * static_cast<double>(p->height(p->rows)) <= kMaxFloats;
  };
  if (!fits()) p->rows = 1;
  p->across = ceil_div(p->x.grid, p->cols);
  p->blocks = p->across * ceil_div(p->y.grid, p->rows);
  return fits();
}

bool plan_forward(const Conv2dArgs& a, Planes* p) {
  p->y = forward_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h);
  p->x = forward_axis(a.W, a.OW, a.KW, a.stride_w, a.pad_w, a.dil_w);
  p->spread = 1;
  p->KW = a.KW;
  return cut(p);
}

bool plan_grad_input(const Conv2dArgs& a, int64_t phase, Planes* p) {
  p->y = phase_axis(a.H, a.OH, a.KH, a.stride_h, a.pad_h, a.dil_h, phase);
  const int64_t spread_out = (a.OW - 1) * a.stride_w + 1;
  p->x = {spread_out, a.W, a.W, 1, a.KW, a.pad_w, -a.dil_w, 0, 1, 0, 1};
  p->spread = a.stride_w;
  p->KW = a.KW;
  return cut(p);
}

// The rows of a source plane that a block reads, those columns of one phase that exist: from where
// to where, and how many.
struct Copy {
  int64_t from, to, rows, cols;
};

// dst[i][j * spread] = src[i][j * stride], rows at their pitches.
void copy_rows(const Copy& c, const float* src, int64_t src_pitch, int64_t stride, float* dst,
               int64_t dst_pitch, int64_t spread) {
  const int64_t n = c.cols;
  src += c.from;
  dst += c.to;
  for (int64_t i = 0; i < c.rows; ++i, src += src_pitch, dst += dst_pitch) {
    if (stride > 2 || spread > 1) {
      for (int64_t j = 0; j < n; ++j) dst[j * spread] = src[j * stride];
      continue;
    }
    const int64_t whole = n / kWidth * kWidth, tail = n - whole;
    for (int64_t j = 0; j < whole; j += kWidth) {
      store(dst + j, stride == 1 ? load(src + j) : load_even(src + 2 * j, kWidth));
    }
    if (tail == 0) continue;
    const float* last = src + whole * stride;
    store_n(dst + whole, stride == 1 ? load_n(last, tail) : load_even(last, tail), tail);
  }
}

// Copies what blocks read of their planes into a ring of buffers of zeros, some blocks ahead of
// their use: what was just written is not read at once. Where a plane is one block, the zeros stay
// where they are.
struct Stage {
  const Planes& p;
  const int64_t width;  // of the source
  int64_t size, ring, puts, takes;
  float* buffers;
  Copy copies[kMaxStride];  // by phase

  Stage(const Planes& planes, float* scratch)
      : p(planes), width(ceil_div(p.x.in, p.spread)), puts(0), takes(0), buffers(scratch) {
    size = ceil_div(p.height(p.rows) * p.pitch, kWidth) * kWidth + kWidth;
    ring = max64(2, min64(kRing, 2 * kPlaneFloats / size));
    fill_zero(buffers, ring * size);
    aim(p.block(0));
  }
  bool full() const { return puts - takes == ring - 1; }
  const float* take() { return buffers + takes++ % ring * size; }
  void aim(const Block& t) {
    const int64_t s = p.x.stride;
    const int64_t y0 = t.i0 * p.y.stride + p.y.low(), x0 = t.j0 * s + p.x.low();
    const int64_t i0 = max64(0, -y0), i1 = min64(p.height(t.rows), p.y.in - y0);
    if (p.spread > 1) {
      const int64_t j0 = max64(0, ceil_div(x0, p.spread));
      const int64_t j1 = max64(j0, min64(width, ceil_div(x0 + p.pitch, p.spread)));
      copies[0] = {(y0 + i0) * width + j0, i0 * p.pitch + j0 * p.spread - x0, i1 - i0, j1 - j0};
      return;
    }
    for (int64_t u = 0; u < s; ++u) {
      const int64_t j0 = max64(0, ceil_div(-x0 - u, s));
      const int64_t end = min64(p.segment, ceil_div(max64(0, width - x0 - u), s));
      const int64_t j1 = max64(j0, end);
      copies[u] = {(y0 + i0) * width + x0 + u + j0 * s, i0 * p.pitch + u * p.segment + j0, i1 - i0,
                   j1 - j0};
    }
  }
  void put(const Block& t, const float* src) {
    float* buffer = buffers + puts++ % ring * size;
    if (p.blocks > 1) {
      fill_zero(buffer, p.height(t.rows) * p.pitch);
      aim(t);
    }
    for (int64_t u = 0; u < p.x.stride; ++u) {
      copy_rows(copies[u], src, width, p.x.stride, buffer, p.pitch, p.spread);
    }
  }
};

// Where the taps lie in a staged plane, and in the weights.
void tap_offsets(const Planes& p, int64_t* offset, int64_t* weight) {
  for (int64_t ky = 0; ky < p.y.taps; ++ky) {
    const int64_t y = p.y.offset(ky) - p.y.low();
    for (int64_t kx = 0; kx < p.x.taps; ++kx) {
      const int64_t x = p.x.offset(kx) - p.x.low();
      *offset++ = y * p.pitch + x % p.x.stride * p.segment + x / p.x.stride;
      *weight++ = (p.y.k0 + ky * p.y.kstep) * p.KW + p.x.k0 + kx * p.x.kstep;
    }
  }
}

// ---- forward and input gradient

// The taps of a pass with the weights of one plane, and what becomes of the sums.
struct Window {
  const int64_t* offset;
  const float* w;
  int64_t taps;
  float bias;
  bool relu, add;
};

// out[r * out_step + lane] = sum over taps of x[offset + r * step + lane] * w.
template <int64_t R>
void sum_taps(const Window& t, const float* x, int64_t step, int64_t lanes, float* out,
              int64_t out_step) {
  Vec sum[R];
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r) {
    sum[r] = t.add ? load_tail(out + r * out_step, lanes) : set1(t.bias);
  }
  for (int64_t k = 0; k < t.taps; ++k) {
    const Vec w = set1(t.w[k]);
    const float* p = x + t.offset[k];
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) sum[r] = fma(load(p + r * step), w, sum[r]);
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r) {
    store_tail(out + r * out_step, t.relu ? max(set1(0.0f), sum[r]) : sum[r], lanes);
  }
}

void sum_tile(int64_t r, const Window& t, const float* x, int64_t step, int64_t lanes, float* out,
              int64_t out_step) {
  switch (r) {
    case 1:
      return sum_taps<1>(t, x, step, lanes, out, out_step);
    case 2:
      return sum_taps<2>(t, x, step, lanes, out, out_step);
    case 3:
      return sum_taps<3>(t, x, step, lanes, out, out_step);
    case 4:
      return sum_taps<4>(t, x, step, lanes, out, out_step);
    case 5:
      return sum_taps<5>(t, x, step, lanes, out, out_step);
    case 6:
      return sum_taps<6>(t, x, step, lanes, out, out_step);
    case 7:
      return sum_taps<7>(t, x, step, lanes, out, out_step);
    default:
      return sum_taps<8>(t, x, step, lanes, out, out_step);
  }
}

// The sums of `rows` x `cols` pixels, tile by tile.
void sum_block(const Window& t, int64_t rows, int64_t cols, const float* x, int64_t step,
               float* out, int64_t out_step) {
  if (rows >= kTile / 2 || cols <= kWidth) {
    const int64_t most = even(rows, kTile);
    for (int64_t i = 0; i < rows; i += most) {
      const int64_t r = min64(most, rows - i);
      for (int64_t j = 0; j < cols; j += kWidth) {
        sum_tile(r, t, x + i * step + j, step, min64(kWidth, cols - j), out + i * out_step + j,
                 out_step);
      }
    }
    return;
  }
  const int64_t vecs = cols / kWidth, tail = cols % kWidth;
  for (int64_t i = 0; i < rows; ++i, x += step, out += out_step) {
    for (int64_t v = 0; v < vecs; v += kTile) {
      sum_tile(min64(kTile, vecs - v), t, x + v * kWidth, kWidth, kWidth, out + v * kWidth, kWidth);
    }
    if (tail > 0) sum_taps<1>(t, x + vecs * kWidth, 0, tail, out + vecs * kWidth, 0);
  }
}

// Forward: output plane o reads plane o / multiplier of x. Input gradient: output plane c adds
// planes c * multiplier + (0..multiplier) of gy.
struct Correlation {
  Conv2dArgs a;
  Planes p;
  bool forward;

  int64_t multiplier;  // O / C

  int64_t channels() const { return forward ? a.O : a.C; }
  int64_t sources() const { return forward ? 1 : multiplier; }
  int64_t per_piece() const {
    return max64(1, kMacs / max64(1, p.rows * p.cols * (p.taps + 1) * sources()));
  }
};

// What one call of sum_block does: a block of a plane, one of its sources.
struct Item {
  int64_t plane, channel, block, source;

  Item(const Correlation& d, int64_t i)
      : plane(i / d.p.blocks), channel(plane % d.channels()), block(i % d.p.blocks), source(0) {}
  void next(const Correlation& d) {
    if (++source < d.sources()) return;
    source = 0;
    if (++block < d.p.blocks) return;
    block = 0;
    ++plane;
    if (++channel == d.channels()) channel = 0;
  }
};

void stage_item(const Correlation& d, const Item& q, Stage* stage) {
  const Conv2dArgs& a = d.a;
  const int64_t from = d.forward ? q.plane / d.multiplier : q.plane * d.multiplier + q.source;
  stage->put(d.p.block(q.block), d.forward ? a.x + from * a.H * a.W : a.gy + from * a.OH * a.OW);
}

void sum_item(const Correlation& d, const Item& q, const int64_t* offset, const int64_t* weight,
              float* w, const float* staged) {
  const Conv2dArgs& a = d.a;
  const Planes& p = d.p;
  const int64_t o = d.forward ? q.channel : q.channel * d.multiplier + q.source;
  const float* weights = a.w + o * a.KH * a.KW;
  const Block t = p.block(q.block);
  for (int64_t k = 0; k < p.taps; ++k) w[k] = weights[weight[k]];
  const int64_t pitch = p.y.out_step * p.x.out;
  float* out = a.out + (q.plane * p.y.out + p.y.out0) * p.x.out + t.i0 * pitch + t.j0;
  const bool relu = d.forward && a.act == Act::kRelu;
  const Window window = {offset, w, p.taps, a.bias ? a.bias[q.channel] : 0.0f, relu, q.source > 0};
  sum_block(window, t.rows, t.cols, staged, p.y.stride * p.pitch, out, pitch);
}

void correlate_planes(const void* ctx, int64_t piece, void* scratch) {
  const Correlation& d = *static_cast<const Correlation*>(ctx);
  int64_t* offset = static_cast<int64_t*>(scratch);
  int64_t* weight = offset + kMaxTaps;
  float* w = reinterpret_cast<float*>(weight + kMaxTaps);
  tap_offsets(d.p, offset, weight);
  Stage stage(d.p, w + kMaxTaps);
  const int64_t begin = piece * d.per_piece();
  const int64_t end = min64(d.a.N * d.channels() * d.p.blocks, begin + d.per_piece());
  int64_t to_stage = (end - begin) * d.sources();
  Item q(d, begin), ahead = q;
  for (int64_t left = to_stage; left > 0; --left, q.next(d)) {
    for (; to_stage > 0 && !stage.full(); --to_stage, ahead.next(d)) {
      stage_item(d, ahead, &stage);
    }
    sum_item(d, q, offset, weight, w, stage.take());
  }
}

void correlate(const Correlation& d) {
  if (d.p.y.grid <= 0 || d.p.x.grid <= 0) return;
  parallel_for(ceil_div(d.a.N * d.channels() * d.p.blocks, d.per_piece()), correlate_planes, &d);
}

// ---- weight gradient

// The blocks of all images of a channel are cut into chunks, whose sums are added in order.
struct WeightGradient {
  Conv2dArgs a;
  Planes p;
  int64_t units, chunks, per_piece;  // per_piece: channels

  explicit WeightGradient(const Conv2dArgs& args) : a(args), p() {
    plan_forward(a, &p);
    units = a.N * p.blocks;
    const double macs = static_cast<double>(units) * static_cast<double>(p.rows * p.cols * p.taps);
    chunks = max64(1, min64(min64(units, 64), static_cast<int64_t>(macs / kChunkMacs)));
    const double cell = macs / static_cast<double>(chunks) + 1;
    per_piece = cell < kMacs ? static_cast<int64_t>(kMacs / cell) : 1;
  }
  int64_t floats() const { return a.O * p.taps; }
};

// sums[r][lane] += gy * x at tap r, over rows x cols pixels.
template <int64_t R>
void sum_pixels(const float* x, const int64_t* offset, int64_t step, const float* gy,
                int64_t gy_step, int64_t rows, int64_t cols, float* sums) {
  Vec sum[R];
#pragma GCC unroll 9
  for (int64_t r = 0; r < R; ++r) sum[r] = load(sums + r * kWidth);
  const int64_t whole = cols / kWidth * kWidth, tail = cols - whole;
  for (int64_t i = 0; i < rows; ++i, x += step, gy += gy_step) {
    for (int64_t j = 0; j < whole; j += kWidth) {
      const Vec g = load(gy + j);
#pragma GCC unroll 9
      for (int64_t r = 0; r < R; ++r) sum[r] = fma(g, load(x + offset[r] + j), sum[r]);
    }
    if (tail == 0) continue;
    const Vec g = load_n(gy + whole, tail);
#pragma GCC unroll 9
    for (int64_t r = 0; r < R; ++r) {
      sum[r] = fma(g, load_n(x + offset[r] + whole, tail), sum[r]);
    }
  }
#pragma GCC unroll 9
  for (int64_t r = 0; r < R; ++r) store(sums + r * kWidth, sum[r]);
}

void sum_tap_tile(int64_t r, const float* x, const int64_t* offset, int64_t step, const float* gy,
                  int64_t gy_step, int64_t rows, int64_t cols, float* sums) {
  switch (r) {
    case 9:
      return sum_pixels<9>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 8:
      return sum_pixels<8>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 7:
      return sum_pixels<7>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 6:
      return sum_pixels<6>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 5:
      return sum_pixels<5>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 4:
      return sum_pixels<4>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 3:
      return sum_pixels<3>(x, offset, step, gy, gy_step, rows, cols, sums);
    case 2:
      return sum_pixels<2>(x, offset, step, gy, gy_step, rows, cols, sums);
    default:
      return sum_pixels<1>(x, offset, step, gy, gy_step, rows, cols, sums);
  }
}

// sums[tap][lane] += what a block of output plane `plane` adds.
void sum_unit(const WeightGradient& d, int64_t plane, const Block& t, const int64_t* offset,
              const float* staged, float* sums) {
  const Planes& p = d.p;
  const float* gy = d.a.gy + (plane * d.a.OH + t.i0) * d.a.OW + t.j0;
  const int64_t most = even(p.taps, kTapTile);
  for (int64_t k = 0; k < p.taps; k += most) {
    sum_tap_tile(min64(most, p.taps - k), staged, offset + k, p.y.stride * p.pitch, gy, d.a.OW,
                 t.rows, t.cols, sums + k * kWidth);
  }
}

// Some channels, one chunk of their blocks.
void sum_channels(const void* ctx, int64_t piece, void* scratch) {
  const WeightGradient& d = *static_cast<const WeightGradient*>(ctx);
  const Planes& p = d.p;
  int64_t* offset = static_cast<int64_t*>(scratch);
  float* sums = reinterpret_cast<float*>(offset + 2 * kMaxTaps);
  tap_offsets(p, offset, offset + kMaxTaps);
  Stage stage(p, sums + p.taps * kWidth);
  const int64_t chunk = piece % d.chunks, o0 = piece / d.chunks * d.per_piece;
  const int64_t first = part_begin(d.units, d.chunks, chunk);
  const int64_t last = part_begin(d.units, d.chunks, chunk + 1);
  const int64_t o1 = min64(d.a.O, o0 + d.per_piece), m = d.a.O / d.a.C;
  float* out = d.chunks > 1 ? static_cast<float*>(d.a.work) + chunk * d.floats() : d.a.out;
  const auto put = [&](int64_t o, int64_t i) {
    const int64_t plane = i / p.blocks * d.a.O + o;
    stage.put(p.block(i % p.blocks), d.a.x + plane / m * d.a.H * d.a.W);
  };
  int64_t o_ahead = o0, i_ahead = first;
  for (int64_t o = o0; o < o1; ++o) {
    fill_zero(sums, p.taps * kWidth);
    for (int64_t i = first; i < last; ++i) {
      for (; o_ahead < o1 && !stage.full(); ++i_ahead) {
        put(o_ahead, i_ahead);
        if (i_ahead + 1 == last) i_ahead = first - 1, ++o_ahead;
      }
      sum_unit(d, i / p.blocks * d.a.O + o, p.block(i % p.blocks), offset, stage.take(), sums);
    }
    for (int64_t k = 0; k < p.taps; ++k) {
      out[o * p.taps + k] = reduce_add(load(sums + k * kWidth));
    }
  }
}

}  // namespace

bool is_depthwise(const Conv2dArgs& a) {
  if (a.groups < 2 || a.groups != a.C || a.O <= 0 || a.O > kMaxMultiplier * a.C) return false;
  if (a.KH > kMaxTaps || a.KW > kMaxTaps || a.KH * a.KW > kMaxTaps) return false;
  if (a.stride_h > kMaxStride || a.stride_w > kMaxStride) return false;
  Planes p = {};
  if (!plan_forward(a, &p)) return false;
  for (int64_t phase = 0; phase < a.stride_h; ++phase) {
    if (!plan_grad_input(a, phase, &p)) return false;
  }
  return true;
}

void depthwise_forward(const Conv2dArgs& a) {
  Correlation d = {a, {}, true, a.O / a.C};
  plan_forward(a, &d.p);
  correlate(d);
}

void depthwise_grad_input(const Conv2dArgs& a) {
  for (int64_t phase = 0; phase < a.stride_h; ++phase) {
    Correlation d = {a, {}, false, a.O / a.C};
    plan_grad_input(a, phase, &d.p);
    correlate(d);
  }
}

void depthwise_grad_weight(const Conv2dArgs& a) {
  const WeightGradient d(a);
  if (d.units == 0) return fill_zero(a.out, d.floats());
  parallel_for(d.chunks * ceil_div(a.O, d.per_piece), sum_channels, &d);
  if (d.chunks == 1) return;
  const float* partial = static_cast<const float*>(a.work);
  for (int64_t i = 0; i < d.floats(); ++i) {
    float sum = partial[i];
    for (int64_t c = 1; c < d.chunks; ++c) sum += partial[c * d.floats() + i];
    a.out[i] = sum;
  }
}

int64_t depthwise_grad_weight_work(const Conv2dArgs& a) {
  const WeightGradient d(a);
  return d.chunks > 1 ? d.chunks * d.floats() * 4 : 0;
}

}  // namespace PYDL_ISA
}  // namespace pydl

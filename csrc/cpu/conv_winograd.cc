// Convolution by Winograd's algorithm: tiles of 4 x 4 outputs (down to 2 x 2 for kernels of two
// taps), up to four times fewer products than pixels times taps. The transforms are cpu/winograd.h;
// here are the loops around them.
//
// A kernel of s * R taps moving by s pixels is s * s kernels of R taps, each on every s-th pixel in
// both dimensions: forward they are further input channels (k = phase, channel). In the input
// gradient they give the pixels of one phase each: s passes, one per phase of the rows, and in each
// pass s products side by side, one per phase of the columns, so that whole rows are written.
//
// A chunk of tiles at a time goes through three steps, small enough to stay in the cache between
// them; that of one thread, where a chunk of its own has enough tiles for the weights it reads.
// They are: inputs to V[a][tile][k]; one matrix product P[a] = V[a] U[a] for each of the (T + R -
// 1)^2 points a, where U[a][k][m] are the transformed weights; P[a][tile][m] to outputs. Lanes run
// along channels everywhere. The weight gradient transforms gy to W[a][tile][m] instead and sums
// U[a] += V[a]^T W[a] over all tiles.
#include "cpu/conv_winograd.h"

#include "cpu/conv_winograd_plan.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kTilesPerPiece = 32;
constexpr int64_t kChannelsPerPiece = 16;

// The element of a kernel that is tap (ty, tx) of a phase of the inputs and a side of the outputs.
int64_t tap_of(const Problem& p, int64_t side, int64_t phase, int64_t ty, int64_t tx) {
  const int64_t ky = p.y.e0 + ty * p.y.estep + phase / p.in.phases;
  const int64_t kx = p.x[side].e0 + tx * p.x[side].estep + phase % p.in.phases;
  return ky * p.a.KW + kx;
}

// U[a][panel][k][lanes] = G w G^T, for some input channels of one vector of output channels.
template <class F>
void transform_weights(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Panels panels(p.M);
  const int64_t channels = p.in.channels, blocks = ceil_div(channels, kChannelsPerPiece);
  const int64_t vec = piece / blocks, m0 = vec * kWidth, n = min64(kWidth, p.M - m0);
  int64_t panel = 0;
  while (panels.begin(panel + 1) <= vec) ++panel;
  const int64_t width = panels.width(panel) * kWidth, at = panels.begin(panel) * kWidth;
  const int64_t taps = p.a.KH * p.a.KW, end = (piece % blocks + 1) * kChannelsPerPiece;
  float* w = static_cast<float*>(scratch);  // [tap][lane]
  for (int64_t c = piece % blocks * kChannelsPerPiece; c < min64(channels, end); ++c) {
    pack_panel(p.w + m0 * p.w_m + c * p.w_c, p.w_m, 1, n, taps, kWidth, w);
    for (int64_t i = 0; i < p.sides * p.in.phases * p.in.phases; ++i) {
      const int64_t side = i % p.sides, phase = i / p.sides;
      float* dst = p.u + side * p.points() * p.K * p.lanes + at * p.K + m0 - at +
                   (phase * channels + c) * width;
      both_sides<FilterMatrix<F>, FilterMatrix<F>>(
          [&](int ty, int tx) { return load(w + tap_of(p, side, phase, ty, tx) * kWidth); },
          [&](int ty, int tx, Vec v) {
            store(dst + (ty * FilterMatrix<F>::kRows + tx) * p.K * p.lanes, v);
          });
    }
  }
}

// The pixels that a band reads of one group of channels: [phase][row][column][lane].
struct Staged {
  int64_t y, x, rows, cols;  // first position of phase 0 in the image; of a phase
  float* pixels;
  int64_t* column;  // of each x of the image: where its pixel goes in a row, -1 for nowhere

  int64_t phase() const { return rows * cols * kWidth; }
};

// Zeros outside of the image, of one phase.
void stage_border(const Planes& s, const Staged& t, int64_t py, int64_t px) {
  float* dst = t.pixels + (py * s.phases + px) * t.phase();
  const int64_t x0 = t.x + px;
  const int64_t begin = min64(t.cols, x0 < 0 ? ceil_div(-x0, s.phases) : 0);
  const int64_t end = max64(begin, min64(t.cols, ceil_div(max64(0, s.W - x0), s.phases)));
  for (int64_t r = 0; r < t.rows; ++r, dst += t.cols * kWidth) {
    const int64_t y = t.y + r * s.phases + py;
    const bool inside = y >= 0 && y < s.H && begin < end;
    fill_zero(dst, (inside ? begin : t.cols) * kWidth);
    if (inside) fill_zero(dst + end * kWidth, (t.cols - end) * kWidth);
  }
}

// Pixels of n channels from `src` on, a vector of them at a time across the ends of rows.
void stage_pixels(const Planes& s, const Staged& t, const float* src, int64_t n) {
  const int64_t begin = max64(0, t.y), end = min64(s.H, t.y + t.rows * s.phases);
  const int64_t count = (end - begin) * s.W;
  int64_t y = begin - t.y, x = 0;
  const auto row = [&](int64_t at) {
    return t.pixels + at % s.phases * s.phases * t.phase() + at / s.phases * t.cols * kWidth;
  };
  float* dst = row(y);
  for (int64_t q = 0; q < count; q += kWidth) {
    Vec v[kWidth];
    const int64_t m = min64(kWidth, count - q);
    load_transposed(src + begin * s.W + q, s.H * s.W, n, m, v);
    const int64_t* column = t.column + x;
    if (x + kWidth <= s.W && m == kWidth && column[0] >= 0 && column[kWidth - 1] >= 0) {
#pragma GCC unroll 16
      for (int64_t j = 0; j < kWidth; ++j) store(dst + column[j], v[j]);
      x += kWidth;
      if (x == s.W) {
        x = 0;
        dst = row(++y);
      }
      continue;
    }
    for (int64_t j = 0; j < m; ++j) {
      if (t.column[x] >= 0) store(dst + t.column[x], v[j]);
      if (++x == s.W) {
        x = 0;
        dst = row(++y);
      }
    }
  }
}

// The matrices of a tile's inputs, and of its gradients.
template <class F>
using GradientMatrix = Transposed<OutputMatrix<F>>;

// dst[a][tile][k]: M x M^T of every tile of a band, of one group of channels in all phases.
template <class F, template <class> class M>
void transform_band(const Problem& p, const Planes& s, int64_t band, int64_t group, int64_t y0,
                    int64_t x0, int64_t pitch, int64_t stride, float* scratch, float* dst) {
  constexpr int64_t kOverlap = M<F>::kCols - F::kTile;
  const Bands& b = p.bands;
  const int64_t c0 = group * kWidth, n = min64(kWidth, s.channels - c0);
  const int64_t first = b.row(band), end = first + b.rows_of(band), top = b.y.begin(first);
  Staged t = {top * s.phases + y0,      x0,      b.y.begin(end) - top + kOverlap,
              b.x.outputs() + kOverlap, scratch, nullptr};
  t.column = reinterpret_cast<int64_t*>(scratch + s.phases * s.phases * t.phase());
  for (int64_t x = 0; x < s.W; ++x) {
    const int64_t at = x - x0, col = at / s.phases;
    t.column[x] = at < 0 || col >= t.cols ? -1 : at % s.phases * t.phase() + col * kWidth;
  }
  stage_pixels(s, t, s.data + b.image(band) * s.image + c0 * s.H * s.W, n);
  dst += c0;
  for (int64_t phase = 0; phase < s.phases * s.phases; ++phase, dst += s.channels) {
    stage_border(s, t, phase / s.phases, phase % s.phases);
    const float* pixels = t.pixels + phase * t.phase();
    for (int64_t ty = first; ty < end; ++ty) {
      const RowOfTiles to = p.tiles_of_row(band, ty - first);
      for (int64_t tx = 0; tx < b.x.count(); ++tx) {
        const float* src = pixels + ((b.y.begin(ty) - top) * t.cols + b.x.begin(tx)) * kWidth;
        float* tile = dst + to.at(b.x, tx) * pitch;
        with_kinds<F>(ty < b.y.large, tx < b.x.large, [&](auto fy, auto fx) {
          both_sides<M<decltype(fy)>, M<decltype(fx)>>(
              [&](int i, int j) { return load(src + (i * t.cols + j) * kWidth); },
              [&](int i, int j, Vec v) {
                const int a = Kinds<F>::point(fy, i) * F::kPoints + Kinds<F>::point(fx, j);
                store_tail(tile + a * stride, v, n);
              });
        });
      }
    }
  }
}

template <class F>
void transform_inputs(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const int64_t groups = p.in.groups(), side = piece / groups % p.sides;
  transform_band<F, InputMatrix>(
      p, p.in, p.band0 + piece / (groups * p.sides), piece % groups, p.y.origin, p.x[side].origin,
      p.K, p.v_stride, static_cast<float*>(scratch), p.v + side * p.points() * p.v_stride);
}

template <class F>
void transform_gradients(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const int64_t groups = p.gy.groups();
  // The outputs of the first tiles that do not exist are zeros beside the image.
  transform_band<F, GradientMatrix>(p, p.gy, p.band0 + piece / groups, piece % groups, -p.y.lead,
                                    -p.x[0].lead, p.lanes, p.p_stride, static_cast<float*>(scratch),
                                    p.p);
}

int64_t parts_of_tiles(const Problem& p) {
  return p.alone ? 1 : ceil_div(p.order.count(), kTilesPerPiece);
}

// P[a][tile][lane] of some tiles of one point (a counts through all sides).
void multiply(const void* ctx, int64_t piece, void*) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Panels panels(p.M);
  const int64_t tiles = p.order.count(), points = p.sides * p.points();
  const int64_t parts = parts_of_tiles(p);
  // What is larger, tiles or weights, is read by one thread.
  const bool by_tiles = tiles * (p.K + p.lanes) > p.K * p.lanes;
  const int64_t a = by_tiles ? piece % points : piece / parts;
  const int64_t part = by_tiles ? piece / points : piece % parts;
  const Range all = p.tiles_with(a);
  const int64_t t0 = all.begin + part_begin(all.end - all.begin, parts, part);
  const int64_t count = all.begin + part_begin(all.end - all.begin, parts, part + 1) - t0;
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t m0 = panels.begin(q) * kWidth, width = panels.width(q) * kWidth;
    const int64_t steps = ceil_div(count, tall_rows(panels.width(q)));
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = t0 + part_begin(count, steps, i);
      const int64_t r = t0 + part_begin(count, steps, i + 1) - t;
      const float* rows[kTallRows];
      for (int64_t j = 0; j < r; ++j) rows[j] = p.v + a * p.v_stride + (t + j) * p.K;
      TileOut out;
      out.c = p.p + a * p.p_stride + t * p.lanes + m0;
      out.ldc = p.lanes;
      out.cols = width;
      run_tall_tile(r, panels.width(q), p.K, rows, Step{1}, p.u + (a * p.lanes + m0) * p.K,
                    Step{width}, out);
    }
  }
}

// The outputs of a band, of one vector of output channels: row by row, the sides interleaved.
template <class F>
void transform_outputs(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Bands& b = p.bands;
  const int64_t vecs = Panels(p.M).vecs, band = p.band0 + piece / vecs;
  const int64_t m0 = piece % vecs * kWidth, n = min64(kWidth, p.M - m0);
  float* pixels = static_cast<float*>(scratch);
  const int64_t pitch = b.x.outputs() * p.sides * kWidth, plane = p.out_h * p.out_w;
  const Finish finish = {p.bias ? p.bias + m0 : nullptr, p.a.act == Act::kRelu};
  for (int64_t row = 0; row < b.rows_of(band); ++row) {
    const int64_t ty = b.row(band) + row;
    const RowOfTiles from = p.tiles_of_row(band, row);
    for (int64_t side = 0; side < p.sides; ++side) {
      const float* points = p.p + side * p.points() * p.p_stride + m0;
      float* to = pixels + (p.x[side].out0 + p.x[side].lead) * kWidth;
      for (int64_t tx = 0; tx < b.x.count(); ++tx) {
        const float* src = points + from.at(b.x, tx) * p.lanes;
        float* dst = to + b.x.begin(tx) * p.sides * kWidth;
        with_kinds<F>(ty < b.y.large, tx < b.x.large, [&](auto fy, auto fx) {
          both_sides<OutputMatrix<decltype(fy)>, OutputMatrix<decltype(fx)>>(
              [&](int i, int j) {
                const int a = Kinds<F>::point(fy, i) * F::kPoints + Kinds<F>::point(fx, j);
                return load(src + a * p.p_stride);
              },
              [&](int i, int j, Vec v) { store(dst + i * pitch + j * p.sides * kWidth, v); });
        });
      }
    }
    const int64_t i0 = b.y.begin(ty);
    for (int64_t i = max64(i0, p.y.lead); i < min64(b.y.begin(ty + 1), p.y.grid); ++i) {
      const int64_t y = p.y.out0 + i * p.y.out_step;
      store_lanes_as_rows(
          pixels + (i - i0) * pitch + p.x[0].lead * kWidth, kWidth, p.out_w, n, finish,
          p.out + (b.image(band) * p.out_channels + m0) * plane + y * p.out_w, plane, 1);
    }
  }
}

// U[a][k][lane] (+)= sum of V[a][tile][k] W[a][tile][lane], for some k of one point.
void accumulate(const void* ctx, int64_t piece, void*) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Panels panels(p.M);
  const int64_t parts = ceil_div(p.K, kTilesPerPiece), a = piece / parts;
  const int64_t k0 = part_begin(p.K, parts, piece % parts);
  const int64_t count = part_begin(p.K, parts, piece % parts + 1) - k0;
  const int64_t steps = ceil_div(count, kTileRows);
  const Range tiles = p.tiles_with(a);
  const float* v = p.v + a * p.v_stride + tiles.begin * p.K;
  const float* gy = p.p + a * p.p_stride + tiles.begin * p.lanes;
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t m0 = panels.begin(q) * kWidth, width = panels.width(q) * kWidth;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t k = k0 + part_begin(count, steps, i);
      const int64_t r = k0 + part_begin(count, steps, i + 1) - k;
      const float* rows[kTileRows];
      for (int64_t j = 0; j < r; ++j) rows[j] = v + k + j;
      TileOut out;
      out.c = p.u + (a * p.K + k) * p.lanes + m0;
      out.ldc = p.lanes;
      out.cols = width;
      out.add = p.adds;
      run_tile(r, width / kWidth, tiles.end - tiles.begin, rows, Step{p.K}, gy + m0, Step{p.lanes},
               out);
    }
  }
}

// gw = G^T U G, for some input channels of one vector of output channels.
template <class F>
void finish_weights(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const int64_t channels = p.in.channels, blocks = ceil_div(channels, kChannelsPerPiece);
  const int64_t m0 = piece / blocks * kWidth, n = min64(kWidth, p.M - m0);
  const int64_t taps = p.a.KH * p.a.KW, end = (piece % blocks + 1) * kChannelsPerPiece;
  float* w = static_cast<float*>(scratch);  // [tap][lane]
  for (int64_t c = piece % blocks * kChannelsPerPiece; c < min64(channels, end); ++c) {
    for (int64_t phase = 0; phase < p.in.phases * p.in.phases; ++phase) {
      const float* src = p.u + (phase * channels + c) * p.lanes + m0;
      both_sides<Transposed<FilterMatrix<F>>, Transposed<FilterMatrix<F>>>(
          [&](int i, int j) {
            const float* sum = src + (i * FilterMatrix<F>::kRows + j) * p.K * p.lanes;
            Vec v = load(sum);
            for (int64_t k = 1; k < p.slices; ++k) v = v + load(sum += p.u_floats());
            return v;
          },
          [&](int ty, int tx, Vec v) { store(w + tap_of(p, 0, phase, ty, tx) * kWidth, v); });
    }
    store_lanes_as_rows(w, kWidth, taps, n, Finish{nullptr, false}, p.out + m0 * p.w_m + c * p.w_c,
                        p.w_m, 1);
  }
}

// The steps of a chunk, each as a number of pieces.
template <class F, class Each>
void for_steps(const Problem& p, Each each) {
  const int64_t bands = p.band1 - p.band0, inputs = bands * p.sides * p.in.groups();
  each(inputs, transform_inputs<F>);
  if (p.gradient) {
    each(bands * p.gy.groups(), transform_gradients<F>);
    each(p.points() * ceil_div(p.K, kTilesPerPiece), accumulate);
  } else {
    each(p.sides * p.points() * parts_of_tiles(p), multiply);
    each(bands * Panels(p.M).vecs, transform_outputs<F>);
  }
}

int64_t chunks(const Problem& p) { return ceil_div(p.bands.count(), p.bands_per_chunk); }

// Chunk i of the slice that begins with chunk `first`.
void set_chunk(Problem* p, int64_t i, int64_t first) {
  p->band0 = i * p->bands_per_chunk;
  p->band1 = min64(p->bands.count(), p->band0 + p->bands_per_chunk);
  p->adds = i > first;
  const Bands& b = p->bands;
  p->row_before = b.first_row(p->band0);
  p->large_before = b.large_rows(p->row_before);
  const int64_t rows = b.first_row(p->band1) - p->row_before;
  const int64_t large = b.large_rows(p->row_before + rows) - p->large_before;
  p->order = {large, rows - large, b.x.large, b.x.small};
}

int64_t whole_lines(int64_t floats) { return ceil_div(floats, 16) * 16; }

// Chunks that never leave the caches of their thread.
template <class F>
void run_alone(Problem p, int64_t first, int64_t end, void* scratch) {
  const int64_t products = p.sides * p.points();
  p.v = static_cast<float*>(scratch);
  p.p = p.v + whole_lines(products * p.v_stride);
  float* rest = p.p + whole_lines(products * p.p_stride);
  for (int64_t i = first; i < end; ++i) {
    set_chunk(&p, i, first);
    for_steps<F>(p, [&](int64_t pieces, PieceFn step) {
      for (int64_t k = 0; k < pieces; ++k) step(&p, k, rest);
    });
  }
}

template <class F>
void correlate_chunk(const void* ctx, int64_t piece, void* scratch) {
  run_alone<F>(*static_cast<const Problem*>(ctx), piece, piece + 1, scratch);
}

template <class F>
void accumulate_slice(const void* ctx, int64_t piece, void* scratch) {
  Problem p = *static_cast<const Problem*>(ctx);
  p.u += piece * p.u_floats();
  run_alone<F>(p, part_begin(chunks(p), p.slices, piece),
               part_begin(chunks(p), p.slices, piece + 1), scratch);
}

// Every thread takes part in each step of each chunk.
template <class F>
void run_together(Problem* p) {
  for (int64_t i = 0; i < chunks(*p); ++i) {
    set_chunk(p, i, 0);
    for_steps<F>(*p, [p](int64_t pieces, PieceFn step) { parallel_for(pieces, step, p); });
  }
}

// Of the transforms of weights.
int64_t weight_pieces(const Problem& p) {
  return Panels(p.M).vecs * ceil_div(p.in.channels, kChannelsPerPiece);
}

template <class F>
void correlate(Problem* p) {
  parallel_for(weight_pieces(*p), transform_weights<F>, p);
  p->alone ? parallel_for(chunks(*p), correlate_chunk<F>, p) : run_together<F>(p);
}

template <class F>
void correlate_weights(Problem* p) {
  p->alone ? parallel_for(p->slices, accumulate_slice<F>, p) : run_together<F>(p);
  parallel_for(weight_pieces(*p), finish_weights<F>, p);
}

template <class Fn>
void with_matrices(const Problem& p, Fn fn) {
  if (p.R == 3) return fn(F43());
  if (p.T == F42::kTile) return fn(F42());
  p.T == F32::kTile ? fn(F32()) : fn(F22());
}

void run(Problem* p) {
  with_matrices(*p, [p](auto f) { correlate<decltype(f)>(p); });
}

// Of three taps, whose stride is 1.
bool clean_ends(const Conv2dArgs& a, bool grad_input) {
  const auto clean = [&](int64_t in, int64_t out) {
    return Ends(grad_input ? phase_reach(in, out, 3, 1, a.pad_h, 0)
                           : forward_reach(in, out, 1, a.pad_h),
                3)
        .clean(F43::kTile);
  };
  return clean(a.H, a.OH) && clean(a.W, a.OW);
}

}  // namespace

bool winograd_fits(const Conv2dArgs& a, bool grad_input) {
  const int64_t s = a.stride_h, R = a.KH / s;
  if (a.groups != 1 || a.stride_w != s || a.KH != a.KW || a.KH != R * s) return false;
  if (a.dil_h != 1 || a.dil_w != 1 || a.pad_h != a.pad_w || s > kMaxStride) return false;
  if (R == 3 ? s != 1 || a.pad_h > 2 || min64(a.OH, a.OW) < 7 : R != 2 || a.pad_h * 2 > a.KH) {
    return false;
  }
  if (a.C < 16 || a.O < 16 || a.OH <= 0 || a.OW <= 0) return false;
  const int64_t T = R == 3 ? F43::kTile : F22::kTile;
  if (a.N * ceil_div(a.OH, T) * ceil_div(a.OW, T) < (R == 3 ? 32 : 64)) return false;  // too few
  if (R == 3 && a.rounds == 0 && !clean_ends(a, grad_input)) return false;
  return (max64(a.W, a.OW) + 2 * a.KW) * s * 8 * kWidth <= kRowFloats;
}

bool winograd_saves(const Conv2dArgs& a, bool grad_input) {
  if (a.KH != F43::kTaps || !winograd_fits(a, grad_input)) return false;
  const int64_t T = F43::kTile, H = grad_input ? a.H : a.OH, W = grad_input ? a.W : a.OW;
  const int64_t products = ceil_div(H, T) * ceil_div(W, T) * F43::kPoints * F43::kPoints;
  return 20 * products < 9 * a.OH * a.OW * a.KH * a.KW;
}

void winograd_forward(const Conv2dArgs& a) {
  Problem p = forward_pass_of(a);
  plan(&p);
  run(&p);
}

int64_t winograd_forward_work(const Conv2dArgs& a) {
  Problem p = forward_pass_of(a);
  return plan(&p);
}

void winograd_grad_input(const Conv2dArgs& a) {
  for (int64_t phase = 0; phase < a.stride_h; ++phase) {
    Problem p = grad_input_pass_of(a, phase);
    plan(&p);
    run(&p);
  }
  if (a.KH == 2 * a.stride_h) correct_corners(a);
}

int64_t winograd_grad_input_work(const Conv2dArgs& a) {
  int64_t bytes = 0;
  for (int64_t phase = 0; phase < a.stride_h; ++phase) {
    Problem p = grad_input_pass_of(a, phase);
    bytes = max64(bytes, plan(&p));
  }
  return bytes;
}

void winograd_grad_weight(const Conv2dArgs& a) {
  Problem p = grad_weight_pass_of(a);
  plan(&p);
  with_matrices(p, [&p](auto f) { correlate_weights<decltype(f)>(&p); });
}

int64_t winograd_grad_weight_work(const Conv2dArgs& a) {
  Problem p = grad_weight_pass_of(a);
  return plan(&p);
}

}  // namespace PYDL_ISA
}  // namespace pydl

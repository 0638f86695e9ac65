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

#include "cpu/conv_corners.h"
#include "cpu/conv_pass.h"
#include "cpu/kernels_isa.h"
#include "cpu/winograd.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kChunkFloats = 512 << 10;  // of V and P together
constexpr int64_t kOwnFloats = 128 << 10;    // the same, of a chunk that one thread computes
constexpr int64_t kOwnTiles = 8;             // of such a chunk, at least
constexpr int64_t kOwnTerms = 32;            // the same, where they are summed up
constexpr int64_t kOwnWeights = 1 << 20;     // floats of U, which every such chunk reads
constexpr int64_t kMostSlices = 16;          // of the tiles, each with a sum U of its own
constexpr int64_t kSliceChunks = 4;          // at least
constexpr int64_t kSliceFloats = 4 << 20;    // of all these sums
constexpr int64_t kStagedFloats = 24 << 10;  // pixels of a band, by kWidth channels
constexpr int64_t kRowFloats = 128 << 10;    // limit of one row of tiles
constexpr int64_t kOwnRow = 48 << 10;        // the same, beside a chunk
static_assert((kOwnFloats + 2 * kOwnRow) * 4 < kScratchBytes, "a chunk and what it stages");
constexpr int64_t kTilesPerPiece = 32;
constexpr int64_t kChannelsPerPiece = 16;

constexpr int64_t kMaxStride = 4;
constexpr int64_t kWeightsInTiles = 100;  // a point's weights take the time of so many tiles

// One axis: output i of phase p reads position (i + tap) * step + p + origin and kernel element
// tap * estep + p + e0; it lies at out0 + i * out_step. Outputs begin at i = lead.
struct Reach {
  int64_t in, grid, step, origin, e0, estep, out0, out_step, lead;
};

// Where tiles come from: planes of pixels, of which some rows of tiles are transformed at a time.
struct Planes {
  const float* data;
  int64_t image, channels, phases;  // of one phase; phases are as many as pixels in a step
  int64_t H, W;

  int64_t groups() const { return ceil_div(channels, kWidth); }
};

// A band is some rows of tiles of one image; bands are counted through all images.
struct Bands {
  int64_t N, th, tw, rows;  // tiles of an image, rows of tiles of a band
  int64_t per_image() const { return ceil_div(th, rows); }
  int64_t count() const { return N * per_image(); }
  int64_t image(int64_t band) const { return band / per_image(); }
  int64_t row(int64_t band) const { return band % per_image() * rows; }
  int64_t rows_of(int64_t band) const { return min64(rows, th - row(band)); }
  int64_t first_tile(int64_t band) const { return (image(band) * th + row(band)) * tw; }
};

struct Problem {
  Conv2dArgs a;
  int64_t R, T, K, M;   // taps, outputs of a tile (in one dimension), inputs, outputs
  int64_t sides;        // phases of the columns that are computed side by side
  bool corners_follow;  // conv_corners.h
  bool gradient;        // of the weights
  Reach y, x[kMaxStride];
  Planes in, gy;  // gy: of the weight gradient
  const float* w;
  int64_t w_m, w_c;
  const float* bias;
  float* out;
  int64_t out_channels, out_h, out_w;
  Bands bands;
  bool alone;                             // a chunk is computed by one thread, in its scratch
  int64_t bands_per_chunk, band0, band1;  // the chunk under way
  int64_t slices;                         // of the chunks; each begins anew in its U
  bool adds;                              // this chunk is not the first of its slice
  int64_t lanes;                          // floats of a tile in P and W; K in V
  int64_t v_stride, p_stride;             // between points; then come the other sides
  float *u, *v, *p;

  int64_t points() const { return (T + R - 1) * (T + R - 1); }
  int64_t tile0() const { return bands.first_tile(band0); }
  int64_t tiles() const { return bands.first_tile(band1) - tile0(); }
  int64_t u_floats() const { return sides * points() * K * lanes; }
};

Reach forward_reach(int64_t in, int64_t out, int64_t stride, int64_t pad) {
  return {in, out, stride, -pad, 0, stride, 0, 1, 0};
}

// Pixels of one phase as outputs of a filter over gy, whose taps run backward (conv_pass.h).
Reach phase_reach(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t p) {
  const Axis s = phase_axis(in, out, taps, stride, pad, 1, p);
  return {s.in,   s.grid,     1, s.d0 - (s.taps - 1), s.k0 + (s.taps - 1) * s.kstep, -s.kstep,
          s.out0, s.out_step, 0};
}

// Whether outputs at the beginning and at the end of an axis have but one tap inside of it: they
// are small, and a tile rounds by its largest outputs. Such an output is free of its neighbours'
// rounding where it is the last one of the first tile, or the first one of the last tile: all but
// one of the points are 0 then.
struct Ends {
  int64_t count;  // outputs with a tap inside
  bool low, high;
  Ends(const Reach& r, int64_t R)
      : count(min64(r.grid, (r.in - 1 - r.origin) / r.step + 1)),
        low(r.origin + (R - 1) * r.step - 1 < 0),
        high(count * r.step + r.origin >= r.in) {}
  bool any() const { return low || high; }
  bool clean(int64_t T) const { return !low || !high || count % T == 2 % T; }
};

// Tiles of three taps begin some outputs early where that keeps the ends clean.
void lead_in(Reach* r) {
  constexpr int64_t T = F43::kTile;
  const Ends ends(*r, F43::kTaps);
  if (!ends.any()) return;
  r->lead = ends.low ? T - 1 : (T - (ends.count - 1) % T) % T;
  r->grid += r->lead;
  r->origin -= r->lead * r->step;
  r->out0 -= r->lead * r->out_step;
}

// The smaller tiles where sums are short or corners have fewer taps, for their rounding; where the
// larger ones would hang over the end; where too few of them repay the transformed weights that go
// through memory.
int64_t tile_of_two_taps(const Problem& p, int64_t grid_x) {
  const auto cost = [&](int64_t T) {
    const int64_t tiles = p.a.N * ceil_div(p.y.grid, T) * ceil_div(grid_x, T);
    return (T + 1) * (T + 1) * (tiles + kWeightsInTiles);
  };
  const bool even_taps = !Ends(p.y, p.R).any() || !Ends(p.x[0], p.R).any();
  int64_t best = F22::kTile;
  if ((even_taps || p.corners_follow) && p.K >= 64 && p.K <= kMaxCornerDepth) {
    for (int64_t T = F32::kTile; T <= F42::kTile; ++T) best = cost(T) < cost(best) ? T : best;
  }
  return best;
}

// Tiles and memory follow from the axes. Returns the workspace in bytes.
int64_t plan(Problem* p) {
  if (p->R == 3) {
    lead_in(&p->y);
    lead_in(&p->x[0]);
  }
  int64_t grid_x = 0;
  for (int64_t i = 0; i < p->sides; ++i) grid_x = max64(grid_x, p->x[i].grid);
  p->T = p->R == 3 ? F43::kTile : tile_of_two_taps(*p, grid_x);
  const int64_t th = ceil_div(p->y.grid, p->T), tw = ceil_div(grid_x, p->T), s = p->in.phases;
  const int64_t row = s * s * p->T * (tw * p->T + p->R - 1) * kWidth;
  p->lanes = Panels(p->M).vecs * kWidth;
  const int64_t products = p->points() * p->sides, u = p->u_floats();
  const int64_t tile = products * (p->K + p->lanes), own = kOwnFloats / tile;
  p->alone =
      u <= kOwnWeights && own >= max64(p->gradient ? kOwnTerms : kOwnTiles, tw) && row <= kOwnRow;
  int64_t rows = max64(1, kStagedFloats / row);
  if (p->alone) rows = min64(rows, own / tw);
  p->bands = {p->a.N, th, tw, even(th, rows)};
  const Bands& b = p->bands;
  const int64_t band = b.rows * b.tw, most = p->alone ? kOwnFloats : kChunkFloats;
  p->bands_per_chunk = even(b.count(), max64(1, most / (tile * band)));
  // NOTE: one vector more, or all points of a tile would share one set of the cache.
  p->v_stride = p->bands_per_chunk * band * p->K + kWidth;
  p->p_stride = p->bands_per_chunk * band * p->lanes + kWidth;
  p->u = static_cast<float*>(p->a.work);
  p->slices = 1;
  if (p->alone && p->gradient) {
    const int64_t chunks = ceil_div(b.count(), p->bands_per_chunk);
    p->slices = min64(min64(kMostSlices, kSliceFloats / u), max64(1, chunks / kSliceChunks));
  }
  if (p->alone) return p->slices * u * 4;
  p->v = p->u + u;
  p->p = p->v + products * p->v_stride;
  return (u + products * (p->v_stride + p->p_stride)) * 4;
}

Problem forward_pass_of(const Conv2dArgs& a) {
  Problem p = {};
  const int64_t s = a.stride_h;
  p.a = a;
  p.R = a.KH / s;
  p.sides = 1;
  p.y = forward_reach(a.H, a.OH, s, a.pad_h);
  p.x[0] = forward_reach(a.W, a.OW, s, a.pad_w);
  p.K = a.C * s * s;
  p.M = a.O;
  p.in = {a.x, a.C * a.H * a.W, a.C, s, a.H, a.W};
  p.gy = {a.gy, a.O * a.OH * a.OW, a.O, 1, a.OH, a.OW};
  p.w = a.w;
  p.w_m = a.C * a.KH * a.KW;
  p.w_c = a.KH * a.KW;
  p.bias = a.bias;
  p.out = a.out;
  p.out_channels = a.O;
  p.out_h = a.OH;
  p.out_w = a.OW;
  return p;
}

Problem grad_weight_pass_of(const Conv2dArgs& a) {
  Problem p = forward_pass_of(a);
  p.gradient = true;
  return p;
}

Problem grad_input_pass_of(const Conv2dArgs& a, int64_t phase) {
  Problem p = {};
  const int64_t s = a.stride_h;
  p.a = a;
  p.R = a.KH / s;
  p.sides = s;
  p.corners_follow = true;
  p.y = phase_reach(a.H, a.OH, a.KH, s, a.pad_h, phase);
  for (int64_t x = 0; x < s; ++x) p.x[x] = phase_reach(a.W, a.OW, a.KW, s, a.pad_w, x);
  p.K = a.O;
  p.M = a.C;
  p.in = {a.gy, a.O * a.OH * a.OW, a.O, 1, a.OH, a.OW};
  p.w = a.w;
  p.w_m = a.KH * a.KW;
  p.w_c = a.C * p.w_m;
  p.bias = a.bias;
  p.out = a.out;
  p.out_channels = a.C;
  p.out_h = a.H;
  p.out_w = a.W;
  return p;
}

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
      both_sides<FilterMatrix<F>>(
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
    for (int64_t j = 0; j < m; ++j) {
      if (t.column[x] >= 0) store(dst + t.column[x], v[j]);
      if (++x == s.W) {
        x = 0;
        dst = row(++y);
      }
    }
  }
}

// dst[a][tile][k]: M x M^T of every tile of a band, of one group of channels in all phases.
template <class F, class M>
void transform_band(const Problem& p, const Planes& s, int64_t band, int64_t group, int64_t y0,
                    int64_t x0, int64_t pitch, int64_t stride, float* scratch, float* dst) {
  constexpr int64_t kTile = F::kTile;
  const Bands& b = p.bands;
  const int64_t c0 = group * kWidth, n = min64(kWidth, s.channels - c0);
  const int64_t height = b.rows_of(band);
  Staged t = {b.row(band) * kTile * s.phases + y0, x0,      (height - 1) * kTile + M::kCols,
              (b.tw - 1) * kTile + M::kCols,       scratch, nullptr};
  t.column = reinterpret_cast<int64_t*>(scratch + s.phases * s.phases * t.phase());
  for (int64_t x = 0; x < s.W; ++x) {
    const int64_t at = x - x0, col = at / s.phases;
    t.column[x] = at < 0 || col >= t.cols ? -1 : at % s.phases * t.phase() + col * kWidth;
  }
  stage_pixels(s, t, s.data + b.image(band) * s.image + c0 * s.H * s.W, n);
  dst += (b.first_tile(band) - p.tile0()) * pitch + c0;
  for (int64_t phase = 0; phase < s.phases * s.phases; ++phase, dst += s.channels) {
    stage_border(s, t, phase / s.phases, phase % s.phases);
    const float* pixels = t.pixels + phase * t.phase();
    float* tile = dst;
    for (int64_t ty = 0; ty < height; ++ty) {
      for (int64_t tx = 0; tx < b.tw; ++tx, tile += pitch) {
        const float* src = pixels + (ty * t.cols + tx) * kTile * kWidth;
        both_sides<M>(
            [&](int i, int j) { return load(src + (i * t.cols + j) * kWidth); },
            [&](int i, int j, Vec v) { store_tail(tile + (i * M::kRows + j) * stride, v, n); });
      }
    }
  }
}

template <class F>
void transform_inputs(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const int64_t groups = p.in.groups(), side = piece / groups % p.sides;
  transform_band<F, InputMatrix<F>>(
      p, p.in, p.band0 + piece / (groups * p.sides), piece % groups, p.y.origin, p.x[side].origin,
      p.K, p.v_stride, static_cast<float*>(scratch), p.v + side * p.points() * p.v_stride);
}

template <class F>
void transform_gradients(const void* ctx, int64_t piece, void* scratch) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const int64_t groups = p.gy.groups();
  // The outputs of the first tiles that do not exist are zeros beside the image.
  transform_band<F, Transposed<OutputMatrix<F>>>(p, p.gy, p.band0 + piece / groups, piece % groups,
                                                 -p.y.lead, -p.x[0].lead, p.lanes, p.p_stride,
                                                 static_cast<float*>(scratch), p.p);
}

// P[a][tile][lane] of some tiles of one point (a counts through all sides).
void multiply(const void* ctx, int64_t piece, void*) {
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Panels panels(p.M);
  const int64_t parts = ceil_div(p.tiles(), kTilesPerPiece), points = p.sides * p.points();
  // What is larger, tiles or weights, is read by one thread.
  const bool by_tiles = p.tiles() * (p.K + p.lanes) > p.K * p.lanes;
  const int64_t a = by_tiles ? piece % points : piece / parts;
  const int64_t part = by_tiles ? piece / points : piece % parts;
  const int64_t t0 = part_begin(p.tiles(), parts, part);
  const int64_t count = part_begin(p.tiles(), parts, part + 1) - t0;
  const int64_t steps = ceil_div(count, kTileRows);
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t m0 = panels.begin(q) * kWidth, width = panels.width(q) * kWidth;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t t = t0 + part_begin(count, steps, i);
      const int64_t r = t0 + part_begin(count, steps, i + 1) - t;
      const float* rows[kTileRows];
      for (int64_t j = 0; j < r; ++j) rows[j] = p.v + a * p.v_stride + (t + j) * p.K;
      TileOut out;
      out.c = p.p + a * p.p_stride + t * p.lanes + m0;
      out.ldc = p.lanes;
      out.cols = width;
      run_tile(r, width / kWidth, p.K, rows, Step{1}, p.u + (a * p.lanes + m0) * p.K, Step{width},
               out);
    }
  }
}

// The outputs of a band, of one vector of output channels: row by row, the sides interleaved.
template <class F>
void transform_outputs(const void* ctx, int64_t piece, void* scratch) {
  constexpr int64_t kTile = F::kTile;
  const Problem& p = *static_cast<const Problem*>(ctx);
  const Bands& b = p.bands;
  const int64_t vecs = Panels(p.M).vecs, band = p.band0 + piece / vecs;
  const int64_t m0 = piece % vecs * kWidth, n = min64(kWidth, p.M - m0);
  const float* tile = p.p + (b.first_tile(band) - p.tile0()) * p.lanes + m0;
  float* pixels = static_cast<float*>(scratch);
  const int64_t pitch = b.tw * kTile * p.sides * kWidth, plane = p.out_h * p.out_w;
  const Finish finish = {p.bias ? p.bias + m0 : nullptr, p.a.act == Act::kRelu};
  for (int64_t ty = 0; ty < b.rows_of(band); ++ty, tile += b.tw * p.lanes) {
    for (int64_t side = 0; side < p.sides; ++side) {
      const float* src = tile + side * p.points() * p.p_stride;
      float* dst = pixels + (p.x[side].out0 + p.x[side].lead) * kWidth;
      for (int64_t tx = 0; tx < b.tw; ++tx, src += p.lanes, dst += kTile * p.sides * kWidth) {
        both_sides<OutputMatrix<F>>(
            [&](int i, int j) { return load(src + (i * OutputMatrix<F>::kCols + j) * p.p_stride); },
            [&](int i, int j, Vec v) { store(dst + i * pitch + j * p.sides * kWidth, v); });
      }
    }
    const int64_t i0 = (b.row(band) + ty) * kTile;
    for (int64_t i = max64(i0, p.y.lead); i < min64(i0 + kTile, p.y.grid); ++i) {
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
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t m0 = panels.begin(q) * kWidth, width = panels.width(q) * kWidth;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t k = k0 + part_begin(count, steps, i);
      const int64_t r = k0 + part_begin(count, steps, i + 1) - k;
      const float* rows[kTileRows];
      for (int64_t j = 0; j < r; ++j) rows[j] = p.v + a * p.v_stride + k + j;
      TileOut out;
      out.c = p.u + (a * p.K + k) * p.lanes + m0;
      out.ldc = p.lanes;
      out.cols = width;
      out.add = p.adds;
      run_tile(r, width / kWidth, p.tiles(), rows, Step{p.K}, p.p + a * p.p_stride + m0,
               Step{p.lanes}, out);
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
      both_sides<Transposed<FilterMatrix<F>>>(
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
    each(p.sides * p.points() * ceil_div(p.tiles(), kTilesPerPiece), multiply);
    each(bands * Panels(p.M).vecs, transform_outputs<F>);
  }
}

int64_t chunks(const Problem& p) { return ceil_div(p.bands.count(), p.bands_per_chunk); }

// Chunk i of the slice that begins with chunk `first`.
void set_chunk(Problem* p, int64_t i, int64_t first) {
  p->band0 = i * p->bands_per_chunk;
  p->band1 = min64(p->bands.count(), p->band0 + p->bands_per_chunk);
  p->adds = i > first;
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
  if (R == 3 && !clean_ends(a, grad_input)) return false;
  return (max64(a.W, a.OW) + 2 * a.KW) * s * 8 * kWidth <= kRowFloats;
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

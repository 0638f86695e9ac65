// What a Winograd pass computes and in which order: its axes, the tiles that cover them, chunks of
// tiles and their memory. Not the computing (conv_winograd.cc).
#pragma once
#include "cpu/conv_corners.h"
#include "cpu/conv_pass.h"
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

// Tiles along an axis: large ones of T outputs, then small ones of an output less.
struct Tiles {
  int64_t T, large, small;
  int64_t count() const { return large + small; }
  int64_t begin(int64_t i) const { return i * T - max64(0, i - large); }
  int64_t outputs() const { return begin(count()); }
  int64_t products(int64_t taps) const { return outputs() + count() * (taps - 1); }
};

// A band is some rows of tiles of one image; bands are counted through all images, and so are rows.
struct Bands {
  int64_t N;
  Tiles y, x;    // of an image
  int64_t rows;  // of tiles, of a band
  int64_t per_image() const { return ceil_div(y.count(), rows); }
  int64_t count() const { return N * per_image(); }
  int64_t image(int64_t band) const { return band / per_image(); }
  int64_t row(int64_t band) const { return band % per_image() * rows; }  // in its image
  int64_t rows_of(int64_t band) const { return min64(rows, y.count() - row(band)); }
  int64_t first_row(int64_t band) const { return image(band) * y.count() + row(band); }
  int64_t large_rows(int64_t row) const {  // of those before
    return row / y.count() * y.large + min64(row % y.count(), y.large);
  }
};

// Where tiles are in a chunk: in the order of their kinds, large by large where both axes are, so
// that those which have a point follow each other.
//
//   small y, large x | large y, large x | large y, small x | small y, small x
struct Order {
  int64_t large_y, small_y;  // rows of the chunk
  int64_t large_x, small_x;  // tiles of a row
  int64_t begin_large() const { return small_y * large_x; }
  int64_t end_large() const { return begin_large() + large_y * large_x; }
  int64_t begin_small() const { return end_large() + large_y * small_x; }
  int64_t count() const { return begin_small() + small_y * small_x; }
};

struct Range {
  int64_t begin, end;
};

// The tiles of a row: where the large ones begin, and the small ones.
struct RowOfTiles {
  int64_t large, small;
  int64_t at(const Tiles& x, int64_t i) const {
    return i < x.large ? large + i : small + i - x.large;
  }
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
  int64_t row_before, large_before;       // rows of tiles before it
  Order order;                            // of its tiles
  int64_t slices;                         // of the chunks; each begins anew in its U
  bool adds;                              // this chunk is not the first of its slice
  int64_t lanes;                          // floats of a tile in P and W; K in V
  int64_t v_stride, p_stride;             // between points; then come the other sides
  float *u, *v, *p;

  int64_t points() const { return (T + R - 1) * (T + R - 1); }
  RowOfTiles tiles_of_row(int64_t band, int64_t row) const {
    const int64_t at = bands.first_row(band) + row;
    const int64_t large = bands.large_rows(at) - large_before;
    const int64_t small = at - row_before - large;
    const Order& o = order;
    if (bands.row(band) + row < bands.y.large) {
      return {o.begin_large() + large * o.large_x, o.end_large() + large * o.small_x};
    }
    return {small * o.large_x, o.begin_small() + small * o.small_x};
  }
  Range tiles_with(int64_t point) const {
    const int64_t a = point % points(), n = T + R - 1;
    const bool large_y = a / n == F42::kLargeOnly, large_x = a % n == F42::kLargeOnly;
    return {large_y ? order.begin_large() : 0, large_y && large_x ? order.end_large()
                                               : large_y          ? order.begin_small()
                                               : large_x          ? order.end_large()
                                                                  : order.count()};
  }
  int64_t u_floats() const { return sides * points() * K * lanes; }
};

inline Reach forward_reach(int64_t in, int64_t out, int64_t stride, int64_t pad) {
  return {in, out, stride, -pad, 0, stride, 0, 1, 0};
}

// Pixels of one phase as outputs of a filter over gy, whose taps run backward (conv_pass.h).
inline Reach phase_reach(int64_t in, int64_t out, int64_t taps, int64_t stride, int64_t pad,
                         int64_t p) {
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
inline void lead_in(Reach* r) {
  constexpr int64_t T = F43::kTile;
  const Ends ends(*r, F43::kTaps);
  if (!ends.any()) return;
  r->lead = ends.low ? T - 1 : (T - (ends.count - 1) % T) % T;
  r->grid += r->lead;
  r->origin -= r->lead * r->step;
  r->out0 -= r->lead * r->out_step;
}

// Tiles of T, and of T - 1 where they cover an axis with fewer products.
inline Tiles cover(int64_t outputs, int64_t taps, int64_t T, bool mixed) {
  Tiles best = {T, ceil_div(outputs, T), 0};
  for (int64_t small = 1; mixed && small < T; ++small) {
    const Tiles t = {T, ceil_div(max64(0, outputs - small * (T - 1)), T), small};
    if (t.products(taps) < best.products(taps)) best = t;
  }
  return best;
}

// The smallest tiles where sums are short or corners have fewer taps, for their rounding; else
// those with the fewest products, where tiles repay the transformed weights that go through memory.
inline void choose_tiles(Problem* p, int64_t grid_x) {
  double least = 0;
  const auto offer = [&](int64_t T) {
    const bool mixed = p->R == 2 && T == F42::kTile;
    const Tiles y = cover(p->y.grid, p->R, T, mixed), x = cover(grid_x, p->R, T, mixed);
    const int64_t n = T + p->R - 1;
    const double cost = static_cast<double>(p->a.N * y.products(p->R)) * x.products(p->R) +
                        static_cast<double>(n * n * kWeightsInTiles);
    if (p->T > 0 && cost >= least) return;
    least = cost;
    p->T = T;
    p->bands.y = y;
    p->bands.x = x;
  };
  if (p->R == 3) return offer(F43::kTile);
  offer(F22::kTile);
  const bool even_taps = !Ends(p->y, p->R).any() || !Ends(p->x[0], p->R).any();
  if ((even_taps || p->corners_follow) && p->K >= 64 && p->K <= kMaxCornerDepth) {
    offer(F32::kTile);
    offer(F42::kTile);
  }
}

// Tiles and memory follow from the axes. Returns the workspace in bytes.
inline int64_t plan(Problem* p) {
  if (p->R == 3 && p->a.rounds == 0) {
    lead_in(&p->y);
    lead_in(&p->x[0]);
  }
  int64_t grid_x = 0;
  for (int64_t i = 0; i < p->sides; ++i) grid_x = max64(grid_x, p->x[i].grid);
  choose_tiles(p, grid_x);
  Bands& b = p->bands;
  const int64_t th = b.y.count(), tw = b.x.count(), s = p->in.phases;
  const int64_t row = s * s * p->T * (b.x.outputs() + p->R - 1) * kWidth;
  p->lanes = Panels(p->M).vecs * kWidth;
  const int64_t products = p->points() * p->sides, u = p->u_floats();
  const int64_t tile = products * (p->K + p->lanes), own = kOwnFloats / tile;
  p->alone =
      u <= kOwnWeights && own >= max64(p->gradient ? kOwnTerms : kOwnTiles, tw) && row <= kOwnRow;
  int64_t rows = max64(1, kStagedFloats / row);
  if (p->alone) rows = min64(rows, own / tw);
  b.N = p->a.N;
  b.rows = even(th, rows);
  const int64_t band = b.rows * tw, most = p->alone ? kOwnFloats : kChunkFloats;
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

inline Problem forward_pass_of(const Conv2dArgs& a) {
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

inline Problem grad_weight_pass_of(const Conv2dArgs& a) {
  Problem p = forward_pass_of(a);
  p.gradient = true;
  return p;
}

inline Problem grad_input_pass_of(const Conv2dArgs& a, int64_t phase) {
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

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

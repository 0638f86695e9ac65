// Layer, group and instance normalisation: each of the N * G rows of x (N, G, C, S) by itself.
// S = 1 (LayerNorm) puts channels into the lanes; otherwise a channel is a run of S elements.
// Gradients of weight and bias are summed over blocks of samples first, each in its own part of
// `work`, then over the blocks.
#include <math.h>
#include <stdint.h>

#include "core/args/norm.h"
#include "cpu/norm_rows.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kTile = 256;  // channels in a piece of the last sum

template <class T>
Moments row_moments(const T* x, int64_t n) {
  Moments all;
  for (int64_t i = 0; i < n; i += kChunk) all.merge_rows(x + i, 1, 0, min64(kChunk, n - i));
  return all;
}

// ---- forward -----------------------------------------------------------------------------------

template <class T>
void forward_lanes(const LayerNormArgs& a, const T* x, T* y, int64_t k0, float m, float r) {
  const Vec mean = set1(m), rstd = set1(r);
  cover(a.C, [&](int64_t i, int64_t w) {
    Vec z = (load_tail(x + i, w) - mean) * rstd;
    if (a.weight != nullptr) z = z * load_tail(a.weight + k0 + i, w);
    if (a.bias != nullptr) z = z + load_tail(a.bias + k0 + i, w);
    store_tail(y + i, z, w);
  });
}

template <class T>
void forward_runs(const LayerNormArgs& a, const T* x, T* y, int64_t k0, float m, float r) {
  const Vec mean = set1(m);
  for (int64_t c = 0; c < a.C; ++c, x += a.S, y += a.S) {
    const Vec scale = set1(a.weight == nullptr ? r : r * a.weight[k0 + c]);
    const Vec bias = set1(a.bias == nullptr ? 0.0f : a.bias[k0 + c]);
    cover(a.S, [&](int64_t i, int64_t w) {
      store_tail(y + i, fma(load_tail(x + i, w) - mean, scale, bias), w);
    });
  }
}

int64_t rows_per_piece(int64_t n) { return max64(1, kPieceElements / max64(1, n)); }

template <class T>
void forward_piece(const void* ctx, int64_t piece, void*) {
  const LayerNormArgs& a = *static_cast<const LayerNormArgs*>(ctx);
  const int64_t n = a.C * a.S, per = rows_per_piece(n);
  for (int64_t row = piece * per; row < min64((piece + 1) * per, a.N * a.G); ++row) {
    const Moments m = row_moments(as<T>(a.x) + row * n, n);
    const double var = m.m2 / static_cast<double>(max64(1, n));
    a.mean[row] = static_cast<float>(m.mean);
    a.rstd[row] = static_cast<float>(1.0 / ::sqrt(var + static_cast<double>(a.eps)));
    const auto normalise = a.S == 1 ? forward_lanes<T> : forward_runs<T>;
    normalise(a, as<T>(a.x) + row * n, as<T>(a.y) + row * n, row % a.G * a.C, a.mean[row],
              a.rstd[row]);
  }
}

// ---- backward ----------------------------------------------------------------------------------
// With g = w gy, z = (x - mean) rstd and n = C * S:
// gx = rstd (g - sum g / n - z sum(g z) / n), gw = sum gy z, gb = sum gy.

// A piece is a block of samples, or, where one sample is long, a run of groups of one sample.
struct Cut {
  int64_t samples, blocks, groups, runs;
};

Cut cut_of(const LayerNormBackwardArgs& a) {
  const int64_t rows = rows_per_piece(a.C * a.S), K = max64(1, a.G * a.C);
  const int64_t most = max64(64, (1 << 17) / K);  // blocks, so that `work` stays small
  Cut c;
  c.groups = min64(rows, a.G);
  c.runs = ceil_div(a.G, c.groups);
  c.samples = max64(c.runs > 1 ? 1 : rows / a.G, ceil_div(a.N, most));
  c.blocks = ceil_div(a.N, c.samples);
  return c;
}

// One row in the backward pass; gw, gb: where the sums of its channels are, or null.
template <class T>
struct Row {
  const T *gy, *x;
  const float* w;
  T* gx;
  float *gw, *gb;
  float mean, rstd;
};

struct Factors {  // gx = rstd (g - mean_g) + kx (x - mean)
  float mean_g, kx;
};

template <class T>
Factors factors(const Row<T>& r, int64_t n, double sum_g, double sum_gx) {
  const double rstd = r.rstd, size = static_cast<double>(n);
  return {static_cast<float>(sum_g / size),
          static_cast<float>(-rstd * rstd * rstd * sum_gx / size)};
}

template <class T>
void backward_lanes(const Row<T>& r, int64_t C) {
  const Vec mean = set1(r.mean), rstd = set1(r.rstd);
  double sum_g = 0.0, sum_gx = 0.0;
  for (int64_t from = 0; from < C && r.gx != nullptr; from += kChunk) {
    Acc s, p;
    each(min64(kChunk, C - from), [&](int64_t k, int64_t i, int64_t w) {
      Vec g = load_tail(r.gy + from + i, w);
      if (r.w != nullptr) g = g * load_tail(r.w + from + i, w);
      s.v[k] = s.v[k] + g;
      p.v[k] = fma(g, load_tail(r.x + from + i, w) - mean, p.v[k]);
    });
    sum_g += s.total();
    sum_gx += p.total();
  }
  const Factors f = factors(r, C, sum_g, sum_gx);
  const Vec mean_g = set1(f.mean_g), kx = set1(f.kx);
  each(C, [&](int64_t, int64_t i, int64_t w) {
    const Vec gy = load_tail(r.gy + i, w), x = load_tail(r.x + i, w) - mean;
    if (r.gw != nullptr) {
      store_tail(r.gw + i, fma(gy, x * rstd, load_tail(r.gw + i, w)), w);
      store_tail(r.gb + i, load_tail(r.gb + i, w) + gy, w);
    }
    if (r.gx == nullptr) return;
    const Vec g = r.w == nullptr ? gy : gy * load_tail(r.w + i, w);
    store_tail(r.gx + i, fma(x, kx, (g - mean_g) * rstd), w);
  });
}

template <class T>
void backward_runs(const Row<T>& r, int64_t C, int64_t S) {
  const Vec mean = set1(r.mean);
  double sum_g = 0.0, sum_gx = 0.0;
  for (int64_t c = 0; c < C; ++c) {
    double gy_sum = 0.0, product_sum = 0.0;
    for (int64_t from = c * S; from < (c + 1) * S; from += kChunk) {
      Acc s, p;
      each(min64(kChunk, (c + 1) * S - from), [&](int64_t k, int64_t i, int64_t w) {
        const Vec g = load_tail(r.gy + from + i, w);
        s.v[k] = s.v[k] + g;
        p.v[k] = fma(g, load_tail(r.x + from + i, w) - mean, p.v[k]);
      });
      gy_sum += s.total();
      product_sum += p.total();
    }
    const double w = r.w == nullptr ? 1.0 : r.w[c];
    sum_g += w * gy_sum;
    sum_gx += w * product_sum;
    if (r.gw == nullptr) continue;
    r.gw[c] += static_cast<float>(product_sum * r.rstd);
    r.gb[c] += static_cast<float>(gy_sum);
  }
  const Factors f = factors(r, C * S, sum_g, sum_gx);
  const Vec rstd = set1(r.rstd), less = set1(-f.mean_g), kx = set1(f.kx);
  for (int64_t c = 0; c < C && r.gx != nullptr; ++c) {
    const Vec weight = set1(r.w == nullptr ? 1.0f : r.w[c]);
    const int64_t at = c * S;
    cover(S, [&](int64_t i, int64_t w) {
      const Vec x = load_tail(r.x + at + i, w) - mean;
      const Vec g = fma(load_tail(r.gy + at + i, w), weight, less);
      store_tail(r.gx + at + i, fma(x, kx, g * rstd), w);
    });
  }
}

template <class T>
void backward_piece(const void* ctx, int64_t piece, void*) {
  const LayerNormBackwardArgs& a = *static_cast<const LayerNormBackwardArgs*>(ctx);
  const Cut cut = cut_of(a);
  const int64_t block = piece / cut.runs, g0 = piece % cut.runs * cut.groups, K = a.G * a.C;
  const int64_t g1 = min64(a.G, g0 + cut.groups), n = a.C * a.S;
  float* gw = a.gweight == nullptr ? nullptr : static_cast<float*>(a.work) + 2 * K * block;
  for (int64_t k = g0 * a.C; k < g1 * a.C && gw != nullptr; ++k) gw[k] = gw[K + k] = 0.0f;
  for (int64_t s = block * cut.samples; s < min64((block + 1) * cut.samples, a.N); ++s) {
    for (int64_t g = g0; g < g1; ++g) {
      const int64_t row = s * a.G + g, k = g * a.C;
      Row<T> r = {};
      r.gy = as<T>(a.gy) + row * n;
      r.x = as<T>(a.x) + row * n;
      r.mean = a.mean[row];
      r.rstd = a.rstd[row];
      if (a.weight != nullptr) r.w = a.weight + k;
      if (a.gx != nullptr) r.gx = as<T>(a.gx) + row * n;
      if (gw != nullptr) {
        r.gw = gw + k;
        r.gb = gw + K + k;
      }
      if (a.S == 1) {
        backward_lanes(r, a.C);
      } else {
        backward_runs(r, a.C, a.S);
      }
    }
  }
}

// The sum over blocks, 64 at a time, of one tile of channels.
void sum_piece(const void* ctx, int64_t piece, void*) {
  const LayerNormBackwardArgs& a = *static_cast<const LayerNormBackwardArgs*>(ctx);
  const int64_t K = a.G * a.C, blocks = cut_of(a).blocks;
  const int64_t last = min64(K, (piece + 1) * kTile);
  for (int64_t k = piece * kTile; k < last; k += kWidth) {
    const int64_t w = min64(kWidth, last - k);
    for (int64_t part = 0; part < 2; ++part) {
      const float* from = static_cast<const float*>(a.work) + part * K + k;
      Vec total = set1(0.0f);
      for (int64_t b = 0; b < blocks; b += 64) {
        Vec sum = set1(0.0f);
        for (int64_t i = b; i < min64(blocks, b + 64); ++i) {
          sum = sum + load_tail(from + 2 * K * i, w);
        }
        total = total + sum;
      }
      store_tail((part == 0 ? a.gweight : a.gbias) + k, total, w);
    }
  }
}

}  // namespace

void layer_norm(const LayerNormArgs& a) {
  const PieceFn piece =
      of_type(a.dtype, forward_piece<float>, forward_piece<F16>, forward_piece<BF16>);
  parallel_for(ceil_div(a.N * a.G, rows_per_piece(a.C * a.S)), piece, &a);
}

int64_t layer_norm_backward_work(const LayerNormBackwardArgs& a) {
  if (a.gweight == nullptr) return 0;
  return cut_of(a).blocks * 2 * a.G * a.C * static_cast<int64_t>(sizeof(float));
}

void layer_norm_backward(const LayerNormBackwardArgs& a) {
  const Cut cut = cut_of(a);
  const PieceFn piece =
      of_type(a.dtype, backward_piece<float>, backward_piece<F16>, backward_piece<BF16>);
  parallel_for(cut.blocks * cut.runs, piece, &a);
  if (a.gweight != nullptr) parallel_for(ceil_div(a.G * a.C, kTile), &sum_piece, &a);
}

}  // namespace PYDL_ISA
}  // namespace pydl

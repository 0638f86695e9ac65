// Batch normalisation over x (N, C, S), forward and backward. A piece owns whole channels, so no
// workspace is needed. S > 1 walks rows of S; S = 1 (BatchNorm1d) puts channels into the lanes.
#include "core/args/norm.h"

#include <math.h>
#include <stdint.h>

#include "cpu/norm_rows.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kChunkRows = 256;  // rows per partial sum where S = 1
constexpr int64_t kColumns = 64;     // channels per piece where S = 1

template <class Args>
struct Job {
  const Args* a;
  int64_t per;  // channels in a piece
};

template <class Args>
void run(const Args& a, PieceFn rows, PieceFn columns) {
  const int64_t size = max64(1, a.N * a.S);
  const Job<Args> job = {&a, a.S == 1 ? kColumns : max64(1, kPieceElements / size)};
  parallel_for(ceil_div(a.C, job.per), a.S == 1 ? columns : rows, &job);
}

// ---- statistics of one channel -----------------------------------------------------------------

template <class T>
Moments channel_moments(const BatchNormArgs& a, int64_t c) {
  const int64_t rows = max64(1, kChunk / a.S);
  Moments all;
  for (int64_t n = 0; n < a.N; n += rows) {
    all.merge_rows(as<T>(a.x) + (n * a.C + c) * a.S, min64(rows, a.N - n), a.C * a.S, a.S);
  }
  return all;
}

void keep_statistics(const BatchNormArgs& a, int64_t c, double mean, double m2) {
  const double n = static_cast<double>(max64(1, a.N * a.S)), var = m2 / n, keep = a.momentum;
  a.mean[c] = static_cast<float>(mean);
  a.rstd[c] = static_cast<float>(1.0 / ::sqrt(var + static_cast<double>(a.eps)));
  if (a.running_mean == nullptr) return;
  a.running_mean[c] = static_cast<float>((1.0 - keep) * a.running_mean[c] + keep * mean);
  a.running_var[c] = static_cast<float>((1.0 - keep) * a.running_var[c] + keep * (m2 / (n - 1.0)));
}

void use_running(const BatchNormArgs& a, int64_t c) {
  a.mean[c] = a.running_mean[c];
  const double var = a.running_var[c];
  a.rstd[c] = static_cast<float>(1.0 / ::sqrt(var + static_cast<double>(a.eps)));
}

// ---- forward -----------------------------------------------------------------------------------

// `rows` rows of channel c, of samples one after the other, from x and y on.
template <class T>
void normalise(const BatchNormArgs& a, int64_t c, const T* x, T* y, int64_t rows) {
  const Vec mean = set1(a.mean[c]);
  const Vec scale = set1(a.weight == nullptr ? a.rstd[c] : a.rstd[c] * a.weight[c]);
  const Vec bias = set1(a.bias == nullptr ? 0.0f : a.bias[c]);
  const Output put = output_of_rows(as<T>(a.y), a.N * a.C, a.S);
  for (int64_t r = 0; r < rows; ++r, x += a.C * a.S, y += a.C * a.S) {
    cover(a.S, [&](int64_t i, int64_t w) {
      put(y + i, fma(load_tail(x + i, w) - mean, scale, bias), w);
    });
  }
  put.done();
}

template <class T>
void forward_rows(const void* ctx, int64_t piece, void*) {
  const Job<BatchNormArgs>& job = *static_cast<const Job<BatchNormArgs>*>(ctx);
  const BatchNormArgs& a = *job.a;
  const int64_t last = min64((piece + 1) * job.per, a.C);
  for (int64_t c = piece * job.per; c < last; ++c) {
    const Moments m = channel_moments<T>(a, c);
    keep_statistics(a, c, m.mean, m.m2);
    normalise(a, c, as<T>(a.x) + c * a.S, as<T>(a.y) + c * a.S, a.N);
  }
}

// Without statistics of the batch: rows in the order of memory, whatever their channel.
template <class T>
void eval_rows(const void* ctx, int64_t piece, void*) {
  const Job<BatchNormArgs>& job = *static_cast<const Job<BatchNormArgs>*>(ctx);
  const BatchNormArgs& a = *job.a;
  const int64_t last = min64((piece + 1) * job.per, a.N * a.C);
  for (int64_t row = piece * job.per; row < last; ++row) {
    normalise(a, row % a.C, as<T>(a.x) + row * a.S, as<T>(a.y) + row * a.S, 1);
  }
}

template <class T>
void eval_by_rows(const BatchNormArgs& a) {
  for (int64_t c = 0; c < a.C; ++c) use_running(a, c);
  const Job<BatchNormArgs> job = {&a, max64(1, kPieceElements / max64(1, a.S))};
  parallel_for(ceil_div(a.N * a.C, job.per), &eval_rows<T>, &job);
}

// Up to four vectors of channels from c; n[k] lanes of vector k are in use, perhaps none.
struct Columns {
  int64_t c, n[4];
  Columns(int64_t from, int64_t end) : c(from) {
    for (int64_t k = 0; k < 4; ++k) n[k] = min64(kWidth, max64(0, end - from - k * kWidth));
  }
  template <class T>
  Vec read(const T* row, int64_t k) const {
    return load_tail(row + c + k * kWidth, n[k]);
  }
  template <class T>
  void write(T* row, int64_t k, Vec v) const {
    store_tail(row + c + k * kWidth, v, n[k]);
  }
};

// Statistics of every channel of `at`, one in each lane, over N rows.
template <class T>
void column_moments(const BatchNormArgs& a, const Columns& at, Acc* mean, Acc* m2) {
  for (int64_t n = 0; n < a.N; n += kChunkRows) {
    const int64_t end = min64(n + kChunkRows, a.N);
    const float count = static_cast<float>(end - n), before = static_cast<float>(n);
    Acc sum, centre, d1, d2;
    for (int64_t r = n; r < end; ++r) {
      for (int64_t k = 0; k < 4; ++k) sum.v[k] = sum.v[k] + at.read(as<T>(a.x) + r * a.C, k);
    }
    for (int64_t k = 0; k < 4; ++k) centre.v[k] = sum.v[k] / set1(count);
    for (int64_t r = n; r < end; ++r) {
      for (int64_t k = 0; k < 4; ++k) {
        const Vec d = at.read(as<T>(a.x) + r * a.C, k) - centre.v[k];
        d1.v[k] = d1.v[k] + d;
        d2.v[k] = fma(d, d, d2.v[k]);
      }
    }
    const float share = count / (before + count);
    for (int64_t k = 0; k < 4; ++k) {
      const Vec shift = d1.v[k] / set1(count), delta = centre.v[k] + shift - mean->v[k];
      mean->v[k] = fma(delta, set1(share), mean->v[k]);
      const Vec between = delta * delta * set1(before * share);
      m2->v[k] = m2->v[k] + (d2.v[k] - shift * d1.v[k]) + between;
    }
  }
}

template <class T>
void column_statistics(const BatchNormArgs& a, const Columns& at) {
  alignas(64) float means[4 * kWidth], m2s[4 * kWidth];
  if (a.training != 0) {
    Acc mean, m2;
    column_moments<T>(a, at, &mean, &m2);
    for (int64_t k = 0; k < 4; ++k) {
      store(means + k * kWidth, mean.v[k]);
      store(m2s + k * kWidth, m2.v[k]);
    }
  }
  const int64_t used = at.n[0] + at.n[1] + at.n[2] + at.n[3];
  for (int64_t i = 0; i < used; ++i) {
    if (a.training != 0) {
      keep_statistics(a, at.c + i, means[i], m2s[i]);
    } else {
      use_running(a, at.c + i);
    }
  }
}

template <class T>
void forward_columns(const void* ctx, int64_t piece, void*) {
  const BatchNormArgs& a = *static_cast<const Job<BatchNormArgs>*>(ctx)->a;
  const int64_t last = min64((piece + 1) * kColumns, a.C);
  for (int64_t c = piece * kColumns; c < last; c += 4 * kWidth) {
    const Columns at(c, last);
    column_statistics<T>(a, at);
    Acc mean, scale, bias;
    for (int64_t k = 0; k < 4; ++k) {
      mean.v[k] = at.read(a.mean, k);
      scale.v[k] = at.read(a.rstd, k);
      if (a.weight != nullptr) scale.v[k] = scale.v[k] * at.read(a.weight, k);
      if (a.bias != nullptr) bias.v[k] = at.read(a.bias, k);
    }
    for (int64_t r = 0; r < a.N; ++r) {
      for (int64_t k = 0; k < 4; ++k) {
        const Vec x = at.read(as<T>(a.x) + r * a.C, k);
        at.write(as<T>(a.y) + r * a.C, k, fma(x - mean.v[k], scale.v[k], bias.v[k]));
      }
    }
  }
}

// ---- backward ----------------------------------------------------------------------------------
// gb = sum gy, gw = rstd * sum gy (x - mean). Training, with M = N * S:
// gx = w rstd (gy - gb / M - (x - mean) rstd gw / M); not training: gx = w rstd gy.

template <class T>
void channel_sums(const BatchNormBackwardArgs& a, int64_t c, double* gy_sum, double* product_sum) {
  const Vec mean = set1(a.mean[c]);
  const int64_t rows = max64(1, kChunk / a.S);
  *gy_sum = *product_sum = 0.0;
  for (int64_t n = 0; n < a.N; n += rows) {
    const int64_t end = min64(n + rows, a.N);
    Acc s, p;
    for (int64_t r = n; r < end; ++r) {
      const T* x = as<T>(a.x) + (r * a.C + c) * a.S;
      const T* gy = as<T>(a.gy) + (r * a.C + c) * a.S;
      each(a.S, [&](int64_t k, int64_t i, int64_t w) {
        const Vec g = load_tail(gy + i, w);
        s.v[k] = s.v[k] + g;
        p.v[k] = fma(g, load_tail(x + i, w) - mean, p.v[k]);
      });
    }
    *gy_sum += s.total();
    *product_sum += p.total();
  }
}

template <class T>
void backward_rows(const void* ctx, int64_t piece, void*) {
  const Job<BatchNormBackwardArgs>& job = *static_cast<const Job<BatchNormBackwardArgs>*>(ctx);
  const BatchNormBackwardArgs& a = *job.a;
  const int64_t last = min64((piece + 1) * job.per, a.C);
  const double size = static_cast<double>(a.N * a.S);
  for (int64_t c = piece * job.per; c < last; ++c) {
    double gb, product;
    channel_sums<T>(a, c, &gb, &product);
    const double rstd = a.rstd[c], gw = product * rstd;
    a.gbias[c] = static_cast<float>(gb);
    a.gweight[c] = static_cast<float>(gw);
    if (a.gx == nullptr) continue;
    const double scale = a.weight == nullptr ? rstd : rstd * a.weight[c];
    const bool batch = a.training != 0;
    const Vec mean = set1(a.mean[c]), ky = set1(static_cast<float>(scale));
    const Vec kx = set1(static_cast<float>(batch ? -scale * rstd * gw / size : 0.0));
    const Vec k1 = set1(static_cast<float>(batch ? -scale * gb / size : 0.0));
    const Output put = output_of_rows(as<T>(a.gx), a.N * a.C, a.S);
    for (int64_t n = 0; n < a.N; ++n) {
      const int64_t at = (n * a.C + c) * a.S;
      cover(a.S, [&](int64_t i, int64_t w) {
        const Vec g = load_tail(as<T>(a.gy) + at + i, w);
        const Vec gx =
            batch ? fma(load_tail(as<T>(a.x) + at + i, w) - mean, kx, fma(g, ky, k1)) : g * ky;
        put(as<T>(a.gx) + at + i, gx, w);
      });
    }
    put.done();
  }
}

// sum gy and sum gy (x - mean) of every channel of `at`.
template <class T>
void column_sums(const BatchNormBackwardArgs& a, const Columns& at, Acc* gy_sum, Acc* product_sum) {
  Acc mean;
  for (int64_t k = 0; k < 4; ++k) mean.v[k] = at.read(a.mean, k);
  for (int64_t n = 0; n < a.N; n += kChunkRows) {
    const int64_t end = min64(n + kChunkRows, a.N);
    Acc s, p;
    for (int64_t r = n; r < end; ++r) {
      for (int64_t k = 0; k < 4; ++k) {
        const Vec g = at.read(as<T>(a.gy) + r * a.C, k);
        s.v[k] = s.v[k] + g;
        p.v[k] = fma(g, at.read(as<T>(a.x) + r * a.C, k) - mean.v[k], p.v[k]);
      }
    }
    for (int64_t k = 0; k < 4; ++k) {
      gy_sum->v[k] = gy_sum->v[k] + s.v[k];
      product_sum->v[k] = product_sum->v[k] + p.v[k];
    }
  }
}

template <class T>
void backward_columns(const void* ctx, int64_t piece, void*) {
  const BatchNormBackwardArgs& a = *static_cast<const Job<BatchNormBackwardArgs>*>(ctx)->a;
  const int64_t last = min64((piece + 1) * kColumns, a.C);
  const Vec over = set1(a.training != 0 ? -1.0f / static_cast<float>(max64(1, a.N)) : 0.0f);
  for (int64_t c = piece * kColumns; c < last; c += 4 * kWidth) {
    const Columns at(c, last);
    Acc gb, product, mean, ky, kx, k1;
    column_sums<T>(a, at, &gb, &product);
    for (int64_t k = 0; k < 4; ++k) {
      const Vec rstd = at.read(a.rstd, k), gw = product.v[k] * rstd;
      at.write(a.gbias, k, gb.v[k]);
      at.write(a.gweight, k, gw);
      mean.v[k] = at.read(a.mean, k);
      ky.v[k] = a.weight == nullptr ? rstd : rstd * at.read(a.weight, k);
      kx.v[k] = ky.v[k] * rstd * gw * over;
      k1.v[k] = ky.v[k] * gb.v[k] * over;
    }
    if (a.gx == nullptr) continue;
    for (int64_t r = 0; r < a.N; ++r) {
      for (int64_t k = 0; k < 4; ++k) {
        const Vec g = at.read(as<T>(a.gy) + r * a.C, k),
                  x = at.read(as<T>(a.x) + r * a.C, k) - mean.v[k];
        const Vec gx = a.training != 0 ? fma(x, kx.v[k], fma(g, ky.v[k], k1.v[k])) : g * ky.v[k];
        at.write(as<T>(a.gx) + r * a.C, k, gx);
      }
    }
  }
}

template <class T>
void forward_of(const BatchNormArgs& a) {
  if (a.training == 0 && a.S != 1) return eval_by_rows<T>(a);
  run(a, forward_rows<T>, forward_columns<T>);
}

}  // namespace

void batch_norm(const BatchNormArgs& a) {
  if (a.dtype == DType::kF16) return forward_of<F16>(a);
  if (a.dtype == DType::kBF16) return forward_of<BF16>(a);
  forward_of<float>(a);
}

void batch_norm_backward(const BatchNormBackwardArgs& a) {
  if (a.dtype == DType::kF16) return run(a, backward_rows<F16>, backward_columns<F16>);
  if (a.dtype == DType::kBF16) return run(a, backward_rows<BF16>, backward_columns<BF16>);
  run(a, backward_rows<float>, backward_columns<float>);
}

}  // namespace PYDL_ISA
}  // namespace pydl

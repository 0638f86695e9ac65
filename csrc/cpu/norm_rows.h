// What batch_norm and layer_norm share: sums over rows, and the statistics of a chunk.
// Statistics: mean and centred squares of short chunks, still in cache, merged by Chan, Golub and
// LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
#pragma once
#include <math.h>

#include "cpu/halves.h"
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {

constexpr int64_t kPieceElements = 1 << 15;
constexpr int64_t kChunk = 2048;  // elements per partial sum

struct Acc {  // four sums side by side, for the latency of an addition
  Vec v[4] = {set1(0.0f), set1(0.0f), set1(0.0f), set1(0.0f)};
  Vec lanes() const { return (v[0] + v[1]) + (v[2] + v[3]); }
  float total() const { return reduce_add(lanes()); }
};

// f(accumulator, i, n) for every vector of a row of S.
template <class F>
inline void each(int64_t S, F f) {
  int64_t i = 0;
  for (; i + 4 * kWidth <= S; i += 4 * kWidth) {
    for (int64_t k = 0; k < 4; ++k) f(k, i + k * kWidth, kWidth);
  }
  for (; i < S; i += kWidth) f(0, i, min64(kWidth, S - i));
}

// f(i, n) for vectors that cover a row of S. The last one overlaps the one before it, as masked
// stores are slow: f may see an element twice, and must write the same.
template <class F>
inline void cover(int64_t S, F f) {
  if (S < kWidth) return f(int64_t{0}, S);
  int64_t i = 0;
  for (; i + 4 * kWidth <= S; i += 4 * kWidth) {
    for (int64_t k = 0; k < 4; ++k) f(i + k * kWidth, kWidth);
  }
  for (; i + kWidth <= S; i += kWidth) f(i, kWidth);
  if (i < S) f(S - kWidth, kWidth);
}

// Of rows of S, as `cover` writes them: all on boundaries of vectors, or none.
template <class T>
inline Output output_of_rows(const T* p, int64_t rows, int64_t S) {
  return Output(p, S % kWidth == 0 ? rows * S : 0);
}

template <class T>
inline double sum_of_rows(const T* x, int64_t rows, int64_t stride, int64_t S) {
  Acc sum;
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = x + r * stride;
    each(S, [&](int64_t k, int64_t i, int64_t w) { sum.v[k] = sum.v[k] + load_tail(row + i, w); });
  }
  return sum.total();
}

struct Moments {
  double n = 0.0, mean = 0.0, m2 = 0.0;  // m2: sum of (x - mean)^2
  void merge(double count, double other_mean, double other_m2) {
    const double total = n + count, delta = other_mean - mean;
    mean += delta * (count / total);
    m2 += other_m2 + delta * delta * (n * count / total);
    n = total;
  }
  // Adds `rows` rows of S elements, `stride` apart, in one pass about the mean so far. What they
  // lie beside it is cancelled in their squares, but comes in again, at least by half, in `merge`:
  // it costs no digits of m2. Where less came before, a pass of its own finds their mean.
  template <class T>
  void merge_rows(const T* x, int64_t rows, int64_t stride, int64_t S) {
    static const float kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const Vec one = set1(1.0f), tail = load_n(kOnes, S % kWidth);  // so that empty lanes count 0
    const double count = static_cast<double>(rows * S);
    const float pivot =
        static_cast<float>(n >= count ? mean : sum_of_rows(x, rows, stride, S) / count);
    const Vec centre = set1(pivot);
    Acc d1, d2;
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * stride;
      each(S, [&](int64_t k, int64_t i, int64_t w) {
        const Vec d = (load_tail(row + i, w) - centre) * (w == kWidth ? one : tail);
        d1.v[k] = d1.v[k] + d;
        d2.v[k] = fma(d, d, d2.v[k]);
      });
    }
    const double shift = static_cast<double>(d1.total()) / count;
    merge(count, pivot + shift, d2.total() - shift * shift * count);
  }
};

}  // namespace PYDL_ISA
}  // namespace pydl

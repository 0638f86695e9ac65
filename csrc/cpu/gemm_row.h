// One row times a large matrix that is contiguous along j: a layer's batch of one, (in, out)
// weights or their gradients. B is read from end to end, several of its rows side by side; pieces
// are ranges of k, so that each is one long run of memory. Their sums are added up in a second
// phase.
#pragma once
#include "cpu/gemm_thin.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int kStreams = 8;          // rows of B at a time
constexpr int64_t kRowBlock = 4096;  // columns whose sums stay in L1
constexpr int64_t kRowSums = 1024;   // columns of a piece of the second phase
constexpr int64_t kMostRanges = 64;

struct Row {
  Problem p;
  int64_t ranges, pitch;  // of k; floats of one range's sums
};

// A number of B takes as long to arrive as some eight products take.
inline int64_t row_ranges(const Problem& p) {
  const double flops = 8.0 * p.flops();
  const double want = flops < kMostRanges * kPieceFlops ? flops / kPieceFlops : kMostRanges;
  return min64(static_cast<int64_t>(want), p.g.k / kStreams);
}

inline bool is_row(const Problem& p) {
  return p.g.m == 1 && p.g.batch == 1 && p.bj == 1 && p.g.n > 1 && row_ranges(p) > 1;
}

inline Row make_row(const Problem& p) {
  return {p, row_ranges(p), ceil_div(p.g.n, kWidth) * kWidth};
}

inline int64_t row_work(const Problem& p) {
  const Row x = make_row(p);
  return x.ranges * x.pitch * 4;
}

// sums += K numbers of the row times as many rows of B.
template <int K>
void add_rows(const float* a, int64_t ak, const float* b, int64_t bk, int64_t n, float* sums) {
  Vec av[K];
#pragma GCC unroll 8
  for (int k = 0; k < K; ++k) av[k] = set1(a[k * ak]);
  const auto step = [&](int64_t j, auto load_at) __attribute__((always_inline)) {
    Vec acc = load(sums + j);
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) acc = fma(av[k], load_at(b + k * bk + j), acc);
    store(sums + j, acc);
  };
  const int64_t whole = n / kWidth * kWidth;
  for (int64_t j = 0; j < whole; j += kWidth) step(j, [](const float* x) { return load(x); });
  if (whole < n) step(whole, [=](const float* x) { return load_n(x, n - whole); });
}

inline void multiply_range(const void* ctx, int64_t piece, void*) {
  const Row& x = *static_cast<const Row*>(ctx);
  const Problem& p = x.p;
  float* sums = static_cast<float*>(p.g.work) + piece * x.pitch;
  const int64_t begin = part_begin(p.g.k, x.ranges, piece);
  const int64_t end = part_begin(p.g.k, x.ranges, piece + 1);
  for (int64_t j = 0; j < p.g.n; j += kRowBlock) {
    const int64_t n = min64(kRowBlock, p.g.n - j);
    for (int64_t v = 0; v < n; v += kWidth) store(sums + j + v, set1(0.0f));
    int64_t k = begin;
    for (; k + kStreams <= end; k += kStreams) {
      add_rows<kStreams>(p.g.a + k * p.ak, p.ak, p.g.b + k * p.bk + j, p.bk, n, sums + j);
    }
    for (; k < end; ++k) {
      add_rows<1>(p.g.a + k * p.ak, p.ak, p.g.b + k * p.bk + j, p.bk, n, sums + j);
    }
  }
}

inline void sum_ranges(const void* ctx, int64_t piece, void*) {
  const Row& x = *static_cast<const Row*>(ctx);
  const int64_t begin = piece * kRowSums, n = min64(kRowSums, x.p.g.n - begin);
  float sums[kRowSums];
  for (int64_t j = 0; j < n; j += kWidth) {
    const float* from = static_cast<const float*>(x.p.g.work) + begin + j;
    Vec sum = load(from);
    for (int64_t s = 1; s < x.ranges; ++s) sum = sum + load(from + s * x.pitch);
    store(sums + j, sum);
  }
  write_sums(x.p, x.p.g.c, 0, begin, 1, n, sums, kRowSums);
}

inline void multiply_row(const Problem& p) {
  const Row x = make_row(p);
  parallel_for(x.ranges, multiply_range, &x);
  parallel_for(ceil_div(p.g.n, kRowSums), sum_ranges, &x);
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

// Reflecting, replicating and circular padding of planes. The inside of a row is one copy, its
// borders are element by element.
#include "core/args/pad.h"

#include <stdint.h>
#include <string.h>

#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceElements = 1 << 16;

// Where place i, of n, takes its element from.
inline int64_t source(PadMode mode, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::kReflect) return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode == PadMode::kCircular) return i < 0 ? i + n : i - n;
  return i < 0 ? 0 : n - 1;
}

struct Job {
  const PadArgs* a;
  int64_t per;     // rows or planes in a piece
  int64_t lo, hi;  // columns of y that lie inside of x
};

Job job_of(const PadArgs& a, int64_t elements) {
  const int64_t lo = min64(max64(a.left, 0), a.OW);
  const int64_t hi = min64(max64(a.left + a.W, lo), a.OW);
  return {&a, max64(1, kPieceElements / max64(1, elements)), lo, hi};
}

template <class T>
void pad_row(const Job& job, int64_t row) {
  const PadArgs& a = *job.a;
  const int64_t h = source(a.mode, row % a.OH - a.top, a.H);
  const T* x = static_cast<const T*>(a.x) + (row / a.OH * a.H + h) * a.W;
  T* y = static_cast<T*>(a.y) + row * a.OW;
  for (int64_t j = 0; j < job.lo; ++j) y[j] = x[source(a.mode, j - a.left, a.W)];
  memcpy(y + job.lo, x + job.lo - a.left, static_cast<size_t>(job.hi - job.lo) * sizeof(T));
  for (int64_t j = job.hi; j < a.OW; ++j) y[j] = x[source(a.mode, j - a.left, a.W)];
}

template <class T>
void pad_rows(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const int64_t end = min64((piece + 1) * job.per, job.a->planes * job.a->OH);
  for (int64_t row = piece * job.per; row < end; ++row) pad_row<T>(job, row);
}

// A plane is summed by one thread, row after row.
void pad_back_planes(const void* ctx, int64_t piece, void*) {
  const Job& job = *static_cast<const Job*>(ctx);
  const PadArgs& a = *job.a;
  const int64_t end = min64((piece + 1) * job.per, a.planes), in = a.H * a.W;
  for (int64_t plane = piece * job.per; plane < end; ++plane) {
    float* gx = static_cast<float*>(a.y) + plane * in;
    memset(gx, 0, static_cast<size_t>(in) * sizeof(float));
    for (int64_t i = 0; i < a.OH; ++i) {
      const float* __restrict gy = static_cast<const float*>(a.x) + (plane * a.OH + i) * a.OW;
      float* __restrict to = gx + source(a.mode, i - a.top, a.H) * a.W;
      for (int64_t j = 0; j < job.lo; ++j) to[source(a.mode, j - a.left, a.W)] += gy[j];
      for (int64_t j = job.lo; j < job.hi; ++j) to[j - a.left] += gy[j];
      for (int64_t j = job.hi; j < a.OW; ++j) to[source(a.mode, j - a.left, a.W)] += gy[j];
    }
  }
}

}  // namespace

void edge_pad(const PadArgs& a) {
  const Job job = job_of(a, a.OW);
  const int64_t pieces = ceil_div(a.planes * a.OH, job.per);
  if (a.itemsize == 1) return parallel_for(pieces, pad_rows<uint8_t>, &job);
  if (a.itemsize == 2) return parallel_for(pieces, pad_rows<uint16_t>, &job);
  if (a.itemsize == 4) return parallel_for(pieces, pad_rows<uint32_t>, &job);
  parallel_for(pieces, pad_rows<uint64_t>, &job);
}

void edge_pad_backward(const PadArgs& a) {
  const Job job = job_of(a, max64(a.H * a.W, a.OH * a.OW));
  parallel_for(ceil_div(a.planes, job.per), pad_back_planes, &job);
}

}  // namespace PYDL_ISA
}  // namespace pydl

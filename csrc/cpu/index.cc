// Take (one index for all rows) and gather (one index per element) with their gradients. An index
// outside [0, n) reads as zero and receives no gradient; the caller has resolved negative ones.
#include "core/args/index.h"

#include <stdint.h>
#include <string.h>

#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceBytes = 1 << 18;
constexpr int64_t kPieceElements = 1 << 16;

struct Any {};  // stands for an element of any other size

// ---- forward -----------------------------------------------------------------------------------

template <class Args>
struct RowJob {
  const Args* a;
  int64_t per, total;  // rows (o, j) of out
};

// T is as large as one whole row, so that a row is one load and one store.
template <class T>
void take_elements(const TakeArgs& a, int64_t from, int64_t to) {
  const T* x = static_cast<const T*>(a.x) + from / a.k * a.n;
  T* out = static_cast<T*>(a.out);
  for (int64_t r = from, j = from % a.k; r < to; ++r) {
    const int64_t i = a.index[j];
    out[r] = i >= 0 && i < a.n ? x[i] : T{0};
    if (++j == a.k) {
      j = 0;
      x += a.n;
    }
  }
}

void take_runs(const TakeArgs& a, int64_t from, int64_t to) {
  const int64_t run = a.inner * a.itemsize;
  const char* x = static_cast<const char*>(a.x);
  char* out = static_cast<char*>(a.out);
  for (int64_t r = from; r < to; ++r) {
    const int64_t i = a.index[r % a.k];
    if (i >= 0 && i < a.n) {
      memcpy(out + r * run, x + (r / a.k * a.n + i) * run, static_cast<size_t>(run));
    } else {
      memset(out + r * run, 0, static_cast<size_t>(run));
    }
  }
}

void take_rows(const void* ctx, int64_t piece, void*) {
  const RowJob<TakeArgs>& job = *static_cast<const RowJob<TakeArgs>*>(ctx);
  const TakeArgs& a = *job.a;
  const int64_t from = piece * job.per, to = min64(from + job.per, job.total);
  const int64_t size = a.inner == 1 ? a.itemsize : 0;
  if (size == 1) return take_elements<uint8_t>(a, from, to);
  if (size == 2) return take_elements<uint16_t>(a, from, to);
  if (size == 4) return take_elements<uint32_t>(a, from, to);
  if (size == 8) return take_elements<uint64_t>(a, from, to);
  take_runs(a, from, to);
}

template <class T>
void gather_elements(const GatherArgs& a, int64_t from, int64_t to) {
  const T* block = static_cast<const T*>(a.x) + from / a.k * a.n * a.inner;
  T* out = static_cast<T*>(a.out);
  for (int64_t r = from, j = from % a.k; r < to; ++r) {
    for (int64_t i = 0; i < a.inner; ++i) {
      const int64_t at = a.index[r * a.inner + i];
      out[r * a.inner + i] = at >= 0 && at < a.n ? block[at * a.inner + i] : T{0};
    }
    if (++j == a.k) {
      j = 0;
      block += a.n * a.inner;
    }
  }
}

template <>
void gather_elements<Any>(const GatherArgs& a, int64_t from, int64_t to) {
  const char* x = static_cast<const char*>(a.x);
  char* out = static_cast<char*>(a.out);
  const size_t size = static_cast<size_t>(a.itemsize);
  for (int64_t e = from * a.inner; e < to * a.inner; ++e) {
    const int64_t at = a.index[e], o = e / (a.k * a.inner);
    if (at >= 0 && at < a.n) {
      memcpy(out + e * a.itemsize, x + ((o * a.n + at) * a.inner + e % a.inner) * a.itemsize, size);
    } else {
      memset(out + e * a.itemsize, 0, size);
    }
  }
}

void gather_rows(const void* ctx, int64_t piece, void*) {
  const RowJob<GatherArgs>& job = *static_cast<const RowJob<GatherArgs>*>(ctx);
  const GatherArgs& a = *job.a;
  const int64_t from = piece * job.per, to = min64(from + job.per, job.total);
  if (a.itemsize == 1) return gather_elements<uint8_t>(a, from, to);
  if (a.itemsize == 2) return gather_elements<uint16_t>(a, from, to);
  if (a.itemsize == 4) return gather_elements<uint32_t>(a, from, to);
  if (a.itemsize == 8) return gather_elements<uint64_t>(a, from, to);
  gather_elements<Any>(a, from, to);
}

template <class Args>
void run_rows(const Args& a, PieceFn fn) {
  const int64_t row_bytes = max64(1, a.inner * a.itemsize);
  const RowJob<Args> job = {&a, max64(1, min64(kPieceBytes / row_bytes, kPieceElements / 2)),
                            a.outer * a.k};
  if (a.inner > 0) parallel_for(ceil_div(job.total, job.per), fn, &job);
}

// ---- backward ----------------------------------------------------------------------------------

// A piece owns a block of gx alone and adds into it in the order of j: no two threads meet, and
// the order of the sums does not depend on how many there are.
template <class Args>
struct BlockJob {
  const Args* a;
  int64_t per_outer;  // values of o in a piece
  int64_t parts;      // further cuts of one o: ranges of rows (take) or of columns (gather)
};

template <class Args>
struct Block {
  int64_t o_from, o_to, from, to;
  Block(const BlockJob<Args>& job, int64_t piece, int64_t extent) {
    o_from = piece / job.parts * job.per_outer;
    o_to = min64(o_from + job.per_outer, job.a->outer);
    const int64_t each = ceil_div(extent, job.parts), part = piece % job.parts;
    from = min64(part * each, extent);
    to = min64(from + each, extent);
  }
};

template <class Args>
void run_blocks(const Args& a, int64_t most_parts, PieceFn fn) {
  const int64_t work = max64(1, (a.n + a.k) * a.inner);
  const int64_t parts = max64(1, min64(work / kPieceElements, most_parts));
  const int64_t per_outer = max64(1, kPieceElements / work);
  const BlockJob<Args> job = {&a, per_outer, parts};
  parallel_for(ceil_div(a.outer, per_outer) * parts, fn, &job);
}

void take_back_block(const void* ctx, int64_t piece, void*) {
  const BlockJob<TakeBackwardArgs>& job = *static_cast<const BlockJob<TakeBackwardArgs>*>(ctx);
  const TakeBackwardArgs& a = *job.a;
  const Block<TakeBackwardArgs> b(job, piece, a.n);
  for (int64_t o = b.o_from; o < b.o_to; ++o) {
    float* gx = a.gx + o * a.n * a.inner;
    const size_t bytes = static_cast<size_t>((b.to - b.from) * a.inner) * sizeof(float);
    if (bytes != 0) memset(gx + b.from * a.inner, 0, bytes);
    for (int64_t j = 0; j < a.k; ++j) {
      const int64_t row = a.index[j];
      if (row < b.from || row >= b.to) continue;
      const float* __restrict src = a.gy + (o * a.k + j) * a.inner;
      float* __restrict dst = gx + row * a.inner;
      for (int64_t i = 0; i < a.inner; ++i) dst[i] += src[i];
    }
  }
}

void gather_back_block(const void* ctx, int64_t piece, void*) {
  const BlockJob<GatherBackwardArgs>& job = *static_cast<const BlockJob<GatherBackwardArgs>*>(ctx);
  const GatherBackwardArgs& a = *job.a;
  const Block<GatherBackwardArgs> b(job, piece, a.inner);
  const size_t bytes = static_cast<size_t>(b.to - b.from) * sizeof(float);
  if (bytes == 0) return;
  for (int64_t o = b.o_from; o < b.o_to; ++o) {
    float* gx = a.gx + o * a.n * a.inner;
    for (int64_t row = 0; row < a.n; ++row) memset(gx + row * a.inner + b.from, 0, bytes);
    for (int64_t j = 0; j < a.k; ++j) {
      const int64_t base = (o * a.k + j) * a.inner;
      for (int64_t i = b.from; i < b.to; ++i) {
        const int64_t row = a.index[base + i];
        if (row >= 0 && row < a.n) gx[row * a.inner + i] += a.gy[base + i];
      }
    }
  }
}

}  // namespace

void take(const TakeArgs& a) { run_rows(a, take_rows); }
void gather(const GatherArgs& a) { run_rows(a, gather_rows); }

// Every part walks the whole index, so narrow rows are cut into few parts.
void take_backward(const TakeBackwardArgs& a) {
  run_blocks(a, min64(16, a.inner / 4), take_back_block);
}

void gather_backward(const GatherBackwardArgs& a) {
  run_blocks(a, min64(16, a.inner / 16), gather_back_block);
}

}  // namespace PYDL_ISA
}  // namespace pydl

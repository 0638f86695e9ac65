// Reading by index: take (one for all rows) and gather (one per element); writing by index: put and
// scatter. An index in [-n, 0) counts from the end; beyond [-n, n) zeros are read and nothing is
// written.
#include "core/args/index.h"

#include <stdint.h>
#include <string.h>

#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceBytes = 1 << 18;
constexpr int64_t kPieceElements = 1 << 16;

inline int64_t wrap(int64_t i, int64_t n) { return i < 0 ? i + n : i; }
inline bool inside(int64_t i, int64_t n) {
  return static_cast<uint64_t>(i) < static_cast<uint64_t>(n);
}

// ---- forward -----------------------------------------------------------------------------------

struct RowJob {
  const TakeArgs* a;
  int64_t per, total;  // rows (o, j) of out
};

// T is as large as one whole row, so that a row is one load and one store.
template <class T>
void take_elements(const TakeArgs& a, int64_t from, int64_t to) {
  const T* x = static_cast<const T*>(a.x) + from / a.k * a.n;
  T* out = static_cast<T*>(a.out);
  for (int64_t r = from, j = from % a.k; r < to; ++r) {
    const int64_t i = wrap(a.index[j], a.n);
    out[r] = inside(i, a.n) ? x[i] : T{0};
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
    const int64_t i = wrap(a.index[r % a.k], a.n);
    if (inside(i, a.n)) {
      memcpy(out + r * run, x + (r / a.k * a.n + i) * run, static_cast<size_t>(run));
    } else {
      memset(out + r * run, 0, static_cast<size_t>(run));
    }
  }
}

void take_rows(const void* ctx, int64_t piece, void*) {
  const RowJob& job = *static_cast<const RowJob*>(ctx);
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
void gather_elements(const TakeArgs& a, int64_t from, int64_t to) {
  const T* block = static_cast<const T*>(a.x) + from / a.k * a.n * a.inner;
  T* out = static_cast<T*>(a.out);
  for (int64_t r = from, j = from % a.k; r < to; ++r) {
    for (int64_t i = 0; i < a.inner; ++i) {
      const int64_t at = wrap(a.index[r * a.inner + i], a.n);
      out[r * a.inner + i] = inside(at, a.n) ? block[at * a.inner + i] : T{0};
    }
    if (++j == a.k) {
      j = 0;
      block += a.n * a.inner;
    }
  }
}

void gather_rows(const void* ctx, int64_t piece, void*) {
  const RowJob& job = *static_cast<const RowJob*>(ctx);
  const TakeArgs& a = *job.a;
  const int64_t from = piece * job.per, to = min64(from + job.per, job.total);
  if (a.itemsize == 1) return gather_elements<uint8_t>(a, from, to);
  if (a.itemsize == 2) return gather_elements<uint16_t>(a, from, to);
  if (a.itemsize == 4) return gather_elements<uint32_t>(a, from, to);
  gather_elements<uint64_t>(a, from, to);
}

void run_rows(const TakeArgs& a, PieceFn fn) {
  const int64_t row_bytes = max64(1, a.inner * a.itemsize);
  const RowJob job = {&a, max64(1, min64(kPieceBytes / row_bytes, kPieceElements / 2)),
                      a.outer * a.k};
  if (a.inner > 0) parallel_for(ceil_div(job.total, job.per), fn, &job);
}

// ---- writing -----------------------------------------------------------------------------------

struct Set {
  template <class T>
  static T of(T, T src) {
    return src;
  }
};
struct Add {
  static float of(float old, float src) { return old + src; }
  template <class T>
  static T of(T old, T src) {
    return static_cast<T>(old + src);
  }
};
struct Multiply {
  static float of(float old, float src) { return old * src; }
  template <class T>
  static T of(T old, T src) {
    return static_cast<T>(old * src);
  }
};
struct Or {
  static uint8_t of(uint8_t old, uint8_t src) { return old | src; }
};
struct And {
  static uint8_t of(uint8_t old, uint8_t src) { return old & src; }
};

// A piece owns some values of o and some columns alone and writes them in the order of j: no two
// threads meet, and the result does not depend on how the work is cut.
struct Block {
  int64_t o_from, o_to, from, to;
};

template <class T, class F>
struct Put {
  static void run(const PutArgs& a, const Block& b) {
    for (int64_t o = b.o_from; o < b.o_to; ++o) {
      T* out = static_cast<T*>(a.out) + o * a.n * a.inner;
      const T* src = static_cast<const T*>(a.src) + o * a.k * a.inner;
      for (int64_t j = 0; j < a.k; ++j) {
        const int64_t row = wrap(a.index[j], a.n);
        if (!inside(row, a.n)) continue;
        const T* __restrict from = src + j * a.inner;
        T* __restrict to = out + row * a.inner;
        for (int64_t i = b.from; i < b.to; ++i) to[i] = F::of(to[i], from[i]);
      }
    }
  }
};

template <class T, class F>
struct Scatter {
  static void run(const PutArgs& a, const Block& b) {
    for (int64_t o = b.o_from; o < b.o_to; ++o) {
      T* out = static_cast<T*>(a.out) + o * a.n * a.inner;
      for (int64_t j = 0; j < a.k; ++j) {
        const T* from = static_cast<const T*>(a.src) + (o * a.k + j) * a.inner;
        const int64_t* index = a.index + (o * a.k + j) * a.inner;
        for (int64_t i = b.from; i < b.to; ++i) {
          const int64_t row = wrap(index[i], a.n);
          if (inside(row, a.n)) out[row * a.inner + i] = F::of(out[row * a.inner + i], from[i]);
        }
      }
    }
  }
};

// NOTE: integers are computed without sign, as their sums may wrap.
template <template <class, class> class Way, class Arithmetic>
void combine(const PutArgs& a, const Block& b) {
  if (a.dtype == DType::kF32) return Way<float, Arithmetic>::run(a, b);
  if (a.itemsize == 8) return Way<uint64_t, Arithmetic>::run(a, b);
  if (a.itemsize == 4) return Way<uint32_t, Arithmetic>::run(a, b);
  Way<uint8_t, Arithmetic>::run(a, b);
}

template <template <class, class> class Way>
void write_block(const PutArgs& a, const Block& b) {
  const bool bits = a.dtype == DType::kBool;
  if (a.mode == PutMode::kSet) {
    if (a.itemsize == 1) return Way<uint8_t, Set>::run(a, b);
    if (a.itemsize == 2) return Way<uint16_t, Set>::run(a, b);
    if (a.itemsize == 4) return Way<uint32_t, Set>::run(a, b);
    return Way<uint64_t, Set>::run(a, b);
  }
  if (a.mode == PutMode::kAdd) return bits ? Way<uint8_t, Or>::run(a, b) : combine<Way, Add>(a, b);
  return bits ? Way<uint8_t, And>::run(a, b) : combine<Way, Multiply>(a, b);
}

struct BlockJob {
  const PutArgs* a;
  int64_t per_outer;  // values of o in a piece
  int64_t parts;      // cuts of the columns
};

template <template <class, class> class Way>
void write_piece(const void* ctx, int64_t piece, void*) {
  const BlockJob& job = *static_cast<const BlockJob*>(ctx);
  const PutArgs& a = *job.a;
  const int64_t o = piece / job.parts * job.per_outer;
  const int64_t each = ceil_div(a.inner, job.parts), part = piece % job.parts;
  const int64_t from = min64(part * each, a.inner);
  write_block<Way>(a, {o, min64(o + job.per_outer, a.outer), from, min64(from + each, a.inner)});
}

// Every part reads the whole index, so columns are cut into pieces of 128 bytes at least.
template <template <class, class> class Way>
void write(const PutArgs& a) {
  const int64_t work = max64(1, a.k * a.inner), most = min64(16, a.inner * a.itemsize / 128);
  const int64_t parts = max64(1, min64(work / kPieceElements, most));
  const BlockJob job = {&a, max64(1, kPieceElements / work), parts};
  parallel_for(ceil_div(a.outer, job.per_outer) * parts, &write_piece<Way>, &job);
}

}  // namespace

void take(const TakeArgs& a) { run_rows(a, take_rows); }
void gather(const TakeArgs& a) { run_rows(a, gather_rows); }
void put(const PutArgs& a) { write<Put>(a); }
void scatter(const PutArgs& a) { write<Scatter>(a); }

}  // namespace PYDL_ISA
}  // namespace pydl

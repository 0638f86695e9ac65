// The pieces that pooling is cut into: rows of the output, or whole planes.
#pragma once
#include "core/args/pool.h"
#include "cpu/kernels_isa.h"
#include "cpu/sliced.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

constexpr int64_t kPieceElements = 1 << 16;  // inputs per piece, about 20 us

struct Span {
  int64_t lo, hi;
};

struct Job {
  const PoolArgs* a;
  Span inner;     // columns, unless adaptive
  int64_t per;    // rows or planes in a piece
  int64_t total;  // rows or planes
};

// Pieces of output rows; each row costs so many inputs.
inline void run_rows(const PoolArgs& a, Span inner, int64_t inputs, PieceFn fn) {
  const Job job = {&a, inner, max64(1, kPieceElements / max64(1, inputs)), a.planes * a.OH};
  parallel_for(ceil_div(job.total, job.per), fn, &job);
}

// Pieces of planes: windows may overlap, so a plane is summed by one thread in a fixed order.
inline void run_planes(const PoolArgs& a, Span inner, PieceFn fn) {
  const int64_t size = max64(1, max64(a.H * a.W, a.OH * a.OW));
  const Job job = {&a, inner, max64(1, kPieceElements / size), a.planes};
  parallel_for(ceil_div(job.total, job.per), fn, &job);
}

// Half types, plane by plane; `back`: x is smaller than y.
inline void run_half_planes(const PoolArgs& a, void (*kernel)(const PoolArgs&), bool back) {
  const int64_t in = a.H * a.W, out = a.OH * a.OW;
  const auto advance = [](PoolArgs* part, int64_t plane) {
    if (part->indices != nullptr) part->indices += plane * part->OH * part->OW;
  };
  run_sliced<PoolArgs>(
      {a,
       kernel,
       &PoolArgs::planes,
       advance,
       {{&PoolArgs::x, nullptr, back ? out : in}, {nullptr, &PoolArgs::y, back ? in : out}},
       2,
       0});
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl

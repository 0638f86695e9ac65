// Take and gather along the middle dimension of x (outer, n, inner), with their gradients.
#include "core/args/index.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

// `long_side` is dense over (outer, n, inner), `picked` over (outer, k, inner).
void check_blocks(const Call& call, const char* long_name, const Array& long_side,
                  const char* picked_name, const Array& picked, int64_t outer, int64_t n,
                  int64_t inner, int64_t k) {
  call.elements(long_name, long_side, outer, n, inner, "(outer, n, inner)");
  call.elements(picked_name, picked, outer, k, inner, "(outer, k, inner)");
}

// k of an index (outer, k, inner): its shape may have any number of dimensions.
int64_t picks(const Array& index, int64_t outer, int64_t inner) {
  int64_t block;
  if (__builtin_mul_overflow(outer, inner, &block) || block <= 0) return 0;
  return index.size / block;
}

void take(const Array& x, const Array& index, const Array& out, int64_t outer, int64_t n,
          int64_t inner) {
  Call call("take");
  TakeArgs a;
  a.x = call.in_any("x", x);
  a.index = call.in<int64_t>("index", index);
  a.out = call.out_any("out", out);
  call.same_dtype("out", out, "x", x);
  check_blocks(call, "x", x, "out", out, outer, n, inner, index.size);
  call.indices("index", index, n, nullptr);
  a.itemsize = item_size(x);
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  a.k = index.size;
  call.run(cpu_table().take, a);
}

void take_backward(const Array& gy, const Array& index, const Array& gx, int64_t outer, int64_t n,
                   int64_t inner) {
  Call call("take_backward");
  TakeBackwardArgs a;
  a.gy = call.in<float>("gy", gy);
  a.index = call.in<int64_t>("index", index);
  a.gx = call.out<float>("gx", gx);
  check_blocks(call, "gx", gx, "gy", gy, outer, n, inner, index.size);
  call.indices("index", index, n, nullptr);
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  a.k = index.size;
  call.run(cpu_table().take_backward, a);
}

void gather(const Array& x, const Array& index, const Array& out, int64_t outer, int64_t n,
            int64_t inner) {
  Call call("gather");
  GatherArgs a;
  a.x = call.in_any("x", x);
  a.index = call.in<int64_t>("index", index);
  a.out = call.out_any("out", out);
  call.same_dtype("out", out, "x", x);
  a.k = picks(index, outer, inner);
  check_blocks(call, "x", x, "index", index, outer, n, inner, a.k);
  call.elements("out", out, outer, a.k, inner, "(outer, k, inner)");
  call.indices("index", index, n, nullptr);
  a.itemsize = item_size(x);
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  call.run(cpu_table().gather, a);
}

void gather_backward(const Array& gy, const Array& index, const Array& gx, int64_t outer, int64_t n,
                     int64_t inner) {
  Call call("gather_backward");
  GatherBackwardArgs a;
  a.gy = call.in<float>("gy", gy);
  a.index = call.in<int64_t>("index", index);
  a.gx = call.out<float>("gx", gx);
  a.k = picks(index, outer, inner);
  check_blocks(call, "gx", gx, "index", index, outer, n, inner, a.k);
  call.elements("gy", gy, outer, a.k, inner, "(outer, k, inner)");
  call.indices("index", index, n, nullptr);
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  call.run(cpu_table().gather_backward, a);
}

void bind(py::module_& m, const char* name,
          void (*fn)(const Array&, const Array&, const Array&, int64_t, int64_t, int64_t),
          const char* in, const char* out) {
  m.def(name, fn, py::arg(in), py::arg("index"), py::arg(out), py::arg("outer"), py::arg("n"),
        py::arg("inner"));
}

}  // namespace

void bind_index(py::module_& m) {
  bind(m, "take", take, "x", "out");
  bind(m, "take_backward", take_backward, "gy", "gx");
  bind(m, "gather", gather, "x", "out");
  bind(m, "gather_backward", gather_backward, "gy", "gx");
}

}  // namespace pydl

// The argsort along the middle of (outer, n, inner).
#include "core/args/sort.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

void argsort(const Array& x, const Array& index, int64_t outer, int64_t n, int64_t inner, int64_t k,
             bool descending) {
  Call call("argsort");
  call.need("x", x, kNumbers);
  ArgsortArgs a;
  a.dtype = is_half(x.dtype) ? DType::kF32 : x.dtype;
  a.descending = descending;
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  a.k = k;
  a.x = call.in_number("x", x);
  a.index = call.out<int64_t>("index", index);
  call.elements("x", x, outer, n, inner, "(outer, n, inner)");
  call.elements("index", index, outer, k, inner, "(outer, k, inner)");
  if (k > n) {
    call.wrong_value("k is " + std::to_string(k) + ", expected at most n=" + std::to_string(n));
  }
  if (n > INT32_MAX) call.wrong_value("n is " + std::to_string(n) + ", expected less than 2^31");
  call.run(cpu_table().argsort, a, cpu_table().argsort_work);
}

}  // namespace

void bind_sort(py::module_& m) {
  m.def("argsort", argsort, py::arg("x"), py::arg("index"), py::arg("outer"), py::arg("n"),
        py::arg("inner"), py::arg("k"), py::arg("descending") = false,
        "index (outer, k, inner) = the first k places of the stable sort; NaN is the largest.");
}

}  // namespace pydl

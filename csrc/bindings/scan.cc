// Running sums, products and the linear recurrence along the middle of (outer, n, inner).
#include "core/args/scan.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

void scan(const char* name, bool product, const Array& x, const Array& y, int64_t outer, int64_t n,
          int64_t inner, bool reverse) {
  Call call(name);
  call.need("x", x, kNumbers);
  ScanArgs a;
  a.dtype = is_half(x.dtype) ? DType::kF32 : x.dtype;
  a.product = product;
  a.reverse = reverse;
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  a.x = call.in_number("x", x);
  a.y = call.out_number("y", y);
  call.need("y", y, bit(a.dtype == DType::kF32 ? x.dtype : DType::kI64));
  call.elements("x", x, outer, n, inner, "(outer, n, inner)");
  call.elements("y", y, outer, n, inner, "(outer, n, inner)");
  call.run(cpu_table().scan, a, cpu_table().scan_work);
}

void recurrence(const Array& a, const Array& b, const Array& y, int64_t outer, int64_t n,
                int64_t inner, bool reverse) {
  Call call("recurrence");
  RecurrenceArgs r;
  r.reverse = reverse;
  r.outer = outer;
  r.n = n;
  r.inner = inner;
  r.a = call.in<float>("a", a);
  r.b = call.in<float>("b", b);
  r.y = call.out<float>("y", y);
  call.elements("a", a, outer, n, inner, "(outer, n, inner)");
  call.elements("b", b, outer, n, inner, "(outer, n, inner)");
  call.elements("y", y, outer, n, inner, "(outer, n, inner)");
  call.run(cpu_table().recurrence, r);
}

void bind(py::module_& m, const char* name, bool product) {
  m.def(
      name,
      [name, product](const Array& x, const Array& y, int64_t outer, int64_t n, int64_t inner,
                      bool reverse) { scan(name, product, x, y, outer, n, inner, reverse); },
      py::arg("x"), py::arg("y"), py::arg("outer"), py::arg("n"), py::arg("inner"),
      py::arg("reverse") = false);
}

}  // namespace

void bind_scan(py::module_& m) {
  bind(m, "cumsum", false);
  bind(m, "cumprod", true);
  m.def("recurrence", recurrence, py::arg("a"), py::arg("b"), py::arg("y"), py::arg("outer"),
        py::arg("n"), py::arg("inner"), py::arg("reverse") = false,
        "y[k] = a[k] y[k-1] + b[k]; a[0] is not read.");
}

}  // namespace pydl

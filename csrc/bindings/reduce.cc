// Reductions of x (outer, n, inner) to out (outer, inner).
#include "core/args/reduce.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

void reduce(const char* name, ReduceOp op, DTypes allowed, const Array& x, const Array& out,
            int64_t outer, int64_t n, int64_t inner, double scale) {
  Call call(name);
  call.need("x", x, allowed);
  ReduceArgs a;
  a.op = op;
  const bool sums = op == ReduceOp::kSum || op == ReduceOp::kProd;
  const bool finds = op == ReduceOp::kArgMax || op == ReduceOp::kArgMin;
  const bool floats = (bit(x.dtype) & kFloats) != 0;
  a.dtype = finds && floats ? DType::kF32 : x.dtype;
  a.out_dtype = out.dtype;
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  a.scale = scale;
  a.x = finds ? call.in_number("x", x) : call.in_any("x", x);
  a.out = call.out_any("out", out);
  call.elements("x", x, outer, n, inner, "(outer, n, inner)");
  call.elements("out", out, outer, 1, inner, "(outer, 1, inner)");
  if (finds || (sums && !floats)) {
    call.need("out", out, bit(DType::kI64));
  } else if (!is_half(x.dtype) || out.dtype != DType::kF32) {
    call.same_dtype("out", out, "x", x);
  }
  if (sums && !floats && scale != 1.0) {
    call.wrong_value("scale is for floating types; x is " + describe(x));
  }
  const bool needs_one = finds || op == ReduceOp::kMax || op == ReduceOp::kMin;
  if (needs_one && n == 0 && out.size > 0) call.wrong_value("nothing to choose from (n = 0)");
  call.run(cpu_table().reduce, a, cpu_table().reduce_work);
}

void bind(py::module_& m, const char* name, ReduceOp op, DTypes allowed) {
  m.def(
      name,
      [name, op, allowed](const Array& x, const Array& out, int64_t outer, int64_t n,
                          int64_t inner) {
        reduce(name, op, allowed, x, out, outer, n, inner, 1.0);
      },
      py::arg("x"), py::arg("out"), py::arg("outer"), py::arg("n"), py::arg("inner"));
}

void reduce_sum(const Array& x, const Array& out, int64_t outer, int64_t n, int64_t inner,
                double scale) {
  reduce("reduce_sum", ReduceOp::kSum, kNumbers, x, out, outer, n, inner, scale);
}

}  // namespace

void bind_reduce(py::module_& m) {
  m.def("reduce_sum", reduce_sum, py::arg("x"), py::arg("out"), py::arg("outer"), py::arg("n"),
        py::arg("inner"), py::arg("scale") = 1.0);
  bind(m, "reduce_prod", ReduceOp::kProd, kNumbers);
  bind(m, "reduce_max", ReduceOp::kMax, kNumbers);
  bind(m, "reduce_min", ReduceOp::kMin, kNumbers);
  bind(m, "reduce_any", ReduceOp::kAny, bit(DType::kBool));
  bind(m, "reduce_all", ReduceOp::kAll, bit(DType::kBool));
  bind(m, "argmax", ReduceOp::kArgMax, kNumbers);
  bind(m, "argmin", ReduceOp::kArgMin, kNumbers);
}

}  // namespace pydl

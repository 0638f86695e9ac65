// The matrix product.
#include "bindings/checks.h"
#include "core/args/gemm.h"

namespace pydl {

namespace {

// x as a batch of matrices (batch, rows, cols).
struct Matrices {
  int64_t batch, rows, cols;
};

Matrices matrices(const Call& call, const char* name, const Array& x) {
  call.rank(name, x, 2, 3, "2 or 3 dimensions");
  const size_t d = x.shape.size();
  return {d == 3 ? x.shape[0] : 1, x.shape[d - 2], x.shape[d - 1]};
}

void check_product(const Call& call, const Matrices& a, const Matrices& b, const Array& out,
                   const GemmArgs& g, int64_t inner_of_b, bool stacked) {
  if (inner_of_b != g.k) {
    call.wrong_value("a has k=" + std::to_string(g.k) + ", b has k=" + std::to_string(inner_of_b));
  }
  if (a.batch != g.batch && a.batch != 1) {
    call.wrong_value("batches of a (" + std::to_string(a.batch) + ") and b (" +
                     std::to_string(b.batch) + ") do not broadcast");
  }
  if (stacked) {
    call.shape("out", out, {g.batch, g.m, g.n});
  } else {
    call.shape("out", out, {g.m, g.n});
  }
}

void gemm(const Array& a, const Array& b, const Array& out, bool trans_a, bool trans_b,
          Optional bias, bool relu, double alpha, bool accumulate) {
  Call call("gemm");
  const Matrices x = matrices(call, "a", a), y = matrices(call, "b", b);
  GemmArgs g;
  g.m = trans_a ? x.cols : x.rows;
  g.k = trans_a ? x.rows : x.cols;
  g.n = trans_b ? y.rows : y.cols;
  g.batch = y.batch == 1 ? x.batch : y.batch;
  g.a_batch = x.batch == 1 ? 0 : x.rows * x.cols;
  g.b_batch = y.batch == 1 ? 0 : y.rows * y.cols;
  g.c_batch = g.m * g.n;
  g.lda = x.cols;
  g.ldb = y.cols;
  g.ldc = g.n;
  g.trans_a = trans_a ? 1 : 0;
  g.trans_b = trans_b ? 1 : 0;
  g.accumulate = accumulate ? 1 : 0;
  g.act = relu ? Act::kRelu : Act::kNone;
  g.bias_axis = bias == nullptr ? BiasAxis::kNone : BiasAxis::kCol;
  g.alpha = static_cast<float>(alpha);
  g.a = call.in<float>("a", a);
  g.b = call.in<float>("b", b);
  g.bias = call.in_or_null<float>("bias", bias);
  g.c = call.out<float>("out", out);
  check_product(call, x, y, out, g, trans_b ? y.cols : y.rows,
                a.shape.size() == 3 || b.shape.size() == 3);
  if (bias != nullptr) call.shape("bias", *bias, {g.n});
  call.run(cpu_table().gemm, g, cpu_table().gemm_work);
}

}  // namespace

void bind_matmul(py::module_& m) {
  m.def("gemm", gemm, py::arg("a"), py::arg("b"), py::arg("out"), py::arg("trans_a") = false,
        py::arg("trans_b") = false, py::arg("bias") = py::none(), py::arg("relu") = false,
        py::arg("alpha") = 1.0, py::arg("accumulate") = false,
        "out = [relu](alpha * op(a) @ op(b) + bias + (out if accumulate)); bias is (n,).");
}

}  // namespace pydl

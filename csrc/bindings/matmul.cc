// The matrix product.
#include "bindings/array.h"
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

// Everything but the arrays' data and what the write-back adds.
GemmArgs product(const Call& call, const Matrices& a, const Matrices& b, bool trans_a,
                 bool trans_b) {
  GemmArgs g = {};
  g.m = trans_a ? a.cols : a.rows;
  g.k = trans_a ? a.rows : a.cols;
  g.n = trans_b ? b.rows : b.cols;
  g.batch = b.batch == 1 ? a.batch : b.batch;
  g.a_batch = a.batch == 1 ? 0 : a.rows * a.cols;
  g.b_batch = b.batch == 1 ? 0 : b.rows * b.cols;
  g.c_batch = g.m * g.n;
  g.lda = a.cols;
  g.ldb = b.cols;
  g.ldc = g.n;
  g.trans_a = trans_a ? 1 : 0;
  g.trans_b = trans_b ? 1 : 0;
  g.alpha = 1.0f;
  const int64_t inner_of_b = trans_b ? b.cols : b.rows;
  if (inner_of_b != g.k) {
    call.wrong_value("a has k=" + std::to_string(g.k) + ", b has k=" + std::to_string(inner_of_b));
  }
  if (a.batch != g.batch && a.batch != 1) {
    call.wrong_value("batches of a (" + std::to_string(a.batch) + ") and b (" +
                     std::to_string(b.batch) + ") do not broadcast");
  }
  return g;
}

constexpr int64_t kBrief = 64 * 64 * 64;  // multiply-adds: two microseconds of AVX-512

void run_product(Call* call, GemmArgs* g, const Array& a, const Array& b, Optional bias,
                 const Array& out) {
  g->bias_axis = bias == nullptr ? BiasAxis::kNone : BiasAxis::kCol;
  g->bias = call->in_or_null<float>("bias", bias);
  g->dtype = call->takes({&a, &b, &out});
  g->a = call->in<float>("a", a);
  g->b = call->in<float>("b", b);
  g->c = g->accumulate != 0 ? call->in_out<float>("out", out) : call->out<float>("out", out);
  if (bias != nullptr) call->shape("bias", *bias, {g->n});
  const bool brief = g->m * g->n * g->k * g->batch <= kBrief;
  call->run(cpu_table().gemm, *g, cpu_table().gemm_work, brief);
}

void gemm(const Array& a, const Array& b, const Array& out, bool trans_a, bool trans_b,
          Optional bias, bool relu, double alpha, bool accumulate) {
  Call call("gemm");
  const Matrices x = matrices(call, "a", a), y = matrices(call, "b", b);
  GemmArgs g = product(call, x, y, trans_a, trans_b);
  if (a.shape.size() == 3 || b.shape.size() == 3) {
    call.shape("out", out, {g.batch, g.m, g.n});
  } else {
    call.shape("out", out, {g.m, g.n});
  }
  g.accumulate = accumulate ? 1 : 0;
  g.act = relu ? Act::kRelu : Act::kNone;
  g.alpha = static_cast<float>(alpha);
  run_product(&call, &g, a, b, bias, out);
}

PyTypeObject* array_type;

// A matrix of floats, or null where x is anything else.
const Array* matrix_or_null(PyObject* x) {
  if (Py_TYPE(x) != array_type) return nullptr;
  const Array& array = array_of(x);
  return array.shape.size() == 2 && (bit(array.dtype) & kFloats) != 0 ? &array : nullptr;
}

// A vector of n floats, or null where x is None. False where it is anything else.
bool bias_of(PyObject* x, int64_t n, Optional* bias) {
  if (x == Py_None) return true;
  if (Py_TYPE(x) != array_type) return false;
  bias->x = &array_of(x);
  return (bit(bias->x->dtype) & kFloats) != 0 && bias->x->shape.size() == 1 &&
         bias->x->shape[0] == n;
}

PyObject* new_product(const Array& a, const Array& b, bool trans_a, bool trans_b, Optional bias) {
  Call call("matmul");
  GemmArgs g =
      product(call, {1, a.shape[0], a.shape[1]}, {1, b.shape[0], b.shape[1]}, trans_a, trans_b);
  Array out;
  out.dtype = a.dtype;
  out.shape = {g.m, g.n};
  out.size = checked_size(out.shape, out.dtype);
  out.storage = allocate_for("matmul", out.bytes());
  out.data = out.storage->data;
  run_product(&call, &g, a, b, bias, out);
  return py::cast(std::move(out)).release().ptr();
}

// matmul(a, b, trans_a, trans_b, bias): the product of two matrices that fit, or None.
// NOTE: a function of the interpreter's own kind. A product of 32 x 32 takes 400 ns; calls by way
// of pybind11, one for the output and one for the product, would take longer than that.
PyObject* matmul(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 5) {
    PyErr_SetString(PyExc_TypeError, "matmul: expected a, b, trans_a, trans_b, bias");
    return nullptr;
  }
  const Array *a = matrix_or_null(args[0]), *b = matrix_or_null(args[1]);
  const bool trans_a = args[2] == Py_True, trans_b = args[3] == Py_True;
  if (a == nullptr || b == nullptr || a->dtype != b->dtype ||
      a->shape[trans_a ? 0 : 1] != b->shape[trans_b ? 1 : 0]) {
    Py_RETURN_NONE;
  }
  Optional bias;
  if (!bias_of(args[4], b->shape[trans_b ? 0 : 1], &bias)) Py_RETURN_NONE;
  try {
    return new_product(*a, *b, trans_a, trans_b, bias);
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const std::bad_alloc& e) {
    PyErr_SetString(PyExc_MemoryError, e.what());
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  }
  return nullptr;
}

PyMethodDef kMatmul = {
    "matmul", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(matmul)), METH_FASTCALL,
    "matmul(a, b, trans_a, trans_b, bias) -> Array | None\n\n"
    "op(a) @ op(b) + bias, or None unless they are matrices of one floating type that fit."};

}  // namespace

void bind_matmul(py::module_& m) {
  m.def("gemm", gemm, py::arg("a"), py::arg("b"), py::arg("out"), py::arg("trans_a") = false,
        py::arg("trans_b") = false, py::arg("bias") = py::none(), py::arg("relu") = false,
        py::arg("alpha") = 1.0, py::arg("accumulate") = false,
        "out = [relu](alpha * op(a) @ op(b) + bias + (out if accumulate)); bias is (n,).");
  array_type = reinterpret_cast<PyTypeObject*>(py::type::of<Array>().ptr());
  m.attr("matmul") = py::reinterpret_steal<py::object>(
      PyCFunction_NewEx(&kMatmul, nullptr, py::object(m.attr("__name__")).ptr()));
}

}  // namespace pydl

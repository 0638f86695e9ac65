// Pooling of planes: max, average, adaptive; and max unpooling.
#include "core/args/pool.h"

#include "bindings/planes.h"
#include "core/parallel.h"

namespace pydl {

namespace {

// Both sizes are legal: the floor, and with ceil_mode one more, if that window still begins inside
// the input or its left padding (torch's rule).
bool legal_size(const Axis& a, int64_t out) {
  const int64_t floor = a.padded_room() < 0 ? 0 : a.outputs();
  if (out == floor) return true;
  return out == floor + 1 && a.padded_room() % a.stride != 0 && floor * a.stride < a.size + a.pad;
}

void check_pool_axis(const Call& call, const char* letter, const Axis& a) {
  if (a.size < 1) call.wrong_value(std::string("input has ") + letter + "=0");
  check_axis(call, letter, a, a.stride > 0 ? a.stride - 1 : 0);
  const int64_t span = a.dil * (a.kernel - 1) + 1;
  if (a.pad <= span / 2) return;
  call.wrong_value("padding of " + std::string(letter) + " is " + std::to_string(a.pad) +
                   ", expected at most half the window (" + std::to_string(span) + ")");
}

// Everything but the pointers. x (..., H, W), y (..., OH, OW).
PoolArgs geometry(const Call& call, const char* x_name, const Array& x, const char* y_name,
                  const Array& y, Pair kernel, Pair stride, Pair padding, Pair dilation) {
  PoolArgs a = {};
  const Planes p = planes_of(call, x_name, x, y_name, y);
  const size_t lead = x.shape.size() - 2;
  const Axis h = {x.shape[lead], kernel.first, stride.first, padding.first, dilation.first};
  const Axis w = {x.shape[lead + 1], kernel.second, stride.second, padding.second, dilation.second};
  check_pool_axis(call, "H", h);
  check_pool_axis(call, "W", w);
  if (!legal_size(h, y.shape[lead]) || !legal_size(w, y.shape[lead + 1])) {
    call.wrong_shape(y_name, y,
                     ("OH=" + std::to_string(h.outputs()) + ", OW=" + std::to_string(w.outputs()) +
                      " (or one more, ceil_mode)")
                         .c_str());
  }
  a.planes = p.planes;
  a.H = h.size;
  a.W = w.size;
  a.OH = y.shape[lead];
  a.OW = y.shape[lead + 1];
  a.KH = h.kernel;
  a.KW = w.kernel;
  a.stride_h = h.stride;
  a.stride_w = w.stride;
  a.pad_h = h.pad;
  a.pad_w = w.pad;
  a.dil_h = h.dil;
  a.dil_w = w.dil;
  return a;
}

// Without windows.
PoolArgs cells(const Call& call, const char* x_name, const Array& x, const char* y_name,
               const Array& y) {
  const Planes p = planes_of(call, x_name, x, y_name, y);
  PoolArgs a = {};
  a.planes = p.planes;
  a.H = p.H;
  a.W = p.W;
  a.OH = p.OH;
  a.OW = p.OW;
  return a;
}

// What is read and what is written.
void set_arrays(Call* call, PoolArgs* a, const char* from_name, const Array& from,
                const char* to_name, const Array& to) {
  if (a->H * a->W + a->OH * a->OW <= kStagedFloats) a->dtype = call->takes({&from, &to});
  a->x = call->in<float>(from_name, from);
  a->y = call->out<float>(to_name, to);
}

// ---- max ---------------------------------------------------------------------------------------

void check_indices(const Call& call, const PoolArgs& a, const Array& indices, const char* y_name,
                   const Array& y) {
  call.same_shape("indices", indices, y_name, y);
  if (a.H * a.W > kMaxExtent) call.wrong_value("planes of 2^31 or more elements have no indices");
}

void max_pool2d(const Array& x, const Array& y, Optional indices, Pair kernel, Pair stride,
                Pair padding, Pair dilation) {
  Call call("max_pool2d");
  PoolArgs a = geometry(call, "x", x, "y", y, kernel, stride, padding, dilation);
  set_arrays(&call, &a, "x", x, "y", y);
  if (indices != nullptr) {
    check_indices(call, a, *indices, "y", y);
    a.indices = call.out<int32_t>("indices", *indices);
  }
  call.run(cpu_table().max_pool, a);
}

void max_pool2d_backward(const Array& gy, const Array& indices, const Array& gx) {
  Call call("max_pool2d_backward");
  PoolArgs a = cells(call, "gx", gx, "gy", gy);
  check_indices(call, a, indices, "gy", gy);
  set_arrays(&call, &a, "gy", gy, "gx", gx);
  a.indices = const_cast<int32_t*>(call.in<int32_t>("indices", indices));
  call.run(cpu_table().max_pool_backward, a);
}

void max_unpool2d(const Array& x, const Array& indices, const Array& y) {
  Call call("max_unpool2d");
  const Planes p = planes_of(call, "y", y, "x", x);
  UnpoolArgs a = {};
  a.planes = p.planes;
  a.in = p.OH * p.OW;
  a.out = p.H * p.W;
  call.same_shape("indices", indices, "x", x);
  a.x = call.in<float>("x", x);
  a.indices = call.in<int64_t>("indices", indices);
  a.y = call.out<float>("y", y);
  call.indices("indices", indices, a.out, nullptr);
  call.run(cpu_table().max_unpool, a);
}

// ---- average -----------------------------------------------------------------------------------

void avg_pool2d(const Array& x, const Array& y, Pair kernel, Pair stride, Pair padding,
                bool count_include_pad, int64_t divisor) {
  Call call("avg_pool2d");
  PoolArgs a = geometry(call, "x", x, "y", y, kernel, stride, padding, {1, 1});
  a.count_include_pad = count_include_pad ? 1 : 0;
  a.divisor = divisor;
  set_arrays(&call, &a, "x", x, "y", y);
  call.run(cpu_table().avg_pool, a);
}

void avg_pool2d_backward(const Array& gy, const Array& gx, Pair kernel, Pair stride, Pair padding,
                         bool count_include_pad, int64_t divisor) {
  Call call("avg_pool2d_backward");
  PoolArgs a = geometry(call, "gx", gx, "gy", gy, kernel, stride, padding, {1, 1});
  a.count_include_pad = count_include_pad ? 1 : 0;
  a.divisor = divisor;
  set_arrays(&call, &a, "gy", gy, "gx", gx);
  call.run(cpu_table().avg_pool_backward, a);
}

// ---- adaptive ----------------------------------------------------------------------------------

void adaptive_max_pool2d(const Array& x, const Array& y, const Array& indices) {
  Call call("adaptive_max_pool2d");
  PoolArgs a = cells(call, "x", x, "y", y);
  check_indices(call, a, indices, "y", y);
  set_arrays(&call, &a, "x", x, "y", y);
  a.indices = call.out<int32_t>("indices", indices);
  call.run(cpu_table().adaptive_max_pool, a);
}

void adaptive_avg_pool2d(const Array& x, const Array& y) {
  Call call("adaptive_avg_pool2d");
  PoolArgs a = cells(call, "x", x, "y", y);
  set_arrays(&call, &a, "x", x, "y", y);
  call.run(cpu_table().adaptive_avg_pool, a);
}

void adaptive_avg_pool2d_backward(const Array& gy, const Array& gx) {
  Call call("adaptive_avg_pool2d_backward");
  PoolArgs a = cells(call, "gx", gx, "gy", gy);
  set_arrays(&call, &a, "gy", gy, "gx", gx);
  call.run(cpu_table().adaptive_avg_pool_backward, a);
}

}  // namespace

void bind_pool(py::module_& m) {
  m.def("max_pool2d", max_pool2d, py::arg("x"), py::arg("y"), py::arg("indices"), py::arg("kernel"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"));
  m.def("max_pool2d_backward", max_pool2d_backward, py::arg("gy"), py::arg("indices"),
        py::arg("gx"));
  m.def("max_unpool2d", max_unpool2d, py::arg("x"), py::arg("indices"), py::arg("y"));
  m.def("avg_pool2d", avg_pool2d, py::arg("x"), py::arg("y"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("count_include_pad"), py::arg("divisor"));
  m.def("avg_pool2d_backward", avg_pool2d_backward, py::arg("gy"), py::arg("gx"), py::arg("kernel"),
        py::arg("stride"), py::arg("padding"), py::arg("count_include_pad"), py::arg("divisor"));
  m.def("adaptive_max_pool2d", adaptive_max_pool2d, py::arg("x"), py::arg("y"), py::arg("indices"));
  m.def("adaptive_avg_pool2d", adaptive_avg_pool2d, py::arg("x"), py::arg("y"));
  m.def("adaptive_avg_pool2d_backward", adaptive_avg_pool2d_backward, py::arg("gy"), py::arg("gx"));
}

}  // namespace pydl

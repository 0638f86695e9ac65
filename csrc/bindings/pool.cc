// Pooling of planes: max, average, adaptive average.
#include "core/args/pool.h"

#include "bindings/windows.h"

namespace pydl {

namespace {

// Both sizes are legal: the floor, and with ceil_mode one more, if that window still begins inside
// the input or its left padding (torch's rule).
bool legal_size(const Axis& a, int64_t out) {
  const int64_t floor = a.outputs();
  if (out == floor) return true;
  return out == floor + 1 && a.padded_room() % a.stride != 0 && floor * a.stride < a.size + a.pad;
}

void check_pool_axis(const Call& call, const char* letter, const Axis& a) {
  if (a.size < 1) call.wrong_value(std::string("input has ") + letter + "=0");
  check_axis(call, letter, a);
  const int64_t span = a.dil * (a.kernel - 1) + 1;
  if (a.pad <= span / 2) return;
  call.wrong_value("padding of " + std::string(letter) + " is " + std::to_string(a.pad) +
                   ", expected at most half the window (" + std::to_string(span) + ")");
}

void check_planes(const Call& call, const char* x_name, const Array& x, const char* y_name,
                  const Array& y) {
  call.rank(x_name, x, 4, 4, "(N, C, H, W)");
  call.rank(y_name, y, 4, 4, "(N, C, OH, OW)");
  if (x.shape[0] == y.shape[0] && x.shape[1] == y.shape[1]) return;
  call.wrong_shape(
      y_name, y,
      ("N=" + std::to_string(x.shape[0]) + ", C=" + std::to_string(x.shape[1]) + " as " + x_name)
          .c_str());
}

// Everything but the pointers. x (N, C, H, W), y (N, C, OH, OW).
PoolArgs geometry(const Call& call, const char* x_name, const Array& x, const char* y_name,
                  const Array& y, Pair kernel, Pair stride, Pair padding, Pair dilation) {
  check_planes(call, x_name, x, y_name, y);
  const Axis h = {x.shape[2], kernel.first, stride.first, padding.first, dilation.first};
  const Axis w = {x.shape[3], kernel.second, stride.second, padding.second, dilation.second};
  check_pool_axis(call, "H", h);
  check_pool_axis(call, "W", w);
  if (!legal_size(h, y.shape[2]) || !legal_size(w, y.shape[3])) {
    call.wrong_shape(y_name, y,
                     ("OH=" + std::to_string(h.outputs()) + ", OW=" + std::to_string(w.outputs()) +
                      " (or one more, ceil_mode)")
                         .c_str());
  }
  PoolArgs a = {};
  a.planes = x.shape[0] * x.shape[1];
  a.H = h.size;
  a.W = w.size;
  a.OH = y.shape[2];
  a.OW = y.shape[3];
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

// ---- max ---------------------------------------------------------------------------------------

void check_indices(const Call& call, const PoolArgs& a, const Array& indices, const char* y_name,
                   const Array& y) {
  call.same_shape("indices", indices, y_name, y);
  if (a.H * a.W > kMaxExtent) call.wrong_value("planes of 2^31 or more elements have no indices");
}

void max_pool2d(const Array& x, const Array& y, const Array& indices, Pair kernel, Pair stride,
                Pair padding, Pair dilation) {
  Call call("max_pool2d");
  PoolArgs a = geometry(call, "x", x, "y", y, kernel, stride, padding, dilation);
  check_indices(call, a, indices, "y", y);
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  a.indices = call.out<int32_t>("indices", indices);
  call.run(cpu_table().max_pool, a);
}

void max_pool2d_backward(const Array& gy, const Array& indices, const Array& gx, Pair kernel,
                         Pair stride, Pair padding, Pair dilation) {
  Call call("max_pool2d_backward");
  PoolArgs a = geometry(call, "gx", gx, "gy", gy, kernel, stride, padding, dilation);
  check_indices(call, a, indices, "gy", gy);
  a.x = call.in<float>("gy", gy);
  a.indices = const_cast<int32_t*>(call.in<int32_t>("indices", indices));
  a.y = call.out<float>("gx", gx);
  call.run(cpu_table().max_pool_backward, a);
}

// ---- average -----------------------------------------------------------------------------------

void set_divisor(const Call& call, PoolArgs* a, bool count_include_pad, int64_t divisor) {
  if (divisor < 0) {
    call.wrong_value("divisor is " + std::to_string(divisor) + ", expected >= 0 (0: window size)");
  }
  a->count_include_pad = count_include_pad ? 1 : 0;
  a->divisor = divisor;
}

void avg_pool2d(const Array& x, const Array& y, Pair kernel, Pair stride, Pair padding,
                bool count_include_pad, int64_t divisor) {
  Call call("avg_pool2d");
  PoolArgs a = geometry(call, "x", x, "y", y, kernel, stride, padding, {1, 1});
  set_divisor(call, &a, count_include_pad, divisor);
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().avg_pool, a);
}

void avg_pool2d_backward(const Array& gy, const Array& gx, Pair kernel, Pair stride, Pair padding,
                         bool count_include_pad, int64_t divisor) {
  Call call("avg_pool2d_backward");
  PoolArgs a = geometry(call, "gx", gx, "gy", gy, kernel, stride, padding, {1, 1});
  set_divisor(call, &a, count_include_pad, divisor);
  a.x = call.in<float>("gy", gy);
  a.y = call.out<float>("gx", gx);
  call.run(cpu_table().avg_pool_backward, a);
}

// ---- adaptive average --------------------------------------------------------------------------

PoolArgs adaptive(const Call& call, const char* x_name, const Array& x, const char* y_name,
                  const Array& y) {
  check_planes(call, x_name, x, y_name, y);
  for (const int64_t n : {x.shape[2], x.shape[3], y.shape[2], y.shape[3]}) {
    if (n < 1 || n > kMaxExtent) {
      call.wrong_value("H, W, OH, OW must be in [1, 2^31), got " + describe(x) + " and " +
                       describe(y));
    }
  }
  PoolArgs a = {};
  a.planes = x.shape[0] * x.shape[1];
  a.H = x.shape[2];
  a.W = x.shape[3];
  a.OH = y.shape[2];
  a.OW = y.shape[3];
  return a;
}

void adaptive_avg_pool2d(const Array& x, const Array& y) {
  Call call("adaptive_avg_pool2d");
  PoolArgs a = adaptive(call, "x", x, "y", y);
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().adaptive_avg_pool, a);
}

void adaptive_avg_pool2d_backward(const Array& gy, const Array& gx) {
  Call call("adaptive_avg_pool2d_backward");
  PoolArgs a = adaptive(call, "gx", gx, "gy", gy);
  a.x = call.in<float>("gy", gy);
  a.y = call.out<float>("gx", gx);
  call.run(cpu_table().adaptive_avg_pool_backward, a);
}

}  // namespace

void bind_pool(py::module_& m) {
  m.def("max_pool2d", max_pool2d, py::arg("x"), py::arg("y"), py::arg("indices"), py::arg("kernel"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"));
  m.def("max_pool2d_backward", max_pool2d_backward, py::arg("gy"), py::arg("indices"),
        py::arg("gx"), py::arg("kernel"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"));
  m.def("avg_pool2d", avg_pool2d, py::arg("x"), py::arg("y"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("count_include_pad"), py::arg("divisor"));
  m.def("avg_pool2d_backward", avg_pool2d_backward, py::arg("gy"), py::arg("gx"), py::arg("kernel"),
        py::arg("stride"), py::arg("padding"), py::arg("count_include_pad"), py::arg("divisor"));
  m.def("adaptive_avg_pool2d", adaptive_avg_pool2d, py::arg("x"), py::arg("y"));
  m.def("adaptive_avg_pool2d_backward", adaptive_avg_pool2d_backward, py::arg("gy"), py::arg("gx"));
}

}  // namespace pydl

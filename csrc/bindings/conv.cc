// Convolution (forward, gradient of the input, gradient of the weight), im2col and col2im.
#include "core/args/conv.h"

#include "bindings/windows.h"
#include "core/args/gemm.h"

namespace pydl {

namespace {

// ---- convolution -------------------------------------------------------------------------------

struct Named {
  const char* name;
  const Array& x;
};

void check_channels(const Call& call, const Conv2dArgs& a, const Named& w, int64_t w_channels) {
  const std::string groups = std::to_string(a.groups);
  if (a.groups < 1) call.wrong_value("groups is " + groups + ", expected >= 1");
  if (a.C % a.groups != 0 || a.O % a.groups != 0) {
    call.wrong_value("C=" + std::to_string(a.C) + " and O=" + std::to_string(a.O) +
                     " are not multiples of groups=" + groups);
  }
  if (w_channels == a.C / a.groups) return;
  call.wrong_shape(
      w.name, w.x,
      ("(O, C/groups, KH, KW) with C/groups=" + std::to_string(a.C / a.groups)).c_str());
}

// Everything but the pointers. x (N, C, H, W), w (O, C/groups, KH, KW), y (N, O, OH, OW).
Conv2dArgs geometry(const Call& call, const Named& x, const Named& w, const Named& y, Pair stride,
                    Pair padding, Pair dilation, int64_t groups) {
  call.rank(x.name, x.x, 4, 4, "(N, C, H, W)");
  call.rank(w.name, w.x, 4, 4, "(O, C/groups, KH, KW)");
  const auto &xs = x.x.shape, &ws = w.x.shape;
  Conv2dArgs a = {};
  a.N = xs[0];
  a.C = xs[1];
  a.H = xs[2];
  a.W = xs[3];
  a.O = ws[0];
  a.KH = ws[2];
  a.KW = ws[3];
  a.stride_h = stride.first;
  a.stride_w = stride.second;
  a.pad_h = padding.first;
  a.pad_w = padding.second;
  a.dil_h = dilation.first;
  a.dil_w = dilation.second;
  a.groups = groups;
  check_channels(call, a, w, ws[1]);
  const Axis h = {a.H, a.KH, a.stride_h, a.pad_h, a.dil_h};
  const Axis v = {a.W, a.KW, a.stride_w, a.pad_w, a.dil_w};
  check_axis(call, "H", h);
  check_axis(call, "W", v);
  a.OH = h.outputs();
  a.OW = v.outputs();
  call.shape(y.name, y.x, {a.N, a.O, a.OH, a.OW});
  // One output has no stride; the gradient of the input takes stride_h * stride_w passes.
  if (a.OH == 1) a.stride_h = 1;
  if (a.OW == 1) a.stride_w = 1;
  return a;
}

void conv2d(const Array& x, const Array& w, Optional bias, const Array& y, Pair stride,
            Pair padding, Pair dilation, int64_t groups, bool relu) {
  Call call("conv2d");
  Conv2dArgs a = geometry(call, {"x", x}, {"w", w}, {"y", y}, stride, padding, dilation, groups);
  if (bias != nullptr) call.shape("bias", *bias, {a.O});
  a.act = relu ? Act::kRelu : Act::kNone;
  a.bias = call.in_or_null<float>("bias", bias);
  a.dtype = call.takes({&x, &w, &y});
  a.x = call.in<float>("x", x);
  a.w = call.in<float>("w", w);
  a.out = call.out<float>("y", y);
  call.run(cpu_table().conv2d, a, cpu_table().conv2d_work);
}

void conv2d_grad_input(const Array& gy, const Array& w, const Array& gx, Pair stride, Pair padding,
                       Pair dilation, int64_t groups, Optional bias) {
  Call call("conv2d_grad_input");
  Conv2dArgs a =
      geometry(call, {"gx", gx}, {"w", w}, {"gy", gy}, stride, padding, dilation, groups);
  if (bias != nullptr) call.shape("bias", *bias, {a.C});
  a.bias = call.in_or_null<float>("bias", bias);
  a.dtype = call.takes({&gy, &w, &gx});
  a.gy = call.in<float>("gy", gy);
  a.w = call.in<float>("w", w);
  a.out = call.out<float>("gx", gx);
  call.run(cpu_table().conv2d_grad_input, a, cpu_table().conv2d_grad_input_work);
}

void conv2d_grad_weight(const Array& gy, const Array& x, const Array& gw, Pair stride, Pair padding,
                        Pair dilation, int64_t groups) {
  Call call("conv2d_grad_weight");
  Conv2dArgs a =
      geometry(call, {"x", x}, {"gw", gw}, {"gy", gy}, stride, padding, dilation, groups);
  a.dtype = call.takes({&gy, &x, &gw});
  a.gy = call.in<float>("gy", gy);
  a.x = call.in<float>("x", x);
  a.out = call.out<float>("gw", gw);
  call.run(cpu_table().conv2d_grad_weight, a, cpu_table().conv2d_grad_weight_work);
}

// ---- im2col, col2im ----------------------------------------------------------------------------

// Everything but the pointers. x (N, C, H, W), col (N, C*KH*KW, OH*OW).
Im2colArgs columns(const Call& call, const Array& x, const Array& col, Pair kernel, Pair stride,
                   Pair padding, Pair dilation) {
  call.rank("x", x, 4, 4, "(N, C, H, W)");
  const auto& s = x.shape;
  const Axis h = {s[2], kernel.first, stride.first, padding.first, dilation.first};
  const Axis w = {s[3], kernel.second, stride.second, padding.second, dilation.second};
  check_axis(call, "H", h);
  check_axis(call, "W", w);
  const int64_t OH = h.outputs(), OW = w.outputs();
  int64_t rows, cols = OH * OW;
  if (__builtin_mul_overflow(h.kernel * w.kernel, s[1], &rows))
    call.wrong_value("col is too large");
  call.shape("col", col, {s[0], rows, cols});
  return {s[0],     s[1],     s[2],  s[3],  h.kernel, w.kernel, OH,      OW,
          h.stride, w.stride, h.pad, w.pad, h.dil,    w.dil,    nullptr, nullptr};
}

void im2col(const Array& x, const Array& col, Pair kernel, Pair stride, Pair padding,
            Pair dilation) {
  Call call("im2col");
  Im2colArgs a = columns(call, x, col, kernel, stride, padding, dilation);
  a.src = call.in<float>("x", x);
  a.dst = call.out<float>("col", col);
  call.run(cpu_table().im2col, a);
}

void col2im(const Array& col, const Array& x, Pair kernel, Pair stride, Pair padding,
            Pair dilation) {
  Call call("col2im");
  Im2colArgs a = columns(call, x, col, kernel, stride, padding, dilation);
  a.src = call.in<float>("col", col);
  a.dst = call.out<float>("x", x);
  call.run(cpu_table().col2im, a);
}

}  // namespace

void bind_conv(py::module_& m) {
  m.def("conv2d", conv2d, py::arg("x"), py::arg("w"), py::arg("bias"), py::arg("y"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::arg("relu") = false);
  m.def("conv2d_grad_input", conv2d_grad_input, py::arg("gy"), py::arg("w"), py::arg("gx"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::arg("bias") = py::none());
  m.def("conv2d_grad_weight", conv2d_grad_weight, py::arg("gy"), py::arg("x"), py::arg("gw"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"));
  m.def("im2col", im2col, py::arg("x"), py::arg("col"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"));
  m.def("col2im", col2im, py::arg("col"), py::arg("x"), py::arg("kernel"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"));
}

}  // namespace pydl

// Nearest and linear interpolation of planes.
#include "core/args/resize.h"

#include "bindings/planes.h"

namespace pydl {

namespace {

ResizeMode mode_of(const Call& call, const std::string& mode) {
  if (mode == "nearest") return ResizeMode::kNearest;
  if (mode == "nearest-exact") return ResizeMode::kNearestExact;
  if (mode == "linear") return ResizeMode::kLinear;
  if (mode == "corners") return ResizeMode::kCorners;
  call.wrong_value("mode is '" + mode + "', expected nearest, nearest-exact, linear or corners");
}

ResizeArgs arguments(const Call& call, const char* x_name, const Array& x, const char* y_name,
                     const Array& y, const std::string& mode, double scale_h, double scale_w) {
  const Planes p = planes_of(call, x_name, x, y_name, y);
  ResizeArgs a = {};
  a.mode = mode_of(call, mode);
  a.planes = p.planes;
  a.H = p.H;
  a.W = p.W;
  a.OH = p.OH;
  a.OW = p.OW;
  a.scale_h = static_cast<float>(scale_h);
  a.scale_w = static_cast<float>(scale_w);
  return a;
}

void resize(const Array& x, const Array& y, const std::string& mode, double scale_h,
            double scale_w) {
  Call call("resize");
  ResizeArgs a = arguments(call, "x", x, "y", y, mode, scale_h, scale_w);
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().resize, a, cpu_table().resize_work);
}

void resize_backward(const Array& gy, const Array& gx, const std::string& mode, double scale_h,
                     double scale_w) {
  Call call("resize_backward");
  ResizeArgs a = arguments(call, "gx", gx, "gy", gy, mode, scale_h, scale_w);
  a.x = call.in<float>("gy", gy);
  a.y = call.out<float>("gx", gx);
  call.run(cpu_table().resize_backward, a, cpu_table().resize_work);
}

}  // namespace

void bind_resize(py::module_& m) {
  m.def("resize", resize, py::arg("x"), py::arg("y"), py::arg("mode"), py::arg("scale_h"),
        py::arg("scale_w"));
  m.def("resize_backward", resize_backward, py::arg("gy"), py::arg("gx"), py::arg("mode"),
        py::arg("scale_h"), py::arg("scale_w"));
}

}  // namespace pydl

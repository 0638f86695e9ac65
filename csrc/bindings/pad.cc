// Reflecting, replicating and circular padding of planes.
#include "core/args/pad.h"

#include "bindings/planes.h"

namespace pydl {

namespace {

PadMode mode_of(const Call& call, const std::string& mode) {
  if (mode == "reflect") return PadMode::kReflect;
  if (mode == "replicate") return PadMode::kReplicate;
  if (mode == "circular") return PadMode::kCircular;
  call.wrong_value("mode is '" + mode + "', expected reflect, replicate or circular");
}

// Every place of y must find its element of x.
void check_border(const Call& call, const char* letter, PadMode mode, int64_t n, int64_t out,
                  int64_t before) {
  const bool sane = before >= -kMaxExtent && before <= kMaxExtent;
  const int64_t after = sane ? out - n - before : 0;
  const int64_t most = mode == PadMode::kReflect    ? n - 1
                       : mode == PadMode::kCircular ? n
                                                    : kMaxExtent;
  if (sane && before <= most && after <= most) return;
  call.wrong_value("padding of " + std::string(letter) + " is " + std::to_string(before) + " and " +
                   std::to_string(after) + ", expected at most " + std::to_string(most));
}

PadArgs arguments(const Call& call, const char* x_name, const Array& x, const char* y_name,
                  const Array& y, int64_t top, int64_t left, const std::string& mode) {
  const Planes p = planes_of(call, x_name, x, y_name, y);
  PadArgs a = {};
  a.mode = mode_of(call, mode);
  if (p.planes == 0) return a;
  check_border(call, "H", a.mode, p.H, p.OH, top);
  check_border(call, "W", a.mode, p.W, p.OW, left);
  const bool rows_only = p.H == p.OH && top == 0;  // then every row is a plane
  a.planes = rows_only ? p.planes * p.H : p.planes;
  a.H = rows_only ? 1 : p.H;
  a.OH = rows_only ? 1 : p.OH;
  a.W = p.W;
  a.OW = p.OW;
  a.top = top;
  a.left = left;
  return a;
}

void edge_pad(const Array& x, const Array& y, int64_t top, int64_t left, const std::string& mode) {
  Call call("edge_pad");
  call.same_dtype("y", y, "x", x);
  PadArgs a = arguments(call, "x", x, "y", y, top, left, mode);
  a.itemsize = item_size(x);
  a.x = call.in_any("x", x);
  a.y = call.out_any("y", y);
  call.run(cpu_table().edge_pad, a);
}

void edge_pad_backward(const Array& gy, const Array& gx, int64_t top, int64_t left,
                       const std::string& mode) {
  Call call("edge_pad_backward");
  PadArgs a = arguments(call, "gx", gx, "gy", gy, top, left, mode);
  a.x = call.in<float>("gy", gy);
  a.y = call.out<float>("gx", gx);
  call.run(cpu_table().edge_pad_backward, a);
}

}  // namespace

void bind_pad(py::module_& m) {
  m.def("edge_pad", edge_pad, py::arg("x"), py::arg("y"), py::arg("top"), py::arg("left"),
        py::arg("mode"));
  m.def("edge_pad_backward", edge_pad_backward, py::arg("gy"), py::arg("gx"), py::arg("top"),
        py::arg("left"), py::arg("mode"));
}

}  // namespace pydl

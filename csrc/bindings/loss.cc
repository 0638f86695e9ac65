// Cross entropy of logits x (N, C, ...) and class ids target (N, ...).
#include "core/args/loss.h"

#include "bindings/checks.h"
#include "core/parallel.h"

namespace pydl {

namespace {

struct Sizes {
  int64_t N, C, S;
};

Sizes sizes_of(const Call& call, const Array& x, const Array& target) {
  call.rank("x", x, 2, kMaxDims, "(N, C, ...)");
  const auto &xs = x.shape, &ts = target.shape;
  const bool fits = ts.size() + 1 == xs.size() && ts[0] == xs[0] &&
                    std::equal(ts.begin() + 1, ts.end(), xs.begin() + 2);
  if (!fits) call.wrong_shape("target", target, (shape_string(xs) + " without C, as x").c_str());
  if (xs[1] == 0 && target.size > 0) call.wrong_value("x " + describe(x) + " has no classes");
  return {xs[0], xs[1], xs[0] > 0 ? target.size / xs[0] : 0};
}

void check_smoothing(const Call& call, double smoothing) {
  if (smoothing >= 0.0 && smoothing <= 1.0) return;
  call.wrong_value("smoothing is " + std::to_string(smoothing) + ", expected [0, 1]");
}

void cross_entropy(const Array& x, const Array& target, Optional weight, const Array& loss,
                   const Array& count, const Array& lse, int64_t ignore_index, double smoothing) {
  Call call("cross_entropy");
  CrossEntropyArgs a = {};
  a.target = call.in<int64_t>("target", target);
  a.weight = call.in_or_null<float>("weight", weight);
  a.loss = call.out<float>("loss", loss);
  a.count = call.out<float>("count", count);
  a.lse = call.out<float>("lse", lse);
  const Sizes s = sizes_of(call, x, target);
  if (s.C * s.S <= kStagedFloats) a.dtype = call.takes({&x});
  a.x = call.in<float>("x", x);
  if (weight != nullptr) call.shape("weight", *weight, {s.C});
  call.same_shape("loss", loss, "target", target);
  call.same_shape("count", count, "target", target);
  call.same_shape("lse", lse, "target", target);
  check_smoothing(call, smoothing);
  call.indices("target", target, s.C, &ignore_index);
  a.N = s.N;
  a.C = s.C;
  a.S = s.S;
  a.ignore_index = ignore_index;
  a.smoothing = static_cast<float>(smoothing);
  call.run(cpu_table().cross_entropy, a);
}

void cross_entropy_backward(const Array& gy, const Array& x, const Array& target, Optional weight,
                            const Array& lse, const Array& gx, int64_t ignore_index,
                            double smoothing) {
  Call call("cross_entropy_backward");
  CrossEntropyBackwardArgs a = {};
  a.gy = call.in<float>("gy", gy);
  a.target = call.in<int64_t>("target", target);
  a.weight = call.in_or_null<float>("weight", weight);
  a.lse = call.in<float>("lse", lse);
  const Sizes s = sizes_of(call, x, target);
  if (2 * s.C * s.S <= kStagedFloats) a.dtype = call.takes({&x, &gx});
  a.x = call.in<float>("x", x);
  a.gx = call.out<float>("gx", gx);
  if (weight != nullptr) call.shape("weight", *weight, {s.C});
  if (!gy.shape.empty()) call.same_shape("gy", gy, "target", target);
  call.same_shape("lse", lse, "target", target);
  call.same_shape("gx", gx, "x", x);
  check_smoothing(call, smoothing);
  call.indices("target", target, s.C, &ignore_index);
  a.N = s.N;
  a.C = s.C;
  a.S = s.S;
  a.ignore_index = ignore_index;
  a.smoothing = static_cast<float>(smoothing);
  a.gy_step = gy.shape.empty() ? 0 : 1;
  call.run(cpu_table().cross_entropy_backward, a);
}

}  // namespace

void bind_loss(py::module_& m) {
  m.def("cross_entropy", cross_entropy, py::arg("x"), py::arg("target"), py::arg("weight"),
        py::arg("loss"), py::arg("count"), py::arg("lse"), py::arg("ignore_index"),
        py::arg("smoothing"));
  m.def("cross_entropy_backward", cross_entropy_backward, py::arg("gy"), py::arg("x"),
        py::arg("target"), py::arg("weight"), py::arg("lse"), py::arg("gx"),
        py::arg("ignore_index"), py::arg("smoothing"));
}

}  // namespace pydl

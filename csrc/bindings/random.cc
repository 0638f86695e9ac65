// Random numbers and dropout. `state` is int64 (2,): seed and offset, advanced by the kernel.
#include "core/args/random.h"

#include <math.h>

#include "bindings/checks.h"

namespace pydl {

namespace {

// Everything but the parameters of the distribution.
template <class T>
RandomArgs prepare(Call* call, RandomOp op, const Array& out, const Array& state) {
  RandomArgs a = {};
  a.op = op;
  a.dtype = ElementOf<T>::kType;
  a.n = out.size;
  a.out = call->out<T>("out", out);
  a.state = call->out<int64_t>("state", state);
  call->shape("state", state, {2});
  return a;
}

void rand(const Array& out, const Array& state, double low, double high) {
  Call call("rand");
  RandomArgs a = prepare<float>(&call, RandomOp::kUniform, out, state);
  if (!(low <= high) || isinf(low) || isinf(high)) {
    call.wrong_value("low is " + std::to_string(low) + ", high is " + std::to_string(high) +
                     ", expected low <= high");
  }
  a.a = low;
  a.b = high;
  call.run(cpu_table().random, a);
}

void randn(const Array& out, const Array& state, double mean, double std) {
  Call call("randn");
  RandomArgs a = prepare<float>(&call, RandomOp::kNormal, out, state);
  if (!(std >= 0.0)) call.wrong_value("std is " + std::to_string(std) + ", expected >= 0");
  a.a = mean;
  a.b = std;
  call.run(cpu_table().random, a);
}

void randint(const Array& out, const Array& state, int64_t low, int64_t high) {
  Call call("randint");
  RandomArgs a = prepare<int64_t>(&call, RandomOp::kInt, out, state);
  int64_t range;  // NOTE: one 32-bit word an element
  if (__builtin_sub_overflow(high, low, &range) || range < 1 || range > int64_t{1} << 32) {
    call.wrong_value("low is " + std::to_string(low) + ", high is " + std::to_string(high) +
                     ", expected 0 < high - low <= 2^32");
  }
  a.lo = low;
  a.hi = high;
  call.run(cpu_table().random, a);
}

void randperm(const Array& out, const Array& state) {
  Call call("randperm");
  RandomArgs a = prepare<int64_t>(&call, RandomOp::kPermutation, out, state);
  call.run(cpu_table().random, a, +[](const RandomArgs& args) { return 8 * args.n; });
}

void check_p(const Call& call, double p) {
  if (p >= 0.0 && p <= 1.0) return;
  call.wrong_value("p is " + std::to_string(p) + ", expected [0, 1]");
}

// A bit for each element.
void check_mask(const Call& call, const Array& mask, int64_t n) {
  call.need("mask", mask, bit(DType::kU8));
  call.shape("mask", mask, {(n + 7) / 8});
}

void dropout(const Array& x, const Array& state, const Array& y, const Array& mask, double p) {
  Call call("dropout");
  call.same_shape("y", y, "x", x);
  check_mask(call, mask, x.size);
  call.shape("state", state, {2});
  check_p(call, p);
  DropoutArgs a;
  a.dtype = call.takes({&x, &y});
  a.n = x.size;
  a.p = static_cast<float>(p);
  a.x = call.in<float>("x", x);
  a.state = call.out<int64_t>("state", state);
  a.y = call.out<float>("y", y);
  a.mask = static_cast<uint8_t*>(call.out_any("mask", mask));
  call.allow_in_place();
  call.run(cpu_table().dropout, a);
}

void dropout_backward(const Array& gy, const Array& mask, const Array& gx, double p) {
  Call call("dropout_backward");
  check_mask(call, mask, gy.size);
  call.same_shape("gx", gx, "gy", gy);
  check_p(call, p);
  DropoutBackwardArgs a;
  a.dtype = call.takes({&gy, &gx});
  a.n = gy.size;
  a.p = static_cast<float>(p);
  a.gy = call.in<float>("gy", gy);
  a.mask = static_cast<const uint8_t*>(call.in_any("mask", mask));
  a.gx = call.out<float>("gx", gx);
  call.allow_in_place();
  call.run(cpu_table().dropout_backward, a);
}

}  // namespace

void bind_random(py::module_& m) {
  m.def("rand", rand, py::arg("out"), py::arg("state"), py::arg("low"), py::arg("high"));
  m.def("randn", randn, py::arg("out"), py::arg("state"), py::arg("mean"), py::arg("std"));
  m.def("randint", randint, py::arg("out"), py::arg("state"), py::arg("low"), py::arg("high"));
  m.def("randperm", randperm, py::arg("out"), py::arg("state"));
  m.def("dropout", dropout, py::arg("x"), py::arg("state"), py::arg("y"), py::arg("mask"),
        py::arg("p"));
  m.def("dropout_backward", dropout_backward, py::arg("gy"), py::arg("mask"), py::arg("gx"),
        py::arg("p"));
}

}  // namespace pydl

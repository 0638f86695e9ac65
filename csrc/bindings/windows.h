// The geometry of sliding windows, shared by convolution and pooling.
#pragma once
#include <pybind11/stl.h>

#include <utility>

#include "bindings/checks.h"

namespace pydl {

struct Pair {  // (height, width)
  int64_t first = 0, second = 0;
};

// Kernels compute positions in int64: with every extent and step below this, they cannot overflow.
constexpr int64_t kMaxExtent = INT32_MAX;

// One axis of a window.
struct Axis {
  int64_t size, kernel, stride, pad, dil;
  int64_t padded_room() const { return size + 2 * pad - dil * (kernel - 1) - 1; }
  int64_t outputs() const { return padded_room() / stride + 1; }
};

// The window may hang over by `over` elements.
inline void check_axis(const Call& call, const char* letter, const Axis& a, int64_t over = 0) {
  const auto refuse = [&](const char* what, int64_t value, const char* want) {
    call.wrong_value(std::string(what) + " of " + letter + " is " + std::to_string(value) +
                     ", expected " + want);
  };
  if (a.size < 0 || a.size > kMaxExtent) refuse("size", a.size, "below 2^31");
  if (a.kernel < 1 || a.kernel > kMaxExtent) refuse("kernel", a.kernel, ">= 1");
  if (a.stride < 1 || a.stride > kMaxExtent) refuse("stride", a.stride, ">= 1");
  if (a.pad < 0 || a.pad > kMaxExtent) refuse("padding", a.pad, ">= 0");
  if (a.dil < 1 || a.dil > kMaxExtent) refuse("dilation", a.dil, ">= 1");
  if (a.padded_room() + over >= 0) return;
  call.wrong_value(std::string("kernel of ") + letter + " spans " +
                   std::to_string(a.dil * (a.kernel - 1) + 1) + ", the padded input only " +
                   std::to_string(a.size + 2 * a.pad));
}

}  // namespace pydl

namespace pybind11 {
namespace detail {

// A tuple of two ints at once, anything else the slow way.
template <>
struct type_caster<pydl::Pair> {
  PYBIND11_TYPE_CASTER(pydl::Pair, const_name("tuple[int, int]"));
  bool load(handle src, bool convert) {
    if (PyTuple_CheckExact(src.ptr()) && PyTuple_GET_SIZE(src.ptr()) == 2) {
      PyObject* h = PyTuple_GET_ITEM(src.ptr(), 0);
      PyObject* w = PyTuple_GET_ITEM(src.ptr(), 1);
      int beyond_h = 0, beyond_w = 0;
      if (PyLong_CheckExact(h) && PyLong_CheckExact(w)) {
        value.first = PyLong_AsLongLongAndOverflow(h, &beyond_h);
        value.second = PyLong_AsLongLongAndOverflow(w, &beyond_w);
        return beyond_h == 0 && beyond_w == 0;
      }
    }
    make_caster<std::pair<int64_t, int64_t>> caster;
    if (!caster.load(src, convert)) return false;
    const auto pair = cast_op<std::pair<int64_t, int64_t>>(caster);
    value = {pair.first, pair.second};
    return true;
  }
};

}  // namespace detail
}  // namespace pybind11

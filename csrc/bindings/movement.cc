// Kernels that move or make elements: copy with strides, cast, fill, arange.
#include "core/args/movement.h"

#include <string.h>

#include "bindings/array.h"
#include "bindings/checks.h"
#include "bindings/strides.h"

namespace pydl {

namespace {

// ---- copy --------------------------------------------------------------------------------------

// The first and last element that offset + i . strides reaches; every step is checked.
struct Reach {
  int64_t low, high;
};

[[noreturn]] void leaves(const Call& call, const char* name, const Array& x) {
  call.wrong_value(std::string("offset and strides leave ") + name + " " + describe(x));
}

Reach reach_of(const Call& call, const char* name, const Array& x, int64_t offset, int ndim,
               const int64_t* shape, const int64_t* strides) {
  Reach r = {offset, offset};
  for (int d = 0; d < ndim; ++d) {
    int64_t way;
    int64_t* end = strides[d] < 0 ? &r.low : &r.high;
    if (__builtin_mul_overflow(shape[d] - 1, strides[d], &way) ||
        __builtin_add_overflow(*end, way, end)) {
      leaves(call, name, x);
    }
  }
  if (r.low < 0 || r.high >= x.size) leaves(call, name, x);
  return r;
}

// Whether no element of dst is written twice: sorted by stride, each one steps over all before it.
// Sufficient, and true of every permutation, slice and flip of a dense array.
bool writes_once(int ndim, const int64_t* shape, const int64_t* strides) {
  int order[kMaxDims], count = 0;
  const auto step = [&](int d) { return strides[d] < 0 ? -strides[d] : strides[d]; };
  for (int d = 0; d < ndim; ++d) {
    if (shape[d] == 1) continue;
    int at = count++;
    for (; at > 0 && step(order[at - 1]) > step(d); --at) order[at] = order[at - 1];
    order[at] = d;
  }
  int64_t span = 1;  // of the dimensions so far; cannot overflow, as all of it is inside dst
  for (int i = 0; i < count; ++i) {
    if (step(order[i]) < span) return false;
    span += (shape[order[i]] - 1) * step(order[i]);
  }
  return true;
}

void copy(const Array& src, const Array& dst, py::handle shape, int64_t src_offset,
          py::handle src_strides, int64_t dst_offset, py::handle dst_strides) {
  Call call("copy");
  call.same_dtype("src", src, "dst", dst);
  int64_t n[kMaxDims], s[kMaxDims], t[kMaxDims];
  const int ndim = parse_dims("copy", "shape", shape, n);
  if (parse_dims("copy", "src_strides", src_strides, s) != ndim ||
      parse_dims("copy", "dst_strides", dst_strides, t) != ndim) {
    call.wrong_value("shape, src_strides and dst_strides differ in length");
  }
  bool empty = false;
  for (int d = 0; d < ndim; ++d) {
    if (n[d] < 0) call.wrong_value("shape holds " + std::to_string(n[d]));
    empty = empty || n[d] == 0;
  }
  if (empty) return;
  const Reach from = reach_of(call, "src", src, src_offset, ndim, n, s);
  const Reach to = reach_of(call, "dst", dst, dst_offset, ndim, n, t);
  if (!writes_once(ndim, n, t)) call.wrong_value("dst_strides write an element twice");
  call.part("src", src, from.low, from.high, false);
  call.part("dst", dst, to.low, to.high, true);
  Strided<2> dims;
  for (int d = 0; d < ndim; ++d) {
    const int64_t strides[2] = {s[d], t[d]};
    dims.push(n[d], strides);
  }
  dims.finish();
  CopyArgs a;
  a.itemsize = item_size(src);
  dims.copy_to(&a.ndim, a.shape);
  dims.copy_strides(0, a.src_stride);
  dims.copy_strides(1, a.dst_stride);
  a.src = static_cast<const char*>(src.data) + src_offset * a.itemsize;
  a.dst = static_cast<char*>(dst.data) + dst_offset * a.itemsize;
  call.run(cpu_table().copy, a);
}

// ---- cast, fill, arange ------------------------------------------------------------------------

void cast(const Array& x, const Array& out) {
  Call call("cast");
  call.same_shape("out", out, "x", x);
  CastArgs a;
  a.src_dtype = x.dtype;
  a.dst_dtype = out.dtype;
  a.n = x.size;
  a.src = call.in_any("x", x);
  a.dst = call.out_any("out", out);
  call.allow_in_place();
  call.run(cpu_table().cast, a);
}

double parse_double(py::handle value) {
  const double x = PyFloat_AsDouble(value.ptr());
  if (x == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return x;
}

// An integer that the (integer) dtype can hold.
int64_t parse_integer_of(const char* op, const char* name, DType dtype, py::handle value) {
  const int64_t n = parse_integer(op, name, value);
  const bool fits = dtype == DType::kI64 ||
                    (dtype == DType::kI32 && n == static_cast<int32_t>(n)) ||
                    (dtype == DType::kU8 && n == static_cast<uint8_t>(n));
  if (fits) return n;
  throw py::value_error(std::string(op) + ": " + name + " is " + std::to_string(n) +
                        ", which is beyond " + kDTypeName[static_cast<int>(dtype)]);
}

uint64_t element_bits(DType dtype, py::handle value) {
  uint64_t bits = 0;
  if (dtype == DType::kBool) return parse_double(value) != 0.0 ? 1 : 0;
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16) {
    const float x = static_cast<float>(parse_double(value));
    cpu_table().cast({DType::kF32, dtype, 1, &x, &bits});
    return bits;
  }
  return static_cast<uint64_t>(parse_integer_of("fill", "value", dtype, value));
}

void fill(const Array& out, py::handle value) {
  Call call("fill");
  FillArgs a;
  a.itemsize = item_size(out);
  a.n = out.size;
  a.bits = element_bits(out.dtype, value);
  a.dst = call.out_any("out", out);
  call.run(cpu_table().fill, a);
}

void arange(const Array& out, py::handle start, py::handle step) {
  Call call("arange");
  call.need("out", out, bit(DType::kF32) | bit(DType::kI64) | bit(DType::kI32));
  ArangeArgs a = {};
  a.dtype = out.dtype;
  a.n = out.size;
  a.dst = call.out_any("out", out);
  if (out.dtype == DType::kF32) {
    a.start = parse_double(start);
    a.step = parse_double(step);
  } else {
    a.istart = parse_integer_of("arange", "start", out.dtype, start);
    a.istep = parse_integer_of("arange", "step", out.dtype, step);
    int64_t last;
    if (__builtin_mul_overflow(a.n > 0 ? a.n - 1 : 0, a.istep, &last) ||
        __builtin_add_overflow(last, a.istart, &last) ||
        (out.dtype == DType::kI32 && last != static_cast<int32_t>(last))) {
      call.wrong_value("the last element is beyond " + describe(out));
    }
  }
  call.run(cpu_table().arange, a);
}

}  // namespace

void bind_movement(py::module_& m) {
  m.def("copy", copy, py::arg("src"), py::arg("dst"), py::arg("shape"), py::arg("src_offset"),
        py::arg("src_strides"), py::arg("dst_offset"), py::arg("dst_strides"),
        "dst[dst_offset + i . dst_strides] = src[src_offset + i . src_strides], in elements.");
  m.def("cast", cast, py::arg("x"), py::arg("out"));
  m.def("fill", fill, py::arg("out"), py::arg("value"));
  m.def("arange", arange, py::arg("out"), py::arg("start"), py::arg("step"));
}

}  // namespace pydl

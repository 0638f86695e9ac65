// Reading (take, gather) and writing (put, scatter) along the middle dimension of (outer, n,
// inner).
#include "core/args/index.h"

#include "bindings/checks.h"
#include "bindings/values.h"

namespace pydl {

namespace {

// k of an index (outer, k, inner): its shape may have any number of dimensions.
int64_t picks(const Array& index, int64_t outer, int64_t inner) {
  int64_t block;
  if (__builtin_mul_overflow(outer, inner, &block) || block <= 0) return 0;
  return index.size / block;
}

template <bool kEach>  // an index of its own for each element
void read(const char* name, void (*fn)(const TakeArgs&), const Array& x, const Array& index,
          const Array& out, int64_t outer, int64_t n, int64_t inner, bool wrap) {
  Call call(name);
  TakeArgs a;
  a.x = call.in_any("x", x);
  a.index = call.in<int64_t>("index", index);
  a.out = call.out_any("out", out);
  call.same_dtype("out", out, "x", x);
  a.k = kEach ? picks(index, outer, inner) : index.size;
  call.elements("x", x, outer, n, inner, "(outer, n, inner)");
  if (kEach) call.elements("index", index, outer, a.k, inner, "(outer, k, inner)");
  call.elements("out", out, outer, a.k, inner, "(outer, k, inner)");
  check_range(name, "index", index, wrap ? -n : 0, n);
  a.itemsize = item_size(x);
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  call.run(fn, a);
}

PutMode parse_mode(const Call& call, const std::string& mode) {
  if (mode == "set") return PutMode::kSet;
  if (mode == "add") return PutMode::kAdd;
  if (mode == "multiply") return PutMode::kMultiply;
  call.wrong_value("mode is \"" + mode + "\", expected set, add or multiply");
}

template <bool kEach>
void write(const char* name, void (*fn)(const PutArgs&), const Array& src, const Array& index,
           const Array& out, int64_t outer, int64_t n, int64_t inner, const std::string& mode,
           bool wrap) {
  Call call(name);
  PutArgs a;
  a.mode = parse_mode(call, mode);
  if (a.mode != PutMode::kSet) call.need("src", src, kNumbers);
  const bool computes = a.mode != PutMode::kSet;  // a sum of halves is rounded once
  a.src = computes ? call.in_number("src", src) : call.in_any("src", src);
  a.index = call.in<int64_t>("index", index);
  a.out = computes ? call.out_number("out", out, true) : call.out_any("out", out);
  call.same_dtype("src", src, "out", out);
  a.k = kEach ? picks(index, outer, inner) : index.size;
  call.elements("out", out, outer, n, inner, "(outer, n, inner)");
  if (kEach) call.elements("index", index, outer, a.k, inner, "(outer, k, inner)");
  call.elements("src", src, outer, a.k, inner, "(outer, k, inner)");
  check_range(name, "index", index, wrap ? -n : 0, n);
  a.dtype = computes && is_half(out.dtype) ? DType::kF32 : out.dtype;
  a.itemsize = kItemSize[static_cast<int>(a.dtype)];
  a.outer = outer;
  a.n = n;
  a.inner = inner;
  call.run(fn, a);
}

template <bool kEach>
void bind_read(py::module_& m, const char* name, void (*KernelTable::*fn)(const TakeArgs&)) {
  m.def(
      name,
      [name, fn](const Array& x, const Array& index, const Array& out, int64_t outer, int64_t n,
                 int64_t inner, bool wrap) {
        read<kEach>(name, cpu_table().*fn, x, index, out, outer, n, inner, wrap);
      },
      py::arg("x"), py::arg("index"), py::arg("out"), py::arg("outer"), py::arg("n"),
      py::arg("inner"), py::arg("wrap") = false);
}

template <bool kEach>
void bind_write(py::module_& m, const char* name, void (*KernelTable::*fn)(const PutArgs&)) {
  m.def(
      name,
      [name, fn](const Array& src, const Array& index, const Array& out, int64_t outer, int64_t n,
                 int64_t inner, const std::string& mode, bool wrap) {
        write<kEach>(name, cpu_table().*fn, src, index, out, outer, n, inner, mode, wrap);
      },
      py::arg("src"), py::arg("index"), py::arg("out"), py::arg("outer"), py::arg("n"),
      py::arg("inner"), py::arg("mode") = "set", py::arg("wrap") = false);
}

}  // namespace

void bind_index(py::module_& m) {
  m.def(
      "check_range",
      [](const Array& index, int64_t low, int64_t end) {
        Call("check_range").need("index", index, bit(DType::kI64));
        check_range(nullptr, "index", index, low, end);
      },
      py::arg("index"), py::arg("low"), py::arg("end"));
  bind_read<false>(m, "take", &KernelTable::take);
  bind_read<true>(m, "gather", &KernelTable::gather);
  bind_write<false>(m, "put", &KernelTable::put);
  bind_write<true>(m, "scatter", &KernelTable::scatter);
}

}  // namespace pydl

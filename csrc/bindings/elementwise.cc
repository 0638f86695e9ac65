// Elementwise kernels: every unary and binary name of the lists in csrc/ops, and where.
#include "core/args/elementwise.h"

#include "bindings/checks.h"
#include "bindings/strides.h"
#include "bindings/values.h"
#include "ops/binary_list.h"
#include "ops/unary_list.h"

namespace pydl {

namespace {

// ---- one argument ------------------------------------------------------------------------------

void unary(const char* name, UnaryOp op, const Array& x, const Array& y, double p0, double p1) {
  Call call(name);
  UnaryArgs a;
  a.op = static_cast<int32_t>(op);
  a.p[0] = static_cast<float>(p0);
  a.p[1] = static_cast<float>(p1);
  a.n = x.size;
  a.dtype = call.takes({&x, &y});
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.same_shape("y", y, "x", x);
  call.allow_in_place();
  call.run(cpu_table().unary, a);
}

void unary_backward(const char* name, UnaryOp op, const Array& gy, const Array& s, const Array& gx,
                    double p0, double p1) {
  Call call(name);
  UnaryBackwardArgs a;
  a.op = static_cast<int32_t>(op);
  a.p[0] = static_cast<float>(p0);
  a.p[1] = static_cast<float>(p1);
  a.n = gy.size;
  a.dtype = call.takes({&gy, &s, &gx});
  a.gy = call.in<float>("gy", gy);
  a.s = call.in<float>("s", s);
  a.gx = call.out<float>("gx", gx);
  call.same_shape("s", s, "gy", gy);
  call.same_shape("gx", gx, "gy", gy);
  call.allow_in_place();
  call.run(cpu_table().unary_backward, a);
}

// ---- broadcasting ------------------------------------------------------------------------------

// NumPy's rule: shapes are aligned at their ends, a dimension of 1 or none at all is repeated.
template <int kInputs>
bool broadcast(const Array* const (&in)[kInputs], const Array& out, Strided<kInputs>* result) {
  const size_t rank = out.shape.size();
  int64_t strides[kMaxDims][kInputs];
  bool spanned[kMaxDims] = {};  // some input has this dimension in full
  for (int k = 0; k < kInputs; ++k) {
    if (in[k]->shape.size() > rank) return false;
    const size_t lead = rank - in[k]->shape.size();
    for (size_t d = 0; d < lead; ++d) strides[d][k] = 0;
    int64_t step = 1;
    for (size_t d = rank; d-- > lead;) {
      const int64_t n = in[k]->shape[d - lead];
      if (n != out.shape[d] && n != 1) return false;
      strides[d][k] = n == 1 ? 0 : step;
      spanned[d] = spanned[d] || n == out.shape[d];
      step *= n;
    }
  }
  for (size_t d = 0; d < rank; ++d) {
    if (!spanned[d] && out.shape[d] != 1) return false;
    result->push(out.shape[d], strides[d]);
  }
  // An `out` with further leading dimensions of 1 is not the broadcast shape either.
  bool full_rank = false;
  for (int k = 0; k < kInputs; ++k) full_rank = full_rank || in[k]->shape.size() == rank;
  result->finish();
  return full_rank;
}

[[noreturn]] void wrong_broadcast(const Call& call, std::initializer_list<const Array*> in,
                                  const Array& out) {
  std::string text = "shapes";
  for (const Array* x : in) text += " " + shape_string(x->shape);
  call.wrong_value(text + " do not broadcast to out " + shape_string(out.shape));
}

DTypes types_of(int domain) {
  DTypes types = 0;
  if ((domain & kOfFloats) != 0) types |= kFloats;
  if ((domain & kOfIntegers) != 0) types |= kIntegers;
  if (domain == kOfAll || domain == kOfBits) types |= bit(DType::kBool);
  return types;
}

bool divides(BinaryOp op) {
  return op == BinaryOp::kDiv || op == BinaryOp::kFmod || op == BinaryOp::kRemainder ||
         op == BinaryOp::kFloorDivide;
}

void binary(const char* name, BinaryOp op, bool is_bool, int domain, const Array& a, const Array& b,
            const Array& out) {
  Call call(name);
  call.need("a", a, types_of(domain));
  const auto number = [](const Array& x) { return x.dtype == DType::kF32 && x.shape.empty(); };
  const bool mixed = (is_half(a.dtype) && number(b)) || (is_half(b.dtype) && number(a));
  if (!mixed) call.same_dtype("b", b, "a", a);
  BinaryArgs args;
  args.op = static_cast<int32_t>(op);
  args.dtype = is_half(b.dtype) ? b.dtype : a.dtype;
  args.a_dtype = a.dtype;
  args.b_dtype = b.dtype;
  args.a = call.in_any("a", a);
  args.b = call.in_any("b", b);
  args.out = call.out_any("out", out);
  if (is_bool) {
    call.need("out", out, bit(DType::kBool));
  } else {
    call.need("out", out, bit(args.dtype));
  }
  if (a.shape == out.shape && b.shape == out.shape) {
    args.ndim = 1;
    args.shape[0] = out.size;
    args.a_stride[0] = a.dtype == args.dtype ? 1 : 0;  // a number that stands still
    args.b_stride[0] = b.dtype == args.dtype ? 1 : 0;
  } else {
    Strided<2> dims;
    if (!broadcast<2>({&a, &b}, out, &dims)) wrong_broadcast(call, {&a, &b}, out);
    dims.copy_to(&args.ndim, args.shape);
    dims.copy_strides(0, args.a_stride);
    dims.copy_strides(1, args.b_stride);
  }
  if (divides(op) && (bit(b.dtype) & kIntegers) != 0 && out.size > 0) check_divisor(name, b);
  call.allow_in_place();
  call.run(cpu_table().binary, args);
}

void where(const Array& cond, const Array& a, const Array& b, const Array& out) {
  Call call("where");
  WhereArgs args;
  args.itemsize = item_size(out);
  args.cond = call.in<uint8_t>("cond", cond);
  args.a = call.in_any("a", a);
  args.b = call.in_any("b", b);
  args.out = call.out_any("out", out);
  call.same_dtype("b", b, "a", a);
  call.same_dtype("out", out, "a", a);
  Strided<3> dims;
  if (!broadcast<3>({&cond, &a, &b}, out, &dims)) wrong_broadcast(call, {&cond, &a, &b}, out);
  dims.copy_to(&args.ndim, args.shape);
  dims.copy_strides(0, args.c_stride);
  dims.copy_strides(1, args.a_stride);
  dims.copy_strides(2, args.b_stride);
  call.allow_in_place();
  call.run(cpu_table().where, args);
}

py::list names_of(DTypes types) {
  py::list names;
  for (int i = 0; i < kDTypeCount; ++i) {
    if ((types & (1u << i)) != 0) names.append(kDTypeName[i]);
  }
  return names;
}

// ---- registration ------------------------------------------------------------------------------

void bind_unary(py::module_& m, const char* name, const char* back, UnaryOp op, char saved) {
  m.def(
      name,
      [name, op](const Array& x, const Array& y, double p0, double p1) {
        unary(name, op, x, y, p0, p1);
      },
      py::arg("x"), py::arg("y"), py::arg("p0") = 0.0, py::arg("p1") = 0.0);
  const std::string doc = std::string("gx = gy * ") + name + "'(x); s is " + saved + ".";
  m.def(
      back,
      [back, op](const Array& gy, const Array& s, const Array& gx, double p0, double p1) {
        unary_backward(back, op, gy, s, gx, p0, p1);
      },
      py::arg("gy"), py::arg("s"), py::arg("gx"), py::arg("p0") = 0.0, py::arg("p1") = 0.0,
      doc.c_str());
}

void bind_binary(py::module_& m, const char* name, BinaryOp op, bool is_bool, int domain) {
  m.def(
      name,
      [name, op, is_bool, domain](const Array& a, const Array& b, const Array& out) {
        binary(name, op, is_bool, domain, a, b, out);
      },
      py::arg("a"), py::arg("b"), py::arg("out"));
}

}  // namespace

void bind_elementwise(py::module_& m) {
  py::list unary_names;
  py::dict binary_types;
#define PYDL_BIND(name, Struct, saved)                                \
  bind_unary(m, #name, #name "_backward", UnaryOp::k##Struct, saved); \
  unary_names.append(#name);
  PYDL_UNARY_OPS(PYDL_BIND)
#undef PYDL_BIND
#define PYDL_BIND(name, Struct, is_bool, domain)               \
  bind_binary(m, #name, BinaryOp::k##Struct, is_bool, domain); \
  binary_types[#name] = py::make_tuple(names_of(types_of(domain)), is_bool);
  PYDL_BINARY_OPS(PYDL_BIND)
#undef PYDL_BIND
  m.def("unary_ops", [unary_names] { return unary_names.attr("copy")(); });
  m.def(
      "binary_ops", [binary_types] { return binary_types.attr("copy")(); },
      "By name: the element types that it takes, and whether the result is bool.");
  m.def("where", where, py::arg("cond"), py::arg("a"), py::arg("b"), py::arg("out"));
}

}  // namespace pydl

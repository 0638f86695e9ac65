// Batch and layer normalisation, softmax and log-softmax, forward and backward.
#include "core/args/norm.h"

#include "bindings/checks.h"
#include "core/args/softmax.h"
#include "core/parallel.h"

namespace pydl {

namespace {

// x (N, C, ...) as (N, C, S).
struct Channels {
  int64_t N, C, S;
};

Channels channels(const Call& call, const char* name, const Array& x) {
  call.rank(name, x, 2, kMaxDims, "(N, C, ...)");
  if (x.size == 0) return {0, x.shape[1], 1};  // whichever dimension it is that is 0
  return {x.shape[0], x.shape[1], x.size / (x.shape[0] * x.shape[1])};
}

void check_channel(const Call& call, const char* name, const Array* x, int64_t C) {
  if (x != nullptr) call.shape(name, *x, {C});
}

// ---- batch norm --------------------------------------------------------------------------------

void batch_norm(const Array& x, Optional weight, Optional bias, Optional running_mean,
                Optional running_var, const Array& y, const Array& mean, const Array& rstd,
                bool training, double momentum, double eps) {
  Call call("batch_norm");
  const Channels s = channels(call, "x", x);
  call.same_shape("y", y, "x", x);
  check_channel(call, "weight", weight, s.C);
  check_channel(call, "bias", bias, s.C);
  check_channel(call, "running_mean", running_mean, s.C);
  check_channel(call, "running_var", running_var, s.C);
  check_channel(call, "mean", &mean, s.C);
  check_channel(call, "rstd", &rstd, s.C);
  if ((running_mean == nullptr) != (running_var == nullptr)) {
    call.wrong_value("running_mean and running_var go together");
  }
  if (!training && running_mean == nullptr)
    call.wrong_value("running_mean is needed, not training");
  if (training && x.size == 0) call.wrong_value("x " + describe(x) + " has no batch statistics");
  BatchNormArgs a = {};
  a.N = s.N;
  a.C = s.C;
  a.S = s.S;
  a.training = training ? 1 : 0;
  a.momentum = static_cast<float>(momentum);
  a.eps = static_cast<float>(eps);
  a.weight = call.in_or_null<float>("weight", weight);
  a.bias = call.in_or_null<float>("bias", bias);
  a.mean = call.out<float>("mean", mean);
  a.rstd = call.out<float>("rstd", rstd);
  if (running_mean != nullptr) {
    a.running_mean = call.in_out<float>("running_mean", *running_mean);
    a.running_var = call.in_out<float>("running_var", *running_var);
  }
  a.dtype = call.takes({&x, &y});
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().batch_norm, a);
}

void batch_norm_backward(const Array& gy, const Array& x, Optional weight, const Array& mean,
                         const Array& rstd, Optional gx, const Array& gweight, const Array& gbias,
                         bool training) {
  Call call("batch_norm_backward");
  const Channels s = channels(call, "x", x);
  call.same_shape("gy", gy, "x", x);
  if (gx != nullptr) call.same_shape("gx", *gx, "x", x);
  check_channel(call, "weight", weight, s.C);
  check_channel(call, "mean", &mean, s.C);
  check_channel(call, "rstd", &rstd, s.C);
  check_channel(call, "gweight", &gweight, s.C);
  check_channel(call, "gbias", &gbias, s.C);
  BatchNormBackwardArgs a = {};
  a.N = s.N;
  a.C = s.C;
  a.S = s.S;
  a.training = training ? 1 : 0;
  a.weight = call.in_or_null<float>("weight", weight);
  a.mean = call.in<float>("mean", mean);
  a.rstd = call.in<float>("rstd", rstd);
  a.gweight = call.out<float>("gweight", gweight);
  a.gbias = call.out<float>("gbias", gbias);
  a.dtype = call.takes({&gy, &x, gx});
  a.gy = call.in<float>("gy", gy);
  a.x = call.in<float>("x", x);
  a.gx = gx == nullptr ? nullptr : call.out<float>("gx", *gx);
  call.run(cpu_table().batch_norm_backward, a);
}

// ---- layer norm --------------------------------------------------------------------------------

// x as (N, G, C, S) and mean, rstd as (N, G).
template <class Args>
void set_rows(const Call& call, Args* a, const Array& x, const Array& mean, const Array& rstd,
              int64_t groups, int64_t channels, int64_t inner) {
  int64_t row = 0, all = 0;
  if (groups < 1 || channels < 0 || inner < 0 || __builtin_mul_overflow(channels, inner, &row) ||
      __builtin_mul_overflow(row, groups, &all)) {
    call.wrong_value("groups is " + std::to_string(groups) + ", channels " +
                     std::to_string(channels) + ", inner " + std::to_string(inner));
  }
  a->N = mean.size / groups;
  a->G = groups;
  a->C = channels;
  a->S = inner;
  call.elements("mean", mean, a->N, groups, 1, "(N, groups)");
  call.same_shape("rstd", rstd, "mean", mean);
  call.elements("x", x, mean.size, channels, inner, "(N * groups, channels, inner)");
}

template <class Args>
void check_affine(const Call& call, const char* name, const Array* x, const Args& a) {
  if (x != nullptr) call.elements(name, *x, a.G, a.C, 1, "(groups, channels)");
}

void layer_norm(const Array& x, Optional weight, Optional bias, const Array& y, const Array& mean,
                const Array& rstd, int64_t groups, int64_t channels, int64_t inner, double eps) {
  Call call("layer_norm");
  LayerNormArgs a = {};
  set_rows(call, &a, x, mean, rstd, groups, channels, inner);
  call.same_shape("y", y, "x", x);
  check_affine(call, "weight", weight, a);
  check_affine(call, "bias", bias, a);
  a.eps = static_cast<float>(eps);
  a.weight = call.in_or_null<float>("weight", weight);
  a.bias = call.in_or_null<float>("bias", bias);
  a.mean = call.out<float>("mean", mean);
  a.rstd = call.out<float>("rstd", rstd);
  a.dtype = call.takes({&x, &y});
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().layer_norm, a);
}

void layer_norm_backward(const Array& gy, const Array& x, Optional weight, const Array& mean,
                         const Array& rstd, Optional gx, Optional gweight, Optional gbias,
                         int64_t groups, int64_t channels, int64_t inner) {
  Call call("layer_norm_backward");
  LayerNormBackwardArgs a = {};
  set_rows(call, &a, x, mean, rstd, groups, channels, inner);
  call.same_shape("gy", gy, "x", x);
  if (gx != nullptr) call.same_shape("gx", *gx, "x", x);
  check_affine(call, "weight", weight, a);
  check_affine(call, "gweight", gweight, a);
  check_affine(call, "gbias", gbias, a);
  if ((gweight == nullptr) != (gbias == nullptr)) {
    call.wrong_value("gweight and gbias go together");
  }
  a.weight = call.in_or_null<float>("weight", weight);
  a.mean = call.in<float>("mean", mean);
  a.rstd = call.in<float>("rstd", rstd);
  if (gweight != nullptr) {
    a.gweight = call.out<float>("gweight", *gweight.x);
    a.gbias = call.out<float>("gbias", *gbias.x);
  }
  a.dtype = call.takes({&gy, &x, gx});
  a.gy = call.in<float>("gy", gy);
  a.x = call.in<float>("x", x);
  if (gx != nullptr) a.gx = call.out<float>("gx", *gx);
  call.run(cpu_table().layer_norm_backward, a, cpu_table().layer_norm_backward_work);
}

// ---- softmax -----------------------------------------------------------------------------------

// Whether `arrays` of n by inner float32 have room beside the scratch; of an empty array n * inner
// may be anything.
bool can_stage(int64_t arrays, int64_t n, int64_t inner) {
  int64_t floats = arrays;
  return !__builtin_mul_overflow(floats, n, &floats) &&
         !__builtin_mul_overflow(floats, inner, &floats) && floats <= kStagedFloats;
}

void softmax(const Array& x, const Array& y, int64_t outer, int64_t n, int64_t inner, bool log) {
  Call call("softmax");
  call.elements("x", x, outer, n, inner, "(outer, n, inner)");
  call.same_shape("y", y, "x", x);
  SoftmaxArgs a = {outer, n, inner, log ? 1 : 0, DType::kF32, nullptr, nullptr};
  if (can_stage(2, n, inner)) a.dtype = call.takes({&x, &y});
  a.x = call.in<float>("x", x);
  a.y = call.out<float>("y", y);
  call.run(cpu_table().softmax, a);
}

void softmax_backward(const Array& gy, const Array& y, const Array& gx, int64_t outer, int64_t n,
                      int64_t inner, bool log) {
  Call call("softmax_backward");
  call.elements("y", y, outer, n, inner, "(outer, n, inner)");
  call.same_shape("gy", gy, "y", y);
  call.same_shape("gx", gx, "y", y);
  SoftmaxBackwardArgs a = {outer, n, inner, log ? 1 : 0, DType::kF32, nullptr, nullptr, nullptr};
  if (can_stage(3, n, inner)) a.dtype = call.takes({&gy, &y, &gx});
  a.gy = call.in<float>("gy", gy);
  a.y = call.in<float>("y", y);
  a.gx = call.out<float>("gx", gx);
  call.run(cpu_table().softmax_backward, a);
}

}  // namespace

void bind_norm(py::module_& m) {
  m.def("batch_norm", batch_norm, py::arg("x"), py::arg("weight"), py::arg("bias"),
        py::arg("running_mean"), py::arg("running_var"), py::arg("y"), py::arg("mean"),
        py::arg("rstd"), py::arg("training"), py::arg("momentum"), py::arg("eps"));
  m.def("batch_norm_backward", batch_norm_backward, py::arg("gy"), py::arg("x"), py::arg("weight"),
        py::arg("mean"), py::arg("rstd"), py::arg("gx"), py::arg("gweight"), py::arg("gbias"),
        py::arg("training"));
  m.def("layer_norm", layer_norm, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("y"),
        py::arg("mean"), py::arg("rstd"), py::arg("groups"), py::arg("channels"), py::arg("inner"),
        py::arg("eps"));
  m.def("layer_norm_backward", layer_norm_backward, py::arg("gy"), py::arg("x"), py::arg("weight"),
        py::arg("mean"), py::arg("rstd"), py::arg("gx"), py::arg("gweight"), py::arg("gbias"),
        py::arg("groups"), py::arg("channels"), py::arg("inner"));
  m.def("softmax", softmax, py::arg("x"), py::arg("y"), py::arg("outer"), py::arg("n"),
        py::arg("inner"), py::arg("log"));
  m.def("softmax_backward", softmax_backward, py::arg("gy"), py::arg("y"), py::arg("gx"),
        py::arg("outer"), py::arg("n"), py::arg("inner"), py::arg("log"));
}

}  // namespace pydl

// Multi-tensor optimizer steps: lists of arrays, cut into launches of kMaxTensors.
#include "core/args/optim.h"

#include <algorithm>
#include <vector>

#include "bindings/checks.h"

namespace pydl {

namespace {

// A list argument; `used` says whether this call needs it (then one array per parameter).
struct List {
  const char* name = "";
  py::handle sequence;
  bool used = false;
};

constexpr int kLists = 6;  // params, grads, up to three states, and the half copies of params
constexpr int kCopies = 5;
constexpr size_t kUnscaled = Call::kMaxOperands - 3;  // gradients of one call

// What all optimizers take: an int64 (1,) that says whether the step is taken, or None, and of
// parameters of a half type, whose float32 masters are `params`, the arrays themselves.
struct Shared {
  Optional kept;
  py::handle halves;
};

// A tuple, so that no other thread can take an array away while the kernel runs.
py::tuple as_tuple(const Call& call, const List& list) {
  if (!list.sequence) return py::tuple();
  auto tuple = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list.sequence.ptr()));
  if (!tuple) throw py::error_already_set();
  if (!list.used && !tuple.empty()) {
    call.wrong_value(std::string(list.name) + " has " + std::to_string(tuple.size()) +
                     " arrays, expected none with these options");
  }
  return tuple;
}

const Array& array_of(const char* op, const char* name, const py::tuple& tuple, size_t i) {
  py::detail::make_caster<Array> caster;
  PyObject* item = PyTuple_GET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i));
  if (caster.load(item, false)) {
    const Array* x = py::detail::cast_op<const Array*>(caster);
    if (x != nullptr) return *x;
  }
  throw py::type_error(std::string(op) + ": " + name + "[" + std::to_string(i) + "] is a " +
                       Py_TYPE(item)->tp_name + ", expected an Array");
}

// The kernels go without buffers where momentum is 0, and so do the lists.
bool has_momentum(const char* op, double momentum) {
  if (momentum >= 0.0) return momentum > 0.0;
  throw py::value_error(std::string(op) + ": momentum is " + std::to_string(momentum) +
                        ", expected >= 0");
}

struct Range {
  const char* begin;
  const char* end;
  bool written;
};

// Sorted by address: nothing that is written may reach into anything else.
bool disjoint(std::vector<Range>* ranges) {
  std::sort(ranges->begin(), ranges->end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  const char* end = nullptr;          // of all so far
  const char* written_end = nullptr;  // of the written ones
  for (const Range& r : *ranges) {
    if (r.begin == r.end) continue;
    if (r.begin < written_end || (r.written && r.begin < end)) return false;
    end = std::max(end, r.end);
    if (r.written) written_end = std::max(written_end, r.end);
  }
  return true;
}

class Update {
 public:
  Update(const char* op, const List (&given)[kCopies], const Array& lr, const Array& step,
         const Shared& shared)
      : op_(op), call_(op) {
    args_.lr = scalar<float>("lr", lr);
    args_.step = scalar<int64_t>("step", step);
    if (shared.kept != nullptr) args_.kept = scalar<int64_t>("kept", *shared.kept.x);
    List lists[kLists];
    std::copy(given, given + kCopies, lists);
    const bool halves = PyObject_Length(shared.halves.ptr()) > 0;
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (halves) lists[kCopies] = {"halves", shared.halves, true};
    for (int k = 0; k < kLists; ++k) tuples_[k] = as_tuple(call_, lists[k]);
    const size_t count = tuples_[0].size();
    tensors_.resize(count);
    ranges_.reserve(count * kLists + 3);
    if (halves) {
      args_.dtype = array_of(op_, "halves", tuples_[kCopies], 0).dtype;
      call_.need("halves", array_of(op_, "halves", tuples_[kCopies], 0), kHalves);
    }
    for (int k = 0; k < kLists; ++k) {
      if (lists[k].used) collect(lists[k].name, k);
    }
    if (!disjoint(&ranges_)) call_.wrong_value("arrays overlap that are read and written");
  }

  OptimArgs* operator->() { return &args_; }

  void run() {
    WithoutGil unlocked;
    for (size_t i = 0; i < tensors_.size(); i += kMaxTensors) {
      const size_t count = std::min<size_t>(kMaxTensors, tensors_.size() - i);
      args_.count = static_cast<int32_t>(count);
      std::copy_n(tensors_.begin() + static_cast<std::ptrdiff_t>(i), count, args_.tensor);
      if (Plan* plan = recording_plan()) plan->describe(op_, operands_);
      submit(cpu_table().optim, args_);
    }
  }

 private:
  template <class T>
  const T* scalar(const char* name, const Array& x) {
    call_.need(name, x, bit(ElementOf<T>::kType));
    call_.shape(name, x, {1});
    note(name, x, false);
    return static_cast<const T*>(x.data);
  }

  void note(const char* name, const Array& x, bool written) {
    const char* begin = static_cast<const char*>(x.data);
    ranges_.push_back({begin, begin + x.bytes(), written});
    if (Plan* plan = recording_plan()) operands_.push_back(plan->operand(name, x, written));
  }

  void collect(const char* name, int k) {
    const size_t count = tensors_.size();
    if (tuples_[k].size() != count) {
      call_.wrong_value(std::string(name) + " has " + std::to_string(tuples_[k].size()) +
                        " arrays, expected " + std::to_string(count) + " as params");
    }
    for (size_t i = 0; i < count; ++i) {
      const Array& x = array_of(op_, name, tuples_[k], i);
      call_.need(name, x, bit(k == 1 || k == kCopies ? args_.dtype : DType::kF32));
      if (k > 0) call_.same_shape(name, x, "params", array_of(op_, "params", tuples_[0], i));
      float* data = static_cast<float*>(x.data);
      OptimTensor& t = tensors_[i];
      t.n = x.size;
      if (k == 0) t.p = data;
      if (k == 1) t.g = data;
      if (k == 2) t.s0 = data;
      if (k == 3) t.s1 = data;
      if (k == 4) t.s2 = data;
      if (k == kCopies) t.half = data;
      note(name, x, k != 1);
    }
  }

  const char* op_;
  Call call_;
  OptimArgs args_ = {};
  py::tuple tuples_[kLists];
  std::vector<OptimTensor> tensors_;
  std::vector<Range> ranges_;
  std::vector<Operand> operands_;  // where a plan records
};

void sgd(py::handle params, py::handle grads, py::handle momentum_buffers, const Array& lr,
         const Array& step, double momentum, double dampening, double weight_decay, bool nesterov,
         bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {
      {"params", params, true},
      {"grads", grads, true},
      {"momentum_buffers", momentum_buffers, has_momentum("sgd", momentum)},
      {},
      {}};
  Update u("sgd", lists, lr, step, {kept, halves});
  u->op = OptimOp::kSGD;
  u->momentum = static_cast<float>(momentum);
  u->dampening = static_cast<float>(dampening);
  u->weight_decay = static_cast<float>(weight_decay);
  u->nesterov = nesterov ? 1 : 0;
  u->maximize = maximize ? 1 : 0;
  u.run();
}

void adagrad(py::handle params, py::handle grads, py::handle sums, const Array& lr,
             const Array& step, double lr_decay, double weight_decay, double eps, bool maximize,
             Optional kept, py::handle halves) {
  const List lists[kCopies] = {
      {"params", params, true}, {"grads", grads, true}, {"sums", sums, true}, {}, {}};
  Update u("adagrad", lists, lr, step, {kept, halves});
  u->op = OptimOp::kAdagrad;
  u->beta1 = lr_decay;
  u->weight_decay = static_cast<float>(weight_decay);
  u->eps = static_cast<float>(eps);
  u->maximize = maximize ? 1 : 0;
  u.run();
}

void adadelta(py::handle params, py::handle grads, py::handle square_avgs, py::handle acc_deltas,
              const Array& lr, const Array& step, double rho, double eps, double weight_decay,
              bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"square_avgs", square_avgs, true},
                               {"acc_deltas", acc_deltas, true},
                               {}};
  Update u("adadelta", lists, lr, step, {kept, halves});
  u->op = OptimOp::kAdadelta;
  u->beta1 = rho;
  u->eps = static_cast<float>(eps);
  u->weight_decay = static_cast<float>(weight_decay);
  u->maximize = maximize ? 1 : 0;
  u.run();
}

void rmsprop(py::handle params, py::handle grads, py::handle square_avgs,
             py::handle momentum_buffers, py::handle grad_avgs, const Array& lr, const Array& step,
             double alpha, double eps, double weight_decay, double momentum, bool centered,
             bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {
      {"params", params, true},
      {"grads", grads, true},
      {"square_avgs", square_avgs, true},
      {"momentum_buffers", momentum_buffers, has_momentum("rmsprop", momentum)},
      {"grad_avgs", grad_avgs, centered}};
  Update u("rmsprop", lists, lr, step, {kept, halves});
  u->op = OptimOp::kRMSprop;
  u->beta1 = alpha;
  u->eps = static_cast<float>(eps);
  u->weight_decay = static_cast<float>(weight_decay);
  u->momentum = static_cast<float>(momentum);
  u->centered = centered ? 1 : 0;
  u->maximize = maximize ? 1 : 0;
  u.run();
}

// What Adam and its relatives take.
struct AdamOptions {
  double beta1, beta2, eps, weight_decay;
  bool decoupled, maximize;
};

void set_adam_options(Update* u, OptimOp op, const AdamOptions& o) {
  (*u)->op = op;
  (*u)->beta1 = o.beta1;
  (*u)->beta2 = o.beta2;
  (*u)->eps = static_cast<float>(o.eps);
  (*u)->weight_decay = static_cast<float>(o.weight_decay);
  (*u)->decoupled = o.decoupled ? 1 : 0;
  (*u)->maximize = o.maximize ? 1 : 0;
}

void adam(py::handle params, py::handle grads, py::handle exp_avgs, py::handle exp_avg_sqs,
          py::sequence max_exp_avg_sqs, const Array& lr, const Array& step, double beta1,
          double beta2, double eps, double weight_decay, bool decoupled, bool maximize,
          Optional kept, py::handle halves) {
  const bool amsgrad = !max_exp_avg_sqs.empty();
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"exp_avgs", exp_avgs, true},
                               {"exp_avg_sqs", exp_avg_sqs, true},
                               {"max_exp_avg_sqs", max_exp_avg_sqs, amsgrad}};
  Update u("adam", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kAdam, {beta1, beta2, eps, weight_decay, decoupled, maximize});
  u.run();
}

void nadam(py::handle params, py::handle grads, py::handle exp_avgs, py::handle exp_avg_sqs,
           const Array& lr, const Array& step, double beta1, double beta2, double eps,
           double weight_decay, double momentum_decay, bool decoupled, bool maximize, Optional kept,
           py::handle halves) {
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"exp_avgs", exp_avgs, true},
                               {"exp_avg_sqs", exp_avg_sqs, true},
                               {}};
  Update u("nadam", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kNAdam, {beta1, beta2, eps, weight_decay, decoupled, maximize});
  u->momentum_decay = momentum_decay;
  u.run();
}

void radam(py::handle params, py::handle grads, py::handle exp_avgs, py::handle exp_avg_sqs,
           const Array& lr, const Array& step, double beta1, double beta2, double eps,
           double weight_decay, bool decoupled, bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"exp_avgs", exp_avgs, true},
                               {"exp_avg_sqs", exp_avg_sqs, true},
                               {}};
  Update u("radam", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kRAdam, {beta1, beta2, eps, weight_decay, decoupled, maximize});
  u.run();
}

void adamax(py::handle params, py::handle grads, py::handle exp_avgs, py::handle exp_infs,
            const Array& lr, const Array& step, double beta1, double beta2, double eps,
            double weight_decay, bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"exp_avgs", exp_avgs, true},
                               {"exp_infs", exp_infs, true},
                               {}};
  Update u("adamax", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kAdamax, {beta1, beta2, eps, weight_decay, false, maximize});
  u.run();
}

void rprop(py::handle params, py::handle grads, py::handle prevs, py::handle step_sizes,
           const Array& lr, const Array& step, double eta_minus, double eta_plus, double smallest,
           double largest, bool maximize, Optional kept, py::handle halves) {
  const List lists[kCopies] = {{"params", params, true},
                               {"grads", grads, true},
                               {"prevs", prevs, true},
                               {"step_sizes", step_sizes, true},
                               {}};
  Update u("rprop", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kRprop, {eta_minus, eta_plus, 0.0, 0.0, false, maximize});
  u->smallest = static_cast<float>(smallest);
  u->largest = static_cast<float>(largest);
  u.run();
}

void lion(py::handle params, py::handle grads, py::handle exp_avgs, const Array& lr,
          const Array& step, double beta1, double beta2, double weight_decay, bool maximize,
          Optional kept, py::handle halves) {
  const List lists[kCopies] = {
      {"params", params, true}, {"grads", grads, true}, {"exp_avgs", exp_avgs, true}, {}, {}};
  Update u("lion", lists, lr, step, {kept, halves});
  set_adam_options(&u, OptimOp::kLion, {beta1, beta2, 0.0, weight_decay, true, maximize});
  u.run();
}

// ---- loss scaling ------------------------------------------------------------------------------

void unscale(py::handle grads, const Array& scale, const Array& found, const Array& kept) {
  const char* op = "unscale";
  const auto list = py::reinterpret_steal<py::tuple>(PySequence_Tuple(grads.ptr()));
  if (!list) throw py::error_already_set();
  for (size_t i = 0; i < list.size(); i += kUnscaled) {
    Call call(op);
    UnscaleArgs a = {};
    a.scale = call.in<float>("scale", scale);
    a.found = call.in_out<float>("found", found);
    a.kept = call.in_out<int64_t>("kept", kept);
    for (const Array* x : {&scale, &found, &kept}) call.shape("scale, found or kept", *x, {1});
    for (size_t k = i; k < std::min(list.size(), i + kUnscaled); ++k) {
      const Array& g = array_of(op, "grads", list, k);
      call.need("grads", g, kFloats);
      a.tensor[a.count++] = {g.size, g.dtype, call.out_any("grads", g)};
    }
    call.run(cpu_table().unscale, a, cpu_table().unscale_work);
  }
}

void update_scale(const Array& scale, const Array& good, const Array& found, double growth,
                  double backoff, int64_t interval) {
  Call call("update_scale");
  UpdateScaleArgs a = {};
  a.growth = static_cast<float>(growth);
  a.backoff = static_cast<float>(backoff);
  a.interval = interval;
  a.scale = call.in_out<float>("scale", scale);
  a.good = call.in_out<int64_t>("good", good);
  a.found = call.in<float>("found", found);
  for (const Array* x : {&scale, &good, &found}) call.shape("scale, good or found", *x, {1});
  call.run(cpu_table().update_scale, a);
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def("unscale", unscale, py::arg("grads"), py::arg("scale"), py::arg("found"), py::arg("kept"),
        "grads /= scale; found = 1 and kept = 0 where one of them is not finite.");
  m.def("update_scale", update_scale, py::arg("scale"), py::arg("good"), py::arg("found"),
        py::arg("growth"), py::arg("backoff"), py::arg("interval"));
  m.def("sgd", sgd, py::arg("params"), py::arg("grads"), py::arg("momentum_buffers"), py::arg("lr"),
        py::arg("step"), py::arg("momentum"), py::arg("dampening"), py::arg("weight_decay"),
        py::arg("nesterov"), py::arg("maximize"), py::arg("kept") = py::none(),
        py::arg("halves") = py::tuple(), "momentum_buffers is empty where momentum is 0.");
  m.def("adagrad", adagrad, py::arg("params"), py::arg("grads"), py::arg("sums"), py::arg("lr"),
        py::arg("step"), py::arg("lr_decay"), py::arg("weight_decay"), py::arg("eps"),
        py::arg("maximize"), py::arg("kept") = py::none(), py::arg("halves") = py::tuple());
  m.def("adadelta", adadelta, py::arg("params"), py::arg("grads"), py::arg("square_avgs"),
        py::arg("acc_deltas"), py::arg("lr"), py::arg("step"), py::arg("rho"), py::arg("eps"),
        py::arg("weight_decay"), py::arg("maximize"), py::arg("kept") = py::none(),
        py::arg("halves") = py::tuple());
  m.def("rmsprop", rmsprop, py::arg("params"), py::arg("grads"), py::arg("square_avgs"),
        py::arg("momentum_buffers"), py::arg("grad_avgs"), py::arg("lr"), py::arg("step"),
        py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"), py::arg("momentum"),
        py::arg("centered"), py::arg("maximize"), py::arg("kept") = py::none(),
        py::arg("halves") = py::tuple(),
        "momentum_buffers is empty where momentum is 0, grad_avgs where centered is false.");
  m.def("adam", adam, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"),
        py::arg("exp_avg_sqs"), py::arg("max_exp_avg_sqs"), py::arg("lr"), py::arg("step"),
        py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"),
        py::arg("decoupled"), py::arg("maximize"), py::arg("kept") = py::none(),
        py::arg("halves") = py::tuple(),
        "Adam, or AdamW where decoupled; max_exp_avg_sqs is empty unless amsgrad.");
  m.def("nadam", nadam, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"),
        py::arg("exp_avg_sqs"), py::arg("lr"), py::arg("step"), py::arg("beta1"), py::arg("beta2"),
        py::arg("eps"), py::arg("weight_decay"), py::arg("momentum_decay"), py::arg("decoupled"),
        py::arg("maximize"), py::arg("kept") = py::none(), py::arg("halves") = py::tuple());
  m.def("radam", radam, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"),
        py::arg("exp_avg_sqs"), py::arg("lr"), py::arg("step"), py::arg("beta1"), py::arg("beta2"),
        py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"), py::arg("maximize"),
        py::arg("kept") = py::none(), py::arg("halves") = py::tuple());
  m.def("adamax", adamax, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"),
        py::arg("exp_infs"), py::arg("lr"), py::arg("step"), py::arg("beta1"), py::arg("beta2"),
        py::arg("eps"), py::arg("weight_decay"), py::arg("maximize"), py::arg("kept") = py::none(),
        py::arg("halves") = py::tuple());
  m.def("rprop", rprop, py::arg("params"), py::arg("grads"), py::arg("prevs"),
        py::arg("step_sizes"), py::arg("lr"), py::arg("step"), py::arg("eta_minus"),
        py::arg("eta_plus"), py::arg("smallest"), py::arg("largest"), py::arg("maximize"),
        py::arg("kept") = py::none(), py::arg("halves") = py::tuple());
  m.def("lion", lion, py::arg("params"), py::arg("grads"), py::arg("exp_avgs"), py::arg("lr"),
        py::arg("step"), py::arg("beta1"), py::arg("beta2"), py::arg("weight_decay"),
        py::arg("maximize"), py::arg("kept") = py::none(), py::arg("halves") = py::tuple());
}

}  // namespace pydl

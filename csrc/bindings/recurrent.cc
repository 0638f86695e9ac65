// Recurrent layers, forward and backward. Shapes: core/args/recurrent.h; `states` of the LSTM is
// (2, T, N, H), h and c at every step.
#include "core/args/recurrent.h"

#include "bindings/checks.h"

namespace pydl {

namespace {

// A Call that knows T, N and H, from w (G H, H) and the array `a` (T, N, G H).
class Sequence : public Call {
 public:
  Sequence(const char* op, const char* name, const Array& a, const Array& w, int64_t gates)
      : Call(op) {
    rank(name, a, 3, 3, "(T, N, G * H)");
    rank("w", w, 2, 2, "(G * H, H)");
    T = a.shape[0];
    N = a.shape[1];
    H = w.shape[1];
    if (H > INT32_MAX) wrong_value("H is " + std::to_string(H) + ", expected less than 2^31");
    shape("w", w, {gates * H, H});
    shape(name, a, {T, N, gates * H});
  }

  template <class Args>
  Args sizes(bool reverse, bool relu = false) const {
    Args p = {};
    p.T = T;
    p.N = N;
    p.H = H;
    p.relu = relu ? 1 : 0;
    p.reverse = reverse ? 1 : 0;
    return p;
  }

  // Inputs and outputs of a step, (N, H), and of all steps: (T, N, q H), or (2, T, N, H).
  const float* in_step(const char* name, const Array& x) {
    shape(name, x, {N, H});
    return in<float>(name, x);
  }
  float* out_step(const char* name, const Array& x) {
    shape(name, x, {N, H});
    return out<float>(name, x);
  }
  const float* in_steps(const char* name, const Array& x, int64_t q) {
    shape(name, x, {T, N, q * H});
    return in<float>(name, x);
  }
  float* out_steps(const char* name, const Array& x, int64_t q) {
    shape(name, x, {T, N, q * H});
    return out<float>(name, x);
  }
  const float* in_states(const char* name, const Array& x) {
    shape(name, x, {2, T, N, H});
    return in<float>(name, x);
  }

  int64_t T, N, H;
};

// ---- rnn ---------------------------------------------------------------------------------------

void rnn(const Array& a, const Array& h0, const Array& w, const Array& h, bool relu, bool reverse) {
  Sequence call("rnn", "a", a, w, 1);
  auto p = call.sizes<RecurrentArgs>(reverse, relu);
  p.a = call.in_steps("a", a, 1);
  p.h0 = call.in_step("h0", h0);
  p.w = call.in<float>("w", w);
  p.h = call.out_steps("h", h, 1);
  call.run(cpu_table().rnn, p, cpu_table().rnn_work);
}

void rnn_backward(const Array& gh, const Array& h, const Array& w, const Array& ga,
                  const Array& gh0, bool relu, bool reverse) {
  Sequence call("rnn_backward", "ga", ga, w, 1);
  auto p = call.sizes<RecurrentBackwardArgs>(reverse, relu);
  p.gh = call.in_steps("gh", gh, 1);
  p.h = call.in_steps("h", h, 1);
  p.w = call.in<float>("w", w);
  p.ga = call.out_steps("ga", ga, 1);
  p.gh0 = call.out_step("gh0", gh0);
  call.run(cpu_table().rnn_backward, p, cpu_table().rnn_backward_work);
}

// ---- lstm --------------------------------------------------------------------------------------

void lstm(const Array& a, const Array& h0, const Array& c0, const Array& w, Optional gates,
          const Array& states, bool reverse) {
  Sequence call("lstm", "a", a, w, 4);
  auto p = call.sizes<RecurrentArgs>(reverse);
  p.a = call.in_steps("a", a, 4);
  p.h0 = call.in_step("h0", h0);
  p.c0 = call.in_step("c0", c0);
  p.w = call.in<float>("w", w);
  p.gates = gates == nullptr ? nullptr : call.out_steps("gates", *gates, 4);
  call.shape("states", states, {2, call.T, call.N, call.H});
  p.h = call.out<float>("states", states);
  p.c = p.h + call.T * call.N * call.H;
  call.run(cpu_table().lstm, p, cpu_table().lstm_work);
}

void lstm_backward(const Array& gstates, const Array& gates, const Array& states, const Array& c0,
                   const Array& w, const Array& ga, const Array& gh0, const Array& gc0,
                   bool reverse) {
  Sequence call("lstm_backward", "ga", ga, w, 4);
  auto p = call.sizes<RecurrentBackwardArgs>(reverse);
  const int64_t all = call.T * call.N * call.H;
  p.gh = call.in_states("gstates", gstates);
  p.gc = p.gh + all;
  p.gates = call.in_steps("gates", gates, 4);
  p.h = call.in_states("states", states);
  p.c = p.h + all;
  p.c0 = call.in_step("c0", c0);
  p.w = call.in<float>("w", w);
  p.ga = call.out_steps("ga", ga, 4);
  p.gh0 = call.out_step("gh0", gh0);
  p.gc0 = call.out_step("gc0", gc0);
  call.run(cpu_table().lstm_backward, p, cpu_table().lstm_backward_work);
}

// ---- gru ---------------------------------------------------------------------------------------

void gru(const Array& a, const Array& h0, const Array& w, Optional b, Optional gates,
         const Array& h, bool reverse) {
  Sequence call("gru", "a", a, w, 3);
  auto p = call.sizes<RecurrentArgs>(reverse);
  if (b != nullptr) call.shape("b", *b, {3 * call.H});
  p.a = call.in_steps("a", a, 3);
  p.h0 = call.in_step("h0", h0);
  p.w = call.in<float>("w", w);
  p.b = call.in_or_null<float>("b", b);
  p.gates = gates == nullptr ? nullptr : call.out_steps("gates", *gates, 4);
  p.h = call.out_steps("h", h, 1);
  call.run(cpu_table().gru, p, cpu_table().gru_work);
}

void gru_backward(const Array& gh, const Array& gates, const Array& h, const Array& h0,
                  const Array& w, const Array& ga, const Array& gu, const Array& gh0,
                  bool reverse) {
  Sequence call("gru_backward", "ga", ga, w, 3);
  auto p = call.sizes<RecurrentBackwardArgs>(reverse);
  p.gh = call.in_steps("gh", gh, 1);
  p.gates = call.in_steps("gates", gates, 4);
  p.h = call.in_steps("h", h, 1);
  p.h0 = call.in_step("h0", h0);
  p.w = call.in<float>("w", w);
  p.ga = call.out_steps("ga", ga, 3);
  p.gu = call.out_steps("gu", gu, 3);
  p.gh0 = call.out_step("gh0", gh0);
  call.run(cpu_table().gru_backward, p, cpu_table().gru_backward_work);
}

}  // namespace

void bind_recurrent(py::module_& m) {
  m.def("rnn", rnn, py::arg("a"), py::arg("h0"), py::arg("w"), py::arg("h"), py::arg("relu"),
        py::arg("reverse"));
  m.def("rnn_backward", rnn_backward, py::arg("gh"), py::arg("h"), py::arg("w"), py::arg("ga"),
        py::arg("gh0"), py::arg("relu"), py::arg("reverse"));
  m.def("lstm", lstm, py::arg("a"), py::arg("h0"), py::arg("c0"), py::arg("w"), py::arg("gates"),
        py::arg("states"), py::arg("reverse"));
  m.def("lstm_backward", lstm_backward, py::arg("gstates"), py::arg("gates"), py::arg("states"),
        py::arg("c0"), py::arg("w"), py::arg("ga"), py::arg("gh0"), py::arg("gc0"),
        py::arg("reverse"));
  m.def("gru", gru, py::arg("a"), py::arg("h0"), py::arg("w"), py::arg("b"), py::arg("gates"),
        py::arg("h"), py::arg("reverse"));
  m.def("gru_backward", gru_backward, py::arg("gh"), py::arg("gates"), py::arg("h"), py::arg("h0"),
        py::arg("w"), py::arg("ga"), py::arg("gu"), py::arg("gh0"), py::arg("reverse"));
}

}  // namespace pydl

// One layer of a recurrent network, in one direction, over a whole sequence. The rules of all
// kernels: core/kernels.h.
#pragma once
#include <stdint.h>

namespace pydl {

// T steps of N rows with H units each; u = W h' (+ b), with h' and c' of the step before (h0 and c0
// at first), and a what the input gives to the gates, G blocks of H:
//   rnn:  h = tanh(a + u), or relu                                                  G = 1
//   lstm: i, f, g, o of a + u (sigmoid, g tanh); c = f c' + i g; h = o tanh(c)      G = 4
//   gru:  r, z = sigmoid(a + u); n = tanh(a_n + r u_n); h = (1 - z) n + z h'        G = 3
// `gates` is kept for the derivative: i f g o of the LSTM; r z n u_n of the GRU.
struct RecurrentArgs {
  int64_t T, N, H;
  int32_t relu;
  int32_t reverse;  // from the last step to the first
  const float* a;   // (T, N, G H)
  const float* w;   // (G H, H)
  const float* b;   // gru: (3 H), or null
  const float* h0;  // (N, H)
  const float* c0;  // lstm: (N, H)
  float* gates;     // lstm and gru: (T, N, 4 H), or null
  float* h;         // (T, N, H)
  float* c;         // lstm: (T, N, H)
  void* work;
};

// From gh and gc, the gradients of h and c at every step, those of a, of u (gru; elsewhere it is
// that of a), h0 and c0. gh0 and gc0 also carry the gradient from step to step.
struct RecurrentBackwardArgs {
  int64_t T, N, H;
  int32_t relu;
  int32_t reverse;
  const float* gh;
  const float* gc;
  const float* gates;
  const float* h;
  const float* c;
  const float* h0;
  const float* c0;
  const float* w;
  float* ga;
  float* gu;
  float* gh0;
  float* gc0;
  void* work;
};

}  // namespace pydl

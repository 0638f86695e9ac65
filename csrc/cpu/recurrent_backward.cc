// Recurrent layers backward: from the last step taken to the first, gradients of the gates and of
// the initial states (backpropagation through time). Those of the weights are GEMMs afterwards.
// Source: Werbos, "Backpropagation through time" (1990).
#include "cpu/recurrent.h"
#include "ops/math.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

using Args = RecurrentBackwardArgs;

// One row of one step: `at` = t * N + n, and the states before it. The gradients that come from
// the step after are in gh0 and gc0 of the row.
struct Row {
  int64_t at, n;
  const float* h;
  const float* c;  // lstm
};

inline Vec gradient_of_h(const Args& p, const Row& row, int64_t j, int64_t k) {
  return load_tail(p.gh + row.at * p.H + j, k) + load_tail(p.gh0 + row.n * p.H + j, k);
}

// x (1 - x), of the sigmoid that is x
inline Vec slope(Vec x) { return fma(neg(x), x, x); }

template <bool kRelu>
struct RnnCell {
  static constexpr int64_t kGates = 1;
  static constexpr bool kDirect = false;  // whether h reaches the next h other than through u
  static void backward(const Args& p, const Row& row) {
    for (int64_t j = 0; j < p.H; j += kWidth) {
      const int64_t k = min64(kWidth, p.H - j);
      const Vec h = load_tail(p.h + row.at * p.H + j, k), gh = gradient_of_h(p, row, j, k);
      const Vec g =
          kRelu ? select(h <= set1(0.0f), set1(0.0f), gh) : gh * fma(neg(h), h, set1(1.0f));
      store_tail(p.ga + row.at * p.H + j, g, k);
    }
  }
};

struct LstmCell {
  static constexpr int64_t kGates = 4;
  static constexpr bool kDirect = false;
  static void backward(const Args& p, const Row& row) {
    const int64_t H = p.H;
    const float* gates = p.gates + row.at * 4 * H;
    float* ga = p.ga + row.at * 4 * H;
    float* carry = p.gc0 + row.n * H;
    const Vec one = set1(1.0f);
    for (int64_t j = 0; j < H; j += kWidth) {
      const int64_t k = min64(kWidth, H - j);
      const Vec i = load_tail(gates + j, k), f = load_tail(gates + H + j, k);
      const Vec g = load_tail(gates + 2 * H + j, k), o = load_tail(gates + 3 * H + j, k);
      const Vec y = tanh(load_tail(p.c + row.at * H + j, k)), gh = gradient_of_h(p, row, j, k);
      const Vec later = load_tail(p.gc + row.at * H + j, k) + load_tail(carry + j, k);
      const Vec gc = fma(gh * o, fma(neg(y), y, one), later);
      store_tail(ga + j, gc * g * slope(i), k);
      store_tail(ga + H + j, gc * load_tail(row.c + j, k) * slope(f), k);
      store_tail(ga + 2 * H + j, gc * i * fma(neg(g), g, one), k);
      store_tail(ga + 3 * H + j, gh * y * slope(o), k);
      store_tail(carry + j, gc * f, k);
    }
  }
};

struct GruCell {
  static constexpr int64_t kGates = 3;
  static constexpr bool kDirect = true;
  static void backward(const Args& p, const Row& row) {
    const int64_t H = p.H;
    const float* gates = p.gates + row.at * 4 * H;
    float *ga = p.ga + row.at * 3 * H, *gu = p.gu + row.at * 3 * H, *carry = p.gh0 + row.n * H;
    const Vec one = set1(1.0f);
    for (int64_t j = 0; j < H; j += kWidth) {
      const int64_t k = min64(kWidth, H - j);
      const Vec r = load_tail(gates + j, k), z = load_tail(gates + H + j, k);
      const Vec n = load_tail(gates + 2 * H + j, k), un = load_tail(gates + 3 * H + j, k);
      const Vec gh = gradient_of_h(p, row, j, k);
      const Vec gn = gh * (one - z) * fma(neg(n), n, one);
      const Vec gr = gn * un * slope(r), gz = gh * (load_tail(row.h + j, k) - n) * slope(z);
      store_tail(ga + j, gr, k);
      store_tail(gu + j, gr, k);
      store_tail(ga + H + j, gz, k);
      store_tail(gu + H + j, gz, k);
      store_tail(ga + 2 * H + j, gn, k);
      store_tail(gu + 2 * H + j, gn * r, k);
      store_tail(carry + j, gh * z, k);
    }
  }
};

struct Context {
  const Args& a;
  Cut cut;
  Panels panels;
  const float* gu;
  int64_t i = 0;  // the step, where each one is cut
};

// w (G H, H) to [panel of units][k][lane].
template <class Cell>
void pack_weights(const void* ctx, int64_t panel, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  const int64_t H = x.a.H, depth = Cell::kGates * H;
  const int64_t u0 = x.panels.begin(panel) * kWidth, width = x.panels.width(panel) * kWidth;
  float* dst = static_cast<float*>(x.a.work) + u0 * depth;
  pack_panel(x.a.w + u0, 1, H, min64(width, H - u0), depth, width, dst);
}

// Gradients of the gates of a block's rows at step number i.
template <class Cell>
void differentiate(const Context& x, int64_t i, int64_t block) {
  const Args& a = x.a;
  const int64_t n0 = block * x.cut.rows, n1 = min64(a.N, n0 + x.cut.rows);
  for (int64_t n = n0; n < n1; ++n) {
    const Row row = {step_at(a, i) * a.N + n, n, row_before(a, i, n, a.h0, a.h),
                     row_before(a, i, n, a.c0, a.c)};
    Cell::backward(a, row);
  }
}

// gh0 = gu w, or += : what goes on to the step before, for the units of one panel.
template <class Cell>
void carry_back(const Context& x, int64_t i, int64_t block, int64_t panel) {
  const Args& a = x.a;
  const int64_t depth = Cell::kGates * a.H, u0 = x.panels.begin(panel) * kWidth;
  const int64_t n0 = block * x.cut.rows, n1 = min64(a.N, n0 + x.cut.rows);
  const float* gu = x.gu + (step_at(a, i) * a.N + n0) * depth;
  TileOut out = {};
  out.c = a.gh0 + n0 * a.H + u0;
  out.ldc = a.H;
  out.cols = a.H - u0;
  out.alpha = 1.0f;
  out.add = Cell::kDirect;
  multiply_rows(n1 - n0, depth, gu, static_cast<const float*>(a.work) + u0 * depth,
                x.panels.width(panel), out);
}

template <class Cell>
void walk_rows(const void* ctx, int64_t block, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  for (int64_t i = x.a.T - 1; i >= 0; --i) {
    differentiate<Cell>(x, i, block);
    for (int64_t panel = 0; panel < x.panels.count; ++panel) carry_back<Cell>(x, i, block, panel);
  }
}

template <class Cell>
void differentiate_step(const void* ctx, int64_t block, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  differentiate<Cell>(x, x.i, block);
}

template <class Cell>
void carry_step_back(const void* ctx, int64_t piece, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  carry_back<Cell>(x, x.i, piece / x.panels.count, piece % x.panels.count);
}

template <class Cell>
void walk(const Args& a) {
  for (int64_t i = 0; i < a.N * a.H; ++i) a.gh0[i] = 0.0f;
  for (int64_t i = 0; a.gc0 != nullptr && i < a.N * a.H; ++i) a.gc0[i] = 0.0f;
  if (a.T <= 0 || a.N <= 0 || a.H <= 0) return;
  const Cut cut = cut_of(a.T, a.N, a.H, Cell::kGates);
  Context x = {a, cut, Panels(a.H), a.gu == nullptr ? a.ga : a.gu};
  parallel_for(x.panels.count, pack_weights<Cell>, &x);
  if (cut.by_rows) return parallel_for(cut.blocks, walk_rows<Cell>, &x);
  for (x.i = a.T - 1; x.i >= 0; --x.i) {
    parallel_for(cut.blocks, differentiate_step<Cell>, &x);
    parallel_for(cut.blocks * x.panels.count, carry_step_back<Cell>, &x);
  }
}

}  // namespace

void rnn_backward(const Args& a) { a.relu ? walk<RnnCell<true>>(a) : walk<RnnCell<false>>(a); }
void lstm_backward(const Args& a) { walk<LstmCell>(a); }
void gru_backward(const Args& a) { walk<GruCell>(a); }

int64_t rnn_backward_work(const Args& a) { return packed_bytes(a.H, 1); }
int64_t lstm_backward_work(const Args& a) { return packed_bytes(a.H, 4); }
int64_t gru_backward_work(const Args& a) { return packed_bytes(a.H, 3); }

}  // namespace PYDL_ISA
}  // namespace pydl

// Recurrent layers forward: RNN, LSTM and GRU over a whole sequence. The products of the input with
// its weights are not here: they are one GEMM before.
// Source: Elman (1990); Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al.
// (2000); Cho et al. (2014).
#include "cpu/recurrent.h"

#include "ops/math.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

// One row of one step: what its units read and write.
struct Row {
  int64_t at;      // t * N + n
  const float* h;  // of the step before
  const float* c;  // lstm
  const float* u;  // products with w: of gate q at u + q * kTileCols
};

// Each cell computes units [u0, u1) of a row.
template <bool kRelu>
struct RnnCell {
  static constexpr int64_t kGates = 1;
  static void forward(const RecurrentArgs& p, const Row& row, int64_t u0, int64_t u1) {
    const float* a = p.a + row.at * p.H;
    float* h = p.h + row.at * p.H;
    for (int64_t j = u0; j < u1; j += kWidth) {
      const int64_t n = min64(kWidth, u1 - j);
      const Vec s = load_tail(a + j, n) + load(row.u + (j - u0));
      store_tail(h + j, kRelu ? max(set1(0.0f), s) : tanh(s), n);
    }
  }
};

struct LstmCell {
  static constexpr int64_t kGates = 4;
  static void forward(const RecurrentArgs& p, const Row& row, int64_t u0, int64_t u1) {
    const int64_t H = p.H;
    const float* a = p.a + row.at * 4 * H;
    float* gates = p.gates == nullptr ? nullptr : p.gates + row.at * 4 * H;
    for (int64_t j = u0; j < u1; j += kWidth) {
      const int64_t n = min64(kWidth, u1 - j);
      const float* u = row.u + (j - u0);
      const Vec i = sigmoid(load_tail(a + j, n) + load(u));
      const Vec f = sigmoid(load_tail(a + H + j, n) + load(u + kTileCols));
      const Vec g = tanh(load_tail(a + 2 * H + j, n) + load(u + 2 * kTileCols));
      const Vec o = sigmoid(load_tail(a + 3 * H + j, n) + load(u + 3 * kTileCols));
      const Vec c = fma(f, load_tail(row.c + j, n), i * g);
      store_tail(p.c + row.at * H + j, c, n);
      store_tail(p.h + row.at * H + j, o * tanh(c), n);
      if (gates == nullptr) continue;
      store_tail(gates + j, i, n);
      store_tail(gates + H + j, f, n);
      store_tail(gates + 2 * H + j, g, n);
      store_tail(gates + 3 * H + j, o, n);
    }
  }
};

struct GruCell {
  static constexpr int64_t kGates = 3;
  static Vec bias(const RecurrentArgs& p, int64_t j, int64_t n) {
    return p.b == nullptr ? set1(0.0f) : load_tail(p.b + j, n);
  }
  static void forward(const RecurrentArgs& p, const Row& row, int64_t u0, int64_t u1) {
    const int64_t H = p.H;
    const float* a = p.a + row.at * 3 * H;
    float* gates = p.gates == nullptr ? nullptr : p.gates + row.at * 4 * H;
    for (int64_t j = u0; j < u1; j += kWidth) {
      const int64_t k = min64(kWidth, u1 - j);
      const float* u = row.u + (j - u0);
      const Vec un = load(u + 2 * kTileCols) + bias(p, 2 * H + j, k);
      const Vec r = sigmoid(load_tail(a + j, k) + (load(u) + bias(p, j, k)));
      const Vec z = sigmoid(load_tail(a + H + j, k) + (load(u + kTileCols) + bias(p, H + j, k)));
      const Vec n = tanh(fma(r, un, load_tail(a + 2 * H + j, k)));
      store_tail(p.h + row.at * H + j, fma(z, load_tail(row.h + j, k) - n, n), k);
      if (gates == nullptr) continue;
      store_tail(gates + j, r, k);
      store_tail(gates + H + j, z, k);
      store_tail(gates + 2 * H + j, n, k);
      store_tail(gates + 3 * H + j, un, k);
    }
  }
};

struct Context {
  const RecurrentArgs& a;
  Cut cut;
  Panels panels;
  int64_t i = 0;  // the step, where each one is cut
};

// w (G H, H) to [panel of units][gate][k][lane].
template <class Cell>
void pack_weights(const void* ctx, int64_t piece, void*) {
  const Context& x = *static_cast<const Context*>(ctx);
  const int64_t H = x.a.H, panel = piece / Cell::kGates, gate = piece % Cell::kGates;
  const int64_t u0 = x.panels.begin(panel) * kWidth, width = x.panels.width(panel) * kWidth;
  float* dst = static_cast<float*>(x.a.work) + (u0 * Cell::kGates + gate * width) * H;
  pack_panel(x.a.w + (gate * H + u0) * H, H, 1, min64(width, H - u0), H, width, dst);
}

// Step number i for rows [n0, n1) and the units of one panel.
template <class Cell>
void step(const Context& x, int64_t i, int64_t block, int64_t panel, float* u) {
  const RecurrentArgs& a = x.a;
  const int64_t H = a.H, n0 = block * x.cut.rows, n1 = min64(a.N, n0 + x.cut.rows);
  const int64_t vecs = x.panels.width(panel), u0 = x.panels.begin(panel) * kWidth;
  const float* h = row_before(a, i, n0, a.h0, a.h);
  const float* w = static_cast<const float*>(a.work) + u0 * Cell::kGates * H;
  TileOut out = {};
  out.ldc = Cell::kGates * kTileCols;
  out.cols = vecs * kWidth;
  out.alpha = 1.0f;
  for (int64_t q = 0; q < Cell::kGates; ++q) {
    out.c = u + q * kTileCols;
    multiply_rows(n1 - n0, H, h, w + q * out.cols * H, vecs, out);
  }
  for (int64_t n = n0; n < n1; ++n) {
    const Row row = {step_at(a, i) * a.N + n, row_before(a, i, n, a.h0, a.h),
                     row_before(a, i, n, a.c0, a.c), u + (n - n0) * out.ldc};
    Cell::forward(a, row, u0, min64(H, u0 + out.cols));
  }
}

template <class Cell>
void walk_rows(const void* ctx, int64_t block, void* scratch) {
  const Context& x = *static_cast<const Context*>(ctx);
  for (int64_t i = 0; i < x.a.T; ++i) {
    for (int64_t panel = 0; panel < x.panels.count; ++panel) {
      step<Cell>(x, i, block, panel, static_cast<float*>(scratch));
    }
  }
}

template <class Cell>
void one_step(const void* ctx, int64_t piece, void* scratch) {
  const Context& x = *static_cast<const Context*>(ctx);
  step<Cell>(x, x.i, piece / x.panels.count, piece % x.panels.count, static_cast<float*>(scratch));
}

template <class Cell>
void walk(const RecurrentArgs& a) {
  if (a.T <= 0 || a.N <= 0 || a.H <= 0) return;
  Context x = {a, cut_of(a.T, a.N, a.H, Cell::kGates), Panels(a.H)};
  parallel_for(x.panels.count * Cell::kGates, pack_weights<Cell>, &x);
  if (x.cut.by_rows) return parallel_for(x.cut.blocks, walk_rows<Cell>, &x);
  for (x.i = 0; x.i < a.T; ++x.i) {
    parallel_for(x.cut.blocks * x.panels.count, one_step<Cell>, &x);
  }
}

}  // namespace

void rnn(const RecurrentArgs& a) { a.relu ? walk<RnnCell<true>>(a) : walk<RnnCell<false>>(a); }
void lstm(const RecurrentArgs& a) { walk<LstmCell>(a); }
void gru(const RecurrentArgs& a) { walk<GruCell>(a); }

int64_t rnn_work(const RecurrentArgs& a) { return packed_bytes(a.H, 1); }
int64_t lstm_work(const RecurrentArgs& a) { return packed_bytes(a.H, 4); }
int64_t gru_work(const RecurrentArgs& a) { return packed_bytes(a.H, 3); }

}  // namespace PYDL_ISA
}  // namespace pydl

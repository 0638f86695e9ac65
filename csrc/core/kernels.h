// THE CONTRACT between whoever asks for work (bindings, plans) and whoever does it (csrc/cpu, one
// table per ISA; csrc/cuda later): a plain `XxxArgs` struct per kernel family and a table of
// function pointers.
//
// Rules of every kernel:
// - Arguments are plain data; outputs and workspace (`work`) are the caller's. No allocation, no
//   exception, no printing, no lock. Any size is legal, 0 included; pointers are aligned to the
//   element only.
// - Same bits always: work is cut by the problem alone, never by the number of threads, and sums
//   follow a fixed order.
// - Arrays are dense and row-major unless strides (in elements) are given.
// - An index that points outside its array is skipped or gives NaN; it never touches memory.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

constexpr int kMaxDims = 8;
constexpr int kMaxTensors = 16;  // tensors per multi-tensor optimizer launch

// ---- elementwise -------------------------------------------------------------------------------

// y = f(x; p): float32, dense.
struct UnaryArgs {
  int32_t op;  // UnaryOp
  float p[2];
  int64_t n;
  const float* x;
  float* y;
};

// gx = gy * f'(s; p): s is x or y, whichever the op saves (csrc/ops/unary.h says which).
struct UnaryBackwardArgs {
  int32_t op;  // UnaryOp
  float p[2];
  int64_t n;
  const float* gy;
  const float* s;
  float* gx;
};

// out = f(a, b): out is dense over `shape`; a and b have strides (0 = broadcast). Adjacent
// dimensions are already merged where possible, so the last is the longest run.
struct BinaryArgs {
  int32_t op;    // BinaryOp
  DType dtype;   // of a and b: f32 i64 i32 u8 bool; out is the same, or bool for a comparison
  int32_t ndim;  // 1..kMaxDims
  int64_t shape[kMaxDims];
  int64_t a_stride[kMaxDims];
  int64_t b_stride[kMaxDims];
  const void* a;
  const void* b;
  void* out;
};

// out = cond ? a : b, bit for bit: any dtype of `itemsize` bytes.
struct WhereArgs {
  int64_t itemsize;
  int32_t ndim;
  int64_t shape[kMaxDims];
  int64_t c_stride[kMaxDims];
  int64_t a_stride[kMaxDims];
  int64_t b_stride[kMaxDims];
  const uint8_t* cond;
  const void* a;
  const void* b;
  void* out;
};

// dst[i...] = src[i...] with strides on both sides: permute, slice, flip, expand, pad, concat.
// Strides may be negative or (src only) zero; `src`/`dst` point at element (0, 0, ...).
struct CopyArgs {
  int64_t itemsize;
  int32_t ndim;
  int64_t shape[kMaxDims];
  int64_t src_stride[kMaxDims];
  int64_t dst_stride[kMaxDims];
  const void* src;
  void* dst;
};

// dst = (dst_dtype) src: every pair of dtypes but float64. Float to integer truncates towards
// zero and saturates, NaN gives 0; anything to bool is (x != 0); float32 to a half type rounds to
// nearest even.
struct CastArgs {
  DType src_dtype;
  DType dst_dtype;
  int64_t n;
  const void* src;
  void* dst;
};

struct FillArgs {
  int64_t itemsize;
  int64_t n;
  uint64_t bits;  // the element's bytes, low end first
  void* dst;
};

// dst[i] = start + i * step, in float64 (f32) or int64 (integers) arithmetic.
struct ArangeArgs {
  DType dtype;  // f32 i64 i32
  int64_t n;
  double start, step;
  int64_t istart, istep;
  void* dst;
};

// ---- reductions --------------------------------------------------------------------------------

enum class ReduceOp : int32_t { kSum, kProd, kMax, kMin, kAny, kAll, kArgMax, kArgMin };

// x is (outer, n, inner), out is (outer, inner). Sum of f32: out f32 = scale * sum. Sum/prod of
// integers and bool: out int64. Max/min: same dtype, NaN wins. Any/all: bool to bool.
// Arg: int64, first of equals, NaN wins. n = 0 is refused by the caller for max/min/arg.
struct ReduceArgs {
  ReduceOp op;
  DType dtype;
  int64_t outer, n, inner;
  float scale;
  const void* x;
  void* out;
  void* work;  // reduce_work_bytes(args)
};

// ---- linear algebra ----------------------------------------------------------------------------

enum class Act : int32_t { kNone, kRelu };
enum class BiasAxis : int32_t { kNone, kRow, kCol };  // kCol: bias[n] per column; kRow: bias[m]

// C[b] = act(alpha * op(A[b]) op(B[b]) + bias + (accumulate ? C[b] : 0)), float32.
// op(A) is (m, k), op(B) is (k, n), C is (m, n) with row pitch ldc. trans_a: A is stored (k, m)
// with row pitch lda. Batch strides may be 0 for A and B. k = 0 gives act(bias).
struct GemmArgs {
  int64_t m, n, k;
  int64_t batch, a_batch, b_batch, c_batch;
  int64_t lda, ldb, ldc;
  int32_t trans_a, trans_b;
  int32_t accumulate;
  Act act;
  BiasAxis bias_axis;
  float alpha;
  const float* a;
  const float* b;
  const float* bias;
  float* c;
  void* work;  // gemm_work_bytes(args)
};

// x (N, C, H, W), w (O, C/groups, KH, KW), bias (O) or null, y (N, O, OH, OW).
struct Conv2dArgs {
  int64_t N, C, H, W, O, KH, KW, OH, OW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
  Act act;
  const float* x;     // forward, grad_weight: input
  const float* w;     // forward, grad_input: input
  const float* bias;  // forward, may be null
  const float* gy;    // grad_input, grad_weight: input
  float* out;         // forward: y; grad_input: gx; grad_weight: gw
  void* work;         // conv2d_*_work_bytes(args)
};

// x (N, C, H, W) <-> col (N, C*KH*KW, OH*OW): im2col copies x to col, col2im sums col into x.
struct Im2colArgs {
  int64_t N, C, H, W, KH, KW, OH, OW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;
  const float* src;
  float* dst;
};

// ---- pooling -----------------------------------------------------------------------------------

// `planes` images of (H, W) to (OH, OW). Windows may hang over the edge (ceil_mode, padding).
struct PoolArgs {
  int64_t planes, H, W, OH, OW, KH, KW;
  int64_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w;  // dilation: max only
  int32_t count_include_pad;                               // average only
  int64_t divisor;                                         // average only; 0 = window size
  const float* x;                                          // forward: x; backward: gy
  float* y;          // forward: y; backward: gx (fully written)
  int32_t* indices;  // max: h * W + w of the winner, first of equals, NaN wins; in for backward
};

// ---- normalisation, softmax, losses ------------------------------------------------------------

// x (N, C, S). Training: statistics of the batch; saves mean, rstd (C); updates running_* (unless
// null): r = (1 - momentum) * r + momentum * value, the variance unbiased. Not training: mean and
// rstd are computed from running_* into `mean`, `rstd`.
struct BatchNormArgs {
  int64_t N, C, S;
  int32_t training;
  float momentum, eps;
  const float* x;
  const float* weight;  // may be null
  const float* bias;    // may be null
  float* y;
  float* mean;
  float* rstd;
  float* running_mean;  // may be null when training
  float* running_var;
};

// gx may be null; gweight, gbias (C) are always written. training as above.
struct BatchNormBackwardArgs {
  int64_t N, C, S;
  int32_t training;
  const float* gy;
  const float* x;
  const float* weight;  // may be null
  const float* mean;
  const float* rstd;
  float* gx;
  float* gweight;
  float* gbias;
};

// x, y (outer, n, inner): softmax or log-softmax over n.
struct SoftmaxArgs {
  int64_t outer, n, inner;
  int32_t log;
  const float* x;
  float* y;
};

struct SoftmaxBackwardArgs {
  int64_t outer, n, inner;
  int32_t log;
  const float* gy;
  const float* y;
  float* gx;
};

// x (N, C, S) logits, target (N, S) class ids. loss (N, S) is unreduced:
// w_t * ((1-e) * (lse - x_t)) + e/C * sum_c w_c (lse - x_c), e = smoothing, w = weight or 1;
// 0 where target == ignore_index; NaN where target is out of range otherwise.
// count (N, S): w_t, 0 where ignored. lse (N, S): logsumexp, saved for backward.
struct CrossEntropyArgs {
  int64_t N, C, S;
  int64_t ignore_index;
  float smoothing;
  const float* x;
  const int64_t* target;
  const float* weight;  // (C), may be null
  float* loss;
  float* count;
  float* lse;
};

// gx[n, c, s] = gy[n, s] * d loss[n, s] / d x[n, c, s].
struct CrossEntropyBackwardArgs {
  int64_t N, C, S;
  int64_t ignore_index;
  float smoothing;
  const float* gy;
  const float* x;
  const int64_t* target;
  const float* weight;
  const float* lse;
  float* gx;
};

// ---- indexing ----------------------------------------------------------------------------------

// out (outer, k, inner) = x (outer, n, inner) [:, index[k], :]; index in [0, n). Any itemsize.
struct TakeArgs {
  int64_t itemsize, outer, n, inner, k;
  const void* x;
  const int64_t* index;
  void* out;
};

// gx (outer, n, inner) = 0, then gx[:, index[j], :] += gy[:, j, :] in the order of j. float32.
struct TakeBackwardArgs {
  int64_t outer, n, inner, k;
  const float* gy;
  const int64_t* index;
  float* gx;
};

// out (outer, k, inner)[o, j, i] = x (outer, n, inner)[o, index[o, j, i], i]. Any itemsize.
struct GatherArgs {
  int64_t itemsize, outer, n, inner, k;
  const void* x;
  const int64_t* index;
  void* out;
};

// gx = 0, then gx[o, index[o, j, i], i] += gy[o, j, i] in the order of j. float32.
struct GatherBackwardArgs {
  int64_t outer, n, inner, k;
  const float* gy;
  const int64_t* index;
  float* gx;
};

// ---- random numbers ----------------------------------------------------------------------------

// state[0] = seed, state[1] = offset, both on the device. Element i comes from word i % 4 of
// Philox4x32-10(key = seed, counter = offset + i / 4); afterwards offset += ceil(n / 4) (normal and
// float64-based kinds: see csrc/core/philox.h). Written by the kernel itself, so that a replayed
// plan goes on in the stream.
enum class RandomOp : int32_t { kUniform, kNormal, kInt, kPermutation };

struct RandomArgs {
  RandomOp op;
  DType dtype;  // uniform, normal: f32; int: i64; permutation: i64
  int64_t n;
  double a, b;     // uniform [a, b); normal mean a, deviation b
  int64_t lo, hi;  // int [lo, hi)
  int64_t* state;
  void* out;
  void* work;  // permutation: 8 * n bytes
};

// mask[i] = u_i >= p, y = mask * x / (1 - p).
struct DropoutArgs {
  int64_t n;
  float p;
  int64_t* state;
  const float* x;
  float* y;
  uint8_t* mask;
};

// gx = mask * gy / (1 - p).
struct DropoutBackwardArgs {
  int64_t n;
  float p;
  const float* gy;
  const uint8_t* mask;
  float* gx;
};

// ---- optimizers --------------------------------------------------------------------------------

enum class OptimOp : int32_t { kSGD, kAdagrad, kAdadelta, kRMSprop, kAdam, kAdamW };

// One launch updates up to kMaxTensors parameters. lr and step live on the device, so that
// schedules work in a replayed plan. `step` already counts this update (1 on the first).
struct OptimTensor {
  int64_t n;
  float* p;
  const float* g;
  float* s0;  // SGD momentum | Adagrad sum | Adadelta, RMSprop square_avg | Adam exp_avg
  float* s1;  // Adadelta acc_delta | RMSprop momentum_buffer | Adam exp_avg_sq
  float* s2;  // RMSprop grad_avg (centered) | Adam max_exp_avg_sq (amsgrad)
};

struct OptimArgs {
  OptimOp op;
  int32_t count;
  int32_t nesterov, centered, maximize;  // amsgrad where s2 is given
  float momentum, dampening, weight_decay, eps;
  double beta1, beta2;  // Adam; rho, alpha (Adadelta, RMSprop), lr_decay (Adagrad) in beta1
  const float* lr;      // (1)
  const int64_t* step;  // (1)
  OptimTensor tensor[kMaxTensors];
};

// ---- the table ---------------------------------------------------------------------------------

struct KernelTable {
  void (*unary)(const UnaryArgs&);
  void (*unary_backward)(const UnaryBackwardArgs&);
  void (*binary)(const BinaryArgs&);
  void (*where)(const WhereArgs&);
  void (*copy)(const CopyArgs&);
  void (*cast)(const CastArgs&);
  void (*fill)(const FillArgs&);
  void (*arange)(const ArangeArgs&);
  void (*reduce)(const ReduceArgs&);
  void (*gemm)(const GemmArgs&);
  void (*conv2d)(const Conv2dArgs&);
  void (*conv2d_grad_input)(const Conv2dArgs&);
  void (*conv2d_grad_weight)(const Conv2dArgs&);
  void (*im2col)(const Im2colArgs&);
  void (*col2im)(const Im2colArgs&);
  void (*max_pool)(const PoolArgs&);
  void (*max_pool_backward)(const PoolArgs&);
  void (*avg_pool)(const PoolArgs&);
  void (*avg_pool_backward)(const PoolArgs&);
  void (*adaptive_avg_pool)(const PoolArgs&);
  void (*adaptive_avg_pool_backward)(const PoolArgs&);
  void (*batch_norm)(const BatchNormArgs&);
  void (*batch_norm_backward)(const BatchNormBackwardArgs&);
  void (*softmax)(const SoftmaxArgs&);
  void (*softmax_backward)(const SoftmaxBackwardArgs&);
  void (*cross_entropy)(const CrossEntropyArgs&);
  void (*cross_entropy_backward)(const CrossEntropyBackwardArgs&);
  void (*take)(const TakeArgs&);
  void (*take_backward)(const TakeBackwardArgs&);
  void (*gather)(const GatherArgs&);
  void (*gather_backward)(const GatherBackwardArgs&);
  void (*random)(const RandomArgs&);
  void (*dropout)(const DropoutArgs&);
  void (*dropout_backward)(const DropoutBackwardArgs&);
  void (*optim)(const OptimArgs&);

  // Bytes of `work`, functions of the problem alone.
  int64_t (*reduce_work)(const ReduceArgs&);
  int64_t (*gemm_work)(const GemmArgs&);
  int64_t (*conv2d_work)(const Conv2dArgs&);
  int64_t (*conv2d_grad_input_work)(const Conv2dArgs&);
  int64_t (*conv2d_grad_weight_work)(const Conv2dArgs&);
};

// The table chosen once at import (csrc/cpu/dispatch.cc).
const KernelTable& cpu_table();

}  // namespace pydl

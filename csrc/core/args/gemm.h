// Matrix products. The rules of all kernels: core/kernels.h.
#pragma once
#include <stdint.h>

#include "core/dtype.h"

namespace pydl {

enum class Act : int32_t { kNone, kRelu };
enum class BiasAxis : int32_t { kNone, kRow, kCol };  // kCol: bias[n] per column; kRow: bias[m]

// C[b] = act(alpha * op(A[b]) op(B[b]) + bias + (accumulate ? C[b] : 0)); sums are float32.
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
  DType dtype;  // of a, b and c: f32 f16 bf16
  const float* a;
  const float* b;
  const float* bias;
  float* c;
  void* work;  // gemm_work_bytes(args)
};

}  // namespace pydl

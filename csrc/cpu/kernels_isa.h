// Declares every kernel of KernelTable in the namespace of the ISA that includes this file.
#pragma once
#include "core/kernels.h"
#include "core/parallel.h"
#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {

void unary(const UnaryArgs& a);
void unary_backward(const UnaryBackwardArgs& a);
void binary(const BinaryArgs& a);
void where(const WhereArgs& a);
void copy(const CopyArgs& a);
void cast(const CastArgs& a);
void fill(const FillArgs& a);
void arange(const ArangeArgs& a);
void reduce(const ReduceArgs& a);
void gemm(const GemmArgs& a);
void conv2d(const Conv2dArgs& a);
void conv2d_grad_input(const Conv2dArgs& a);
void conv2d_grad_weight(const Conv2dArgs& a);
void im2col(const Im2colArgs& a);
void col2im(const Im2colArgs& a);
void max_pool(const PoolArgs& a);
void max_pool_backward(const PoolArgs& a);
void avg_pool(const PoolArgs& a);
void avg_pool_backward(const PoolArgs& a);
void adaptive_avg_pool(const PoolArgs& a);
void adaptive_avg_pool_backward(const PoolArgs& a);
void batch_norm(const BatchNormArgs& a);
void batch_norm_backward(const BatchNormBackwardArgs& a);
void softmax(const SoftmaxArgs& a);
void softmax_backward(const SoftmaxBackwardArgs& a);
void cross_entropy(const CrossEntropyArgs& a);
void cross_entropy_backward(const CrossEntropyBackwardArgs& a);
void take(const TakeArgs& a);
void take_backward(const TakeBackwardArgs& a);
void gather(const GatherArgs& a);
void gather_backward(const GatherBackwardArgs& a);
void random(const RandomArgs& a);
void dropout(const DropoutArgs& a);
void dropout_backward(const DropoutBackwardArgs& a);
void optim(const OptimArgs& a);
int64_t reduce_work(const ReduceArgs& a);
int64_t gemm_work(const GemmArgs& a);
int64_t conv2d_work(const Conv2dArgs& a);
int64_t conv2d_grad_input_work(const Conv2dArgs& a);
int64_t conv2d_grad_weight_work(const Conv2dArgs& a);

}  // namespace PYDL_ISA
}  // namespace pydl

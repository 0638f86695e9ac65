// The kernel table of one ISA.
#include "cpu/kernels_isa.h"

namespace pydl {
namespace PYDL_ISA {

extern const KernelTable kTable;
const KernelTable kTable = {
    unary,
    unary_backward,
    binary,
    where,
    copy,
    cast,
    fill,
    arange,
    reduce,
    gemm,
    conv2d,
    conv2d_grad_input,
    conv2d_grad_weight,
    im2col,
    col2im,
    max_pool,
    max_pool_backward,
    avg_pool,
    avg_pool_backward,
    adaptive_avg_pool,
    adaptive_avg_pool_backward,
    batch_norm,
    batch_norm_backward,
    softmax,
    softmax_backward,
    cross_entropy,
    cross_entropy_backward,
    take,
    take_backward,
    gather,
    gather_backward,
    random,
    dropout,
    dropout_backward,
    optim,
    reduce_work,
    gemm_work,
    conv2d_work,
    conv2d_grad_input_work,
    conv2d_grad_weight_work,
};

}  // namespace PYDL_ISA
}  // namespace pydl

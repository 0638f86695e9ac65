// Every kernel with the type of its arguments, and every function that gives the bytes of a
// kernel's `work`. The table, its entries and the declarations of each ISA follow from these two
// lists.
#pragma once

// clang-format off
#define PYDL_KERNEL_LIST(X) \
  X(unary, UnaryArgs) \
  X(unary_backward, UnaryBackwardArgs) \
  X(binary, BinaryArgs) \
  X(where, WhereArgs) \
  X(copy, CopyArgs) \
  X(cast, CastArgs) \
  X(fill, FillArgs) \
  X(arange, ArangeArgs) \
  X(reduce, ReduceArgs) \
  X(scan, ScanArgs) \
  X(recurrence, RecurrenceArgs) \
  X(argsort, ArgsortArgs) \
  X(gemm, GemmArgs) \
  X(conv2d, Conv2dArgs) \
  X(conv2d_grad_input, Conv2dArgs) \
  X(conv2d_grad_weight, Conv2dArgs) \
  X(im2col, Im2colArgs) \
  X(col2im, Im2colArgs) \
  X(max_pool, PoolArgs) \
  X(max_pool_backward, PoolArgs) \
  X(max_unpool, UnpoolArgs) \
  X(avg_pool, PoolArgs) \
  X(avg_pool_backward, PoolArgs) \
  X(adaptive_max_pool, PoolArgs) \
  X(adaptive_avg_pool, PoolArgs) \
  X(adaptive_avg_pool_backward, PoolArgs) \
  X(edge_pad, PadArgs) \
  X(edge_pad_backward, PadArgs) \
  X(resize, ResizeArgs) \
  X(resize_backward, ResizeArgs) \
  X(batch_norm, BatchNormArgs) \
  X(batch_norm_backward, BatchNormBackwardArgs) \
  X(layer_norm, LayerNormArgs) \
  X(layer_norm_backward, LayerNormBackwardArgs) \
  X(rnn, RecurrentArgs) \
  X(lstm, RecurrentArgs) \
  X(gru, RecurrentArgs) \
  X(rnn_backward, RecurrentBackwardArgs) \
  X(lstm_backward, RecurrentBackwardArgs) \
  X(gru_backward, RecurrentBackwardArgs) \
  X(softmax, SoftmaxArgs) \
  X(softmax_backward, SoftmaxBackwardArgs) \
  X(cross_entropy, CrossEntropyArgs) \
  X(cross_entropy_backward, CrossEntropyBackwardArgs) \
  X(take, TakeArgs) \
  X(gather, TakeArgs) \
  X(put, PutArgs) \
  X(scatter, PutArgs) \
  X(replay_add, ReplayAddArgs) \
  X(replay_draw, ReplayDrawArgs) \
  X(replay_stack, ReplayStackArgs) \
  X(replay_priorities, ReplayPrioritiesArgs) \
  X(random, RandomArgs) \
  X(dropout, DropoutArgs) \
  X(dropout_backward, DropoutBackwardArgs) \
  X(optim, OptimArgs) \
  X(unscale, UnscaleArgs) \
  X(update_scale, UpdateScaleArgs) \
  X(fma_peak, FmaPeakArgs)

// A function of the problem alone.
#define PYDL_WORK_LIST(X) \
  X(resize_work, ResizeArgs) \
  X(unscale_work, UnscaleArgs) \
  X(reduce_work, ReduceArgs) \
  X(scan_work, ScanArgs) \
  X(argsort_work, ArgsortArgs) \
  X(gemm_work, GemmArgs) \
  X(conv2d_work, Conv2dArgs) \
  X(conv2d_grad_input_work, Conv2dArgs) \
  X(conv2d_grad_weight_work, Conv2dArgs) \
  X(layer_norm_backward_work, LayerNormBackwardArgs) \
  X(rnn_work, RecurrentArgs) \
  X(lstm_work, RecurrentArgs) \
  X(gru_work, RecurrentArgs) \
  X(rnn_backward_work, RecurrentBackwardArgs) \
  X(lstm_backward_work, RecurrentBackwardArgs) \
  X(gru_backward_work, RecurrentBackwardArgs)
// clang-format on

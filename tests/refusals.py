"""What the public functions refuse, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from opcase import Refusal

import pydl
from pydl import Tensor, ops
from pydl.nn import functional as F


def ones(*shape: int) -> Callable[[str], Tensor]:
    return lambda device: ops.ones(*shape, device=device)


def refused(
    op: str, fn: Callable[..., Any], *shapes: tuple[int, ...], error: type[Exception] = ValueError,
    message: str,
) -> Refusal:  # fmt: skip
    """`fn` of float32 ones of such shapes."""
    return Refusal(op, lambda d: fn(*(ops.ones(s, device=d) for s in shapes)), error, message)


def ids(shape: tuple[int, ...], value: int, device: str) -> Tensor:
    return ops.full(shape, value, device=device)


ERRORS: tuple[Refusal, ...] = (
    refused("add", ops.add, (2, 3), (4,), message=r"^add: shapes \(2, 3\) and \(4,\) do not"),
    Refusal("add", lambda d: ops.add(ops.ones(2, device=d), ops.ones(2, device={"cpu": "numpy"}.get(
        d, "cpu"))), ValueError, r"^add: tensors are on different devices, \w+ and \w+"),
    refused("add", lambda x: x + "1", (2,), error=TypeError, message="^add: expected tensors"),
    refused("mul", lambda x: x * np.ones(2), (2,), error=TypeError,
            message=r"^mul: a NumPy array of shape \(2,\) came in"),
    Refusal("relu", lambda d: ops.relu(ids((2,), 1, d)), TypeError,
            "^relu: expected a floating tensor, got int64"),
    refused("clip", lambda x: ops.clip(x), (2,), message="^clip: give min, max or both"),
    refused("gelu", lambda x: ops.gelu(x, "erf"), (2,), message="^gelu: approximate is 'none' or "),
    refused("where", lambda x: ops.where(x, 1, 2), (2,), error=TypeError,
            message="^where: condition is float32, expected bool"),
    refused("softmax", lambda x: ops.softmax(x, 2), (2, 3), error=IndexError,
            message="^softmax: dim 2 is out of range for 2 dimensions"),
    Refusal("log_softmax", lambda d: ops.log_softmax(ids((2,), 1, d)), TypeError,
            "^log_softmax: expected a floating tensor, got int64"),
    refused("sum", lambda x: ops.sum(x, 3), (2, 3), error=IndexError,
            message="^sum: dim 3 is out of range for 2 dimensions"),
    refused("sum", lambda x: ops.sum(x, (1, -1)), (2, 3), message="^sum: dim .* names a"),
    Refusal("mean", lambda d: ops.mean(ids((2,), 1, d)), TypeError,
            r"^mean: expected a floating tensor, got int64; use \.float\(\)"),
    refused("max", ops.max, (0, 3), message=r"^max: there is nothing in \(0, 3\)"),
    refused("argmax", lambda x: ops.argmax(x, 0), (0, 3),
            message=r"^argmax: dimension 0 of \(0, 3\) is empty"),
    refused("expand", lambda x: ops.expand(x, (4,)), (2, 3),
            message=r"^expand: \(2, 3\) does not broadcast to \(4,\)"),
    refused("matmul", ops.matmul, (2, 3), (4, 5),
            message=r"^matmul: \(2, 3\) and \(4, 5\) do not fit: inner lengths differ"),
    refused("matmul", ops.matmul, (), (4, 5), message="^matmul: expected vectors or matrices"),
    refused("linear", ops.linear, (2, 3), (4, 5), message=r"^linear: weight \(4, 5\) is"),
    refused("linear", ops.linear, (2, 3), (4, 3), (3,), message=r"^linear: bias \(3,\) does"),
    refused("conv2d", ops.conv2d, (8, 1, 28, 28), (16, 3, 3, 3), message=(
        r"^conv2d: weight has C=3, input has C=1 \(x=\(8, 1, 28, 28\), w=\(16, 3, 3, 3\)\)")),
    refused("conv2d", ops.conv2d, (1, 28, 28), (16, 3, 3, 3), message="^conv2d: x is "),
    refused("conv2d", ops.conv2d, (1, 1, 2, 2), (1, 1, 3, 3),
            message="^conv2d: a window of 3 is larger than the padded input of 2"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, groups=2), (1, 3, 4, 4), (2, 1, 3, 3),
            message="^conv2d: groups=2 does not divide C and O"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, stride=0), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: stride is an int or a pair of at least 1, got 0"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, padding="some"), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: padding 'some': choose 'valid', 'same' or numbers"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, None, 2, "same"), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: padding 'same' needs stride 1"),
    refused("conv2d", ops.conv2d, (1, 1, 4, 4), (2, 1, 3, 3), (3,),
            message=r"^conv2d: bias \(3,\) does not fit weight \(2, 1, 3, 3\)"),
    refused("unfold", lambda x: ops.unfold(x, 2), (3, 4), message=r"^unfold: x is \(N, C, H, W\)"),
    refused("fold", lambda x: ops.fold(x, 4, 2), (1, 4, 8),
            message=r"^fold: x is \(N, C\*KH\*KW, OH\*OW\) with KH\*KW=4 and OH\*OW=9"),
    refused("max_pool2d", lambda x: ops.max_pool2d(x, 2, padding=2), (1, 1, 4, 4),
            message=r"^max_pool2d: padding \(2, 2\) is more than half of kernel_size \(2, 2\)"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2, divisor_override=0), (1, 1, 4, 4),
            message="^avg_pool2d: divisor_override must be positive, got 0"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2), (4, 4), message="^avg_pool2d: x is"),
    refused("adaptive_avg_pool2d", lambda x: ops.adaptive_avg_pool2d(x, 2), (1, 1, 0, 4),
            message=r"^adaptive_avg_pool2d: there is nothing in \(1, 1, 0, 4\)"),
    refused("batch_norm", lambda x, m: ops.batch_norm(x, m, m), (4, 3), (2,),
            message=r"^batch_norm: running_mean is \(2,\), x \(4, 3\) has C=3"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None), (4, 3),
            message="^batch_norm: running statistics are needed when not training"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None, training=True), (1, 3),
            message="^batch_norm: more than one value per channel is needed"),
    refused("batch_norm", lambda x, w: ops.batch_norm(x, None, None, w, training=True), (4, 3),
            (3,), message="^batch_norm: give weight and bias"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(ops.ones(2, 3, device=d), ids((3,), 0, d)),
            ValueError, r"^cross_entropy: target \(3,\) does not fit x \(2, 3\)"),
    refused("cross_entropy", ops.cross_entropy, (2, 3), (2, 4),
            message=r"^cross_entropy: probabilities \(2, 4\) do not have the shape of x \(2, 3\)"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(ops.ones(2, 3), ids((2,), 3, "cpu")),
            IndexError, r"^cross_entropy: target holds 3, expected \[0, 3\)"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(
        ops.ones(2, 3, device=d), ids((2,), 1, d), label_smoothing=2), ValueError,
        "^cross_entropy: label_smoothing is in"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(
        ops.ones(2, 3, device=d), ids((2,), 1, d), reduction="max"), ValueError,
        "^cross_entropy: reduction 'max': choose 'mean', 'sum' or 'none'"),
    Refusal("nll_loss", lambda d: ops.nll_loss(ops.ones(2, 3, device=d), ids((2, 2), 1, d)),
            ValueError, r"^nll_loss: target \(2, 2\) does not fit x \(2, 3\)"),
    refused("mse_loss", ops.mse_loss, (2, 1), (2, 3), message=r"^mse_loss: input \(2, 1\) and"),
    refused("smooth_l1_loss", lambda x, y: ops.smooth_l1_loss(x, y, beta=-1.0), (2,), (2,),
            message="^smooth_l1_loss: beta must not be negative, got -1"),
    refused("reshape", lambda x: ops.reshape(x, (4, 2)), (2, 3),
            message=r"^reshape: \(2, 3\) has 6 elements, cannot become \(4, 2\)"),
    refused("flatten", lambda x: ops.flatten(x, 1, 0), (2, 3), message="^flatten: start_dim 1"),
    refused("permute", lambda x: ops.permute(x, (0, 0)), (2, 3),
            message=r"^permute: \(0, 0\) is no permutation of 2 dimensions"),
    refused("narrow", lambda x: ops.narrow(x, 1, 2, 2), (2, 3), error=IndexError,
            message="^narrow: 2 to 4 leaves dimension 1 of length 3"),
    refused("cat", lambda: ops.cat([]), message="^cat: expected at least one tensor"),
    refused("cat", lambda *x: ops.cat(x), (2, 3), (2, 4), message="^cat: tensor 1 has"),
    Refusal("cat", lambda d: ops.cat([ops.ones(2, device=d), ids((2,), 1, d)]), TypeError,
            "^cat: tensor 1 is int64, tensor 0 float32"),
    refused("stack", lambda *x: ops.stack(x), (2, 3), (2, 4), message="^stack: tensor 1 has"),
    refused("pad", lambda x: ops.pad(x, (1, 1), "reflect"), (3,), message="^pad: mode 'reflect'"),
    refused("pad", lambda x: ops.pad(x, (1,)), (3,), message=r"^pad: \(1,\) does not fit"),
    refused("pad", lambda x: ops.pad(x, (-2, -2)), (3,), message=r"^pad: \(-2, -2\) cuts"),
    refused("index_select", lambda x: ops.index_select(x, 0, x), (3,), error=TypeError,
            message="^index_select: index is float32, expected integers"),
    Refusal("index_select", lambda d: ops.index_select(ops.ones(3, device=d), 0, ids((1,), 3, d)),
            IndexError, "3"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, 2, device=d), 0, ids((1,), 0, d)),
            ValueError, r"^gather: index \(1,\) does not fit x \(3, 2\)"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, device=d), 0, ids((1,), -4, d)),
            IndexError, "-?[14]"),
    Refusal("arange", lambda d: ops.arange(0, 5, 0, device=d), ValueError,
            "^arange: step 0 does not lead from 0 to 5"),
    Refusal("dropout", lambda d: F.dropout(ops.ones(2, device=d), 1.5), ValueError,
            r"^dropout: p is a probability, got 1\.5"),
    Refusal("randint", lambda d: pydl.randint(3, 3, (2,), d), ValueError,
            r"^randint: \[3, 3\) is empty or longer than 2\^32"),
)  # fmt: skip

"""Modules of nn: constructed with drawn options, given torch's state, run in train and eval mode.

Compared: whether the constructor and the call raise, the names, shapes and dtypes of the state, the
outputs, the gradients of inputs and parameters, the state afterwards, and the repr.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .convolution import each
from .engine import (
    DRAWS,
    MISSING,
    Difference,
    Judge,
    Library,
    Outcome,
    add,
    as_numpy,
    brief,
    close,
    dtype_name,
    pydl,
    run,
    show,
    torch,
)
from .values import Arr, Call, Draw

THEIRS, OURS, EXACT = (
    Library(torch, "cpu", False),
    Library(pydl, "cpu", False),
    Library(torch, "cpu", True),
)


@dataclass
class Made:
    """How a module is constructed, and what it is called with."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    call: Call
    training: bool = True
    repr: bool = True

    def __repr__(self) -> str:
        mode = "train" if self.training else "eval"
        return f"{Call(self.args, self.kwargs)}.{mode}(){self.call}"


Drawer = Callable[[Draw, str], Made]


def module(*names: str) -> Callable[[Drawer], Drawer]:
    """Register a generator for modules."""

    def register(draw: Drawer) -> Drawer:
        def check(d: Draw, name: str, device: str) -> tuple[str, list[Difference]]:
            return compare_modules(name, draw(d, name), d.integer(0, 10**6))

        add(check, *("nn." + n for n in names), most=24)
        return draw

    return register


def construct(library: Library, name: str, made: Made) -> Any:
    """The module, or the exception it raised."""
    try:
        args, kwargs = library.make(made.args, []), library.make(made.kwargs, [])
        return library.find(name)(*args, **kwargs).train(made.training)
    except Exception as error:
        return error


def first_error(library: Library, net: Any, call: Call) -> str:
    """What the constructor raised, or else the call: one may check what the other leaves."""
    return brief(net) if isinstance(net, Exception) else run(library, net, call).error


def state_of(net: Any) -> dict[str, Any]:
    """Names and values of the state."""
    return {key: as_numpy(t) for key, t in net.state_dict().items()}


def compare_modules(name: str, made: Made, seed: int) -> tuple[str, list[Difference]]:
    """Verdict and differences of one module and call."""
    if OURS.find(name) is None:
        return MISSING, []
    call = made.call
    shown: Any = made
    judge = Judge(name, call, None)
    torch.manual_seed(seed)
    theirs, ours = construct(THEIRS, name, made), construct(OURS, name, made)
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        texts = [first_error(lib, m, call) for lib, m in ((THEIRS, theirs), (OURS, ours))]
        if bool(texts[0]) != bool(texts[1]):
            kind = "torch-raises" if texts[0] else "pydl-raises"
            judge.differ(kind, texts[0] or "no error", texts[1] or "no error")
        return finished(judge, shown, "both raise")
    if not same_state(judge, theirs, ours):
        return finished(judge, shown, "")
    if made.repr and repr(theirs) != repr(ours):
        judge.differ("repr", repr(theirs), repr(ours))
    twin = copy.deepcopy(theirs).double()
    judge.rerun = lambda: run(EXACT, twin, call, parameters_of(twin))
    outcomes = [
        run(library, net, call, parameters_of(net))
        for library, net in ((THEIRS, theirs), (OURS, ours))
    ]
    before = len(judge.found)
    judge_outcomes(judge, *outcomes)
    if not outcomes[0].error and len(judge.found) == before:
        same_buffers(judge, theirs, ours, call)
    return finished(judge, shown, "both raise" if outcomes[0].error else "equal")


def judge_outcomes(judge: Judge, theirs: Outcome, ours: Outcome) -> None:
    """As for functions, beside what was found before."""
    before, judge.found = judge.found, []
    judge.found = before + judge.outcomes(theirs, ours)


def finished(judge: Judge, shown: Any, status: str) -> tuple[str, list[Difference]]:
    """The verdict; every difference shows constructor and call."""
    for difference in judge.found:
        difference.shown = repr(shown)
    return ("different" if judge.found else status), judge.found


def parameters_of(net: Any) -> list[Any]:
    """In the order of their names."""
    return [p for _, p in sorted(net.named_parameters(), key=lambda item: item[0])]


def same_state(judge: Judge, theirs: Any, ours: Any) -> bool:
    """Equal names, shapes and dtypes; torch's values are then pydl's."""
    a, b = theirs.state_dict(), ours.state_dict()
    if list(a) != list(b):
        judge.differ("state-names", list(a), list(b))
    for key in a:
        if key in b and tuple(a[key].shape) != tuple(b[key].shape):
            judge.differ("state-shape", f"{key} {tuple(a[key].shape)}", tuple(b[key].shape))
        elif key in b and dtype_name(a[key]) != dtype_name(b[key]):
            judge.differ("state-dtype", f"{key} {dtype_name(a[key])}", dtype_name(b[key]))
    if judge.found:
        return False
    ours.load_state_dict({key: OURS.tensor(as_numpy(t), dtype_name(t)) for key, t in a.items()})
    return True


def same_buffers(judge: Judge, theirs: Any, ours: Any, call: Call) -> None:
    """The state after the call: running statistics."""
    a, b = state_of(theirs), state_of(ours)
    for key, value in a.items():
        if value.shape != b[key].shape or not close(b[key], value, call, str(value.dtype)):
            judge.differ("state-after", f"{key} {show(value)}", show(b[key]))


# ---- modules that wrap one function


MIRRORS = {name: f"F.{name.lower()}" for name in ("ReLU", "ReLU6", "SiLU", "Mish", "ELU", "SELU")}
MIRRORS |= {name: f"F.{name.lower()}" for name in ("CELU", "GELU", "Hardsigmoid", "Hardswish")}
MIRRORS |= {name: f"F.{name.lower()}" for name in ("Hardtanh", "Softplus", "Softshrink", "Sigmoid")}
MIRRORS |= {name: f"F.{name.lower()}" for name in ("Tanh", "Softsign", "LogSigmoid", "Tanhshrink")}
MIRRORS |= {name: f"F.{name.lower()}" for name in ("Hardshrink", "Threshold", "Softmax", "Softmin")}
MIRRORS |= {
    "GLU": "F.glu",
    "LeakyReLU": "F.leaky_relu",
    "LogSoftmax": "F.log_softmax",
    "MSELoss": "F.mse_loss",
    "L1Loss": "F.l1_loss",
    "SmoothL1Loss": "F.smooth_l1_loss",
    "HuberLoss": "F.huber_loss",
    "CrossEntropyLoss": "F.cross_entropy",
    "NLLLoss": "F.nll_loss",
    "BCELoss": "F.binary_cross_entropy",
    "BCEWithLogitsLoss": "F.binary_cross_entropy_with_logits",
    "KLDivLoss": "F.kl_div",
    "GaussianNLLLoss": "F.gaussian_nll_loss",
    "PoissonNLLLoss": "F.poisson_nll_loss",
    "HingeEmbeddingLoss": "F.hinge_embedding_loss",
    "MarginRankingLoss": "F.margin_ranking_loss",
    "TripletMarginLoss": "F.triplet_margin_loss",
    "CosineEmbeddingLoss": "F.cosine_embedding_loss",
    "SoftMarginLoss": "F.soft_margin_loss",
    "MultiLabelSoftMarginLoss": "F.multilabel_soft_margin_loss",
    "CosineSimilarity": "F.cosine_similarity",
    "PairwiseDistance": "F.pairwise_distance",
    "MaxPool1d": "F.max_pool1d",
    "MaxPool2d": "F.max_pool2d",
    "MaxUnpool1d": "F.max_unpool1d",
    "MaxUnpool2d": "F.max_unpool2d",
    "AvgPool1d": "F.avg_pool1d",
    "AvgPool2d": "F.avg_pool2d",
    "AdaptiveAvgPool1d": "F.adaptive_avg_pool1d",
    "AdaptiveAvgPool2d": "F.adaptive_avg_pool2d",
    "AdaptiveMaxPool1d": "F.adaptive_max_pool1d",
    "AdaptiveMaxPool2d": "F.adaptive_max_pool2d",
    "LPPool1d": "F.lp_pool1d",
    "LPPool2d": "F.lp_pool2d",
    "Upsample": "F.interpolate",
    "PixelShuffle": "F.pixel_shuffle",
    "PixelUnshuffle": "F.pixel_unshuffle",
    "ChannelShuffle": "F.channel_shuffle",
    "Unfold": "F.unfold",
    "Fold": "F.fold",
    "LocalResponseNorm": "F.local_response_norm",
}
AT_CALL = {"output_size"}  # options that the call takes, not the constructor
NOT_IN_MODULES = {"dtype", "antialias"}


@module(*MIRRORS)
def mirror(d: Draw, name: str) -> Made:
    """Numbers of the function go to the constructor, tensors to the call."""
    function = MIRRORS[name.removeprefix("nn.")]
    call = DRAWS[function](d, function)
    inputs = tuple(a for a in call.args if isinstance(a, Arr))
    options = tuple(a for a in call.args if not isinstance(a, Arr))
    if name == "nn.GaussianNLLLoss":
        options = ()
    kwargs = {k: v for k, v in call.kwargs.items() if k not in AT_CALL | NOT_IN_MODULES}
    late = {k: v for k, v in call.kwargs.items() if k in AT_CALL}
    shown = not any(isinstance(v, Arr) for v in kwargs.values())
    return Made(options, kwargs, Call(inputs, late, k=call.k, twice=False), repr=shown)


# ---- layers with parameters


def plain(d: Draw, *shape: int) -> Arr:
    """An input that wants a gradient."""
    return d.tensor(shape, mode="plain", grad=True)


def call_of(x: Arr, *more: Any, k: int = 64, **kwargs: Any) -> Call:
    """A call whose sums have k terms and more for a larger input."""
    return Call((x, *more), kwargs, k=k + int(x.array.size), twice=False)


@module("Linear")
def linear(d: Draw, name: str) -> Made:
    """bias; any leading dimensions."""
    m, n = d.integer(1, 9), d.integer(1, 9)
    x = plain(d, *d.shape(0, 2), m + d.chance(0.05))
    return Made((m, n), d.options(0.5, bias=[True, False]), call_of(x))


@module("Bilinear")
def bilinear(d: Draw, name: str) -> Made:
    """bias."""
    m, n, k, lead = d.integer(1, 5), d.integer(1, 5), d.integer(1, 5), d.shape(1, 2)
    call = call_of(plain(d, *lead, m), plain(d, *lead, n))
    return Made((m, n, k), d.options(0.5, bias=[True, False]), call)


@module("Identity", "Flatten", "Softmax2d")
def plain_module(d: Draw, name: str) -> Made:
    """Without parameters."""
    kwargs = d.options(0.5, start_dim=[0, 1, 2], end_dim=[-1, 2]) if name == "nn.Flatten" else {}
    return Made((), kwargs, call_of(plain(d, *d.shape(2, 4))))


@module("Unflatten")
def unflatten(d: Draw, name: str) -> Made:
    """A dimension as two."""
    return Made((d.pick(1, -1, 2), d.pick((2, 3), (3, -1), (6,))), {}, call_of(plain(d, 2, 6)))


@module("PReLU")
def prelu(d: Draw, name: str) -> Made:
    """num_parameters, init."""
    c = d.integer(1, 4)
    kwargs = d.options(0.6, num_parameters=[1, c], init=[0.25, 0.5])
    return Made((), kwargs, call_of(plain(d, 2, c, *d.shape(0, 2))))


def convolution_options(d: Draw, n: int, groups: int) -> dict[str, Any]:
    """What both directions share."""
    out = {"groups": groups} if groups > 1 else {}
    out |= d.options(0.5, stride=[1, 2, 3, each(d, n, 1, 2)], padding=[0, 1, each(d, n, 0, 1, 2)])
    return out | d.options(0.4, dilation=[1, 2], bias=[True, False])


@module("Conv1d", "Conv2d")
def conv(d: Draw, name: str) -> Made:
    """padding_mode too."""
    n, groups = int(name[-2]), d.pick(1, 1, 2)
    channels, filters = groups * d.integer(1, 3), groups * d.integer(1, 3)
    kwargs = convolution_options(d, n, groups)
    kwargs |= d.options(0.3, padding_mode=["zeros", "reflect", "replicate", "circular", "mirror"])
    if d.chance(0.15):
        kwargs |= {"padding": d.pick("same", "valid"), "stride": d.pick(1, 1, 1, 2)}
    batch = () if d.chance(0.2) else (d.integer(1, 2),)
    x = plain(d, *batch, channels, *(d.integer(5, 9) for _ in range(n)))
    return Made((channels, filters, each(d, n, 1, 2, 3)), kwargs, call_of(x, k=256))


@module("ConvTranspose1d", "ConvTranspose2d")
def conv_transpose(d: Draw, name: str) -> Made:
    """output_padding, output_size."""
    n, groups = int(name[-2]), d.pick(1, 1, 2)
    channels, filters = groups * d.integer(1, 3), groups * d.integer(1, 3)
    kwargs = convolution_options(d, n, groups) | d.options(0.3, output_padding=[0, 1])
    kwargs |= d.options(0.1, padding_mode=["zeros", "reflect"])
    batch = () if d.chance(0.2) else (d.integer(1, 2),)
    size = tuple(d.integer(2, 6) for _ in range(n))
    late = {}
    if d.chance(0.2):
        kwargs |= {"stride": 2, "padding": 1, "dilation": 1}
        kwargs.pop("output_padding", None)
        late = {"output_size": tuple(2 * s + d.pick(-1, 0, 1) for s in size)}
    x = plain(d, *batch, channels, *size)
    return Made((channels, filters, 3), kwargs, call_of(x, k=256, **late))


@module("BatchNorm1d", "BatchNorm2d", "InstanceNorm1d", "InstanceNorm2d")
def batch_norm(d: Draw, name: str) -> Made:
    """eps, momentum (None: the mean of all), affine, track_running_stats."""
    c, n = d.integer(1, 4), int(name[-2])
    kwargs = d.options(
        0.4,
        eps=[1e-5, 1e-2],
        momentum=[0.1, 0.5, None] if "Batch" in name else [0.1, 0.5],
        affine=[True, False],
        track_running_stats=[True, False],
    )
    rest = tuple(d.integer(1, 5) for _ in range(n - (n == 1 and d.chance(0.4))))
    batch = (d.integer(1, 5),) if "Batch" in name or d.chance(0.8) else ()
    x = plain(d, *batch, c + d.chance(0.04), *rest)
    return Made((c,), kwargs, call_of(x, k=1024), training=d.chance(0.6))


@module("LayerNorm", "RMSNorm")
def layer_norm(d: Draw, name: str) -> Made:
    """normalized_shape, eps, elementwise_affine, bias."""
    inner = d.shape(1, 2, 0)
    kwargs = d.options(0.5, eps=[1e-5, 1e-2], elementwise_affine=[True, False])
    if name == "nn.LayerNorm":
        kwargs |= d.options(0.4, bias=[True, False])
    arg: Any = inner[0] if len(inner) == 1 and d.chance(0.5) else inner
    return Made((arg,), kwargs, call_of(plain(d, *d.shape(0, 2), *inner), k=512))


@module("GroupNorm")
def group_norm(d: Draw, name: str) -> Made:
    """num_groups, affine, eps."""
    groups = d.integer(1, 3)
    c = groups * d.integer(1, 3) + d.chance(0.05)
    kwargs = d.options(0.5, eps=[1e-5, 1e-2], affine=[True, False])
    return Made((groups, c), kwargs, call_of(plain(d, 2, c, *d.shape(0, 2, 0)), k=512))


@module("Embedding")
def embedding(d: Draw, name: str) -> Made:
    """padding_idx."""
    n, k = d.integer(1, 7), d.integer(1, 5)
    index = d.index(d.shape(0, 3), n, d.pick("int64", "int64", "int32"), wrong=0.05)
    kwargs = d.options(0.5, padding_idx=[None, 0, -1, n - 1, n + 2])
    return Made((n, k), kwargs, call_of(index))


PADS = ["ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad", "CircularPad"]


@module(*(f"{p}{n}d" for p in PADS for n in (1, 2)))
def pads(d: Draw, name: str) -> Made:
    """A number or one a side."""
    n = int(name[-2])
    amount: Any = d.pick(0, 1, 2) if d.chance(0.4) else tuple(d.integer(0, 3) for _ in range(2 * n))
    args = (amount, d.pick(0.0, 1.5, -2)) if "Constant" in name else (amount,)
    batch = () if d.chance(0.2) else (2,)
    return Made(args, {}, call_of(plain(d, *batch, 2, *(d.integer(2, 5) for _ in range(n)))))


@module("UpsamplingNearest2d", "UpsamplingBilinear2d")
def upsampling(d: Draw, name: str) -> Made:
    """size or scale_factor."""
    kwargs = d.pick({"scale_factor": 2}, {"size": (3, 5)}, {"size": 4}, {"scale_factor": 1.5})
    return Made((), kwargs, call_of(plain(d, 1, 2, 3, 4)))


@module("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")
def dropout(d: Draw, name: str) -> Made:
    """Where nothing is random; see randomness.py for the rest."""
    n = {"nn.Dropout1d": 1, "nn.Dropout2d": 2}.get(name, d.integer(0, 2))
    p, training = d.pick(
        (0.0, True), (0.5, False), (1.0, True), (0.3, False), (1.5, True), (-1.0, True)
    )
    return Made((), {"p": p}, call_of(plain(d, 2, 3, *([4] * n))), training=training)

"""Mixed precision: autocast, the scaler of the loss, and both within a captured step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, amp, nn, ops, optim
from pydl.dtypes import DType

TYPES = (pydl.float16, pydl.bfloat16)
EPS = {pydl.float16: 2.0**-10, pydl.bfloat16: 2.0**-7}
both = pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.name)


def net() -> nn.Sequential:
    pydl.manual_seed(0)
    convolutional = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    dense = (nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    return nn.Sequential(*convolutional, *dense)


def batch() -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    x = pydl.tensor(rng.normal(size=(16, 1, 8, 8)).astype(np.float32))
    return x, pydl.tensor(rng.integers(0, 3, 16))


# ---- autocast: the table of docs/half.md


def one(*shape: int) -> Tensor:
    return pydl.ones(*shape) * 0.5


PRODUCTS: dict[str, Any] = {
    "matmul": lambda: ops.matmul(one(2, 3), one(3, 4)),
    "mm": lambda: ops.mm(one(2, 3), one(3, 4)),
    "bmm": lambda: ops.bmm(one(2, 2, 3), one(2, 3, 4)),
    "mv": lambda: ops.mv(one(2, 3), one(3)),
    "dot": lambda: ops.dot(one(3), one(3)),
    "addmm": lambda: ops.addmm(one(2, 4), one(2, 3), one(3, 4)),
    "baddbmm": lambda: ops.baddbmm(one(2, 2, 4), one(2, 2, 3), one(2, 3, 4)),
    "einsum": lambda: ops.einsum("ij,jk->ik", one(2, 3), one(3, 4)),
    "tensordot": lambda: ops.tensordot(one(2, 3), one(3, 4), 1),
    "linear": lambda: F.linear(one(2, 3), one(4, 3), one(4)),
    "bilinear": lambda: F.bilinear(one(2, 3), one(2, 3), one(4, 3, 3)),
    "conv1d": lambda: F.conv1d(one(1, 2, 5), one(3, 2, 3), one(3)),
    "conv2d": lambda: F.conv2d(one(1, 2, 5, 5), one(3, 2, 3, 3), one(3)),
    "conv_transpose2d": lambda: F.conv_transpose2d(one(1, 2, 5, 5), one(2, 3, 3, 3), one(3)),
    "attention": lambda: F.scaled_dot_product_attention(one(2, 3, 4), one(2, 3, 4), one(2, 3, 4)),
    "lstm": lambda: nn.LSTM(3, 4)(one(2, 1, 3))[0],
    "gru": lambda: nn.GRU(3, 4)(one(2, 1, 3))[0],
    "rnn": lambda: nn.RNN(3, 4)(one(2, 1, 3))[0],
}  # fmt: skip
WIDE: dict[str, Any] = {
    **{name: getattr(ops, name) for name in (
        "exp", "expm1", "log", "log1p", "log2", "log10", "rsqrt", "reciprocal", "tan", "asin",
        "acos", "sinh", "cosh", "sum", "mean", "prod", "var", "std", "norm")},
    "pow": lambda x: x**3,
    "cumsum": lambda x: ops.cumsum(x, 0),
    "softmax": lambda x: F.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, 0),
    "softplus": F.softplus,
    "logsumexp": lambda x: ops.logsumexp(x, 0),
    "cross_entropy": lambda x: F.cross_entropy(x, pydl.zeros(2, dtype=pydl.int64)),
    "mse_loss": lambda x: F.mse_loss(x, x * 2),
    "l1_loss": lambda x: F.l1_loss(x, x * 2),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, x),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x),
}  # fmt: skip
AS_IT_COMES: dict[str, Any] = {
    "relu": F.relu, "gelu": F.gelu, "tanh": ops.tanh,
    "add": lambda x: x + x, "mul": lambda x: x * 2,
    "max_pool2d": lambda x: F.max_pool2d(ops.reshape(x, (1, 1, 2, 4)), 2),
    "avg_pool2d": lambda x: F.avg_pool2d(ops.reshape(x, (1, 1, 2, 4)), 2),
    "layer_norm": lambda x: F.layer_norm(x, (4,), pydl.ones(4), pydl.zeros(4)),
    "batch_norm": lambda x: F.batch_norm(x, pydl.zeros(4), pydl.ones(4), pydl.ones(4)),
    "dropout": lambda x: F.dropout(x, 0.5), "amax": ops.amax, "cat": lambda x: ops.cat([x, x]),
}  # fmt: skip


@both
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_take_half_operands(name: str, dtype: DType) -> None:
    want = PRODUCTS[name]()
    with amp.autocast(dtype):
        y = PRODUCTS[name]()
    assert y.dtype is dtype
    assert PRODUCTS[name]().dtype is pydl.float32
    if name not in ("lstm", "gru", "rnn"):  # whose weights are drawn anew
        np.testing.assert_allclose(y.detach().float().numpy(), want.detach().numpy(), rtol=0.01)


@both
@pytest.mark.parametrize("name", WIDE)
def test_what_is_wide_gives_float32(name: str, dtype: DType) -> None:
    x = (one(2, 4) + pydl.arange(4) / 16.0).to(dtype)
    assert WIDE[name](x).dtype is dtype
    with amp.autocast(dtype):
        assert WIDE[name](x).dtype is pydl.float32


@both
@pytest.mark.parametrize("name", AS_IT_COMES)
def test_the_rest_computes_in_what_comes(name: str, dtype: DType) -> None:
    with amp.autocast(dtype):
        assert AS_IT_COMES[name](one(2, 4).to(dtype)).dtype is dtype
        assert AS_IT_COMES[name](one(2, 4)).dtype is pydl.float32


def test_blocks_nest_and_end() -> None:
    with amp.autocast(pydl.float16):
        with amp.autocast(pydl.bfloat16):
            assert F.linear(one(2, 3), one(4, 3)).dtype is pydl.bfloat16
            with amp.autocast(enabled=False):
                assert F.linear(one(2, 3), one(4, 3)).dtype is pydl.float32
        assert F.linear(one(2, 3), one(4, 3)).dtype is pydl.float16
    with pytest.raises(ZeroDivisionError), amp.autocast():
        1 / 0  # noqa: B018
    assert F.linear(one(2, 3), one(4, 3)).dtype is pydl.float32

    @amp.autocast(pydl.bfloat16)
    def decorated(x: Tensor) -> Tensor:
        return F.linear(x, one(4, 3))

    assert decorated(one(2, 3)).dtype is pydl.bfloat16
    with pytest.raises(TypeError, match=r"^autocast: dtype is float32, expected float16 or bfloat"):
        amp.autocast(pydl.float32)


@both
def test_gradients_have_the_type_of_their_tensor(dtype: DType) -> None:
    model, (x, target) = net(), batch()
    x.requires_grad_()
    F.cross_entropy(model(x), target).backward()
    want = [p.grad for p in (*model.parameters(), x)]
    for p in (*model.parameters(), x):
        p.grad = None
    with amp.autocast(dtype):
        loss = F.cross_entropy(model(x), target)
        loss.backward()  # within the block it is the same
    assert loss.dtype is pydl.float32
    size = max(np.abs(w.numpy()).max() for w in want if w is not None)
    for p, w in zip((*model.parameters(), x), want, strict=True):
        assert p.grad is not None
        assert w is not None
        assert p.grad.dtype is pydl.float32
        np.testing.assert_allclose(p.grad.numpy(), w.numpy(), atol=8 * EPS[dtype] * size)


@both
def test_a_parameter_is_cast_once_a_block(dtype: DType) -> None:
    w = pydl.ones(4, 3).requires_grad_()
    with amp.autocast(dtype):
        F.linear(one(2, 3), w)
        first = pydl.recording.thread.casts
        assert first is not None
        assert len(first) == 1
        F.linear(one(2, 3), w)
        assert len(first) == 1
        with pydl.no_grad():
            w.fill_(2.0)
            y = F.linear(one(2, 3), w)
        assert y.tolist() == [[3.0] * 4] * 2  # what was cast before is not used
    assert pydl.recording.thread.casts is None


# ---- the scaler


def state(optimizer: optim.Optimizer) -> list[bytes]:
    return [t.numpy().tobytes() for s in optimizer.state.values() for _, t in sorted(s.items())]


OPTIMIZERS = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop",
              "Rprop", "Lion")  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_an_overflow_halves_the_scale_and_changes_nothing_else(
    name: str, bad: float, captured: bool, device: str
) -> None:
    if captured and device == "numpy":
        pytest.skip("nothing is captured on the numpy device")
    p = pydl.tensor(np.linspace(-1, 1, 37, dtype=np.float32), device=device).requires_grad_()
    q = pydl.ones(3, device=device).requires_grad_()
    optimizer = getattr(optim, name)([p, q], lr=0.01)
    scaler = amp.GradScaler(init_scale=8.0, device=device)

    def step(factor: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (p * p * factor).sum() + (q * q).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    run = pydl.capture(step) if captured else step
    good = pydl.ones(37, device=device)
    odd = pydl.tensor(np.where(np.arange(37) == 30, bad, 1).astype(np.float32), device=device)
    for _ in range(3):
        run(good)
    before = [p.numpy().tobytes(), q.numpy().tobytes(), *state(optimizer)]
    run(odd)
    assert [p.numpy().tobytes(), q.numpy().tobytes(), *state(optimizer)] == before
    assert scaler.get_scale() == 4.0
    run(good)
    assert p.numpy().tobytes() != before[0]
    assert scaler.get_scale() == 4.0
    assert int(optimizer.state[p]["step"].item()) == 4


def test_scaled_steps_are_those_without_a_scaler() -> None:
    """A power of two changes no bit, where nothing overflows or is denormal."""
    weights = []
    for scale in (None, 1024.0):
        model, (x, target) = net(), batch()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        scaler = amp.GradScaler(scale or 1.0, enabled=scale is not None)
        for _ in range(5):
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(x), target)).backward()
            scaler.step(optimizer)
            scaler.update()
        weights.append([p.detach().numpy().tobytes() for p in model.parameters()])
    assert weights[0] == weights[1]


def test_the_scale_grows_after_good_steps() -> None:
    p = pydl.ones(3).requires_grad_()
    optimizer = optim.SGD([p], lr=0.0)
    scaler = amp.GradScaler(4.0, growth_interval=3)
    scales = []
    for k in range(8):
        optimizer.zero_grad()
        scaler.scale((p * (np.inf if k == 4 else 1.0)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [4, 4, 8, 8, 4, 4, 4, 8]
    other = amp.GradScaler(1.0)
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    assert other.growth_interval == 3


def test_two_optimizers_share_a_scaler() -> None:
    p, q = (pydl.ones(2).requires_grad_() for _ in range(2))
    first, second = optim.SGD([p], lr=1.0), optim.SGD([q], lr=1.0)
    scaler = amp.GradScaler(8.0)
    scaler.scale(p.sum()).backward()
    scaler.scale((q * np.inf).sum()).backward()
    for optimizer in (first, second):
        scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.0, 0.0]
    assert q.tolist() == [1.0, 1.0]
    assert scaler.get_scale() == 4.0


def test_a_gradient_that_two_parameters_share_is_unscaled_once() -> None:
    p, q = (pydl.ones(2).requires_grad_() for _ in range(2))
    scaler = amp.GradScaler(8.0)
    scaler.scale((p + q).sum()).backward()
    optimizer = optim.SGD([p, q], lr=1.0)
    scaler.unscale_(optimizer)
    assert p.grad is not None
    assert q.grad is not None
    assert p.grad.tolist() == q.grad.tolist() == [1.0, 1.0]


@both
def test_gradients_of_half_parameters_are_unscaled(dtype: DType) -> None:
    p = pydl.ones(3, dtype=dtype).requires_grad_()
    scaler = amp.GradScaler(256.0)
    scaler.scale((p * 3.0).sum()).backward()
    optimizer = optim.SGD([p], lr=0.25)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.25] * 3


def test_mistakes_are_named() -> None:
    p = pydl.ones(2).requires_grad_()
    optimizer, scaler = optim.SGD([p], lr=0.1), amp.GradScaler()
    with pytest.raises(RuntimeError, match=r"^GradScaler.update: no gradients were unscaled"):
        scaler.update()
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"^GradScaler.unscale_: .* unscaled already"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"^GradScaler.step: a second time"):
        scaler.step(optimizer)
    for options in ({"init_scale": 0.0}, {"growth_factor": 1.0}, {"backoff_factor": 1.0},
                    {"growth_interval": 0}):  # fmt: skip
        with pytest.raises(ValueError, match=r"^GradScaler: "):
            amp.GradScaler(**options)


# ---- all of it in a captured step


@both
def test_a_captured_step_has_the_bits_of_eager(dtype: DType) -> None:
    ends = []
    for captured in (False, True):
        model, (x, target) = net(), batch()
        optimizer, scaler = optim.Adam(model.parameters(), lr=0.01), amp.GradScaler(64.0)

        def step(
            x: Tensor,
            target: Tensor,
            model: nn.Module = model,
            optimizer: optim.Optimizer = optimizer,
            scaler: amp.GradScaler = scaler,
        ) -> Tensor:
            optimizer.zero_grad()
            with amp.autocast(dtype):
                loss = F.cross_entropy(model(x), target)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            return loss.detach()

        run = pydl.capture(step) if captured else step
        losses = [run(x, target).item() for _ in range(8)]
        bits = [t.numpy().tobytes() for t in model.state_dict().values()]
        ends.append((losses, bits, scaler.get_scale()))
    assert ends[0] == ends[1]
    assert ends[0][0][-1] < ends[0][0][0]


def test_a_captured_function_knows_autocast_around_it() -> None:
    w = pydl.ones(4, 3).requires_grad_()

    @pydl.capture
    def product(x: Tensor) -> Tensor:
        return F.linear(x, w)

    x = pydl.ones(2, 3)
    for _ in range(3):
        assert product(x).dtype is pydl.float32
        for dtype in TYPES:
            with amp.autocast(dtype):
                F.linear(x, w)  # w is cast here, and once more within the plan
                for _ in range(3):
                    assert product(x).dtype is dtype
                with pydl.no_grad():
                    w.fill_(2.0)
                assert product(x).tolist() == [[6.0] * 4] * 2
                with pydl.no_grad():
                    w.fill_(1.0)
                assert product(x).tolist() == [[3.0] * 4] * 2


def test_activations_take_half_the_memory() -> None:
    """What a forward pass keeps for backward."""
    kept = {}
    for dtype in (None, *TYPES):
        model = nn.Sequential(*(layer for _ in range(6) for layer in (
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())))  # fmt: skip
        x = pydl.randn(16, 16, 32, 32)
        before = pydl._native.memory_stats()["live"]
        with amp.autocast(dtype or pydl.float16, enabled=dtype is not None):
            y = model(x)
        kept[dtype] = pydl._native.memory_stats()["live"] - before
        del y
    for dtype in TYPES:
        assert kept[dtype] <= 0.6 * kept[None]

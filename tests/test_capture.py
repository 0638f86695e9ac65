"""pydl.capture: what may be captured, and each mistake with the message that it gets."""

from __future__ import annotations

import gc
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import CaptureError, Tensor, nn, optim


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = pydl._native.num_threads()
    yield
    pydl.set_num_threads(before)


# ---- a replay has the bits of the eager step


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 10)), (16, 12)


def cnn() -> tuple[nn.Module, tuple[int, ...]]:
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(2))
    head = (nn.Dropout2d(0.25), nn.Flatten(), nn.Linear(8 * 4 * 4, 10))
    return nn.Sequential(*layers, *head), (6, 1, 12, 12)


def normed() -> tuple[nn.Module, tuple[int, ...]]:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.AvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(36, 10)), (5, 3, 8, 8)


def lenet() -> tuple[nn.Module, tuple[int, ...]]:
    layers = (nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5))
    head = (nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU())
    last = (nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    return nn.Sequential(*layers, *head, *last), (4, 1, 28, 28)


class Lstm(nn.Module):
    def __init__(self) -> None:
        self.lstm = nn.LSTM(7, 9, batch_first=True)
        self.head = nn.Linear(9, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def lstm() -> tuple[nn.Module, tuple[int, ...]]:
    return Lstm(), (5, 6, 7)


OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adadelta": lambda p: optim.Adadelta(p, lr=1.0),
}


def classifier(
    make: Callable[[], tuple[nn.Module, tuple[int, ...]]], optimizer: str, schedule: bool
) -> tuple[Callable[[Tensor, Tensor], Tensor], nn.Module, tuple[int, ...]]:
    """A training step with a schedule and clipping inside."""
    pydl.manual_seed(3)
    model, shape = make()
    descent = OPTIMIZERS[optimizer](model.parameters())
    plan = optim.lr_scheduler.OneCycleLR(descent, 0.02, 300, cycle_momentum=optimizer != "adadelta")

    def step(x: Tensor, t: Tensor) -> Tensor:
        descent.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        if schedule:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        descent.step()
        if schedule:
            plan.step()
        return loss

    return step, model, shape


def optimizer_of(step: Callable[..., Tensor]) -> optim.Optimizer:
    """The one that a step of `classifier` has in its closure."""
    cells = [c.cell_contents for c in step.__closure__ or ()]
    (found,) = [x for x in cells if isinstance(x, optim.Optimizer)]
    return found


def batches(shape: tuple[int, ...], count: int) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(5)
    return [
        (rng.standard_normal(shape).astype(np.float32), rng.integers(0, 10, shape[0]))
        for _ in range(count)
    ]


def state_of(model: nn.Module) -> list[bytes]:
    tensors = [*model.parameters(), *model.buffers()]
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return [t.detach().numpy().tobytes() for t in (*tensors, *gradients)]


def run(step: Callable[..., Tensor], model: nn.Module, data: list[Any]) -> list[Any]:
    losses = [step(*batch) for batch in data]
    return [[loss.item() for loss in losses], state_of(model), pydl.get_rng_state()]


@pytest.mark.parametrize("schedule", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [mlp, cnn, lenet, normed, lstm])
def test_replay_is_eager(make: Any, optimizer: str, schedule: bool) -> None:
    results = []
    for threads, wrap in (
        (1, lambda f: f),
        (1, pydl.capture),
        (2, pydl.capture),
        (3, pydl.capture),
    ):
        pydl.set_num_threads(threads)
        step, model, shape = classifier(make, optimizer, schedule)
        step = wrap(step)
        data = [(pydl.tensor(x), pydl.tensor(t)) for x, t in batches(shape, 200)]
        results.append(run(step, model, data))
    assert all(result == results[0] for result in results)


def test_two_optimizers_and_noise() -> None:
    """A DCGAN's iteration: D on real images, D on false ones, then G."""

    def build() -> tuple[Callable[[Tensor], Tensor], nn.Module]:
        pydl.manual_seed(0)
        g = nn.Sequential(
            nn.ConvTranspose2d(5, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip
        d = nn.Sequential(
            nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Flatten(),
            nn.Linear(72, 1),
        )  # fmt: skip
        adam_g = optim.Adam(g.parameters(), lr=2e-3, betas=(0.5, 0.999))
        adam_d = optim.Adam(d.parameters(), lr=2e-3, betas=(0.5, 0.999))
        ones, zeros = pydl.ones(4, 1), pydl.zeros(4, 1)
        bce = F.binary_cross_entropy_with_logits

        def step(real: Tensor) -> dict[str, Any]:
            adam_d.zero_grad()
            loss_real = bce(d(real), ones)
            loss_real.backward()
            fake = g(pydl.randn(4, 5, 1, 1))
            loss_fake = bce(d(fake.detach()), zeros)
            loss_fake.backward()
            adam_d.step()
            adam_g.zero_grad()
            loss = bce(d(fake), ones)
            loss.backward()
            adam_g.step()
            return {"d": loss_real + loss_fake, "g": (loss, fake)}

        return step, nn.Sequential(g, d)

    data = [pydl.tensor(x) for x, _ in batches((4, 1, 6, 6), 200)]
    results = []
    for wrap in (lambda f: f, pydl.capture):
        step, nets = build()
        step = wrap(step)
        outputs = [step(x) for x in data]
        values = [(o["d"].item(), o["g"][0].item(), o["g"][1].numpy().tobytes()) for o in outputs]
        results.append((values, state_of(nets), pydl.get_rng_state()))
    assert results[0] == results[1]


def test_target_network_and_arrays_that_are_nested() -> None:
    """A DQN's update with a soft target: the batch is a dict of NumPy arrays."""

    def build() -> tuple[Callable[..., Tensor], nn.Module]:
        pydl.manual_seed(1)
        q, target = (nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)) for _ in "qt")
        target.load_state_dict(q.state_dict())
        adam = optim.Adam(q.parameters(), lr=1e-3)

        def update(batch: dict[str, Tensor], gamma: float) -> Tensor:
            with pydl.no_grad():
                best = target(batch["next"]).max(1)[0]
                want = batch["reward"] + gamma * best * (1.0 - batch["done"])
            chosen = q(batch["state"])[pydl.arange(8), batch["action"]]
            loss = F.smooth_l1_loss(chosen, want)
            adam.zero_grad()
            loss.backward()
            adam.step()
            with pydl.no_grad():
                for slow, fast in zip(target.parameters(), q.parameters(), strict=True):
                    slow.copy_(0.9 * slow + 0.1 * fast)
            return loss

        return update, nn.Sequential(q, target)

    rng = np.random.default_rng(0)
    data = [
        {
            "state": rng.standard_normal((8, 4)),  # float64: becomes float32
            "action": rng.integers(0, 2, 8),
            "reward": rng.standard_normal(8).astype(np.float32),
            "next": rng.standard_normal((8, 4)).astype(np.float32),
            "done": (rng.random(8) < 0.3).astype(np.float32),
        }
        for _ in range(200)
    ]
    update, nets = build()
    eager = [update({k: pydl.tensor(v) for k, v in b.items()}, 0.99).item() for b in data]
    expected = state_of(nets)
    update, nets = build()
    captured = pydl.capture(update)
    losses = [captured(b, gamma=0.99) for b in data]
    assert [loss.item() for loss in losses] == eager
    assert state_of(nets) == expected


def test_learning_rate_moves_inside_and_outside() -> None:
    results = []
    for wrap in (lambda f: f, pydl.capture):
        step, model, shape = classifier(mlp, "adam", False)
        optimizer = optimizer_of(step)
        step = wrap(step)
        losses = []
        for i, (x, t) in enumerate(batches(shape, 20)):
            optimizer.param_groups[0]["lr"] = 0.01 / (i + 1)
            optimizer.param_groups[0]["betas"] = (0.9 - 0.01 * i, 0.999)
            losses.append(step(pydl.tensor(x), pydl.tensor(t)).item())
        results.append((losses, state_of(model)))
    assert results[0] == results[1]


def test_loading_a_state_goes_on_in_the_same_plan() -> None:
    step, model, shape = classifier(mlp, "adam", False)
    optimizer = optimizer_of(step)
    captured = pydl.capture(step)
    data = batches(shape, 12)
    for batch in data[:4]:
        captured(*batch)
    weights = {k: t.clone() for k, t in model.state_dict().items()}
    kept = optimizer.state_dict()
    kept["state"] = {i: {k: t.clone() for k, t in s.items()} for i, s in kept["state"].items()}
    first = run(captured, model, data[4:])
    model.load_state_dict(weights)
    optimizer.load_state_dict(kept)
    assert run(captured, model, data[4:]) == first
    assert len(captured.plans) == 1


# ---- what a captured function takes and returns


def test_results_are_new_each_time() -> None:
    double = pydl.capture(lambda x: x * 2.0)
    results = [double(pydl.tensor([float(i)])) for i in range(5)]
    assert [y.item() for y in results] == [0, 2, 4, 6, 8]
    again = double(results[-1])  # and may be arguments
    assert again.item() == 16


def test_results_keep_their_nesting_and_what_is_from_outside() -> None:
    w = pydl.ones(3)
    f = pydl.capture(lambda x: {"a": (x + w, None), "w": w, "same": [x]})
    for i in range(4):
        out = f(pydl.full((3,), float(i)))
        assert out["a"][0].tolist() == [i + 1.0] * 3
        assert out["a"][1] is None
        assert out["w"] is w
        assert out["same"][0].tolist() == [i] * 3


def test_results_are_off_the_tape() -> None:
    w = pydl.ones(3, requires_grad=True)
    f = pydl.capture(lambda x: (x * w).sum())
    for _ in range(3):
        assert not f(pydl.ones(3)).requires_grad


def test_model_with_one_sample() -> None:
    pydl.manual_seed(0)
    model = mlp()[0]
    fast = pydl.capture(model)
    with pydl.no_grad():
        for i in range(4):
            x = pydl.full((1, 12), float(i))
            assert fast(x).tolist() == model(x).tolist()


def test_decorator_with_options_on_a_method() -> None:
    class Counter:
        def __init__(self) -> None:
            self.total = pydl.zeros(2)

        @pydl.capture(max_plans=3)
        def add(self, x: Tensor) -> Tensor:
            """Adds."""
            return self.total.add_(x)

    a, b = Counter(), Counter()
    for _ in range(4):
        a.add(pydl.ones(2))
    for _ in range(3):
        b.add(np.ones(2))
    assert a.total.tolist() == [4, 4]
    assert b.total.tolist() == [3, 3]
    assert Counter.add.__doc__ == "Adds."


def test_numpy_device_stays_eager() -> None:
    model = nn.Linear(3, 2).to("numpy")
    calls = []

    @pydl.capture
    def forward(x: Tensor) -> Tensor:
        calls.append(1)
        return model(x.to("numpy"))

    x = pydl.ones(1, 3, device="numpy")
    assert [forward(x).shape for _ in range(4)] == [(1, 2)] * 4
    assert len(calls) == 4
    assert not forward.plans


def test_parameters_may_be_arguments() -> None:
    w = nn.Parameter(pydl.ones(3))

    @pydl.capture
    def step(w: Tensor, x: Tensor) -> Tensor:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        with pydl.no_grad():
            w.sub_(0.5 * w.grad)
        return loss

    assert [step(w, pydl.ones(3)).item() for _ in range(4)] == [3, 1.5, 0, -1.5]


# ---- another kind of call is another plan


def test_each_shape_and_constant_has_a_plan() -> None:
    f = pydl.capture(lambda x, k: x.sum() * k)
    for n in (2, 3, 2, 3, 2, 3):
        for k in (1, 1.0, True, 5):
            assert f(pydl.ones(n), k).item() == n * k
    assert len(f.plans) == 8


def test_training_and_evaluation_have_plans_of_their_own() -> None:
    pydl.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    f = pydl.capture(model)
    x = pydl.ones(8, 4)
    for _ in range(3):
        model.train()
        assert (f(x).numpy() == 0).any()
    for _ in range(3):
        model.eval()
        assert f(x).tolist() == model(x).tolist()
    with pydl.no_grad():
        f(x), f(x)
    assert len(f.plans) == 3


def test_freezing_a_layer_below_an_optimizer_is_refused() -> None:
    step, model, shape = classifier(mlp, "adam", False)
    captured = pydl.capture(step)
    (x, t), *_ = batches(shape, 1)
    for _ in range(3):
        captured(x, t)
    first = next(model.parameters())
    first.requires_grad_(False)
    before = first.tolist()
    second = list(model.parameters())[1].tolist()
    with pytest.raises(CaptureError, match="Adam made its state"):  # others have gradients now
        captured(x, t)
    assert first.tolist() == before
    assert list(model.parameters())[1].tolist() == second


def test_more_kinds_than_max_plans_run_eagerly_with_one_warning() -> None:
    calls = []

    @pydl.capture(max_plans=2)
    def scale(x: Tensor, factor: float) -> Tensor:
        calls.append(factor)
        return x * factor

    def call_all() -> None:
        for i in range(6):
            for _ in range(3):
                assert scale(pydl.ones(1), 1.0 + i).item() == 1 + i

    with pytest.warns(RuntimeWarning, match=r"what varies is 'factor'\. Pass numbers") as seen:
        call_all()
    assert len(seen) == 1
    assert len(scale.plans) == 2
    assert len(calls) == 2 + 2 + 4 * 3


# ---- verify


def test_verify_passes_where_nothing_is_hidden() -> None:
    results = []
    for verify in (0, 3):
        step, model, shape = classifier(cnn, "adam", True)
        results.append(run(pydl.capture(step, verify=verify), model, batches(shape, 15)))
    assert results[0] == results[1]


def test_verify_finds_what_python_changes() -> None:
    factors = iter(range(100))
    f = pydl.capture(lambda x: x * float(next(factors)), verify=2)
    x = pydl.ones(2)
    assert [f(x).tolist() for _ in range(3)] == [[0, 0], [1, 1], [1, 1]]  # frozen
    with pytest.raises(CaptureError, match=r"verify found other bits .* in output 0 of 8 bytes"):
        f(x)


# ---- mistakes


def refused(function: Callable[..., Any], *args: Any, match: str) -> None:
    f = pydl.capture(function)
    f(*args)  # eagerly all goes well
    with pytest.raises(CaptureError, match=match):
        f(*args)
    assert pydl.tensor([1.0]).item() == 1.0  # nothing is recorded any more


READS: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "numpy": lambda x: x.numpy(),
    "bool": lambda x: bool(x.sum() > 0),
    "float": lambda x: float(x.sum()),
    "print": lambda x: print(x),
    "tolist": lambda x: x.tolist(),
    "array": lambda x: np.asarray(x),
    "boolean mask": lambda x: x[x > 0],
}


@pytest.mark.parametrize("how", READS)
def test_reading_a_tensor(how: str) -> None:
    def step(x: Tensor) -> Tensor:
        READS[how](x)
        return x + 1.0

    refused(step, pydl.ones(2), match=r"read by Python .*test_capture.py:\d+: .*return the tensor")


def test_an_array_that_comes_in_midway() -> None:
    noise = np.ones(2, np.float32)
    refused(
        lambda x: x + pydl.tensor(noise),
        pydl.ones(2),
        match=r"a NumPy array or a list came in .*test_capture.py:\d+.* pass it as an argument",
    )


def test_captured_inside_captured() -> None:
    @pydl.capture
    def inner(x: Tensor) -> Tensor:
        return x + 1.0

    refused(lambda x: inner(x), pydl.ones(2), match="inner was called inside another captured")


def test_an_argument_changed_in_place() -> None:
    refused(lambda x: x.add_(1.0), pydl.ones(2), match="changes an argument in place")


def test_an_argument_on_the_tape() -> None:
    w = pydl.ones(2, requires_grad=True)
    with pytest.raises(CaptureError, match=r"argument .* is on the tape"):
        pydl.capture(lambda x: x)(w * 2.0)


def test_an_argument_that_is_neither_tensor_nor_hashable() -> None:
    with pytest.raises(CaptureError, match="is a set; expected tensors"):
        pydl.capture(lambda x: x)({1, 2})


def test_a_number_that_is_returned() -> None:
    refused(lambda x: (x + 1.0, 3), pydl.ones(2), match="returned a int, which would stay the same")


def test_a_tensor_from_outside_that_was_replaced() -> None:
    held = {"w": pydl.ones(2)}
    f = pydl.capture(lambda x: x * held["w"])
    for _ in range(3):
        f(pydl.ones(2))
    held["w"] = pydl.zeros(2)
    with pytest.raises(CaptureError, match=r"one of mul: a \(2,\), b \(2,\).*freed or replaced"):
        f(pydl.ones(2))
    f.clear()
    assert [f(pydl.ones(2)).tolist() for _ in range(3)] == [[0, 0]] * 3


def test_state_that_is_carried_in_new_tensors() -> None:
    class Recurrent:
        h = pydl.zeros(2)

    def step(x: Tensor) -> Tensor:
        Recurrent.h = Recurrent.h + x  # must be Recurrent.h.add_(x)
        return Recurrent.h

    f = pydl.capture(step)
    f(pydl.ones(2)), f(pydl.ones(2))
    with pytest.raises(CaptureError, match="change such tensors in place"):
        f(pydl.ones(2))


def test_gradients_from_before_the_call() -> None:
    w = nn.Parameter(pydl.ones(2))

    def step(x: Tensor) -> Tensor:
        loss = (w * x).sum()
        loss.backward()  # without zero_grad
        return loss

    f = pydl.capture(step)
    for i in range(4):  # adds up, as it does eagerly
        f(pydl.ones(2))
        assert w.grad is not None
        assert w.grad.tolist() == [i + 1.0] * 2
    w.grad = None
    with pytest.raises(CaptureError, match=r"uses the \.grad of a parameter from before"):
        f(pydl.ones(2))
    f.clear()
    for _ in range(4):
        w.grad = None  # outside, each time
        f(pydl.ones(2))
        assert w.grad.tolist() == [1, 1]  # type: ignore[attr-defined]
    with pytest.raises(CaptureError, match=r"uses the \.grad of a parameter from before"):
        f(pydl.ones(2))


def test_an_index_out_of_range_is_found_by_replays_too() -> None:
    table = pydl.ones(5, 3)
    f = pydl.capture(lambda i: F.embedding(i, table))
    good, bad = pydl.tensor([0, 4]), pydl.tensor([0, 5])
    f(good), f(good), f(good)
    with pytest.raises(IndexError, match=r"take: index holds 5, expected \[0, 5\)"):
        f(bad)
    divide = pydl.capture(lambda a, b: a // b)
    for _ in range(3):
        divide(good, pydl.tensor([1, 2]))
    with pytest.raises(ZeroDivisionError, match="floor_divide: b holds 0"):
        divide(good, pydl.tensor([1, 0]))


def test_an_error_while_recording_leaves_nothing_behind() -> None:
    fail = [False]

    @pydl.capture
    def step(x: Tensor) -> Tensor:
        if fail[0]:
            raise KeyError("mine")
        return x + 1.0

    step(pydl.ones(1))
    fail[0] = True
    with pytest.raises(KeyError, match="mine"):
        step(pydl.ones(1))
    fail[0] = False
    assert [step(pydl.ones(1)).item() for _ in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("options", [{"verify": -1}, {"max_plans": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="capture: verify="):
        pydl.capture(lambda x: x, **options)
    with pytest.raises(TypeError, match="capture: expected a function, got int"):
        pydl.capture(3)  # type: ignore[call-overload]


# ---- threads


def test_two_threads_with_a_plan_each() -> None:
    def work(seed: int, results: dict[int, list[Any]]) -> None:
        rng = np.random.default_rng(seed)
        w = pydl.tensor(rng.standard_normal((64, 64)))
        f = pydl.capture(lambda x: pydl.tanh(x @ w).sum())
        xs = [pydl.tensor(rng.standard_normal((32, 64))) for _ in range(40)]
        results[seed] = [(f(x).item(), pydl.tanh(x @ w).sum().item()) for x in xs]

    results: dict[int, list[Any]] = {}
    threads = [threading.Thread(target=work, args=(i, results)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(replayed == eager for pairs in results.values() for replayed, eager in pairs)
    assert len(results) == 2


def test_one_plan_on_two_threads_at_once_is_an_error() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> list[float]:
            if self.last_epoch == 3:  # inside a replay
                entered.set()
                leave.wait(10)
            return [0.1]

    w = nn.Parameter(pydl.ones(2))
    schedule = Slow(optim.SGD([w], lr=0.1))

    @pydl.capture
    def step(x: Tensor) -> Tensor:
        schedule.step()
        return x + 1.0

    x = pydl.ones(2)
    step(x), step(x)
    thread = threading.Thread(target=step, args=(x,))
    thread.start()
    assert entered.wait(10)
    try:
        with pytest.raises(CaptureError, match="step is running already; give each thread"):
            step(x)
    finally:
        leave.set()
        thread.join()
    assert step(x).tolist() == [2, 2]


# ---- memory


def test_a_replay_allocates_nothing_but_its_results() -> None:
    step, _, shape = classifier(cnn, "adam", False)
    captured = pydl.capture(step)
    (x, t), *_ = batches(shape, 1)
    for _ in range(5):
        captured(x, t)
    made, blocks = pydl._native.memory_stats()["made"], sys.getallocatedblocks()
    for _ in range(200):
        captured(x, t)
    assert pydl._native.memory_stats()["made"] == made
    assert abs(sys.getallocatedblocks() - blocks) < 20


@pytest.mark.parametrize("make", [mlp, cnn, lenet, normed, lstm])
def test_a_plan_needs_no_more_memory_than_eager_steps(make: Any) -> None:
    step, model, shape = classifier(make, "adam", False)
    (x, t), *_ = batches(shape, 1)
    a, b = pydl.tensor(x), pydl.tensor(t)
    step(a, b)
    for p in model.parameters():
        p.grad = None
    pydl._native.reset_peak_memory()
    before = pydl._native.memory_stats()["live"]
    step(a, b)
    eager = pydl._native.memory_stats()["peak"] - before
    captured = pydl.capture(step)
    captured(a, b), captured(a, b)
    assert captured.plans[0].bytes <= eager


def test_plans_of_one_function_share_memory() -> None:
    f = pydl.capture(lambda x: pydl.tanh(pydl.exp(x) + 1.0).sum())
    for n in (10_000, 9_000, 8_200):
        for _ in range(3):
            f(pydl.ones(n))
    assert len(f.plans) == 3
    assert f.plans[0].bytes == f.plans[2].bytes < 4 * 30_000


def test_a_captured_function_goes_away() -> None:
    def arrays_after_use() -> int:
        step, _, shape = classifier(mlp, "adam", True)
        captured = pydl.capture(step)
        for batch in batches(shape, 4):
            captured(*batch)
        del captured, step
        gc.collect()
        return pydl._native.memory_stats()["arrays"]

    assert arrays_after_use() == arrays_after_use()  # the first leaves common constants behind


# ---- looking into a plan


def test_describe_profile_trace_and_picture(tmp_path: Any) -> None:
    step, model, shape = classifier(cnn, "adam", True)
    captured = pydl.capture(step)
    (x, t), *_ = batches(shape, 1)
    for _ in range(3):
        captured(x, t)
    plan, before = captured.plans[0], state_of(model)
    text = plan.describe()
    assert text.startswith("<plan of step: ")
    assert "conv2d+relu " in text
    assert "6x4x10x10" in text
    rows = plan.profile(repeats=3, trace=tmp_path / "trace.json")
    assert len(rows) == len(plan)
    assert all(row.seconds >= 0 for row in rows)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [event["name"] for event in events] == [row.kernel for row in rows]
    plan.draw(tmp_path / "memory.png")
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
    assert state_of(model) == before  # looking changes nothing


def test_anomalies_are_looked_for_eagerly() -> None:
    log = pydl.capture(lambda x: pydl.log(x))
    for _ in range(3):
        log(pydl.ones(2))
    with pydl.detect_anomaly(), pytest.raises(pydl.AnomalyError, match="log"):
        log(pydl.zeros(2))


def test_warnings_are_errors_for_nobody_else() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = pydl.capture(lambda x: x + 1.0)
        assert [f(pydl.ones(1)).item() for _ in range(4)] == [2] * 4

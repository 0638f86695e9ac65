"""Optimizers against their update rules, written out here once more in float64 NumPy."""

import itertools
import math

import numpy as np
import pytest

import pydl
from pydl import optim

SHAPES = [(3, 4), (5,), (), (2, 1, 3, 3)]
STEPS = 10


def sgd(p, g, s, t, lr, momentum=0.0, dampening=0.0, nesterov=False):
    if momentum:
        s["v"] = g if t == 1 else momentum * s["v"] + (1 - dampening) * g
        g = g + momentum * s["v"] if nesterov else s["v"]
    return p - lr * g


def adagrad(p, g, s, t, lr, lr_decay=0.0, initial_accumulator_value=0.0, eps=1e-10):
    s["sum"] = s.get("sum", initial_accumulator_value) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adadelta(p, g, s, t, lr, rho=0.9, eps=1e-6):
    s["square"] = rho * s.get("square", 0) + (1 - rho) * g**2
    d = np.sqrt(s.get("delta", 0) + eps) / np.sqrt(s["square"] + eps) * g
    s["delta"] = rho * s.get("delta", 0) + (1 - rho) * d**2
    return p - lr * d


def rmsprop(p, g, s, t, lr, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    s["square"] = alpha * s.get("square", 0) + (1 - alpha) * g**2
    s["mean"] = alpha * s.get("mean", 0) + (1 - alpha) * g
    d = g / (np.sqrt(s["square"] - (s["mean"] ** 2 if centered else 0)) + eps)
    s["v"] = momentum * s.get("v", 0) + d
    return p - lr * s["v"]


def adam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, amsgrad=False):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    v = (s["top"] if amsgrad else s["v"]) / (1 - betas[1] ** t)
    return p - lr * (s["m"] / (1 - betas[0] ** t)) / (np.sqrt(v) + eps)


def nadam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    mu, following = (betas[0] * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (t, t + 1))
    s["product"] = s.get("product", 1) * mu
    g_part = (1 - mu) * g / (1 - s["product"])
    m_part = following * s["m"] / (1 - s["product"] * following)
    return p - lr * (g_part + m_part) / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps)


def radam(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    m = s["m"] / (1 - betas[0] ** t)
    limit = 2 / (1 - betas[1]) - 1
    rho = limit - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if rho <= 5:
        return p - lr * m
    r = math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
    return p - lr * m * r * math.sqrt(1 - betas[1] ** t) / (np.sqrt(s["v"]) + eps)


def adamax(p, g, s, t, lr, betas=(0.9, 0.999), eps=1e-8):
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["h"] = np.maximum(betas[1] * s.get("h", 0), np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * s["m"] / s["h"]


def rprop(p, g, s, t, lr, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    agreement = np.sign(g * s.get("g", 0 * g))
    size = s.get("size", lr + 0 * g)
    size = np.where(agreement > 0, size * etas[1], np.where(agreement < 0, size * etas[0], size))
    s["size"] = np.clip(size, *step_sizes)
    s["g"] = np.where(agreement < 0, 0, g)
    return p - np.sign(s["g"]) * s["size"]


def lion(p, g, s, t, lr, betas=(0.9, 0.99)):
    m = s.get("m", 0 * g)
    s["m"] = betas[1] * m + (1 - betas[1]) * g
    return p - lr * np.sign(betas[0] * m + (1 - betas[0]) * g)


DECOUPLED = ("AdamW", "Lion")


def reference(rule, name, p, grads, lr, weight_decay=0.0, maximize=False,
              decoupled_weight_decay=False, **options):  # fmt: skip
    """p after a step for each of `grads`, None standing for none."""
    p = p.astype(np.float64)
    state, t = {}, 0
    for g in grads:
        if g is None:
            continue
        t += 1
        g = -g.astype(np.float64) if maximize else g.astype(np.float64)
        if name in DECOUPLED or decoupled_weight_decay:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        p = rule(p, g, state, t, lr, **options)
    return p


CASES = {
    "SGD": (sgd, {"momentum": (0.0, 0.9), "dampening": (0.0, 0.3), "nesterov": (False, True)}),
    "Adagrad": (adagrad, {"lr_decay": (0.0, 0.1), "initial_accumulator_value": (0.0, 0.5)}),
    "Adadelta": (adadelta, {"rho": (0.9, 0.5), "eps": (1e-6, 1e-3)}),
    "RMSprop": (
        rmsprop,
        {"alpha": (0.99, 0.5), "momentum": (0.0, 0.9), "centered": (False, True)},
    ),
    "Adam": (
        adam,
        {
            "betas": ((0.9, 0.999), (0.5, 0.9)),
            "amsgrad": (False, True),
            "decoupled_weight_decay": (False, True),
        },
    ),
    "AdamW": (adam, {"betas": ((0.9, 0.999), (0.5, 0.9)), "amsgrad": (False, True)}),
    "NAdam": (nadam, {"momentum_decay": (4e-3, 0.1), "decoupled_weight_decay": (False, True)}),
    "RAdam": (
        radam,
        {"betas": ((0.9, 0.999), (0.5, 0.9)), "decoupled_weight_decay": (False, True)},
    ),
    "Adamax": (adamax, {"betas": ((0.9, 0.999), (0.5, 0.9)), "eps": (1e-8, 1e-2)}),
    "Rprop": (rprop, {"etas": ((0.5, 1.2), (0.9, 1.1)), "step_sizes": ((1e-6, 50), (0.01, 0.06))}),
    "Lion": (lion, {"betas": ((0.9, 0.99), (0.5, 0.9))}),
}


def combinations():
    for name, (_, options) in CASES.items():
        options = {"maximize": (False, True), **options}
        if name != "Rprop":
            options["weight_decay"] = (0.0, 0.1)
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            if chosen.get("nesterov") and (not chosen["momentum"] or chosen["dampening"]):
                continue
            yield pytest.param(name, chosen, id=f"{name}-{'-'.join(map(str, values))}")


def parameters(device, seed=0, dtype=pydl.float32):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) for shape in SHAPES]
    return [pydl.tensor(a, dtype, device, requires_grad=True) for a in arrays]


def gradients(seed=1):
    """Gradients of every parameter for every step."""
    rng = np.random.default_rng(seed)
    return [[rng.standard_normal(s).astype(np.float32) for s in SHAPES] for _ in range(STEPS)]


def train(optimizer, params, steps):
    for grads in steps:
        for p, g in zip(params, grads, strict=True):
            p.grad = None if g is None else pydl.tensor(g, p.dtype, p.device)
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), list(combinations()))
def test_update_rule(device, name, options):
    params = parameters(device)
    before = [p.numpy().copy() for p in params]
    steps = gradients()
    train(getattr(optim, name)(params, lr=0.05, **options), params, steps)
    for i, p in enumerate(params):
        grads = [grads[i] for grads in steps]
        expected = reference(CASES[name][0], name, before[i], grads, 0.05, **options)
        # Ten float32 steps of up to lr each: some 1e-7 of the weights and of the steps.
        np.testing.assert_allclose(p.numpy(), expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_defaults_in_float64(name):
    params = parameters("numpy", dtype=pydl.float64)
    before = [p.numpy().copy() for p in params]
    steps = gradients()
    optimizer = getattr(optim, name)(params)
    train(optimizer, params, steps)
    others = {"Adagrad": 1e-2, "Adadelta": 1.0, "RMSprop": 1e-2, "NAdam": 2e-3, "Adamax": 2e-3}
    lr = {**others, "Rprop": 1e-2, "Lion": 1e-4}.get(name, 1e-3)
    decay = {"weight_decay": 0.01} if name == "AdamW" else {}
    for i, p in enumerate(params):
        grads = [grads[i] for grads in steps]
        expected = reference(CASES[name][0], name, before[i], grads, lr, **decay)
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_parameters_without_gradient_are_skipped(device, name):
    """Parameter i has a gradient in some steps only, and then counts its own steps."""
    options = {"momentum": 0.9, "dampening": 0.3} if name == "SGD" else {}
    params = parameters(device)
    before = [p.numpy().copy() for p in params]
    steps = [
        [None if (k + i) % (i + 2) == 0 else g for i, g in enumerate(grads)]
        for k, grads in enumerate(gradients())
    ]
    optimizer = getattr(optim, name)(params, lr=0.05, **options)
    train(optimizer, params, steps)
    for i, p in enumerate(params):
        grads = [grads[i] for grads in steps]
        decay = {"weight_decay": 0.01} if name == "AdamW" else {}
        expected = reference(CASES[name][0], name, before[i], grads, 0.05, **options, **decay)
        np.testing.assert_allclose(p.numpy(), expected, rtol=2e-5, atol=2e-6)
        assert optimizer.state[p]["step"].item() == sum(g is not None for g in grads)


def test_groups_have_their_own_options(device):
    params = parameters(device)
    before = [p.numpy().copy() for p in params]
    steps = gradients()
    optimizer = optim.SGD(
        [{"params": params[:2], "momentum": 0.9}, {"params": params[2], "lr": 0.5}], lr=0.05
    )
    optimizer.add_param_group({"params": params[3:], "weight_decay": 0.1})
    train(optimizer, params, steps)
    options = [{"momentum": 0.9}] * 2 + [{"lr": 0.5}, {"weight_decay": 0.1}]
    for i, p in enumerate(params):
        grads = [grads[i] for grads in steps]
        expected = reference(sgd, "SGD", before[i], grads, **{"lr": 0.05, **options[i]})
        np.testing.assert_allclose(p.numpy(), expected, rtol=2e-5, atol=2e-6)


def test_one_launch_and_no_write_of_lr_in_an_ordinary_step():
    params = parameters("numpy")
    optimizer = optim.Adam(params)
    train(optimizer, params, gradients()[:2])
    buckets = optimizer._buckets[0][1]
    assert len(buckets) == 1
    device = buckets[0].device
    calls = []

    class Watched:
        def __getattr__(self, name):
            calls.append(name)
            return getattr(device.kernels, name)

    class WatchedDevice:
        kernels = Watched()

        def __getattr__(self, name):
            return getattr(device, name)

    buckets[0].device = WatchedDevice()
    optimizer.step()
    assert calls == ["add", "adam"]
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert calls[2:] == ["fill", "add", "adam"]


@pytest.mark.parametrize("name", CASES)
def test_state_dict_resumes_bit_for_bit_through_a_file(device, name, tmp_path):
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    steps = gradients()
    params = parameters(device)
    optimizer = getattr(optim, name)(params, lr=0.05, **options)
    train(optimizer, params, steps[:6])
    tensors, groups = optim.flatten_state(optimizer.state_dict())
    pydl.save(tensors, tmp_path / "optimizer.safetensors", {"param_groups": groups})
    copies = [p.detach().clone().requires_grad_() for p in params]
    train(optimizer, params, steps[6:])

    resumed = getattr(optim, name)(copies, lr=1.0, **options)
    from pydl.io import load_metadata

    text = load_metadata(tmp_path / "optimizer.safetensors")["param_groups"]
    loaded = pydl.load(tmp_path / "optimizer.safetensors")
    resumed.load_state_dict(optim.unflatten_state(loaded, text))
    assert resumed.param_groups[0]["lr"] == 0.05
    train(resumed, copies, steps[6:])
    for p, q in zip(params, copies, strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes()


def test_state_dict_layout(device):
    params = parameters(device)
    optimizer = optim.Adam([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}])
    train(optimizer, params, [[None, *gradients()[0][1:]]])
    state = optimizer.state_dict()
    assert state["param_groups"] == [
        {
            "params": indices,
            "lr": lr,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
            "weight_decay": 0.0,
            "amsgrad": False,
            "maximize": False,
            "decoupled_weight_decay": False,
        }
        for indices, lr in (([0], 1e-3), ([1, 2, 3], 0.5))
    ]
    assert set(state["state"]) == {1, 2, 3}
    assert set(state["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][1]["step"].dtype is pydl.int64
    tensors, text = optim.flatten_state(state)
    assert "3.exp_avg_sq" in tensors
    assert optim.unflatten_state(tensors, text)["param_groups"] == state["param_groups"]


def test_loading_writes_into_the_arrays_that_are_there(device):
    """So that a captured step, which knows the arrays, goes on with what was loaded."""
    params = parameters(device)
    optimizer = optim.Adam(params, lr=0.1)
    steps = gradients()
    train(optimizer, params, steps[:1])
    early = {k: v.numpy().copy() for k, v in optim.flatten_state(optimizer.state_dict())[0].items()}
    groups = optim.flatten_state(optimizer.state_dict())[1]
    train(optimizer, params, steps[1:3])
    bucket = optimizer._buckets[0][1][0]
    arrays = [*bucket.states["exp_avg"], bucket.step.data, bucket.lr]
    optimizer.param_groups[0]["lr"] = 0.7
    back = {k: pydl.tensor(v, device=device) for k, v in early.items()}
    optimizer.load_state_dict(optim.unflatten_state(back, groups))
    assert bucket.device.to_numpy(bucket.lr)[0] == np.float32(0.1)
    train(optimizer, params, steps[3:4])
    after = optimizer._buckets[0][1][0]
    now = [*after.states["exp_avg"], after.step.data, after.lr]
    assert all(a is b for a, b in zip(arrays, now, strict=True))
    assert optimizer.state[params[0]]["step"].item() == 2


def test_loading_steps_that_differ_splits_the_bucket(device):
    params = parameters(device)
    optimizer = optim.Adam(params)
    train(optimizer, params, gradients()[:3])
    state = optimizer.state_dict()
    state["state"][1] = {**state["state"][1], "step": pydl.tensor([7], device=device)}
    optimizer.load_state_dict(state)
    train(optimizer, params, gradients()[:1])
    assert [optimizer.state[p]["step"].item() for p in params] == [4, 8, 4, 4]


def test_zero_grad(device):
    params = parameters(device)
    optimizer = optim.SGD(params)
    train(optimizer, params, gradients()[:1])
    optimizer.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in params)
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


def test_step_calls_a_closure(device):
    w = pydl.ones(2, device=device, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with pydl.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert w.numpy().tolist() == [0.0, 0.0]


def test_a_step_between_forward_and_backward_is_noticed(device):
    w = pydl.ones(2, device=device, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    loss = (w * w).sum()
    w.grad = pydl.ones(2, device=device)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: optim.SGD(p, lr=-1), "SGD: lr must be >= 0, got -1"),
        (lambda p: optim.SGD(p, lr=math.nan), "SGD: lr must be >= 0, got nan"),
        (lambda p: optim.SGD(p, nesterov=True), "nesterov needs momentum > 0 and dampening 0"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), r"Adam: betas must be in \[0, 1\)"),
        (lambda p: optim.AdamW(p, weight_decay=-0.1), "AdamW: weight_decay must be >= 0"),
        (lambda p: optim.Adadelta(p, rho=1.5), r"Adadelta: rho must be in \[0, 1\]"),
        (lambda p: optim.Adagrad(p, eps=-1), "Adagrad: eps must be >= 0"),
        (lambda p: optim.RMSprop(p, alpha=-1), "RMSprop: alpha must be >= 0"),
        (lambda p: optim.SGD([]), "SGD: got no parameters"),
        (lambda p: optim.SGD([*p, p[0]]), "is given twice"),
        (lambda p: optim.SGD([{"params": p}, {"params": p[:1]}]), "is given twice"),
        (lambda p: optim.SGD([p[0] * 2]), "not a leaf"),
        (lambda p: optim.SGD([{"params": p, "beta": 1}]), "SGD: unknown option beta"),
    ],
)
def test_value_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make(parameters("numpy"))


def test_type_errors():
    with pytest.raises(TypeError, match="must be an iterable of tensors"):
        optim.SGD(parameters("numpy")[0])
    with pytest.raises(TypeError, match="ndarray among the parameters"):
        optim.SGD([np.ones(2)])


def test_load_errors_change_nothing():
    params = parameters("numpy")
    optimizer = optim.Adam(params, lr=0.25)
    train(optimizer, params, gradients()[:1])
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"parameters per group are \[1\] in the state, \[4\]"):
        optimizer.load_state_dict({"state": {}, "param_groups": [{"params": [0]}]})
    other = {**state["param_groups"][0], "lr": 9.0}
    for bad, message in (
        ({"exp_avg": params[1]}, "parameter 0 has no 'step'"),
        ({**state["state"][0], "exp_avg": params[1]}, r"exp_avg of parameter 0 has shape \(5,\)"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({"state": {0: bad}, "param_groups": [other]})
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.state[params[0]]["step"].item() == 1
    with pytest.raises(ValueError, match="'exp_avg' is not of the form"):
        optim.unflatten_state({"exp_avg": params[0]}, "[]")


def test_repr():
    text = repr(optim.SGD(parameters("numpy"), lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.5\n")
